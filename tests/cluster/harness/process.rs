//! A child process that never outlives the test process, with its output in a file.

#![expect(unsafe_code, reason = "children that die with the test process")]

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

/// How many lines of a log a failed test prints.
const LINES_MAX: usize = 60;

/// A running program; killed when dropped, and then its last lines are printed if a test panics.
pub(crate) struct Process {
    name: &'static str,
    child: Mutex<Child>,
    log: PathBuf,
}

impl Process {
    /// Starts a program whose output is appended to the file `log`.
    #[track_caller]
    pub(crate) fn spawn(name: &'static str, mut command: Command, log: PathBuf) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(&log).expect("log file");
        let same = file.try_clone().expect("log file");
        command.stdin(Stdio::null()).stdout(file).stderr(same);
        let child = spawn(command).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name, child: Mutex::new(child), log }
    }

    /// How it ended, if it has.
    pub(crate) fn exit_status(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait().expect("wait")
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        kill_process(Pid::from_child(&child), signal).expect("it runs");
    }

    /// Kills it, if it still runs, and waits for its end.
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // Already gone is as good.
        drop(child.kill());
        drop(child.wait());
    }

    /// The last lines of its output, below a heading.
    pub(crate) fn log_tail(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(LINES_MAX)..];
        format!("---- last lines of {} ----\n{}\n", self.name, last.join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprint!("{}", self.log_tail());
        }
    }
}

/// Starts a child from a thread that lasts as long as the process: the kernel sends the signal of
/// a parent's death when the thread ends that started the child.
pub(crate) fn spawn(mut command: Command) -> io::Result<Child> {
    type Order = (Command, Sender<io::Result<Child>>);
    static ORDERS: OnceLock<Sender<Order>> = OnceLock::new();
    let die_with_parent =
        || set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from);
    // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
    unsafe { command.pre_exec(die_with_parent) };
    let orders = ORDERS.get_or_init(|| {
        let (sender, orders) = channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in orders {
                answer.send(command.spawn()).expect("somebody waits for the child");
            }
        });
        sender
    });
    let (answer, child) = channel();
    orders.send((command, answer)).expect("the spawning thread");
    child.recv().expect("the spawning thread")
}
