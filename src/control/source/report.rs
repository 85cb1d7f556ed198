//! Collects the problems of one object; bounded, and each with the place of its field.

use std::sync::Arc;

use super::object::Provenance;
use crate::limits::PROBLEMS_PER_OBJECT_MAX;
use crate::model::{ObjectRef, Problem, Reason, Severity, reason};

/// The reason of the problem that counts those that are not listed.
pub const MORE_PROBLEMS: Reason = reason!("MoreProblems");

/// What is wrong and what to do about it.
#[derive(Debug)]
pub struct Finding {
    /// Its word, its code and its page.
    pub reason: Reason,
    /// Field of the object; empty: the whole.
    pub field: String,
    /// A sentence.
    pub message: String,
    /// A sentence.
    pub advice: String,
}

/// Collects findings on one object.
#[derive(Debug)]
pub struct Report<'a> {
    object: &'a ObjectRef,
    provenance: Option<&'a Provenance>,
    problems: Vec<Arc<Problem>>,
    /// Found beyond the bound.
    surplus: usize,
    errors: usize,
}

impl<'a> Report<'a> {
    /// An empty report on `object`.
    #[must_use]
    pub fn new(object: &'a ObjectRef, provenance: Option<&'a Provenance>) -> Self {
        Self { object, provenance, problems: Vec::new(), surplus: 0, errors: 0 }
    }

    /// Something has no effect.
    pub fn error(&mut self, finding: Finding) {
        self.errors = self.errors.saturating_add(1);
        self.add(Severity::Error, finding);
    }

    /// Something works, but probably not as meant.
    pub fn warning(&mut self, finding: Finding) {
        self.add(Severity::Warning, finding);
    }

    /// Nothing is wrong; the owner may want to know.
    pub fn note(&mut self, finding: Finding) {
        self.add(Severity::Note, finding);
    }

    /// Errors so far.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// All problems; a last one counts what was left out.
    #[must_use]
    pub fn finish(mut self) -> Vec<Arc<Problem>> {
        if self.surplus > 0 {
            let severity = if self.errors > 0 { Severity::Error } else { Severity::Warning };
            let finding = Finding {
                reason: MORE_PROBLEMS,
                field: String::new(),
                message: format!("{} more problems are not listed.", self.surplus),
                advice: "Correct the listed ones first.".into(),
            };
            self.problems.push(Arc::new(self.problem(severity, finding)));
        }
        self.problems
    }

    fn add(&mut self, severity: Severity, finding: Finding) {
        if self.problems.len() >= PROBLEMS_PER_OBJECT_MAX {
            self.surplus = self.surplus.saturating_add(1);
            return;
        }
        self.problems.push(Arc::new(self.problem(severity, finding)));
    }

    fn problem(&self, severity: Severity, finding: Finding) -> Problem {
        let Finding { reason, field, message, advice } = finding;
        #[cfg(test)]
        assert!(
            reason.page().severities.contains(&severity),
            "{reason} as {severity}: its page says otherwise"
        );
        Problem {
            object: Some(self.object.clone()),
            position: self.provenance.map(|p| p.position(&field)),
            field,
            severity,
            reason,
            message,
            advice,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Kind;

    #[test]
    fn surplus_problems_are_counted_not_kept() {
        let object = ObjectRef { kind: Kind::Ingress, namespace: "a".into(), name: "b".into() };
        let mut report = Report::new(&object, None);
        for index in 0..PROBLEMS_PER_OBJECT_MAX + 5 {
            report.error(Finding {
                reason: reason!("MoreProblems"),
                field: format!("f[{index}]"),
                message: "wrong".into(),
                advice: String::new(),
            });
        }
        let problems = report.finish();
        assert_eq!(problems.len(), PROBLEMS_PER_OBJECT_MAX + 1);
        assert!(problems.last().is_some_and(|p| p.message.starts_with("5 more")));
    }
}
