//! The network of this process and its children: a namespace with nothing but loopback, where every
//! address of 10.201.0.0/16 is local. The machine's own network is neither seen nor touched.
//!
//! API objects refuse loopback addresses as endpoints; a backend binds one of these instead.

#![expect(unsafe_code, reason = "a network namespace for the process under test")]

use std::fs;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};

use rustix::process::{getegid, geteuid};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Every address of it can be bound and reached.
const RANGE: &str = "10.201.0.0/16";

/// Addresses of Services; the API server calls webhooks there. Every one can be bound, too.
pub(crate) const SERVICES: &str = "10.96.0.0/16";

/// Where the API server says that it is. Nobody asks it there.
pub(crate) const ADVERTISED: Ipv4Addr = Ipv4Addr::new(10, 201, 0, 1);

/// The bridge to which pods with networks of their own are plugged in: its address, and so much of
/// it as is theirs, too.
const BRIDGE: Ipv4Addr = Ipv4Addr::new(10, 202, 0, 0);

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

/// Adds the bridge, if nobody has.
pub(crate) fn add_bridge() -> Result<(), String> {
    static ADDED: OnceLock<Result<(), String>> = OnceLock::new();
    let add = || {
        ip(&["link", "add", "pods", "type", "bridge"])?;
        ip(&["addr", "add", &format!("{}/16", pod_address(0)), "dev", "pods"])?;
        ip(&["link", "set", "pods", "up"])
    };
    ADDED.get_or_init(add).clone()
}

/// The address of the `number`th pod at the bridge; 0: of the bridge.
pub(crate) fn pod_address(number: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(BRIDGE.to_bits() + u32::from(number) + 1)
}

/// Connects the namespace of a process, which is the file `namespace`, with the bridge.
pub(crate) fn plug(namespace: &str, process: u32, number: u16) -> Result<(), String> {
    let link = format!("pod{number}");
    let (peer, process) = (["type", "veth", "peer", "name", "eth0", "netns"], process.to_string());
    ip(&[&["link", "add", &link, "master", "pods"], &peer[..], &[&process]].concat())?;
    ip(&["link", "set", &link, "up"])?;
    let inside = |arguments: &[&str]| {
        run("nsenter", &[&[&format!("--net={namespace}"), "ip"], arguments].concat())
    };
    inside(&["addr", "add", &format!("{}/16", pod_address(number)), "dev", "eth0"])?;
    inside(&["link", "set", "eth0", "up"])
}

fn write(path: &str, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{path}: {error}"))
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    run("ip", arguments)
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output =
        Command::new(program).args(arguments).stdin(Stdio::null()).output().map_err(|error| {
            format!("the program {program} (Debian: iproute2, util-linux) does not start: {error}")
        })?;
    let text = String::from_utf8_lossy(&output.stderr);
    let command = arguments.join(" ");
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{program} {command}: {}", text.trim()))
    }
}
