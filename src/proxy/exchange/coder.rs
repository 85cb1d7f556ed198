//! What is done to the octets of a body between decoding and framing.

use crate::http1::reframe::Recoding;
use crate::proxy::rt::buffer::Buffer;

/// A coder of one body.
#[derive(Debug)]
pub enum Coder {
    /// Leaves every octet where it is.
    Identity,
}

impl Coder {
    /// What becomes of the body's length.
    #[must_use]
    pub const fn recoding(&self) -> Recoding {
        match self {
            Self::Identity => Recoding::Untouched,
        }
    }

    /// Codes a piece.
    #[must_use]
    pub fn code(&mut self, piece: Buffer) -> Buffer {
        match self {
            Self::Identity => piece,
        }
    }
}
