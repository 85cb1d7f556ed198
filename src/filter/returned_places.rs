//! What a backend's answer says of places, in the words of its clients: cookies' domains and paths,
//! `Location`, `Refresh`.
//!
//! Source: nginx, `proxy_cookie_domain`, `proxy_cookie_path`, `proxy_redirect`.

use super::path_pattern::PathPattern;
use super::text::{Captured, Text, Variable, Variables};
use crate::limits::RESPONSE_HEAD_BYTES_MAX;

/// What is replaced in the answers of a rule's backend. Of several the first that fits counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ReturnedPlaces {
    /// The whole of a cookie's `Domain`, whatever its case and a dot before it.
    pub cookie_domain: Box<[Replacement]>,
    /// The beginning of a cookie's `Path`.
    pub cookie_path: Box<[Replacement]>,
    /// What else cookies say.
    pub cookie_flags: Box<[CookieFlags]>,
    /// The beginning of `Location`, and of the URL in `Refresh`.
    pub location: Box<[Replacement]>,
}

/// A text and what comes in its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Replacement {
    /// Which.
    pub from: Replaced,
    /// Of the field, the rest stays.
    pub to: Text,
}

/// What is replaced of a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Replaced {
    /// This text, which is not empty, unless variables are.
    Text(Text),
    /// All of it, where the expression matches somewhere.
    Matching(PathPattern),
}

/// Attributes that cookies have, or have not, whatever the backend says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CookieFlags {
    /// Of those of this name, or of such names.
    pub cookie: Replaced,
    /// `Secure`; `None`: as the backend says.
    pub secure: Option<Flag>,
    /// `HttpOnly`, likewise.
    pub http_only: Option<Flag>,
    /// `SameSite`, likewise.
    pub same_site: Option<SiteFlag>,
}

/// Whether an attribute is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flag {
    /// It is.
    Set,
    /// It is not.
    Cleared,
}

/// What `SameSite` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is the word it stands for")]
pub enum SiteFlag {
    Strict,
    Lax,
    None,
    /// There is no such attribute.
    Cleared,
}

impl SiteFlag {
    const fn as_str(self) -> &'static [u8] {
        match self {
            Self::Strict => b"Strict",
            Self::Lax => b"Lax",
            Self::None => b"None",
            Self::Cleared => b"",
        }
    }
}

/// How much of a value has to be the text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Beginning,
    /// In whatever case.
    Whole,
}

/// Without a dot before it.
fn undotted(domain: &[u8]) -> &[u8] {
    domain.strip_prefix(b".").unwrap_or(domain)
}

impl Replacement {
    /// Appends `value` with what is replaced; `None`, and nothing is appended, where nothing is.
    fn put(
        &self,
        value: &[u8],
        extent: Extent,
        of: &impl Variables,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let text = match &self.from {
            Replaced::Text(text) => text,
            Replaced::Matching(pattern) => {
                let captures = pattern.captures(value)?;
                self.to.put(&Captured { of, pattern, value, captures }, out);
                return Some(());
            }
        };
        let before = out.len();
        text.put(of, out);
        let from = out.get(before..).unwrap_or_default();
        let rest = match extent {
            Extent::Beginning => value.strip_prefix(from),
            Extent::Whole => {
                undotted(value).eq_ignore_ascii_case(undotted(from)).then_some(&b""[..])
            }
        };
        out.truncate(before);
        let rest = rest?;
        let is_whole = extent == Extent::Whole;
        if is_whole && value.starts_with(b".") {
            out.push(b'.');
        }
        let to = out.len();
        self.to.put(of, out);
        if is_whole && out.get(to) == Some(&b'.') {
            out.remove(to);
        }
        out.extend_from_slice(rest);
        Some(())
    }

    /// The same with the first that fits.
    fn put_first(
        all: &[Self],
        value: &[u8],
        extent: Extent,
        of: &impl Variables,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        all.iter().find_map(|replacement| replacement.put(value, extent, of, out))
    }
}

impl CookieFlags {
    /// Whether a cookie of this name has them.
    fn is_for(&self, name: &[u8], of: &impl Variables) -> bool {
        match &self.cookie {
            Replaced::Matching(pattern) => pattern.is_match(name),
            Replaced::Text(text) => {
                let mut known = Vec::new();
                text.put(of, &mut known);
                known.eq_ignore_ascii_case(name)
            }
        }
    }

