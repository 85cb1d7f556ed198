//! What ingress-nginx had once.

use super::group::Group;
use super::row::Scope::{Location, Upstream};
use super::row::State::Refused;
use super::row::{Row, row};

pub(super) const GROUP: Group = Group { title: "Of older releases", rows: ROWS, read: None };

const ROWS: &[Row] = &[
    row("add-base-url", Location, Refused).doc("A base element in pages."),
    row("base-url-scheme", Location, Refused).doc("Its scheme."),
    row("enable-influxdb", Location, Refused).doc("Metrics for InfluxDB."),
    row("enable-opentracing", Location, Refused).doc("Requests were traced."),
    row("global-rate-limit-ignored-cidrs", Location, Refused)
        .doc("Addresses that global-rate-limit did not count."),
    row("global-rate-limit-key", Location, Refused).doc("What it counted by."),
    row("global-rate-limit-window", Location, Refused).doc("Its window."),
    row("grpc-backend", Location, Refused).doc("Now backend-protocol."),
    row("influxdb-host", Location, Refused).doc("Host of InfluxDB."),
    row("influxdb-measurement", Location, Refused).doc("Name of the measurement."),
    row("influxdb-port", Location, Refused).doc("Port of InfluxDB."),
    row("influxdb-server-name", Location, Refused).doc("Name of the server."),
    row("lua-resty-waf", Location, Refused).doc("A firewall."),
    row("opentracing-trust-incoming-span", Location, Refused)
        .doc("Traces of clients were continued."),
    row("secure-backends", Location, Refused).doc("Now backend-protocol."),
    row("secure-verify-ca-secret", Location, Refused).doc("Now proxy-ssl-secret."),
    row("session-cookie-hash", Upstream, Refused).doc("Hash of the cookie."),
];
