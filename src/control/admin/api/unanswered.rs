//! Why a view is not told.

use crate::publish::Unexplained;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::control::admin) enum Unanswered {
    /// Who asks is at fault.
    #[error("the parameter {0:?} is not known here, or its value is none")]
    Parameter(String),
    /// The same.
    #[error("the parameter {0:?} is missing")]
    Missing(&'static str),
    /// No such backend is served.
    #[error("no such backend is served")]
    NoBackend,
    /// A core does not answer.
    #[error(transparent)]
    Core(#[from] Unexplained),
}
