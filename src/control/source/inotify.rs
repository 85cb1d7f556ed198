//! Events of folders, as inotify(7) tells them. Never waits; when it cannot be had it says which
//! limit is in the way.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{
    CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init, remove_watch,
};
use rustix::io::Errno;

use super::tree::{Dependents, Happened, Interest, Interests, Newcomer};
use crate::limits::{INOTIFY_BUFFER_BYTES, INOTIFY_READS_MAX};

/// Why changes cannot be seen as they happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchFault {
    /// EMFILE, though the process has descriptors left.
    #[error("this user has no inotify instance left{}", limit(*.0))]
    Instances(Option<u64>),
    /// ENOSPC.
    #[error("this user has no inotify watch left{}", limit(*.0))]
    Watches(Option<u64>),
    /// EMFILE or ENFILE.
    #[error("no file descriptor is left")]
    Descriptors,
    /// EACCES: a folder can be passed through and not be looked into.
    #[error("the folder {} may not be watched", .0.display())]
    Forbidden(PathBuf),
    /// Anything else.
    #[error("inotify cannot be used: {0}")]
    Refused(String),
}

fn limit(limit: Option<u64>) -> String {
    limit.map(|limit| format!(" (the limit is {limit})")).unwrap_or_default()
}

impl WatchFault {
    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> String {
        let sysctl = |name: &str, value: u64| {
            format!(
                "Raise the limit on the node: sysctl -w fs.inotify.{name}={value} (and in \
                 /etc/sysctl.d)."
            )
        };
        match self {
            Self::Instances(limit) => sysctl("max_user_instances", more(*limit, 1024)),
            Self::Watches(limit) => sysctl("max_user_watches", more(*limit, 524_288)),
            Self::Descriptors => "Raise the descriptor limit (ulimit -n), or lower \
                                  --max-connections."
                .into(),
            Self::Forbidden(folder) => {
                format!("Let this process read it: chmod a+rx {}.", folder.display())
            }
            Self::Refused(_) => "See whether a security module or sandbox forbids inotify.".into(),
        }
    }

    fn of_init(errno: Errno) -> Self {
        // The limit of the user and that of the process have the same number.
        let has_descriptor = fs::File::open("/").is_ok();
        match errno {
            Errno::MFILE if has_descriptor => Self::Instances(sysctl("max_user_instances")),
            Errno::MFILE | Errno::NFILE => Self::Descriptors,
            errno => Self::Refused(io::Error::from(errno).to_string()),
        }
    }

    fn of_watch(errno: Errno, folder: &Path) -> Self {
        match errno {
            Errno::NOSPC => Self::Watches(sysctl("max_user_watches")),
            Errno::ACCESS | Errno::PERM => Self::Forbidden(folder.to_owned()),
            errno => Self::Refused(io::Error::from(errno).to_string()),
        }
    }
}

/// Twice as much as there is, and no less than does for most machines.
fn more(limit: Option<u64>, least: u64) -> u64 {
    limit.unwrap_or_default().saturating_mul(2).max(least)
}

fn sysctl(name: &str) -> Option<u64> {
    fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?.trim().parse().ok()
}

/// An inotify instance and the folders that it watches.
#[derive(Debug)]
pub struct Inotify {
    descriptor: OwnedFd,
    folders: HashMap<i32, Watched>,
}

#[derive(Debug, Default)]
struct Watched {
    path: PathBuf,
    interest: Interest,
}

/// What came of [`Inotify::follow`].
#[derive(Debug, Default)]
pub struct Followed {
    /// A folder is watched that was not before: what happened in it until now nobody told.
    pub is_new: bool,
    /// Not all of it is watched.
    pub fault: Option<WatchFault>,
}

impl Inotify {
    /// An instance that watches nothing.
    ///
    /// # Errors
    /// [`WatchFault`]; the operator is at fault.
    pub fn new() -> Result<Self, WatchFault> {
        let descriptor =
            init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(WatchFault::of_init)?;
        Ok(Self { descriptor, folders: HashMap::new() })
    }

    /// Watches these folders and no others. One that does not exist is passed over: a name in the
    /// folder above tells when it comes.
    pub fn follow(&mut self, interests: Interests) -> Followed {
        let (mut folders, mut followed) = (HashMap::<i32, Watched>::new(), Followed::default());
        for (path, interest) in interests {
            match add_watch(&self.descriptor, &path, flags(&interest)) {
                Ok(id) => {
                    followed.is_new |= !self.folders.contains_key(&id);
                    // One folder may have two paths (bind mounts).
                    let watched = folders.entry(id).or_default();
                    watched.path = path;
                    watched.interest.merge(interest);
                }
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(errno) => followed.fault = Some(WatchFault::of_watch(errno, &path)),
            }
        }
        for id in self.folders.keys().filter(|id| !folders.contains_key(id)) {
            // Fails when the kernel has dropped the watch together with the folder.
            let _gone = remove_watch(&self.descriptor, *id);
        }
        self.folders = folders;
        followed
    }

