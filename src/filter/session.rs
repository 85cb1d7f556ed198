//! The cookie or field by which a client keeps its endpoint. It names no address: who reads it
//! learns nothing of the cluster, who makes one up reaches no endpoint that others do not.
//!
//! ```text
//! NAME=KEY|TAG     KEY leads to the endpoint, TAG says of which backend it is
//! NAME: KEY|TAG
//! ```
//!
//! Source: RFC 6265; KEY and TAG where ingress-nginx has them, so that its cookies are understood.

use std::io::Write as _;

use super::scheme::Scheme;
use crate::limits::SESSION_KEY_BYTES_MAX;

/// What divides the value of a cookie.
const DIVIDER: u8 = b'|';

/// A cookie as its rule has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionCookie {
    /// Its name.
    pub name: Box<str>,
    /// What its key means.
    pub mode: SessionMode,
    /// What becomes of a session whose endpoint failed.
    pub on_failure: OnFailure,
    /// `Path`; `None`: not said.
    pub path: Option<Box<str>>,
    /// `Domain`; `None`: not said, so that the cookie is the host's alone.
    pub domain: Option<Box<str>>,
    /// `Expires`, in seconds from now.
    pub expires: Option<i32>,
    /// `Max-Age`, in seconds.
    pub max_age: Option<i32>,
    /// When it is `Secure`.
    pub secure: Secure,
    /// `SameSite`; `None`: not said.
    pub same_site: Option<SameSite>,
}

/// A field of requests and responses that says a session; its key is an endpoint, until it goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionHeader {
    /// Its name: a token.
    pub name: Box<str>,
    /// What becomes of a session whose endpoint failed.
    pub on_failure: OnFailure,
}

/// What the key of a session means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SessionMode {
    /// A place on the ring: of n endpoints one that comes takes a share of 1/n of the sessions.
    #[default]
    Balanced,
    /// An endpoint, until it goes.
    Persistent,
}

/// What becomes of a session whose endpoint failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnFailure {
    /// It stays there, and fails, until the endpoint is well or gone.
    #[default]
    Kept,
    /// It goes to another one for good.
    Changed,
}

/// When a cookie is `Secure`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Secure {
    /// When it is set over https.
    #[default]
    OverHttps,
    /// In any case.
    Always,
}

/// `SameSite` of a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SameSite {
    /// `Strict`.
    Strict,
    /// `Lax`.
    Lax,
    /// `None`.
    None,
    /// `None`, but to browsers that take it for something else.
    NoneWhereKnown,
}

/// What a client brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session<'c> {
    /// Not empty, and not longer than [`SESSION_KEY_BYTES_MAX`].
    pub key: &'c [u8],
    /// Of which backend it is; empty: it does not say.
    pub tag: &'c [u8],
}

/// A key of ours, as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewKey([u8; 16]);

/// Whom a cookie is set for, and when.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// Leads to the endpoint.
    pub key: NewKey,
    /// Of the backend.
    pub tag: &'a str,
    /// How the request came.
    pub scheme: Scheme,
    /// `User-Agent` of the client.
    pub user_agent: &'a [u8],
}

impl NewKey {
    /// `number` in 16 hexadecimal digits.
    #[must_use]
    pub fn new(number: u64) -> Self {
        let mut text = [0; 16];
        // Its length is what the text has.
        write!(&mut text[..], "{number:016x}").unwrap_or_default();
        Self(text)
    }

    /// What [`Self::new`] made of a number; `None`: it did not make this.
    #[must_use]
    pub fn number_of(text: &[u8]) -> Option<u64> {
        let number = u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()?;
        (Self::new(number).0 == text).then_some(number)
    }

