//! One pod as a program: in a network namespace of its own, its standard output kept line by line.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use k8s_openapi::jiff::Timestamp;

use crate::harness::process::spawn;
use crate::harness::{DEADLINE, network, pause};

/// First argument of this binary that makes it a name server instead of a test run.
const ROLE: &str = "name-server";

/// Lines with the times at which they came.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<(Timestamp, String)>>>);

impl Log {
    fn push(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push((Timestamp::now(), line));
    }

    /// What came at `time` or later.
    pub(crate) fn since(&self, time: Timestamp) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = lines.iter().filter(|(at, _)| *at >= time);
        wanted.map(|(_, line)| format!("{line}\n")).collect()
    }
}

/// What runs for an image.
pub(crate) struct Image {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Image {
    /// By the last element of its name. `None`: not one of the suite's.
    pub(crate) fn named(image: &str, programs: &Path) -> Option<Self> {
        let name = image.rsplit('/').next()?.split(':').next()?;
        match name {
            "echo-basic" => {
                Some(Self { program: programs.join("echo-basic"), arguments: Vec::new() })
            }
            "coredns" => Some(Self {
                program: std::env::current_exe().expect("this binary"),
                arguments: vec![ROLE.into()],
            }),
            _ => None,
        }
    }
}

/// A running pod; killed when dropped, and its namespace ends with it.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: Ipv4Addr,
    pub(crate) log: Log,
    /// What its volumes hold.
    folder: tempfile::TempDir,
}

impl Program {
    /// Returns when it listens. The `number`th pod gets the `number`th address of the bridge.
    pub(crate) fn start(
        image: &Image,
        environment: &BTreeMap<String, String>,
        folder: tempfile::TempDir,
        number: u16,
    ) -> io::Result<Self> {
        let mut command = Command::new("unshare");
        command.arg("--net").arg(&image.program).args(&image.arguments).envs(environment);
        let stderr = fs::File::create(folder.path().join("stderr"))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = spawn(command)?;
        let output = child.stdout.take().expect("piped");
        let log = Log::default();
        let lines = log.clone();
        std::thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).for_each(|line| lines.push(line));
        });
        let address = network::pod_address(number);
        let mut program = Self { child, address, log, folder };
        let process = format!("/proc/{}", program.child.id());
        let own = fs::read_link("/proc/self/ns/net")?;
        let namespace = format!("{process}/ns/net");
        program.wait("a network", || {
            fs::read_link(&namespace).is_ok_and(|namespace| namespace != own)
        })?;
        network::plug(&namespace, program.child.id(), number).map_err(io::Error::other)?;
        program.wait("a listener", || is_listening(&process))?;
        Ok(program)
    }

    /// How it ended, if it has.
    pub(crate) fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("wait")
    }

    fn wait(&mut self, what: &str, mut is_there: impl FnMut() -> bool) -> io::Result<()> {
        let deadline = Instant::now() + DEADLINE;
        while !is_there() {
            if let Some(status) = self.exit_status() {
                let last = fs::read_to_string(self.folder.path().join("stderr"));
                let last = last.unwrap_or_default();
                let text = format!("ended before it had {what}: {status} {last}");
                return Err(io::Error::other(text));
            }
            if Instant::now() > deadline {
                let text = format!("has waited {DEADLINE:?} in vain for {what}");
                return Err(io::Error::other(text));
            }
            pause(std::time::Duration::from_millis(2));
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Already gone is as good.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Whether sockets are bound in the namespace of a process: each table has a line of headings.
fn is_listening(process: &str) -> bool {
    ["tcp", "tcp6", "udp", "udp6"].iter().any(|table| {
        fs::read_to_string(format!("{process}/net/{table}"))
            .is_ok_and(|table| table.lines().count() > 1)
    })
}

/// Serves for ever, if this process is to be a name server: it knows no names, and says so in the
/// words of the question.
pub(crate) fn serve_names_if_asked() {
    if std::env::args().nth(1).as_deref() != Some(ROLE) {
        return;
    }
    let socket = UdpSocket::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 53))).expect("port 53");
    let mut packet = [0; 512];
    loop {
        let (length, from) = socket.recv_from(&mut packet).expect("a question");
        // RFC 1035, section 4.1.1: QR.
        packet[2] |= 0x80;
        socket.send_to(&packet[..length], from).ok();
        // A trace for whoever looks for it in the log of the pod.
        writeln!(io::stdout(), "asked by {from}").ok();
    }
}
