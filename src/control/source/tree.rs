//! What a manifest directory holds, subfolders and links followed, and which folders have to be
//! watched for every change to it to be seen.
//!
//! Reads as `kubectl apply --recursive` does, and follows links to folders besides. Hidden names
//! are left out: what links through them (`..data` of a mounted ConfigMap) is read once, by the
//! links. A folder is read once, whatever leads to it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::{self, FileType};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::links::{self, Route, Step};
use super::set::file_problem;
use crate::limits::{
    MANIFEST_DEPTH_MAX, MANIFEST_FILES_MAX, MANIFEST_FOLDERS_MAX, PROBLEMS_PER_FILE_MAX,
};
use crate::model::{Problem, Reason, Severity, reason};

/// What is wanted to be known of each folder, by its path without links.
pub type Interests = BTreeMap<PathBuf, Interest>;

/// A directory of manifests at one moment.
#[derive(Debug, Default)]
pub struct Tree {
    /// Manifest files, relative to the directory; at most [`MANIFEST_FILES_MAX`].
    pub files: BTreeSet<PathBuf>,
    /// What could not be looked at, likewise; what was read below it before still counts.
    pub obscured: BTreeSet<PathBuf>,
    /// What has to be watched.
    pub interests: Interests,
    /// What is wrong with folders and links.
    pub problems: Vec<Problem>,
    /// The directory itself cannot be read; it is what is obscured then.
    pub error: Option<io::Error>,
}

/// Why a folder is watched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interest {
    /// Where in the directory its files show; mostly one place.
    pub shown_as: BTreeSet<PathBuf>,
    /// Names in it that paths lead through.
    pub names: BTreeMap<OsString, Dependents>,
}

/// What depends on one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependents {
    /// Where things lead.
    pub tree: bool,
    /// The content of these files.
    pub files: BTreeSet<PathBuf>,
}

/// What happened to a name in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// Its writer closed the file.
    Written,
    /// Permissions, mostly.
    Attributes {
        /// Of a folder.
        is_folder: bool,
    },
    /// Removed, or renamed to something else.
    Gone {
        /// It was a folder.
        is_folder: bool,
    },
    /// It is there now.
    Came(Newcomer),
}

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newcomer {
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A file with content: renamed, or a hard link.
    File,
    /// A file that somebody created and will close once it is written.
    Opened,
}

impl Dependents {
    /// Adds those of another.
    pub fn merge(&mut self, other: Self) {
        self.tree |= other.tree;
        self.files.extend(other.files);
    }
}

impl Interest {
    /// Adds another in the same folder.
    pub fn merge(&mut self, other: Self) {
        self.shown_as.extend(other.shown_as);
        for (name, dependents) in other.names {
            self.names.entry(name).or_default().merge(dependents);
        }
    }

    /// Whether the content of files in it counts.
    #[must_use]
    pub fn has_files(&self) -> bool {
        !self.shown_as.is_empty() || self.names.values().any(|name| !name.files.is_empty())
    }

    /// What an event means: whether the tree may be another one, and which files are to be read.
    #[must_use]
    pub fn judge(&self, name: &OsStr, happened: Happened) -> Dependents {
        let mut effect = Dependents::default();
        if let Some(Dependents { tree, files }) = self.names.get(name)
            && happened != Happened::Came(Newcomer::Opened)
        {
            effect.tree = match happened {
                Happened::Written => false,
                Happened::Attributes { is_folder } => *tree && is_folder,
                Happened::Gone { .. } | Happened::Came(_) => true,
            };
            effect.files.extend(files.iter().cloned());
        }
        if self.shown_as.is_empty() || is_hidden(name) {
            return effect;
        }
        match happened {
            Happened::Attributes { is_folder: true }
            | Happened::Gone { is_folder: true }
            | Happened::Came(Newcomer::Folder | Newcomer::Link) => effect.tree = true,
            Happened::Came(Newcomer::Opened) => {}
            Happened::Written
            | Happened::Attributes { is_folder: false }
            | Happened::Gone { is_folder: false }
            | Happened::Came(Newcomer::File) => {
                if is_manifest_name(name) {
                    effect.files.extend(self.shown_as.iter().map(|folder| folder.join(name)));
                }
            }
        }
        effect
    }
}

