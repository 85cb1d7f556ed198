//! Directives about places in what backends answer.
//!
//! Source: nginx, module `ngx_http_proxy_module`.

use super::meaning::Returned;
use super::places::Place;
use super::reading::{Call, OF_RULES, Reading};
use crate::control::lower::ingress::annotations::headers::{replaced, replacement};
use crate::control::lower::regex_path::Case;
use crate::filter::{CookieFlags, Flag, Replacement, SiteFlag};
use crate::limits::SCRIPT_REPLACEMENTS_MAX;

impl Returned {
    /// What `inner` says, or else this.
    pub(super) fn around(&self, inner: &Self) -> Self {
        fn first<T: Clone>(inner: &Option<T>, outer: &Option<T>) -> Option<T> {
            inner.clone().or_else(|| outer.clone())
        }
        Self {
            location: first(&inner.location, &self.location),
            cookie_domain: first(&inner.cookie_domain, &self.cookie_domain),
            cookie_path: first(&inner.cookie_path, &self.cookie_path),
            cookie_flags: first(&inner.cookie_flags, &self.cookie_flags),
        }
    }
}

pub(super) fn proxy_redirect(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let said = &mut reading.snippet.returned.location;
    // What `default` replaces is the name of all backends, which none of them says.
    replace(said, call, &["off", "default"], Case::Counts)?;
    note(reading, call);
    Ok(())
}

pub(super) fn cookie_domain(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let said = &mut reading.snippet.returned.cookie_domain;
    replace(said, call, &["off"], Case::Ignored)?;
    note(reading, call);
    Ok(())
}

pub(super) fn cookie_path(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let said = &mut reading.snippet.returned.cookie_path;
    replace(said, call, &["off"], Case::Counts)?;
    note(reading, call);
    Ok(())
}

fn note(reading: &mut Reading<'_>, call: &Call<'_>) {
    if call.place.is_around_rules() {
        reading.idle(call, OF_RULES);
    }
}

fn replace(
    said: &mut Option<Vec<Replacement>>,
    call: &Call<'_>,
    none: &[&str],
    case: Case,
) -> Result<(), String> {
    let list = said.get_or_insert_default();
    match call.words[..] {
        [word] if none.contains(&word) => list.clear(),
        _ if list.len() >= SCRIPT_REPLACEMENTS_MAX => {
            return Err(format!("there are more than {SCRIPT_REPLACEMENTS_MAX} of them"));
        }
        [from, to] => list.push(replacement(from, to, case)?),
        _ => return Err("it takes off, or a text and what comes in its place".into()),
    }
    Ok(())
}

pub(super) fn cookie_flags(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let list = reading.snippet.returned.cookie_flags.get_or_insert_default();
    if call.words == ["off"] {
        list.clear();
        return Ok(());
    }
    let [cookie, words @ ..] = &call.words[..] else {
        return Err("it takes the name of a cookie and flags".into());
    };
    if words.is_empty() || list.len() >= SCRIPT_REPLACEMENTS_MAX {
        return Err(format!("it takes flags, and there are at most {SCRIPT_REPLACEMENTS_MAX}"));
    }
    let cookie = replaced(cookie, Case::Ignored)?;
    let (secure, http_only, same_site) = (None, None, None);
    let mut flags = CookieFlags { cookie, secure, http_only, same_site };
    for word in words {
        match word.to_ascii_lowercase().as_str() {
            "secure" => flags.secure = Some(Flag::Set),
            "nosecure" => flags.secure = Some(Flag::Cleared),
            "httponly" => flags.http_only = Some(Flag::Set),
            "nohttponly" => flags.http_only = Some(Flag::Cleared),
            "samesite=strict" => flags.same_site = Some(SiteFlag::Strict),
            "samesite=lax" => flags.same_site = Some(SiteFlag::Lax),
            "samesite=none" => flags.same_site = Some(SiteFlag::None),
            "nosamesite" => flags.same_site = Some(SiteFlag::Cleared),
            _ => return Err(format!("{word:?} is no flag")),
        }
    }
    list.push(flags);
    Ok(())
}

impl Place {
    /// Whether rules stand within it.
    pub(super) const fn is_around_rules(self) -> bool {
        matches!(self, Self::Server | Self::Http)
    }
}
