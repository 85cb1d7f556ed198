//! Why the control plane cannot start or go on.

use std::io;

use super::acks::AckError;

/// Why the control plane cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The directory of manifests cannot be read at start.
    #[error("the directory {directory} cannot be read")]
    Directory {
        /// As the user named it.
        directory: String,
        /// What the system said.
        source: io::Error,
    },
    /// The thread that watches the API server is gone, which is a defect of ours.
    #[error("the thread that watches the API server has ended")]
    ClusterThread,
    /// A core is gone or cannot be heard.
    #[error(transparent)]
    Core(#[from] AckError),
    /// No descriptor left for the cores' doorbells.
    #[error("the doorbells of the cores cannot be watched")]
    Doorbells(#[source] io::Error),
}
