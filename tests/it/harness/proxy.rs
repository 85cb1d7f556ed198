//! The built binary as a child process on free ports, with its own manifest directory.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::client::Client;
use super::message::Message;
use super::{DEADLINE, Driver, holds_within, wait_until};

/// The name of the file that [`Builder::start`] writes.
pub(crate) const MAIN_FILE: &str = "main.yaml";

/// A proxy to be started.
pub(crate) struct Builder {
    driver: Driver,
    cores: usize,
    flags: Vec<String>,
    manifests: String,
}

/// A running proxy; killed when dropped.
pub(crate) struct Proxy {
    child: Child,
    folder: TempDir,
    output: Arc<Mutex<String>>,
    /// First plain HTTP listener.
    pub(crate) http: SocketAddr,
    /// First HTTPS listener.
    pub(crate) https: SocketAddr,
    /// Admin listener.
    pub(crate) admin: SocketAddr,
}

impl Builder {
    pub(crate) fn new(driver: Driver) -> Self {
        Self { driver, cores: 1, flags: Vec::new(), manifests: String::new() }
    }

    pub(crate) fn cores(mut self, cores: usize) -> Self {
        self.cores = cores;
        self
    }

    pub(crate) fn flag(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.flags.extend([name.to_owned(), format!("{value}")]);
        self
    }

    pub(crate) fn manifests(mut self, text: impl AsRef<str>) -> Self {
        self.manifests.push_str(text.as_ref());
        self
    }

    /// Starts the binary and waits for its start line and its readiness.
    #[track_caller]
    pub(crate) fn start(self) -> Proxy {
        self.start_by(Command::new(env!("CARGO_BIN_EXE_ringway")))
    }

    /// The same in a user namespace of its own with a sysctl of user_namespaces(7); `None`, and
    /// loud, where there may be none.
    #[track_caller]
    pub(crate) fn start_with_limit(self, sysctl: &str, value: u64) -> Option<Proxy> {
        let file = format!("/proc/sys/{}", sysctl.replace('.', "/"));
        let unshared = |script: &str| {
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-root-user", "sh", "-ec", script, "sh"]);
            command.arg(env!("CARGO_BIN_EXE_ringway"));
            command
        };
        let limited = format!("echo {value} > {file}");
        if !unshared(&limited).status().is_ok_and(|status| status.success()) {
            eprintln!("NOT TESTED: no user namespace can be made here");
            return None;
        }
        Some(self.start_by(unshared(&format!("{limited}; exec \"$@\""))))
    }

    /// Starts by a command that ends in the binary, and waits likewise.
    #[track_caller]
    pub(crate) fn start_by(self, mut command: Command) -> Proxy {
        let folder = tempfile::tempdir().expect("temporary folder");
        fs::write(folder.path().join(MAIN_FILE), &self.manifests).expect("manifest");
        command
            .args(["serve", "--cores", &self.cores.to_string(), "--driver", self.driver.flag()])
            .args(["--ingress-class", super::manifest::CLASS])
            .args(defaults_without(&self.flags))
            .arg("--manifests")
            .arg(folder.path())
            .args(&self.flags);
        Proxy::launch(command, folder)
    }
}

/// Flags every test wants unless it sets them itself.
fn defaults_without(flags: &[String]) -> Vec<&'static str> {
    let defaults = [("--access-log", "off"), ("--drain-delay", "0"), ("--drain-timeout", "10")];
    let is_unset = |name: &str| !flags.iter().any(|flag| flag == name);
    defaults.iter().filter(|(name, _)| is_unset(name)).flat_map(|&(n, v)| [n, v]).collect()
}

