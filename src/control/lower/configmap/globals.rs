//! What holds for all objects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::control::lower::options::LowerOptions;
use crate::control::lower::settings::Settings;
use crate::model::{Defaults, Downstream, RetryCause};

/// What holds for all objects: what flags say, and over it what the ConfigMap says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Globals {
    /// Where a rule says nothing.
    pub defaults: Defaults,
    /// How clients are treated before it is known what they ask for.
    pub downstream: Downstream,
    /// Values of annotations, by their names, where an Ingress says nothing or nothing usable.
    pub(in crate::control::lower) annotations: BTreeMap<&'static str, Box<str>>,
    /// What an Ingress without annotations asks for.
    pub(in crate::control::lower) nothing: Arc<Settings>,
    /// Fields that `custom-headers` may set, in lower case.
    pub allowed_answer_fields: BTreeSet<Box<str>>,
    /// Where the objects may be that an Ingress names.
    pub naming: NamingScope,
    /// After which failures requests are repeated besides those that an Ingress names.
    pub extra_retry_cause: Option<RetryCause>,
    /// What keeps clients out of all rules could never be understood.
    pub is_closed: bool,
}

impl Globals {
    /// Those of flags alone.
    #[must_use]
    pub fn of_flags(options: &LowerOptions) -> Self {
        let LowerOptions { defaults, downstream, .. } = options;
        let (defaults, downstream) = (defaults.clone(), downstream.clone());
        Self { defaults, downstream, ..Self::default() }
    }

    /// Whether objects come to the same by both. The rest is for the model as a whole.
    pub(in crate::control::lower) fn is_same_for_objects(&self, other: &Self) -> bool {
        let Self {
            defaults: _,
            downstream: _,
            annotations,
            nothing,
            allowed_answer_fields,
            naming,
            extra_retry_cause,
            is_closed,
        } = self;
        *annotations == other.annotations
            && *nothing == other.nothing
            && *allowed_answer_fields == other.allowed_answer_fields
            && *naming == other.naming
            && *extra_retry_cause == other.extra_retry_cause
            && *is_closed == other.is_closed
    }
}

/// Where the objects may be that an object names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NamingScope {
    /// In its own namespace.
    #[default]
    Own,
    /// In any.
    Any,
}
