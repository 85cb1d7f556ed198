//! Origins, and patterns of them that objects write down.
//!
//! Source: RFC 6454 section 6.1; ingress-nginx `cors-allow-origin`; Gateway API `CORSOrigin`.

/// An origin, or the origins of several hosts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OriginPattern {
    /// In lower case; `None`: the origin `null`.
    scheme: Option<Box<str>>,
    host: Host,
    port: Port,
}

/// Which hosts; in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Host {
    Whole(Box<str>),
    /// One label and this.
    OneLabel(Box<str>),
    /// Something and this.
    Ending(Box<str>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Port {
    /// As it is written, which may be not at all.
    Written(Box<str>),
    /// This, which goes without saying if it is that of the scheme.
    Number(u16),
    Any,
}

/// Why a text is no origin. The object's author is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Neither `null` nor with `://`.
    #[error("it has no scheme, as in https://a.example")]
    Scheme,
    /// Empty, or with a character that no host has: a path, a space, a `*` that is not its first
    /// label.
    #[error("behind the scheme stands no host, *.host or host with a port")]
    Host,
    /// Not digits.
    #[error("behind the host stands no port")]
    Port,
}

impl OriginPattern {
    /// Reads `scheme://host[:port]`, `scheme://*.host[:port]` or `null`.
    ///
    /// Shape: `*` is one label; the port counts as it is written.
    ///
    /// # Errors
    /// The object's author is at fault; see [`OriginError`].
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let text = text.to_ascii_lowercase();
        if text == "null" {
            let port = Port::Written("".into());
            return Ok(Self { scheme: None, host: Host::Whole(text.into()), port });
        }
        let (scheme, host, port) = split(&text)?;
        let host = match host.strip_prefix("*.") {
            Some(rest) => Host::OneLabel(format!(".{}", checked(rest)?).into()),
            None => Host::Whole(checked(host)?.into()),
        };
        if port.is_some_and(|port| port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit())) {
            return Err(OriginError::Port);
        }
        let port = Port::Written(port.unwrap_or_default().into());
        Ok(Self { scheme: Some(scheme.into()), host, port })
    }

    /// Reads `scheme://host[:port]` as a route of the Gateway API has it.
    ///
    /// Shape: `*` at the start of the host is whatever stands there, labels and dots; alone it is
    /// each host; as the port it is each port. A port that is not written is that of the scheme.
    ///
    /// # Errors
    /// The object's author is at fault; see [`OriginError`].
    pub fn of_route(text: &str) -> Result<Self, OriginError> {
        let text = text.to_ascii_lowercase();
        let (scheme, host, port) = split(&text)?;
        let host = match host.strip_prefix('*') {
            Some("") => Host::Ending("".into()),
            Some(rest) => Host::Ending(checked(rest)?.into()),
            None => Host::Whole(checked(host)?.into()),
        };
        let port = match port {
            Some("*") => Port::Any,
            Some(port) => Port::Number(port.parse().or(Err(OriginError::Port))?),
            None => default_port(scheme).map_or_else(|| Port::Written("".into()), Port::Number),
        };
        Ok(Self { scheme: Some(scheme.into()), host, port })
    }

    /// Whether the whole of `origin` is one of them, whatever its case.
    #[must_use]
    pub fn matches(&self, origin: &[u8]) -> bool {
        let Some(scheme) = &self.scheme else { return origin.eq_ignore_ascii_case(b"null") };
        let Some((head, rest)) = origin.split_at_checked(scheme.len()) else { return false };
        let Some(authority) = rest.strip_prefix(b"://") else { return false };
        let (host, port) = match authority.iter().rposition(|octet| *octet == b':') {
            Some(at) => (authority.get(..at), authority.get(at + 1..)),
            None => (Some(authority), None),
        };
        // What ends with a colon has an empty port, which is none.
        let is_written =
            port.is_none_or(|port| !port.is_empty() && port.iter().all(u8::is_ascii_digit));
        is_written
            && head.eq_ignore_ascii_case(scheme.as_bytes())
            && self.port.matches(scheme, port)
            && host.is_some_and(|host| self.host.matches(host))
    }
}

impl Host {
    fn matches(&self, host: &[u8]) -> bool {
        let before = |ending: &str| {
            let length = host.len().checked_sub(ending.len())?;
            let (before, tail) = host.split_at(length);
            tail.eq_ignore_ascii_case(ending.as_bytes()).then_some(before)
        };
        let is_plain = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'-';
        match self {
            Self::Whole(whole) => whole.as_bytes().eq_ignore_ascii_case(host),
            Self::OneLabel(ending) => {
                before(ending).is_some_and(|label| !label.is_empty() && label.iter().all(is_plain))
            }
            Self::Ending(ending) => before(ending).is_some_and(|labels| {
                let is_plain = |octet: &u8| is_plain(octet) || b"._".contains(octet);
                labels.first().is_some_and(|first| *first != b'.') && labels.iter().all(is_plain)
            }),
        }
    }
}

impl Port {
    fn matches(&self, scheme: &str, port: Option<&[u8]>) -> bool {
        match self {
            Self::Any => true,
            Self::Written(wanted) => wanted.as_bytes() == port.unwrap_or_default(),
            Self::Number(wanted) => match port {
                Some(port) => {
                    str::from_utf8(port).ok().and_then(|port| port.parse().ok()) == Some(*wanted)
                }
                None => default_port(scheme) == Some(*wanted),
            },
        }
    }
}

