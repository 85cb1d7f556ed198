//! Foreign programs as clients: curl, openssl, nghttp, h2load.

use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use super::pki::Authority;
use super::{DEADLINE, holds_within};

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Output {
    /// Exit code; -1: killed by a signal.
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Output {
    /// Standard output, then standard error.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", String::from_utf8_lossy(&self.stdout), self.stderr)
    }

    /// Fails unless `part` was printed.
    #[track_caller]
    pub(crate) fn assert_says(&self, part: &str) {
        assert!(self.text().contains(part), "no {part:?} in: {}", self.text());
    }

    #[track_caller]
    pub(crate) fn assert_success(&self) {
        assert_eq!(self.code, 0, "{}", self.text());
    }
}

/// A program that runs beside the test.
pub(crate) struct Running {
    child: Child,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

impl Running {
    /// Waits for its end.
    #[track_caller]
    pub(crate) fn output(mut self) -> Output {
        let ended =
            holds_within(DEADLINE * 2, || self.child.try_wait().is_ok_and(|end| end.is_some()));
        if !ended {
            drop(self.child.kill());
        }
        let status = self.child.wait().expect("status");
        let read = |thread: &mut Option<JoinHandle<Vec<u8>>>| {
            thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
        };
        let (stdout, stderr) = (read(&mut self.stdout), read(&mut self.stderr));
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        let output = Output { code: status.code().unwrap_or(-1), stdout, stderr };
        assert!(ended, "did not end: {}", output.text());
        output
    }
}

/// Starts a program with these octets as its input.
#[track_caller]
pub(crate) fn start<A: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = A>,
    input: &str,
) -> Running {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; `make setup` installs it"));
    let mut stdin = child.stdin.take().expect("piped");
    // A program that does not want all of it may close early.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    let collect = |stream: Option<Box<dyn std::io::Read + Send>>| {
        stream.map(|mut stream| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                drop(stream.read_to_end(&mut bytes));
                bytes
            })
        })
    };
    let stdout = collect(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let stderr = collect(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    Running { child, stdout, stderr }
}

/// Runs a program to its end.
#[track_caller]
pub(crate) fn run<A: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = A>,
    input: &str,
) -> Output {
    start(program, arguments, input).output()
}

/// Arguments of a silent curl that takes every host name for this machine.
pub(crate) fn curl_arguments(address: SocketAddr) -> Vec<String> {
    let to = format!("::127.0.0.1:{}", address.port());
    ["-sS", "--max-time", "15", "--noproxy", "*", "--connect-to", &to].map(str::to_owned).into()
}

/// curl with these arguments, the URL among them.
#[track_caller]
pub(crate) fn curl(address: SocketAddr, arguments: &[&str]) -> Output {
    let all = curl_arguments(address).into_iter().chain(arguments.iter().map(ToString::to_string));
    run("curl", all, "")
}

/// curl over TLS, trusting `authority`.
#[track_caller]
pub(crate) fn curl_tls(address: SocketAddr, authority: &Authority, arguments: &[&str]) -> Output {
    let file = authority.file().display().to_string();
    curl(address, &[&["--cacert", &file], arguments].concat())
}

/// `openssl s_client`, trusting `authority`, with this input.
#[track_caller]
pub(crate) fn s_client(
    address: SocketAddr,
    authority: &Authority,
    arguments: &[&str],
    input: &str,
) -> Output {
    let (address, file) = (address.to_string(), authority.file().display().to_string());
    let first = ["s_client", "-connect", &address, "-CAfile", &file];
    run("openssl", [&first[..], arguments].concat(), input)
}
