//! What a script has come to with one request, and what its texts know because of that.

use std::cell::Cell;

use super::super::path_pattern::{Captures, PathPattern};
use super::super::rewrite::encode;
use super::super::text::{Variable, Variables};
use crate::limits::{SCRIPT_OCTETS_MAX, SCRIPT_SEARCHED_MAX};

/// Memory of one request that is used again.
#[derive(Debug, Default)]
pub struct ScriptState {
    octets: Vec<u8>,
    /// Of `octets`.
    text: Vec<u8>,
    /// Names and values; the last of a name counts.
    variables: Vec<(Span, Span)>,
    captured: Option<(Span, Captures)>,
    path: Option<Span>,
    query: Option<Span>,
    ending: Option<(u16, EndingPlace, Span)>,
    /// The block that counts.
    pub(super) block: usize,
    /// Octets that expressions looked at.
    searched: Cell<usize>,
    /// Rules that rewrites led to.
    pub(super) rounds: u32,
    /// No further rewrite of the rule is done.
    pub(super) is_settled: bool,
    /// The steps of the host were taken.
    pub(super) is_begun: bool,
    /// Something led the request to a location without a path.
    is_led: bool,
}

/// A part of the octets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    start: usize,
    end: usize,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending<'a> {
    /// The status.
    pub status: u16,
    /// What the text is.
    pub place: EndingPlace,
    /// Of the answer.
    pub text: &'a [u8],
}

/// What the text of an ending is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndingPlace {
    /// Nothing.
    Nowhere,
    /// The body.
    Body,
    /// `Location`: a URI, or a path of the host.
    Location,
}

/// More octets than a request may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

impl ScriptState {
    /// Forgets the request before.
    pub fn clear(&mut self) {
        // What is searched for keys of limits counts without a script, too.
        if !self.is_begun && self.octets.is_empty() && self.searched.get() == 0 {
            return;
        }
        let Self { octets, text, variables, .. } = self;
        octets.clear();
        text.clear();
        variables.clear();
        let (octets, text, variables) =
            (std::mem::take(octets), std::mem::take(text), std::mem::take(variables));
        *self = Self { octets, text, variables, ..Self::default() };
    }

    /// The path that a rewrite made of the request's, percent-decoded; `None`: none did.
    #[must_use]
    pub fn path(&self) -> Option<&[u8]> {
        self.path.map(|span| self.of(span))
    }

    /// The query, as far as a rewrite or `set $args` made another one.
    #[must_use]
    pub fn query(&self) -> Option<&[u8]> {
        self.query.map(|span| self.of(span))
    }

