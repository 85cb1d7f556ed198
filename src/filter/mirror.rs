//! A copy of each request of a rule, for another server: what it is. Pure.

use super::text::Text;

/// What a copy is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mirror {
    /// Its path and query.
    pub target: MirrorTarget,
    /// Its Host; `None`: that of the request on its way to the backend.
    pub host: Option<Text>,
    /// Its body.
    pub body: MirrorBody,
}

/// Path and query of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MirrorTarget {
    /// Those that the client sent.
    Sent,
    /// Those that the backend gets.
    Forwarded,
    /// These, beginning with a slash.
    Text(Text),
}

impl Mirror {
    /// The request as its backend gets it.
    pub const FORWARDED: Self =
        Self { target: MirrorTarget::Forwarded, host: None, body: MirrorBody::Copied };
}

/// Whether a copy has the body of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MirrorBody {
    /// It has.
    Copied,
    /// It has none.
    LeftOut,
}