    /// What becomes of an attribute: `None`: it stays as it is; empty: it goes.
    fn edited(&self, attribute: &[u8]) -> Option<Vec<u8>> {
        let name = attribute.split(|octet| *octet == b'=').next().unwrap_or_default().trim_ascii();
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match self.same_site.filter(|_| is(b"samesite")) {
            Some(SiteFlag::Cleared) => Some(Vec::new()),
            Some(site) => Some([b" SameSite=", site.as_str()].concat()),
            None => {
                let is_cleared = is(b"secure") && self.secure == Some(Flag::Cleared)
                    || is(b"httponly") && self.http_only == Some(Flag::Cleared);
                is_cleared.then(Vec::new)
            }
        }
    }

    /// Appends the attributes that `cookie` lacks.
    fn put_missing(&self, cookie: &[u8], out: &mut Vec<u8>) {
        let has = |known: &[u8]| {
            cookie.split(|octet| *octet == b';').skip(1).any(|attribute| {
                let name = attribute.split(|octet| *octet == b'=').next().unwrap_or_default();
                name.trim_ascii().eq_ignore_ascii_case(known)
            })
        };
        if self.secure == Some(Flag::Set) && !has(b"secure") {
            out.extend_from_slice(b"; Secure");
        }
        if self.http_only == Some(Flag::Set) && !has(b"httponly") {
            out.extend_from_slice(b"; HttpOnly");
        }
        let site = self.same_site.filter(|site| *site != SiteFlag::Cleared && !has(b"samesite"));
        if let Some(site) = site {
            out.extend_from_slice(b"; SameSite=");
            out.extend_from_slice(site.as_str());
        }
    }
}

impl ReturnedPlaces {
    /// Appends the value of a field in the words of clients; `None`, and nothing is appended, if it
    /// stays as it is. `name`: in any case.
    pub fn put(
        &self,
        name: &[u8],
        value: &[u8],
        of: &impl Variables,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        if name.eq_ignore_ascii_case(b"set-cookie") {
            self.put_cookie(value, of, out)
        } else if name.eq_ignore_ascii_case(b"location") {
            self.put_location(value, of, out)
        } else if name.eq_ignore_ascii_case(b"refresh") {
            self.put_refresh(value, of, out)
        } else {
            None
        }
    }

    /// What begins with a path then gets the scheme and host that the client asked for, as nginx
    /// does it.
    fn put_location(&self, value: &[u8], of: &impl Variables, out: &mut Vec<u8>) -> Option<()> {
        let before = out.len();
        Replacement::put_first(&self.location, value, Extent::Beginning, of, out)?;
        if out.get(before) == Some(&b'/') {
            let length = out.len() - before;
            of.put(&Variable::Scheme, out);
            out.extend_from_slice(b"://");
            of.put(&Variable::Host, out);
            out.get_mut(before..)?.rotate_left(length);
        }
        Some(())
    }

    fn put_refresh(&self, value: &[u8], of: &impl Variables, out: &mut Vec<u8>) -> Option<()> {
        let url = value.windows(4).position(|part| part.eq_ignore_ascii_case(b"url="))? + 4;
        let (before, url) = value.split_at_checked(url)?;
        let start = out.len();
        out.extend_from_slice(before);
        let is_put = Replacement::put_first(&self.location, url, Extent::Beginning, of, out);
        if is_put.is_none() {
            out.truncate(start);
        }
        is_put
    }

    fn put_cookie(&self, value: &[u8], of: &impl Variables, out: &mut Vec<u8>) -> Option<()> {
        let name = value.split(|octet| matches!(octet, b'=' | b';')).next().unwrap_or_default();
        let flags = self.cookie_flags.iter().find(|flags| flags.is_for(name.trim_ascii(), of));
        let mut is_changed = false;
        let before = out.len();
        for (index, part) in value.split(|byte| *byte == b';').enumerate() {
            let start = out.len();
            // Each of many attributes may become long.
            if start - before > RESPONSE_HEAD_BYTES_MAX {
                out.truncate(before);
                return None;
            }
            if index > 0 {
                out.push(b';');
            }
            let attribute = if index == 0 { None } else { Attribute::parse(part) };
            let replaced = attribute.and_then(|attribute| self.put_attribute(&attribute, of, out));
            let edited = flags.filter(|_| index > 0).and_then(|flags| flags.edited(part));
            match (replaced, &edited) {
                (Some(()), _) => {}
                (None, Some(edited)) if edited.is_empty() => out.truncate(start),
                (None, edited) => out.extend_from_slice(edited.as_deref().unwrap_or(part)),
            }
            is_changed |= replaced.is_some() || edited.is_some();
        }
        if let Some(flags) = flags {
            let length = out.len();
            flags.put_missing(value, out);
            is_changed |= out.len() > length;
        }
        if !is_changed {
            out.truncate(before);
        }
        is_changed.then_some(())
    }