fn text_of(output: &Mutex<String>) -> String {
    output.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn capture(stream: Option<impl Read + Send + 'static>, output: &Arc<Mutex<String>>) {
    let output = Arc::clone(output);
    let reader = BufReader::new(stream.expect("piped"));
    std::thread::spawn(move || {
        for line in reader.split(b'\n').map_while(Result::ok) {
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            output.push_str(&String::from_utf8_lossy(&line));
            output.push('\n');
        }
    });
}

/// Reads `http=`, `https=` and `admin=` from `ringway VERSION ready: …`.
fn wait_for_start_line(
    output: &Mutex<String>,
    child: &mut Child,
) -> Result<[SocketAddr; 3], String> {
    let mut found = None;
    let mut exit = None;
    holds_within(DEADLINE, || {
        let text = text_of(output);
        found = text.lines().find(|line| line.contains(" ready: ")).map(str::to_owned);
        if found.is_none() {
            exit = child.try_wait().ok().flatten();
        }
        found.is_some() || exit.is_some()
    });
    let Some(line) = found else {
        return Err(match exit {
            Some(status) => format!("the proxy ended with {status} before it was ready"),
            None => format!("no start line within {DEADLINE:?}"),
        });
    };
    let address = |key: &str| {
        let word = line.split_whitespace().find_map(|word| word.strip_prefix(key));
        let first = word.unwrap_or_default().split(',').next().unwrap_or_default();
        first.parse().map_err(|error| format!("{key} in {line:?}: {error}"))
    };
    Ok([address("http=")?, address("https=")?, address("admin=")?])
}

impl Proxy {
    /// Starts `ringway demo` with its manifests in a temporary folder.
    #[track_caller]
    pub(crate) fn demo() -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringway"));
        command.arg("demo").arg("--dir").arg(folder.path());
        Self::launch(command, folder)
    }

    /// Starts a command that serves, on free ports, and waits for start line and readiness.
    #[track_caller]
    fn launch(command: Command, folder: TempDir) -> Self {
        let proxy = Self::launch_unready(command, folder);
        proxy.wait_for_readiness();
        proxy
    }

    /// Waits until it serves what it read.
    #[track_caller]
    pub(crate) fn wait_for_readiness(&self) {
        wait_until("readiness", || self.admin_get("/readyz").status() == 200);
    }

    /// The same; waits for the start line alone.
    #[track_caller]
    pub(crate) fn launch_unready(mut command: Command, folder: TempDir) -> Self {
        let mut child = command
            .args(["--http-bind", "127.0.0.1:0", "--https-bind", "127.0.0.1:0"])
            .args(["--admin-bind", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the ringway binary");
        let output = Arc::new(Mutex::new(String::new()));
        capture(child.stdout.take(), &output);
        capture(child.stderr.take(), &output);
        let [http, https, admin] = match wait_for_start_line(&output, &mut child) {
            Ok(addresses) => addresses,
            Err(error) => {
                drop(child.kill());
                drop(child.wait());
                panic!("{error}; its output:\n{}", text_of(&output));
            }
        };
        Self { child, folder, output, http, https, admin }
    }

    /// One core, with these manifests and otherwise the defaults of the tests.
    #[track_caller]
    pub(crate) fn start(driver: Driver, manifests: impl AsRef<str>) -> Self {
        Builder::new(driver).manifests(manifests).start()
    }

    #[track_caller]
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.http)
    }

    /// One GET on a connection of its own.
    #[track_caller]
    pub(crate) fn get(&self, host: &str, path: &str) -> Message {
        self.client().get(host, path)
    }

    #[track_caller]
    pub(crate) fn admin_get(&self, path: &str) -> Message {
        let mut client = Client::connect(self.admin);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n"));
        client.response()
    }

    /// Folder of the manifests.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a manifest in place, as an editor without temporary file does.
    #[track_caller]
    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.folder().join(file), text).expect("manifest");
    }

    /// Replaces a manifest by a rename, as most editors do.
    #[track_caller]
    pub(crate) fn replace(&self, file: &str, text: &str) {
        let temporary = self.folder().join(format!(".{file}.swp"));
        fs::write(&temporary, text).expect("manifest");
        fs::rename(temporary, self.folder().join(file)).expect("rename");
    }

    #[track_caller]
    pub(crate) fn remove(&self, file: &str) {
        fs::remove_file(self.folder().join(file)).expect("manifest");
    }

    /// Sum of the samples of a metric whose labels contain all of `labels` (`name="value"`).
    #[track_caller]
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let page = self.admin_get("/metrics").text();
        page.lines()
            .filter(|line| {
                line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']))
                    && labels.iter().all(|label| line.contains(label))
            })
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Waits until a GET gets `status`.
    #[track_caller]
    pub(crate) fn wait_for_status(&self, host: &str, path: &str, status: u16) {
        let what = format!("status {status} of {host}{path}");
        wait_until(&what, || self.get(host, path).status() == status);
    }

    /// Everything printed so far.
    pub(crate) fn output(&self) -> String {
        text_of(&self.output)
    }

    /// Waits until `text` was printed.
    #[track_caller]
    pub(crate) fn wait_for_output(&self, text: &str) {
        wait_until(&format!("{text:?} in the output"), || self.output().contains(text));
    }

    /// Sends a signal by name, such as `TERM`.
    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &command]).status().expect("sh");
        assert!(status.success(), "{command}: {status}");
    }

    /// Leaves the process only so many descriptors to open; `None`: as many as ever.
    #[track_caller]
    pub(crate) fn spare_descriptors(&self, spare: Option<usize>) {
        use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
        let pid = Pid::from_child(&self.child);
        let open = self.descriptors();
        let mut free = (0..).filter(|number| !open.contains(number));
        // The child has our own maximum, and raised its limit to it.
        let maximum = getrlimit(Resource::Nofile).maximum;
        let current = spare.and_then(|spare| free.nth(spare)).or(maximum);
        prlimit(Some(pid), Resource::Nofile, Rlimit { current, maximum }).expect("prlimit");
    }

    fn descriptors(&self) -> BTreeSet<u64> {
        let folder = fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("descriptors");
        folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
    }

    /// Clients at the numbers that are free below the last descriptor. A limit is one of numbers:
    /// with a gap, those that are closed above it are of no use to anybody.
    #[track_caller]
    pub(crate) fn fill_descriptors(&self) -> Vec<Client> {
        let mut fillers = Vec::new();
        wait_until("the descriptors to be without gaps", || {
            let open = self.descriptors();
            let last = open.last().copied().unwrap_or_default();
            let gaps = (0..last).filter(|number| !open.contains(number)).count();
            fillers.extend((0..gaps).map(|_| self.client()));
            gaps == 0
        });
        fillers
    }

    #[track_caller]
    pub(crate) fn wait_for_exit(&mut self) -> (ExitStatus, Duration) {
        let start = Instant::now();
        let mut status = None;
        wait_until("the proxy to end", || {
            status = self.child.try_wait().expect("wait");
            status.is_some()
        });
        (status.expect("ended"), start.elapsed())
    }

    /// Resident memory, bytes.
    #[track_caller]
    pub(crate) fn resident_bytes(&self) -> usize {
        let path = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(path).expect("status");
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        let kib = line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number");
        kib * 1024
    }

    /// Whether the process still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Already gone is as good.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("---- output of the proxy ----\n{}", self.output());
        }
    }
}

/// Runs the binary to its end with these arguments.
///
/// Returns exit code and everything printed.
#[track_caller]
pub(crate) fn run(arguments: &[&str]) -> (i32, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringway"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the ringway binary");
    let ended = holds_within(DEADLINE, || child.try_wait().is_ok_and(|status| status.is_some()));
    if !ended {
        child.kill().expect("kill");
    }
    let output = child.wait_with_output().expect("output");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(ended, "{arguments:?} did not end; its output:\n{text}");
    (output.status.code().unwrap_or(-1), text)
}
