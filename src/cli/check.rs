//! `ringway check`: reads manifests as `serve` does, without a network, and prints what is wrong.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;

use crate::config::parse;
use crate::control::lower::{LowerOptions, Lowerer};
use crate::control::source::directory::{self, ReadError};
use crate::control::source::manifest;
use crate::control::source::set::ManifestSet;
use crate::control::source::tree::Tree;
use crate::control::store::Store;
use crate::model::{BackendKey, ObjectRef, Problem, Severity};

/// Flags of `check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Manifest files, or directories of them; all are read as one set
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Ingresses of this class are checked
    #[arg(long, env = "RINGWAY_INGRESS_CLASS", value_name = "NAME", default_value = "ringway")]
    pub ingress_class: String,

    /// IngressClasses with this `spec.controller` are ours, whatever their names
    #[arg(
        long,
        env = "RINGWAY_CONTROLLER_CLASS",
        value_name = "VALUE",
        default_value = "ringway.dev/ingress"
    )]
    pub controller_class: String,

    /// Check Ingresses that name no class, too
    #[arg(long, env = "RINGWAY_WATCH_INGRESS_WITHOUT_CLASS")]
    pub watch_ingress_without_class: bool,

    /// Service that answers what no rule matches
    #[arg(
        long, env = "RINGWAY_DEFAULT_BACKEND_SERVICE", value_name = "NAMESPACE/NAME:PORT",
        value_parser = parse::backend
    )]
    pub default_backend_service: Option<BackendKey>,

    /// Secret with the certificate of hosts that have none
    #[arg(
        long, env = "RINGWAY_DEFAULT_SSL_CERTIFICATE", value_name = "NAMESPACE/NAME",
        value_parser = parse::secret
    )]
    pub default_ssl_certificate: Option<ObjectRef>,

    /// Secret with the keys of TLS session tickets
    #[arg(
        long, env = "RINGWAY_TLS_TICKET_KEYS", value_name = "NAMESPACE/NAME",
        value_parser = parse::secret
    )]
    pub tls_ticket_keys: Option<ObjectRef>,
}

/// Why nothing could be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A path that was named cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// As the user named it.
        path: String,
        /// Why.
        source: ReadError,
    },
    /// The paths hold no manifest file.
    #[error("there is no *.yaml, *.yml or *.json file to read")]
    NothingToRead,
}

/// What a check came to.
pub(super) struct Findings {
    pub files: usize,
    pub objects: usize,
    pub problems: Vec<Arc<Problem>>,
}

/// Checks, and prints to `out`.
///
/// # Errors
/// [`CheckError`] (exit code 2), or `out` cannot be written.
pub fn run(args: &CheckArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let findings = examine(&args.paths, lower_options(args))?;
    print(&findings, out).context("the problems cannot be printed")?;
    Ok(if findings.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn lower_options(args: &CheckArgs) -> LowerOptions {
    LowerOptions {
        watch_without_class: args.watch_ingress_without_class,
        default_backend: args.default_backend_service.clone(),
        default_certificate: args.default_ssl_certificate.clone(),
        ticket_keys: args.tls_ticket_keys.clone(),
        ..LowerOptions::directory(&args.ingress_class, &args.controller_class)
    }
}

/// Reads and lowers what `paths` hold.
pub(super) fn examine(paths: &[PathBuf], options: LowerOptions) -> Result<Findings, CheckError> {
    let mut set = ManifestSet::default();
    let files = read(paths, &mut set)?;
    if files == 0 {
        return Err(CheckError::NothingToRead);
    }
    let changes = set.take_changes();
    let mut store = Store::default();
    let dirty = store.apply(changes.changes);
    let mut lowerer = Lowerer::new(options);
    let mut problems = changes.problems.unwrap_or_default();
    problems.extend(lowerer.apply(&store, &dirty).problems.iter().cloned());
    sort(&mut problems);
    let objects = store.counts().iter().map(|(_, count)| count).sum();
    Ok(Findings { files, objects, problems })
}

/// Directories stand for the manifest files in them; a file that is named is read whatever its
/// name, and has to be readable.
fn read(paths: &[PathBuf], set: &mut ManifestSet) -> Result<usize, CheckError> {
    let (mut files, mut problems) = (BTreeSet::new(), Vec::new());
    for path in paths {
        if !path.is_dir() {
            let text = directory::read_file(path).map_err(|source| unreadable(path, source))?;
            let file: Arc<str> = path.to_string_lossy().into();
            set.put(&file, manifest::read(&file, &text));
            files.insert(file);
            continue;
        }
        let tree = Tree::walk(path);
        if let Some(error) = tree.error {
            return Err(unreadable(path, error.into()));
        }
        problems.extend(tree.problems);
        for name in tree.files {
            let path = path.join(name);
            let file: Arc<str> = path.to_string_lossy().into();
            match directory::read_file(&path) {
                Ok(text) => set.put(&file, manifest::read(&file, &text)),
                Err(error) => set.fail(&file, directory::unreadable_file(&file, &error)),
            }
            files.insert(file);
        }
    }
    set.set_directory_problems(problems);
    Ok(files.len())
}

fn unreadable(path: &Path, source: ReadError) -> CheckError {
    CheckError::Unreadable { path: path.display().to_string(), source }
}

/// In the order of files and lines; what has no place comes last.
fn sort(problems: &mut [Arc<Problem>]) {
    problems.sort_by_cached_key(|problem| {
        (problem.position.is_none(), problem.position.clone(), problem.to_string())
    });
}

fn print(findings: &Findings, out: &mut impl Write) -> io::Result<()> {
    let Findings { files, objects, problems } = findings;
    for problem in problems {
        writeln!(out, "{problem}")?;
    }
    let errors = problems.iter().filter(|p| p.severity == Severity::Error).count();
    let warnings = problems.len().saturating_sub(errors);
    let read = format!("{} in {}", count(*objects, "object"), count(*files, "file"));
    match problems.is_empty() {
        true => writeln!(out, "{read}: no problems"),
        false => {
            writeln!(out, "{read}: {}, {}", count(errors, "error"), count(warnings, "warning"))
        }
    }
}

pub(super) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}