impl Tree {
    /// Looks at `root` as it is now. Never fails: see [`Tree::error`] and [`Tree::problems`].
    #[must_use]
    pub fn walk(root: &Path) -> Self {
        let mut walk = Walk { root, tree: Self::default(), links: HashMap::new() };
        if let Err(error) = walk.all() {
            walk.tree.obscured.insert(PathBuf::new());
            walk.tree.error = Some(error);
        }
        walk.tree
    }
}

/// A folder that waits to be read.
struct Folder {
    /// In the directory.
    shown: PathBuf,
    /// Without links.
    real: PathBuf,
    depth: usize,
}

struct Walk<'a> {
    root: &'a Path,
    tree: Tree,
    /// Where paths lead that are links; `None`: no link. Each is asked for once.
    links: HashMap<PathBuf, Option<PathBuf>>,
}

/// A look into one folder after the other: real ones first, so that it is they that are named.
#[derive(Default)]
struct Queues {
    real: VecDeque<Folder>,
    linked: VecDeque<Folder>,
    /// Device and inode of those that were read.
    read: BTreeSet<(u64, u64)>,
}

impl Walk<'_> {
    fn all(&mut self) -> io::Result<()> {
        let absolute = std::path::absolute(self.root)?;
        let route = self.follow(Path::new("/"), &absolute);
        self.depend(&route.steps);
        let real = route.target.ok_or(Errno::LOOP)?;
        let mut queues = Queues::default();
        let root = Folder { shown: PathBuf::new(), real, depth: 0 };
        self.folder(root, &mut queues)?;
        while let Some(folder) = queues.real.pop_front().or_else(|| queues.linked.pop_front()) {
            let shown = folder.shown.clone();
            if let Err(error) = self.folder(folder, &mut queues) {
                self.tree.obscured.insert(shown.clone());
                self.problem(
                    &shown,
                    reason!("UnreadableDirectory"),
                    format!("the folder cannot be read: {error}."),
                    "Correct it; what was read of it before stays in force.",
                );
            }
        }
        Ok(())
    }

    fn folder(&mut self, folder: Folder, queues: &mut Queues) -> io::Result<()> {
        let Folder { shown, real, depth } = folder;
        let metadata = fs::metadata(&real)?;
        let entries = entries(&real)?;
        if !queues.read.insert((metadata.dev(), metadata.ino())) {
            tracing::debug!(folder = %shown.display(), "read already");
            return Ok(());
        }
        self.tree.interests.entry(real.clone()).or_default().shown_as.insert(shown.clone());
        for (name, kind) in entries {
            let shown = shown.join(&name);
            if kind.is_symlink() {
                self.link(&real, &name, shown, depth, queues);
            } else if kind.is_dir() {
                let real = real.join(&name);
                let folder = Folder { shown, real, depth: depth.saturating_add(1) };
                self.enter(folder, queues, |queues| &mut queues.real);
            } else if is_manifest_name(&name) {
                self.file(shown);
            }
        }
        Ok(())
    }

    fn link(
        &mut self,
        folder: &Path,
        name: &OsStr,
        shown: PathBuf,
        depth: usize,
        queues: &mut Queues,
    ) {
        let Route { steps, target } = self.follow(folder, Path::new(name));
        let found = target.as_ref().map(fs::metadata);
        match (target, found) {
            (Some(real), Some(Ok(metadata))) if metadata.is_dir() => {
                self.depend(&steps);
                if folder.starts_with(&real) {
                    return self.loops(&shown);
                }
                let folder = Folder { shown, real, depth: depth.saturating_add(1) };
                self.enter(folder, queues, |queues| &mut queues.linked);
            }
            (Some(_), Some(Ok(_))) if is_manifest_name(name) => {
                let (last, before) =
                    steps.split_last().map_or((None, &[][..]), |(l, b)| (Some(l), b));
                self.depend(before);
                if let Some(last) = last {
                    self.dependents(last).files.insert(shown.clone());
                }
                self.file(shown);
            }
            // By another name a link may lead to a file that nobody wants.
            (_, Some(Ok(_))) => {}
            // Nothing there, or not for us: told when it is read, and looked at again.
            _ => {
                self.depend(&steps);
                if let Some(last) = steps.last().filter(|_| is_manifest_name(name)) {
                    self.dependents(last).files.insert(shown.clone());
                    self.file(shown);
                } else {
                    self.tree.obscured.insert(shown);
                }
            }
        }
    }

    fn enter(
        &mut self,
        folder: Folder,
        queues: &mut Queues,
        own: impl Fn(&mut Queues) -> &mut VecDeque<Folder>,
    ) {
        let known = queues.real.len().saturating_add(queues.linked.len());
        let (reason, message) = if folder.depth > MANIFEST_DEPTH_MAX {
            (
                reason!("TooDeep"),
                format!("folders are read {MANIFEST_DEPTH_MAX} levels deep, not deeper."),
            )
        } else if known.saturating_add(queues.read.len()) >= MANIFEST_FOLDERS_MAX {
            (reason!("TooManyFolders"), format!("only {MANIFEST_FOLDERS_MAX} folders are read."))
        } else {
            return own(queues).push_back(folder);
        };
        if !self.tree.problems.iter().any(|problem| problem.reason == reason) {
            let advice = "Name the directory that holds the manifests, or move them up.";
            self.problem(&folder.shown, reason, message, advice);
        }
    }

    fn file(&mut self, shown: PathBuf) {
        if self.tree.files.len() < MANIFEST_FILES_MAX {
            self.tree.files.insert(shown);
        } else if !self
            .tree
            .problems
            .iter()
            .any(|problem| problem.reason == reason!("TooManyFiles"))
        {
            let message = format!("only {MANIFEST_FILES_MAX} files are read.");
            let advice = "Put several objects into one file.";
            self.problem(Path::new(""), reason!("TooManyFiles"), message, advice);
        }
    }

    fn follow(&mut self, base: &Path, path: &Path) -> Route {
        links::follow(base, path, |at| match self.links.get(at) {
            Some(known) => known.clone(),
            None => {
                let link = fs::read_link(at).ok();
                self.links.insert(at.to_owned(), link.clone());
                link
            }
        })
    }

    fn depend(&mut self, steps: &[Step]) {
        for step in steps {
            self.dependents(step).tree = true;
        }
    }

    fn dependents(&mut self, step: &Step) -> &mut Dependents {
        let interest = self.tree.interests.entry(step.folder.clone()).or_default();
        interest.names.entry(step.name.clone()).or_default()
    }

    fn loops(&mut self, shown: &Path) {
        let message = "the link leads to a folder that it stands in; it is not followed.";
        self.problem(shown, reason!("LinkLoop"), message.into(), "Remove it.");
        if let Some(problem) = self.tree.problems.last_mut()
            && problem.reason == reason!("LinkLoop")
        {
            problem.severity = Severity::Warning;
        }
    }

    fn problem(&mut self, shown: &Path, reason: Reason, message: String, advice: &str) {
        if self.tree.problems.len() >= PROBLEMS_PER_FILE_MAX {
            return;
        }
        let file = self.root.join(shown).to_string_lossy().into();
        self.tree.problems.push(file_problem(file, reason, message, advice));
    }
}

/// Names that are not hidden, sorted.
fn entries(folder: &Path) -> io::Result<Vec<(OsString, FileType)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if !is_hidden(&name) {
            // A name that went away in between has no type.
            entries.extend(entry.file_type().ok().map(|kind| (name, kind)));
        }
    }
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(entries)
}

/// Whether a file of this name is read.
#[must_use]
pub fn is_manifest_name(name: &OsStr) -> bool {
    let extension = Path::new(name).extension().and_then(OsStr::to_str);
    matches!(extension, Some("yaml" | "yml" | "json")) && !is_hidden(name)
}

/// `.git`, `..data`, and what editors leave behind.
fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".") || name.as_bytes().starts_with(b"#")
}

#[cfg(test)]
mod tests;
