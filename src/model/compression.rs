//! How bodies of responses are compressed, and for whom not.

use super::matches::Pattern;
use crate::filter::Compression;

/// How bodies of responses are compressed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct CompressionPolicy {
    /// Which, and how.
    pub codings: Compression,
    /// User-Agents that get nothing by gzip, whatever they say.
    pub gzip_refused: Option<Pattern>,
}
