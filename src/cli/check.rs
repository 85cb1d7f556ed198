//! `ringway check`: reads manifests as `serve` does, without a network, and prints what is wrong.

mod findings;
mod output;
pub mod pages;
mod survey;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;

pub use self::findings::FailOn;
pub(super) use self::findings::{Findings, count};
pub use self::output::Format;
use crate::config::NamedObjects;
use crate::control::lower::{Classes, LowerOptions, Lowerer, ROUTE_KINDS, class_name, is_ours};
use crate::control::source::directory::{self, ReadError};
use crate::control::source::manifest::{self, SKIPPED, Workload};
use crate::control::source::report::MORE_PROBLEMS;
use crate::control::source::set::ManifestSet;
use crate::control::source::tree::Tree;
use crate::control::store::{Dirty, Store};
use crate::model::{Kind, ObjectRef, Problem, Reason, Severity, reason};

/// The path that stands for standard input, and its name in messages.
const STDIN: &str = "-";
const STDIN_NAME: &str = "<stdin>";
/// The class that stands for all.
const ALL: &str = "all";
/// Annotations by which cert-manager is asked for the certificates of an Ingress.
const ISSUED: [&str; 5] = [
    "cert-manager.io/cluster-issuer",
    "cert-manager.io/issuer",
    "certmanager.k8s.io/cluster-issuer",
    "certmanager.k8s.io/issuer",
    "kubernetes.io/tls-acme",
];

/// Flags of `check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Manifest files, directories of them, or - for standard input; all are read as one set
    #[arg(required_unless_present = "explain", value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Print what a code means and what to do about it, such as RW1301, and nothing else
    #[arg(long, value_name = "CODE", conflicts_with = "paths")]
    pub explain: Option<String>,

    /// How problems are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,

    /// Which problems make the exit code 1
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t = FailOn::Warning)]
    pub fail_on: FailOn,

    /// Ingresses of these classes are checked, each class by itself; `all`: of every class
    #[arg(
        long, env = "RINGWAY_INGRESS_CLASS", value_name = "NAME,…", default_value = "ringway",
        value_delimiter = ',', value_parser = clap::builder::NonEmptyStringValueParser::new()
    )]
    pub ingress_class: Vec<String>,

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

    /// Objects that are named.
    #[command(flatten)]
    pub named: NamedObjects,
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
    /// What should have written to it has failed.
    #[error("standard input is empty")]
    EmptyInput,
}

/// A code that no page has.
#[derive(Debug, thiserror::Error)]
#[error("there is no code {0:?}; docs/problems.md lists them")]
pub struct NoSuchCode(String);

/// Which Ingresses are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ClassChoice {
    Named(Vec<String>),
    All,
}

impl ClassChoice {
    fn of(names: &[String]) -> Self {
        match names.iter().any(|name| name == ALL) {
            true => Self::All,
            false => Self::Named(names.to_vec()),
        }
    }
}

/// Checks, and prints to `out`.
///
/// # Errors
/// [`CheckError`] and [`NoSuchCode`] (exit code 2), or `out` cannot be written.
pub fn run(args: &CheckArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    if let Some(code) = &args.explain {
        let reason = Reason::of_code(code).ok_or_else(|| NoSuchCode(code.clone()))?;
        let printed = out.write_all(pages::text(reason).as_bytes()).and_then(|()| out.flush());
        whoever_reads(printed).context("the page cannot be printed")?;
        return Ok(ExitCode::SUCCESS);
    }
    let classes = ClassChoice::of(&args.ingress_class);
    let findings = examine(&args.paths, &lower_options(args), &classes)?;
    let mut out = BufWriter::new(out);
    let printed = output::print(&findings, args.format, &mut out).and_then(|()| out.flush());
    // What is left in it would be tried again.
    drop(out.into_parts());
    whoever_reads(printed).context("the problems cannot be printed")?;
    Ok(findings.exit_code(args.fail_on))
}

