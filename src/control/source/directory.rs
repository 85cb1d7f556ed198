//! A directory of manifests → [`Changes`].
//!
//! Reads `*.yaml`, `*.yml` and `*.json` of a [`Tree`]. Only files that changed are read again. A
//! file that breaks keeps its last good objects in force; one that vanishes takes its objects with
//! it. Never waits: when to read is the business of [`super::watch`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::manifest;
use super::set::ManifestSet;
use super::tree::{Tree, is_manifest_name};
use super::{Changes, set::file_problem};
use crate::limits::{MANIFEST_BYTES_MAX, MANIFEST_FILES_MAX, WRITE_QUIET};
use crate::model::{Problem, reason};

/// Which files to look at. Names are relative to the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The whole directory; files that look unchanged are not read.
    All {
        /// These are, whatever they look like.
        files: BTreeSet<PathBuf>,
    },
    /// These, whatever they look like.
    Files(BTreeSet<PathBuf>),
}

/// What a look at the directory found.
#[derive(Debug, Default)]
pub struct Scan {
    /// For the store.
    pub changes: Changes,
    /// Files that seem to be in the middle of a write; to be asked for again after [`WRITE_QUIET`].
    pub again: BTreeSet<PathBuf>,
}

/// One directory of manifests.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    set: ManifestSet,
    seen: BTreeMap<PathBuf, Fingerprint>,
}

/// When a file is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// It does not look as it did.
    IfChanged,
    Always,
}

/// Changes whenever the content of a file may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fingerprint {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Fingerprint {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// That of no file.
    const NONE: Self = Self { device: 0, inode: 0, size: 0, modified: (0, 0), changed: (0, 0) };
}

impl Directory {
    /// A directory that nothing was read of yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), set: ManifestSet::default(), seen: BTreeMap::new() }
    }

    /// Where it is, as the user named it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what has changed of `tree`, and `forced` whatever it looks like. `problems` are about
    /// the directory as a whole, besides those of the tree.
    pub fn scan_tree(
        &mut self,
        tree: Tree,
        forced: &BTreeSet<PathBuf>,
        problems: impl IntoIterator<Item = Problem>,
    ) -> Scan {
        let Tree { files, obscured, interests: _, problems: of_tree, error } = tree;
        let of_root = error.map(|error| {
            // Not a deletion of objects: whoever replaces a directory is about to bring it back.
            file_problem(
                self.path.to_string_lossy().into(),
                reason!("UnreadableDirectory"),
                format!("the directory cannot be read: {error}."),
                "Restore it; until then the last objects stay in force.",
            )
        });
        let all = of_root.into_iter().chain(problems).chain(of_tree);
        self.set.set_directory_problems(all.collect());
        let is_gone = |name: &&PathBuf| {
            !files.contains(*name) && !name.ancestors().any(|folder| obscured.contains(folder))
        };
        let gone: Vec<_> = self.seen.keys().filter(is_gone).cloned().collect();
        for name in gone {
            self.forget(&name);
        }
        let mut again = BTreeSet::new();
        for name in &files {
            let when = if forced.contains(name) { Reading::Always } else { Reading::IfChanged };
            self.scan_file(name, when, &mut again);
        }
        Scan { changes: self.set.take_changes(), again }
    }

    /// Reads these files, whatever they look like.
    pub fn scan_files(&mut self, files: &BTreeSet<PathBuf>) -> Scan {
        let mut again = BTreeSet::new();
        for name in files.iter().filter(|name| name.file_name().is_some_and(is_manifest_name)) {
            self.scan_file(name, Reading::Always, &mut again);
        }
        Scan { changes: self.set.take_changes(), again }
    }

    fn scan_file(&mut self, name: &Path, when: Reading, again: &mut BTreeSet<PathBuf>) {
        if !self.seen.contains_key(name) && self.seen.len() >= MANIFEST_FILES_MAX {
            return;
        }
        let path = self.path.join(name);
        let metadata = match look(&path) {
            Ok(metadata) => metadata,
            Err(error) => return self.absent(name, &error),
        };
        let fingerprint = Fingerprint::of(&metadata);
        if when == Reading::IfChanged && self.seen.get(name) == Some(&fingerprint) {
            return;
        }
        self.seen.insert(name.to_owned(), fingerprint);
        let text = match read_file(&path) {
            Ok(text) => text,
            Err(error @ (ReadError::Io(_) | ReadError::Dangling)) => {
                return self.absent(name, &error);
            }
            Err(error) => return self.fail(name, &error),
        };
        let file = self.file(name);
        let manifest = manifest::read(&file, &text);
        if is_fresh(&metadata) && self.set.would_lose(&file, &manifest) {
            again.insert(name.to_owned());
            return;
        }
        self.set.put(&file, manifest);
    }

    /// The file cannot be looked at. A link that leads nowhere is no deletion: whoever replaces
    /// what it led to is about to bring it back.
    fn absent(&mut self, name: &Path, error: &ReadError) {
        if matches!(error, ReadError::Io(error) if is_missing(error)) {
            return self.forget(name);
        }
        // When it comes back it is read, whatever it looks like.
        self.seen.insert(name.to_owned(), Fingerprint::NONE);
        self.fail(name, error);
    }

    fn forget(&mut self, name: &Path) {
        if self.seen.remove(name).is_some() {
            let file = self.file(name);
            self.set.remove(&file);
        }
    }

    fn fail(&mut self, name: &Path, error: &ReadError) {
        let file = self.file(name);
        let problem = unreadable_file(&file, error);
        self.set.fail(&file, problem);
    }

    /// The name that positions and problems carry: as the user would open it.
    fn file(&self, name: &Path) -> Arc<str> {
        self.path.join(name).to_string_lossy().into()
    }
}

