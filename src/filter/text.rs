//! Texts with variables, as nginx writes them: read once, put together for each request.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use super::addresses::AddressRanges;
use super::outcome::Outcome;
use super::path_pattern::{Captures, PathPattern};
use super::trace::value::TraceValue;
use crate::limits::{SCRIPT_OCTETS_MAX, TEXT_VARIABLES_MAX};

/// A text with variables. Equal texts are equal values.
///
/// Source: nginx, "A guide to variables": `$name` takes letters, digits and `_`; `${name}` ends the
/// name where text follows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(Arc<[Piece]>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Piece {
    Literal(Box<str>),
    Variable(Variable),
}

/// What stands for a part of the request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Variable {
    /// `$host`, `$server_name`: the host asked for, lower case, without port.
    Host,
    /// `$http_host`: the host as sent, with its port.
    Authority,
    /// `$best_http_host`: the same, or what a proxy says that is believed.
    ToldAuthority,
    /// `$request_uri`: the target as sent.
    RequestUri,
    /// `$escaped_request_uri`: the same, with all but unreserved characters percent-encoded.
    EscapedRequestUri,
    /// `$uri`, `$document_uri`: the path that rules are matched with, percent-decoded.
    Path,
    /// `$args`, `$query_string`: behind `?`.
    Query,
    /// `$is_args`: `?` if there is a query that is not empty.
    QuestionMark,
    /// `$scheme`.
    Scheme,
    /// `$pass_access_scheme`: the same, or what a proxy says that is believed.
    ToldScheme,
    /// `$remote_addr`, `$the_real_ip`: the client's address.
    ClientAddress,
    /// `$remote_port`.
    ClientPort,
    /// `$remote_user`: the name of a client that gave a password.
    User,
    /// `$request_method`.
    Method,
    /// `$server_protocol`.
    Protocol,
    /// `$server_port`.
    ServerPort,
    /// `$pass_server_port`, `$pass_port`: the port that the client came to, as far as it is known.
    ToldPort,
    /// `$realip_remote_addr`: the other end of the connection.
    PeerAddress,
    /// `$req_id`, `$request_id`.
    RequestId,
    /// `$msec`: now, in seconds since 1970 with milliseconds.
    Now,
    /// `$namespace`: of the object that the rule comes from.
    Namespace,
    /// `$ingress_name`: its name.
    ObjectName,
    /// `$service_name`: of the backend.
    ServiceName,
    /// `$service_port`: of the backend.
    ServicePort,
    /// `$http_NAME`: the field of that name, in lower case, with `-` for `_`.
    Field(Box<str>),
    /// `$cookie_NAME`.
    Cookie(Box<str>),
    /// `$arg_NAME`: the parameter of that name, as sent.
    Parameter(Box<str>),
    /// `$1` to `$9`: what the expression of the path captured.
    Capture(u8),
    /// A group of the expression of the path by its name, where the owner of the text has such.
    NamedCapture(Box<str>),
    /// `$proxy_add_x_forwarded_for`: what the client says of its way, and its address.
    ForwardedFor,
    /// `$connection_upgrade`: `upgrade`, where the client asks for another protocol.
    ConnectionUpgrade,
    /// `$https`: `on` over TLS.
    Https,
    /// One that a directive sets, where the owner of the text has such.
    Set(Box<str>),
    /// `$upstream_http_NAME`: the field of what a backend answered, named as [`Self::Field`].
    Answered(Box<str>),
    /// `$upstream_cookie_NAME`: the cookie of that name that a backend set.
    AnsweredCookie(Box<str>),
    /// `$upstream_status`, `$status`: the status of the answer.
    Status,
    /// What is known once the request is over, where the owner of the text has such.
    Outcome(Outcome),
    /// `$opentelemetry_…`: of the trace that the request belongs to, if it is traced.
    Trace(TraceValue),
    /// `$ssl_client_verify` and its like: what is known of the client by its certificate.
    Certificate(CertificatePart),
    /// What stands for another one.
    Mapped(Arc<Mapping>),
    /// The date that is so many seconds away.
    DateIn(i32),
    /// `$ssl_protocol`: the version of TLS that the client speaks.
    TlsVersion,
    /// `$ssl_cipher`: its cipher suite, as OpenSSL names it.
    TlsCipher,
}

