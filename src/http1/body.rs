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
}

#[derive(Debug)]
enum State {
    /// Octets to come.
    Known(u64),
    Chunked(ChunkedDecoder),
    UntilClose {
        is_closed: bool,
    },
}

impl BodyDecoder {
    /// A decoder at the beginning of a body of `length`.
    #[must_use]
    pub fn new(length: BodyLength, sender: Sender) -> Self {
        let state = match length {
            BodyLength::None => State::Known(0),
            BodyLength::Known(octets) => State::Known(octets),
            BodyLength::Chunked => State::Chunked(ChunkedDecoder::new(sender)),
            BodyLength::UntilClose => State::UntilClose { is_closed: false },
        };
        Self { state }
    }

    /// Decodes from the front of `buf`: afterwards the octets of the body are `buf[..body]`, and
    /// `buf[consumed..]` is untouched and belongs to the next message. Unless the body is done, all
    /// of `buf` was consumed. Only the chunked coding moves anything.
    ///
    /// # Errors
    /// The sender's fault; the connection cannot be used any further. Octets decoded in the same
    /// call are lost. Every later call gives the same error.
    pub fn decode(&mut self, buf: &mut [u8]) -> Result<Decoded, BodyError> {
        match &mut self.state {
            State::Known(remaining) => {
                let run = usize::try_from(*remaining).unwrap_or(usize::MAX).min(buf.len());
                *remaining -= run as u64;
                Ok(Decoded { body: run, consumed: run })
            }
            State::Chunked(decoder) => decoder.decode(buf),
            State::UntilClose { is_closed: true } => Ok(Decoded { body: 0, consumed: 0 }),
            State::UntilClose { is_closed: false } => {
                Ok(Decoded { body: buf.len(), consumed: buf.len() })
            }
        }
    }

    /// Counts `octets` that went past this decoder (moved by the kernel, or sent as they were
    /// read), and gives how many of them belong to the body.
    ///
    /// Shape: not for the chunked coding, whose framing has to be seen; gives 0 then.
    pub fn skip(&mut self, octets: u64) -> u64 {
        match &mut self.state {
            State::Known(remaining) => {
                let run = octets.min(*remaining);
                *remaining -= run;
                run
            }
            State::Chunked(_) | State::UntilClose { is_closed: true } => 0,
            State::UntilClose { is_closed: false } => octets,
        }
    }

    /// Tells that the sender closed its side.
    ///
    /// # Errors
    /// [`BodyError::Truncated`], or the error of an earlier call: the body is not complete and must
    /// not be ended cleanly towards the other side.
    pub fn finish(&mut self) -> Result<(), BodyError> {
        match &mut self.state {
            State::Known(0) => Ok(()),
            State::Known(_) => Err(BodyError::Truncated),
            State::Chunked(decoder) if decoder.is_done() => Ok(()),
            State::Chunked(decoder) => Err(decoder.failure().unwrap_or(BodyError::Truncated)),
            State::UntilClose { is_closed } => {
                *is_closed = true;
                Ok(())
            }
        }
    }

    /// Whether the end of the body was reached.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match &self.state {
            State::Known(remaining) => *remaining == 0,
            State::Chunked(decoder) => decoder.is_done(),
            State::UntilClose { is_closed } => *is_closed,
        }
    }

    /// Octets still to come, where the message said how many there are.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        match &self.state {
            State::Known(remaining) => Some(*remaining),
            State::Chunked(_) | State::UntilClose { .. } => None,
        }
    }

    /// The trailer section once the body is done: whole lines, each with its CRLF, without the
    /// empty one; at most [`crate::limits::TRAILER_BYTES_MAX`]. Fields that have no business there
    /// are gone.
    #[must_use]
    pub fn trailers(&self) -> &[u8] {
        match &self.state {
            State::Chunked(decoder) => decoder.trailers(),
            State::Known(_) | State::UntilClose { .. } => &[],
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
        assert_eq!(decoder.finish(), Ok(()));
        assert_eq!(decoder.trailers(), b"");
    }

    #[test]
    fn octets_that_bypass_the_decoder_are_counted() {
        let mut decoder = BodyDecoder::new(BodyLength::Known(5), Sender::Upstream);
        assert_eq!(decoder.skip(3), 3);
        assert_eq!(decoder.skip(3), 2);
        assert!(decoder.is_done());
        assert_eq!(BodyDecoder::new(BodyLength::UntilClose, Sender::Upstream).skip(3), 3);
        assert_eq!(BodyDecoder::new(BodyLength::Chunked, Sender::Upstream).skip(3), 0);
    }

    #[test]
    fn an_incomplete_body_is_never_a_clean_end() {
        for length in [BodyLength::Known(1), BodyLength::Chunked] {
            let mut decoder = BodyDecoder::new(length, Sender::Upstream);
            assert_eq!(decoder.finish(), Err(BodyError::Truncated), "{length:?}");
        }
    }

    #[test]
    fn only_the_close_ends_a_body_without_length() {
        let mut decoder = BodyDecoder::new(BodyLength::UntilClose, Sender::Upstream);
        assert_eq!(decoder.decode(&mut [0; 4]), Ok(Decoded { body: 4, consumed: 4 }));
        assert!(!decoder.is_done());
        assert_eq!(decoder.remaining(), None);
        assert_eq!(decoder.finish(), Ok(()));
        assert!(decoder.is_done());
        assert_eq!(decoder.decode(&mut [0; 4]), Ok(Decoded { body: 0, consumed: 0 }));
        assert_eq!(decoder.skip(4), 0);
    }

    #[test]
    fn no_body_is_done_at_once() {
        let mut decoder = BodyDecoder::new(BodyLength::None, Sender::Client);
        assert!(decoder.is_done());
        assert_eq!(decoder.decode(&mut [0; 4]), Ok(Decoded { body: 0, consumed: 0 }));
        assert_eq!(decoder.finish(), Ok(()));
    }

    #[test]
    fn a_failed_body_stays_failed() {
        let mut decoder = BodyDecoder::new(BodyLength::Chunked, Sender::Client);
        assert_eq!(decoder.decode(&mut b"x".to_owned()), Err(BodyError::ChunkSize));
        assert_eq!(decoder.decode(&mut b"0\r\n\r\n".to_owned()), Err(BodyError::ChunkSize));
        assert_eq!(decoder.finish(), Err(BodyError::ChunkSize));
        assert!(!decoder.is_done());
    }
}
