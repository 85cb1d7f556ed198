//! Clients that come back to the endpoint they had.

use std::sync::Arc;

use super::group::Group;
use super::reader::Reader;
use super::row::Risk::Medium;
use super::row::Scope::Upstream;
use super::row::State::{Partial, Supported};
use super::row::{Row, row};
use crate::control::lower::settings::{CanarySessions, PathStyle, Settings};
use crate::filter::{Binding, OnFailure, SameSite, Secure, SessionCookie, SessionMode};
use crate::limits::SESSION_TEXT_BYTES_MAX;

pub(super) const GROUP: Group = Group { title: "Affinity", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    row(KIND, Upstream, Supported)
        .doc("cookie: a client keeps its endpoint, by a cookie that names no address."),
    row(CANARIES, Upstream, Supported)
        .doc("Of a canary; sticky or legacy: whether its clients keep it, too."),
    row(
        MODE,
        Upstream,
        Partial("sessions that ingress-nginx bound for good begin anew: its keys tell addresses"),
    )
    .risk(Medium)
    .doc("balanced or persistent: whether clients move when endpoints come."),
    row(CHANGE, Upstream, Supported)
        .doc("A client whose endpoint failed gets another one for good."),
    row(CONDITIONAL, Upstream, Supported)
        .doc("Browsers that know no SameSite=None are not sent it."),
    row(DOMAIN, Upstream, Supported).risk(Medium).doc("Domain of the cookie."),
    row(EXPIRES, Upstream, Supported).risk(Medium).doc("Seconds until it expires, as a date."),
    row(MAX_AGE, Upstream, Supported).risk(Medium).doc("Seconds until it expires."),
    row(NAME, Upstream, Supported).risk(Medium).doc("Name of the cookie; INGRESSCOOKIE."),
    row(PATH, Upstream, Supported).risk(Medium).doc("Path of the cookie; that of the rule."),
    row(SAME_SITE, Upstream, Supported).doc("None, Lax or Strict."),
    row(SECURE, Upstream, Supported)
        .doc("The cookie is for https alone, even if it is set over http."),
];

const KIND: &str = "affinity";
const CANARIES: &str = "affinity-canary-behavior";
const MODE: &str = "affinity-mode";
const CHANGE: &str = "session-cookie-change-on-failure";
const CONDITIONAL: &str = "session-cookie-conditional-samesite-none";
const DOMAIN: &str = "session-cookie-domain";
const EXPIRES: &str = "session-cookie-expires";
const MAX_AGE: &str = "session-cookie-max-age";
const NAME: &str = "session-cookie-name";
const PATH: &str = "session-cookie-path";
const SAME_SITE: &str = "session-cookie-samesite";
const SECURE: &str = "session-cookie-secure";

const DEFAULT_NAME: &str = "INGRESSCOOKIE";

/// Comes before any hash: this group is read after the one that has it.
fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    settings.canary_sessions = canaries(reader);
    // What is wrong with it is told in any case.
    let cookie = cookie(reader);
    match reader.text(KIND) {
        None => return,
        Some("cookie") => {}
        Some(other) => {
            let advice = "Write cookie; until then no client keeps its endpoint.";
            return reader.invalid(KIND, other, "the only kind is cookie.", advice);
        }
    }
    if cookie.path.is_none() && settings.paths == PathStyle::Expressions {
        let why = "the cookie is for the path as it is written, and no request has that of an \
                   expression.";
        reader.doubtful(KIND, "cookie", why, "Write session-cookie-path.");
    }
    settings.policies.binding = Some(Arc::new(Binding::Session(cookie)));
}

fn cookie(reader: &mut Reader<'_, '_>) -> SessionCookie {
    SessionCookie {
        name: text(reader, NAME, is_basic).unwrap_or(DEFAULT_NAME).into(),
        mode: mode(reader),
        on_failure: match reader.flag(CHANGE).unwrap_or(false) {
            true => OnFailure::Changed,
            false => OnFailure::Kept,
        },
        path: text(reader, PATH, |b| is_basic(b) || b",?&=".contains(&b)).map(Into::into),
        domain: text(reader, DOMAIN, is_basic).map(Into::into),
        expires: seconds(reader, EXPIRES),
        max_age: seconds(reader, MAX_AGE),
        // False is the default, which is no less than this.
        secure: if reader.flag(SECURE).unwrap_or(false) {
            Secure::Always
        } else {
            Secure::OverHttps
        },
        same_site: same_site(reader),
    }
}

fn canaries(reader: &mut Reader<'_, '_>) -> CanarySessions {
    match reader.text(CANARIES) {
        None | Some("sticky") => CanarySessions::Sticky,
        Some("legacy") => CanarySessions::Legacy,
        Some(other) => {
            reader.taken_for(CANARIES, other, "sticky", "Write sticky or legacy.");
            CanarySessions::Sticky
        }
    }
}

fn mode(reader: &mut Reader<'_, '_>) -> SessionMode {
    match reader.text(MODE) {
        None | Some("balanced") => SessionMode::Balanced,
        Some("persistent") => SessionMode::Persistent,
        Some(other) => {
            reader.taken_for(MODE, other, "balanced", "Write balanced or persistent.");
            SessionMode::Balanced
        }
    }
}

fn same_site(reader: &mut Reader<'_, '_>) -> Option<SameSite> {
    let is_conditional = reader.flag(CONDITIONAL).unwrap_or(false);
    let text = reader.text(SAME_SITE)?;
    match text.to_ascii_lowercase().as_str() {
        "none" if is_conditional => Some(SameSite::NoneWhereKnown),
        "none" => Some(SameSite::None),
        "lax" => Some(SameSite::Lax),
        "strict" => Some(SameSite::Strict),
        _ => {
            let advice = "Write None, Lax or Strict; until then the cookie says nothing of it.";
            reader.invalid(SAME_SITE, text, "it is none of those.", advice);
            None
        }
    }
}

/// Digits, perhaps with a minus before them: such a cookie is over as soon as it is set.
fn seconds(reader: &mut Reader<'_, '_>, name: &str) -> Option<i32> {
    let text = reader.text(name)?;
    let is_number = !text.starts_with('+');
    let seconds = text.parse().ok().filter(|_| is_number);
    if seconds.is_none() {
        let advice = "Write a number of seconds; until then the cookie has no such end.";
        reader.invalid(name, text, "it is no number of seconds.", advice);
    }
    seconds
}

/// A part of the cookie; one that cannot be is told and left out.
fn text<'a>(
    reader: &mut Reader<'a, '_>,
    name: &str,
    is_usable: impl Fn(u8) -> bool,
) -> Option<&'a str> {
    let text = reader.text(name)?;
    if text.len() <= SESSION_TEXT_BYTES_MAX && text.bytes().all(is_usable) {
        return Some(text);
    }
    let why = format!(
        "it has other characters than a cookie may have there, or more than \
         {SESSION_TEXT_BYTES_MAX}."
    );
    reader.invalid(name, text, &why, "Write letters, digits, and - . _ ~ / or :.");
    None
}

/// What ingress-nginx takes.
fn is_basic(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte)
}
