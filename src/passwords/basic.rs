//! The value of `Authorization` in the Basic scheme: who says he is whom, and by which password.
//!
//! Source: RFC 7617; RFC 9110 section 11.4.

use super::base64::decode;
use crate::limits::PASSWORD_CREDENTIALS_BYTES_MAX;

/// Room for what a value decodes to.
pub type Room = [u8; PASSWORD_CREDENTIALS_BYTES_MAX];

/// A name and a password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'r> {
    /// Never empty.
    pub name: &'r [u8],
    /// As it came.
    pub password: &'r [u8],
}

impl std::fmt::Debug for Credentials<'_> {
    /// The password stays out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl<'r> Credentials<'r> {
    /// Reads a field value into `room`. `None`: it is of another scheme, not well-formed, has no
    /// name, or is longer than the room.
    #[must_use]
    pub fn parse(value: &[u8], room: &'r mut Room) -> Option<Self> {
        let (scheme, rest) = value.split_at_checked(5)?;
        let text = rest.trim_ascii_start();
        if !scheme.eq_ignore_ascii_case(b"basic") || text.len() == rest.len() {
            return None;
        }
        let octets = decode(text, room)?;
        let colon = octets.iter().position(|octet| *octet == b':')?;
        let (name, password) = (octets.get(..colon)?, octets.get(colon + 1..)?);
        (!name.is_empty()).then_some(Self { name, password })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, wanted: Option<(&str, &str)>) {
        let mut room = [0; PASSWORD_CREDENTIALS_BYTES_MAX];
        let found = Credentials::parse(value.as_bytes(), &mut room);
        let found = found.map(|found| (found.name, found.password));
        assert_eq!(found, wanted.map(|(n, p)| (n.as_bytes(), p.as_bytes())), "{value}");
    }

    #[test]
    fn credentials_are_a_scheme_and_base64() {
        let ann = Some(("ann", "secret"));
        check("Basic YW5uOnNlY3JldA==", ann);
        check("basic   YW5uOnNlY3JldA==", ann);
        check("BASIC YW5uOnNlY3JldA", ann);
        check("Basic YW5uOnA6cQ==", Some(("ann", "p:q")));
        check("Basic YW5uOg==", Some(("ann", "")));
        for value in [
            "",
            "Basic",
            "Basic ",
            "BasicYW5uOnNlY3JldA==",
            "Bearer YW5uOnNlY3JldA==",
            "Basic ***",
            "Basic YW5uOnNlY3JldA=",
            "Basic YW5uOnNlY3JldA===",
            "Basic YW5uOnNlY3JldA==x",
            "Basic YW5u",
            "Basic OnNlY3JldA==",
            "Basic YW5uOnNlY3JldA== ",
            "Basic YW5uOnNlY3JldA==, Basic YW5uOnNlY3JldA==",
            "Digest username=\"ann\"",
        ] {
            check(value, None);
        }
    }

    #[test]
    fn credentials_are_bounded() {
        let most = "YTph".to_owned() + &"YWFh".repeat(PASSWORD_CREDENTIALS_BYTES_MAX / 3 - 1);
        let password = "a".repeat(PASSWORD_CREDENTIALS_BYTES_MAX / 3 * 3 - 2);
        check(&format!("Basic {most}"), Some(("a", &password)));
        check(&format!("Basic {most}YWFh"), None);
    }
}
