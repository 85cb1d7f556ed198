//! `ringway doctor`: whether `serve` with the same flags can work here, and what to do about it.
//!
//! Looks and asks, changes nothing, takes no port. Judgements are pure functions of what was found.

mod cluster;
mod machine;
mod objects;
mod report;
mod rights;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use self::report::{Line, Report};
use super::check::{self, ClassChoice};
use super::serve::{ServeArgs, lower_options};
use crate::config::{Config, Host, Machine};
use crate::control::lower::LowerOptions;
use crate::control::source::inotify::{Followed, Inotify};
use crate::control::source::tree::Tree;
use crate::control::source::watch::not_watched;
use crate::model::Problem;
use crate::proxy::rt::{RingFlags, examine_uring};

/// Nothing could be looked at, or told.
#[derive(Debug, thiserror::Error)]
#[error("the check cannot be made")]
pub struct DoctorError(#[from] io::Error);

/// Checks, and prints to `out`.
///
/// # Errors
/// [`DoctorError`] (exit code 2).
pub fn run(args: &ServeArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let mut report = Report::new(out);
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
    let ring = examine_uring(match args.common.ring_defer_taskrun {
        true => RingFlags::CoopSingleDefer,
        false => RingFlags::CoopSingle,
    });
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
    fn a_closed_output_ends_it() {
        let args = arguments("--manifests nowhere");
        let error = run(&args, &mut [0_u8; 8].as_mut_slice()).expect_err("no room");
        assert!(error.is::<DoctorError>(), "{error:#}");
    }
}
