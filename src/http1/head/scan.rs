//! Finds the end of a head in a growing buffer, each byte looked at once. It checks nothing else.

/// Remembers how far a buffer was searched, so that a client that sends byte by byte costs linear
/// work. Made for one head; [`HeadScan::default`] begins the next.
#[derive(Debug, Clone, Default)]
pub struct HeadScan {
    /// Everything before was searched and needs no second look.
    next: usize,
    /// A byte of the first line was seen; before it, empty lines do not end the head.
    has_begun: bool,
    /// The first line was given, or is searched for from `next_line` on.
    has_first_line: bool,
    /// Where the first line begins.
    begin: usize,
    /// Up to here it has no end.
    next_line: usize,
}

impl HeadScan {
    /// Offset behind the empty line that ends the head, if `buf` has it.
    ///
    /// Shape: `buf` is what an earlier call got, possibly longer. Also stops at an empty line made
    /// of bare LF, which `parse_request` then refuses: such a head must fail, not wait for a
    /// timeout.
    pub fn find_end(&mut self, buf: &[u8]) -> Option<usize> {
        if !self.has_begun {
            let rest = buf.get(self.next..)?;
            let Some(empty) = rest.iter().position(|byte| !matches!(byte, b'\r' | b'\n')) else {
                self.next = buf.len();
                return None;
            };
            self.next += empty;
            self.has_begun = true;
            self.begin = self.next;
            self.next_line = self.next;
        }
        let from = self.next;
        for offset in memchr::memchr_iter(b'\n', buf.get(from..)?) {
            let at = from + offset;
            match buf.get(at + 1..).unwrap_or_default() {
                [b'\n', ..] => return Some(at + 2),
                [b'\r', b'\n', ..] => return Some(at + 3),
                [] | [b'\r'] => {
                    self.next = at;
                    return None;
                }
                _ => {}
            }
        }
        self.next = buf.len();
        None
    }

    /// The first line without its LF, once: when it is complete and was not given before.
    ///
    /// Shape: to be asked after [`Self::find_end`] found nothing, with the same `buf`.
    pub fn first_line<'a>(&mut self, buf: &'a [u8]) -> Option<&'a [u8]> {
        if self.has_first_line || !self.has_begun {
            return None;
        }
        let rest = buf.get(self.next_line..)?;
        let Some(end) = memchr::memchr(b'\n', rest) else {
            self.next_line = buf.len();
            return None;
        };
        self.has_first_line = true;
        buf.get(self.begin..self.next_line + end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(buf: &[u8], expected: Option<usize>) {
        assert_eq!(HeadScan::default().find_end(buf), expected, "whole");
        let mut scan = HeadScan::default();
        let end = (0..=buf.len()).find_map(|len| scan.find_end(buf.get(..len)?));
        assert_eq!(end, expected, "byte by byte");
        assert!(scan.next <= buf.len());
    }

    #[test]
    fn the_first_empty_line_ends_the_head() {
        check(b"GET / HTTP/1.1\r\n\r\n", Some(18));
        check(b"GET / HTTP/1.1\r\nA: b\r\n\r\nbody\r\n\r\n", Some(24));
        check(b"GET / HTTP/1.1\r\nA: b\r\n", None);
        check(b"GET / HTTP/1.1\r\nA: b\r\n\r", None);
        check(b"", None);
    }

    #[test]
    fn empty_lines_before_the_first_line_do_not() {
        check(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", Some(22));
        check(b"\n\nGET / HTTP/1.1\r\n\r\n", Some(20));
        check(b"\r\n\r\n\r\n", None);
    }

    #[test]
    fn heads_with_bare_line_feeds_end_too() {
        check(b"GET / HTTP/1.1\n\n", Some(16));
        check(b"GET / HTTP/1.1\n\r\n", Some(17));
        check(b"GET / HTTP/1.1\r\n\n", Some(17));
    }

    #[test]
    fn the_first_line_is_given_once_when_it_is_complete() {
        let buf = b"\r\nGET /\r\nA: b\r\n";
        let mut scan = HeadScan::default();
        let given: Vec<(usize, &[u8])> = (0..=buf.len())
            .filter_map(|len| {
                let part = buf.get(..len)?;
                assert_eq!(scan.find_end(part), None);
                Some((len, scan.first_line(part)?))
            })
            .collect();
        assert_eq!(given, [(9, &b"GET /\r"[..])]);
        let mut scan = HeadScan::default();
        assert_eq!((scan.find_end(buf), scan.first_line(buf)), (None, Some(&b"GET /\r"[..])));
    }

    #[test]
    fn no_byte_is_searched_twice() {
        let mut scan = HeadScan::default();
        let head = b"GET / HTTP/1.1\r\nA: bbbb";
        assert_eq!(scan.find_end(head), None);
        assert_eq!(scan.next, head.len());
        assert_eq!(scan.find_end(b"shorter than before"), None);
    }
}
