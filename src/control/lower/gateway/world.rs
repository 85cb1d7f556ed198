//! What routes are lowered with.

use super::backend_tls::Policies;
use super::grants::Grants;
use crate::control::store::Store;

/// Everything that a file of a kind of route reads besides its object.
pub(super) struct World<'a> {
    pub store: &'a Store,
    pub grants: &'a Grants,
    pub policies: &'a Policies,
}
