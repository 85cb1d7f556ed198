//! What is never shown: values of fields that prove who somebody is, wherever they turn up.

use crate::limits::{EXPLAINED_VALUE_BYTES_MAX, HIDDEN_VALUE_BYTES_MIN};

/// Stands in the place of a secret.
pub const NOT_SHOWN: &str = "(not shown)";

/// Parts of names of fields whose values are secrets.
const SECRET_PARTS: [&str; 14] = [
    "authorization",
    "cookie",
    "token",
    "secret",
    "password",
    "passwd",
    "apikey",
    "accesskey",
    "privatekey",
    "passphrase",
    "credential",
    "session",
    "signature",
    "client-cert",
];

/// The same where they are whole words: a monkey is none.
const SECRET_WORDS: [&str; 9] =
    ["key", "keys", "jwt", "pwd", "pass", "sig", "otp", "pin", "verify"];

/// Names that are secret as a whole: `auth-type` and `x-auth-user` are none.
const SECRET_NAMES: [&str; 2] = ["auth", "x-auth"];

/// Ends of names of fields whose keys open nothing, and of what is said of a client's certificate.
const OPEN_KEYS: [&str; 5] =
    ["cache-key", "client-verify", "idempotency-key", "sec-websocket-key", "surrogate-key"];

/// Whether the values of a field are nobody's to see. `name` in any case.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    let is_open = OPEN_KEYS.iter().any(|end| name.ends_with(end));
    SECRET_NAMES.contains(&&*name)
        || SECRET_PARTS.iter().any(|part| name.contains(part))
        || !is_open && name.split('-').any(|word| SECRET_WORDS.contains(&word))
}

/// The secrets that a request brings along: rules may put them into other fields.
#[derive(Debug, Clone, Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// Those of these fields.
    #[must_use]
    pub fn of(fields: &[(String, String)]) -> Self {
        let values = fields.iter().filter(|(name, _)| is_secret_name(name)).map(|(_, value)| value);
        let mut parts = Vec::new();
        for value in values {
            // The whole, what stands behind a scheme, and the value of each cookie.
            parts.push(value.clone());
            parts.extend(value.split([' ', ';', '=', ',']).map(str::to_owned));
            parts.extend(
                value.split(';').filter_map(|pair| Some(pair.split_once('=')?.1.to_owned())),
            );
        }
        parts.retain(|part| part.len() >= HIDDEN_VALUE_BYTES_MIN);
        parts.retain(|part| !["basic", "bearer", "digest"].contains(&&*part.to_ascii_lowercase()));
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        parts.dedup();
        Self(parts)
    }

    /// `text` without them.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, NOT_SHOWN))
    }

    /// The value of a field as it may be shown.
    #[must_use]
    pub fn value(&self, name: &str, value: &str) -> String {
        if is_secret_name(name) { NOT_SHOWN.to_owned() } else { shortened(&self.hide(value)) }
    }
}

/// `text` in one line and not without end.
#[must_use]
pub fn shortened(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match line.char_indices().find(|(at, _)| *at >= EXPLAINED_VALUE_BYTES_MAX) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_wherever_they_are() {
        let fields = [
            ("authorization", "Bearer abc.def"),
            ("Cookie", "theme=dark; sid=0123456789"),
            ("X-Api_Key", "k3y!"),
            ("Accept", "text/html"),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let secrets = Secrets::of(&fields);
        for (name, value, expected) in [
            ("Authorization", "anything", NOT_SHOWN),
            ("Set-Cookie", "a=b", NOT_SHOWN),
            ("X-Forwarded-Jwt", "a.b.c", NOT_SHOWN),
            ("key_id", "a", NOT_SHOWN),
            ("AWSAccessKeyId", "a", NOT_SHOWN),
            ("privateKey", "a", NOT_SHOWN),
            ("passphrase", "a", NOT_SHOWN),
            ("X-User-Pass", "a", NOT_SHOWN),
            ("ssl-client-verify", "NONE", "NONE"),
            ("sig", "a", NOT_SHOWN),
            ("X-OTP", "a", NOT_SHOWN),
            ("pin", "a", NOT_SHOWN),
            ("verify", "a", NOT_SHOWN),
            ("Auth", "a", NOT_SHOWN),
            ("X_Auth", "a", NOT_SHOWN),
            ("X-Auth-User", "a", "a"),
            ("Shipping", "a", "a"),
            ("Compass", "a", "a"),
            ("X-Monkey", "a", "a"),
            ("Keyboard", "a", "a"),
            ("Sec-WebSocket-Key", "a", "a"),
            ("Idempotency-Key", "a", "a"),
            ("X-Copy", "Bearer abc.def", NOT_SHOWN),
            ("X-Copy", "got abc.def", "got (not shown)"),
            ("X-User", "0123456789/k3y!", "(not shown)/(not shown)"),
            ("X-Scheme", "Bearer", "Bearer"),
            ("Accept", "text/html", "text/html"),
            ("X-Lines", "a\r\nb\u{1b}", "a  b "),
        ] {
            assert_eq!(secrets.value(name, value), expected, "{name}: {value}");
        }
        let long = "x".repeat(EXPLAINED_VALUE_BYTES_MAX + 1);
        assert_eq!(shortened(&long).chars().count(), EXPLAINED_VALUE_BYTES_MAX + 1);
        let secrets = Secrets::of(&[("authorization".to_owned(), format!("Bearer {long}"))]);
        assert_eq!(secrets.value("X-Copy", &long), NOT_SHOWN);
    }
}