    /// As text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl SessionCookie {
    /// The session that a client has, of the values of its Cookie fields: of several cookies with
    /// the name the first one of the backend `tag`, else the first that can be one.
    #[must_use]
    pub fn find<'c>(
        &self,
        fields: impl Iterator<Item = &'c [u8]>,
        tag: &str,
    ) -> Option<Session<'c>> {
        of_backend(fields.flat_map(|field| self.sessions(field)), tag)
    }

    /// All sessions in one Cookie field.
    pub fn sessions<'c>(&self, field: &'c [u8]) -> impl Iterator<Item = Session<'c>> {
        let pairs = field.split(|&octet| octet == b';');
        pairs.filter_map(|pair| {
            let rest = pair.trim_ascii().strip_prefix(self.name.as_bytes())?;
            Session::read(rest.strip_prefix(b"=")?)
        })
    }

    /// Appends the value of Set-Cookie. `put_date` appends the date that is so many seconds away.
    pub fn put(
        &self,
        out: &mut Vec<u8>,
        setting: &Setting<'_>,
        put_date: impl FnOnce(i32, &mut Vec<u8>),
    ) {
        out.extend_from_slice(self.name.as_bytes());
        out.push(b'=');
        put_value(out, setting);
        if let Some(seconds) = self.expires {
            out.extend_from_slice(b"; Expires=");
            put_date(seconds, out);
        }
        if let Some(seconds) = self.max_age {
            // Writing to a Vec cannot fail.
            write!(out, "; Max-Age={seconds}").unwrap_or_default();
        }
        for (name, value) in [("; Domain=", &self.domain), ("; Path=", &self.path)] {
            if let Some(value) = value {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(value.as_bytes());
            }
        }
        if self.secure == Secure::Always || setting.scheme == Scheme::Https {
            out.extend_from_slice(b"; Secure");
        }
        out.extend_from_slice(b"; HttpOnly");
        out.extend_from_slice(match self.same_site {
            Some(SameSite::Strict) => b"; SameSite=Strict",
            Some(SameSite::Lax) => b"; SameSite=Lax",
            Some(SameSite::None) => b"; SameSite=None",
            Some(SameSite::NoneWhereKnown) if knows_none(setting.user_agent) => b"; SameSite=None",
            Some(SameSite::NoneWhereKnown) | None => b"",
        });
    }
}

impl SessionHeader {
    /// The session that a client has, of the values of its fields of the name; as
    /// [`SessionCookie::find`].
    #[must_use]
    pub fn find<'c>(
        &self,
        values: impl Iterator<Item = &'c [u8]>,
        tag: &str,
    ) -> Option<Session<'c>> {
        of_backend(values.filter_map(Session::read), tag)
    }

    /// Appends the value of the field.
    pub fn put(&self, out: &mut Vec<u8>, setting: &Setting<'_>) {
        put_value(out, setting);
    }
}

/// Of several sessions the first one of the backend `tag`, else the first.
fn of_backend<'c>(sessions: impl Iterator<Item = Session<'c>>, tag: &str) -> Option<Session<'c>> {
    let mut first = None;
    for session in sessions {
        if session.tag == tag.as_bytes() {
            return Some(session);
        }
        first = first.or(Some(session));
    }
    first
}

fn put_value(out: &mut Vec<u8>, setting: &Setting<'_>) {
    out.extend_from_slice(setting.key.as_bytes());
    out.push(DIVIDER);
    out.extend_from_slice(setting.tag.as_bytes());
}

impl<'c> Session<'c> {
    /// `None`: the value can be no session.
    fn read(value: &'c [u8]) -> Option<Self> {
        let mut parts = value.splitn(2, |&octet| octet == DIVIDER);
        let key = parts.next()?;
        let is_usable = !key.is_empty() && key.len() <= SESSION_KEY_BYTES_MAX;
        is_usable.then(|| Self { key, tag: parts.next().unwrap_or_default() })
    }
}

