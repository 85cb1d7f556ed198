//! Model → table.

use std::sync::Arc;

use super::{BackendInfo, SeriesId, Table};
use crate::model::{BackendKey, Model, ObjectRef};

/// Compiles models and remembers what it compiled: an unchanged `Arc<Host>` costs a pointer copy.
///
/// Owns the ids of backends and series: an id stays with its key as long as any model since the last
/// one names it.
#[derive(Debug, Default)]
pub struct Compiler {}

/// Result of one compilation.
#[derive(Debug)]
pub struct Compiled {
    /// Ready to publish.
    pub table: Arc<Table>,
    /// Backends that the previous table did not name: their endpoints must be published before it.
    pub added: Vec<BackendInfo>,
    /// Backends that this table no longer names: to be removed once every core acknowledged it.
    pub removed: Vec<BackendInfo>,
    /// Series that the previous table did not name, with their labels.
    pub series_added: Vec<(SeriesId, SeriesLabels)>,
    /// Series that this table no longer names.
    pub series_removed: Vec<SeriesId>,
}

/// What a series counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesLabels {
    /// The object whose rule was hit.
    pub object: ObjectRef,
    /// The destination; `None`: answered without one.
    pub backend: Option<BackendKey>,
}

impl Compiler {
    /// Compiles `model`.
    pub fn compile(&mut self, _model: &Model) -> Compiled {
        unimplemented!()
    }
}
