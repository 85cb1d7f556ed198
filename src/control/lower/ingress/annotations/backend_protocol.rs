//! What backends speak, and how one is chosen.

use std::num::NonZeroU8;
use std::sync::Arc;

use super::group::Group;
use super::reader::Reader;
use super::row::Invalid::{Denied, Refused};
use super::row::Risk::{High, Medium};
use super::row::Scope::{Location, Upstream};
use super::row::State::{self, Partial, Supported};
use super::row::{Row, row};
use crate::control::lower::settings::{Settings, Spoken};
use crate::filter::{Binding, HashBy, Refusal, Text, Variable};
use crate::limits::HASH_GROUP_MAX;
use crate::model::Kind::ConfigMap;
use crate::model::{BackendProtocol, Balance, ConnectionOption, Reach, UpstreamVersion};

pub(super) const GROUP: Group = Group { title: "Backends", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    row("backend-protocol", Location, Partial("FCGI is answered with status 503")).doc(
        "HTTP, HTTPS, GRPC, GRPCS, or AUTO_HTTP: HTTPS for clients of https, HTTP for others.",
    ),
    row(CONNECTION, Location, Partial("an upgrade, such as of a websocket, stays one"))
        .invalid(Refused)
        .doc("close or keep-alive: value of Connection towards backends."),
    row("fastcgi-index", Location, State::Refused(NO_FASTCGI))
        .risk(Medium)
        .doc("File that FastCGI backends take for a path that ends in a slash."),
    row("fastcgi-params-configmap", Location, State::Refused(NO_FASTCGI))
        .risk(Medium)
        .invalid(Denied)
        .names(ConfigMap)
        .doc("ConfigMap with parameters for FastCGI backends."),
    row(BALANCE, Upstream, Supported).invalid(Refused).doc("round_robin or ewma."),
    row(HTTP_VERSION, Location, Partial("chunked bodies above 64 KiB are 411 with 1.0"))
        .doc("Version of HTTP/1 that backends are spoken to in: 1.0 or 1.1."),
    row(SERVICE, Upstream, Supported)
        .doc("Requests go to the address of the Service, not to its endpoints."),
    row(HASH_BY, Upstream, Supported)
        .risk(High)
        .invalid(Refused)
        .doc("Text with variables that chooses the endpoint by a consistent hash."),
    row(SUBSET, Upstream, Supported).doc("The hash chooses a group of endpoints."),
    row(SUBSET_SIZE, Upstream, Partial("64 at most")).doc("Endpoints of such a group; 3."),
    row(VHOST, Location, Supported).invalid(Refused).doc("Value of Host towards backends."),
];

const NO_FASTCGI: &str = "as backends that speak FastCGI are answered for with status 503";

const PROTOCOL: &str = "backend-protocol";

const CONNECTION: &str = "connection-proxy-header";
const HTTP_VERSION: &str = "proxy-http-version";

const VHOST: &str = "upstream-vhost";

const BALANCE: &str = "load-balance";
const SERVICE: &str = "service-upstream";
const HASH_BY: &str = "upstream-hash-by";
const SUBSET: &str = "upstream-hash-by-subset";
const SUBSET_SIZE: &str = "upstream-hash-by-subset-size";

/// Endpoints of a group, where nothing is said.
const GROUP_SIZE: NonZeroU8 = NonZeroU8::new(3).unwrap();

fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    protocol(reader, settings);
    version(reader, settings);
    settings.policies.balance = balance(reader);
    settings.policies.binding = hash(reader).map(|by| Arc::new(Binding::Hash(by)));
    if reader.flag(SERVICE).unwrap_or(false) {
        settings.upstream.reach = Reach::Service;
    }
    connection(reader, settings);
    settings.policies.upstream_host = host(reader);
}

fn connection(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    let Some(text) = reader.text(CONNECTION) else { return };
    settings.policies.connection = match text {
        "close" => Some(ConnectionOption::Close),
        "keep-alive" => Some(ConnectionOption::KeepAlive),
        _ => {
            reader.refuse(CONNECTION, "it is neither close nor keep-alive.");
            None
        }
    };
}

/// What an expression of the path captured is not known to it.
fn host(reader: &mut Reader<'_, '_>) -> Option<Text> {
    let text = reader.text(VHOST)?;
    let is_usable = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]${}".contains(&b));
    let is_capture = |variable: &Variable| matches!(variable, Variable::Capture(_));
    let found = match Text::new(text, |_| false) {
        _ if !is_usable => Err("it is no value of Host.".to_owned()),
        Ok(text) if text.variables().any(is_capture) => {
            Err("it has a variable that is not known there.".to_owned())
        }
        Ok(text) => Ok(text),
        Err(why) => Err(format!("{why}.")),
    };
    found.map_err(|why| reader.refuse(VHOST, &why)).ok()
}

