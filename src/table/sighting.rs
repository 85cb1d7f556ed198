//! A rule as a request comes to it, taken or passed over.

use super::rule::TableRule;
use crate::model::HostPattern;

/// A rule as a request comes to it.
#[derive(Debug, Clone)]
pub struct Sighting<'t> {
    /// Of this host.
    pub host: &'t HostPattern,
    /// The path that the rule is for here.
    pub path: String,
    /// How it matches.
    pub kind: PathKind,
    /// The rule.
    pub rule: &'t TableRule,
    /// What came of it.
    pub verdict: Verdict,
}

/// How a path matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// It is the request's.
    Exact,
    /// By elements, from the start.
    Prefix,
    /// By an expression.
    Regex,
    /// As a location of nginx.
    Location,
    /// Nobody said.
    Unknown,
}

impl PathKind {
    /// A word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Prefix => "prefix",
            Self::Regex => "regex",
            Self::Location => "location",
            Self::Unknown => "",
        }
    }
}

/// What came of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The request is its.
    Taken,
    /// Its path matches, and something else does not.
    Unmet(String),
    /// It matches, behind the one that was taken.
    Behind,
    /// Its path does not match.
    OtherPath,
}
