//! A directory of manifests → [`Changes`].
//!
//! Reads `*.yaml`, `*.yml` and `*.json` of one directory as `kubectl apply -f DIR` does: not its
//! subdirectories, not hidden files. Only files that changed are read again. A file that breaks
//! keeps its last good objects in force; one that vanishes takes its objects with it. Never waits:
//! when to read is the business of [`super::watch`].

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::manifest;
use super::set::ManifestSet;
use super::{Changes, set::file_problem};
use crate::limits::{MANIFEST_BYTES_MAX, MANIFEST_FILES_MAX, WRITE_QUIET};

/// Which files to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The whole directory; files that look unchanged are not read.
    All,
    /// These, whatever they look like.
    Names(BTreeSet<OsString>),
}

/// What a look at the directory found.
#[derive(Debug, Default)]
pub struct Scan {
    /// For the store.
    pub changes: Changes,
    /// Files that seem to be in the middle of a write; to be asked for again after [`WRITE_QUIET`].
    pub again: BTreeSet<OsString>,
}

/// One directory of manifests.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    set: ManifestSet,
    seen: BTreeMap<OsString, Fingerprint>,
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
}

impl Directory {
    /// A directory that nothing was read of yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), set: ManifestSet::default(), seen: BTreeMap::new() }
    }

    /// Reads what is wanted and has changed.
    pub fn scan(&mut self, wanted: &Wanted) -> Scan {
        let mut again = BTreeSet::new();
        match wanted {
            Wanted::All => self.scan_all(&mut again),
            Wanted::Names(names) => {
                for name in names.iter().filter(|name| is_manifest_name(name)) {
                    self.scan_file(name, true, &mut again);
                }
            }
        }
        Scan { changes: self.set.take_changes(), again }
    }

    fn scan_all(&mut self, again: &mut BTreeSet<OsString>) {
        let names = match list(&self.path) {
            Ok(names) => names,
            Err(error) => {
                // Not a deletion of objects: whoever replaces a directory is about to bring it
                // back.
                let name = self.path.to_string_lossy().into_owned();
                self.set.set_directory_problem(Some(file_problem(
                    name.into(),
                    "UnreadableDirectory",
                    format!("the directory cannot be read: {error}."),
                    "Restore it; until then the last objects stay in force.",
                )));
                return;
            }
        };
        self.set.set_directory_problem(self.surplus(names.len()));
        let names: BTreeSet<_> = names.into_iter().take(MANIFEST_FILES_MAX).collect();
        let known: Vec<_> = self.seen.keys().cloned().collect();
        for gone in known.iter().filter(|name| !names.contains(*name)) {
            self.forget(gone);
        }
        for name in &names {
            self.scan_file(name, false, again);
        }
    }

    fn surplus(&self, files: usize) -> Option<crate::model::Problem> {
        (files > MANIFEST_FILES_MAX).then(|| {
            file_problem(
                self.path.to_string_lossy().into(),
                "TooManyFiles",
                format!("only the first {MANIFEST_FILES_MAX} of {files} files are read."),
                "Put several objects into one file.",
            )
        })
    }

    fn scan_file(&mut self, name: &OsStr, is_forced: bool, again: &mut BTreeSet<OsString>) {
        let path = self.path.join(name);
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.forget(name),
            Err(error) => return self.fail(name, &ReadError::Io(error)),
        };
        let fingerprint = Fingerprint::of(&metadata);
        if !is_forced && self.seen.get(name) == Some(&fingerprint) {
            return;
        }
        if !self.seen.contains_key(name) && self.seen.len() >= MANIFEST_FILES_MAX {
            return;
        }
        self.seen.insert(name.to_owned(), fingerprint);
        let text = match read_file(&path) {
            Ok(text) => text,
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                return self.forget(name);
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

    fn forget(&mut self, name: &OsStr) {
        if self.seen.remove(name).is_some() {
            let file = self.file(name);
            self.set.remove(&file);
        }
    }

    fn fail(&mut self, name: &OsStr, error: &ReadError) {
        let file = self.file(name);
        let problem = file_problem(
            Arc::clone(&file),
            "UnreadableFile",
            format!("the file cannot be used: {error}."),
            "Correct it; until then its objects stay as they were.",
        );
        self.set.fail(&file, problem);
    }

    /// The name that positions and problems carry: as the user would open it.
    fn file(&self, name: &OsStr) -> Arc<str> {
        self.path.join(name).to_string_lossy().into()
    }
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
}

/// Reads one manifest file within [`MANIFEST_BYTES_MAX`].
///
/// # Errors
/// See [`ReadError`]; the owner of the file is at fault.
pub fn read_file(path: &Path) -> Result<String, ReadError> {
    // Before it is opened: opening a pipe would wait for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(ReadError::NotAFile);
    }
    let mut bytes = Vec::new();
    let bound = MANIFEST_BYTES_MAX.saturating_add(1);
    File::open(path)?.take(bound).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MANIFEST_BYTES_MAX {
        return Err(ReadError::TooLarge);
    }
    String::from_utf8(bytes).map_err(|_not_utf8| ReadError::NotText)
}

/// Names of the manifest files of a directory, sorted.
///
/// # Errors
/// The directory is missing or closed to us.
pub fn list(directory: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if is_manifest_name(&name) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Whether a directory entry of this name is read.
#[must_use]
pub fn is_manifest_name(name: &OsStr) -> bool {
    let extension = Path::new(name).extension().and_then(OsStr::to_str);
    matches!(extension, Some("yaml" | "yml" | "json"))
        && !name.as_bytes().starts_with(b".")
        && !name.as_bytes().starts_with(b"#")
}

/// Written to so recently that the writer may not be done. A clock that jumps back gives a
/// modification in the future, which is not recent.
fn is_fresh(metadata: &Metadata) -> bool {
    let age = metadata.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
    age.is_some_and(|age| age < WRITE_QUIET)
}

#[cfg(test)]
mod tests;
