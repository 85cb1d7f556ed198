//! What a path becomes whose expression captured parts of it.

use super::rewrite::encode;
use super::text::Text;

/// What nginx calls a rewrite: the whole path becomes a text with what the expression captured.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathReplacement {
    /// The new path, percent-decoded; or where the client is sent.
    pub target: Text,
    /// Value of X-Forwarded-Prefix; `None`: what the client says of it is passed on.
    pub forwarded_prefix: Option<Text>,
    /// Who is told.
    pub goes_to: GoesTo,
}

/// Who gets a rewritten path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GoesTo {
    /// The backend.
    Backend,
    /// The client, as a redirect.
    Client,
}

impl GoesTo {
    /// Who gets what begins so, as nginx tells.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let is_elsewhere = ["http://", "https://", "$scheme"].iter().any(|s| text.starts_with(s));
        if is_elsewhere { Self::Client } else { Self::Backend }
    }
}

impl PathReplacement {
    /// All texts of it.
    pub fn texts(&self) -> impl Iterator<Item = &Text> {
        std::iter::once(&self.target).chain(&self.forwarded_prefix)
    }
}

/// Appends a decoded path as it is sent: it begins with a slash, and what nginx does not send as it
/// is, is percent-encoded.
///
/// Source: nginx `ngx_escape_uri` of `NGX_ESCAPE_URI`.
pub fn encode_path(decoded: &[u8], out: &mut Vec<u8>) {
    if decoded.first() != Some(&b'/') {
        out.push(b'/');
    }
    encode_part(decoded, out);
}

/// The same of a part of a path.
pub fn encode_part(decoded: &[u8], out: &mut Vec<u8>) {
    encode(
        decoded,
        |octet| octet.is_ascii_graphic() && !br##""#%<>?\^`{|}"##.contains(&octet),
        out,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoded_paths_are_sent_as_nginx_sends_them() {
        for (decoded, expected) in [
            (&b"/a/b"[..], "/a/b"),
            (b"", "/"),
            (b"x", "/x"),
            (b"/-._~!$&'()*+,;=:@[]/", "/-._~!$&'()*+,;=:@[]/"),
            (b"/ \"#%<>?\\^`{|}", "/%20%22%23%25%3C%3E%3F%5C%5E%60%7B%7C%7D"),
            (b"/\r\n\0\x7f\xc3\xbc", "/%0D%0A%00%7F%C3%BC"),
        ] {
            let mut out = Vec::new();
            encode_path(decoded, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}
