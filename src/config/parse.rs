//! Texts of flags → values. Messages complete clap's `invalid value 'X' for '--flag': …`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::limits::{FLAG_SECONDS_MAX, TRIES_MAX};
use crate::model::{BackendKey, Dial, Kind, ObjectRef, PortRef};

/// Why the text of a flag is not a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not a decimal number, negative, not finite, or more than [`FLAG_SECONDS_MAX`].
    #[error("write seconds as a number from 0 to {FLAG_SECONDS_MAX}, such as 5 or 0.25")]
    Seconds,
    /// Zero where it would fail every request.
    #[error("0 would fail every request; write at least 0.001 seconds")]
    ZeroSeconds,
    /// Not a number from 0 to [`TRIES_MAX`].
    #[error("write a number from 1 to {TRIES_MAX}, or 0 for {TRIES_MAX}")]
    Tries,
    /// Not digits with an optional suffix, or beyond 64 bits.
    #[error("write bytes as a number with an optional k, m or g, such as 512k; 0 is no limit")]
    Bytes,
    /// Not IP:PORT, *:PORT or localhost:PORT.
    #[error("write IP:PORT, such as 0.0.0.0:80 or [::]:80, or *:80 for both families")]
    Address,
    /// Neither an address nor ADDRESS/PREFIX.
    #[error("write ADDRESS/PREFIX, such as 10.0.0.0/8 or fd00::/8, or a single address")]
    Cidr,
    /// Not namespace/name:port.
    #[error(
        "write NAMESPACE/NAME:PORT, such as default/landing:80; without a port the first counts"
    )]
    Backend,
    /// Not namespace/name.
    #[error("write NAMESPACE/NAME, such as default/wildcard-tls")]
    Secret,
    /// Not namespace/name.
    #[error("write NAMESPACE/NAME, such as ringway/ringway-controller")]
    Service,
    /// Not namespace/name.
    #[error("write NAMESPACE/NAME, such as ringway/ringway-config")]
    ConfigMap,
    /// Not a DNS label.
    #[error("write the name of a namespace: lower-case letters, digits and hyphens")]
    Namespace,
    /// Neither an IP address nor a DNS name.
    #[error("write an IP address or a DNS name, such as 192.0.2.1 or lb.example")]
    StatusAddress,
    /// Not a path as requests are matched by it.
    #[error("write a path without '.', '..', '%', blanks and query, such as /healthz")]
    Path,
    /// Not a positive number.
    #[error("write upper bounds as positive numbers, such as 0.1,0.5,1")]
    Bucket,
    /// Not a DNS subdomain.
    #[error("write the name of an object: lower-case letters, digits, hyphens and dots")]
    ObjectName,
}

/// A path that needs no normalising, or nothing.
///
/// # Errors
/// [`ParseError::Path`].
pub fn health_check_path(text: &str) -> Result<Arc<str>, ParseError> {
    let is_path = text.starts_with('/')
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#%".contains(&byte))
        && !text.split('/').any(|element| matches!(element, "." | ".."));
    if text.is_empty() || is_path { Ok(text.into()) } else { Err(ParseError::Path) }
}

/// Tries of a request; 0 as many as there may be.
///
/// # Errors
/// [`ParseError::Tries`].
pub fn tries(text: &str) -> Result<u32, ParseError> {
    match text.parse() {
        Ok(0) => Ok(TRIES_MAX),
        Ok(tries @ 1..=TRIES_MAX) => Ok(tries),
        _ => Err(ParseError::Tries),
    }
}

/// Seconds, fractions allowed.
///
/// # Errors
/// [`ParseError::Seconds`].
pub fn seconds(text: &str) -> Result<Duration, ParseError> {
    let is_decimal = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let seconds: f64 = text.parse().ok().filter(|_| is_decimal).ok_or(ParseError::Seconds)?;
    if seconds > f64::from(FLAG_SECONDS_MAX) {
        return Err(ParseError::Seconds);
    }
    Duration::try_from_secs_f64(seconds).map_err(|_out_of_range| ParseError::Seconds)
}

/// Seconds, at least a millisecond.
///
/// # Errors
/// [`ParseError::Seconds`], [`ParseError::ZeroSeconds`].
pub fn positive_seconds(text: &str) -> Result<Duration, ParseError> {
    match seconds(text)? {
        short if short < Duration::from_millis(1) => Err(ParseError::ZeroSeconds),
        duration => Ok(duration),
    }
}

