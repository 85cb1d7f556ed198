//! What holds for all objects.

use std::collections::BTreeSet;

use crate::model::Defaults;

/// What holds for all objects: what flags say, and over it what the ConfigMap says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Globals {
    /// Where a rule says nothing.
    pub defaults: Defaults,
    /// Fields that `custom-headers` may set, in lower case.
    pub allowed_answer_fields: BTreeSet<Box<str>>,
    /// Where the objects may be that an Ingress names.
    pub naming: NamingScope,
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
