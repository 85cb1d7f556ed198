//! Decoder of the chunked coding: strict, incremental, in place.
//!
//! It never accepts what two readers could understand differently: sizes are plain hexadecimal
//! digits, every line ends in CRLF, extensions are bounded and thrown away. The framing itself is
//! never forwarded; callers write their own chunks.
//!
//! ```text
//!  Size ─▶ Digits ─▶ (Blank ─▶) (Extension ─▶) SizeLf ─▶ Data ─▶ DataCr ─▶ DataLf ─▶ Size
//!                                                 └─ size 0 ─▶ Trailer ─▶ Done
//! ```
//!
//! Source: RFC 9112 section 7.1 and erratum 7633.

use super::error::BodyError;
use super::fields::{is_forbidden_trailer, is_token, is_value_byte};
use crate::limits::{
    CHUNK_BYTES_MAX, CHUNK_EXTENSION_BYTES_MAX, CHUNK_EXTENSIONS_BYTES_MAX, TRAILER_BYTES_MAX,
};

/// Whose bytes these are, and so how strictly they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Nothing beyond the grammar is tolerated. It has blanks around `;` and `=` of extensions.
    Client,
    /// Blanks between a chunk size and the end of its line are: old servers pad sizes to a fixed
    /// width.
    Upstream,
}

/// What one call did to the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// Octets of body now at the front of the buffer.
    pub body: usize,
    /// Octets of the buffer that belonged to this message; those behind are untouched.
    pub consumed: usize,
}

/// The state between two calls. Holds nothing of the body, and of the trailer section what is kept.
#[derive(Debug)]
pub struct ChunkedDecoder {
    state: State,
    sender: Sender,
    /// Of the current chunk: digits read so far make its size; while in `Data`, octets to come.
    size: u64,
    digits: u8,
    line_extension_bytes: usize,
    body_extension_bytes: usize,
    /// Of the whole section, dropped lines included.
    trailer_bytes: usize,
    /// Accepted lines, then the beginning of the current one.
    trailers: Vec<u8>,
    /// Where the current line begins in `trailers`.
    trailer_line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size,
    Digits,
    Blank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailer,
    LastLf,
    Done,
    Failed(BodyError),
}

impl ChunkedDecoder {
    /// A decoder at the beginning of a body. Allocates only when a trailer field arrives.
    #[must_use]
    pub fn new(sender: Sender) -> Self {
        Self {
            state: State::Size,
            sender,
            size: 0,
            digits: 0,
            line_extension_bytes: 0,
            body_extension_bytes: 0,
            trailer_bytes: 0,
            trailers: Vec::new(),
            trailer_line: 0,
        }
    }

    /// Decodes from the front of `buf` until it is used up or the body ends, and moves the body's
    /// octets to its front.
    ///
    /// # Errors
    /// The sender's fault. Every later call gives the same error.
    pub fn decode(&mut self, buf: &mut [u8]) -> Result<Decoded, BodyError> {
        if let State::Failed(error) = self.state {
            return Err(error);
        }
        let mut at = 0;
        let mut body = 0;
        while let Some(byte) = buf.get(at).copied() {
            match self.state {
                State::Data => {
                    let run = usize::try_from(self.size).unwrap_or(usize::MAX).min(buf.len() - at);
                    // INVARIANT: body <= at, since each octet of body was first consumed.
                    buf.copy_within(at..at + run, body);
                    at += run;
                    body += run;
                    self.size -= run as u64;
                    if self.size == 0 {
                        self.state = State::DataCr;
                    }
                }
                State::Done => break,
                _ => {
                    self.state = self.step(byte).inspect_err(|error| {
                        self.state = State::Failed(*error);
                    })?;
                    at += 1;
                }
            }
        }
        Ok(Decoded { body, consumed: at })
    }

    /// Octets of the current chunk that are still to come.
    pub(super) fn run(&self) -> u64 {
        if self.state == State::Data { self.size } else { 0 }
    }

    /// Counts octets of the current chunk that went past this decoder; gives how many they were.
    pub(super) fn skip(&mut self, octets: u64) -> u64 {
        let run = self.run().min(octets);
        if run > 0 {
            self.size -= run;
            if self.size == 0 {
                self.state = State::DataCr;
            }
        }
        run
    }

    /// Whether the last chunk and the trailer section were read.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The trailer lines of a body that is done.
    ///
    /// # Errors
    /// It is not, or an earlier call failed.
    pub(super) fn finish(mut self) -> Result<Vec<u8>, BodyError> {
        match self.state {
            State::Done => {
                self.trailers.truncate(self.trailer_line);
                Ok(self.trailers)
            }
            State::Failed(error) => Err(error),
            _ => Err(BodyError::Truncated),
        }
    }

