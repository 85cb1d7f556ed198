//! Where io_uring is forbidden, as in most containers: a seccomp filter refuses `io_uring_setup` to
//! the process under test, and only to it.

#![expect(unsafe_code, reason = "a seccomp filter for the process under test")]
#![expect(clippy::unwrap_used, reason = "a test ends where its set-up fails")]

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

const ALLOW: u32 = 0x7fff_0000;
const REFUSE_WITH_EPERM: u32 = 0x0005_0001;

const fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

/// Load the system call's number; is it `io_uring_setup`? refuse, else allow.
fn filter() -> [libc::sock_filter; 4] {
    let setup = u32::try_from(libc::SYS_io_uring_setup).unwrap();
    [
        instruction(0x20, 0, 0, 0),
        instruction(0x15, 0, 1, setup),
        instruction(0x06, 0, 0, REFUSE_WITH_EPERM),
        instruction(0x06, 0, 0, ALLOW),
    ]
}

/// The directory lives as long as the process.
fn start(driver: &str) -> (Child, TempDir) {
    let (mut command, manifests) = command("serve", driver);
    (command.spawn().unwrap(), manifests)
}

fn command(subcommand: &str, driver: &str) -> (Command, TempDir) {
    let manifests = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringway"));
    command.arg(subcommand).arg("--manifests").arg(manifests.path());
    command.args(["--http-bind", "127.0.0.1:0", "--admin-bind", "127.0.0.1:0"]);
    command.args(["--cores", "1", "--driver", driver]).stderr(Stdio::piped());
    let mut program = filter();
    let install = move || {
        let filter = libc::sock_fprog { len: 4, filter: program.as_mut_ptr() };
        // SAFETY: a plain system call; it makes the filter below possible without rights.
        let lock = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        // SAFETY: the kernel copies four instructions from a live array.
        let set = unsafe { libc::prctl(libc::PR_SET_SECCOMP, 2, &raw const filter) };
        if lock == 0 && set == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    // SAFETY: between fork and exec the closure makes two system calls and allocates nothing.
    unsafe { command.pre_exec(install) };
    (command, manifests)
}

#[test]
fn auto_says_so_once_and_serves_with_epoll() {
    let (mut child, _manifests) = start("auto");
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let warning = lines.next().unwrap().unwrap();
    assert!(warning.contains("io_uring cannot be used here"), "{warning}");
    assert!(warning.contains("serving with epoll"), "{warning}");
    let start_line = lines.next().unwrap().unwrap();
    assert!(start_line.contains(" ready: ") && start_line.contains("driver=epoll"), "{start_line}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn demanded_it_ends_with_one_sentence() {
    let (mut child, _manifests) = start("uring");
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("io_uring cannot be used here"), "{text}");
    assert!(!child.wait().unwrap().success());
}

#[test]
fn doctor_names_the_profile_and_judges_by_the_driver() {
    for (driver, verdict, code) in [("auto", "warning", 0), ("uring", "error", 1)] {
        let (mut command, _manifests) = command("doctor", driver);
        let output = command.arg("--https-bind=127.0.0.1:0").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find(|line| line.contains(" io_uring: ")).unwrap();
        assert!(line.starts_with(verdict), "{text}");
        assert!(line.contains("the seccomp profile of this container forbids it"), "{text}");
        assert_eq!(output.status.code(), Some(code), "{text}");
    }
}
