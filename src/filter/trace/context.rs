//! What identifies a part of a trace, and how that is written.
//!
//! Source: W3C Trace Context, section 3.2; the B3 propagation of Zipkin.

use std::num::{NonZeroU64, NonZeroU128};

/// A trace; never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(NonZeroU128);

/// A part of one; never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanId(NonZeroU64);

/// Whether a trace is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// It is.
    Recorded,
    /// It is not.
    Dropped,
}

/// What is said of a trace besides: the bits that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u8);

/// A part of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanContext {
    /// The trace.
    pub trace: TraceId,
    /// The part.
    pub span: SpanId,
    /// See there.
    pub flags: Flags,
}

impl TraceId {
    /// `None`: zero, which is none.
    #[must_use]
    pub fn new(id: u128) -> Option<Self> {
        NonZeroU128::new(id).map(Self)
    }

    /// One of 128 random bits.
    #[must_use]
    pub fn of_random(high: u64, low: u64) -> Self {
        let id = u128::from(high) << 64 | u128::from(low);
        Self(NonZeroU128::new(id).unwrap_or(NonZeroU128::MIN))
    }

    /// Big endian.
    #[must_use]
    pub fn octets(self) -> [u8; 16] {
        self.0.get().to_be_bytes()
    }

    /// Its last 56 bits, the random ones (W3C Trace Context level 2, section 3.2.2.3).
    #[must_use]
    pub fn randomness(self) -> u64 {
        let [.., a, b, c, d, e, f, g] = self.octets();
        u64::from_be_bytes([0, a, b, c, d, e, f, g])
    }
}

impl SpanId {
    /// `None`: zero, which is none.
    #[must_use]
    pub fn new(id: u64) -> Option<Self> {
        NonZeroU64::new(id).map(Self)
    }

    /// One of 64 random bits.
    #[must_use]
    pub fn of_random(bits: u64) -> Self {
        Self(NonZeroU64::new(bits).unwrap_or(NonZeroU64::MIN))
    }

    /// Big endian.
    #[must_use]
    pub fn octets(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }
}

impl Flags {
    const SAMPLED: u8 = 1;
    /// The end of the trace's id is random (W3C Trace Context level 2).
    const RANDOM: u8 = 2;

    /// Those of `bits` that are known.
    #[must_use]
    pub fn known(bits: u8) -> Self {
        Self(bits & (Self::SAMPLED | Self::RANDOM))
    }

    /// Whether the trace is recorded.
    #[must_use]
    pub fn sampling(self) -> Sampling {
        if self.0 & Self::SAMPLED == 0 { Sampling::Dropped } else { Sampling::Recorded }
    }

    /// The same flags of a trace that is recorded, or not.
    #[must_use]
    pub fn with_sampling(self, sampling: Sampling) -> Self {
        match sampling {
            Sampling::Recorded => Self(self.0 | Self::SAMPLED),
            Sampling::Dropped => Self(self.0 & !Self::SAMPLED),
        }
    }

    /// As they are sent.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }
}

impl Sampling {
    /// As B3 says it.
    #[must_use]
    pub fn digit(self) -> u8 {
        match self {
            Self::Recorded => b'1',
            Self::Dropped => b'0',
        }
    }
}

impl SpanContext {
    /// Appends the value of `traceparent`.
    pub fn put_parent(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"00-");
        self.put_ids(out);
        out.push(b'-');
        put_hex(out, &[self.flags.bits()]);
    }

    /// Appends the value of `b3`.
    pub fn put_b3(&self, out: &mut Vec<u8>) {
        self.put_ids(out);
        out.extend_from_slice(&[b'-', self.flags.sampling().digit()]);
    }

    fn put_ids(&self, out: &mut Vec<u8>) {
        put_hex(out, &self.trace.octets());
        out.push(b'-');
        put_hex(out, &self.span.octets());
    }
}

/// Appends `octets` as hexadecimal digits in lower case.
pub fn put_hex(out: &mut Vec<u8>, octets: &[u8]) {
    let at = out.len();
    out.resize(at + 2 * octets.len(), 0);
    let (places, _) = out.get_mut(at..).unwrap_or_default().as_chunks_mut();
    for (place, octet) in places.iter_mut().zip(octets) {
        *place = HEX[usize::from(*octet)];
    }
}

/// Both digits of each octet.
const HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut octet = 0;
    while octet < pairs.len() {
        pairs[octet] = [digits[octet >> 4], digits[octet & 15]];
        octet += 1;
    }
    pairs
};
