//! Where objects come from. Two sources of equal rank, the same [`Change`]s out: a directory and
//! the API server.
//!
//! A source checks what the API server would check (shape, names); what objects mean is not its
//! business.

pub mod directory;
pub mod inotify;
pub mod kubernetes;
pub mod links;
pub mod manifest;
pub mod placeholder;
pub mod report;
pub mod set;
pub mod tree;
pub mod watch;
pub mod yaml;

use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};

use crate::model::{ObjectRef, Problem, SourcePosition};
use yaml::Positions;

/// One object of a kind that we know.
#[derive(Clone, PartialEq)]
pub enum Object {
    /// `networking.k8s.io/v1`.
    Ingress(Arc<Ingress>),
    /// `networking.k8s.io/v1`.
    IngressClass(Arc<IngressClass>),
    /// `v1`.
    Service(Arc<Service>),
    /// `discovery.k8s.io/v1`.
    EndpointSlice(Arc<EndpointSlice>),
    /// `v1`.
    Secret(Arc<Secret>),
    /// `v1`.
    ConfigMap(Arc<ConfigMap>),
}

/// Of a Secret its name alone.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ingress(object) => object.fmt(f),
            Self::IngressClass(object) => object.fmt(f),
            Self::Service(object) => object.fmt(f),
            Self::EndpointSlice(object) => object.fmt(f),
            Self::Secret(object) => f.debug_tuple("Secret").field(&object.metadata.name).finish(),
            Self::ConfigMap(object) => object.fmt(f),
        }
    }
}

/// Where an object stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// As the user named it.
    pub file: Arc<str>,
    /// Lines of its fields.
    pub positions: Arc<Positions>,
}

impl Provenance {
    /// The place of a field; empty: of the object.
    #[must_use]
    pub fn position(&self, field: &str) -> SourcePosition {
        SourcePosition { file: Arc::clone(&self.file), line: self.positions.line_of(field) }
    }
}

/// An object with its identity. Name and namespace are checked; kinds without a namespace have an
/// empty one.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceObject {
    /// Kind, namespace, name.
    pub reference: ObjectRef,
    /// Content.
    pub object: Object,
    /// Directory source only.
    pub provenance: Option<Provenance>,
}

/// One step of a source.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// New or changed.
    Apply(Box<SourceObject>),
    /// Gone.
    Delete(ObjectRef),
    /// There, and no form of it can be used; the source has told why.
    Broken(ObjectRef),
}

/// What a source found since it was last asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// In order.
    pub changes: Vec<Change>,
    /// All present problems of the source itself; `None`: the same as before.
    pub problems: Option<Vec<Arc<Problem>>>,
}

impl Changes {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.problems.is_none()
    }
}
