//! What a script changes of the fields of one answer.

use super::program::Extent;
use crate::limits::SCRIPT_OCTETS_MAX;

/// Names that are left out and lines that are added.
///
/// INVARIANT: what stands in it is safe to write into a head as it is.
#[derive(Debug, Default)]
pub struct AnswerOverlay {
    octets: Vec<u8>,
    names: Vec<(usize, usize, Extent)>,
    lines: Vec<Line>,
}

/// A line, by ends in `octets`.
#[derive(Debug, Clone, Copy)]
struct Line {
    start: usize,
    name_end: usize,
    end: usize,
}

impl AnswerOverlay {
    /// Nothing.
    pub const NONE: &'static Self =
        &Self { octets: Vec::new(), names: Vec::new(), lines: Vec::new() };

    /// Whether there is nothing to do.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.lines.is_empty()
    }

    /// Whether a line of this name that somebody else wrote is left out.
    #[must_use]
    #[inline]
    pub fn replaces(&self, name: &[u8]) -> bool {
        !self.names.is_empty() && self.drops(name)
    }

    fn drops(&self, name: &[u8]) -> bool {
        self.names.iter().any(|&(start, end, extent)| {
            let known = self.octets.get(start..end).unwrap_or_default();
            is_of(name, known, extent)
        })
    }

    /// Names and values of the lines.
    pub fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.iter().map(|line| {
            let part = |from: usize, to: usize| self.octets.get(from..to).unwrap_or_default();
            (part(line.start, line.name_end), part(line.name_end, line.end))
        })
    }

    /// There is no line of these names any more.
    pub(super) fn remove(&mut self, name: &[u8], extent: Extent) {
        let Self { octets, names, lines } = self;
        lines.retain(|line| {
            let known = octets.get(line.start..line.name_end).unwrap_or_default();
            !is_of(known, name, extent)
        });
        let start = octets.len();
        octets.extend_from_slice(name);
        names.push((start, octets.len(), extent));
    }

    /// Adds a line. What ends a line is left out of the value, and blanks at its ends.
    /// There is room for as much as a script may hold.
    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) {
        if self.octets.len().saturating_add(value.len()) > SCRIPT_OCTETS_MAX {
            return;
        }
        let start = self.octets.len();
        self.octets.extend_from_slice(name);
        let name_end = self.octets.len();
        put_value(value, &mut self.octets);
        self.lines.push(Line { start, name_end, end: self.octets.len() });
    }
}

/// Appends what of a text may be the value of a field.
pub(super) fn put_value(text: &[u8], out: &mut Vec<u8>) {
    let is_possible = |octet: &u8| *octet == b'\t' || !octet.is_ascii_control();
    out.extend(text.trim_ascii().iter().copied().filter(is_possible));
}

/// Whether a name is one of those that `known` stands for.
fn is_of(name: &[u8], known: &[u8], extent: Extent) -> bool {
    match extent {
        Extent::Whole => name.eq_ignore_ascii_case(known),
        Extent::Beginning => {
            name.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_changes_see_what_earlier_ones_left() {
        let mut overlay = AnswerOverlay::default();
        assert!(overlay.is_empty() && !overlay.replaces(b"x-a"));
        overlay.remove(b"X-A", Extent::Whole);
        overlay.add(b"X-A", b" 1\r\nSet-Cookie: x\t2 ");
        overlay.add(b"X-B", b"3");
        let lines = |overlay: &AnswerOverlay| {
            let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
            overlay.lines().map(|(name, value)| (text(name), text(value))).collect::<Vec<_>>()
        };
        let line = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(lines(&overlay), [line("X-A", "1Set-Cookie: x\t2"), line("X-B", "3")]);
        for (name, expected) in [("x-a", true), ("X-B", false), ("x-ab", false), ("", false)] {
            assert_eq!(overlay.replaces(name.as_bytes()), expected, "{name}");
        }
        overlay.remove(b"x-", Extent::Beginning);
        assert_eq!(lines(&overlay), []);
        for (name, expected) in [("X-Zz", true), ("x-", true), ("x", false), ("y-x-", false)] {
            assert_eq!(overlay.replaces(name.as_bytes()), expected, "{name}");
        }
    }
}
