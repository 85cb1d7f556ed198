//! How far a difference reaches.

/// How far a difference reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::migrate) enum Reach {
    /// Ordinary requests meet it.
    Ordinary,
    /// Requests or events meet it that are rare, or of somebody who tries what he should not.
    Rare,
}
