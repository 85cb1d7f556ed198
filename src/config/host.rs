//! What the kernel says of itself and of this process's rights. Reads only.

use std::fs;
use std::path::Path;

use rustix::process::{Resource, getrlimit};

/// Facts that decide whether flags can work here. `None`: the kernel does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Host {
    /// `kernel.osrelease`, such as `6.1.0-13-amd64`.
    pub kernel: String,
    /// `kernel.io_uring_disabled` (kernels from 6.6): 0 allowed, 1 for privileged processes and
    /// those of the group `kernel.io_uring_group`, 2 for nobody.
    pub io_uring_disabled: Option<u32>,
    /// `RLIMIT_MEMLOCK`, bytes; `None`: unlimited.
    pub locked_bytes: Option<u64>,
    /// `net.core.somaxconn`.
    pub backlog: Option<u32>,
    /// `net.ipv4.ip_local_port_range`, both included.
    pub local_ports: Option<(u16, u16)>,
    /// `net.ipv4.ip_unprivileged_port_start`.
    pub unprivileged_ports: Option<u16>,
    /// Effective capabilities, capabilities(7).
    pub capabilities: u64,
    /// An interface has an address of IPv6.
    pub has_ipv6: bool,
    /// A seccomp filter judges the system calls of this process.
    pub has_seccomp_filter: bool,
}

/// Bits of capabilities(7).
const NET_BIND_SERVICE: u32 = 10;
const IPC_LOCK: u32 = 14;

impl Host {
    /// Looks at this machine.
    #[must_use]
    pub fn look() -> Self {
        let locked_bytes = getrlimit(Resource::Memlock).current;
        Self { locked_bytes, ..Self::read(Path::new("/proc")) }
    }

    /// Everything but limits, from a proc(5) file system.
    fn read(proc: &Path) -> Self {
        let text = |path: &str| fs::read_to_string(proc.join(path)).unwrap_or_default();
        let sysctl = |path: &str| text(&format!("sys/{path}")).trim().to_owned();
        let status = text("self/status");
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        Self {
            kernel: sysctl("kernel/osrelease"),
            io_uring_disabled: sysctl("kernel/io_uring_disabled").parse().ok(),
            locked_bytes: None,
            backlog: sysctl("net/core/somaxconn").parse().ok(),
            local_ports: ports(&sysctl("net/ipv4/ip_local_port_range")),
            unprivileged_ports: sysctl("net/ipv4/ip_unprivileged_port_start").parse().ok(),
            capabilities: field("CapEff:")
                .and_then(|bits| u64::from_str_radix(bits, 16).ok())
                .unwrap_or_default(),
            // Absent where the kernel has no IPv6, empty where a sysctl has switched it off.
            has_ipv6: !text("net/if_inet6").trim().is_empty(),
            has_seccomp_filter: field("Seccomp:") == Some("2"),
        }
    }

    /// Major and minor version of the kernel.
    #[must_use]
    pub fn kernel_version(&self) -> Option<(u32, u32)> {
        let (major, rest) = self.kernel.split_once('.')?;
        let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    }

    /// Whether a port can be listened on.
    #[must_use]
    pub fn may_bind(&self, port: u16) -> bool {
        // The kernel's default.
        let first_free = self.unprivileged_ports.unwrap_or(1024);
        port == 0 || port >= first_free || self.has(NET_BIND_SERVICE)
    }

    /// Whether locked memory is not limited.
    #[must_use]
    pub fn may_lock_memory(&self) -> bool {
        self.has(IPC_LOCK)
    }

    fn has(&self, capability: u32) -> bool {
        self.capabilities >> capability & 1 == 1
    }
}

fn ports(text: &str) -> Option<(u16, u16)> {
    let mut numbers = text.split_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_from_proc() {
        let proc = tempfile::tempdir().expect("a directory");
        assert_eq!(Host::read(proc.path()), Host::default());
        for (path, text) in [
            ("sys/kernel/osrelease", "6.6.0-rc1\n"),
            ("sys/kernel/io_uring_disabled", "2\n"),
            ("sys/net/core/somaxconn", "4096\n"),
            ("sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
            ("sys/net/ipv4/ip_unprivileged_port_start", "80\n"),
            ("net/if_inet6", "00000000000000000000000000000001 01 80 10 80       lo\n"),
            ("self/status", "Name:\tx\nCapEff:\t0000000000004400\nSeccomp:\t2\n"),
        ] {
            let path = proc.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, text).expect("written");
        }
        let host = Host::read(proc.path());
        let expected = Host {
            kernel: "6.6.0-rc1".into(),
            io_uring_disabled: Some(2),
            locked_bytes: None,
            backlog: Some(4096),
            local_ports: Some((32_768, 60_999)),
            unprivileged_ports: Some(80),
            capabilities: 0x4400,
            has_ipv6: true,
            has_seccomp_filter: true,
        };
        assert_eq!(host, expected);
        assert_eq!(host.kernel_version(), Some((6, 6)));
        assert!(host.may_bind(443) && host.may_lock_memory());
    }

    #[test]
    fn ports_below_the_first_free_one_need_a_right() {
        let host = |unprivileged_ports, capabilities| Host {
            unprivileged_ports,
            capabilities,
            ..Host::default()
        };
        assert!(!host(None, 0).may_bind(80));
        assert!(host(None, 0).may_bind(0));
        assert!(host(None, 0).may_bind(1024));
        assert!(host(Some(80), 0).may_bind(80));
        assert!(!host(Some(81), 0).may_bind(80));
        assert!(host(None, 1 << NET_BIND_SERVICE).may_bind(80));
    }

    #[test]
    fn kernel_versions_have_many_tails() {
        for (text, expected) in [
            ("5.10.0-28-amd64", Some((5, 10))),
            ("6.1", Some((6, 1))),
            ("5.15+custom", Some((5, 15))),
            ("", None),
            ("six.one", None),
        ] {
            let host = Host { kernel: text.into(), ..Host::default() };
            assert_eq!(host.kernel_version(), expected, "{text}");
        }
    }
}
