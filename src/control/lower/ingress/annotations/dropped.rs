//! What ingress-nginx had once.

use super::group::Group;
use super::row::Scope::{Location, Upstream};
use super::row::{Row, State, row};

pub(super) const GROUP: Group = Group { title: "Of older releases", rows: ROWS, read: None };

const DROPPED: State = State::Refused("nor has it in ingress-nginx any more");

const ROWS: &[Row] = &[
    row("add-base-url", Location, DROPPED).doc("A base element in pages."),
    row("base-url-scheme", Location, DROPPED).doc("Its scheme."),
    row("enable-influxdb", Location, DROPPED).doc("Metrics for InfluxDB."),
    row("enable-opentracing", Location, DROPPED).doc("Requests were traced."),
    row("global-rate-limit-ignored-cidrs", Location, DROPPED)
        .doc("Addresses that global-rate-limit did not count."),
    row("global-rate-limit-key", Location, DROPPED).doc("What it counted by."),
    row("global-rate-limit-window", Location, DROPPED).doc("Its window."),
    row("grpc-backend", Location, DROPPED).doc("Now backend-protocol."),
    row("influxdb-host", Location, DROPPED).doc("Host of InfluxDB."),
    row("influxdb-measurement", Location, DROPPED).doc("Name of the measurement."),
    row("influxdb-port", Location, DROPPED).doc("Port of InfluxDB."),
    row("influxdb-server-name", Location, DROPPED).doc("Name of the server."),
    row("lua-resty-waf", Location, DROPPED).doc("A firewall."),
    row("opentracing-trust-incoming-span", Location, DROPPED)
        .doc("Traces of clients were continued."),
    row("secure-backends", Location, DROPPED).doc("Now backend-protocol."),
    row("secure-verify-ca-secret", Location, DROPPED).doc("Now proxy-ssl-secret."),
    row("session-cookie-hash", Upstream, DROPPED).doc("Hash of the cookie."),
];
