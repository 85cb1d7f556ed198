//! Directives about the fields of requests and answers.
//!
//! Source: nginx, modules `ngx_http_headers_module` and `ngx_http_proxy_module`;
//! `ngx_headers_more`.

use super::meaning::Change;
use super::reading::{Call, Reading};
use super::simple;
use crate::filter::script::{
    AddedLine, ErrorPage, Extent, FieldChange, Instead, PageStatus, Presence,
};
use crate::filter::{FieldEdits, GoesTo, Statuses, Text, Variable};
use crate::model::ConnectionOption;

/// The statuses of answers that `add_header` and `expires` are about.
const SUCCESSES: [u16; 10] = [200, 201, 204, 206, 301, 302, 303, 304, 307, 308];

pub(super) fn more_set_headers(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let changes = changes(reading, &call.words, Kind::Set, Message::Answer)?;
    append(&mut reading.fields.answered, changes);
    Ok(())
}

pub(super) fn more_clear_headers(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let changes = changes(reading, &call.words, Kind::Clear, Message::Answer)?;
    append(&mut reading.fields.answered, changes);
    Ok(())
}

pub(super) fn more_set_input_headers(
    reading: &mut Reading<'_>,
    call: &Call<'_>,
) -> Result<(), String> {
    let changes = changes(reading, &call.words, Kind::Set, Message::Request)?;
    append(&mut reading.fields.received, changes);
    Ok(())
}

pub(super) fn more_clear_input_headers(
    reading: &mut Reading<'_>,
    call: &Call<'_>,
) -> Result<(), String> {
    let changes = changes(reading, &call.words, Kind::Clear, Message::Request)?;
    append(&mut reading.fields.received, changes);
    Ok(())
}

fn append<T>(list: &mut Box<[T]>, more: Vec<T>) {
    let mut all = std::mem::take(list).into_vec();
    all.extend(more);
    *list = all.into();
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Set,
    Clear,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Message {
    Request,
    Answer,
}

fn changes(
    reading: &Reading<'_>,
    words: &[&str],
    kind: Kind,
    message: Message,
) -> Result<Vec<FieldChange>, String> {
    let (mut statuses, mut types) = (Vec::new(), Vec::new());
    let mut presence = Presence::Any;
    let mut fields = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match (*word, message) {
            ("-s", Message::Answer) => {
                let list = words.next().ok_or("-s needs statuses")?;
                for status in list.split_ascii_whitespace() {
                    let status =
                        status.parse().ok().ok_or_else(|| format!("{status:?} is no status"));
                    statuses.push(status?);
                }
            }
            ("-t", _) => {
                let list = words.next().ok_or("-t needs media types")?;
                types.extend(list.split_ascii_whitespace().map(|t| t.to_ascii_lowercase().into()));
            }
            ("-r", Message::Request) => presence = Presence::Needed,
            (option, _) if option.starts_with('-') => {
                return Err(format!("{option:?} is no option"));
            }
            (field, _) => fields.push(field),
        }
    }
    if fields.is_empty() {
        return Err("it names no field".into());
    }
    let one = |field: &&str| {
        let (name, value) = match kind {
            Kind::Set => field.split_once(':').unwrap_or((field, "")),
            Kind::Clear => (*field, ""),
        };
        let (name, value) = (name.trim(), value.trim());
        let (name, extent) = match name.strip_suffix('*') {
            Some("") if message == Message::Request => {
                return Err("without its fields a request is none".into());
            }
            Some(name) if kind == Kind::Clear => (name, Extent::Beginning),
            _ => (name, Extent::Whole),
        };
        if !(extent == Extent::Beginning && name.is_empty()) {
            check_name(name)?;
        }
        let value = match (value, message) {
            ("", _) => None,
            (value, Message::Answer) => Some(reading.answer_text(value)?),
            (value, Message::Request) => Some(reading.text(value)?),
        };
        let (statuses, types) = (statuses.clone().into(), types.clone().into());
        Ok(FieldChange { name: name.into(), extent, value, presence, statuses, types })
    };
    fields.iter().map(one).collect()
}

/// A field that may be changed.
fn check_name(name: &str) -> Result<(), String> {
    FieldEdits::new([], [], [name]).map(|_| ()).map_err(|error| error.to_string())
}

pub(super) fn add_header(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let (name, value, statuses) = match call.words[..] {
        [name, value] => (name, value, Statuses::Successes),
        [name, value, "always"] => (name, value, Statuses::Any),
        _ => return Err("it takes a name, a value and perhaps always".into()),
    };
    check_name(name)?;
    let value = reading.answer_text(value)?;
    append(&mut reading.fields.added, vec![AddedLine { name: name.into(), value, statuses }]);
    Ok(())
}

/// Hides what backends say, before anything is set or added.
pub(super) fn proxy_hide_header(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let hidden = FieldEdits::new([], [], [call.word()?]).map_err(|error| error.to_string())?;
    reading.snippet.hidden.append(&hidden);
    Ok(())
}