    /// Appends an attribute, if it is replaced.
    fn put_attribute(
        &self,
        attribute: &Attribute<'_>,
        of: &impl Variables,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let (all, extent) = match attribute.name {
            name if name.eq_ignore_ascii_case(b"domain") => (&self.cookie_domain, Extent::Whole),
            name if name.eq_ignore_ascii_case(b"path") => (&self.cookie_path, Extent::Beginning),
            _ => return None,
        };
        let start = out.len();
        out.extend_from_slice(attribute.before);
        let is_put = Replacement::put_first(all, attribute.value, extent, of, out);
        if is_put.is_none() {
            out.truncate(start);
        }
        is_put
    }
}

/// ` Name=value` of a cookie.
struct Attribute<'a> {
    name: &'a [u8],
    /// All before the value.
    before: &'a [u8],
    /// Without spaces around it.
    value: &'a [u8],
}

impl<'a> Attribute<'a> {
    fn parse(part: &'a [u8]) -> Option<Self> {
        let equals = part.iter().position(|byte| *byte == b'=')?;
        let (name, rest) = part.split_at_checked(equals)?;
        let padding = rest.iter().skip(1).take_while(|byte| byte.is_ascii_whitespace()).count();
        let (before, value) = part.split_at_checked(equals + 1 + padding)?;
        Some(Self { name: name.trim_ascii(), before, value: value.trim_ascii_end() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Request;

    impl Variables for Request {
        fn put(&self, variable: &Variable, out: &mut Vec<u8>) {
            out.extend_from_slice(match variable {
                Variable::Scheme => b"https",
                Variable::Host => b"a.example",
                _ => b"",
            });
        }
    }

    fn text(text: &str) -> Text {
        Text::new(text, |_| false).expect("a text")
    }

    /// `FROM TO`, with an expression behind `~`; empty: nothing.
    fn replacement(pair: &str) -> Box<[Replacement]> {
        let Some((from, to)) = pair.split_once(' ') else { return Box::default() };
        let from = match from.strip_prefix('~') {
            Some(source) => Replaced::Matching(PathPattern::new(source, source).expect(source)),
            None => Replaced::Text(text(from)),
        };
        let to = Text::new(to, |name| name == "rest").expect("a text");
        [Replacement { from, to }].into()
    }

    #[track_caller]
    fn check(places: &ReturnedPlaces, name: &str, value: &str, expected: Option<&str>) {
        let mut out = b"before".to_vec();
        let is_put = places.put(name.as_bytes(), value.as_bytes(), &Request, &mut out);
        assert_eq!(is_put.is_some(), expected.is_some(), "{name}: {value}");
        let out = String::from_utf8(out).expect("text");
        assert_eq!(out, format!("before{}", expected.unwrap_or_default()), "{name}: {value}");
    }

    #[test]
    fn beginnings_of_locations_are_replaced() {
        for (pair, value, expected) in [
            ("http://b/two/ http://c/one/", "http://b/two/x?y", Some("http://c/one/x?y")),
            ("http://b/ /", "http://b/x", Some("https://a.example/x")),
            ("http://b $scheme://$host", "http://b/x", Some("https://a.example/x")),
            (
                "http://$host/ https://$host/new/",
                "http://a.example/x",
                Some("https://a.example/new/x"),
            ),
            ("/two/ /one/", "/two/x", Some("https://a.example/one/x")),
            ("http://b/ http://c/", "HTTP://b/x", None),
            ("http://b/ http://c/", "http://b", None),
            ("http://b/ http://c/", "x http://b/", None),
            ("", "http://b/x", None),
            ("~^http://b(:[0-9]+)?(/.*)$ $2", "http://b:81/x", Some("https://a.example/x")),
            ("~//b/(?<rest>.*) https://$host/$rest", "http://b/x?y", Some("https://a.example/x?y")),
            ("~^http://b/ /", "https://b/x", None),
            // All of it is replaced, whatever matches.
            ("~b http://c/", "http://b/x", Some("http://c/")),
        ] {
            let places =
                ReturnedPlaces { location: replacement(pair), ..ReturnedPlaces::default() };
            check(&places, "Location", value, expected);
            check(&places, "X-Location", value, None);
        }
    }

    #[test]
    fn urls_of_refresh_are_replaced() {
        let location = replacement("http://b/ /c/");
        let places = ReturnedPlaces { location, ..ReturnedPlaces::default() };
        check(&places, "refresh", "5; url=http://b/x", Some("5; url=/c/x"));
        check(&places, "refresh", "5;URL=http://b/", Some("5;URL=/c/"));
        check(&places, "refresh", "5", None);
        check(&places, "refresh", "5; url=http://d/", None);
    }

    #[test]
    fn attributes_of_cookies_are_replaced() {
        let places = ReturnedPlaces {
            cookie_domain: replacement(".b.example .c.example"),
            cookie_path: replacement("/two/ /"),
            ..ReturnedPlaces::default()
        };
        for (value, expected) in [
            ("a=1; Domain=b.example; Path=/two/x", Some("a=1; Domain=c.example; Path=/x")),
            ("a=1;domain=.B.EXAMPLE;Secure", Some("a=1;domain=.c.example;Secure")),
            ("a=1; PATH = /two/ ; HttpOnly", Some("a=1; PATH = /; HttpOnly")),
            ("a=1; Path=/two", None),
            ("a=1; Domain=x.b.example", None),
            ("a=1; Domain=b.example.evil", None),
            ("a=1; Domain", None),
            // A cookie may have such a name.
            ("path=/two/; Secure", None),
            ("domain=b.example", None),
            ("", None),
            (";;;=;Path=", None),
            ("a=1; Path=/two/; Path=/two/y", Some("a=1; Path=/; Path=/y")),
        ] {
            check(&places, "Set-Cookie", value, expected);
        }
        check(&ReturnedPlaces::default(), "Set-Cookie", "a=1; Path=/two/", None);
        let places = ReturnedPlaces {
            cookie_path: replacement("~^/v([0-9])/ /$1/"),
            cookie_domain: replacement(r"~^(.*)\.local$ $1.example"),
            ..ReturnedPlaces::default()
        };
        let value = "a=1; Domain=.b.local; Path=/v2/x";
        check(&places, "Set-Cookie", value, Some("a=1; Domain=.b.example; Path=/2/"));
    }

    #[test]
    fn cookies_get_flags_and_lose_them() {
        let flags = |name: &str, secure, http_only, same_site| {
            let cookie = match name.strip_prefix('~') {
                Some(source) => Replaced::Matching(PathPattern::new(source, source).expect(source)),
                None => Replaced::Text(text(name)),
            };
            CookieFlags { cookie, secure, http_only, same_site }
        };
        let (set, cleared) = (Some(Flag::Set), Some(Flag::Cleared));
        let cookie_flags = [
            flags("a", set, set, Some(SiteFlag::Strict)),
            flags("b", cleared, cleared, Some(SiteFlag::Cleared)),
            flags("~^c", set, None, Some(SiteFlag::None)),
        ];
        let places =
            ReturnedPlaces { cookie_flags: cookie_flags.into(), ..ReturnedPlaces::default() };
        for (value, expected) in [
            ("a=1", Some("a=1; Secure; HttpOnly; SameSite=Strict")),
            (
                "a=1; secure; HTTPONLY; samesite=strict",
                Some("a=1; secure; HTTPONLY; SameSite=Strict"),
            ),
            ("A=1; SameSite=Lax; Path=/", Some("A=1; SameSite=Strict; Path=/; Secure; HttpOnly")),
            ("b=1; Secure; Path=/; HttpOnly; SameSite=Lax", Some("b=1; Path=/")),
            ("b=1; Path=/", None),
            ("cd=1; Secure", Some("cd=1; Secure; SameSite=None")),
            ("d=1; Secure", None),
            // What a cookie is called is no attribute of it.
            ("secure=1; Path=/", None),
        ] {
            check(&places, "Set-Cookie", value, expected);
        }
    }
}
