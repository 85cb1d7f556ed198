//! Something that could not be accepted from the cluster, told to the one who can fix it.

use std::fmt;

use super::origin::{ObjectRef, SourcePosition};
use super::reason::Reason;
use super::severity::Severity;

/// One finding on one object (or on a file that holds none).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The object it is about; `None`: the file could not be read as objects.
    pub object: Option<ObjectRef>,
    /// Directory source only.
    pub position: Option<SourcePosition>,
    /// Field of the object, such as `spec.rules[0].http.paths[1].path`; empty: the whole.
    pub field: String,
    /// How bad it is.
    pub severity: Severity,
    /// Its word, its code and its page.
    pub reason: Reason,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What to do about it, in a sentence.
    pub advice: String,
}

impl fmt::Display for Problem {
    /// `file:line: severity: object: field: message; advice` with absent parts left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = &self.position {
            write!(f, "{position}: ")?;
        }
        write!(f, "{}: ", self.severity)?;
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        write!(f, "{}", self.message)?;
        if !self.advice.is_empty() {
            write!(f, " {}", self.advice)?;
        }
        Ok(())
    }
}
