//! Which listener it is, and where its clients come in.

use std::fmt;
use std::net::SocketAddr;

use crate::filter::Scheme;

/// A place in [`Model::listeners`] and in the table, and which occupant of it.
///
/// A listener keeps its id as long as it is there. Places are used again, ids are not: an open
/// connection never gets from one listener to another because theirs is gone.
///
/// [`Model::listeners`]: super::Model::listeners
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId {
    /// Index.
    pub slot: u16,
    /// Which occupant of the slot, from 0.
    pub generation: u32,
}

impl ListenerId {
    /// The listener of the entry points of `--http-bind` and `--https-bind`. It is always
    /// there.
    pub const HTTP: Self = Self { slot: 0, generation: 0 };

    /// Of entry points of stream services: no listener, because nobody asks there for a host.
    pub const NONE: Self = Self { slot: u16::MAX, generation: 0 };
}

/// An address that clients come to, and what they speak there: one listening socket per core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryPoint {
    /// Of one family; the port is a real one.
    pub address: SocketAddr,
    /// What clients speak.
    pub scheme: Scheme,
}

impl EntryPoint {
    /// Clear text at a port of loopback.
    #[cfg(test)]
    #[must_use]
    pub fn clear_text(port: u16) -> Self {
        Self { address: ([127, 0, 0, 1], port).into(), scheme: Scheme::Http }
    }
}

impl fmt::Display for EntryPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.address)
    }
}
