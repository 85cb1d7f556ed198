//! What a source has to know of objects whose meaning is none of its business. Who starts it hands
//! it an answer.

use std::collections::BTreeSet;

use super::object::Object;
use crate::model::ObjectRef;

/// Says which objects are ours, and what they need.
pub trait Interest: Send {
    /// Takes all objects there are of kinds that choose ([`Role::Chooses`]).
    ///
    /// [`Role::Chooses`]: crate::control::kinds::Role::Chooses
    fn choose(&mut self, choosers: &[(&ObjectRef, &Object)]) -> Choice;

    /// Every object that `object` names and that is to come with it; none if it is not ours.
    fn needs(&self, reference: &ObjectRef, object: &Object) -> BTreeSet<ObjectRef>;

    /// Whether nothing of `object`, which is ours, can be used: its last good version stays in
    /// force, and needs what it needed.
    fn leaves_last_good(&self, reference: &ObjectRef, object: &Object) -> bool;

    /// Whether requests must be kept from where they may go by `old`, so that `new` cannot wait.
    fn is_urgent(&self, old: Option<&Object>, new: Option<&Object>) -> bool;
}

/// What became of the objects that are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// They are the same.
    Same,
    /// Others may be ours now.
    Changed,
}
