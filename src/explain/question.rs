//! What is asked: a request, of the words in which somebody named it.

use std::net::{IpAddr, Ipv4Addr};

use base64ct::{Base64, Encoding as _};

use crate::filter::Scheme;
use crate::limits::REQUEST_LINE_BYTES_MAX;

/// A request that nobody sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// How it comes.
    pub scheme: Scheme,
    /// Host and port, as the field Host has it.
    pub authority: String,
    /// Of the URL; `None`: it names none.
    pub port: Option<u16>,
    /// Path and query.
    pub target: String,
    /// Its method.
    pub method: String,
    /// Names and values.
    pub fields: Vec<(String, String)>,
    /// Whose it is.
    pub client: IpAddr,
    /// Server name of the handshake; `None`: the host, unless that is an address.
    pub sni: Option<String>,
}

/// The same in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// Scheme (else `http`), host, port, path and query.
    pub url: String,
    /// Else `GET`.
    pub method: Option<String>,
    /// `Name: value`.
    pub headers: Vec<String>,
    /// Else loopback.
    pub client: Option<IpAddr>,
    /// Else the host.
    pub sni: Option<String>,
}

/// Why words name no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// There is no URL.
    #[error("say which request: a URL, or curl and its words")]
    NoUrl,
    /// A scheme that is none of ours.
    #[error("{0}: only http and https can be explained")]
    Scheme(String),
    /// No host, or no port.
    #[error("{0:?} names no host")]
    Authority(String),
    /// A character that no request has.
    #[error("{0:?} has characters that no request has; encode them")]
    Characters(String),
    /// No `:`.
    #[error("a header is \"Name: value\", not {0:?}")]
    Header(String),
    /// Longer than a request line.
    #[error("it is longer than a request may be")]
    TooLong,
    /// A parameter of a query.
    #[error("the parameter {0} is not one, or its value is none")]
    Parameter(String),
    /// A second URL.
    #[error("one request at a time: {0:?} is another word")]
    More(String),
    /// An option of curl that is not read.
    #[error("curl's {0} says nothing that can be explained here; leave it out")]
    Option(String),
    /// A file that an option of curl names.
    #[error("the file {0} cannot be read: {1}")]
    File(String, String),
    /// An option of curl without its value.
    #[error("curl's {0} needs a value")]
    Value(String),
}

impl Question {
    /// What `words` name.
    ///
    /// # Errors
    /// Who asks is at fault; see [`QuestionError`].
    pub fn new(words: &Words) -> Result<Self, QuestionError> {
        if words.url.is_empty() {
            return Err(QuestionError::NoUrl);
        }
        if words.url.len() > REQUEST_LINE_BYTES_MAX {
            return Err(QuestionError::TooLong);
        }
        let (scheme, rest) = scheme(&words.url)?;
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        // A password is nothing to be repeated.
        let (user, authority) = match authority.rsplit_once('@') {
            Some((user, authority)) => (Some(user), authority),
            None => (None, authority),
        };
        let (host, port) = host_and_port(authority)?;
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        let method = words.method.clone().unwrap_or_else(|| "GET".to_owned());
        for text in [authority, &target, &method] {
            if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_graphic()) {
                return Err(QuestionError::Characters(text.to_owned()));
            }
        }
        let mut authority = authority.to_owned();
        let mut fields = Vec::new();
        for header in &words.headers {
            let (name, value) = field(header)?;
            match name.eq_ignore_ascii_case("host") {
                true => authority = value,
                false => fields.push((name, value)),
            }
        }
        let is_said = fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        if let Some(user) = user.filter(|user| !user.is_empty() && !is_said) {
            fields.push(("Authorization".to_owned(), basic(&decoded(user))));
        }
        let is_name = host.parse::<IpAddr>().is_err() && !host.starts_with('[');
        // As a handshake is read.
        let sni = words.sni.as_deref().or_else(|| is_name.then_some(host));
        let sni = sni.map(|name| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase());
        let client = words.client.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let client = client.to_canonical();
        Ok(Self { scheme, authority, port, target, method, fields, client, sni })
    }

    /// As a client writes it.
    #[must_use]
    pub fn head(&self) -> Vec<u8> {
        let Self { method, target, authority, fields, .. } = self;
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {authority}\r\n");
        for (name, value) in fields {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        head.into_bytes()
    }
}

/// The value of Authorization for `user:password` (RFC 7617).
pub(super) fn basic(credentials: &[u8]) -> String {
    let mut room = vec![0; Base64::encoded_len(credentials)];
    let encoded = Base64::encode(credentials, &mut room);
    format!("Basic {}", encoded.unwrap_or_default())
}

/// What stands before the host of a URL, without percent-encoding; with `:`, as clients send it.
fn decoded(user: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(user.len());
    let mut parts = user.split('%');
    out.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let octet = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match octet.zip(part.get(2..)) {
            Some((octet, rest)) => {
                out.push(octet);
                out.extend_from_slice(rest.as_bytes());
            }
            None => {
                out.push(b'%');
                out.extend_from_slice(part.as_bytes());
            }
        }
    }
    if !user.contains(':') {
        out.push(b':');
    }
    out
}

fn scheme(url: &str) -> Result<(Scheme, &str), QuestionError> {
    // One further behind is of the path or the query.
    let named = url.split_once("://").filter(|(name, _)| !name.contains(['/', '?', '#', '@']));
    let Some((scheme, rest)) = named else { return Ok((Scheme::Http, url)) };
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Ok((Scheme::Http, rest)),
        "https" => Ok((Scheme::Https, rest)),
        _ => Err(QuestionError::Scheme(scheme.to_owned())),
    }
}

fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), QuestionError> {
    let wrong = || QuestionError::Authority(authority.to_owned());
    // Colons of an IPv6 address stand in brackets.
    let after = authority.rfind(']').map_or(0, |end| end.saturating_add(1));
    let (host, port) = match authority.get(after..).and_then(|rest| rest.rfind(':')) {
        None => (authority, None),
        Some(colon) => {
            let (host, port) = authority.split_at(after.saturating_add(colon));
            (host, Some(port.trim_start_matches(':').parse().ok().ok_or_else(wrong)?))
        }
    };
    if host.is_empty() { Err(wrong()) } else { Ok((host, port)) }
}

/// A value is text of one line.
fn field(header: &str) -> Result<(String, String), QuestionError> {
    let bare = || (header.trim_end_matches(';'), "");
    let (name, value) = header.split_once(':').unwrap_or_else(bare);
    let (name, value) = (name.trim_ascii(), value.trim_ascii());
    let is_whole = !name.is_empty()
        && name.bytes().all(|octet| octet.is_ascii_graphic())
        && !value.bytes().any(|octet| octet.is_ascii_control() && octet != b'\t')
        && (header.contains(':') || header.ends_with(';'));
    match is_whole {
        true => Ok((name.to_owned(), value.to_owned())),
        // What it is not may be a secret.
        false => Err(QuestionError::Header(name.chars().take(40).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(url: &str) -> Result<String, QuestionError> {
        let words = Words { url: url.to_owned(), ..Words::default() };
        let asked = Question::new(&words)?;
        let Question { scheme, authority, port, target, sni, .. } = asked;
        Ok(format!("{} {authority} {port:?} {target} {sni:?}", scheme.as_str()))
    }

    #[test]
    fn urls_are_taken_apart() {
        let characters = |text: &str| Err(QuestionError::Characters(text.to_owned()));
        let authority = |text: &str| Err(QuestionError::Authority(text.to_owned()));
        for (url, expected) in [
            ("https://A.example/x?y=1#z", Ok("https A.example None /x?y=1 Some(\"a.example\")")),
            ("a.example", Ok("http a.example None / Some(\"a.example\")")),
            (
                "A.example./x?u=https://b/",
                Ok("http A.example. None /x?u=https://b/ Some(\"a.example\")"),
            ),
            ("http://a.example:81?q", Ok("http a.example:81 Some(81) /?q Some(\"a.example\")")),
            ("http://[::1]:8080/", Ok("http [::1]:8080 Some(8080) / None")),
            ("http://192.0.2.1/", Ok("http 192.0.2.1 None / None")),
            ("https://me:secret@a.example/", Ok("https a.example None / Some(\"a.example\")")),
            ("", Err(QuestionError::NoUrl)),
            ("ftp://a.example/", Err(QuestionError::Scheme("ftp".to_owned()))),
            ("http:///x", authority("")),
            ("http://a.example:x/", authority("a.example:x")),
            ("http://a.example/a b", characters("/a b")),
            ("http://a.example/\u{e4}", characters("/\u{e4}")),
        ] {
            assert_eq!(asked(url), expected.map(str::to_owned), "{url}");
        }
        let long = format!("a.example/{}", "x".repeat(REQUEST_LINE_BYTES_MAX));
        assert_eq!(asked(&long), Err(QuestionError::TooLong));
    }

    #[test]
    fn headers_are_lines() {
        let asked = |header: &str| {
            let headers = vec![header.to_owned()];
            Question::new(&Words { url: "a.example".to_owned(), headers, ..Words::default() })
        };
        for (header, expected) in [
            ("X: y", "GET / HTTP/1.1\r\nHost: a.example\r\nX: y\r\n\r\n"),
            ("Host: b.example:1", "GET / HTTP/1.1\r\nHost: b.example:1\r\n\r\n"),
            ("X;", "GET / HTTP/1.1\r\nHost: a.example\r\nX: \r\n\r\n"),
        ] {
            assert_eq!(asked(header).unwrap().head(), expected.as_bytes(), "{header}");
        }
        for (url, expected) in [
            ("http://me:pw@a.example/", "Authorization: Basic bWU6cHc=\r\n"),
            ("http://m%65%3A%zz@a.example/", "Authorization: Basic bWU6JXp6Og==\r\n"),
            ("http://me@a.example/", "Authorization: Basic bWU6\r\n"),
            ("http://@a.example/", ""),
            ("http://a.example/@", ""),
        ] {
            let words = Words { url: url.to_owned(), ..Words::default() };
            let head = String::from_utf8(Question::new(&words).unwrap().head()).unwrap();
            let head = head.split_once("Host: a.example\r\n").unwrap().1;
            assert_eq!(head, format!("{expected}\r\n"), "{url}");
            let headers = vec!["authorization: Bearer x".to_owned()];
            let said = Question::new(&Words { headers, ..words }).unwrap().fields;
            assert_eq!(said, [("authorization".to_owned(), "Bearer x".to_owned())], "{url}");
        }
        for (header, told) in [("X", "X"), ("a b: c", "a b"), ("X: y\nz", "X"), (": y", "")] {
            assert_eq!(asked(header), Err(QuestionError::Header(told.to_owned())), "{header}");
        }
    }
}