/// What is known of a client by its certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CertificatePart {
    /// `$ssl_client_verify`: what became of it.
    Verdict,
    /// `$ssl_client_s_dn`: whom it is for.
    Subject,
    /// `$ssl_client_i_dn`: who issued it.
    Issuer,
    /// `$ssl_client_escaped_cert`: itself.
    Whole,
}

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'t> {
    /// Stands for itself.
    Literal(&'t str),
    /// Stands for a part of the request.
    Variable(&'t Variable),
}

/// Why a text cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// `$` with no name behind it.
    #[error("a $ has no name behind it")]
    NoName,
    /// `${` without `}`.
    #[error("a ${{ has no }} behind its name")]
    Open,
    /// A variable that is not known.
    #[error("the variable ${0} is not known")]
    Unknown(String),
    /// More than [`TEXT_VARIABLES_MAX`].
    #[error("it has more than {TEXT_VARIABLES_MAX} variables")]
    TooMany,
    /// A control character.
    #[error("it has a control character")]
    Control,
}

/// Who knows the values of variables.
pub trait Variables {
    /// Appends the value of `variable`; one that the request does not have is empty.
    ///
    /// INVARIANT: no control characters but those that a field value may hold.
    fn put(&self, variable: &Variable, out: &mut Vec<u8>);

    /// Whether expressions may look at so many octets more for this request.
    fn may_search(&self, _octets: usize) -> bool {
        true
    }
}

/// Of a request that could not be read: nothing is known.
#[derive(Debug, Clone, Copy)]
pub struct NothingKnown;

impl Variables for NothingKnown {
    fn put(&self, _: &Variable, _: &mut Vec<u8>) {}
}

impl Text {
    /// Reads `text`. `groups`: names of groups that the text may refer to.
    ///
    /// # Errors
    /// The owner of the text is at fault; see [`TextError`].
    pub fn new<'g>(text: &str, groups: impl Fn(&str) -> bool + 'g) -> Result<Self, TextError> {
        Self::read(text, |name| match groups(name) {
            true => Some(Variable::NamedCapture(name.into())),
            false => Variable::named(name),
        })
    }

    /// Reads `text`, of whose variables `known` knows what they are.
    ///
    /// # Errors
    /// The same.
    pub fn read(text: &str, known: impl Fn(&str) -> Option<Variable>) -> Result<Self, TextError> {
        if text.chars().any(char::is_control) {
            return Err(TextError::Control);
        }
        Self::body(text, known)
    }

    /// The same of a text that is no part of a head: it may have control characters.
    ///
    /// # Errors
    /// The same.
    pub fn body(text: &str, known: impl Fn(&str) -> Option<Variable>) -> Result<Self, TextError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        let mut variables = 0;
        while let Some((literal, behind)) = rest.split_once('$') {
            push_literal(&mut pieces, literal);
            let (name, behind) = split_name(behind)?;
            let variable = known(name).ok_or_else(|| TextError::Unknown(name.to_owned()))?;
            variables += 1;
            if variables > TEXT_VARIABLES_MAX {
                return Err(TextError::TooMany);
            }
            pieces.push(Piece::Variable(variable));
            rest = behind;
        }
        push_literal(&mut pieces, rest);
        Ok(Self(pieces.into()))
    }

    /// A text in which `$` stands for itself.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        let mut pieces = Vec::new();
        push_literal(&mut pieces, text);
        Self(pieces.into())
    }

    /// The value of a variable.
    #[must_use]
    pub fn of(variable: Variable) -> Self {
        Self([Piece::Variable(variable)].into())
    }

    /// The text, if no part of it depends on the request.
    #[must_use]
    pub fn constant(&self) -> Option<&str> {
        match &*self.0 {
            [] => Some(""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// What it is made of, in order.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.0.iter().map(|piece| match piece {
            Piece::Literal(text) => Part::Literal(text),
            Piece::Variable(variable) => Part::Variable(variable),
        })
    }

    /// Its variables, in order.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Variable(variable) => Some(variable),
            Piece::Literal(_) => None,
        })
    }

    /// Whether it says what an expression captured.
    #[must_use]
    pub fn is_captured(&self) -> bool {
        let is_it = |of: &Variable| matches!(of, Variable::Capture(_) | Variable::Set(_));
        self.variables().any(|variable| match variable {
            Variable::Mapped(map) => map.source.variables().any(is_it),
            other => is_it(other),
        })
    }

    /// Appends the text with the values of `of`.
    pub fn put(&self, of: &impl Variables, out: &mut Vec<u8>) {
        for piece in &*self.0 {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Variable(variable) => of.put(variable, out),
            }
        }
    }
}

