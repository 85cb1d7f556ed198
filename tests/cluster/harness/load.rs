//! Steady traffic by wrk, whose own count of failures is the verdict.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// Longest run; every test ends it earlier.
const SECONDS_MAX: u32 = 600;

/// What traffic came to.
#[derive(Debug)]
pub(crate) struct LoadResult {
    pub(crate) answered: u64,
    /// Socket errors, timeouts, and statuses that are not 2xx or 3xx.
    pub(crate) failed: u64,
}

/// Running traffic; killed when dropped.
pub(crate) struct Load(Option<Child>);

impl Load {
    /// GET / of `host` on 16 kept connections.
    #[track_caller]
    pub(crate) fn start(proxy: SocketAddr, host: &str) -> Self {
        // Longer than a machine under load may need to start what a held proxy waits for.
        let child = Command::new("wrk")
            .args(["-t1", "-c16", "--timeout", "60s", &format!("-d{SECONDS_MAX}s")])
            .args(["-H", &format!("Host: {host}"), &format!("http://{proxy}/")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("wrk (Debian: wrk)");
        Self(Some(child))
    }

    /// Ends the traffic. wrk prints its counts when it is interrupted.
    #[track_caller]
    pub(crate) fn finish(mut self) -> LoadResult {
        let child = self.0.take().expect("running");
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("interrupted");
        let output = child.wait_with_output().expect("wrk");
        parse(&String::from_utf8_lossy(&output.stdout))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Reads `N requests in …`, `Socket errors: connect A, read B, write C, timeout D` and
/// `Non-2xx or 3xx responses: E`; the latter two stand only where they are not zero.
#[track_caller]
fn parse(text: &str) -> LoadResult {
    let mut result = LoadResult { answered: 0, failed: 0 };
    let mut is_complete = false;
    for line in text.lines().map(str::trim) {
        let words = line.split(|c: char| !c.is_ascii_digit());
        let numbers = words.filter_map(|word| word.parse::<u64>().ok());
        if let Some((count, _)) = line.split_once(" requests in ") {
            result.answered = count.parse().expect("a count");
            is_complete = true;
        } else if line.starts_with("Socket errors:") {
            result.failed += numbers.sum::<u64>();
        } else if let Some(count) = line.strip_prefix("Non-2xx or 3xx responses: ") {
            result.failed += count.parse::<u64>().expect("a count");
        }
    }
    assert!(is_complete, "wrk did not say what it did:\n{text}");
    result
}
