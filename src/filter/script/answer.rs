//! What a script says of the fields of request and answer, once it is known which block counts.

use super::super::overlay::RequestOverlay;
use super::super::text::Variables;
use super::overlay::{AnswerOverlay, put_value};
use super::program::{Block, Extent, FieldChange, Instead, Logged, Presence, Script};
use super::state::{Known, ScriptState};
use crate::limits::SCRIPT_OCTETS_MAX;

/// What an answer is like whose fields are changed.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// Its status.
    pub status: u16,
    /// Value of Content-Type; empty: it has none.
    pub media_type: &'a [u8],
}

impl ScriptState {
    /// Appends what the block says of the fields that the client sent. `has`: whether it sent one.
    pub fn receive(
        &self,
        script: &Script,
        request: &impl Variables,
        media_type: &[u8],
        has: impl Fn(&[u8]) -> bool,
        overlay: &mut RequestOverlay,
    ) {
        let mut value = Vec::new();
        for change in self.counting(script).map(|block| &*block.received).unwrap_or_default() {
            let name = change.name.as_bytes();
            let is_there = change.presence == Presence::Any || has(name);
            if !is_there || !has_type(change, media_type) {
                continue;
            }
            match change.extent {
                Extent::Beginning => overlay.remove_beginning(name),
                Extent::Whole => {
                    self.changed(change, request, &mut value);
                    overlay.replace(name, fitting(overlay, &value));
                }
            }
        }
    }

    /// Appends the fields that the block sends to the backend.
    pub fn send(&self, script: &Script, request: &impl Variables, overlay: &mut RequestOverlay) {
        let (mut text, mut value) = (Vec::new(), Vec::new());
        for (name, what) in self.counting(script).map(|block| &*block.sent).unwrap_or_default() {
            text.clear();
            value.clear();
            what.put(&Known { state: self, request }, &mut text);
            put_value(&text, &mut value);
            overlay.replace(name.as_bytes(), fitting(overlay, &value));
        }
    }

    /// What the block says of an answer's fields.
    #[must_use]
    pub fn answer(
        &self,
        script: &Script,
        request: &impl Variables,
        answered: Answered<'_>,
    ) -> AnswerOverlay {
        let mut overlay = AnswerOverlay::default();
        let Some(block) = self.counting(script) else { return overlay };
        let Answered { status, media_type } = answered;
        let mut value = Vec::new();
        for change in &block.answered {
            let is_meant = change.statuses.is_empty() || change.statuses.contains(&status);
            if !is_meant || !has_type(change, media_type) {
                continue;
            }
            self.changed(change, request, &mut value);
            overlay.remove(change.name.as_bytes(), change.extent);
            if !value.is_empty() {
                overlay.add(change.name.as_bytes(), &value);
            }
        }
        for line in block.added.iter().filter(|line| line.statuses.has(status)) {
            value.clear();
            line.value.put(&Known { state: self, request }, &mut value);
            if !value.is_empty() {
                overlay.add(line.name.as_bytes(), &value);
            }
        }
        overlay
    }

    /// What stands for an answer with this status.
    #[must_use]
    pub fn instead<'s>(&self, script: &'s Script, status: u16) -> Option<&'s Instead> {
        let errors = &self.counting(script)?.errors;
        errors.iter().find(|page| page.statuses.contains(&status)).map(|page| &page.instead)
    }

    /// Whether the request is logged.
    #[must_use]
    pub fn logged(&self, script: &Script) -> Logged {
        self.counting(script).map(|block| block.log).unwrap_or_default()
    }

    fn counting<'s>(&self, script: &'s Script) -> Option<&'s Block> {
        script.block(self.block)
    }

    /// What a change sets its field to.
    fn changed(&self, change: &FieldChange, request: &impl Variables, out: &mut Vec<u8>) {
        out.clear();
        let Some(text) = &change.value else { return };
        let mut value = Vec::new();
        text.put(&Known { state: self, request }, &mut value);
        put_value(&value, out);
    }
}

/// The value, if there is room for it: else the field is left out, the client's as well.
fn fitting<'v>(overlay: &RequestOverlay, value: &'v [u8]) -> &'v [u8] {
    let octets = overlay.lines().len().saturating_add(value.len());
    if octets > SCRIPT_OCTETS_MAX { &[] } else { value }
}

/// Whether a change is about messages of this type. Parameters are no part of it.
fn has_type(change: &FieldChange, media_type: &[u8]) -> bool {
    let bare = media_type.split(|octet| *octet == b';').next().unwrap_or_default().trim_ascii();
    let is_it = |known: &str| known.as_bytes().eq_ignore_ascii_case(bare);
    change.types.is_empty() || change.types.iter().any(|known| is_it(known))
}
