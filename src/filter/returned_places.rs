//! What a backend's answer says of places, in the words of its clients: cookies' domains and paths,
//! `Location`, `Refresh`.
//!
//! Source: nginx, `proxy_cookie_domain`, `proxy_cookie_path`, `proxy_redirect`.

use super::text::{Text, Variable, Variables};

/// What is replaced in the answers of a rule's backend.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ReturnedPlaces {
    /// The whole of a cookie's `Domain`, whatever its case and a dot before it.
    pub cookie_domain: Option<Replacement>,
    /// The beginning of a cookie's `Path`.
    pub cookie_path: Option<Replacement>,
    /// The beginning of `Location`, and of the URL in `Refresh`.
    pub location: Option<Replacement>,
}

/// A text and what comes in its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Replacement {
    /// Not empty, unless variables are.
    pub from: Text,
    /// Of the field, the rest stays.
    pub to: Text,
}

/// How much of a value has to be the text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Beginning,
    /// In whatever case.
    Whole,
}

impl Replacement {
    /// How many octets of `value` are replaced, if any. Leaves `out` as it was.
    fn replaced(
        &self,
        value: &[u8],
        extent: Extent,
        of: &impl Variables,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let before = out.len();
        self.from.put(of, out);
        let from = out.get(before..).unwrap_or_default();
        let is_it = match extent {
            Extent::Beginning => value.starts_with(from),
            Extent::Whole => value.eq_ignore_ascii_case(undotted(from)),
        };
        let length = match extent {
            Extent::Beginning => from.len(),
            Extent::Whole => value.len(),
        };
        out.truncate(before);
        is_it.then_some(length)
    }
}

/// Without a dot before it.
fn undotted(domain: &[u8]) -> &[u8] {
    domain.strip_prefix(b".").unwrap_or(domain)
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
        let replacement = self.location.as_ref()?;
        let length = replacement.replaced(value, Extent::Beginning, of, out)?;
        let before = out.len();
        replacement.to.put(of, out);
        out.extend_from_slice(value.get(length..)?);
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
        let replacement = self.location.as_ref()?;
        let url = value.windows(4).position(|part| part.eq_ignore_ascii_case(b"url="))? + 4;
        let (before, url) = value.split_at_checked(url)?;
        let length = replacement.replaced(url, Extent::Beginning, of, out)?;
        out.extend_from_slice(before);
        replacement.to.put(of, out);
        out.extend_from_slice(url.get(length..)?);
        Some(())
    }

    fn put_cookie(&self, value: &[u8], of: &impl Variables, out: &mut Vec<u8>) -> Option<()> {
        let mut is_changed = false;
        let before = out.len();
        for (index, part) in value.split(|byte| *byte == b';').enumerate() {
            if index > 0 {
                out.push(b';');
            }
            let attribute = if index == 0 { None } else { Attribute::parse(part) };
            let found = attribute.and_then(|attribute| {
                let (replacement, extent) = match attribute.name {
                    name if name.eq_ignore_ascii_case(b"domain") => {
                        (self.cookie_domain.as_ref()?, Extent::Whole)
                    }
                    name if name.eq_ignore_ascii_case(b"path") => {
                        (self.cookie_path.as_ref()?, Extent::Beginning)
                    }
                    _ => return None,
                };
                let is_dotted = extent == Extent::Whole && attribute.value.starts_with(b".");
                let (dot, text) = attribute.value.split_at(usize::from(is_dotted));
                let length = replacement.replaced(text, extent, of, out)?;
                out.extend_from_slice(attribute.before);
                out.extend_from_slice(dot);
                let to = out.len();
                replacement.to.put(of, out);
                if extent == Extent::Whole && out.get(to) == Some(&b'.') {
                    out.remove(to);
                }
                out.extend_from_slice(text.get(length..)?);
                Some(())
            });
            if found.is_none() {
                out.extend_from_slice(part);
            }
            is_changed |= found.is_some();
        }
        if !is_changed {
            out.truncate(before);
        }
        is_changed.then_some(())
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

    /// `FROM TO`; empty: nothing.
    fn replacement(pair: &str) -> Option<Replacement> {
        let (from, to) = pair.split_once(' ')?;
        Some(Replacement { from: text(from), to: text(to) })
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
            location: None,
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
    }
}
