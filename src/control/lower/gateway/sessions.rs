//! `sessionPersistence` of HTTPRoutes and GRPCRoutes → what binds their requests.

use std::sync::Arc;
use std::time::Duration;

use md5::{Digest, Md5};

use super::durations;
use super::meaning::{Lowering, Refused};
use super::rules::{Rules, unsupported};
use crate::control::gateway_api::http_route::{CookieConfig, NamedHeader, SessionPersistence};
use crate::filter::{
    Binding, FieldEdits, OnFailure, Secure, SessionCookie, SessionHeader, SessionMode, is_token,
};
use crate::limits::SESSION_TEXT_BYTES_MAX;

/// Reads the sessions of a rule, which stand at `field`.
pub(super) fn read(
    lowering: &Lowering<'_>,
    rules: &mut Rules<'_>,
    index: usize,
    sessions: &SessionPersistence,
) -> Result<Arc<Binding>, Refused> {
    let field = format!("spec.rules[{index}].sessionPersistence");
    let SessionPersistence {
        session_name,
        absolute_timeout,
        idle_timeout,
        type_,
        cookie_config,
        cookie,
        header,
    } = sessions;
    let absolute = time(absolute_timeout.as_deref(), &format!("{field}.absoluteTimeout"))?;
    let idle = time(idle_timeout.as_deref(), &format!("{field}.idleTimeout"))?;
    if idle.is_some() {
        let message = "Sessions do not end by silence.".into();
        rules.warn(format!("{field}.idleTimeout"), message, "Write absoluteTimeout.");
    }
    let default = || default_name(lowering, index);
    match type_.as_deref().unwrap_or("Cookie") {
        "Cookie" => {
            let config = cookie.as_ref().or(cookie_config.as_ref()).cloned().unwrap_or_default();
            let CookieConfig { lifetime_type, name, path } = config;
            let name = name.or_else(|| session_name.clone()).unwrap_or_else(default);
            let max_age = lifetime(lifetime_type.as_deref(), absolute, &field, rules)?;
            Ok(Arc::new(Binding::Session(SessionCookie {
                name: checked(&name, &field, is_token)?.into(),
                mode: SessionMode::Persistent,
                on_failure: OnFailure::Changed,
                path: Some(checked(path.as_deref().unwrap_or("/"), &field, is_path)?.into()),
                domain: None,
                expires: None,
                max_age,
                secure: Secure::OverHttps,
                same_site: None,
            })))
        }
        "Header" => {
            if absolute.is_some() {
                let message = "Sessions by a field end when their endpoint goes.".into();
                rules.warn(format!("{field}.absoluteTimeout"), message, "Write type: Cookie.");
            }
            let named = header.as_ref().and_then(|NamedHeader { name }| name.clone());
            let name = named.or_else(|| session_name.clone()).unwrap_or_else(default);
            let is_own = FieldEdits::new([(&*name, "")], [], []).is_err();
            if is_own {
                let text = format!("{name:?} is no name of a field of your own; choose another.");
                return Err(unsupported(field, text));
            }
            let on_failure = OnFailure::Changed;
            Ok(Arc::new(Binding::Header(SessionHeader { name: name.into(), on_failure })))
        }
        other => Err(unsupported(
            format!("{field}.type"),
            format!("{other} is not supported; write Cookie or Header."),
        )),
    }
}

/// `Max-Age` of the cookie.
fn lifetime(
    lifetime: Option<&str>,
    absolute: Option<Duration>,
    field: &str,
    rules: &mut Rules<'_>,
) -> Result<Option<i32>, Refused> {
    let seconds = |time: Duration| i32::try_from(time.as_secs()).unwrap_or(i32::MAX);
    match (lifetime.unwrap_or("Session"), absolute) {
        ("Session", None) => Ok(None),
        ("Session", Some(_)) => {
            let message = "A cookie of the browser's session has no age.".into();
            let advice = "Write lifetimeType: Permanent.";
            rules.warn(format!("{field}.absoluteTimeout"), message, advice);
            Ok(None)
        }
        ("Permanent", Some(time)) => Ok(Some(seconds(time))),
        ("Permanent", None) => {
            let text = "A permanent cookie needs an age; write absoluteTimeout.";
            Err(unsupported(format!("{field}.absoluteTimeout"), text))
        }
        (other, _) => {
            let text = format!("{other} is no lifetimeType; write Session or Permanent.");
            Err(unsupported(field, text))
        }
    }
}

pub(super) fn time(text: Option<&str>, field: &str) -> Result<Option<Duration>, Refused> {
    let Some(text) = text else { return Ok(None) };
    match durations::parse(text) {
        Some(time) => Ok(Some(time)),
        None => {
            let text = format!("{text:?} is no duration; write one such as 10s.");
            Err(unsupported(field, text))
        }
    }
}

/// The same for every replica, and another one for each rule.
fn default_name(lowering: &Lowering<'_>, index: usize) -> String {
    let digest = Md5::digest(format!("{}/{index}", lowering.reference));
    let digits: String = digest.iter().take(6).map(|octet| format!("{octet:02x}")).collect();
    format!("session-{digits}")
}

/// `is_it`: what RFC 6265 section 4.1.1 asks of it.
fn checked<'t>(text: &'t str, field: &str, is_it: fn(&[u8]) -> bool) -> Result<&'t str, Refused> {
    if text.len() <= SESSION_TEXT_BYTES_MAX && is_it(text.as_bytes()) {
        return Ok(text);
    }
    Err(unsupported(field, format!("{text:?} cannot stand in a cookie; correct it.")))
}

fn is_path(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_graphic() && *byte != b';')
}