fn version(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    let known = |text| match text {
        "1.0" => Some(UpstreamVersion::Http10),
        "1.1" => Some(UpstreamVersion::Http11),
        _ => None,
    };
    let Some(text) = reader.text(HTTP_VERSION) else { return };
    let version = known(text).or_else(|| {
        let advice = "Write 1.0 or 1.1; until then the default counts.";
        reader.invalid(HTTP_VERSION, text, "HTTP/1 has no such version.", advice);
        known(reader.general(HTTP_VERSION)?)
    });
    settings.policies.upstream_version = version.unwrap_or_default();
}

/// As in ingress-nginx, case does not matter and what is not known is HTTP. What is known there and
/// not spoken here gets no request, because nothing would come of it.
fn protocol(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    let Some(text) = reader.text(PROTOCOL) else { return };
    settings.upstream.spoken = match text.to_ascii_uppercase().as_str() {
        "HTTP" => Spoken::As(BackendProtocol::Http),
        "AUTO_HTTP" => Spoken::AsClient,
        "HTTPS" => Spoken::As(BackendProtocol::Https),
        "GRPC" => Spoken::As(BackendProtocol::Grpc),
        "GRPCS" => Spoken::As(BackendProtocol::Grpcs),
        "FCGI" => {
            let advice = "Put a server before it that speaks HTTP; until then its requests get \
                          status 503.";
            reader.invalid(PROTOCOL, text, "FastCGI is not spoken.", advice);
            settings.policies.refusal = Some(Refusal::NotSupported);
            Spoken::As(BackendProtocol::Http)
        }
        _ => {
            let advice = "Write HTTP, HTTPS, AUTO_HTTP, GRPC or GRPCS; until then HTTP is spoken.";
            reader.invalid(PROTOCOL, text, "it is not supported.", advice);
            Spoken::As(BackendProtocol::Http)
        }
    };
}

fn balance(reader: &mut Reader<'_, '_>) -> Option<Balance> {
    let text = reader.text(BALANCE)?;
    let known = known_balance(text);
    if known.is_none() && INNER.contains(&text) {
        reader.taken_for(BALANCE, text, "round_robin", "Write round_robin or ewma.");
    } else if known.is_none() {
        reader.refuse(BALANCE, "it is neither round_robin nor ewma.");
    }
    known.or(Some(Balance::RoundRobin))
}

/// What ingress-nginx calls its other ways inside; there they are no choice of an author either.
const INNER: [&str; 4] = ["chash", "chashsubset", "sticky_balanced", "sticky_persistent"];

/// The way that a word stands for.
pub(crate) fn known_balance(text: &str) -> Option<Balance> {
    match text {
        "round_robin" => Some(Balance::RoundRobin),
        "ewma" => Some(Balance::PeakEwma),
        _ => None,
    }
}

fn hash(reader: &mut Reader<'_, '_>) -> Option<HashBy> {
    let is_subset = reader.flag(SUBSET).unwrap_or(false);
    let size = group_size(reader);
    let text = reader.text(HASH_BY)?;
    let why = match Text::new(text, |_| false) {
        Ok(_) if !text.bytes().all(is_hash_text) => {
            "it has other characters than variables, letters, digits, - and _".to_owned()
        }
        Ok(found) if found.variables().any(|v| matches!(v, Variable::Capture(_))) => {
            "no expression captures anything for it".to_owned()
        }
        Ok(text) => {
            return Some(HashBy { text, group: if is_subset { size } else { NonZeroU8::MIN } });
        }
        Err(why) => why.to_string(),
    };
    reader.refuse(HASH_BY, &format!("{why}."));
    None
}

/// What ingress-nginx takes.
fn is_hash_text(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_${}".contains(&byte)
}

fn group_size(reader: &mut Reader<'_, '_>) -> NonZeroU8 {
    let Some(text) = reader.text(SUBSET_SIZE) else { return GROUP_SIZE };
    let is_small = |size: &NonZeroU8| usize::from(size.get()) <= HASH_GROUP_MAX;
    text.parse().ok().filter(is_small).unwrap_or_else(|| {
        let advice = format!("Write a number from 1 to {HASH_GROUP_MAX}.");
        let why = format!("it is no number of endpoints, and {GROUP_SIZE} counts.");
        reader.invalid(SUBSET_SIZE, text, &why, &advice);
        GROUP_SIZE
    })
}
