//! Fields that the answer to a request gets from us, whoever makes the answer: a backend, a
//! redirect, a refusal.

use std::borrow::Cow;

use super::fields::FieldEdits;

/// What a rule has in every answer to one request. A backend's own lines of these names are left
/// out, but for `Vary`.
#[derive(Debug, Clone, Copy)]
pub struct AnswerFields<'a> {
    /// Value of `Strict-Transport-Security` (RFC 6797), if there is to be one.
    pub hsts: Option<&'a str>,
    /// What the rule sets.
    pub set: &'a FieldEdits,
    /// What CORS says to this request.
    pub cors: CorsAnswer<'a>,
    /// Lines that are added to those of success, beside others of their names.
    pub added: &'a [(Box<str>, Box<str>)],
}

/// What CORS says to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CorsAnswer<'a> {
    /// Nothing, or the same to everybody.
    #[default]
    Nothing,
    /// Nothing to this one; others get another answer.
    Refused {
        /// Those that it does not get from a backend either.
        fields: &'a FieldEdits,
    },
    /// What its origin may do.
    Allowed {
        /// As it was sent.
        origin: &'a [u8],
        /// All fields but the one that names it.
        fields: &'a FieldEdits,
    },
}

const HSTS: &str = "Strict-Transport-Security";
pub(super) const ALLOW_ORIGIN: &str = "Access-Control-Allow-Origin";

impl<'a> AnswerFields<'a> {
    /// Nothing.
    pub const NONE: Self =
        Self { hsts: None, set: FieldEdits::NONE, cors: CorsAnswer::Nothing, added: &[] };

    /// Whether a line of this name that somebody else wrote is left out.
    #[must_use]
    #[inline]
    pub fn replaces(&self, name: &[u8]) -> bool {
        let is_any = self.hsts.is_some() || !self.set.is_empty();
        (is_any || self.cors != CorsAnswer::Nothing) && self.is_ours(name)
    }

    fn is_ours(&self, name: &[u8]) -> bool {
        let is = |ours: &str| ours.as_bytes().eq_ignore_ascii_case(name);
        self.hsts.is_some() && is(HSTS)
            || self.set.is_dropped(name)
            || match self.cors {
                CorsAnswer::Allowed { fields, .. } => is(ALLOW_ORIGIN) || fields.is_dropped(name),
                CorsAnswer::Refused { fields } => fields.is_dropped(name),
                CorsAnswer::Nothing => false,
            }
    }

    /// The lines. What CORS says comes last, and before what else is set; a name is said once.
    pub fn lines(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let Self { hsts, set, cors, added: _ } = *self;
        let (origin, fields) = match cors {
            CorsAnswer::Allowed { origin, fields } => (Some((ALLOW_ORIGIN, origin)), fields),
            CorsAnswer::Refused { fields } => (None, fields),
            CorsAnswer::Nothing => (None, FieldEdits::NONE),
        };
        let is_cors = move |name: &str| {
            fields.is_dropped(name.as_bytes())
                || origin.is_some() && name.eq_ignore_ascii_case(ALLOW_ORIGIN)
        };
        let hsts = hsts.filter(|_| !set.is_dropped(HSTS.as_bytes()));
        let hsts = hsts.map(|value| (HSTS, value.as_bytes()));
        let is_same = origin.is_some_and(|(_, origin)| origin == b"*");
        let varies = cors != CorsAnswer::Nothing && !is_same;
        let vary = varies.then_some(("Vary", &b"Origin"[..]));
        let octets = |(name, value): (&'a str, &'a str)| (name, value.as_bytes());
        let set = set.appended().filter(move |(name, _)| !is_cors(name)).map(octets);
        hsts.into_iter().chain(set).chain(vary).chain(origin).chain(fields.appended().map(octets))
    }
}

impl<'a> AnswerFields<'a> {
    /// Those that are added to an answer with `status`.
    pub fn added(&self, status: u16) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let added = if Statuses::Successes.has(status) { self.added } else { &[] };
        added.iter().map(|(name, value)| (&**name, value.as_bytes()))
    }
}

/// To which answers a line is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Statuses {
    /// All.
    Any,
    /// Those that nginx's `add_header` adds it to.
    Successes,
}

impl Statuses {
    pub(super) fn has(self, status: u16) -> bool {
        match self {
            Self::Any => true,
            Self::Successes => {
                matches!(status, 200 | 201 | 204 | 206 | 301..=304 | 307 | 308)
            }
        }
    }
}

/// Lines that are added to the answer to one request, beside others of the same name: cookies of
/// affinity and of external authentication. Memory that is used again.
#[derive(Debug, Default)]
pub struct AddedFields {
    values: Vec<u8>,
    lines: Vec<AddedField>,
}

#[derive(Debug)]
struct AddedField {
    name: Cow<'static, str>,
    /// In `values`, which it begins in where the one before ends.
    end: usize,
    statuses: Statuses,
}

impl AddedFields {
    /// Nothing.
    pub const NONE: &'static Self = &Self { values: Vec::new(), lines: Vec::new() };

