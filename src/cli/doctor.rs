//! `ringway doctor`: whether `serve` with the same flags can work here, and what to do about it.
//!
//! Looks and asks, changes nothing, takes no port. Judgements are pure functions of what was found.

mod cluster;
mod machine;
mod objects;
mod rights;

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use super::check::{self, ClassChoice};
use super::serve::{ServeArgs, lower_options};
use crate::config::{Config, Host, Machine};
use crate::control::lower::LowerOptions;
use crate::control::source::inotify::{Followed, Inotify};
use crate::control::source::report::MORE_PROBLEMS;
use crate::control::source::tree::Tree;
use crate::control::source::watch::not_watched;
use crate::limits::DOCTOR_PROBLEMS_MAX;
use crate::model::{Problem, Severity};
use crate::proxy::rt::examine_uring;

/// Nothing could be looked at, or told.
#[derive(Debug, thiserror::Error)]
#[error("the check cannot be made")]
pub struct DoctorError(#[from] io::Error);

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
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
struct Line {
    verdict: Verdict,
    /// What was looked at: a word.
    what: &'static str,
    found: String,
    /// What to do; empty where there is nothing to do.
    advice: String,
}

impl Line {
    fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, what, found: found.into(), advice: String::new() }
    }

    fn warning(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        let (found, advice) = (found.into(), advice.into());
        Self { verdict: Verdict::Warning, what, found, advice }
    }

    fn error(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Error, ..Self::warning(what, found, advice) }
    }
}

/// Prints lines as they come: the API server may be slow.
struct Report<'a> {
    out: &'a mut dyn Write,
    errors: usize,
    warnings: usize,
}

impl Report<'_> {
    fn line(&mut self, line: &Line) -> io::Result<()> {
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

    fn lines(&mut self, lines: impl IntoIterator<Item = Line>) -> io::Result<()> {
        lines.into_iter().try_for_each(|line| self.line(&line))
    }

    /// The first ones, errors before warnings; then how many there are.
    fn problems(&mut self, what: &'static str, problems: &[Arc<Problem>]) -> io::Result<()> {
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
            found: format!("{} more", check::count(rest.len(), "problem")),
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

/// Checks, and prints to `out`.
///
/// # Errors
/// [`DoctorError`] (exit code 2).
pub fn run(args: &ServeArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let mut report = Report { out, errors: 0, warnings: 0 };
    diagnose(args, &mut report).map_err(DoctorError)?;
    let Report { out, errors, warnings } = report;
    let (e, w) = (check::count(errors, "error"), check::count(warnings, "warning"));
    writeln!(out, "{e}, {w}").map_err(DoctorError)?;
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn diagnose(args: &ServeArgs, report: &mut Report<'_>) -> io::Result<()> {
    let (machine, host) = (Machine::look()?, Host::look());
    let flags = Config::new(&args.common, &machine).err();
    report.lines(flags.map(|error| {
        Line::error("flags", format!("{error}."), "Change the flag, or the variable that sets it.")
    }))?;
    let ring = examine_uring(args.common.ring_defer_taskrun);
    report.lines(machine::host(&host, &ring, args.common.driver))?;
    report.lines(machine::limits(&host, &machine, &args.common))?;
    report.lines(machine::network(&host, &args.common, &args.cluster.admission_bind))?;
    report.line(&machine::clock(SystemTime::now()))?;
    match &args.manifests {
        Some(directory) => manifests(directory, &lower_options(args), report),
        None => cluster::diagnose(args, report),
    }
}

fn manifests(directory: &Path, options: &LowerOptions, report: &mut Report<'_>) -> io::Result<()> {
    let what = "manifests";
    report.lines(watching(directory))?;
    let classes = ClassChoice::Named(vec![options.ingress_class.clone()]);
    match check::examine(&[directory.to_owned()], options, &classes) {
        Ok(findings) => {
            let found = format!("{} of {}", findings.read(), directory.display());
            report.line(&Line::ok(what, found))?;
            report.problems(what, &findings.problems)
        }
        Err(error @ (check::CheckError::NothingToRead | check::CheckError::EmptyInput)) => report
            .line(&Line::warning(
                what,
                format!("{}: {error}.", directory.display()),
                "Nothing is routed until one is there: put manifests into it, or name another \
             directory with --manifests.",
            )),
        Err(check::CheckError::Unreadable { path, source }) => report.line(&Line::error(
            what,
            format!("{path} cannot be read: {source}."),
            "Name a directory with --manifests that this process may read (chmod a+rX), or leave \
             the flag out to use a cluster.",
        )),
    }
}

/// Whether changes will be seen as they happen. Takes an inotify instance for a moment.
fn watching(directory: &Path) -> Option<Line> {
    const WHAT: &str = "watching";
    let tree = Tree::walk(directory);
    if tree.error.is_some() {
        return None;
    }
    let tried = Inotify::new().map(|mut inotify| (inotify.follow(tree.interests), inotify.len()));
    Some(match tried {
        Ok((Followed { fault: None, .. }, folders)) => {
            Line::ok(WHAT, format!("{} can be watched", check::count(folders, "folder")))
        }
        Ok((Followed { fault: Some(fault), .. }, _)) | Err(fault) => {
            let Problem { message, advice, .. } = not_watched(directory, &fault);
            Line::warning(WHAT, message, advice)
        }
    })
}

/// Flags as the tests of the parts need them.
#[cfg(test)]
fn arguments(flags: &str) -> ServeArgs {
    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        args: ServeArgs,
    }
    let flags = std::iter::once("ringway").chain(flags.split_whitespace());
    clap::Parser::try_parse_from(flags).map(|command: Command| command.args).expect("right flags")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_and_what_to_do() {
        let mut out = Vec::new();
        let mut report = Report { out: &mut out, errors: 0, warnings: 0 };
        let problem = |n: usize, severity| {
            Arc::new(Problem {
                object: None,
                position: None,
                field: "spec".into(),
                severity,
                reason: "Reason",
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

    #[test]
    fn a_closed_output_ends_it() {
        let args = arguments("--manifests nowhere");
        let error = run(&args, &mut [0_u8; 8].as_mut_slice()).expect_err("no room");
        assert!(error.is::<DoctorError>(), "{error:#}");
    }
}
