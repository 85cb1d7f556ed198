//! The password that clients of a rule need: who has one, and how they are asked for it.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::passwords::users::Users;

/// Whose password lets a request pass.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PasswordDemand {
    /// Who has one.
    pub users: Arc<Users>,
    /// How clients are asked for it.
    pub challenge: Challenge,
}

/// Value of `WWW-Authenticate`; it holds no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Challenge(Arc<str>);

impl Default for Challenge {
    /// Without a realm.
    fn default() -> Self {
        Self("Basic realm=\"\"".into())
    }
}

impl Challenge {
    /// Of the scheme Basic, with `realm` as a quoted string. `None`: it holds control characters.
    ///
    /// Source: RFC 7617 section 2, RFC 9110 section 5.6.4.
    #[must_use]
    pub fn basic(realm: &str) -> Option<Self> {
        let mut text = String::from("Basic realm=\"");
        for character in realm.chars() {
            match character {
                // Writing to a String cannot fail.
                '"' | '\\' => write!(text, "\\{character}").unwrap_or_default(),
                _ if character.is_control() => return None,
                _ => text.push(character),
            }
        }
        text.push('"');
        Some(Self(text.into()))
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Of nobody.
    pub(in super::super) fn demand() -> PasswordDemand {
        let users = Arc::new(Users::from_file(b"").0);
        PasswordDemand { users, challenge: Challenge::default() }
    }

    #[test]
    fn realms_are_quoted() {
        for (realm, wanted) in [
            ("", Some("Basic realm=\"\"")),
            (
                "Authentication Required - ops",
                Some("Basic realm=\"Authentication Required - ops\""),
            ),
            ("off", Some("Basic realm=\"off\"")),
            ("$host", Some("Basic realm=\"$host\"")),
            ("grüße", Some("Basic realm=\"grüße\"")),
            ("say \"hi\", a=\\b", Some("Basic realm=\"say \\\"hi\\\", a=\\\\b\"")),
            ("a\r\nSet-Cookie: b", None),
            ("a\tb", None),
            ("a\u{85}b", None),
            ("a\0", None),
        ] {
            let found = Challenge::basic(realm);
            assert_eq!(found.as_ref().map(Challenge::value), wanted, "{realm:?}");
        }
    }
}