/// What is told of a file that cannot be read.
#[must_use]
pub fn unreadable_file(file: &Arc<str>, error: &ReadError) -> Problem {
    let message = format!("the file cannot be used: {error}.");
    file_problem(Arc::clone(file), reason!("UnreadableFile"), message, error.advice())
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system says no.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A pipe, a device or a directory.
    #[error("it is not a regular file")]
    NotAFile,
    /// More than [`MANIFEST_BYTES_MAX`].
    #[error("it is larger than {MANIFEST_BYTES_MAX} bytes")]
    TooLarge,
    /// Not text.
    #[error("it is not UTF-8 text")]
    NotText,
    /// Text as some programs of Windows write it.
    #[error("it is UTF-16, not UTF-8 text")]
    Utf16,
    /// A link without a target.
    #[error("it is a symbolic link that leads nowhere")]
    Dangling,
}

impl ReadError {
    fn advice(&self) -> &'static str {
        match self {
            Self::Io(_) => "See that this process may read it.",
            Self::NotAFile => "Put a file in its place.",
            Self::TooLarge => "Put its objects into several files.",
            Self::NotText | Self::Utf16 => "Save it as UTF-8.",
            Self::Dangling => "Restore what it leads to, or remove it.",
        }
    }
}

/// Reads one manifest file within [`MANIFEST_BYTES_MAX`].
///
/// # Errors
/// See [`ReadError`]; the owner of the file is at fault.
pub fn read_file(path: &Path) -> Result<String, ReadError> {
    // Before it is opened: opening a pipe would wait for its writer.
    if !look(path)?.is_file() {
        return Err(ReadError::NotAFile);
    }
    read_text(File::open(path)?)
}

/// What `path` is, its links followed.
///
/// # Errors
/// [`ReadError::Io`], [`ReadError::Dangling`].
pub fn look(path: &Path) -> Result<Metadata, ReadError> {
    fs::metadata(path).map_err(|error| match fs::symlink_metadata(path) {
        Ok(link) if is_missing(&error) && link.is_symlink() => ReadError::Dangling,
        _ => ReadError::Io(error),
    })
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The same of what can be read once.
///
/// # Errors
/// As [`read_file`].
pub fn read_text(reader: impl io::Read) -> Result<String, ReadError> {
    let mut bytes = Vec::new();
    let bound = MANIFEST_BYTES_MAX.saturating_add(1);
    reader.take(bound).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MANIFEST_BYTES_MAX {
        return Err(ReadError::TooLarge);
    }
    text(bytes)
}

fn text(bytes: Vec<u8>) -> Result<String, ReadError> {
    let is_utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    String::from_utf8(bytes).map_err(|_not_utf8| match is_utf16 {
        true => ReadError::Utf16,
        false => ReadError::NotText,
    })
}

/// Written to so recently that the writer may not be done. A clock that jumps back gives a
/// modification in the future, which is not recent.
fn is_fresh(metadata: &Metadata) -> bool {
    let age = metadata.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
    age.is_some_and(|age| age < WRITE_QUIET)
}

#[cfg(test)]
mod tests;