    /// How the script ended the request, if it did.
    #[must_use]
    pub fn ending(&self) -> Option<Ending<'_>> {
        self.ending.map(|(status, place, span)| Ending { status, place, text: self.of(span) })
    }

    /// Whether what the rule says of paths besides is left alone.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// The index of the block that counts.
    #[must_use]
    pub fn block(&self) -> usize {
        self.block
    }

    /// Takes what the path of the rule captures of the path of the request. What does not fit is
    /// as good as empty.
    pub fn capture(&mut self, pattern: &PathPattern, path: &[u8]) {
        if let Some(captures) = pattern.captures(path) {
            self.take_captures(pattern, path, captures).ok();
        }
    }

    /// The path is this from here on.
    pub fn follow(&mut self, path: &[u8]) {
        if self.set_path(path).is_err() {
            self.path = None;
        }
    }

    /// The request is one for a location without a path from here on.
    pub fn move_to_named(&mut self) {
        (self.ending, self.is_begun, self.is_led) = (None, true, true);
    }

    /// Whether the request is where its client sent it.
    pub(super) fn is_sent(&self) -> bool {
        self.path.is_none() && !self.is_led
    }

    /// The request is one for this path, with this query, from here on.
    pub fn move_to(&mut self, path: &[u8], query: &[u8]) {
        if self.set_path(path).and_then(|()| self.set_query(query)).is_err() {
            self.path = None;
        }
        self.ending = None;
        self.is_begun = true;
    }

    /// Gives a variable a value.
    pub fn set(&mut self, name: &str, value: &[u8]) {
        // What does not fit is as good as empty.
        self.assign(name, value).ok();
    }

    /// The same.
    pub(super) fn assign(&mut self, name: &str, value: &[u8]) -> Result<(), TooLong> {
        let value = self.keep(value)?;
        if let Some(index) = self.find(name) {
            if let Some(entry) = self.variables.get_mut(index) {
                entry.1 = value;
            }
            return Ok(());
        }
        let name = self.keep(name.as_bytes())?;
        self.variables.push((name, value));
        Ok(())
    }

    pub(super) fn set_path(&mut self, path: &[u8]) -> Result<(), TooLong> {
        // As in requests.
        let slash: &[u8] = if path.first() == Some(&b'/') { b"" } else { b"/" };
        let start = self.keep(slash)?.start;
        let end = self.keep(path)?.end;
        self.path = Some(Span { start, end });
        Ok(())
    }

    /// What would end a request line, or begin a fragment, is percent-encoded: texts may have what
    /// a path held after decoding.
    pub(super) fn set_query(&mut self, query: &[u8]) -> Result<(), TooLong> {
        let start = self.octets.len();
        encode(query, is_of_query, &mut self.octets);
        let end = self.octets.len();
        if end > SCRIPT_OCTETS_MAX {
            self.octets.truncate(start);
            return Err(TooLong);
        }
        self.query = Some(Span { start, end });
        Ok(())
    }

    pub(super) fn end(
        &mut self,
        status: u16,
        place: EndingPlace,
        text: &[u8],
    ) -> Result<(), TooLong> {
        self.ending = Some((status, place, self.keep(text)?));
        Ok(())
    }

    /// Matches `subject`; what is captured is known from then on, under the names of groups, too.
    pub(super) fn search(
        &mut self,
        pattern: &PathPattern,
        subject: &[u8],
    ) -> Result<bool, TooLong> {
        self.count_searched(subject.len())?;
        let Some(captures) = pattern.captures(subject) else { return Ok(false) };
        self.take_captures(pattern, subject, captures)?;
        Ok(true)
    }

    fn take_captures(
        &mut self,
        pattern: &PathPattern,
        subject: &[u8],
        captures: Captures,
    ) -> Result<(), TooLong> {
        for (name, number) in pattern.groups() {
            let range = captures.get(number).unwrap_or_default();
            self.assign(name, subject.get(range).unwrap_or_default())?;
        }
        let span = self.keep(subject)?;
        self.captured = Some((span, captures));
        Ok(())
    }

    /// Counts octets that an expression is about to look at.
    pub(super) fn count_searched(&self, octets: usize) -> Result<(), TooLong> {
        self.searched.set(self.searched.get().saturating_add(octets));
        if self.searched.get() > SCRIPT_SEARCHED_MAX { Err(TooLong) } else { Ok(()) }
    }

    /// Whether expressions looked at as much as they may, so that a value may be missing.
    #[must_use]
    pub fn has_searched_all(&self) -> bool {
        self.count_searched(0).is_err()
    }

    /// Memory to put a text together in.
    pub(super) fn take_text(&mut self) -> Vec<u8> {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        text
    }

    pub(super) fn give_text(&mut self, text: Vec<u8>) {
        if text.capacity() <= SCRIPT_OCTETS_MAX {
            self.text = text;
        }
    }

    fn keep(&mut self, octets: &[u8]) -> Result<Span, TooLong> {
        let start = self.octets.len();
        if octets.len() > SCRIPT_OCTETS_MAX.saturating_sub(start) {
            return Err(TooLong);
        }
        self.octets.extend_from_slice(octets);
        Ok(Span { start, end: self.octets.len() })
    }

    fn of(&self, span: Span) -> &[u8] {
        self.octets.get(span.start..span.end).unwrap_or_default()
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.variables.iter().position(|(known, _)| self.of(*known) == name.as_bytes())
    }

    fn value(&self, name: &str) -> &[u8] {
        let entry = self.find(name).and_then(|index| self.variables.get(index));
        entry.map_or(&b""[..], |(_, value)| self.of(*value))
    }

    fn group(&self, number: u8) -> Option<&[u8]> {
        let (subject, captures) = self.captured.as_ref()?;
        let part = captures.get(usize::from(number)).unwrap_or_default();
        Some(self.of(*subject).get(part).unwrap_or_default())
    }
}

