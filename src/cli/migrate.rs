//! `ringway migrate`: what becomes of the objects of an ingress-nginx, of files without a network,
//! or of a cluster, in which nothing is changed.

mod cluster;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::Context as _;
use clap::Parser as _;
use clap::error::ContextKind;

use self::cluster::{Asked, ClusterError};
use super::check;
use super::exit::EXIT_USAGE;
use super::explain;
use super::serve::ServeArgs;
use crate::config::nginx_flags::{self, FlagError, Translated};
use crate::config::{Config, Machine};
use crate::control::lower::LowerOptions;
use crate::control::source::manifest::Workload;
use crate::control::store::{Dirty, Store};
use crate::limits::{PROGRESS_PERIOD, REPLAY_LINE_BYTES_MAX};
use crate::migrate::{
    Controller, Finding, Html, Input, Markdown, OutFile, Replay, Replayed, Report, Usage, Verdict,
    controllers, judge,
};
use crate::model::Problem;

/// Flags of `migrate`.
#[derive(Debug, clap::Args)]
pub struct MigrateArgs {
    /// Manifest files, directories of them, or - for standard input: Ingresses, IngressClasses, the
    /// Deployment or DaemonSet of ingress-nginx, its ConfigMaps, Services, and Secrets if at hand
    #[arg(required_unless_present_any = ["kubeconfig", "context"], value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Read the objects from a cluster, Secrets excepted: that of this file, as kubectl reads it
    #[arg(long, value_name = "FILE", conflicts_with = "paths")]
    pub kubeconfig: Option<PathBuf>,

    /// The same, of this context of the file, or of KUBECONFIG or ~/.kube/config [default: the
    /// current one]
    #[arg(long, value_name = "NAME", conflicts_with = "paths")]
    pub context: Option<String>,

    /// How the report is written
    #[arg(long, value_enum, default_value = "markdown")]
    pub format: Format,

    /// An access log of it, in the format that its ConfigMap says; - for standard input. Where a
    /// request of it would go elsewhere is told
    #[arg(long, value_name = "FILE")]
    pub access_log: Option<PathBuf>,

    /// A folder that is made: the report, values for the chart, changes as patches, a script that
    /// compares both controllers, and the order of the cut-over
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,

    /// The workload of ingress-nginx, where several were read
    #[arg(long, value_name = "NAMESPACE/NAME")]
    pub controller: Option<String>,

    /// Pods that Ringway will have [default: as many as ingress-nginx has]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub replicas: Option<u32>,

    /// Flags of ingress-nginx that no manifest says
    #[arg(last = true, value_name = "FLAG")]
    pub flags: Vec<String>,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Markdown,
    /// For programs.
    Json,
    /// One file for browsers, which loads nothing.
    Html,
}

/// Why nothing can be judged. The operator is at fault.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// Several workloads run ingress-nginx, and each has objects of its own.
    #[error("several workloads run ingress-nginx; say --controller with one of {0}")]
    Several(String),
    /// None has the name that was asked for.
    #[error("{asked} runs no ingress-nginx{}", others(.known))]
    NoSuch {
        /// As it was asked for.
        asked: String,
        /// Those that do, in one text.
        known: String,
    },
    /// A cluster does not say enough.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// What is there is not written over.
    #[error("{0} is not empty; name a folder that is to be made")]
    NotEmpty(String),
}

fn others(known: &str) -> String {
    if known.is_empty() { String::new() } else { format!("; {known} does") }
}

/// Judges, and prints to `out`.
///
/// # Errors
/// [`MigrateError`] or [`check::CheckError`] (exit code 2), or `out` cannot be written.
pub(super) fn run(args: &MigrateArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let Objects { store, dirty, problems, files, notes, setup } = match args.paths.is_empty() {
        true => asked(args)?,
        false => read(args)?,
    };
    let Setup { controller, flags, options, flag_findings } = setup;
    let controller = controller.as_ref();
    let mut judgement = judge(Input {
        store: &store,
        dirty: &dirty,
        problems: &problems,
        options,
        controller,
        flags: &flags,
        flag_findings,
        new_replicas: args.replicas,
        now: SystemTime::now(),
    });
    judgement.report.files = files;
    judgement.report.notes.splice(0..0, notes);
    if let Some(log) = &args.access_log {
        let replayed = replayed(log, judgement.replay(&store))
            .with_context(|| format!("{} cannot be read", log.display()))?;
        judgement.report.requests = Some(replayed);
    }
    if let Some(output) = &args.output {
        write_all(output, &judgement.folder(&store, controller))?;
    }
    let report = &judgement.report;
    let printed = write!(out, "{}", written(report, args.format)?);
    check::whoever_reads(printed).context("the report cannot be printed")?;
    Ok(exit_code(report))
}