    /// The accepted trailer lines, each with its CRLF; meaningful once done.
    #[must_use]
    pub fn trailers(&self) -> &[u8] {
        self.trailers.get(..self.trailer_line).unwrap_or_default()
    }

    /// One octet of anything but data.
    fn step(&mut self, byte: u8) -> Result<State, BodyError> {
        match self.state {
            State::Size | State::Digits => self.size_byte(byte),
            State::Blank => match byte {
                b'\r' if self.sender == Sender::Upstream => Ok(State::SizeLf),
                b' ' | b'\t' => self.extension_byte(State::Blank),
                b';' => self.extension_byte(State::Extension),
                _ => Err(BodyError::ChunkSize),
            },
            State::Extension => match byte {
                b'\r' => Ok(State::SizeLf),
                _ if is_value_byte(byte) => self.extension_byte(State::Extension),
                _ => Err(BodyError::ChunkExtension),
            },
            State::SizeLf => {
                expect(byte, b'\n')?;
                self.digits = 0;
                self.line_extension_bytes = 0;
                Ok(if self.size == 0 { State::Trailer } else { State::Data })
            }
            State::DataCr => expect(byte, b'\r').map(|()| State::DataLf),
            State::DataLf => expect(byte, b'\n').map(|()| State::Size),
            State::Trailer | State::LastLf => self.trailer_byte(byte),
            State::Data | State::Done | State::Failed(_) => Ok(self.state),
        }
    }

    fn size_byte(&mut self, byte: u8) -> Result<State, BodyError> {
        if let Some(digit) = (byte as char).to_digit(16) {
            if self.digits == DIGITS_MAX {
                return Err(BodyError::ChunkSize);
            }
            // 16 digits fill 64 bits at most: nothing is shifted out.
            self.size = self.size << 4 | u64::from(digit);
            self.digits += 1;
            return Ok(State::Digits);
        }
        if self.state == State::Size {
            return Err(BodyError::ChunkSize);
        }
        if self.size > CHUNK_BYTES_MAX {
            return Err(BodyError::ChunkTooLarge);
        }
        match byte {
            b'\r' => Ok(State::SizeLf),
            b';' => self.extension_byte(State::Extension),
            b' ' | b'\t' => self.extension_byte(State::Blank),
            b'\n' => Err(BodyError::ChunkLineEnd),
            _ => Err(BodyError::ChunkSize),
        }
    }

    fn extension_byte(&mut self, next: State) -> Result<State, BodyError> {
        self.line_extension_bytes += 1;
        self.body_extension_bytes += 1;
        if self.line_extension_bytes > CHUNK_EXTENSION_BYTES_MAX
            || self.body_extension_bytes > CHUNK_EXTENSIONS_BYTES_MAX
        {
            return Err(BodyError::ChunkExtensionTooLong);
        }
        Ok(next)
    }

    fn trailer_byte(&mut self, byte: u8) -> Result<State, BodyError> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(BodyError::TrailerTooLarge);
        }
        // The empty line that ends most bodies is not stored, so that they allocate nothing.
        if self.state == State::LastLf {
            return if byte == b'\n' { Ok(State::Done) } else { Err(BodyError::Trailer) };
        }
        if byte == b'\r' && self.trailers.len() == self.trailer_line {
            return Ok(State::LastLf);
        }
        self.trailers.push(byte);
        if byte != b'\n' {
            return Ok(State::Trailer);
        }
        let line = self.trailers.get(self.trailer_line..).unwrap_or_default();
        let line = line.strip_suffix(b"\r\n").ok_or(BodyError::Trailer)?;
        if is_kept_trailer(line)? {
            self.trailer_line = self.trailers.len();
        } else {
            self.trailers.truncate(self.trailer_line);
        }
        Ok(State::Trailer)
    }
}

const DIGITS_MAX: u8 = 16;

fn expect(byte: u8, wanted: u8) -> Result<(), BodyError> {
    if byte == wanted { Ok(()) } else { Err(BodyError::ChunkLineEnd) }
}

/// Checks one trailer line, CRLF removed. `Ok(false)`: well-formed, but not to be forwarded.
fn is_kept_trailer(line: &[u8]) -> Result<bool, BodyError> {
    let colon = memchr::memchr(b':', line).ok_or(BodyError::Trailer)?;
    let (name, value) = line.split_at(colon);
    let value = value.get(1..).unwrap_or_default();
    if !is_token(name) || !value.iter().all(|byte| is_value_byte(*byte)) {
        return Err(BodyError::Trailer);
    }
    Ok(!is_forbidden_trailer(name))
}
