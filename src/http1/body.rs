//! One body on its way in, whatever its framing. It holds no octets and never reads beyond the end
//! of its message.

use super::chunked::ChunkedDecoder;
pub use super::chunked::{Decoded, Sender};
use super::error::BodyError;
use super::framing::BodyLength;

/// Finds the octets and the end of one body.
///
/// The result does not depend on how the input is split into buffers, and the work is linear in it.
#[derive(Debug)]
pub struct BodyDecoder {
    state: State,
    /// Octets were seen behind the end.
    has_surplus: bool,
}

/// Proof that a message was read to its end. Only [`BodyDecoder::finish`] makes one, and without
/// it no connection goes back to a pool.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct EndOfMessage {
    trailers: Vec<u8>,
    boundary: Boundary,
}

/// What a connection is good for behind a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// The next message begins with the next octet.
    Clean,
    /// The sender sent more than the message: nobody knows for which request.
    Surplus,
    /// Nothing: its close was the end.
    Closed,
}

impl EndOfMessage {
    /// The trailer section: whole lines, each with its CRLF, without the empty one; at most
    /// [`crate::limits::TRAILER_BYTES_MAX`]. Fields that have no business there are gone.
    #[must_use]
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// The same, moved out.
    #[must_use]
    pub fn into_trailers(self) -> Vec<u8> {
        self.trailers
    }

    /// What lies behind the message.
    #[must_use]
    pub fn into_boundary(self) -> Boundary {
        self.boundary
    }
}

#[derive(Debug)]
enum State {
    /// Octets to come.
    Known(u64),
    Chunked(ChunkedDecoder),
    UntilClose,
}

impl BodyDecoder {
    /// A decoder at the beginning of a body of `length`.
    #[must_use]
    pub fn new(length: BodyLength, sender: Sender) -> Self {
        let state = match length {
            BodyLength::None => State::Known(0),
            BodyLength::Known(octets) => State::Known(octets),
            BodyLength::Chunked => State::Chunked(ChunkedDecoder::new(sender)),
            BodyLength::UntilClose => State::UntilClose,
        };
        Self { state, has_surplus: false }
    }

    /// Decodes from the front of `buf`: afterwards the octets of the body are `buf[..body]`, and
    /// `buf[consumed..]` is untouched and belongs to the next message. Unless the body is done, all
    /// of `buf` was consumed. Only the chunked coding moves anything.
    ///
    /// # Errors
    /// The sender's fault; the connection cannot be used any further. Octets decoded in the same
    /// call are lost. Every later call gives the same error.
    pub fn decode(&mut self, buf: &mut [u8]) -> Result<Decoded, BodyError> {
        let decoded = match &mut self.state {
            State::Known(remaining) => {
                let run = usize::try_from(*remaining).unwrap_or(usize::MAX).min(buf.len());
                *remaining -= run as u64;
                Decoded { body: run, consumed: run }
            }
            State::Chunked(decoder) => decoder.decode(buf)?,
            State::UntilClose => Decoded { body: buf.len(), consumed: buf.len() },
        };
        self.has_surplus |= decoded.consumed < buf.len();
        Ok(decoded)
    }

    /// Counts `octets` that went past this decoder (moved by the kernel, or sent as they were
    /// read), and gives how many of them belong to the body.
    ///
    /// Shape: at most the [`run`](Self::run), if the coding is chunked.
    pub fn skip(&mut self, octets: u64) -> u64 {
        match &mut self.state {
            State::Known(remaining) => {
                let run = octets.min(*remaining);
                *remaining -= run;
                self.has_surplus |= run < octets;
                run
            }
            State::Chunked(decoder) => decoder.skip(octets),
            State::UntilClose => octets,
        }
    }

    /// Octets of body that come next, before anything that has to be seen.
    #[must_use]
    pub fn run(&self) -> u64 {
        match &self.state {
            State::Known(remaining) => *remaining,
            State::Chunked(decoder) => decoder.run(),
            State::UntilClose => u64::MAX,
        }
    }

    /// Ends the body: it [is done](Self::is_done), or the sender closed its side.
    ///
    /// # Errors
    /// [`BodyError::Truncated`], or the error of an earlier call: the body is not complete and must
    /// not be ended cleanly towards the other side.
    pub fn finish(self) -> Result<EndOfMessage, BodyError> {
        let boundary = if self.has_surplus { Boundary::Surplus } else { Boundary::Clean };
        match self.state {
            State::Known(0) => Ok(EndOfMessage { trailers: Vec::new(), boundary }),
            State::Known(_) => Err(BodyError::Truncated),
            State::Chunked(decoder) => {
                decoder.finish().map(|trailers| EndOfMessage { trailers, boundary })
            }
            State::UntilClose => {
                Ok(EndOfMessage { trailers: Vec::new(), boundary: Boundary::Closed })
            }
        }
    }

