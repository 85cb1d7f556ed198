//! Why a field block ends its connection, by section of RFC 7541.

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
