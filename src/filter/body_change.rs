//! What a change of a body on its way means for the fields of its response.
//!
//! Source: RFC 9110 sections 8.4, 8.8.3.3, 12.5.5 and 14.3.

use super::compression::ContentCoding;

/// What is done to the body of one response, as far as its fields say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BodyChange {
    /// The coding that it gets.
    pub coding: Option<ContentCoding>,
    /// Whether other clients get it in another coding.
    pub varies: bool,
    /// What its validators are worth.
    pub validators: Validators,
}

/// What ETag and Last-Modified are worth for a changed body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Validators {
    /// As much as the backend says: it is not changed.
    #[default]
    Kept,
    /// It means the same, in other octets: ETags are weak.
    Weakened,
    /// Nothing: it is another one.
    Dropped,
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineChange {
    /// Nothing.
    Kept,
    /// It is left out.
    Dropped,
    /// Its value gets this in front.
    Prefixed(&'static str),
}

impl BodyChange {
    /// Nothing is done.
    pub const NONE: Self = Self { coding: None, varies: false, validators: Validators::Kept };

    /// What becomes of a backend's line.
    #[must_use]
    #[inline]
    pub fn line(&self, name: &[u8], value: &[u8]) -> LineChange {
        match self.validators {
            Validators::Kept => LineChange::Kept,
            Validators::Weakened | Validators::Dropped => self.changed_line(name, value),
        }
    }

    fn changed_line(&self, name: &[u8], value: &[u8]) -> LineChange {
        let is = |known: &str| known.as_bytes().eq_ignore_ascii_case(name);
        let is_worthless = self.validators == Validators::Dropped;
        if is("etag") {
            match value {
                [b'W', b'/', ..] if !is_worthless => LineChange::Kept,
                [b'"', ..] if !is_worthless => LineChange::Prefixed("W/"),
                _ => LineChange::Dropped,
            }
        } else if is("accept-ranges") || is_worthless && is("last-modified") {
            LineChange::Dropped
        } else {
            LineChange::Kept
        }
    }

    /// Further lines.
    pub fn lines(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let coding = self.coding.map(|coding| ("Content-Encoding", coding.as_str()));
        let vary = self.varies.then_some(("Vary", "Accept-Encoding"));
        coding.into_iter().chain(vary)
    }
}

#[cfg(test)]
mod tests {
    use super::LineChange::{Dropped, Kept, Prefixed};
    use super::*;

    #[test]
    fn validators_and_ranges_follow_the_body() {
        let change = |validators| BodyChange { validators, ..BodyChange::NONE };
        let cases = [
            ("ETag", "\"a\"", [Kept, Prefixed("W/"), Dropped]),
            ("etag", "W/\"a\"", [Kept, Kept, Dropped]),
            ("ETag", "a", [Kept, Dropped, Dropped]),
            ("ETag", "", [Kept, Dropped, Dropped]),
            ("Accept-Ranges", "bytes", [Kept, Dropped, Dropped]),
            ("Last-Modified", "x", [Kept, Kept, Dropped]),
            ("Vary", "Origin", [Kept, Kept, Kept]),
        ];
        for (name, value, expected) in cases {
            let all = [Validators::Kept, Validators::Weakened, Validators::Dropped];
            let found = all.map(|v| change(v).line(name.as_bytes(), value.as_bytes()));
            assert_eq!(found, expected, "{name}: {value}");
        }
    }

    #[test]
    fn the_coding_is_said_and_what_it_depends_on() {
        let lines = |coding, varies| {
            let change = BodyChange { coding, varies, ..BodyChange::NONE };
            change.lines().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>()
        };
        let (coding, vary) = ("Content-Encoding: br", "Vary: Accept-Encoding");
        assert_eq!(lines(Some(ContentCoding::Brotli), true), [coding, vary]);
        assert_eq!(lines(None, true), [vary]);
        assert_eq!(lines(None, false), [""; 0]);
    }
}