impl Variable {
    /// The variable of a name without `$`; `None`: there is no such.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let known = match name {
            "host" | "server_name" => Self::Host,
            "http_host" => Self::Authority,
            "best_http_host" => Self::ToldAuthority,
            "request_uri" => Self::RequestUri,
            "escaped_request_uri" => Self::EscapedRequestUri,
            "uri" | "document_uri" => Self::Path,
            "args" | "query_string" => Self::Query,
            "is_args" => Self::QuestionMark,
            "scheme" => Self::Scheme,
            "pass_access_scheme" | "pass_scheme" => Self::ToldScheme,
            "remote_addr" | "the_real_ip" => Self::ClientAddress,
            "remote_port" => Self::ClientPort,
            "remote_user" => Self::User,
            "request_method" => Self::Method,
            "server_protocol" => Self::Protocol,
            "server_port" => Self::ServerPort,
            "pass_server_port" | "pass_port" => Self::ToldPort,
            "realip_remote_addr" | "proxy_protocol_addr" => Self::PeerAddress,
            "req_id" | "request_id" => Self::RequestId,
            "msec" => Self::Now,
            "namespace" => Self::Namespace,
            "ingress_name" => Self::ObjectName,
            "service_name" => Self::ServiceName,
            "service_port" => Self::ServicePort,
            "proxy_add_x_forwarded_for" => Self::ForwardedFor,
            "connection_upgrade" => Self::ConnectionUpgrade,
            "https" => Self::Https,
            "ssl_client_verify" => Self::Certificate(CertificatePart::Verdict),
            "ssl_client_s_dn" => Self::Certificate(CertificatePart::Subject),
            "ssl_client_i_dn" => Self::Certificate(CertificatePart::Issuer),
            "ssl_client_escaped_cert" => Self::Certificate(CertificatePart::Whole),
            "ssl_protocol" => Self::TlsVersion,
            "ssl_cipher" => Self::TlsCipher,
            "content_type" => Self::Field("content-type".into()),
            "content_length" => Self::Field("content-length".into()),
            _ => return Self::of_family(name),
        };
        Some(known)
    }

    /// The same, of what is known once somebody answered.
    #[must_use]
    pub fn of_answer(name: &str) -> Option<Self> {
        let of = |prefix: &str| name.strip_prefix(prefix).filter(|name| !name.is_empty());
        match name {
            "status" | "upstream_status" => Some(Self::Status),
            _ => match of("upstream_cookie_") {
                Some(cookie) => Some(Self::AnsweredCookie(cookie.into())),
                None => of("upstream_http_").or_else(|| of("sent_http_")).map(|field| {
                    Self::Answered(field.to_ascii_lowercase().replace('_', "-").into())
                }),
            },
        }
    }

    fn of_family(name: &str) -> Option<Self> {
        let of = |prefix: &str| name.strip_prefix(prefix).filter(|name| !name.is_empty());
        if let [digit @ b'1'..=b'9'] = name.as_bytes() {
            Some(Self::Capture(digit - b'0'))
        } else if let Some(field) = of("http_") {
            Some(Self::Field(field.to_ascii_lowercase().replace('_', "-").into()))
        } else if let Some(cookie) = of("cookie_") {
            Some(Self::Cookie(cookie.into()))
        } else if let Some(parameter) = of("arg_") {
            Some(Self::Parameter(parameter.into()))
        } else {
            TraceValue::named(name).map(Self::Trace)
        }
    }
}

fn push_literal(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Literal(text.into()));
    }
}

/// What stands behind `$`: the name, and what follows it.
fn split_name(text: &str) -> Result<(&str, &str), TextError> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (name, behind) = match text.strip_prefix('{') {
        Some(text) => text.split_once('}').ok_or(TextError::Open)?,
        None => {
            // `$1x` is the first group with an x behind it, and `$10` the same with a zero.
            let is_group = text.starts_with(|c: char| c.is_ascii_digit());
            let end = if is_group { Some(1) } else { text.find(|c| !is_name(c)) };
            text.split_at(end.unwrap_or(text.len()))
        }
    };
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(TextError::NoName);
    }
    Ok((name, behind))
}

/// What a variable is, by what another one is.
///
/// Source: nginx, modules `ngx_http_map_module` and `ngx_http_geo_module`.
///
/// INVARIANT: equal texts are equal meanings, so that they alone are compared.
#[derive(Debug)]
pub struct Mapping {
    /// All that is said of it, and of the variable that it depends on.
    pub text: Box<str>,
    /// What is looked up.
    pub source: Text,
    /// What stands for what.
    pub entries: Entries,
    /// What stands for all else.
    pub default: Text,
}

/// What stands for what.
#[derive(Debug)]
pub enum Entries {
    /// Texts in lower case, sorted, whatever the case of what is looked up; then expressions, of
    /// which the first that matches somewhere counts.
    Texts(Box<[(Box<str>, Text)]>, Box<[(PathPattern, Text)]>),
    /// Addresses, the smallest ranges first.
    Addresses(Box<[(AddressRanges, Text)]>),
}

