//! What backends speak, and how one is chosen.

use super::group::Group;
use super::reader::Reader;
use super::row::Invalid::Denied;
use super::row::Scope::{Location, Upstream};
use super::row::State::{NotYet, Partial};
use super::row::{Row, row};
use crate::control::lower::settings::Settings;
use crate::model::BackendProtocol;
use crate::model::Kind::ConfigMap;

pub(super) const GROUP: Group = Group { title: "Backends", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    row("backend-protocol", Location, Partial("AUTO_HTTP is HTTP; FCGI is not spoken"))
        .doc("HTTP, HTTPS, GRPC or GRPCS."),
    row("connection-proxy-header", Location, NotYet).doc("Value of Connection towards backends."),
    row("fastcgi-index", Location, NotYet)
        .doc("File that FastCGI backends take for a path that ends in a slash."),
    row("fastcgi-params-configmap", Location, NotYet)
        .invalid(Denied)
        .names(ConfigMap)
        .doc("ConfigMap with parameters for FastCGI backends."),
    row("load-balance", Upstream, NotYet).doc("round_robin or ewma."),
    row("proxy-http-version", Location, NotYet)
        .doc("Version of HTTP/1 that backends are spoken to in."),
    row("service-upstream", Upstream, NotYet)
        .doc("Requests go to the address of the Service, not to its endpoints."),
    row("upstream-hash-by", Upstream, NotYet)
        .doc("Variables that choose the endpoint by a consistent hash."),
    row("upstream-hash-by-subset", Upstream, NotYet).doc("The hash chooses a group of endpoints."),
    row("upstream-hash-by-subset-size", Upstream, NotYet).doc("Endpoints of such a group."),
    row("upstream-vhost", Location, Partial("a name, perhaps with a port, without variables"))
        .doc("Value of Host towards backends."),
];

const PROTOCOL: &str = "backend-protocol";

const VHOST: &str = "upstream-vhost";

fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    protocol(reader, settings);
    if let Some(text) = reader.text(VHOST) {
        let is_usable = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b));
        if is_usable {
            settings.policies.upstream_host = Some(text.into());
        } else {
            let advice = "Write a name, perhaps with a port; until then the client's Host is sent.";
            reader.invalid(VHOST, text, "it is no value of Host.", advice);
        }
    }
}

/// As in ingress-nginx, case does not matter and what is not known is HTTP.
fn protocol(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    let Some(text) = reader.text(PROTOCOL) else { return };
    settings.upstream.protocol = Some(match text.to_ascii_uppercase().as_str() {
        "HTTP" | "AUTO_HTTP" => BackendProtocol::Http,
        "HTTPS" => BackendProtocol::Https,
        "GRPC" => BackendProtocol::Grpc,
        "GRPCS" => BackendProtocol::Grpcs,
        _ => {
            let advice = "Write HTTP, HTTPS, GRPC or GRPCS; until then HTTP is spoken.";
            reader.invalid(PROTOCOL, text, "it is not supported.", advice);
            BackendProtocol::Http
        }
    });
}
