//! What is known of a key of the controller's ConfigMap before anything is read: one row each.

use super::globals::Globals;
use crate::control::lower::ingress::annotations::row::State;

/// One key.
pub(super) struct Key {
    pub name: &'static str,
    /// What holds without it, for the documentation; empty: nothing.
    pub default: &'static str,
    /// What we do with it.
    pub state: State,
    pub effect: Effect,
    /// What is told of values that are read.
    pub doubts: Option<Doubts>,
    /// Whether it keeps clients out, or lets authors do more.
    pub guards: Guards,
    /// An empty value is one; else it is none.
    pub may_be_empty: bool,
    /// What it means, in a sentence, for the documentation.
    pub doc: &'static str,
}

/// What reads a key.
#[derive(Clone, Copy)]
pub(super) enum Effect {
    /// Its value is that of this annotation, for Ingresses that say nothing or nothing usable.
    Annotation(&'static str),
    /// Its value is that of this annotation, of which server is asked about requests of Ingresses
    /// that name none.
    Auth(&'static str),
    /// It has a meaning of its own.
    Own(Put),
    /// Nobody.
    Unread,
}

/// Puts a value, which is trimmed and seldom empty, where it belongs; or says why it cannot be
/// used, as a part of a sentence.
pub(super) type Put = fn(&str, &mut Globals) -> Result<(), String>;

/// What of a value, which can be used, has no effect: as sentences.
pub(super) type Doubts = fn(&str, &Globals) -> Vec<String>;

/// Whose doing a key bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guards {
    Nobody,
    /// If no value of it was ever understood, no request is served.
    Clients,
    /// Authors of objects may do more because of it: what cannot be understood permits nothing.
    Grants,
}

/// A key that nothing reads and that keeps nobody out.
pub(super) const fn key(name: &'static str, default: &'static str, state: State) -> Key {
    let (effect, guards, may_be_empty) = (Effect::Unread, Guards::Nobody, false);
    Key { name, default, state, effect, doubts: None, guards, may_be_empty, doc: "" }
}

impl Key {
    /// It is the default of the annotation with its name.
    pub(super) const fn of_annotation(self) -> Self {
        Self { effect: Effect::Annotation(self.name), ..self }
    }

    /// It says who is asked, by the annotation of this name.
    pub(super) const fn auth(self, name: &'static str) -> Self {
        Self { effect: Effect::Auth(name), ..self }
    }

    pub(super) const fn put(self, put: Put) -> Self {
        Self { effect: Effect::Own(put), ..self }
    }

    pub(super) const fn doubts(self, doubts: Doubts) -> Self {
        Self { doubts: Some(doubts), ..self }
    }

    /// It keeps clients out.
    pub(super) const fn guard(self) -> Self {
        Self { guards: Guards::Clients, ..self }
    }

    /// It lets authors of objects do more.
    pub(super) const fn grant(self) -> Self {
        Self { guards: Guards::Grants, ..self }
    }

    /// An empty value means that there are none of what it lists.
    pub(super) const fn may_be_empty(self) -> Self {
        Self { may_be_empty: true, ..self }
    }

    pub(super) const fn doc(self, doc: &'static str) -> Self {
        Self { doc, ..self }
    }
}

/// The field of a key, for problems.
pub(super) fn field(name: &str) -> String {
    format!("data.{name}")
}
