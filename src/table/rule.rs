//! A rule in compiled form, and how a request hit it.

use std::sync::Arc;

use super::canary::Canaries;
use super::id::{BackendId, SeriesId};
use super::plan::Plan;
use crate::filter::Redirect;
use crate::model::{Origin, PathPattern, Scheme};

/// The rule that a request hits.
#[derive(Debug, Clone, Copy)]
pub struct Match<'t> {
    /// The rule.
    pub rule: &'t TableRule,
    /// Bytes of the request path that the rule's prefix covers; the whole path for exact matches
    /// and patterns; for [`crate::filter::PathEdit::Prefix`].
    pub matched_bytes: usize,
    /// The pattern that matched; `None`: a literal path did.
    pub pattern: Option<&'t PathPattern>,
    /// False when a rule answered for what no rule has: the listener's default rule, or one that
    /// stands for the paths of a host that nobody claims.
    pub is_routed: bool,
}

/// A rule in compiled form.
#[derive(Debug)]
pub struct TableRule {
    /// Where it comes from.
    pub origin: Origin,
    /// The path that it is for, as its author wrote it; of several the first.
    pub path: Option<Arc<str>>,
    /// What is done with its requests.
    pub plan: Arc<Plan>,
    /// With cumulative weights; entries of weight 0 are left out.
    pub backends: Box<[TableBackend]>,
    /// Who gets some of their requests instead; `None`: nobody.
    pub canaries: Option<Box<Canaries<TableBackend>>>,
    /// Sum of the weights; 0: every request gets 500 unless a filter answers.
    pub weight_total: u32,
    /// Counts requests that reach no backend (redirects, 500).
    pub series: SeriesId,
    /// Who else may answer them.
    pub substitutes: Option<Box<Substitutes>>,
    /// Who is asked by [`crate::filter::Gate::ExternalAuth`].
    pub auth_server: Option<BackendId>,
    /// It stands for paths that nobody claims: what gets through its gates is answered as if no
    /// rule had matched.
    pub is_unclaimed: bool,
    /// Who gets copies of its requests, see [`super::plan::RequestPlan::mirrors`].
    pub mirrors: Box<[Option<BackendId>]>,
}

/// Backends that answer in the place of a rule's own, or of ours.
#[derive(Debug)]
pub struct Substitutes {
    /// For answers that are not to be given.
    pub pages: Option<PageSource>,
    /// For a backend without endpoints.
    pub stand_in: Option<BackendId>,
}

/// Who gives an answer in the place of another one.
#[derive(Debug)]
pub struct PageSource {
    /// The backend.
    pub backend: BackendId,
    /// How it is asked, see [`Plan::for_pages`].
    pub plan: Arc<Plan>,
    /// Statuses of answers that are replaced; ascending.
    pub statuses: Box<[u16]>,
    /// What it is to the rule.
    pub standing: Standing,
}

/// What another backend is to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its gates are not there for it.
    Outside,
    /// It is the Service that the rule leads to: who is kept out gets nothing of it either.
    Behind,
}

/// A weighted destination in compiled form.
#[derive(Debug)]
pub struct TableBackend {
    /// `None`: an invalid reference, answered with 500.
    pub backend: Option<BackendId>,
    /// For requests that came over TLS; `None`: the same.
    pub over_tls: Option<BackendId>,
    /// Among those of a rule: this entry is chosen by `n` with `previous end <= n < weight_end`, `0
    /// <= n < weight_total`.
    pub weight_end: u32,
    /// The rule's plan with the edits of this destination behind its own; `None`: it has none.
    pub plan: Option<Arc<Plan>>,
    /// Where its requests are sent that go to no backend.
    pub redirect: Option<Arc<Redirect>>,
    /// What sessions call it; see [`crate::model::WeightedBackend::tag`].
    pub tag: Option<Arc<str>>,
    /// Counts its requests.
    pub series: SeriesId,
}

/// A request on its way to a backend.
#[derive(Debug, Clone, Copy)]
pub struct Route<'t> {
    /// What is done with it.
    pub plan: &'t Plan,
    /// Where its rule comes from.
    pub origin: &'t Origin,
    /// As [`Match::matched_bytes`].
    pub matched_bytes: usize,
    /// As [`TableBackend::tag`]; empty: it has none.
    pub tag: &'t str,
    /// As [`Match::pattern`].
    pub pattern: Option<&'t PathPattern>,
}

impl<'t> Match<'t> {
    /// The way to `entry`, which is one of the rule's.
    #[must_use]
    pub fn route(&self, entry: &'t TableBackend) -> Route<'t> {
        let plan = entry.plan.as_ref().unwrap_or(&self.rule.plan);
        let tag = entry.tag.as_deref().unwrap_or_default();
        let (matched_bytes, pattern) = (self.matched_bytes, self.pattern);
        Route { plan, matched_bytes, tag, pattern, origin: &self.rule.origin }
    }

    /// A hit of a literal path, of which a prefix covers so many bytes.
    pub(super) fn literal(rule: &'t TableRule, matched_bytes: usize) -> Self {
        Self { rule, matched_bytes, pattern: None, is_routed: !rule.is_unclaimed }
    }
}

impl TableBackend {
    /// The backend of requests that came so.
    #[must_use]
    pub fn backend_of(&self, scheme: Scheme) -> Option<BackendId> {
        self.over_tls.filter(|_| scheme == Scheme::Https).or(self.backend)
    }
}

impl TableRule {
    /// Whether not every client may have what is behind the rule: a spelling of the path must not
    /// lead past it.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        self.plan.gates.is_guarded()
    }

    /// The destination for a random number below `weight_total`; `None`: the rule has none.
    #[must_use]
    pub fn backend(&self, n: u32) -> Option<&TableBackend> {
        self.backends.iter().find(|entry| n < entry.weight_end)
    }
}
