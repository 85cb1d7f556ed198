//! Content codings: gzip, zstd and brotli behind one face.

use brotli::enc::StandardAlloc;
use brotli::enc::encode::{BrotliEncoderOperation, BrotliEncoderStateStruct};
use flate2::{Compress, Compression as Level, FlushCompress, Status};
use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation, OutBuffer};

use super::step::{Broken, Progress, Step, Then};
use crate::filter::ContentCoding;
use crate::limits::{
    BROTLI_HASH_BYTES, BROTLI_WINDOW_BITS, COMPRESSOR_BYTES, GZIP_BYTES, ZSTD_HARD_BYTES,
    ZSTD_WINDOW_BITS,
};

/// Codes one body after the other.
pub struct Compressor {
    coding: ContentCoding,
    level: u8,
    state: State,
}

enum State {
    Gzip(Compress),
    Zstd(Encoder<'static>),
    Brotli(Box<BrotliEncoderStateStruct<StandardAlloc>>),
}

impl Compressor {
    /// At the beginning of a body.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn new(coding: ContentCoding, level: u8) -> Result<Self, Broken> {
        let state = match coding {
            ContentCoding::Gzip => State::Gzip(Compress::new_gzip(Level::new(level.into()), 15)),
            ContentCoding::Zstd => State::Zstd(zstd_encoder(level).ok_or(Broken)?),
            ContentCoding::Brotli => State::Brotli(Box::new(brotli_encoder(level))),
        };
        Ok(Self { coding, level, state })
    }

    /// Octets that one may take.
    #[must_use]
    pub fn bytes(coding: ContentCoding, level: u8) -> usize {
        match coding {
            ContentCoding::Zstd if level > 3 => ZSTD_HARD_BYTES,
            ContentCoding::Brotli => {
                let level = usize::from(level).min(BROTLI_HASH_BYTES.len() - 1);
                COMPRESSOR_BYTES + BROTLI_HASH_BYTES.get(level).copied().unwrap_or(0)
            }
            ContentCoding::Gzip => GZIP_BYTES,
            ContentCoding::Zstd => COMPRESSOR_BYTES,
        }
    }

    /// What it codes, and how hard.
    #[must_use]
    pub const fn kind(&self) -> (ContentCoding, u8) {
        (self.coding, self.level)
    }

    /// The same at the beginning of another body; `None`: its memory cannot be used again.
    #[must_use]
    pub fn renewed(mut self) -> Option<Self> {
        match &mut self.state {
            State::Gzip(state) => state.reset(),
            State::Zstd(state) => state.reinit().ok()?,
            State::Brotli(_) => return None,
        }
        Some(self)
    }

    /// Codes from the front of `input` into `out`, which should have room for some 16 octets: zlib
    /// repeats the mark of a pause that just fits. While it is [`Progress::Full`], it has to be
    /// given the rest of the input with the same `then`.
    ///
    /// # Errors
    /// Nothing that comes out is worth anything.
    pub fn code(&mut self, input: &[u8], out: &mut [u8], then: Then) -> Result<Step, Broken> {
        match &mut self.state {
            State::Gzip(state) => gzip(state, input, out, then),
            State::Zstd(state) => zstd(state, input, out, then).ok_or(Broken),
            State::Brotli(state) => brotli(state, input, out, then),
        }
    }
}

fn gzip(state: &mut Compress, input: &[u8], out: &mut [u8], then: Then) -> Result<Step, Broken> {
    let flush = match then {
        Then::More => FlushCompress::None,
        Then::Pause => FlushCompress::Sync,
        Then::End => FlushCompress::Finish,
    };
    let (before_in, before_out) = (state.total_in(), state.total_out());
    let status = state.compress(input, out, flush).or(Err(Broken))?;
    let octets = |now: u64, before| usize::try_from(now - before).or(Err(Broken));
    let taken = octets(state.total_in(), before_in)?;
    let made = octets(state.total_out(), before_out)?;
    let is_done = match then {
        Then::End => status == Status::StreamEnd,
        // A flush that just fits may have more to say.
        Then::More | Then::Pause => taken == input.len() && made < out.len(),
    };
    let progress = if is_done { Progress::Done } else { Progress::Full };
    Ok(Step { taken, made, progress })
}

fn zstd(state: &mut Encoder<'_>, input: &[u8], out: &mut [u8], then: Then) -> Option<Step> {
    let mut source = InBuffer::around(input);
    let mut target = OutBuffer::around(out);
    // A frame that is being ended takes nothing but to be ended.
    if !input.is_empty() {
        state.run(&mut source, &mut target).ok()?;
    }
    let is_taken = source.pos() == input.len();
    let left = match then {
        _ if !is_taken => 1,
        Then::More => 0,
        Then::Pause => state.flush(&mut target).ok()?,
        Then::End => state.finish(&mut target, true).ok()?,
    };
    Some(Step {
        taken: source.pos(),
        made: target.pos(),
        progress: if left == 0 { Progress::Done } else { Progress::Full },
    })
}

