//! How much a client may ask for.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;

use super::group::Group;
use super::reader::{Reader, decimal};
use super::row::Guard::Unless;
use super::row::Invalid::Ignored;
use super::row::Off::Zero;
use super::row::Scope::Location;
use super::row::State::{self, Partial, Supported};
use super::row::{Row, row};
use crate::control::lower::settings::Settings;
use crate::filter::{AddressRanges, ClientLimits, LimitKey, Pace, Rate, Zone};
use crate::limits::{CLIENT_BURST_MULTIPLIER_MAX, CLIENT_RATE_MAX};

pub(super) const GROUP: Group = Group { title: "Limits", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    // Removed in 1.12: whoever comes from an older release was protected by it.
    row("global-rate-limit", Location, State::Refused(NOT_GLOBAL))
        .guard(Unless(Zero))
        .doc("Requests in a window over all replicas; gone from ingress-nginx with release 1.12."),
    row(ALLOWLIST, Location, Supported).doc("Addresses that are not limited."),
    row(MULTIPLIER, Location, Supported)
        .doc("How many times the limit may come at once, and one more; 5 by default."),
    row(CONNECTIONS, Location, Supported)
        .guard(Unless(Zero))
        .doc("Requests of one client under way at a time, for all paths of the Ingress together."),
    row(PACE, Location, Partial("with and without proxy-buffering"))
        .guard(Unless(Zero))
        .invalid(Ignored)
        .doc("Kilobytes of a response in a second."),
    row(PACE_AFTER, Location, Supported).doc("Kilobytes of a response before that."),
    row(RPM, Location, Supported)
        .guard(Unless(Zero))
        .doc("Requests of one client in a minute, for all paths of the Ingress together."),
    row(RPS, Location, Supported)
        .guard(Unless(Zero))
        .doc("Requests of one client in a second, for all paths of the Ingress together."),
    row(WHITELIST, Location, Supported).doc("The same as limit-allowlist, which comes first."),
];

const NOT_GLOBAL: &str = "and what it protects gets status 503: replicas count by themselves";
const RPS: &str = "limit-rps";
const RPM: &str = "limit-rpm";
const CONNECTIONS: &str = "limit-connections";
const MULTIPLIER: &str = "limit-burst-multiplier";
const ALLOWLIST: &str = "limit-allowlist";
const WHITELIST: &str = "limit-whitelist";
const PACE: &str = "limit-rate";
const PACE_AFTER: &str = "limit-rate-after";

/// Where ingress-nginx has it.
const MULTIPLIER_DEFAULT: u32 = 5;
const KILOBYTE: u64 = 1024;

fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    let [second, minute, open] = [RPS, RPM, CONNECTIONS].map(|name| limit(reader, name, settings));
    let multiplier = multiplier(reader);
    let exempt = exempt(reader);
    settings.policies.pace = pace(reader);
    if second.or(minute).or(open).is_none() {
        return;
    }
    let burst = |count: NonZeroU32| u64::from(count.get()).saturating_mul(multiplier.into());
    settings.policies.limits = Some(Arc::new(ClientLimits {
        zone: Zone::of(&reader.owner.namespace, &reader.owner.name, reader.uid),
        key: LimitKey::Address,
        per_second: second.map(|count| Rate::per_second(count, burst(count))),
        per_minute: minute.map(|count| Rate::per_minute(count, burst(count))),
        open,
        exempt,
    }));
}

/// What cannot be understood lets nobody in: a limit protects.
fn limit(reader: &mut Reader<'_, '_>, name: &str, settings: &mut Settings) -> Option<NonZeroU32> {
    let text = reader.text(name)?;
    match decimal::<u32>(text) {
        Some(count) if count <= CLIENT_RATE_MAX => NonZeroU32::new(count),
        _ => {
            settings.guards.close();
            let why = format!("it is no number from 0 to {CLIENT_RATE_MAX}.");
            let advice = "Write digits alone; until then all requests get status 503.";
            reader.invalid(name, text, &why, advice);
            None
        }
    }
}

fn pace(reader: &mut Reader<'_, '_>) -> Option<Pace> {
    let bytes = |kilobytes: Option<u32>| u64::from(kilobytes.unwrap_or(0)).saturating_mul(KILOBYTE);
    let after_bytes = bytes(reader.number(PACE_AFTER));
    let bytes_per_second = NonZeroU64::new(bytes(reader.number(PACE)))?;
    Some(Pace { bytes_per_second, after_bytes })
}

fn multiplier(reader: &mut Reader<'_, '_>) -> u32 {
    match reader.number(MULTIPLIER) {
        Some(times) => times.min(CLIENT_BURST_MULTIPLIER_MAX),
        None => MULTIPLIER_DEFAULT,
    }
}

/// A list that cannot be understood exempts nobody.
fn exempt(reader: &mut Reader<'_, '_>) -> AddressRanges {
    let named =
        [ALLOWLIST, WHITELIST].into_iter().find_map(|name| Some((name, reader.text(name)?)));
    let Some((name, text)) = named else { return AddressRanges::default() };
    AddressRanges::parse(text).unwrap_or_else(|error| {
        let advice = "Write ADDRESS or ADDRESS/PREFIX with commas between; until then the limits \
                      hold for everybody.";
        reader.invalid(name, text, &format!("{error}."), advice);
        AddressRanges::default()
    })
}