    /// Whether the octets so far hold the end of the body; never where the close is the end.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match &self.state {
            State::Known(remaining) => *remaining == 0,
            State::Chunked(decoder) => decoder.is_done(),
            State::UntilClose => false,
        }
    }

    /// Octets still to come, where the message said how many there are.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        match &self.state {
            State::Known(remaining) => Some(*remaining),
            State::Chunked(_) | State::UntilClose => None,
        }
    }

    /// As [`EndOfMessage::trailers`]; meaningful once the body is done.
    #[must_use]
    pub fn trailers(&self) -> &[u8] {
        match &self.state {
            State::Chunked(decoder) => decoder.trailers(),
            State::Known(_) | State::UntilClose => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_length_stops_at_the_next_message() {
        let mut decoder = BodyDecoder::new(BodyLength::Known(5), Sender::Client);
        let mut buf = *b"abc";
        assert_eq!(decoder.decode(&mut buf), Ok(Decoded { body: 3, consumed: 3 }));
        assert_eq!(decoder.remaining(), Some(2));
        assert!(!decoder.is_done());
        let mut buf = *b"deGET /";
        assert_eq!(decoder.decode(&mut buf), Ok(Decoded { body: 2, consumed: 2 }));
        assert!(decoder.is_done());
        assert_eq!(&buf, b"deGET /");
        assert_eq!(decoder.trailers(), b"");
        check_end(decoder, Boundary::Surplus);
    }

    #[track_caller]
    fn check_end(decoder: BodyDecoder, boundary: Boundary) {
        assert_eq!(decoder.finish(), Ok(EndOfMessage { trailers: Vec::new(), boundary }));
    }

    #[test]
    fn octets_that_bypass_the_decoder_are_counted() {
        let mut decoder = BodyDecoder::new(BodyLength::Known(5), Sender::Upstream);
        assert_eq!(decoder.skip(3), 3);
        assert_eq!(decoder.skip(3), 2);
        assert!(decoder.is_done());
        check_end(decoder, Boundary::Surplus);
        assert_eq!(BodyDecoder::new(BodyLength::UntilClose, Sender::Upstream).skip(3), 3);
        let mut decoder = BodyDecoder::new(BodyLength::Chunked, Sender::Upstream);
        assert_eq!((decoder.skip(3), decoder.run()), (0, 0));
        assert_eq!(decoder.decode(&mut b"8\r\nab".to_owned()).map(|decoded| decoded.body), Ok(2));
        assert_eq!((decoder.run(), decoder.skip(2), decoder.run()), (6, 2, 4));
        assert_eq!((decoder.skip(9), decoder.run()), (4, 0));
        assert_eq!(
            decoder.decode(&mut b"\r\n0\r\n\r\n".to_owned()).map(|decoded| decoded.body),
            Ok(0)
        );
        check_end(decoder, Boundary::Clean);
    }

    #[test]
    fn an_incomplete_body_is_never_a_clean_end() {
        for length in [BodyLength::Known(1), BodyLength::Chunked] {
            let decoder = BodyDecoder::new(length, Sender::Upstream);
            assert_eq!(decoder.finish(), Err(BodyError::Truncated), "{length:?}");
        }
    }

    #[test]
    fn only_the_close_ends_a_body_without_length() {
        let mut decoder = BodyDecoder::new(BodyLength::UntilClose, Sender::Upstream);
        assert_eq!(decoder.decode(&mut [0; 4]), Ok(Decoded { body: 4, consumed: 4 }));
        assert!(!decoder.is_done());
        assert_eq!(decoder.remaining(), None);
        check_end(decoder, Boundary::Closed);
    }

    #[test]
    fn no_body_is_done_at_once() {
        let mut decoder = BodyDecoder::new(BodyLength::None, Sender::Client);
        assert!(decoder.is_done());
        check_end(BodyDecoder::new(BodyLength::None, Sender::Client), Boundary::Clean);
        assert_eq!(decoder.decode(&mut [0; 4]), Ok(Decoded { body: 0, consumed: 0 }));
        check_end(decoder, Boundary::Surplus);
    }

    #[test]
    fn a_failed_body_stays_failed() {
        let mut decoder = BodyDecoder::new(BodyLength::Chunked, Sender::Client);
        assert_eq!(decoder.decode(&mut b"x".to_owned()), Err(BodyError::ChunkSize));
        assert_eq!(decoder.decode(&mut b"0\r\n\r\n".to_owned()), Err(BodyError::ChunkSize));
        assert!(!decoder.is_done());
        assert_eq!(decoder.finish(), Err(BodyError::ChunkSize));
    }
}
