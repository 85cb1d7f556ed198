//! Objects whose status is made of conditions: Gateways, routes, policies.

use serde::Serialize;

use super::window::{Rows, Window};
use crate::control::admin::state::AdminState;
use crate::control::conditions::{Condition, Content, ObjectStatus};
use crate::model::ObjectRef;

/// An object and what it shows.
#[derive(Debug, Serialize)]
pub(super) struct ObjectRow {
    /// `Gateway shop/public`.
    object: String,
    kind: &'static str,
    /// The version that it is true of; 0: not of an API server.
    generation: i64,
    /// Whether all conditions hold, those of its parts included.
    is_fine: bool,
    conditions: Vec<ConditionRow>,
    /// Of a Gateway or a ListenerSet: its listeners. Of a route or a policy: its parents.
    parts: Vec<PartRow>,
}

/// A part of an object that has conditions of its own.
#[derive(Debug, Serialize)]
struct PartRow {
    name: String,
    /// Routes that are attached; `null`: it is no listener.
    attached_routes: Option<u32>,
    conditions: Vec<ConditionRow>,
}

#[derive(Debug, Serialize)]
struct ConditionRow {
    name: &'static str,
    is_true: bool,
    reason: &'static str,
    message: String,
}

pub(super) fn of(state: &AdminState, window: &Window) -> Rows<ObjectRow> {
    let kind = window.named("kind");
    let wanted = state.control.served.statuses().into_iter().filter(|(object, _)| {
        kind.is_none_or(|kind| kind == object.kind.name()) && window.wants(|| object.to_string())
    });
    window.rows(wanted, |(object, status)| ObjectRow::of(&object, &status))
}

impl ObjectRow {
    fn of(object: &ObjectRef, status: &ObjectStatus) -> Self {
        let (conditions, parts) = match &status.content {
            Content::Class { conditions, .. } => (rows(conditions), Vec::new()),
            Content::Gateway { conditions, listeners, .. }
            | Content::ListenerSet { conditions, listeners } => {
                let parts = listeners.iter().map(|listener| PartRow {
                    name: listener.name.to_string(),
                    attached_routes: Some(listener.attached),
                    conditions: rows(&listener.conditions),
                });
                (rows(conditions), parts.collect())
            }
            Content::Parents { parents, .. } => {
                let parts = parents.iter().map(|part| PartRow {
                    name: part.parent.to_string(),
                    attached_routes: None,
                    conditions: rows(&part.conditions),
                });
                (Vec::new(), parts.collect())
            }
        };
        let of_parts = parts.iter().flat_map(|part: &PartRow| &part.conditions);
        let is_fine = conditions.iter().chain(of_parts).all(ConditionRow::is_fine);
        Self {
            object: object.to_string(),
            kind: object.kind.name(),
            generation: status.generation,
            is_fine,
            conditions,
            parts,
        }
    }
}

/// What is better if it does not hold.
const UNWANTED: [&str; 3] = ["Conflicted", "InsecureFrontendValidationMode", "PartiallyInvalid"];

impl ConditionRow {
    fn is_fine(&self) -> bool {
        self.is_true != UNWANTED.contains(&self.name)
    }
}

fn rows(conditions: &[Condition]) -> Vec<ConditionRow> {
    let row = |condition: &Condition| ConditionRow {
        name: condition.name,
        is_true: condition.is_true(),
        reason: condition.reason,
        message: condition.message.clone(),
    };
    conditions.iter().map(row).collect()
}
