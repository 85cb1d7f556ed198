//! Backends with addresses that a pod could have, in this process or in one that can be killed.

use std::net::Ipv4Addr;
use std::process::Command;

use super::process::Process;
use crate::peers::Backend;

/// The port of every backend; slices name it.
pub(crate) const PORT: u16 = 8080;

/// First argument of this binary that makes it a backend instead of a test run.
const ROLE: &str = "backend-process";

/// A backend in this process: says its name and remembers what it saw.
#[track_caller]
pub(crate) fn backend(address: Ipv4Addr, name: &str) -> Backend {
    Backend::echo_at(&format!("{address}:{PORT}"), name)
}

/// A backend that can be killed without a word.
pub(crate) struct Pod {
    process: Process,
    _folder: tempfile::TempDir,
}

impl Pod {
    /// Starts it; whoever needs it to listen has to look.
    #[track_caller]
    pub(crate) fn start(address: Ipv4Addr) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command.args([ROLE, &address.to_string()]);
        let process = Process::spawn("backend", command, folder.path().join("log"));
        Self { process, _folder: folder }
    }

    /// SIGKILL, as at the end of a grace period.
    pub(crate) fn kill(&self) {
        self.process.kill();
    }
}

/// Serves for ever, if this process is to be a backend.
pub(crate) fn serve_if_asked() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, address] = &arguments[..]
        && role == ROLE
    {
        let _backend = backend(address.parse().expect("an address"), address);
        loop {
            std::thread::park();
        }
    }
}