/// Whether a browser knows `SameSite=None`. Those that do not take it for `Strict`, or refuse the
/// cookie.
///
/// Source: chromium.org, "SameSite=None: Known Incompatible Clients", as ingress-nginx has them:
/// Chrome 4x to 6x, all browsers of iOS 12, Safari of macOS 10.14.
fn knows_none(user_agent: &[u8]) -> bool {
    let has = |text: &[u8]| user_agent.windows(text.len()).any(|part| part == text);
    let old_chrome = [b"Chrome/4", b"Chrome/5", b"Chrome/6"].into_iter().any(|text| has(text));
    let ios_12 = has(b"CPU iPhone OS 12") || has(b"iPad; CPU OS 12");
    let is_safari = has(b"Macintosh") && has(b"Safari") && !has(b"Chrome");
    let mojave = is_safari && has(b"Intel Mac OS X 10_14");
    !(old_chrome || ios_12 || mojave)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "6cde5721ec2c7e2bce07cff7d0e4ac37";

    fn cookie() -> SessionCookie {
        SessionCookie {
            name: "route".into(),
            mode: SessionMode::Balanced,
            on_failure: OnFailure::Kept,
            path: Some("/".into()),
            domain: None,
            expires: None,
            max_age: None,
            secure: Secure::OverHttps,
            same_site: None,
        }
    }

    #[test]
    fn sessions_are_found_among_cookies() {
        let long = format!("route={}", "k".repeat(SESSION_KEY_BYTES_MAX + 1));
        let longest = "k".repeat(SESSION_KEY_BYTES_MAX);
        let longest_pair = format!("route={longest}");
        let of_two = format!("route=other|tag; route=ours|{TAG}");
        for (fields, expected) in [
            (&["route=key|tag"][..], Some(("key", "tag"))),
            (&["a=b; route=key|tag; c=d"], Some(("key", "tag"))),
            (&["a=b;route=key|tag;c=d"], Some(("key", "tag"))),
            // A stream of HTTP/2 may have one field a cookie, RFC 9113 section 8.2.3.
            (&["a=b", "route=key"], Some(("key", ""))),
            (&["route=1700000000.123.45.678901|tag"], Some(("1700000000.123.45.678901", "tag"))),
            (&["route=a|b|c"], Some(("a", "b|c"))),
            (&["route=a=b"], Some(("a=b", ""))),
            (&["route=first; route=second"], Some(("first", ""))),
            (&[&of_two], Some(("ours", TAG))),
            (&["route=; route=second"], Some(("second", ""))),
            (&["route=|tag"], None),
            (&["route="], None),
            (&["route"], None),
            (&["Route=key"], None),
            (&["routes=key; xroute=key"], None),
            (&[";;; ; =; =x"], None),
            (&[&long], None),
            (&[&longest_pair], Some((&*longest, ""))),
            (&[""], None),
            (&[], None),
        ] {
            let found = cookie().find(fields.iter().map(|field| field.as_bytes()), TAG);
            let expected = expected.map(|(key, tag): (&str, &str)| Session {
                key: key.as_bytes(),
                tag: tag.as_bytes(),
            });
            assert_eq!(found, expected, "{fields:?}");
        }
        let binary = [b'r', b'o', b'u', b't', b'e', b'=', 0xff, 0, b'|', 0x80];
        let found = cookie().find([&binary[..]].into_iter(), TAG);
        assert_eq!(found, Some(Session { key: &[0xff, 0], tag: &[0x80] }));
    }

    #[test]
    fn a_field_says_a_session_as_a_cookie_does() {
        let header = SessionHeader { name: "x-session".into(), on_failure: OnFailure::Changed };
        let mut value = Vec::new();
        let (scheme, user_agent) = (Scheme::Http, &b""[..]);
        header.put(&mut value, &Setting { key: NewKey::new(0xabc), tag: TAG, scheme, user_agent });
        assert_eq!(String::from_utf8_lossy(&value), format!("0000000000000abc|{TAG}"));
        let ours = Session { key: b"0000000000000abc", tag: TAG.as_bytes() };
        let find = |values: &[&'static [u8]]| header.find(values.iter().copied(), TAG);
        assert_eq!(header.find([&*value].into_iter(), TAG), Some(ours));
        assert_eq!(find(&[b"k|other", b"l|6cde5721ec2c7e2bce07cff7d0e4ac37"]).unwrap().key, b"l");
        assert_eq!(find(&[b"k|other"]).unwrap().key, b"k");
        assert_eq!(find(&[b"", b"|x"]), None);
    }

    #[test]
    fn keys_are_numbers_in_one_spelling() {
        for number in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
            assert_eq!(NewKey::number_of(NewKey::new(number).as_bytes()), Some(number));
        }
        for text in ["", "1", "0123456789ABCDEF", "+123456789abcdef", "0123456789abcdefa", "\u{ff}"]
        {
            assert_eq!(NewKey::number_of(text.as_bytes()), None, "{text}");
        }
    }

    #[track_caller]
    fn check(cookie: &SessionCookie, scheme: Scheme, user_agent: &str, expected: &str) {
        let user_agent = user_agent.as_bytes();
        let setting = Setting { key: NewKey::new(0xabc), tag: TAG, scheme, user_agent };
        let mut out = Vec::new();
        cookie.put(&mut out, &setting, |seconds, out| out.extend(format!("<{seconds}>").bytes()));
        let expected = format!("route=0000000000000abc|{TAG}{expected}");
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{cookie:?}");
    }

    #[test]
    fn cookies_are_set_with_what_their_rule_says() {
        let (http, https) = (Scheme::Http, Scheme::Https);
        check(&cookie(), http, "", "; Path=/; HttpOnly");
        check(&cookie(), https, "", "; Path=/; Secure; HttpOnly");
        let always = SessionCookie { secure: Secure::Always, path: None, ..cookie() };
        check(&always, http, "", "; Secure; HttpOnly");
        let all = SessionCookie {
            expires: Some(-1),
            max_age: Some(172_800),
            domain: Some("a.example".into()),
            same_site: Some(SameSite::Lax),
            ..cookie()
        };
        let expected =
            "; Expires=<-1>; Max-Age=172800; Domain=a.example; Path=/; HttpOnly; SameSite=Lax";
        check(&all, http, "", expected);
        let strict = SessionCookie { same_site: Some(SameSite::Strict), ..cookie() };
        check(&strict, http, "", "; Path=/; HttpOnly; SameSite=Strict");
    }

    #[test]
    fn same_site_none_is_kept_from_browsers_that_take_it_for_something_else() {
        let mac = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_6) AppleWebKit/605.1.15";
        let safari = format!("{mac} (KHTML, like Gecko) Version/12.1.2 Safari/605.1.15");
        let chrome_on_mac = format!("{mac} (KHTML, like Gecko) Chrome/90.0.0.0 Safari/537.36");
        for (user_agent, is_known) in [
            ("", true),
            ("curl/8.0", true),
            ("Mozilla/5.0 (X11) Chrome/41.0 Safari/537.36", false),
            ("Mozilla/5.0 (X11) Chrome/66.0 Safari/537.36", false),
            ("Mozilla/5.0 (X11) Chrome/80.0 Safari/537.36", true),
            ("Mozilla/5.0 (X11) Chrome/140.0 Safari/537.36", true),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 12_4 like Mac OS X) Safari/604.1", false),
            ("Mozilla/5.0 (iPad; CPU OS 12_4 like Mac OS X) Safari/604.1", false),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Safari/604.1", true),
            (&safari, false),
            (&chrome_on_mac, true),
        ] {
            let known = SessionCookie { same_site: Some(SameSite::NoneWhereKnown), ..cookie() };
            let same_site = if is_known { "; SameSite=None" } else { "" };
            check(&known, Scheme::Http, user_agent, &format!("; Path=/; HttpOnly{same_site}"));
            let always = SessionCookie { same_site: Some(SameSite::None), ..cookie() };
            check(&always, Scheme::Http, user_agent, "; Path=/; HttpOnly; SameSite=None");
        }
    }
}
