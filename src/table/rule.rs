//! A rule in compiled form, and how a request hit it.

use super::id::{BackendId, SeriesId};
use crate::filter::Filter;
use crate::model::{Origin, Policies};

/// The rule that a request hits.
#[derive(Debug, Clone, Copy)]
pub struct Match<'t> {
    /// The rule.
    pub rule: &'t TableRule,
    /// Bytes of the request path that the rule's prefix covers; the whole path for exact matches
    /// and patterns; for [`crate::filter::PathEdit::Prefix`].
    pub matched_bytes: usize,
    /// False when the listener's default rule answered because nothing matched.
    pub is_routed: bool,
}

/// A rule in compiled form.
#[derive(Debug)]
pub struct TableRule {
    /// Where it comes from.
    pub origin: Origin,
    /// In order of execution.
    pub filters: Box<[Filter]>,
    /// With cumulative weights; entries of weight 0 are left out.
    pub backends: Box<[TableBackend]>,
    /// Sum of the weights; 0: every request gets 500 unless a filter answers.
    pub weight_total: u32,
    /// Treatment.
    pub policies: Policies,
    /// Counts requests that reach no backend (redirects, 500).
    pub series: SeriesId,
}

/// A weighted destination in compiled form.
#[derive(Debug)]
pub struct TableBackend {
    /// `None`: an invalid reference, answered with 500.
    pub backend: Option<BackendId>,
    /// This entry is chosen by `n` with `previous end <= n < weight_end`, `0 <= n < weight_total`.
    pub weight_end: u32,
    /// Counts its requests.
    pub series: SeriesId,
}

impl TableRule {
    /// Whether not every client may have what is behind the rule. Every guard that a rule can have
    /// must be named here: a spelling of the path must not lead past it.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        self.policies.refusal.is_some()
    }

    /// The destination for a random number below `weight_total`; `None`: the rule has none.
    #[must_use]
    pub fn backend(&self, n: u32) -> Option<&TableBackend> {
        self.backends.iter().find(|entry| n < entry.weight_end)
    }
}