/// Who does not want to read on (`ringway check … | head`) is no error.
pub(super) fn whoever_reads(printed: io::Result<()>) -> io::Result<()> {
    printed.or_else(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    })
}

fn lower_options(args: &CheckArgs) -> LowerOptions {
    LowerOptions {
        watch_without_class: args.watch_ingress_without_class,
        default_backend: args.named.default_backend_service.clone(),
        default_certificate: args.named.default_ssl_certificate.clone(),
        ticket_keys: args.named.tls_ticket_keys.clone(),
        config_map: args.named.configmap.clone(),
        tcp_services: args.named.tcp_services_configmap.clone(),
        udp_services: args.named.udp_services_configmap.clone(),
        is_offline: true,
        ..LowerOptions::directory("", &args.controller_class)
    }
}

/// What paths hold, whatever is wrong with it.
pub(super) struct Read {
    pub store: Store,
    pub dirty: Dirty,
    /// What is wrong with the files.
    pub problems: Vec<Arc<Problem>>,
    /// Secrets that somebody will make.
    pub promised: BTreeSet<ObjectRef>,
    pub workloads: Vec<Workload>,
    pub files: usize,
}

/// Reads what `paths` hold.
///
/// # Errors
/// See [`CheckError`].
pub(super) fn read(paths: &[PathBuf]) -> Result<Read, CheckError> {
    let mut reading = Reading::default();
    reading.all(paths)?;
    Ok(reading.finish())
}

/// Reads what `paths` hold, and lowers it as each class in turn.
pub(super) fn examine(
    paths: &[PathBuf],
    options: &LowerOptions,
    classes: &ClassChoice,
) -> Result<Findings, CheckError> {
    Ok(judge(read(paths)?, options, classes))
}

/// Lowers what was read as each class in turn.
fn judge(read: Read, options: &LowerOptions, classes: &ClassChoice) -> Findings {
    let Read { store, dirty, mut problems, promised, files, .. } = read;
    let skipped = problems.iter().filter(|problem| problem.reason == SKIPPED).count();
    let (mut told, mut checked) = (BTreeSet::new(), BTreeSet::new());
    for options in passes(&store, options, classes) {
        let known = store.ingress_classes.iter().map(|(r, entry)| (r, &*entry.object));
        let known = Classes::of(known, &options);
        let ours = store.ingresses.iter();
        let ours = ours.filter(|(_, entry)| is_ours(&entry.object, &known, &options));
        checked.extend(ours.map(|(reference, _)| reference.clone()));
        let now = SystemTime::now();
        let lowered = Lowerer::new(options.clone()).apply(&store, &dirty, now);
        let model = lowered.model.unwrap_or_default();
        let doubts = survey::of_routes(&model, &lowered.certificates, &store, now);
        let found = lowered.problems.iter().filter(|p| !is_promised(p, &store, &promised));
        let found = found.chain(&doubts);
        problems.extend(found.filter(|problem| told.insert(problem.to_string())).cloned());
    }
    problems.extend(survey::of_annotations(&store, &checked, &problems));
    let unchecked = store.ingresses.len().saturating_sub(checked.len());
    problems.extend(others(&store, &checked, classes));
    sort(&mut problems);
    let objects = store.counts().iter().map(|(_, count)| count).sum();
    let routes = store.counts().into_iter().filter(|(kind, _)| ROUTE_KINDS.contains(kind));
    let routes = routes.map(|(_, count)| count).sum();
    Findings { files, skipped, objects, checked: checked.len(), unchecked, routes, problems }
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    set: ManifestSet,
    files: BTreeSet<Arc<str>>,
    problems: Vec<Problem>,
    /// Secrets that somebody will make.
    promised: BTreeSet<ObjectRef>,
    workloads: Vec<Workload>,
}