/// Upper bound of a bucket.
///
/// # Errors
/// [`ParseError::Bucket`].
pub fn bucket(text: &str) -> Result<f64, ParseError> {
    let bound = text.trim().parse().ok();
    bound.filter(|bound: &f64| bound.is_finite() && *bound > 0.0).ok_or(ParseError::Bucket)
}

/// Bytes with nginx's suffixes (powers of 1024).
///
/// # Errors
/// [`ParseError::Bytes`].
pub fn bytes(text: &str) -> Result<u64, ParseError> {
    let text = text.to_ascii_lowercase();
    let (digits, shift) = match text.char_indices().next_back() {
        Some((at, 'k')) => (text.get(..at), 10),
        Some((at, 'm')) => (text.get(..at), 20),
        Some((at, 'g')) => (text.get(..at), 30),
        _ => (Some(text.as_str()), 0),
    };
    let digits = digits.filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
    let number: Option<u64> = digits.and_then(|d| d.parse().ok());
    number.and_then(|n| n.checked_mul(1 << shift)).ok_or(ParseError::Bytes)
}

/// A Service port as `namespace/name:port`.
///
/// # Errors
/// [`ParseError::Backend`].
pub fn backend(text: &str) -> Result<BackendKey, ParseError> {
    let (namespace, rest) = text.split_once('/').ok_or(ParseError::Backend)?;
    let (service, port) = match rest.split_once(':') {
        Some((service, port)) => (service, Some(port)),
        None => (rest, None),
    };
    let port = match port.map(|port| (port.parse::<u16>(), port)) {
        // As ingress-nginx has it.
        None => Some(PortRef::First),
        Some((Ok(0), _)) => None,
        Some((Ok(number), _)) => Some(PortRef::Number(number)),
        Some((Err(_), port)) if is_name(port) && !port.bytes().all(|b| b.is_ascii_digit()) => {
            Some(PortRef::Name(port.into()))
        }
        Some((Err(_), _)) => None,
    };
    match port {
        Some(port) if is_name(namespace) && is_name(service) => Ok(BackendKey {
            namespace: namespace.into(),
            service: service.into(),
            port,
            dial: Dial::default(),
        }),
        _ => Err(ParseError::Backend),
    }
}

/// A Secret as `namespace/name`.
///
/// # Errors
/// [`ParseError::Secret`].
pub fn secret(text: &str) -> Result<ObjectRef, ParseError> {
    reference(Kind::Secret, text).ok_or(ParseError::Secret)
}

/// A ConfigMap as `namespace/name`.
///
/// # Errors
/// [`ParseError::ConfigMap`].
pub fn config_map(text: &str) -> Result<ObjectRef, ParseError> {
    reference(Kind::ConfigMap, text).ok_or(ParseError::ConfigMap)
}

/// A Service as `namespace/name`.
///
/// # Errors
/// [`ParseError::Service`].
pub fn service(text: &str) -> Result<ObjectRef, ParseError> {
    reference(Kind::Service, text).ok_or(ParseError::Service)
}

/// The name of a namespace.
///
/// # Errors
/// [`ParseError::Namespace`].
pub fn namespace(text: &str) -> Result<String, ParseError> {
    is_name(text).then(|| text.to_owned()).ok_or(ParseError::Namespace)
}

/// The name of an object of most kinds.
///
/// # Errors
/// [`ParseError::ObjectName`].
pub fn object_name(text: &str) -> Result<String, ParseError> {
    text.split('.').all(is_name).then(|| text.to_owned()).ok_or(ParseError::ObjectName)
}

/// What clients reach us by, without a port.
///
/// # Errors
/// [`ParseError::StatusAddress`].
pub fn status_address(text: &str) -> Result<String, ParseError> {
    let text = text.trim();
    let is_ip = || text.parse::<IpAddr>().is_ok();
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    // What ends in a number is an address in some notation, or a mistaken one.
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_name = || name.split('.').all(is_name) && !last.bytes().all(|b| b.is_ascii_digit());
    (is_ip() || is_name()).then(|| text.to_owned()).ok_or(ParseError::StatusAddress)
}

