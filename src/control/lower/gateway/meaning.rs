//! What a route comes to by itself, whichever listeners take it.
//!
//! Each kind of route has a file that makes this of one object; who is attached where, which hosts
//! that means and what the owner is told is decided for all kinds together.

use std::sync::Arc;

use super::gateway_tls::Identity;
use super::grants::Referrer;
use super::references::References;
use super::world::World;
use crate::control::source::object::Provenance;
use crate::model::{ObjectRef, Origin, Problem, Rule, WeightedBackend};

/// An object that is lowered.
#[derive(Clone, Copy)]
pub(super) struct Lowering<'a> {
    pub world: &'a World<'a>,
    /// The route.
    pub reference: &'a ObjectRef,
    pub provenance: Option<&'a Provenance>,
    /// What backends are shown on the way.
    pub identity: &'a Identity,
}

impl Lowering<'_> {
    /// Who names what the route names.
    pub(super) fn referrer(&self) -> Referrer<'_> {
        Referrer { kind: self.reference.kind, namespace: &self.reference.namespace }
    }

    /// Where a rule comes from, by its index and that of the match.
    pub(super) fn origin(&self, rule: usize) -> Origin {
        let position = self.provenance.map(|p| p.position(&format!("spec.rules[{rule}]")));
        let rule = u32::try_from(rule).ok();
        Origin { object: self.reference.clone(), rule, path: None, position }
    }
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Meaning {
    pub traffic: Traffic,
    /// Where connections are relayed to that were decrypted, by shares: others than those of
    /// [`Self::traffic`] where policies say how they are spoken to.
    pub decrypted: Vec<WeightedBackend>,
    /// Why no listener may take it; `None`: nothing is wrong with it.
    pub refused: Option<Refused>,
    /// Its other rules hold. A sentence that begins with "Dropped Rule" or "Fall Back".
    pub partial: Option<String>,
    pub references: References,
    /// What is told besides conditions.
    pub problems: Vec<Arc<Problem>>,
}

/// What a route does.
#[derive(Debug, Clone)]
pub(super) enum Traffic {
    /// Rules of HTTPRoutes and GRPCRoutes, in order; the same for each host of the route.
    Rules(Vec<Arc<Rule>>),
    /// Where connections or datagrams are relayed to, by shares.
    Streams(Vec<WeightedBackend>),
}

impl Default for Traffic {
    fn default() -> Self {
        Self::Rules(Vec::new())
    }
}

/// Why a route as a whole has no effect: condition Accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// `UnsupportedValue` or `IncompatibleFilters`.
    pub reason: &'static str,
    /// Such as `spec.rules[0].filters[1]`.
    pub field: String,
    /// What is wrong, and what to write.
    pub message: String,
}

/// What stands in a match, and the first thing of it that cannot be read. That is left out, so
/// that whatever it might have meant is taken by what is left.
pub(super) type Read<T> = (T, Option<Refused>);
