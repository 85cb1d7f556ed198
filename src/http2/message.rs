//! One message in HTTP/1.1 octets of our own as a stream of HTTP/2 takes it: its head in one piece,
//! the octets of its body, its trailers. What the head says is for its caller to judge.

use std::ops::Range;

use super::follows::Follows;
use crate::http1::body::{BodyDecoder, Sender};
use crate::http1::error::BodyError;
use crate::http1::framing::BodyLength;
use crate::http1::head::HeadScan;

/// What the next octets are.
#[derive(Debug)]
pub(super) enum Piece {
    /// A whole head, which [`Message::head`] gives. Another one follows, if not for
    /// [`Message::begin_body`] or [`Message::begin_raw`].
    Head,
    /// Octets of the body.
    Data { range: Range<usize>, follows: Follows },
    /// Nothing follows but [`Message::trailers`].
    End,
}

/// Why there is no next piece.
#[derive(Debug)]
pub(super) enum MessageFault {
    Body(BodyError),
    /// Octets behind the end.
    Surplus,
}

/// Reads one message, informational heads before it included.
#[derive(Debug)]
pub(super) struct Message {
    state: State,
    scan: HeadScan,
    /// A head that came in several pieces, or the beginning of one.
    partial: Vec<u8>,
    place: Place,
}

#[derive(Debug)]
enum State {
    Head,
    Body(BodyDecoder),
    Raw,
    /// With the trailer lines.
    Done(Vec<u8>),
}

/// Where the last whole head lies.
#[derive(Debug)]
enum Place {
    /// In the buffer that was given.
    Given(Range<usize>),
    Partial,
}

impl Message {
    pub(super) fn new() -> Self {
        let (scan, partial) = (HeadScan::default(), Vec::new());
        Self { state: State::Head, scan, partial, place: Place::Given(0..0) }
    }

    /// Reads from `buf[*at..]` and moves `at` behind what was read. `None`: all was read, more is
    /// needed. The chunked coding is decoded in place.
    pub(super) fn next(
        &mut self,
        buf: &mut [u8],
        at: &mut usize,
    ) -> Result<Option<Piece>, MessageFault> {
        if let State::Body(decoder) = &self.state
            && decoder.is_done()
        {
            // The octets before were given without an end.
            self.state = State::Done(decoder.trailers().to_vec());
            return Ok(Some(Piece::End));
        }
        let start = *at;
        let rest = buf.get_mut(start..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        match &mut self.state {
            State::Head => Ok(self.find_head(rest, at).then_some(Piece::Head)),
            State::Body(decoder) => {
                let decoded = decoder.decode(rest).map_err(MessageFault::Body)?;
                let range = start..start + decoded.body;
                *at += decoded.consumed;
                let is_done = decoder.is_done();
                let has_trailers = !decoder.trailers().is_empty();
                if is_done && (range.is_empty() || !has_trailers) {
                    self.state = State::Done(decoder.trailers().to_vec());
                }
                let follows = match is_done && !has_trailers {
                    true => Follows::Nothing,
                    false => Follows::More,
                };
                Ok(match (range.is_empty(), is_done) {
                    (true, true) => Some(Piece::End),
                    (true, false) => None,
                    (false, _) => Some(Piece::Data { range, follows }),
                })
            }
            State::Raw => {
                *at = buf.len();
                Ok(Some(Piece::Data { range: start..buf.len(), follows: Follows::More }))
            }
            State::Done(_) => Err(MessageFault::Surplus),
        }
    }

    /// The head that was found last, from the buffer that was given then.
    pub(super) fn head<'m>(&'m self, buf: &'m [u8]) -> &'m [u8] {
        match &self.place {
            Place::Given(range) => buf.get(range.clone()).unwrap_or_default(),
            Place::Partial => &self.partial,
        }
    }

    /// The beginning of a head whose end has not come; empty if there is none.
    pub(super) fn partial(&self) -> &[u8] {
        if matches!(self.place, Place::Partial) { &[] } else { &self.partial }
    }

    /// The head was the last one.
    pub(super) fn begin_body(&mut self, length: BodyLength, sender: Sender) {
        self.state = if length.is_empty() {
            State::Done(Vec::new())
        } else {
            State::Body(BodyDecoder::new(length, sender))
        };
    }

    /// The head was the last one; behind it is another protocol.
    pub(super) fn begin_raw(&mut self) {
        self.state = State::Raw;
    }

    /// Tells that no octets follow. `None`: there was no head; false: it had ended before.
    pub(super) fn finish(&mut self) -> Result<Option<bool>, BodyError> {
        if self.is_done() {
            return Ok(Some(false));
        }
        let trailers = match std::mem::replace(&mut self.state, State::Head) {
            State::Head => return Ok(None),
            State::Body(decoder) => decoder.finish()?.into_trailers(),
            State::Raw | State::Done(_) => Vec::new(),
        };
        self.state = State::Done(trailers);
        Ok(Some(true))
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done(_))
    }

    /// The trailer lines of a message that has ended, as the decoder has checked them.
    pub(super) fn trailers(&self) -> &[u8] {
        match &self.state {
            State::Done(lines) => lines,
            _ => &[],
        }
    }

    /// Whether the end of a head is in `rest`, which begins at `at`. One that lies whole in it is
    /// not copied.
    fn find_head(&mut self, rest: &[u8], at: &mut usize) -> bool {
        if matches!(self.place, Place::Partial) {
            self.partial.clear();
            self.place = Place::Given(0..0);
        }
        let before = self.partial.len();
        let found = if before == 0 { self.scan.find_end(rest) } else { None };
        if let Some(end) = found {
            self.place = Place::Given(*at..*at + end);
            *at += end;
        } else {
            self.partial.extend_from_slice(rest);
            let Some(end) = self.scan.find_end(&self.partial) else {
                *at += rest.len();
                return false;
            };
            // INVARIANT: end > before, since what was there had no end.
            *at += end - before;
            self.partial.truncate(end);
            self.place = Place::Partial;
        }
        self.scan = HeadScan::default();
        true
    }
}
