//! Statuses as labels, and places for what is counted by a key, without memory that grows.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

/// A status as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StatusLabel {
    /// `200`; `000`: the connection broke before any status.
    Code(u16),
    /// `2xx`: codes beyond the [`crate::limits::STATUS_CODES_MAX`] that a block tells apart.
    Class(u8),
    /// `xxx`: any.
    Unknown,
}

impl std::fmt::Display for StatusLabel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "{code:03}"),
            Self::Class(class) => write!(f, "{class}xx"),
            Self::Unknown => f.write_str("xxx"),
        }
    }
}

impl StatusLabel {
    /// The class of it.
    #[must_use]
    pub fn class(self) -> Self {
        match self {
            Self::Code(code) => Self::Class(class_of(code)),
            Self::Class(_) | Self::Unknown => self,
        }
    }
}

/// Hundreds of a status, 0 to 9.
pub(super) const CLASSES: usize = 10;

/// Where `key` is or may be put, looked for from `start` on; `None`: all places are taken.
pub(super) fn place_of(keys: &[AtomicU32], start: usize, key: u32) -> Option<usize> {
    let places = (0..keys.len()).map(|step| (start + step) % keys.len());
    places.into_iter().find(|place| {
        let occupant = keys.get(*place).map(|slot| slot.load(Relaxed));
        occupant == Some(0) || occupant == Some(key)
    })
}

pub(super) fn class_of(status: u16) -> u8 {
    u8::try_from(status / 100).unwrap_or(u8::MAX).min(9)
}
