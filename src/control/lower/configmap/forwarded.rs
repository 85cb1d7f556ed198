//! Who the client is, where somebody stands in between.

use super::globals::Globals;
use super::row::{Key, key};
use super::values::flag;
use crate::control::lower::ingress::annotations::row::State::{NoEffect, Partial, Supported};
use crate::filter::{AddressRanges, Believed, ForwardedList};
use crate::model::ProxyProtocol;

pub(super) const KEYS: &[Key] = &[
    key("compute-full-forwarded-for", "false", Partial("the list of a trusted proxy alone"))
        .put(list)
        .doc("X-Forwarded-For is appended to, not replaced; with `use-forwarded-headers`."),
    key("enable-real-ip", "false", Supported)
        .put(real_ip)
        .doc("The client's address is that of `forwarded-for-header`."),
    key("forwarded-for-header", "X-Forwarded-For", Supported)
        .put(field)
        .doc("Field with the addresses of the client and of proxies."),
    key("proxy-protocol-header-timeout", "5s", NoEffect("client-header-timeout bounds it"))
        .doc("Time for a PROXY header."),
    key("proxy-real-ip-cidr", "0.0.0.0/0", Partial(RANGES))
        .put(trusted)
        .guard()
        .doc("Addresses and ranges of proxies that are believed, with commas between."),
    key("use-forwarded-headers", "false", Partial("of trusted proxies alone"))
        .put(everything)
        .doc("X-Forwarded-For, -Proto, -Host and -Port of proxies are believed."),
    key(
        "use-proxy-protocol",
        "false",
        Partial("of the ranges of --proxy-protocol-trusted, if given"),
    )
    .put(introduced)
    .doc("Connections begin with a PROXY header."),
];

const RANGES: &str = "without it those of both families; they hold for all that proxies say";

fn list(text: &str, globals: &mut Globals) -> Result<(), String> {
    let is_whole = flag(text)?;
    let list = if is_whole { ForwardedList::Whole } else { ForwardedList::Client };
    globals.downstream.forwarded.list = list;
    Ok(())
}

fn real_ip(text: &str, globals: &mut Globals) -> Result<(), String> {
    believe(globals, text, Believed::Address)
}

fn everything(text: &str, globals: &mut Globals) -> Result<(), String> {
    believe(globals, text, Believed::Everything)
}

/// Of the keys that say so, the one that says most counts.
fn believe(globals: &mut Globals, text: &str, what: Believed) -> Result<(), String> {
    let believed = &mut globals.downstream.forwarded.believed;
    if flag(text)? && *believed < what {
        *believed = what;
    }
    Ok(())
}

fn field(text: &str, globals: &mut Globals) -> Result<(), String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !text.bytes().all(is_token) {
        return Err("it is no name of a field".to_owned());
    }
    // nginx' word for the header of that name; no field has addresses then.
    let name = if text == "proxy_protocol" { "" } else { text };
    globals.downstream.forwarded.field = name.to_ascii_lowercase().into();
    Ok(())
}

fn trusted(text: &str, globals: &mut Globals) -> Result<(), String> {
    let ranges = AddressRanges::parse(text.trim_end_matches([',', ' ']));
    globals.downstream.forwarded.trusted = ranges.map_err(|why| why.to_string())?;
    Ok(())
}

/// Flags that name load balancers say who they are.
fn introduced(text: &str, globals: &mut Globals) -> Result<(), String> {
    let downstream = &mut globals.downstream;
    if flag(text)? && downstream.proxy_protocol.introducing.is_empty() {
        downstream.proxy_protocol = ProxyProtocol {
            introducing: AddressRanges::everybody(),
            believed: downstream.forwarded.trusted.clone(),
        };
    }
    Ok(())
}
