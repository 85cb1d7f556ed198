//! Directives about how much may be asked.
//!
//! Source: nginx, modules `ngx_http_limit_req_module` and `ngx_http_limit_conn_module`.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::meaning::ZoneRate;
use super::reading::{Call, Reading};
use crate::filter::{AddressRanges, ClientLimits, LimitKey, Rate, Zone};
use crate::limits::{CLIENT_RATE_MAX, SCRIPT_LIMITS_MAX};

const NO_ZONE: &str = "it takes a key and zone=NAME:SIZE";

pub(super) fn limit_req_zone(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let [key, words @ ..] = &call.words[..] else { return Err(NO_ZONE.into()) };
    let (mut name, mut rate) = (None, None);
    for word in words {
        match word.split_once('=') {
            Some(("zone", zone)) => name = zone.split(':').next(),
            Some(("rate", text)) => rate = Some(read_rate(text)?),
            _ => return Err(format!("{word:?} is no parameter")),
        }
    }
    let name = name.filter(|name| !name.is_empty()).ok_or(NO_ZONE)?;
    let zone = (read_key(reading, key)?, rate.ok_or("its rate is missing")?);
    reading.snippet.names.rates.insert(name.into(), zone);
    Ok(())
}

pub(super) fn limit_conn_zone(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let [key, zone] = &call.words[..] else { return Err(NO_ZONE.into()) };
    let name = zone.strip_prefix("zone=").and_then(|zone| zone.split(':').next());
    let name = name.filter(|name| !name.is_empty()).ok_or(NO_ZONE)?;
    let key = read_key(reading, key)?;
    reading.snippet.names.opens.insert(name.into(), key);
    Ok(())
}

/// Whoever comes before his time but within the burst passes at once: nobody waits here.
pub(super) fn limit_req(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let (mut name, mut burst) = (None, 0);
    for word in &call.words {
        match word.split_once('=') {
            Some(("zone", zone)) => name = Some(zone),
            Some(("burst", text)) => burst = count(text)?.get(),
            Some(("delay", text)) => count(text).map(|_| ())?,
            None if *word == "nodelay" => {}
            _ => return Err(format!("{word:?} is no parameter")),
        }
    }
    let name = name.ok_or("its zone is missing")?;
    let zone = reading.defined(|names| names.rates.get(name));
    let (key, rate) = zone.cloned().ok_or_else(|| format!("there is no limit_req_zone {name}"))?;
    let mut limits = of_zone(name, key);
    match rate {
        ZoneRate::PerSecond(times) => {
            limits.per_second = Some(Rate::per_second(times, burst.into()));
        }
        ZoneRate::PerMinute(times) => {
            limits.per_minute = Some(Rate::per_minute(times, burst.into()));
        }
    }
    add(reading, limits)
}

pub(super) fn limit_conn(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let [name, most] = call.words[..] else { return Err("it takes a zone and a number".into()) };
    let key = reading.defined(|names| names.opens.get(name)).cloned();
    let key = key.ok_or_else(|| format!("there is no limit_conn_zone {name}"))?;
    add(reading, ClientLimits { open: Some(count(most)?), ..of_zone(name, key) })
}

fn of_zone(name: &str, key: LimitKey) -> ClientLimits {
    let (zone, exempt) = (Zone::named(name), AddressRanges::default());
    ClientLimits { zone, key, per_second: None, per_minute: None, open: None, exempt }
}

fn add(reading: &mut Reading<'_>, limits: ClientLimits) -> Result<(), String> {
    let of_kind = |other: &&Arc<ClientLimits>| other.has_rate() == limits.has_rate();
    if reading.snippet.limits.iter().filter(of_kind).count() >= SCRIPT_LIMITS_MAX {
        return Err(format!("there are more than {SCRIPT_LIMITS_MAX}"));
    }
    reading.snippet.limits.push(Arc::new(limits));
    Ok(())
}

fn read_key(reading: &Reading<'_>, text: &str) -> Result<LimitKey, String> {
    let text = text.replace("$binary_remote_addr", "$remote_addr");
    match &*text {
        "$remote_addr" => Ok(LimitKey::Address),
        text => reading.text(text).map(LimitKey::Text),
    }
}

fn read_rate(text: &str) -> Result<ZoneRate, String> {
    let no_rate = || format!("{text:?} is no rate such as 10r/s or 30r/m");
    let (times, unit) = text.split_once("r/").ok_or_else(no_rate)?;
    match unit {
        "s" => count(times).map(ZoneRate::PerSecond),
        "m" => count(times).map(ZoneRate::PerMinute),
        _ => Err(no_rate()),
    }
}

fn count(text: &str) -> Result<NonZeroU32, String> {
    let count = text.parse().ok().filter(|count: &NonZeroU32| count.get() <= CLIENT_RATE_MAX);
    count.ok_or_else(|| format!("{text:?} is no number from 1 to {CLIENT_RATE_MAX}"))
}
