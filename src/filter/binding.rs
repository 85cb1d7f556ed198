//! What binds requests to endpoints, ahead of any balance.

use std::num::NonZeroU8;

use super::session::{SessionCookie, SessionHeader};
use super::text::Text;

/// What decides which endpoint a request gets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Binding {
    /// A client keeps the endpoint that it had.
    Session(SessionCookie),
    /// The same, which a field says.
    Header(SessionHeader),
    /// Requests go where others went that have the same text.
    Hash(HashBy),
}

impl Binding {
    /// Whether clients keep their endpoints.
    #[must_use]
    pub const fn is_session(&self) -> bool {
        matches!(self, Self::Session(_) | Self::Header(_))
    }
}

/// A text that chooses by a consistent hash.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HashBy {
    /// What is hashed.
    pub text: Text,
    /// So many endpoints share its requests, at most [`crate::limits::HASH_GROUP_MAX`].
    pub group: NonZeroU8,
}
