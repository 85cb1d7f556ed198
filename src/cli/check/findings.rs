//! What a check came to: counts, problems, and the exit code that follows.

use std::process::ExitCode;
use std::sync::Arc;

use crate::cli::exit::EXIT_USAGE;
use crate::model::{Problem, Severity};

/// Which problems make the exit code 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FailOn {
    /// Errors
    Error,
    /// Errors and warnings
    Warning,
    /// None
    Never,
}

impl FailOn {
    /// Whether a problem of this severity does.
    fn has(self, severity: Severity) -> bool {
        match self {
            Self::Error => severity >= Severity::Error,
            Self::Warning => severity >= Severity::Warning,
            Self::Never => false,
        }
    }
}

/// What a check came to.
#[derive(Debug, Default)]
pub(in crate::cli) struct Findings {
    pub files: usize,
    pub skipped: usize,
    pub objects: usize,
    /// Ingresses that were checked, and those that were not.
    pub checked: usize,
    pub unchecked: usize,
    /// Routes of the Gateway API.
    pub routes: usize,
    pub problems: Vec<Arc<Problem>>,
}

impl Findings {
    /// What was read.
    pub(in crate::cli) fn read(&self) -> String {
        let Self { files, skipped, objects, .. } = self;
        let read = format!("{} in {}", count(*objects, "object"), count(*files, "file"));
        match skipped {
            0 => read,
            skipped if skipped == files => format!("{read}, skipped"),
            skipped => format!("{read}, {skipped} of them skipped"),
        }
    }

    fn of(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|problem| problem.severity == severity).count()
    }

    /// Something was there, and nobody looked at it. What is wrong with other objects, such as
    /// Services, does not make up for it.
    pub(super) fn is_vacuous(&self) -> bool {
        let is_foreign = self.checked == 0 && self.routes == 0 && self.unchecked > 0;
        self.skipped == self.files || is_foreign
    }

    pub(super) fn exit_code(&self, fail_on: FailOn) -> ExitCode {
        match self.problems.iter().any(|problem| fail_on.has(problem.severity)) {
            _ if self.is_vacuous() => ExitCode::from(EXIT_USAGE),
            true => ExitCode::FAILURE,
            false => ExitCode::SUCCESS,
        }
    }

    /// All of it in a line.
    pub(super) fn summary(&self) -> String {
        let mut line = self.read();
        if self.unchecked > 0 {
            line += &format!(", {} not checked", count(self.unchecked, "Ingress"));
        }
        match (self.of(Severity::Error), self.of(Severity::Warning)) {
            (0, 0) if self.is_vacuous() => format!("{line}: nothing was checked"),
            (0, 0) => format!("{line}: no problems"),
            (errors, warnings) => {
                let rest = if self.is_vacuous() { "; nothing was checked" } else { "" };
                let (errors, warnings) = (count(errors, "error"), count(warnings, "warning"));
                format!("{line}: {errors}, {warnings}{rest}")
            }
        }
    }
}

/// A number of things.
pub(in crate::cli) fn count(number: usize, noun: &str) -> String {
    let plural = match number {
        1 => "",
        _ if noun.ends_with('s') => "es",
        _ => "s",
    };
    format!("{number} {noun}{plural}")
}