fn is_of_query(octet: u8) -> bool {
    matches!(octet, b'!'..=b'~' | 0x80..) && octet != b'#'
}

/// What is known of a request that a script has changed.
#[derive(Clone, Copy)]
pub struct Known<'a, V> {
    /// What the script did.
    pub state: &'a ScriptState,
    /// The request as it came.
    pub request: &'a V,
}

impl<V: Variables> Variables for Known<'_, V> {
    fn put(&self, variable: &Variable, out: &mut Vec<u8>) {
        let state = self.state;
        let part = match variable {
            Variable::Mapped(map) => return map.put(self, out),
            Variable::Set(name) => state.value(name),
            Variable::Capture(number) => match state.group(*number) {
                Some(part) => part,
                None => return self.request.put(variable, out),
            },
            Variable::Path => match state.path() {
                Some(path) => path,
                None => return self.request.put(variable, out),
            },
            Variable::Query | Variable::QuestionMark | Variable::Parameter(_) => {
                match (state.query(), variable) {
                    (Some(query), Variable::Query) => query,
                    (Some([]), Variable::QuestionMark) => b"",
                    (Some(_), Variable::QuestionMark) => b"?",
                    (Some(query), Variable::Parameter(name)) => parameter(query, name.as_bytes()),
                    _ => return self.request.put(variable, out),
                }
            }
            _ => return self.request.put(variable, out),
        };
        out.extend_from_slice(part);
    }

    fn may_search(&self, octets: usize) -> bool {
        self.state.count_searched(octets).is_ok()
    }
}

/// The value of the first parameter of `name`, any case, as it was sent.
#[must_use]
pub fn parameter<'a>(query: &'a [u8], name: &[u8]) -> &'a [u8] {
    let value_of = |pair: &'a [u8]| {
        let (found, rest) = pair.split_at_checked(name.len())?;
        found.eq_ignore_ascii_case(name).then(|| rest.strip_prefix(b"="))?
    };
    query.split(|&octet| octet == b'&').find_map(value_of).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_nothing_that_ends_a_request_line() {
        for (text, expected) in [
            (&b"a=1&b=%41"[..], "a=1&b=%41"),
            (b"", ""),
            (b"a b\r\nX: y#z\0\x7f", "a%20b%0D%0AX:%20y%23z%00%7F"),
        ] {
            let mut state = ScriptState::default();
            assert!(state.set_query(text).is_ok());
            assert_eq!(state.query(), Some(expected.as_bytes()));
        }
        let mut state = ScriptState::default();
        assert!(state.set_query(&[b' '; SCRIPT_OCTETS_MAX / 2]).is_err());
        assert!(state.set_query(b"a").is_ok(), "what did not fit is gone");
    }

    #[test]
    fn expressions_look_at_so_much_and_no_more() {
        let (mut state, pattern) =
            (ScriptState::default(), PathPattern::new("x", "x").expect("a pattern"));
        let subject = vec![b'a'; SCRIPT_OCTETS_MAX];
        for _ in 0..SCRIPT_SEARCHED_MAX / SCRIPT_OCTETS_MAX {
            assert!(matches!(state.search(&pattern, &subject), Ok(false)));
        }
        assert!(state.search(&pattern, b"a").is_err());
        state.clear();
        assert!(state.search(&pattern, b"a").is_ok());
    }

    #[test]
    fn parameters_are_found_by_name() {
        for (query, name, expected) in [
            ("a=1&b=2", "b", "2"),
            ("a=1&B=2", "b", "2"),
            ("a=1&a=2", "a", "1"),
            ("ab=1", "a", ""),
            ("a", "a", ""),
            ("a=%41=x", "a", "%41=x"),
            ("", "a", ""),
        ] {
            assert_eq!(
                parameter(query.as_bytes(), name.as_bytes()),
                expected.as_bytes(),
                "{query}"
            );
        }
    }
}
