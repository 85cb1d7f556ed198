//! Changes to host and path on the way to the upstream, and how text gets into a URI.

use std::sync::Arc;

/// A rewrite. `None` keeps what the request had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    /// New Host.
    pub hostname: Option<Arc<str>>,
    /// New path; the query string stays.
    pub path: Option<PathEdit>,
}

/// A change to the path, Gateway API `HTTPPathModifier`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PathEdit {
    /// The whole path.
    Full(Arc<str>),
    /// The part that the rule's prefix matched.
    Prefix(Arc<str>),
}

impl PathEdit {
    /// Appends the edited path to `out`.
    ///
    /// Shape: `path` is the path that was matched, percent-decoded, without query; `matched_bytes`
    /// of it are covered by the rule's prefix, as the table's lookup says. What is appended begins
    /// with `/` and holds only characters of an RFC 3986 path: anything else is percent-encoded, so
    /// that neither a rule nor a request can end the line it is written to.
    ///
    /// Source: Gateway API `HTTPPathModifier`, table at `replacePrefixMatch`.
    pub fn apply(&self, path: &[u8], matched_bytes: usize, out: &mut Vec<u8>) {
        match self {
            Self::Full(full) => {
                if !full.starts_with('/') {
                    out.push(b'/');
                }
                encode(full.as_bytes(), is_path, out);
            }
            Self::Prefix(replacement) => {
                let rest = path.get(matched_bytes..).unwrap_or_default();
                let replacement = replacement.trim_end_matches('/');
                if !replacement.is_empty() && !replacement.starts_with('/') {
                    out.push(b'/');
                }
                encode(replacement.as_bytes(), is_path, out);
                // An exact match or the prefix `/` may leave a rest without slash, or none at all.
                let has_slash = rest.first() == Some(&b'/');
                if !has_slash && (!rest.is_empty() || replacement.is_empty()) {
                    out.push(b'/');
                }
                encode(rest, |octet| octet != b'%' && is_path(octet), out);
            }
        }
    }
}

/// Appends `text`, percent-encoding each byte for which `is_plain` does not hold.
pub(super) fn encode(text: &[u8], is_plain: fn(u8) -> bool, out: &mut Vec<u8>) {
    const HEX: [u8; 16] = *b"0123456789ABCDEF";
    for &byte in text {
        if is_plain(byte) {
            out.push(byte);
        } else {
            let [high, low] = [byte >> 4, byte & 0x0f].map(|half| HEX[usize::from(half)]);
            out.extend_from_slice(&[b'%', high, low]);
        }
    }
}

/// RFC 3986 section 3.3, `/` and `%` included: paths of rules are encoded and are not encoded
/// twice.
fn is_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte)
}

/// RFC 3986 section 3.2.2, `[`, `]` and `:` of an IPv6 address included.
pub(super) fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]%".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_prefix(path: &str, matched: &str, replacement: &str, wanted: &str) {
        let mut out = b"before ".to_vec();
        let matched_bytes = matched.trim_end_matches('/').len();
        PathEdit::Prefix(replacement.into()).apply(path.as_bytes(), matched_bytes, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), format!("before {wanted}"));
    }

    #[test]
    fn a_replaced_prefix_keeps_the_rest() {
        for matched in ["/foo", "/foo/"] {
            for replacement in ["/xyz", "/xyz/"] {
                check_prefix("/foo/bar", matched, replacement, "/xyz/bar");
            }
        }
    }

    #[test]
    fn a_prefix_that_is_the_whole_path_is_replaced_whole() {
        check_prefix("/foo", "/foo", "/xyz", "/xyz");
    }

    #[test]
    fn a_trailing_slash_of_the_request_stays() {
        check_prefix("/foo/", "/foo", "/xyz", "/xyz/");
    }

    #[test]
    fn an_empty_replacement_deletes_the_prefix() {
        check_prefix("/foo/bar", "/foo", "", "/bar");
        check_prefix("/foo/bar", "/foo", "/", "/bar");
    }

    #[test]
    fn a_path_is_never_empty() {
        for path in ["/foo", "/foo/"] {
            for replacement in ["", "/"] {
                check_prefix(path, "/foo", replacement, "/");
            }
        }
    }

    #[test]
    fn the_prefix_slash_is_replaced_at_the_start() {
        check_prefix("/bar", "/", "/xyz", "/xyz/bar");
        check_prefix("/", "/", "/xyz", "/xyz/");
        check_prefix("*", "/", "/xyz", "/xyz/*");
    }

    #[test]
    fn a_replacement_without_slash_gets_one() {
        check_prefix("/foo/bar", "/foo", "xyz", "/xyz/bar");
    }

    #[test]
    fn a_match_beyond_the_path_leaves_nothing() {
        let mut out = Vec::new();
        PathEdit::Prefix("/x".into()).apply(b"/a", 9, &mut out);
        assert_eq!(out, b"/x");
    }

    #[track_caller]
    fn check_full(full: &str, wanted: &str) {
        let mut out = Vec::new();
        PathEdit::Full(full.into()).apply(b"/foo/bar", 4, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), wanted);
    }

    #[test]
    fn a_full_path_replaces_everything() {
        check_full("/xyz", "/xyz");
        check_full("/xyz/", "/xyz/");
        check_full("xyz", "/xyz");
        check_full("", "/");
    }

    #[test]
    fn what_no_path_holds_is_encoded_and_nothing_twice() {
        check_full("/a b\r\nX: 1\0", "/a%20b%0D%0AX:%201%00");
        check_full("/%41/ü?#", "/%41/%C3%BC%3F%23");
        check_prefix("/foo/\r\n\"", "/foo", "/x", "/x/%0D%0A%22");
        check_prefix("/foo/%41", "/foo", "/x", "/x/%2541");
    }
}