impl Reading {
    fn all(&mut self, paths: &[PathBuf]) -> Result<(), CheckError> {
        for path in paths {
            if path.as_os_str() == STDIN {
                let file: Arc<str> = STDIN_NAME.into();
                if !self.files.contains(&file) {
                    let text = directory::read_text(io::stdin().lock());
                    let text = text.map_err(|source| unreadable(Path::new(STDIN_NAME), source))?;
                    if text.trim().is_empty() {
                        return Err(CheckError::EmptyInput);
                    }
                    self.put(file, &text);
                }
            } else if path.is_dir() {
                self.directory(path)?;
            } else {
                let text = read_named(path).map_err(|source| unreadable(path, source))?;
                self.put(path.to_string_lossy().into(), &text);
            }
        }
        if self.files.is_empty() { Err(CheckError::NothingToRead) } else { Ok(()) }
    }

    fn directory(&mut self, path: &Path) -> Result<(), CheckError> {
        let tree = Tree::walk(path);
        if let Some(error) = tree.error {
            return Err(unreadable(path, error.into()));
        }
        self.problems.extend(tree.problems);
        for name in tree.files {
            let path = path.join(name);
            let file: Arc<str> = path.to_string_lossy().into();
            match directory::read_file(&path) {
                Ok(text) => self.put(file, &text),
                Err(error) => {
                    self.set.fail(&file, directory::unreadable_file(&file, &error));
                    self.files.insert(file);
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Read {
        let Self { mut set, files, mut promised, problems, workloads } = self;
        set.set_directory_problems(problems);
        let changes = set.take_changes();
        let mut store = Store::default();
        let dirty = store.apply(changes.changes);
        let problems = changes.problems.unwrap_or_default();
        promised.extend(issued(&store));
        Read { store, dirty, problems, promised, workloads, files: files.len() }
    }

    fn put(&mut self, file: Arc<str>, text: &str) {
        let mut manifest = manifest::read(&file, text);
        self.promised.extend(manifest.promised.drain(..));
        self.workloads.append(&mut manifest.workloads);
        self.set.put(&file, manifest);
        self.files.insert(file);
    }
}

/// A file that is named may have any name, and be a pipe (`<(helm template …)`).
fn read_named(path: &Path) -> Result<String, ReadError> {
    if directory::look(path)?.file_type().is_fifo() {
        return directory::read_text(File::open(path)?);
    }
    directory::read_file(path)
}

fn unreadable(path: &Path, source: ReadError) -> CheckError {
    CheckError::Unreadable { path: path.display().to_string(), source }
}

/// One set of options for each class: Ingresses of different classes never contend for a path.
fn passes(store: &Store, options: &LowerOptions, classes: &ClassChoice) -> Vec<LowerOptions> {
    let with = |name: &str| LowerOptions { ingress_class: name.to_owned(), ..options.clone() };
    let ClassChoice::Named(names) = classes else {
        let named: BTreeSet<_> =
            store.ingresses.values().map(|entry| class_name(&entry.object)).collect();
        let controller = |name: &str| {
            let class = store.ingress_classes.iter().find(|(class, _)| *class.name == *name)?;
            class.1.object.spec.as_ref()?.controller.clone()
        };
        let mut passes: Vec<_> = named
            .into_iter()
            .map(|name| LowerOptions {
                watch_without_class: name.is_none(),
                controller_class: name
                    .and_then(controller)
                    .unwrap_or_else(|| options.controller_class.clone()),
                ..with(name.unwrap_or_default())
            })
            .collect();
        if passes.is_empty() {
            passes.push(with(""));
        }
        return passes;
    };
    names.iter().map(|name| with(name)).collect()
}

/// The Secrets that cert-manager will make because an Ingress asks for it.
fn issued(store: &Store) -> BTreeSet<ObjectRef> {
    let mut secrets = BTreeSet::new();
    for (reference, entry) in &store.ingresses {
        let annotations = entry.object.metadata.annotations.as_ref();
        let is_asked = ISSUED.iter().any(|name| {
            annotations.and_then(|a| a.get(*name)).is_some_and(|value| value != "false")
        });
        if !is_asked {
            continue;
        }
        let entries = entry.object.spec.iter().flat_map(|spec| spec.tls.iter().flatten());
        secrets.extend(entries.filter_map(|entry| {
            let name = entry.secret_name.as_deref()?.into();
            Some(ObjectRef {
                kind: Kind::Secret,
                namespace: Arc::clone(&reference.namespace),
                name,
            })
        }));
    }
    secrets
}

/// Whether a problem is nothing but a Secret that will be made.
fn is_promised(problem: &Problem, store: &Store, promised: &BTreeSet<ObjectRef>) -> bool {
    if problem.reason != reason!("SecretMissing") {
        return false;
    }
    let Some(object) = &problem.object else { return false };
    if object.kind == Kind::Secret {
        // Named by a flag.
        return promised.contains(object);
    }
    let Some(entry) = store.ingresses.get(object) else { return false };
    let spec = entry.object.spec.as_ref();
    let of_entry = || {
        let index = problem.field.strip_prefix("spec.tls[")?.split_once(']')?.0;
        let entries = spec?.tls.as_ref()?;
        entries.get(index.parse::<usize>().ok()?)?.secret_name.as_deref()
    };
    let of_annotation = || {
        let name = problem.field.strip_prefix("metadata.annotations.")?;
        Some(entry.object.metadata.annotations.as_ref()?.get(name)?.as_str())
    };
    let Some(named) = of_entry().or_else(of_annotation) else { return false };
    let (namespace, name) = match named.split_once('/') {
        Some((namespace, name)) => (namespace.into(), name),
        None => (Arc::clone(&object.namespace), named),
    };
    promised.contains(&ObjectRef { kind: Kind::Secret, namespace, name: name.into() })
}

/// One note for each class whose Ingresses were not checked.
fn others(store: &Store, checked: &BTreeSet<ObjectRef>, choice: &ClassChoice) -> Vec<Arc<Problem>> {
    let named = match choice {
        ClassChoice::Named(names) => names.iter().map(String::as_str).collect(),
        ClassChoice::All => BTreeSet::new(),
    };
    let mut classes: BTreeMap<Option<&str>, Vec<&ObjectRef>> = BTreeMap::new();
    for (reference, entry) in store.ingresses.iter().filter(|(r, _)| !checked.contains(*r)) {
        classes.entry(class_name(&entry.object)).or_default().push(reference);
    }
    let note = |(class, ingresses): (Option<&str>, Vec<&ObjectRef>)| {
        let first = ingresses.first().and_then(|first| store.ingresses.get(*first));
        let place = first.and_then(|entry| entry.provenance.as_ref());
        let number = count(ingresses.len(), "Ingress");
        let (class, advice) = match class {
            Some("") => (
                "whose class is an empty text".to_owned(),
                "Name a class, or leave ingressClassName out.".to_owned(),
            ),
            Some(class) if named.contains(class) => (
                format!("of class {class:?}, whose IngressClass names another controller"),
                "To check it, say --controller-class with that name, or --ingress-class all."
                    .to_owned(),
            ),
            Some(class) => (
                format!("of class {class:?}"),
                format!("To check it, say --ingress-class {class}, or --ingress-class {ALL}."),
            ),
            None => (
                "without a class".to_owned(),
                "To check it, say --watch-ingress-without-class.".to_owned(),
            ),
        };
        Arc::new(Problem {
            object: None,
            position: place.map(|place| place.position("spec.ingressClassName")),
            field: String::new(),
            severity: Severity::Note,
            reason: reason!("OtherClass"),
            message: format!("not checked: {number} {class}."),
            advice,
        })
    };
    classes.into_iter().map(note).collect()
}

/// In the order of files and lines; what has no place comes last, and what counts the rest behind
/// all.
fn sort(problems: &mut [Arc<Problem>]) {
    problems.sort_by_cached_key(|problem| {
        let counts = problem.reason == MORE_PROBLEMS;
        (counts, problem.position.is_none(), problem.position.clone(), problem.to_string())
    });
}

#[cfg(test)]
mod tests;
