//! Host patterns, checked once.

use std::fmt;
use std::sync::Arc;

use crate::limits::HOST_BYTES_MAX;

/// A DNS name: lower case, no port, no trailing dot, labels of letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(Arc<str>);

/// Why a text is not a host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostNameError {
    /// No characters at all.
    #[error("it is empty")]
    Empty,
    /// More than [`HOST_BYTES_MAX`].
    #[error("it is longer than {HOST_BYTES_MAX} characters")]
    TooLong,
    /// An empty label, or one of more than 63 characters.
    #[error("each part between dots needs 1 to 63 characters")]
    LabelLength,
    /// A character that no DNS name has.
    #[error("only letters, digits, '-', '_' and '.' are possible")]
    Character,
    /// In an object.
    #[error("capital letters are not allowed")]
    Capital,
    /// In an object.
    #[error("'_' is not allowed")]
    Underscore,
    /// In an object.
    #[error("a part between dots begins and ends with a letter or a digit")]
    Hyphen,
    /// An IPv4 address; `spec.rules[].host` forbids it.
    #[error("an IP address is not a host name")]
    Address,
}

impl HostName {
    /// Checks and lower-cases `text`.
    ///
    /// # Errors
    /// The object's author is at fault; see [`HostNameError`].
    ///
    /// Source: Ingress API `spec.rules[].host`, RFC 1035 section 2.3.1. `_` is accepted because
    /// ingress-nginx accepts it.
    pub fn new(text: &str) -> Result<Self, HostNameError> {
        if text.is_empty() {
            return Err(HostNameError::Empty);
        }
        if text.len() > HOST_BYTES_MAX {
            return Err(HostNameError::TooLong);
        }
        if text.parse::<std::net::Ipv4Addr>().is_ok() {
            return Err(HostNameError::Address);
        }
        for label in text.split('.') {
            if label.is_empty() || label.len() > 63 {
                return Err(HostNameError::LabelLength);
            }
            if !label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
                return Err(HostNameError::Character);
            }
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// Checks `text` as an API server checks the hosts of an Ingress, which is stricter than what
    /// requests may ask for.
    ///
    /// # Errors
    /// The object's author is at fault; see [`HostNameError`].
    ///
    /// Source: Kubernetes `validateIngressRules`: an RFC 1123 subdomain, and no address, not even
    /// one with leading zeros.
    pub fn of_object(text: &str) -> Result<Self, HostNameError> {
        let name = Self::new(text)?;
        if text.contains(|c: char| c.is_ascii_uppercase()) {
            return Err(HostNameError::Capital);
        }
        if text.contains('_') {
            return Err(HostNameError::Underscore);
        }
        if text.split('.').any(|label| label.starts_with('-') || label.ends_with('-')) {
            return Err(HostNameError::Hyphen);
        }
        let is_octet = |label: &str| label.parse::<u16>().is_ok_and(|number| number < 256);
        if text.split('.').count() == 4 && text.split('.').all(is_octet) {
            return Err(HostNameError::Address);
        }
        Ok(name)
    }

    /// What follows the first label; `None`: it is the only one.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.split_once('.').map(|(_, parent)| Self(parent.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which request hosts belong to a [`super::Host`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// This name and no other.
    Exact(HostName),
    /// `*.suffix`.
    Wildcard {
        /// What follows `*.`.
        suffix: HostName,
        /// How many labels the star stands for.
        depth: WildcardDepth,
    },
    /// Every host, also a request without one.
    Any,
}

/// How many labels `*` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WildcardDepth {
    /// Exactly one (Ingress).
    One,
    /// One or more (Gateway API).
    Any,
}

/// What happens to a request that belongs to a host and matches none of its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMiss {
    /// It goes to the listener's default rule; less specific hosts are not asked (Ingress, as
    /// ingress-nginx does).
    Default,
    /// The next less specific host is asked (Gateway API precedence across routes).
    NextHost,
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => write!(f, "{name}"),
            Self::Wildcard { suffix, .. } => write!(f, "*.{suffix}"),
            Self::Any => f.write_str("*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_cased_and_checked() {
        assert_eq!(HostName::new("Shop.Example").map(|n| n.to_string()), Ok("shop.example".into()));
        assert_eq!(HostName::new(""), Err(HostNameError::Empty));
        assert_eq!(HostName::new(&"a.".repeat(127).repeat(2)), Err(HostNameError::TooLong));
        assert_eq!(HostName::new("a..b"), Err(HostNameError::LabelLength));
        assert_eq!(HostName::new("a.b."), Err(HostNameError::LabelLength));
        assert_eq!(HostName::new("a b"), Err(HostNameError::Character));
        assert_eq!(HostName::new("10.0.0.1"), Err(HostNameError::Address));
    }

    #[test]
    fn hosts_of_objects_are_what_an_api_server_stores() {
        for (text, expected) in [
            ("shop.example", None),
            ("10", None),
            ("1.2.3.4.5", None),
            ("a-b.1x", None),
            ("1.2.3.256", None),
            ("Shop.example", Some(HostNameError::Capital)),
            ("my_shop.example", Some(HostNameError::Underscore)),
            ("-a.example", Some(HostNameError::Hyphen)),
            ("a-.example", Some(HostNameError::Hyphen)),
            ("a.example.", Some(HostNameError::LabelLength)),
            ("*.example", Some(HostNameError::Character)),
            ("10.0.0.1", Some(HostNameError::Address)),
            ("010.0.0.001", Some(HostNameError::Address)),
            ("[::1]", Some(HostNameError::Character)),
        ] {
            assert_eq!(HostName::of_object(text).err(), expected, "{text}");
        }
    }
}
