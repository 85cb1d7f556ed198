//! What `doctor` says: one line a check, with what to do, as they come.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use crate::cli::check::count;
use crate::control::source::report::MORE_PROBLEMS;
use crate::limits::DOCTOR_PROBLEMS_MAX;
use crate::model::{Problem, Severity};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    /// Works, but not as well as it could, or not as meant.
    Warning,
    /// `serve` cannot do what its flags say.
    Error,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

impl From<Severity> for Verdict {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Note => Self::Ok,
            Severity::Warning => Self::Warning,
            Severity::Error => Self::Error,
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) verdict: Verdict,
    /// What was looked at: a word.
    pub(super) what: &'static str,
    pub(super) found: String,
    /// What to do; empty where there is nothing to do.
    pub(super) advice: String,
}

impl Line {
    pub(super) fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, what, found: found.into(), advice: String::new() }
    }

    pub(super) fn warning(
        what: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        let (found, advice) = (found.into(), advice.into());
        Self { verdict: Verdict::Warning, what, found, advice }
    }

    pub(super) fn error(
        what: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Error, ..Self::warning(what, found, advice) }
    }
}

/// Prints lines as they come: the API server may be slow.
pub(super) struct Report<'a> {
    pub(super) out: &'a mut dyn Write,
    pub(super) errors: usize,
    pub(super) warnings: usize,
}

impl<'a> Report<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, errors: 0, warnings: 0 }
    }

    pub(super) fn line(&mut self, line: &Line) -> io::Result<()> {
        let Line { verdict, what, found, advice } = line;
        match verdict {
            Verdict::Ok => {}
            Verdict::Warning => self.warnings = self.warnings.saturating_add(1),
            Verdict::Error => self.errors = self.errors.saturating_add(1),
        }
        writeln!(self.out, "{verdict:<7}  {what}: {}", printable(found))?;
        if !advice.is_empty() {
            writeln!(self.out, "         {}", printable(advice))?;
        }
        self.out.flush()
    }

    pub(super) fn lines(&mut self, lines: impl IntoIterator<Item = Line>) -> io::Result<()> {
        lines.into_iter().try_for_each(|line| self.line(&line))
    }

    /// The first ones, errors before warnings; then how many there are.
    pub(super) fn problems(
        &mut self,
        what: &'static str,
        problems: &[Arc<Problem>],
    ) -> io::Result<()> {
        let mut sorted: Vec<_> = problems.iter().collect();
        sorted.sort_by_key(|problem| {
            (problem.reason == MORE_PROBLEMS, std::cmp::Reverse(problem.severity))
        });
        let rest = sorted.split_off(sorted.len().min(DOCTOR_PROBLEMS_MAX));
        self.lines(sorted.into_iter().map(|problem| problem_line(what, problem)))?;
        let Some(worst) = rest.first() else { return Ok(()) };
        self.line(&Line {
            verdict: worst.severity.into(),
            what,
            found: format!("{} more", count(rest.len(), "problem")),
            advice: "Correct those above first; then run this again.".into(),
        })
    }
}

/// Texts of others (API server, Secrets, file names) must not steer a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn problem_line(what: &'static str, problem: &Problem) -> Line {
    let place = problem.position.as_ref().map(|position| format!("{position}: "));
    let object = problem.object.as_ref().map(|object| format!("{object}: "));
    let field = Some(format!("{}: ", problem.field)).filter(|_| !problem.field.is_empty());
    let parts = [place, object, field, Some(problem.message.clone())];
    Line {
        verdict: problem.severity.into(),
        what,
        found: parts.into_iter().flatten().collect(),
        advice: problem.advice.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reason;

    #[test]
    fn lines_say_what_and_what_to_do() {
        let mut out = Vec::new();
        let mut report = Report::new(&mut out);
        let problem = |n: usize, severity| {
            Arc::new(Problem {
                object: None,
                position: None,
                field: "spec".into(),
                severity,
                reason: reason!("MoreProblems"),
                message: format!("problem {n}\u{1b}[31m."),
                advice: "Do.".into(),
            })
        };
        let mut problems = vec![problem(0, Severity::Warning)];
        problems.extend((1..=DOCTOR_PROBLEMS_MAX + 1).map(|n| problem(n, Severity::Error)));
        report.line(&Line::ok("clock", "fine")).expect("written");
        report.problems("objects", &problems).expect("written");
        assert_eq!((report.errors, report.warnings), (DOCTOR_PROBLEMS_MAX + 1, 0));
        let text = String::from_utf8(out).expect("text");
        let begin = "ok       clock: fine\n\
                     error    objects: spec: problem 1 [31m.\n         Do.\n";
        assert!(text.starts_with(begin), "{text}");
        let end = "error    objects: 2 problems more\n         \
                   Correct those above first; then run this again.\n";
        assert!(text.ends_with(end), "{text}");
    }
}
