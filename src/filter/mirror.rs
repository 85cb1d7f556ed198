//! A copy of each request of a rule, for another server: what it is. Pure.

use super::text::Text;

/// What a copy is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mirror {
    /// Its path and query, beginning with a slash; `None`: those that the client sent.
    pub target: Option<Text>,
    /// Its Host.
    pub host: Text,
    /// Its body.
    pub body: MirrorBody,
}

/// Whether a copy has the body of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MirrorBody {
    /// It has.
    Copied,
    /// It has none.
    LeftOut,
}