pub(super) fn proxy_pass_header(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    match call.word()?.to_ascii_lowercase().as_str() {
        "server" => {
            reading.snippet.changes.push(Change::PassesServer);
            Ok(())
        }
        name if name.starts_with("x-accel-") => Err("it is for nginx alone".into()),
        _ => {
            reading.idle(call, "such fields are passed on in any case");
            Ok(())
        }
    }
}

/// Source: nginx `ngx_http_set_expires`.
pub(super) fn expires(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let literal = |date: &str, control: &str| (Text::literal(date), control.to_owned());
    let (date, control) = match call.word()? {
        "off" => return Ok(()),
        "epoch" => literal("Thu, 01 Jan 1970 00:00:01 GMT", "no-cache"),
        "max" => literal("Thu, 31 Dec 2037 23:55:55 GMT", "max-age=315360000"),
        time => {
            let (past, ahead) = match time.strip_prefix('-') {
                Some(past) => (true, past),
                None => (false, time),
            };
            let seconds = simple::time(ahead)?.as_secs();
            let away = i32::try_from(seconds).ok().ok_or("it is too far away")?;
            let control = if past { "no-cache".to_owned() } else { format!("max-age={seconds}") };
            (Text::of(Variable::DateIn(if past { away.saturating_neg() } else { away })), control)
        }
    };
    let change = |name: &str, value: Text| FieldChange {
        name: name.into(),
        extent: Extent::Whole,
        value: Some(value),
        presence: Presence::Any,
        statuses: SUCCESSES.into(),
        types: Box::default(),
    };
    let changes = vec![change("Expires", date), change("Cache-Control", Text::literal(&control))];
    append(&mut reading.fields.answered, changes);
    Ok(())
}

pub(super) fn error_page(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let (place, rest) = call.words.split_last().ok_or("it takes statuses and a place")?;
    let (statuses, status) = match rest.split_last() {
        Some((last, rest)) if last.starts_with('=') => (rest, last.strip_prefix('=')),
        _ => (rest, None),
    };
    let number = |text: &str| text.parse().ok().filter(|status| (200..600).contains(status));
    let is_address = GoesTo::of(place) == GoesTo::Client;
    let text = reading.text(place)?;
    let instead = match status {
        _ if is_address => {
            let status = number(status.unwrap_or("302"));
            let status = status.filter(|s| matches!(s, 301..=303 | 307 | 308));
            Instead::Redirect(status.ok_or("the new status is none of a redirect")?, text)
        }
        _ if place.starts_with('@') && !reading.has_location(place) => {
            return Err(format!("there is no location {place}"));
        }
        _ if !place.starts_with(['/', '@']) => {
            return Err("it names neither an address nor a path".into());
        }
        None => Instead::Path(PageStatus::OfError, text),
        Some("") => Instead::Path(PageStatus::Own, text),
        Some(status) => {
            let status = number(status).filter(|status| !matches!(status, 204 | 304));
            let status = status.ok_or("the new status is none that a page can have")?;
            Instead::Path(PageStatus::Fixed(status), text)
        }
    };
    let statuses: Option<Box<[u16]>> = statuses.iter().map(|text| text.parse().ok()).collect();
    let statuses = statuses.ok_or("a status is none")?;
    if statuses.is_empty() || statuses.iter().any(|s| !(300..600).contains(s)) {
        return Err("it names no status of an error".into());
    }
    append(&mut reading.fields.errors, vec![ErrorPage { statuses, instead }]);
    Ok(())
}

/// Replaces what the client sent and what we would say: a name is never sent twice.
pub(super) fn proxy_set_header(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let [name, value] = call.words[..] else { return Err("it takes a name and a value".into()) };
    if call.place.is_around_rules() {
        let why = "rules have fields of their own, so that one for the host has no effect on them \
                   in ingress-nginx either";
        reading.idle(call, why);
    }
    let text = reading.text(value)?;
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    if is("host") {
        if value.is_empty() {
            return Err("a request has a Host".into());
        }
        reading.snippet.host = Some(text);
        return Ok(());
    }
    if is("connection") || is("upgrade") {
        let connection = match value.to_ascii_lowercase().as_str() {
            "close" => ConnectionOption::Close,
            "keep-alive" => ConnectionOption::KeepAlive,
            "" | "upgrade" | "$connection_upgrade" | "$http_upgrade" | "$http_connection" => {
                reading.idle(call, "it is said where a client asks for another protocol");
                return Ok(());
            }
            _ => return Err("the proxy says itself what its connections are for".into()),
        };
        reading.snippet.changes.push(Change::Connection(connection));
        return Ok(());
    }
    check_name(name)?;
    append(&mut reading.fields.sent, vec![(name.into(), text)]);
    Ok(())
}
