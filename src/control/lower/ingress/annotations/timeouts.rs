//! How long backends may take, and who is asked next.

use std::time::Duration;

use super::group::Group;
use super::reader::Reader;
use super::row::Risk::Medium;
use super::row::Scope::Location;
use super::row::State::{Partial, Supported};
use super::row::{Row, row};
use crate::control::lower::settings::Settings;
use crate::limits::{FLAG_SECONDS_MAX, TRIES_MAX};
use crate::model::{RetryCause, RetryCauses, RetryPolicy, Timeouts};

pub(super) const GROUP: Group =
    Group { title: "Timeouts and retries", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    row(CONNECT, Location, Partial("for all endpoints that a request tries together"))
        .doc("Seconds for a connection to a backend."),
    row(CONDITIONS, Location, Partial("bodies that are not here as a whole are not sent again"))
        .risk(Medium)
        .doc("Failures after which another endpoint is asked; off: none."),
    row(TIME, Location, Supported).doc("Seconds within which it is; 0: any time."),
    row(TRIES, Location, Supported).doc("How many are asked, the first among them; 0: up to 20."),
    row(READ, Location, Supported).doc("Seconds between two reads from a backend."),
    row(SEND, Location, Supported).doc("Seconds between two writes to a backend."),
];

const CONNECT: &str = "proxy-connect-timeout";
const SEND: &str = "proxy-send-timeout";
const READ: &str = "proxy-read-timeout";
const CONDITIONS: &str = "proxy-next-upstream";
const TIME: &str = "proxy-next-upstream-timeout";
const TRIES: &str = "proxy-next-upstream-tries";

fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    let (connect, send, read) = (wait(reader, CONNECT), wait(reader, SEND), wait(reader, READ));
    let timeouts = &mut settings.policies.timeouts;
    *timeouts = Timeouts { connect, send, read, ..timeouts.clone() };
    let retry = &mut settings.policies.retry;
    if let Some((causes, statuses)) = repeated(reader) {
        *retry = RetryPolicy { causes: Some(causes), statuses, ..retry.clone() };
    }
    retry.tries = reader.number(TRIES).map(|tries| if tries == 0 { TRIES_MAX } else { tries });
    retry.time = seconds(reader, TIME);
}

fn seconds(reader: &mut Reader<'_, '_>, name: &str) -> Option<Duration> {
    let seconds = reader.number(name)?.min(FLAG_SECONDS_MAX);
    Some(Duration::from_secs(seconds.into()))
}

/// Zero would fail every request.
fn wait(reader: &mut Reader<'_, '_>, name: &str) -> Option<Duration> {
    let time = seconds(reader, name)?;
    if time.is_zero() {
        let advice = "Write at least 1, or leave it out for the default.";
        reader.invalid(name, "0", "every request would fail by it.", advice);
        return None;
    }
    Some(time)
}

/// What counts as a failure, and which statuses do.
pub(crate) type Conditions = (RetryCauses, Vec<u16>);

/// Those of the Ingress, and what the ConfigMap adds to them, unless there are none.
fn repeated(reader: &mut Reader<'_, '_>) -> Option<Conditions> {
    let said = conditions(reader);
    let Some(cause) = reader.globals.extra_retry_cause else { return said };
    let (causes, statuses) = said.unwrap_or((RetryCauses::DEFAULT, Vec::new()));
    let is_off = causes == RetryCauses::default() && statuses.is_empty();
    Some((if is_off { causes } else { causes.with(cause) }, statuses))
}

fn conditions(reader: &mut Reader<'_, '_>) -> Option<Conditions> {
    let text = reader.text(CONDITIONS)?;
    let word = match parse_conditions(text) {
        Ok(conditions) => return Some(conditions),
        Err(word) => word,
    };
    let why = format!("{word:?} is no condition.");
    let advice = "Write words with spaces between: error, timeout, invalid_header, http_500, \
                  http_502, http_503, http_504, http_403, http_404, http_429, non_idempotent; or \
                  off. Until then the default counts.";
    reader.invalid(CONDITIONS, text, &why, advice);
    parse_conditions(reader.general(CONDITIONS)?).ok()
}

/// One word that is none spoils all of them, as in ingress-nginx.
pub(crate) fn parse_conditions(text: &str) -> Result<Conditions, &str> {
    let (mut causes, mut statuses, mut is_off) = (RetryCauses::default(), Vec::new(), false);
    for word in text.split_ascii_whitespace() {
        match word {
            "off" => is_off = true,
            "error" => causes = causes.with(RetryCause::Error),
            "timeout" => causes = causes.with(RetryCause::Timeout),
            "invalid_header" => causes = causes.with(RetryCause::InvalidHead),
            "non_idempotent" => causes = causes.with(RetryCause::NonIdempotent),
            _ => match STATUSES.iter().find(|(name, _)| *name == word) {
                Some((_, status)) => statuses.push(*status),
                None => return Err(word),
            },
        }
    }
    Ok(if is_off { Default::default() } else { (causes, statuses) })
}

const STATUSES: [(&str, u16); 7] = [
    ("http_500", 500),
    ("http_502", 502),
    ("http_503", 503),
    ("http_504", 504),
    ("http_403", 403),
    ("http_404", 404),
    ("http_429", 429),
];