fn reference(kind: Kind, text: &str) -> Option<ObjectRef> {
    let (namespace, name) = text.split_once('/')?;
    // Names of objects are DNS subdomains, those of namespaces are labels.
    let is_valid = is_name(namespace) && name.split('.').all(is_name);
    is_valid.then(|| ObjectRef { kind, namespace: namespace.into(), name: name.into() })
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_take_fractions_and_nothing_absurd() {
        for (text, expected) in [
            ("0", Ok(Duration::ZERO)),
            ("0.25", Ok(Duration::from_millis(250))),
            ("75", Ok(Duration::from_secs(75))),
            ("", Err(ParseError::Seconds)),
            (".", Err(ParseError::Seconds)),
            ("-1", Err(ParseError::Seconds)),
            ("NaN", Err(ParseError::Seconds)),
            ("inf", Err(ParseError::Seconds)),
            ("1e3", Err(ParseError::Seconds)),
            ("5s", Err(ParseError::Seconds)),
            ("99999999999", Err(ParseError::Seconds)),
        ] {
            assert_eq!(seconds(text), expected, "{text:?}");
        }
        assert_eq!(positive_seconds("0"), Err(ParseError::ZeroSeconds));
        assert_eq!(positive_seconds("0.001"), Ok(Duration::from_millis(1)));
    }

    #[test]
    fn bytes_take_suffixes() {
        for (text, expected) in [
            ("0", Ok(0)),
            ("8K", Ok(8 << 10)),
            ("1m", Ok(1 << 20)),
            ("2g", Ok(2 << 30)),
            ("", Err(ParseError::Bytes)),
            ("k", Err(ParseError::Bytes)),
            ("+1", Err(ParseError::Bytes)),
            ("1kb", Err(ParseError::Bytes)),
            ("18446744073709551615k", Err(ParseError::Bytes)),
        ] {
            assert_eq!(bytes(text), expected, "{text:?}");
        }
    }

    #[test]
    fn backends_are_namespace_name_port() {
        let key = |port| BackendKey {
            namespace: "a".into(),
            service: "b-c".into(),
            port,
            dial: Dial::default(),
        };
        assert_eq!(backend("a/b-c:80"), Ok(key(PortRef::Number(80))));
        assert_eq!(backend("a/b-c:http"), Ok(key(PortRef::Name("http".into()))));
        assert_eq!(backend("a/b-c"), Ok(key(PortRef::First)));
        for text in
            ["", "b:80", "a/", "a/b/c", "a/b:0", "a/b:99999", "/b:80", "a/B:80", "a/b:", "a/b c:80"]
        {
            assert_eq!(backend(text), Err(ParseError::Backend), "{text:?}");
        }
    }

    #[test]
    fn secrets_are_namespace_name() {
        let named = |text| secret(text).map(|secret| secret.to_string());
        assert_eq!(named("a/b.example-tls"), Ok("Secret a/b.example-tls".into()));
        for text in ["", "b", "a/", "/b", "a/b/c", "a/B", "a/b..c", "a.b/c"] {
            assert_eq!(named(text), Err(ParseError::Secret), "{text:?}");
        }
    }

    #[test]
    fn names_are_those_of_kubernetes() {
        let named = |text| service(text).map(|service| service.to_string());
        assert_eq!(named("a/b"), Ok("Service a/b".into()));
        assert_eq!(named("a"), Err(ParseError::Service));
        let named = |text| config_map(text).map(|map| map.to_string());
        assert_eq!(named("a/b.c"), Ok("ConfigMap a/b.c".into()));
        assert_eq!(named("a/b/c"), Err(ParseError::ConfigMap));
        assert_eq!(namespace("a-1"), Ok("a-1".into()));
        assert_eq!(namespace("a.b"), Err(ParseError::Namespace));
        assert_eq!(object_name("a.b"), Ok("a.b".into()));
        assert_eq!(object_name("a..b"), Err(ParseError::ObjectName));
        for text in ["192.0.2.1", "2001:db8::1", "lb.example", "LB.example."] {
            assert_eq!(status_address(text), Ok(text.into()));
        }
        for text in ["", "a b", "https://lb", "lb:80", "192.0.2.256", "[::1]", "*.example"] {
            assert_eq!(status_address(text), Err(ParseError::StatusAddress), "{text}");
        }
    }
}
