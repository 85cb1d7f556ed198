//! What people are told of a reason for a problem: the shape of a row of the table.

use crate::model::severity::Severity;

/// Reasons about one subject, whose codes begin alike.
#[derive(Debug)]
pub struct Group {
    /// What they are about.
    pub title: &'static str,
    /// In the order of their codes.
    pub pages: &'static [Page],
}

/// What people are told of a reason.
#[derive(Debug)]
pub struct Page {
    /// Behind `RW`; four digits.
    pub code: u16,
    /// CamelCase word, also the reason of Events.
    pub word: &'static str,
    /// How bad such a problem can be.
    pub severities: &'static [Severity],
    /// A sentence without a full stop.
    pub title: &'static str,
    /// What it means, and what follows from it.
    pub meaning: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
    /// Where it is met.
    pub example: Example,
}

/// Something that has a problem.
#[derive(Debug)]
pub enum Example {
    /// A file.
    Manifest(&'static str),
    /// Elements of `metadata.annotations` of an Ingress that is right otherwise.
    Annotations(&'static str),
    /// `spec` of an Ingress, whose Service is there.
    Spec(&'static str),
    /// `data` of the ConfigMap that --configmap names.
    Keys(&'static str),
    /// No manifest has it by itself: where it is met, as a sentence.
    Elsewhere(&'static str),
}

pub(super) const ERROR: &[Severity] = &[Severity::Error];
pub(super) const WARNING: &[Severity] = &[Severity::Warning];
pub(super) const NOTE: &[Severity] = &[Severity::Note];
pub(super) const ERROR_OR_WARNING: &[Severity] = &[Severity::Error, Severity::Warning];
pub(super) const WARNING_OR_NOTE: &[Severity] = &[Severity::Warning, Severity::Note];
pub(super) const ERROR_OR_NOTE: &[Severity] = &[Severity::Error, Severity::Note];
pub(super) const ANY: &[Severity] = &[Severity::Error, Severity::Warning, Severity::Note];
