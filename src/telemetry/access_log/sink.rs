//! Where access-log lines go: standard output, or a file that can be opened anew after logrotate
//! has given it another name.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Open for writing.
pub struct Sink {
    pub(super) out: Box<dyn Write + Send>,
    /// `None`: no file.
    path: Option<PathBuf>,
}

impl Sink {
    /// Anything that takes octets, such as standard output.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out, path: None }
    }

    /// Standard output.
    #[must_use]
    pub fn output() -> Self {
        Self::new(Box::new(io::stdout()))
    }

    /// A file; it is made where there is none, and written at its end.
    ///
    /// # Errors
    /// The operator is at fault: no such directory, no right, or a pipe that nobody reads.
    pub fn file(path: &Path) -> io::Result<Self> {
        Ok(Self { out: Box::new(open(path)?), path: Some(path.to_owned()) })
    }

    /// Opens the file of this name again; the old one stays in use where that fails.
    ///
    /// Shape: false where there is no file.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub(super) fn reopen(&mut self) -> io::Result<bool> {
        let Some(path) = &self.path else { return Ok(false) };
        self.out = Box::new(open(path)?);
        Ok(true)
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Not waiting for anybody: a pipe without a reader would hold the writer up for ever.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(FILE_MODE).custom_flags(libc::O_NONBLOCK);
    options.open(path)
}

/// Clients' addresses and targets are not for everybody on the machine.
const FILE_MODE: u32 = 0o640;
