//! How backends are asked.

use super::globals::Globals;
use super::row::{Key, key};
use super::values::{flag, number, seconds, set, time};
use crate::control::lower::ingress::annotations::backend_protocol::known_balance;
use crate::control::lower::ingress::annotations::row::State::{NoEffect, Partial, Supported};
use crate::model::RetryCause;

const POOLS: &str = "as far as --pool-total and --pool-idle-per-endpoint allow; without the keys \
                     flags count, also for how long and how often";

pub(super) const KEYS: &[Key] = &[
    key("load-balance", "round_robin", Supported).put(balance).doc("round_robin or ewma."),
    key("proxy-connect-timeout", "5", Partial("for all endpoints that a request tries together"))
        .of_annotation()
        .doc("Seconds for a connection to a backend."),
    key("proxy-http-version", "1.1", Partial("chunked bodies above 64 KiB are 411 with 1.0"))
        .of_annotation()
        .doc("Version of HTTP/1 that backends are spoken to in: 1.0 or 1.1."),
    key(
        "proxy-next-upstream",
        "error timeout",
        Partial("bodies that are not here as a whole are not sent again"),
    )
    .of_annotation()
    .doc("Failures after which another endpoint is asked; off: none."),
    key("proxy-next-upstream-timeout", "0", Supported)
        .of_annotation()
        .doc("Seconds within which it is; 0: any time."),
    key("proxy-next-upstream-tries", "3", Supported)
        .of_annotation()
        .doc("How many are asked, the first among them; 0: up to 20."),
    key("proxy-read-timeout", "60", Supported)
        .of_annotation()
        .doc("Seconds between two reads from a backend."),
    key("proxy-send-timeout", "60", Supported)
        .of_annotation()
        .doc("Seconds between two writes to a backend."),
    key("proxy-ssl-location-only", "false", NoEffect("they always hold for their Ingress alone"))
        .doc("The `proxy-ssl-*` annotations hold for the Ingress alone, not for its hosts."),
    key("retry-non-idempotent", "false", Supported)
        .put(repeats)
        .doc("Requests that may do something each time are repeated, too."),
    key("service-upstream", "false", Supported)
        .of_annotation()
        .doc("Requests go to the addresses of Services, not to their endpoints."),
    key("upstream-keepalive-connections", "320", Partial(POOLS))
        .put(pool_connections)
        .doc("Idle connections to backends that each core keeps; 0: none."),
    key("upstream-keepalive-requests", "10000", Supported)
        .put(pool_requests)
        .doc("Requests over one of them."),
    key("upstream-keepalive-time", "1h", Supported)
        .put(|text, globals| set(&mut globals.pools.age, time(text).map(Some)))
        .doc("How old one of them may become."),
    key("upstream-keepalive-timeout", "60", Supported)
        .put(|text, globals| set(&mut globals.pools.idle_time, seconds(text).map(Some)))
        .doc("Seconds that one of them may be idle."),
];

fn balance(text: &str, globals: &mut Globals) -> Result<(), String> {
    globals.defaults.balance = known_balance(text).ok_or("it is neither round_robin nor ewma")?;
    Ok(())
}

fn repeats(text: &str, globals: &mut Globals) -> Result<(), String> {
    globals.extra_retry_cause = flag(text)?.then_some(RetryCause::NonIdempotent);
    Ok(())
}

fn pool_connections(text: &str, globals: &mut Globals) -> Result<(), String> {
    globals.pools.connections = Some(number(text, 0..=u32::MAX)?);
    Ok(())
}

fn pool_requests(text: &str, globals: &mut Globals) -> Result<(), String> {
    globals.pools.requests = Some(number(text, 1..=u32::MAX)?);
    Ok(())
}
