//! Where a rule or a problem comes from.

use std::fmt;
use std::sync::Arc;

use super::kind::Kind;

/// One object of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRef {
    /// `kind`.
    pub kind: Kind,
    /// Empty for kinds without a namespace.
    pub namespace: Arc<str>,
    /// `metadata.name`.
    pub name: Arc<str>,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// A place in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourcePosition {
    /// As the user named it.
    pub file: Arc<str>,
    /// From 1.
    pub line: u32,
}

impl fmt::Display for SourcePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Where a rule comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The object that holds it.
    pub object: ObjectRef,
    /// Index in the object's rules; `None` for `spec.defaultBackend`.
    pub rule: Option<u32>,
    /// Index in the rule's paths.
    pub path: Option<u32>,
    /// Directory source only.
    pub position: Option<SourcePosition>,
}

impl Origin {
    /// The field of the object that the rule is; empty: it comes from the object as a whole.
    #[must_use]
    pub fn field(&self) -> String {
        match (self.rule, self.path, self.object.kind) {
            (Some(rule), Some(path), _) => format!("spec.rules[{rule}].http.paths[{path}]"),
            (Some(rule), None, _) => format!("spec.rules[{rule}]"),
            (None, _, Kind::Ingress) => "spec.defaultBackend".to_owned(),
            (None, ..) => String::new(),
        }
    }
}