/// What is judged, and by what.
struct Objects {
    store: Store,
    dirty: Dirty,
    /// What is wrong with the files.
    problems: Vec<Arc<Problem>>,
    files: usize,
    /// What else there is to know.
    notes: Vec<String>,
    setup: Setup,
}

/// How ingress-nginx is set up.
struct Setup {
    controller: Option<Controller>,
    flags: Vec<String>,
    options: LowerOptions,
    flag_findings: Vec<Finding>,
}

/// By the flags of the one that runs, and those that were added.
fn set_up(args: &MigrateArgs, workloads: &[Workload]) -> anyhow::Result<Setup> {
    let all = controllers(workloads);
    let controller = chosen(&all, args.controller.as_deref())?.cloned();
    let flags = controller.iter().flat_map(|it| &it.flags).chain(&args.flags);
    let flags: Vec<String> = flags.cloned().collect();
    let (options, flag_findings) = understood(&flags)?;
    Ok(Setup { controller, flags, options, flag_findings })
}

/// Of files.
fn read(args: &MigrateArgs) -> anyhow::Result<Objects> {
    let check::Read { store, dirty, problems, workloads, files, .. } = check::read(&args.paths)?;
    let setup = set_up(args, &workloads)?;
    Ok(Objects { store, dirty, problems, files, notes: Vec::new(), setup })
}

/// Of a cluster.
fn asked(args: &MigrateArgs) -> anyhow::Result<Objects> {
    let cluster = Asked::new(args.kubeconfig.as_deref(), args.context.as_deref());
    let mut cluster = cluster.map_err(MigrateError::from)?;
    let setup = set_up(args, &cluster.workloads())?;
    let (store, dirty) = cluster.objects(&setup.options).map_err(MigrateError::from)?;
    let (problems, notes) = (Vec::new(), cluster.notes);
    Ok(Objects { store, dirty, problems, files: 0, notes, setup })
}

/// Reads a log, line by line; whoever waits for more than a second is told how far it is.
fn replayed(log: &Path, mut replay: Replay) -> io::Result<Replayed> {
    let file: Box<dyn Read> = match log.as_os_str() == "-" {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(log)?),
    };
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let (mut line, mut number, mut told) = (Vec::new(), 0_u64, Instant::now());
    loop {
        line.clear();
        let most = REPLAY_LINE_BYTES_MAX as u64;
        if reader.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
            return Ok(replay.finish());
        }
        let is_whole = line.last() == Some(&b'\n') || line.len() < REPLAY_LINE_BYTES_MAX;
        if !is_whole {
            reader.skip_until(b'\n')?;
            line.clear();
        }
        replay.take(String::from_utf8_lossy(&line).trim_end());
        number = number.saturating_add(1);
        if number.is_multiple_of(1 << 12) && told.elapsed() >= PROGRESS_PERIOD {
            told = Instant::now();
            // Nobody is left to tell when standard error is closed.
            drop(writeln!(io::stderr(), "ringway: {number} lines of {}", log.display()));
        }
    }
}

/// Makes the folder: nothing that is there is written over.
fn write_all(folder: &Path, files: &[OutFile]) -> anyhow::Result<()> {
    let failed = || format!("{} cannot be written", folder.display());
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(MigrateError::NotEmpty(folder.display().to_string()).into());
    }
    for OutFile { name, text, usage } in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder)).with_context(failed)?;
        let mode = if *usage == Usage::Run { 0o755 } else { 0o644 };
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create_new(true).mode(mode).open(&path).with_context(failed)?;
        file.write_all(text.as_bytes()).with_context(failed)?;
    }
    // Nobody is left to tell when standard error is closed.
    let told = format!("ringway: {} files are in {}", files.len(), folder.display());
    drop(writeln!(io::stderr(), "{told}"));
    Ok(())
}