/// Scheme, host and port of a text in lower case; the scheme is one.
fn split(text: &str) -> Result<(&str, &str, Option<&str>), OriginError> {
    let (scheme, authority) = text.split_once("://").ok_or(OriginError::Scheme)?;
    let is_letter = |byte: u8| byte.is_ascii_lowercase();
    if !scheme.bytes().next().is_some_and(is_letter) || !scheme.bytes().all(is_scheme) {
        return Err(OriginError::Scheme);
    }
    let (host, port) = authority.split_once(':').map_or((authority, None), |(h, p)| (h, Some(p)));
    Ok((scheme, host, port))
}

fn checked(host: &str) -> Result<&str, OriginError> {
    if host.is_empty() || !host.bytes().all(is_host) {
        return Err(OriginError::Host);
    }
    Ok(host)
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// RFC 3986 section 3.1, in lower case.
fn is_scheme(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte)
}

fn is_host(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_have_a_scheme_and_a_host() {
        use OriginError::{Host, Port, Scheme};
        for text in [
            "null",
            "https://a.example",
            "HTTPS://A.example:8443",
            "http://*.a.example",
            "https://*.a:9000",
            "chrome-extension://abcdef",
            "test://localhost",
        ] {
            assert!(OriginPattern::parse(text).is_ok(), "{text}");
        }
        for (text, why) in [
            ("", Scheme),
            ("*", Scheme),
            ("a.example", Scheme),
            ("://a.example", Scheme),
            ("1://a.example", Scheme),
            ("ht tp://a.example", Scheme),
            ("https://", Host),
            ("https://*", Host),
            ("https://*.", Host),
            ("https://*a.example", Host),
            ("https://a.*.example", Host),
            ("https://*.*.example", Host),
            ("https://a.example/", Host),
            ("https://a.example/path", Host),
            ("https://a b", Host),
            ("https://u@a.example", Host),
            ("https://a.example\r\nx: y", Host),
            ("https://a_b", Host),
            ("https://a.example:", Port),
            ("https://a.example:80x", Port),
            ("https://a.example:80:80", Port),
        ] {
            assert_eq!(OriginPattern::parse(text), Err(why), "{text}");
        }
    }

    fn check(patterns: &[OriginPattern], cases: &[(&str, bool)]) {
        for (origin, expected) in cases {
            let found = patterns.iter().any(|pattern| pattern.matches(origin.as_bytes()));
            assert_eq!(found, *expected, "{origin}");
        }
    }

    #[test]
    fn the_whole_origin_is_compared() {
        let texts = ["https://a.example", "http://*.w.example:81", "null", "test://t"];
        let patterns = texts.map(|text| OriginPattern::parse(text).expect("an origin"));
        check(
            &patterns,
            &[
                ("https://a.example", true),
                ("HTTPS://A.EXAMPLE", true),
                ("null", true),
                ("test://t", true),
                ("http://x.w.example:81", true),
                ("http://X-9.w.example:81", true),
                ("", false),
                ("http://a.example", false),
                ("https://a.example:443", false),
                ("https://a.example.evil", false),
                ("https://evil.a.example", false),
                // ingress-nginx compares the end alone.
                ("evilhttps://a.example", false),
                ("x https://a.example", false),
                ("http://w.example:81", false),
                ("http://.w.example:81", false),
                ("http://x.w.example", false),
                ("http://x.y.w.example:81", false),
                ("http://x_y.w.example:81", false),
                ("https://x.w.example:81", false),
                ("http://x.wxexample:81", false),
                ("null, null", false),
                ("https://a.example:", false),
            ],
        );
    }

    #[test]
    fn a_star_of_a_route_is_all_that_stands_before_it_and_a_port_may_go_without_saying() {
        let texts = [
            "https://a.example",
            "http://*.w.example:81",
            "http://*x.example",
            "https://b.example:*",
            "ext://*",
        ];
        let patterns = texts.map(|text| OriginPattern::of_route(text).expect("an origin"));
        check(
            &patterns,
            &[
                ("https://a.example", true),
                ("https://a.example:443", true),
                ("https://a.example:80", false),
                ("https://a.example:0443", true),
                ("http://a.w.example:81", true),
                ("http://a.b.W.example:81", true),
                ("http://w.example:81", false),
                ("http://.w.example:81", false),
                ("http://a.w.example", false),
                ("http://a.w.example:80", false),
                ("http://yx.example", true),
                ("http://y.x.example:80", true),
                ("http://x.example", false),
                ("https://b.example:8443", true),
                ("https://b.example", true),
                ("https://b.example:x", false),
                ("https://b.example:", false),
                ("ext://anything", true),
                ("ext://any.thing:1", false),
                ("ext://a/b", false),
                ("ext://", false),
                ("null", false),
                ("https://b.example\r\nx: y", false),
            ],
        );
    }

    #[test]
    fn what_is_no_origin_of_a_route_is_told() {
        use OriginError::{Host, Port, Scheme};
        for (text, why) in [
            ("*", Scheme),
            ("null", Scheme),
            ("https://", Host),
            ("https://a.*.example", Host),
            ("https://**", Host),
            ("https://a.example/", Host),
            ("https://a.example:", Port),
            ("https://a.example:65536", Port),
            ("https://a.example:**", Port),
        ] {
            assert_eq!(OriginPattern::of_route(text), Err(why), "{text}");
        }
    }
}