fn brotli(
    state: &mut BrotliEncoderStateStruct<StandardAlloc>,
    input: &[u8],
    out: &mut [u8],
    then: Then,
) -> Result<Step, Broken> {
    let operation = match then {
        Then::More => BrotliEncoderOperation::BROTLI_OPERATION_PROCESS,
        Then::Pause => BrotliEncoderOperation::BROTLI_OPERATION_FLUSH,
        Then::End => BrotliEncoderOperation::BROTLI_OPERATION_FINISH,
    };
    let (mut available_in, mut taken) = (input.len(), 0);
    let (mut available_out, mut made) = (out.len(), 0);
    let is_good = state.compress_stream(
        operation,
        &mut available_in,
        input,
        &mut taken,
        &mut available_out,
        out,
        &mut made,
        &mut None,
        &mut |_, _, _, _| (),
    );
    if !is_good {
        return Err(Broken);
    }
    let is_done = match then {
        Then::End => state.is_finished(),
        Then::More | Then::Pause => available_in == 0 && !state.has_more_output(),
    };
    let progress = if is_done { Progress::Done } else { Progress::Full };
    Ok(Step { taken, made, progress })
}

/// The window is bounded: it is what memory goes by, and clients need not take more than 8 MiB (RFC
/// 8878 section 3.1.1.1.2).
fn zstd_encoder(level: u8) -> Option<Encoder<'static>> {
    let mut encoder = Encoder::new(level.into()).ok()?;
    encoder.set_parameter(CParameter::WindowLog(ZSTD_WINDOW_BITS)).ok()?;
    Some(encoder)
}

fn brotli_encoder(level: u8) -> BrotliEncoderStateStruct<StandardAlloc> {
    let mut state = BrotliEncoderStateStruct::new(StandardAlloc::default());
    state.params.quality = level.into();
    state.params.lgwin = BROTLI_WINDOW_BITS;
    state
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::limits::ZSTD_LEVEL_MAX;

    const ALL: [ContentCoding; 3] =
        [ContentCoding::Gzip, ContentCoding::Zstd, ContentCoding::Brotli];

    /// What a client makes of it; an end that is missing is forgiven.
    fn decoded(coding: ContentCoding, octets: &[u8]) -> Vec<u8> {
        let mut reader: Box<dyn Read + '_> = match coding {
            ContentCoding::Gzip => Box::new(flate2::read::GzDecoder::new(octets)),
            ContentCoding::Zstd => Box::new(zstd::stream::read::Decoder::new(octets).unwrap()),
            ContentCoding::Brotli => Box::new(brotli::Decompressor::new(octets, 4096)),
        };
        let (mut out, mut piece) = (Vec::new(), [0; 1024]);
        while let Ok(count @ 1..) = reader.read(&mut piece) {
            out.extend_from_slice(&piece[..count]);
        }
        out
    }

    /// Gives `input` in one piece, with `room` octets to write to at a time.
    fn put(coder: &mut Compressor, mut input: &[u8], room: usize, then: Then) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let mut out = vec![0; room];
            let step = coder.code(input, &mut out, then).unwrap();
            all.extend_from_slice(&out[..step.made]);
            input = &input[step.taken..];
            if step.progress == Progress::Done {
                assert!(input.is_empty());
                return all;
            }
        }
    }

    fn text(octets: usize) -> Vec<u8> {
        let words =
            (0_u32..).flat_map(|n| format!("{} ", n.wrapping_mul(2_654_435_761)).into_bytes());
        words.take(octets).collect()
    }

    #[test]
    fn bodies_come_out_whole_whatever_the_pieces() {
        let body = text(100_000);
        for coding in ALL {
            let mut coder = Compressor::new(coding, 1).unwrap();
            for (piece, room) in [(100_000, 16_384), (1, 4096), (7_000, 16), (64, 64), (0, 16)] {
                let mut all = Vec::new();
                let body =
                    if piece == 0 { &body[..0] } else { &body[..body.len().min(piece * 900)] };
                for piece in body.chunks(piece.max(1)) {
                    all.extend(put(&mut coder, piece, room, Then::More));
                }
                all.extend(put(&mut coder, &[], room, Then::End));
                assert_eq!(decoded(coding, &all), body, "{coding:?} {piece} {room}");
                assert!(body.len() < 10_000 || all.len() < body.len(), "{coding:?}");
                let renewed = coder.renewed().map_or_else(|| Compressor::new(coding, 1), Ok);
                coder = renewed.unwrap();
            }
        }
    }

    #[test]
    fn nothing_is_held_back_over_a_pause() {
        for coding in ALL {
            let mut coder = Compressor::new(coding, 4).unwrap();
            let mut all = Vec::new();
            for (number, room) in [(1_usize, 4096), (2, 16), (3, 64), (4, 17)] {
                let event = format!("data: {number}\n\n");
                all.extend(put(&mut coder, event.as_bytes(), room, Then::Pause));
                // A second one adds nothing.
                assert!(put(&mut coder, &[], 4096, Then::Pause).len() < 8, "{coding:?}");
                let expected: String = (1..=number).map(|n| format!("data: {n}\n\n")).collect();
                assert_eq!(String::from_utf8(decoded(coding, &all)).unwrap(), expected);
            }
        }
    }

    #[test]
    fn zstd_takes_no_more_memory_than_it_may() {
        let body = text(1_000_000);
        for level in 1..=ZSTD_LEVEL_MAX {
            let mut context = zstd::zstd_safe::CCtx::create();
            context.set_parameter(CParameter::CompressionLevel(level.into())).unwrap();
            context.set_parameter(CParameter::WindowLog(ZSTD_WINDOW_BITS)).unwrap();
            let mut out = vec![0; 2_000_000];
            let mut target = OutBuffer::around(&mut out[..]);
            let mut source = InBuffer::around(&body);
            context.compress_stream(&mut target, &mut source).unwrap();
            context.end_stream(&mut target).unwrap();
            let most = Compressor::bytes(ContentCoding::Zstd, level);
            assert!(context.sizeof() <= most, "{level}: {} > {most}", context.sizeof());
        }
    }
}