fn exit_code(report: &Report) -> ExitCode {
    let worst = report.objects.iter().map(|object| object.verdict).max();
    match report.totals.iter().map(|total| total.ingresses).sum::<usize>() {
        0 => ExitCode::from(EXIT_USAGE),
        _ if worst >= Some(Verdict::NeedsChange) => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

fn written(report: &Report, format: Format) -> anyhow::Result<String> {
    Ok(match format {
        Format::Markdown => Markdown(report).to_string(),
        Format::Html => Html(report).to_string(),
        Format::Json => report.to_json().context("the report is no JSON")? + "\n",
    })
}

/// The one whose place is taken.
fn chosen<'c>(
    all: &'c [Controller],
    asked: Option<&str>,
) -> Result<Option<&'c Controller>, MigrateError> {
    let name = |it: &Controller| format!("{}/{}", it.namespace, it.name);
    let known = all.iter().map(name).collect::<Vec<_>>().join(", ");
    match (asked, all) {
        (Some(asked), _) => match all.iter().find(|it| name(it) == asked) {
            Some(found) => Ok(Some(found)),
            None => Err(MigrateError::NoSuch { asked: asked.to_owned(), known }),
        },
        (None, []) => Ok(None),
        (None, [one]) => Ok(Some(one)),
        (None, _) => Err(MigrateError::Several(known)),
    }
}

/// What `serve` would make of the flags of ingress-nginx; those that it refuses are told.
fn understood(flags: &[String]) -> anyhow::Result<(LowerOptions, Vec<Finding>)> {
    let mut words = flags.to_vec();
    let mut findings = Vec::new();
    let args = loop {
        match taken(&words) {
            Ok((args, notes)) => {
                findings.extend(notes);
                break args;
            }
            Err(refused) => {
                let (name, finding) = *refused;
                let before = words.len();
                drop_flag(&mut words, &name);
                findings.push(finding);
                anyhow::ensure!(words.len() < before, "--{name} cannot be understood");
            }
        }
    };
    let machine = Machine::look().context("the CPUs of this process cannot be told")?;
    let config = Config::new(&args.common, &machine)?;
    Ok((explain::offline(&args, &config), findings))
}

/// A command line of `serve`.
#[derive(clap::Parser)]
struct ServeLine {
    #[command(subcommand)]
    command: ServeCommand,
}

#[derive(clap::Subcommand)]
enum ServeCommand {
    Serve(Box<ServeArgs>),
}

/// The name of a flag, and what is told of it.
type Refusal = Box<(String, Finding)>;

/// A command line of `serve`, or the flag that keeps it from being one.
fn taken(words: &[String]) -> Result<(ServeArgs, Vec<Finding>), Refusal> {
    let line = ["ringway", "/nginx-ingress-controller"].map(str::to_owned);
    let line = line.into_iter().chain(words.iter().cloned()).collect();
    let Translated { args, notes } = nginx_flags::translate(line, |_| false).map_err(|error| {
        let text = error.to_string();
        let (name, verdict) = match error {
            FlagError::Refused(name, ..) => (name, Verdict::NeedsChange),
            FlagError::NoBool(name, _) | FlagError::NoValue(name) => (name, Verdict::NeedsChange),
        };
        Box::new((name.to_owned(), Finding::new(verdict, format!("--{name}"), text)))
    })?;
    let note = |note: String| {
        let name = note.split(' ').next().unwrap_or_default().to_owned();
        Finding::new(Verdict::Works, name, note)
    };
    let notes = notes.into_iter().map(note).collect();
    match ServeLine::try_parse_from(args).map(|line| line.command) {
        Ok(ServeCommand::Serve(args)) => Ok((*args, notes)),
        Err(error) => {
            let flag = error.get(ContextKind::InvalidArg).map(ToString::to_string);
            let flag = flag.unwrap_or_default();
            let name = flag.trim_start_matches('-').split([' ', '=']).next().unwrap_or_default();
            let text = error.to_string();
            let text = text.lines().next().unwrap_or_default();
            Err(refused(name, text.strip_prefix("error: ").unwrap_or(text)))
        }
    }
}

fn refused(name: &str, text: &str) -> Refusal {
    Box::new((name.to_owned(), Finding::new(Verdict::NeedsChange, format!("--{name}"), text)))
}

/// Without a flag, and the value behind it.
fn drop_flag(words: &mut Vec<String>, name: &str) {
    let is_it = |word: &String| {
        let flag = word.trim_start_matches('-');
        word.starts_with('-') && flag.split('=').next() == Some(name)
    };
    let Some(at) = words.iter().position(is_it) else { return };
    let has_value = words.get(at).is_some_and(|word| word.contains('='));
    words.remove(at);
    if !has_value && words.get(at).is_some_and(|word| !word.starts_with('-')) {
        words.remove(at);
    }
}
