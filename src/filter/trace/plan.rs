//! What a rule says of traces.

use crate::filter::text::Text;

/// How the requests of a rule are traced.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TracePlan {
    /// What clients say of their traces.
    pub incoming: IncomingSpans,
    /// Name of the span; `None`: the path of the rule.
    pub name: Option<Text>,
}

/// What becomes of traces that clients have begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IncomingSpans {
    /// They go on here.
    Continued,
    /// Each request begins a new one.
    Ignored,
}
