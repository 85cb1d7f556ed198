//! What is wrong with objects, and what to do about it.

use std::cmp::Reverse;
use std::sync::Arc;

use serde::Serialize;

use super::window::{Rows, Window};
use crate::control::admin::state::AdminState;
use crate::model::Problem;

/// A problem.
#[derive(Debug, Serialize)]
pub(super) struct ProblemRow {
    /// `error`: a part of the object, or the whole, has no effect; `warning` or `note`.
    severity: String,
    /// Stable CamelCase word.
    reason: &'static str,
    /// As `ringway check --explain` takes it.
    code: String,
    /// `Ingress shop/web`; `null`: none could be read.
    object: Option<String>,
    /// Of the object; empty: the whole.
    field: String,
    /// `file:line`, of manifests alone.
    position: Option<String>,
    message: String,
    advice: String,
}

/// The worst first, then by object.
pub(super) fn of(state: &AdminState, window: &Window) -> Rows<ProblemRow> {
    let mut all = state.control.snapshot().problems;
    all.extend(state.writing_problems());
    all.sort_by(|a, b| (Reverse(a.severity), &a.object).cmp(&(Reverse(b.severity), &b.object)));
    let severity = window.named("severity");
    let wanted = all.into_iter().filter(|problem| {
        severity.is_none_or(|severity| severity == problem.severity.to_string())
            && window
                .wants(|| format!("{problem} {} {}", problem.reason.word(), problem.reason.code()))
    });
    window.rows(wanted, |problem: Arc<Problem>| ProblemRow {
        severity: problem.severity.to_string(),
        reason: problem.reason.word(),
        code: problem.reason.code().to_string(),
        object: problem.object.as_ref().map(ToString::to_string),
        field: problem.field.clone(),
        position: problem.position.as_ref().map(ToString::to_string),
        message: problem.message.clone(),
        advice: problem.advice.clone(),
    })
}
