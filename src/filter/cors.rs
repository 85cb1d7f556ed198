//! What scripts of other origins may ask for, as browsers are told.
//!
//! Source: the Fetch standard, CORS protocol; ingress-nginx, whose fields and origins these are.

use super::answer_fields::CorsAnswer;
use super::fields::FieldEdits;

/// The CORS policy of a rule. Its fields are all `set`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Cors {
    /// Every answer has these fields, whether or not a script asked.
    Any(FieldEdits),
    /// Requests of these origins are told it, others nothing.
    Listed {
        /// Who may ask.
        origins: Box<[OriginPattern]>,
        /// Never `Access-Control-Allow-Origin`, which names the origin.
        fields: FieldEdits,
    },
}

/// An origin, or the origins of all hosts one label below another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OriginPattern {
    /// In lower case; up to the label, if there is one.
    before: Box<str>,
    /// Behind the label; `None`: there is none.
    after: Option<Box<str>>,
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
    /// # Errors
    /// The object's author is at fault; see [`OriginError`].
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let text = text.to_ascii_lowercase();
        if text == "null" {
            return Ok(Self { before: text.into(), after: None });
        }
        let (scheme, authority) = text.split_once("://").ok_or(OriginError::Scheme)?;
        let is_letter = |byte: u8| byte.is_ascii_lowercase();
        if !scheme.bytes().next().is_some_and(is_letter) || !scheme.bytes().all(is_scheme) {
            return Err(OriginError::Scheme);
        }
        let (is_wildcard, authority) = match authority.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, authority),
        };
        let (host, port) =
            authority.split_once(':').map_or((authority, None), |(h, p)| (h, Some(p)));
        if host.is_empty() || !host.bytes().all(is_host) {
            return Err(OriginError::Host);
        }
        if port.is_some_and(|port| port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit())) {
            return Err(OriginError::Port);
        }
        Ok(match is_wildcard {
            true => Self {
                before: format!("{scheme}://").into(),
                after: Some(format!(".{authority}").into()),
            },
            false => Self { before: text.into(), after: None },
        })
    }

    /// Whether the whole of `origin` is one of them, whatever its case. The port counts as it is
    /// written.
    fn matches(&self, origin: &[u8]) -> bool {
        let Some(after) = &self.after else {
            return self.before.as_bytes().eq_ignore_ascii_case(origin);
        };
        let (before, after) = (self.before.as_bytes(), after.as_bytes());
        let Some((head, rest)) = origin.split_at_checked(before.len()) else { return false };
        let Some(length) = rest.len().checked_sub(after.len()) else { return false };
        let (label, tail) = rest.split_at(length);
        head.eq_ignore_ascii_case(before)
            && tail.eq_ignore_ascii_case(after)
            && !label.is_empty()
            && label.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    }
}

/// RFC 3986 section 3.1, in lower case.
fn is_scheme(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte)
}

fn is_host(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte)
}

impl Cors {
    /// What a request with these lines of `Origin` is told, where answers depend on them.
    #[must_use]
    pub fn answer<'a>(&'a self, mut lines: impl Iterator<Item = &'a [u8]>) -> CorsAnswer<'a> {
        let Self::Listed { origins, fields } = self else { return CorsAnswer::Nothing };
        match (lines.next(), lines.next()) {
            (Some(origin), None) if origins.iter().any(|pattern| pattern.matches(origin)) => {
                CorsAnswer::Allowed { origin, fields }
            }
            _ => CorsAnswer::Refused,
        }
    }
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

    fn listed(patterns: &[&str]) -> Cors {
        let patterns = patterns.iter().map(|text| OriginPattern::parse(text).expect("an origin"));
        Cors::Listed { origins: patterns.collect(), fields: FieldEdits::default() }
    }

    #[test]
    fn the_whole_origin_is_compared() {
        let cors = listed(&["https://a.example", "http://*.w.example:81", "null", "test://t"]);
        for (origin, is_allowed) in [
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
        ] {
            let allowed =
                CorsAnswer::Allowed { origin: origin.as_bytes(), fields: FieldEdits::NONE };
            let expected = if is_allowed { allowed } else { CorsAnswer::Refused };
            assert_eq!(cors.answer([origin.as_bytes()].into_iter()), expected, "{origin}");
        }
    }

    #[test]
    fn a_request_has_one_origin() {
        let cors = listed(&["https://a"]);
        let lines = |count| std::iter::repeat_n(&b"https://a"[..], count);
        assert!(matches!(cors.answer(lines(1)), CorsAnswer::Allowed { .. }));
        assert_eq!(cors.answer(lines(0)), CorsAnswer::Refused);
        assert_eq!(cors.answer(lines(2)), CorsAnswer::Refused);
        let any = Cors::Any(FieldEdits::default());
        assert_eq!(any.answer(lines(1)), CorsAnswer::Nothing);
        assert_eq!(listed(&[]).answer(lines(1)), CorsAnswer::Refused);
    }
}