    /// Folders that are watched.
    #[must_use]
    pub fn len(&self) -> usize {
        self.folders.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    /// Takes the events that wait, and adds what they mean.
    ///
    /// Returns whether all were taken.
    pub fn read(&mut self, effect: &mut Dependents) -> bool {
        let mut buffer = [MaybeUninit::uninit(); INOTIFY_BUFFER_BYTES];
        let mut events = Vec::new();
        let mut reader = Reader::new(&self.descriptor, &mut buffer);
        let mut reads = 0_usize;
        let is_drained = loop {
            if reader.is_buffer_empty() {
                reads = reads.saturating_add(1);
            }
            if reads > INOTIFY_READS_MAX {
                break false;
            }
            match reader.next() {
                Ok(event) => {
                    let name = event
                        .file_name()
                        .map(|name| OsString::from(OsStr::from_bytes(name.to_bytes())));
                    events.push((event.wd(), event.events(), name));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break true,
                Err(error) => {
                    tracing::warn!(%error, "inotify failed; the directory is read as a whole");
                    effect.tree = true;
                    break true;
                }
            }
        };
        for (id, flags, name) in events {
            self.note(id, flags, name.as_deref(), effect);
        }
        is_drained
    }

    fn note(&mut self, id: i32, flags: ReadFlags, name: Option<&OsStr>, effect: &mut Dependents) {
        if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            effect.tree = true;
            return;
        }
        let Some(Watched { path, interest }) = self.folders.get(&id) else { return };
        match name {
            Some(name) => {
                if let Some(happened) = happened(flags, || path.join(name)) {
                    effect.merge(interest.judge(name, happened));
                }
            }
            // The folder itself went away, or what it was mounted on.
            None => {
                effect.tree |= flags.intersects(SELF);
                if flags.contains(ReadFlags::IGNORED) {
                    self.folders.remove(&id);
                }
            }
        }
    }
}

impl AsRawFd for Inotify {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

const SELF: ReadFlags = ReadFlags::DELETE_SELF
    .union(ReadFlags::MOVE_SELF)
    .union(ReadFlags::UNMOUNT)
    .union(ReadFlags::IGNORED);

/// Writes count where files do: in a folder above, such as /tmp, others write all the time.
fn flags(interest: &Interest) -> WatchFlags {
    let names = WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::MOVED_FROM
        | WatchFlags::MOVED_TO
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR
        | WatchFlags::EXCL_UNLINK;
    match interest.has_files() {
        true => names | WatchFlags::CLOSE_WRITE | WatchFlags::ATTRIB,
        false => names,
    }
}

/// Opening and plain writing do not count, so that a slow writer is not read halfway.
fn happened(flags: ReadFlags, path: impl FnOnce() -> PathBuf) -> Option<Happened> {
    let is_folder = flags.contains(ReadFlags::ISDIR);
    if flags.contains(ReadFlags::CLOSE_WRITE) {
        Some(Happened::Written)
    } else if flags.contains(ReadFlags::ATTRIB) {
        Some(Happened::Attributes { is_folder })
    } else if flags.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
        Some(Happened::Gone { is_folder })
    } else if flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
        Some(Happened::Came(if is_folder { Newcomer::Folder } else { newcomer(&path(), flags) }))
    } else {
        None
    }
}

fn newcomer(path: &Path, flags: ReadFlags) -> Newcomer {
    let is_moved = flags.contains(ReadFlags::MOVED_TO);
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => Newcomer::Link,
        Ok(metadata) if metadata.is_file() && metadata.nlink() < 2 && !is_moved => Newcomer::Opened,
        // Gone again, perhaps.
        Ok(_) | Err(_) => Newcomer::File,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_says_what_to_raise() {
        for (fault, text, advice) in [
            (
                WatchFault::Instances(Some(128)),
                "this user has no inotify instance left (the limit is 128)",
                "fs.inotify.max_user_instances=1024",
            ),
            (
                WatchFault::Watches(Some(1 << 20)),
                "this user has no inotify watch left (the limit is 1048576)",
                "fs.inotify.max_user_watches=2097152",
            ),
            (WatchFault::of_init(Errno::NFILE), "no file descriptor is left", "ulimit -n"),
            (
                WatchFault::of_watch(Errno::ACCESS, Path::new("/a")),
                "the folder /a may not be watched",
                "chmod a+rx /a",
            ),
            (
                WatchFault::of_init(Errno::NOSYS),
                "inotify cannot be used: Function not implemented (os error 38)",
                "sandbox",
            ),
        ] {
            assert_eq!(fault.to_string(), text);
            assert!(fault.advice().contains(advice), "{}", fault.advice());
        }
        assert!(matches!(WatchFault::of_init(Errno::MFILE), WatchFault::Instances(Some(_))));
        let watches = WatchFault::of_watch(Errno::NOSPC, Path::new("/a"));
        assert!(matches!(watches, WatchFault::Watches(Some(_))), "{watches:?}");
    }

    #[test]
    fn a_folder_that_cannot_be_watched_leaves_the_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "").expect("written");
        let missing = folder.path().join("missing");
        let shown = Interest { shown_as: [PathBuf::new()].into(), ..Interest::default() };
        let paths = [folder.path().to_owned(), file, missing];
        let interests: Interests = paths.into_iter().map(|path| (path, shown.clone())).collect();
        let mut inotify = Inotify::new().expect("an instance");
        let followed = inotify.follow(interests.clone());
        assert!(followed.is_new && followed.fault.is_none(), "{followed:?}");
        assert_eq!(inotify.len(), 1);
        assert!(!inotify.follow(interests).is_new);
        let mut effect = Dependents::default();
        assert!(inotify.read(&mut effect) && effect == Dependents::default());
        fs::write(folder.path().join("a.yaml"), "").expect("written");
        assert!(inotify.read(&mut effect));
        assert_eq!(effect, Dependents { tree: false, files: [PathBuf::from("a.yaml")].into() });
        drop(folder);
        assert!(inotify.read(&mut effect) && effect.tree && inotify.is_empty());
    }
}
