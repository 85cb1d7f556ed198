//! Field compression of HTTP/2, sans-IO: field blocks to fields and back. It never judges what a
//! field means.
//!
//! ```text
//!  fragments ─▶ Decoder ─┬─▶ FieldList: one buffer of octets, spans of names and values
//!                        └─▶ DynamicTable, right also for lists that are given up
//!  fields ─▶ Encoder ─▶ block
//! ```
//!
//! Source: RFC 7541.

mod decoder;
mod dynamic;
mod encoder;
mod fields;
pub mod huffman;
mod integer;
mod statics;

#[cfg(test)]
mod tests;

pub use decoder::Decoder;
pub use encoder::{Encoder, put_field, put_status};
pub use fields::{FieldList, Overrun};

/// Why a field block cannot be read. The table is not what the sender thinks any more, so that the
/// connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HpackError {
    /// Section 2.3.3: no entry has this index.
    #[error("an index names no entry")]
    Index,
    /// Section 5.1: above 2^32 - 1, or written in more octets than that takes.
    #[error("an integer is too large or too long")]
    Integer,
    /// Section 5.2: padding of more than 7 bits or not of ones, or EOS.
    #[error("a Huffman code is malformed")]
    Huffman,
    /// Sections 4.2 and 6.3: above the limit, behind a field, or a third one.
    #[error("a size update is not allowed here or is above the limit")]
    SizeUpdate,
    /// The block ends within a field.
    #[error("the block ends within a field")]
    Truncated,
    /// More octets than any list that we accept could need.
    #[error("the block is too long")]
    TooLong,
}
