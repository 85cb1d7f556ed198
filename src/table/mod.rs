//! The compiled form of the model: immutable, index-addressed, shared by all cores.
//!
//! `compile` builds it, `lookup` reads it without allocating, `naive` is the slow obvious matcher
//! that both are tested against. Endpoints are not in it; rules name backends by [`BackendId`].

pub mod compile;
pub mod id;
pub mod naive;

use std::sync::Arc;

pub use compile::{Compiled, Compiler};
pub use id::{BackendId, SeriesId, TableVersion};

use crate::filter::Filter;
use crate::model::{ListenerId, Origin, Policies};

/// Everything a core routes by. Never changes once published.
#[derive(Debug, Default)]
pub struct Table {
    /// Counts up with each published table.
    pub version: TableVersion,
}

/// What a lookup looks at. All slices are as received, except where noted.
pub struct RequestKey<'a> {
    /// Lower case, without port and trailing dot; empty: the request has none.
    pub host: &'a [u8],
    /// Normalised, begins with `/` (or is `*`), without query.
    pub path: &'a [u8],
    /// Without `?`.
    pub query: Option<&'a [u8]>,
    /// As sent.
    pub method: &'a [u8],
    /// Asked only by rules with conditions on fields.
    pub fields: &'a dyn FieldLookup,
}

/// Finds the first field line of a name.
pub trait FieldLookup {
    /// `name` is lower case.
    fn field(&self, name: &[u8]) -> Option<&[u8]>;
}

/// A request without fields, for tests and offline tools.
pub struct NoFields;

impl FieldLookup for NoFields {
    fn field(&self, _name: &[u8]) -> Option<&[u8]> {
        None
    }
}

/// The rule that a request hits.
#[derive(Debug, Clone, Copy)]
pub struct Match<'t> {
    /// The rule.
    pub rule: &'t TableRule,
    /// Bytes of the request path that the rule's prefix covers; the whole path for exact matches and
    /// patterns; for [`crate::filter::PathEdit::Prefix`].
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
    /// The destination for a random number below `weight_total`; `None`: the rule has none.
    #[must_use]
    pub fn backend(&self, n: u32) -> Option<&TableBackend> {
        self.backends.iter().find(|entry| n < entry.weight_end)
    }
}

impl Table {
    /// Finds the rule for a request: listener → host → path → method, fields, query.
    ///
    /// Shape: does not allocate; cost is flat in the number of hosts and routes.
    /// `None`: nothing matches and the listener has no default rule (404).
    #[must_use]
    pub fn lookup<'t>(&'t self, _listener: ListenerId, _key: &RequestKey<'_>) -> Option<Match<'t>> {
        None
    }
}

/// What a backend id stands for; kept by the control plane and sent along with endpoints.
#[derive(Debug, Clone)]
pub struct BackendInfo {
    /// Id in tables.
    pub id: BackendId,
    /// The Service port.
    pub key: Arc<crate::model::BackendKey>,
}