    /// Forgets those of the request before.
    pub fn clear(&mut self) {
        self.values.clear();
        self.lines.clear();
    }

    /// Adds a line to answers with one of `statuses`. A value with an octet that ends a line or is
    /// another control character is left out.
    pub fn add(&mut self, name: impl Into<Cow<'static, str>>, value: &[u8], statuses: Statuses) {
        if value.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control()) {
            self.values.extend_from_slice(value);
            let (name, end) = (name.into(), self.values.len());
            self.lines.push(AddedField { name, end, statuses });
        }
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Takes all but the first `count` lines back: the answer that they were for is not given.
    pub fn truncate(&mut self, count: usize) {
        self.lines.truncate(count);
        self.values.truncate(self.lines.last().map_or(0, |line| line.end));
    }

    /// The lines of an answer with `status`.
    pub fn lines(&self, status: u16) -> impl Iterator<Item = (&str, &[u8])> {
        let mut start = 0;
        let all = self.lines.iter().map(move |line| {
            let from = std::mem::replace(&mut start, line.end);
            (line, self.values.get(from..line.end).unwrap_or_default())
        });
        all.filter(move |(line, _)| line.statuses.has(status))
            .map(|(line, value)| (&*line.name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edits(set: &[(&str, &str)]) -> FieldEdits {
        FieldEdits::new(set.iter().copied(), [], []).expect("usable")
    }

    /// `name: value` of each line, names in lower case.
    fn text(fields: &AnswerFields<'_>) -> Vec<String> {
        let line = |(name, value): (&str, &[u8])| {
            format!("{}: {}", name.to_lowercase(), String::from_utf8_lossy(value))
        };
        fields.lines().map(line).collect()
    }

    #[test]
    fn each_name_is_said_once_and_replaces() {
        let set = edits(&[
            ("x", "set"),
            ("access-control-max-age", "set"),
            ("access-control-allow-origin", "set"),
        ]);
        let with_hsts = edits(&[("strict-transport-security", "set")]);
        let cors = edits(&[("access-control-max-age", "1")]);
        let allowed = CorsAnswer::Allowed { origin: b"https://o", fields: &cors };
        let refused = CorsAnswer::Refused { fields: FieldEdits::NONE };
        let (none, hsts) = (AnswerFields::NONE, Some("max-age=1"));
        let cases: [(AnswerFields<'_>, &[&str]); 6] = [
            (none, &[]),
            (AnswerFields { hsts, ..none }, &["strict-transport-security: max-age=1"]),
            (AnswerFields { hsts, set: &with_hsts, ..none }, &["strict-transport-security: set"]),
            (
                AnswerFields { set: &set, ..none },
                &["x: set", "access-control-max-age: set", "access-control-allow-origin: set"],
            ),
            (AnswerFields { cors: refused, ..none }, &["vary: Origin"]),
            (
                AnswerFields { set: &set, cors: allowed, ..none },
                &[
                    "x: set",
                    "vary: Origin",
                    "access-control-allow-origin: https://o",
                    "access-control-max-age: 1",
                ],
            ),
        ];
        for (fields, expected) in cases {
            assert_eq!(text(&fields), expected);
            for name in ["x", "Access-Control-Max-Age", "STRICT-TRANSPORT-SECURITY", "y", "vary"] {
                let line = format!("{}: ", name.to_lowercase());
                // Caches need all of them.
                let is_said = name != "vary" && expected.iter().any(|said| said.starts_with(&line));
                assert_eq!(fields.replaces(name.as_bytes()), is_said, "{name} {expected:?}");
            }
        }
    }

    #[test]
    fn lines_are_added_by_status() {
        let mut added = AddedFields::default();
        let text = |added: &AddedFields, status| {
            let line = |(name, value): (&str, &[u8])| {
                format!("{name}: {}", String::from_utf8_lossy(value))
            };
            added.lines(status).map(line).collect::<Vec<_>>()
        };
        for round in 0..2 {
            added.clear();
            added.add("Set-Cookie", b"a=1", Statuses::Any);
            added.add("Set-Cookie", b"b=2", Statuses::Successes);
            added.add("Set-Cookie", b"x=\r\ny: 1", Statuses::Any);
            added.add("Set-Cookie", b"c=3", Statuses::Any);
            let (a, b, c) = ("Set-Cookie: a=1", "Set-Cookie: b=2", "Set-Cookie: c=3");
            for status in [200, 201, 204, 206, 301, 302, 303, 304, 307, 308] {
                assert_eq!(text(&added, status), [a, b, c], "{status} {round}");
            }
            for status in [101, 202, 300, 305, 306, 400, 401, 503] {
                assert_eq!(text(&added, status), [a, c], "{status} {round}");
            }
        }
        added.truncate(1);
        added.add("Set-Cookie", b"d=4", Statuses::Any);
        assert_eq!(text(&added, 200), ["Set-Cookie: a=1", "Set-Cookie: d=4"]);
        added.truncate(5);
        assert_eq!(added.len(), 2);
        added.truncate(0);
        assert!(added.is_empty());
        assert_eq!(text(AddedFields::NONE, 200), [""; 0]);
    }
}
