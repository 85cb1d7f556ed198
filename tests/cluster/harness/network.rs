//! The network of this process and its children: a namespace with nothing but loopback, where every
//! address of 10.201.0.0/16 is local. The machine's own network is neither seen nor touched.
//!
//! API objects refuse loopback addresses as endpoints; a backend binds one of these instead.

#![expect(unsafe_code, reason = "a network namespace for the process under test")]

use std::fs;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};

use rustix::process::{getegid, geteuid};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Every address of it can be bound and reached.
const RANGE: &str = "10.201.0.0/16";

/// Addresses of Services; the API server calls webhooks there. Every one can be bound, too.
pub(crate) const SERVICES: &str = "10.96.0.0/16";

/// Where the API server says that it is. Nobody asks it there.
pub(crate) const ADVERTISED: Ipv4Addr = Ipv4Addr::new(10, 201, 0, 1);

/// Below the ephemeral ports of the namespace, in which nobody but this process asks for one.
static NEXT_PORT: AtomicU16 = AtomicU16::new(20_000);

static NEXT_NETWORK: AtomicU8 = AtomicU8::new(1);

/// Addresses that no other test has.
pub(crate) struct Network(u8);

impl Network {
    pub(crate) fn new() -> Self {
        let block = NEXT_NETWORK.fetch_add(1, Ordering::Relaxed);
        assert_ne!(block, 0, "more than 255 networks");
        Self(block)
    }

    /// The `number`th address, ready to be bound.
    pub(crate) fn address(&self, number: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 201, self.0, number)
    }
}

/// A port of loopback that nobody has and that no outgoing connection will get: a server can be
/// stopped and started again on it.
pub(crate) fn free_port() -> u16 {
    NEXT_PORT.fetch_add(1, Ordering::Relaxed)
}

/// Enters a new network namespace. The process must still have a single thread.
pub(crate) fn enter() -> Result<(), String> {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    let mut flags = UnshareFlags::NEWNET;
    if user != 0 {
        flags |= UnshareFlags::NEWUSER;
    }
    // SAFETY: the flags share no file descriptors out, and no thread but this one exists.
    unsafe { unshare_unsafe(flags) }.map_err(|error| {
        format!("a network namespace needs root, or user namespaces for all ({error})")
    })?;
    if user != 0 {
        write("/proc/self/setgroups", "deny")?;
        write("/proc/self/uid_map", &format!("0 {user} 1"))?;
        write("/proc/self/gid_map", &format!("0 {group} 1"))?;
    }
    ip(&["link", "set", "lo", "up"])?;
    ip(&["route", "add", "local", SERVICES, "dev", "lo"])?;
    ip(&["route", "add", "local", RANGE, "dev", "lo"])
}

fn write(path: &str, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{path}: {error}"))
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output =
        Command::new("ip").args(arguments).stdin(Stdio::null()).output().map_err(|error| {
            format!("the program ip (Debian: iproute2) does not start: {error}")
        })?;
    let text = String::from_utf8_lossy(&output.stderr);
    let command = arguments.join(" ");
    if output.status.success() { Ok(()) } else { Err(format!("ip {command}: {}", text.trim())) }
}
