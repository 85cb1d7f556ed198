//! Backends that get some of the requests of a rule in place of its own.

use std::sync::Arc;

use super::backend::BackendKey;
use super::matches::Pattern;
use super::policy::Policies;
use super::share::Share;

/// A backend beside that of a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Canary {
    /// The destination.
    pub backend: BackendKey,
    /// For requests that came over TLS; `None`: the same.
    pub over_tls: Option<BackendKey>,
    /// Which requests it gets.
    pub criteria: Arc<CanaryCriteria>,
    /// See [`super::WeightedBackend::tag`].
    pub tag: Option<Arc<str>>,
    /// Those of the rule, but for the choice of an endpoint.
    pub policies: Policies,
}

/// Which requests a canary gets: the first criterion that says yes or no decides, in this order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CanaryCriteria {
    /// A field of the request.
    pub field: Option<FieldCriterion>,
    /// Name of a cookie: `always` is yes, `never` is no.
    pub cookie: Option<Arc<str>>,
    /// Of what is left.
    pub share: Share,
}

/// What a field of the request says.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldCriterion {
    /// Name of the field, lower case.
    pub name: Arc<str>,
    /// By its value.
    pub meaning: FieldMeaning,
}

/// What the values of a field mean.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldMeaning {
    /// `always` is yes, `never` is no.
    Words,
    /// This one is yes.
    Value(Arc<str>),
    /// Those that it matches are yes.
    Pattern(Pattern),
    /// Whatever it is, it is no: nobody knows what the owner meant.
    Unknown,
}