impl Mapping {
    /// Appends the value. `of`: who knows the variables, this one among them.
    pub fn put(&self, of: &impl Variables, out: &mut Vec<u8>) {
        let mut key = Vec::new();
        self.source.put(of, &mut key);
        // Values of values could grow without end.
        if key.len() > SCRIPT_OCTETS_MAX && !of.may_search(usize::MAX) {
            return;
        }
        match &self.entries {
            Entries::Addresses(entries) => {
                let address = std::str::from_utf8(&key).ok();
                let address = address.and_then(|text| text.parse::<IpAddr>().ok());
                let found = address.and_then(|address| {
                    entries.iter().find(|(ranges, _)| ranges.contains(address))
                });
                found.map_or(&self.default, |(_, text)| text).put(of, out);
            }
            Entries::Texts(texts, expressions) => {
                let lower = key.to_ascii_lowercase();
                let found = texts.binary_search_by(|(text, _)| text.as_bytes().cmp(&lower)).ok();
                if let Some((_, text)) = found.and_then(|index| texts.get(index)) {
                    return text.put(of, out);
                }
                for (pattern, text) in expressions {
                    if !of.may_search(key.len()) {
                        return;
                    }
                    if let Some(captures) = pattern.captures(&key) {
                        return text.put(&Captured { of, pattern, value: &key, captures }, out);
                    }
                }
                self.default.put(of, out);
            }
        }
    }
}

impl PartialEq for Mapping {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Mapping {}

impl Hash for Mapping {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // PERF: for each rule that names it. Equal texts have equal lengths.
        self.text.len().hash(state);
    }
}

impl PartialOrd for Mapping {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Mapping {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

/// What an expression captured, besides what is known anyway.
pub(super) struct Captured<'a, V> {
    pub of: &'a V,
    pub pattern: &'a PathPattern,
    /// What it matched.
    pub value: &'a [u8],
    pub captures: Captures,
}

impl<V: Variables> Variables for Captured<'_, V> {
    fn put(&self, variable: &Variable, out: &mut Vec<u8>) {
        let number = match variable {
            Variable::Capture(number) => Some(usize::from(*number)),
            Variable::NamedCapture(name) => self.pattern.group(name),
            other => return self.of.put(other, out),
        };
        let part = number.and_then(|number| self.captures.get(number)).unwrap_or_default();
        out.extend_from_slice(self.value.get(part).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says the names of the variants.
    struct Names;

    impl Variables for Names {
        fn put(&self, variable: &Variable, out: &mut Vec<u8>) {
            out.extend_from_slice(format!("<{variable:?}>").as_bytes());
        }
    }

    #[test]
    fn texts_are_put_together_from_pieces() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("$host", "<Host>"),
            ("a-$host-b", "a-<Host>-b"),
            ("${host}name", "<Host>name"),
            ("$scheme://$http_host$request_uri", "<Scheme>://<Authority><RequestUri>"),
            ("$http_x_real_ip", "<Field(\"x-real-ip\")>"),
            ("$cookie_Session_1", "<Cookie(\"Session_1\")>"),
            ("$arg_q", "<Parameter(\"q\")>"),
            ("/$1x$2", "/<Capture(1)>x<Capture(2)>"),
            ("/$10", "/<Capture(1)>0"),
            ("$group/", "<NamedCapture(\"group\")>/"),
            ("$content_type", "<Field(\"content-type\")>"),
        ] {
            let text = Text::new(text, |name| name == "group").unwrap();
            let mut out = Vec::new();
            text.put(&Names, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn what_cannot_be_a_text_is_told() {
        let many = "$host".repeat(TEXT_VARIABLES_MAX + 1);
        for (text, expected) in [
            ("a$", TextError::NoName),
            ("$-", TextError::NoName),
            ("${}", TextError::NoName),
            ("${a b}", TextError::NoName),
            ("${host", TextError::Open),
            ("$nothing", TextError::Unknown("nothing".into())),
            ("$http_", TextError::Unknown("http_".into())),
            ("$0", TextError::Unknown("0".into())),
            ("${10}", TextError::Unknown("10".into())),
            ("a\r\nb", TextError::Control),
            (&many, TextError::TooMany),
        ] {
            assert_eq!(Text::new(text, |_| false), Err(expected), "{text}");
        }
    }

    #[test]
    fn constants_are_known_as_such() {
        let constant = |text| Text::new(text, |_| false).unwrap().constant().map(str::to_owned);
        assert_eq!(constant("").as_deref(), Some(""));
        assert_eq!(constant("a").as_deref(), Some("a"));
        assert_eq!(constant("a$host"), None);
        assert_eq!(Text::literal("a$host").constant(), Some("a$host"));
        assert_eq!(Text::literal(""), Text::new("", |_| false).unwrap());
        let text = Text::new("$1$host", |_| false).unwrap();
        assert!(text.variables().eq(&[Variable::Capture(1), Variable::Host]));
    }
}
