//! Where objects come from. Two sources of equal rank, the same [`Change`]s out: a directory and
//! the API server.
//!
//! A source checks what the API server would check (shape, names); what objects mean is not its
//! business.

pub mod directory;
pub mod inotify;
pub mod interest;
pub mod kubernetes;
pub mod links;
pub mod manifest;
pub mod object;
pub mod placeholder;
pub mod reach;
pub mod report;
pub mod set;
pub mod tree;
mod trim;
pub mod watch;
pub mod yaml;

pub use object::{Change, Changes, Object, Provenance, SourceObject};
