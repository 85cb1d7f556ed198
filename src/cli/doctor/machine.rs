//! Kernel, io_uring, limits, ports, clock: judged from facts.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use super::report::Line;
use crate::config::{Args, Bind, Driver, Host, Machine};
use crate::limits::{LISTEN_BACKLOG, OWN_DESCRIPTORS};
use crate::proxy::rt::{RingAbility, RingFlags};

/// The first kernel whose rings we can use, and the first without any drawback.
const KERNEL_LEAST: (u32, u32) = (5, 11);
const KERNEL_BEST: (u32, u32) = (6, 1);
/// From here on rings are charged to the cgroup, no longer to `RLIMIT_MEMLOCK`.
const KERNEL_WITHOUT_MEMLOCK: (u32, u32) = (5, 12);
/// Both queues of a core's ring, rounded up.
const RING_BYTES: u64 = 1 << 20;
/// Pending connections that a burst needs; the kernel's default since 5.4.
const BACKLOG_GOOD: u32 = 4096;
/// Connections to one endpoint that must be possible at a time.
const LOCAL_PORTS_GOOD: u32 = 16_384;
/// 2025-01-01: older than this program, so the clock is wrong.
const EARLIEST: Duration = Duration::from_secs(1_735_689_600);

/// Kernel and io_uring.
pub(super) fn host(host: &Host, ring: &io::Result<RingAbility>, driver: Driver) -> [Line; 2] {
    [kernel(host, driver), uring(host, ring, driver)]
}

fn kernel(host: &Host, driver: Driver) -> Line {
    let name = if host.kernel.is_empty() { "unknown" } else { &host.kernel };
    match host.kernel_version() {
        _ if driver == Driver::Epoll => Line::ok("kernel", name),
        None => Line::warning(
            "kernel",
            format!("its version {name:?} cannot be read."),
            "Mount /proc; what follows may be wrong without it.",
        ),
        Some(version) if version < KERNEL_LEAST => Line::warning(
            "kernel",
            format!("{name} is too old for io_uring as it is used here (5.11)."),
            "Update the kernel to 6.1 or newer, or say --driver epoll to be silent about it.",
        ),
        Some(version) if version < KERNEL_BEST => Line::ok(
            "kernel",
            format!(
                "{name}; 6.1 or newer runs completions when asked (DEFER_TASKRUN): 5 % less CPU"
            ),
        ),
        Some(_) => Line::ok("kernel", name),
    }
}

fn uring(host: &Host, ring: &io::Result<RingAbility>, driver: Driver) -> Line {
    const WHAT: &str = "io_uring";
    if driver == Driver::Epoll {
        return Line::ok(WHAT, "not used (--driver epoll)");
    }
    let RingAbility { flags, missing } = match ring {
        Ok(ability) => ability,
        Err(error) => {
            let (cause, advice) = refusal(host, error);
            let found = format!("cannot be used: {cause} ({error})");
            return match driver {
                Driver::Uring => Line::error(WHAT, format!("{found}."), advice),
                Driver::Auto | Driver::Epoll => {
                    Line::warning(WHAT, format!("{found}; epoll serves instead."), advice)
                }
            };
        }
    };
    let missing = missing.as_deref().unwrap_or_default();
    if !missing.is_empty() {
        return Line::error(
            WHAT,
            format!("the kernel lacks the operations {}.", missing.join(", ")),
            "Use --driver epoll, or a kernel of 5.11 or newer.",
        );
    }
    match flags {
        RingFlags::CoopSingleDefer => Line::ok(WHAT, "permitted, with DEFER_TASKRUN"),
        RingFlags::CoopSingle | RingFlags::Coop => {
            Line::ok(WHAT, "permitted, without DEFER_TASKRUN")
        }
        RingFlags::Plain => Line::warning(
            WHAT,
            "permitted, but without COOP_TASKRUN (5.19): the same work costs twice the CPU.",
            "Update the kernel to 6.1 or newer, or compare with --driver epoll.",
        ),
    }
}

/// Why there is no ring, and what to do.
fn refusal(host: &Host, error: &io::Error) -> (&'static str, &'static str) {
    const PROFILE: &str = "Allow io_uring_setup, io_uring_enter and io_uring_register: install \
                           deploy/seccomp/ringway.json on the nodes and name it in the pod \
                           (securityContext.seccompProfile: {type: Localhost, localhostProfile: \
                           ringway.json}), or say --driver epoll.";
    const UPDATE: &str = "Update the kernel to 6.1 or newer, or say --driver epoll.";
    let is_old = host.kernel_version().is_some_and(|version| version < KERNEL_LEAST);
    match (error.kind(), host.io_uring_disabled) {
        (io::ErrorKind::PermissionDenied, Some(2)) => (
            "the sysctl kernel.io_uring_disabled is 2: nobody may",
            "On the node: sysctl -w kernel.io_uring_disabled=0 (and in /etc/sysctl.d), or say \
             --driver epoll.",
        ),
        (io::ErrorKind::PermissionDenied, Some(1)) => (
            "the sysctl kernel.io_uring_disabled is 1: only privileged processes and one group may",
            "On the node: sysctl -w kernel.io_uring_disabled=0, or sysctl -w \
             kernel.io_uring_group=GID with a group of this process (fsGroup, supplementalGroups); \
             or say --driver epoll.",
        ),
        (io::ErrorKind::PermissionDenied, _) if host.has_seccomp_filter => {
            ("the seccomp profile of this container forbids it", PROFILE)
        }
        (io::ErrorKind::PermissionDenied, _) => (
            "the system forbids it, and not by seccomp or sysctl",
            "Look for a security module (SELinux, AppArmor: dmesg) or a sandbox (gVisor) that \
             refuses io_uring_setup, or say --driver epoll.",
        ),
        (io::ErrorKind::Unsupported, _) if host.has_seccomp_filter && !is_old => {
            ("the seccomp profile of this container hides it", PROFILE)
        }
        (io::ErrorKind::Unsupported, _) => ("the kernel has none", UPDATE),
        (io::ErrorKind::OutOfMemory, _) if is_old => (
            "too little memory may be locked (RLIMIT_MEMLOCK)",
            "ulimit -l unlimited (systemd: LimitMEMLOCK=infinity), or the capability IPC_LOCK, or \
             --driver epoll.",
        ),
        (io::ErrorKind::OutOfMemory, _) => (
            "there is no memory for a ring",
            "Raise the memory limit of the container, or ulimit -l.",
        ),
        _ if is_old => ("the kernel is too old", UPDATE),
        _ => ("the kernel refuses", "Say --driver epoll, and report this."),
    }
}

/// CPUs, descriptors, locked memory.
pub(super) fn limits(host: &Host, machine: &Machine, args: &Args) -> Vec<Line> {
    let mut lines = vec![cpus(machine, args.cores), descriptors(machine, args.max_connections)];
    lines.extend(locked_memory(host, args.cores.unwrap_or_else(|| machine.cores()), args.driver));
    lines
}

fn cpus(machine: &Machine, asked: Option<usize>) -> Line {
    const WHAT: &str = "cores";
    let worth = machine.cores();
    let quota = machine.cpu_quota.map(|quota| format!(", a quota worth {quota:.2}"));
    let found = format!(
        "{} for {} CPUs{}",
        asked.unwrap_or(worth),
        machine.cpus,
        quota.unwrap_or_default()
    );
    match (asked, machine.cpu_quota) {
        (Some(cores), _) if cores > worth => Line::warning(
            WHAT,
            format!("{found}: cores wait for each other."),
            format!(
                "Use --cores {worth} or leave it out, or raise the CPU limit of the container."
            ),
        ),
        (_, Some(quota)) if quota < 1.0 => Line::warning(
            WHAT,
            format!("{found}: every core stops when the quota of a period is used up."),
            "Give the container a CPU limit of 1 or more, or none (a request is enough).",
        ),
        _ => Line::ok(WHAT, found),
    }
}

fn descriptors(machine: &Machine, asked: Option<usize>) -> Line {
    const WHAT: &str = "descriptors";
    let limit = machine.descriptors;
    let connections = asked.unwrap_or_else(|| machine.connections()) as u64;
    let found = format!("{limit} for {connections} client connections");
    // One to the client and one to an endpoint.
    let needed = connections.saturating_mul(2).saturating_add(machine.reserved());
    let raise =
        |to: u64| format!("Raise the hard limit to {to} (ulimit -Hn, systemd: LimitNOFILE)");
    if connections.saturating_add(OWN_DESCRIPTORS) > limit {
        let advice = format!("{}, or lower --max-connections.", raise(needed));
        return Line::error(WHAT, format!("{found}: too few to start."), advice);
    }
    if asked.is_some() && needed > limit {
        let advice = format!("{}, or lower --max-connections.", raise(needed));
        let found = format!("{found}: each may need another one to an endpoint.");
        return Line::warning(WHAT, found, advice);
    }
    if limit < 8192 {
        let advice = format!("{}.", raise(65_536));
        return Line::warning(WHAT, format!("{found}: few for a proxy."), advice);
    }
    Line::ok(WHAT, found)
}

fn locked_memory(host: &Host, cores: usize, driver: Driver) -> Option<Line> {
    let needed = (cores as u64).saturating_mul(RING_BYTES);
    let is_charged = host.kernel_version()? < KERNEL_WITHOUT_MEMLOCK;
    let limit = host.locked_bytes?;
    let is_low = driver != Driver::Epoll && is_charged && !host.may_lock_memory() && limit < needed;
    is_low.then(|| {
        Line::warning(
            "locked memory",
            format!(
                "{limit} bytes; the rings of {cores} cores need {needed} on kernels before 5.12."
            ),
            "ulimit -l unlimited (systemd: LimitMEMLOCK=infinity), or the capability IPC_LOCK, or \
             --driver epoll.",
        )
    })
}

/// Ports, backlog. A port is judged by rights alone: a Ringway that runs may have it.
pub(super) fn network(host: &Host, args: &Args, admission: &[Bind]) -> Vec<Line> {
    let flags = [
        ("--http-bind", &args.http_bind[..]),
        ("--https-bind", &args.https_bind),
        ("--admin-bind", &args.admin_bind),
        ("--admission-bind", admission),
    ];
    let binds: Vec<(&str, Bind)> =
        flags.iter().flat_map(|(flag, all)| all.iter().map(move |bind| (*flag, *bind))).collect();
    let mut lines = families(host, &binds);
    let addresses = |(flag, bind): &(&'static str, Bind)| {
        let flag = *flag;
        bind.addresses().into_iter().map(move |address| (flag, address))
    };
    let binds: Vec<(&str, SocketAddr)> = binds.iter().flat_map(addresses).collect();
    lines.extend(ports(host, &binds));
    lines.extend(host.backlog.map(backlog));
    lines.extend(host.local_ports.map(|range| local_ports(range, &binds)));
    lines
}

/// What is said where the machine has no IPv6. Its wildcard can be bound even so, to no use.
fn families(host: &Host, binds: &[(&str, Bind)]) -> Vec<Line> {
    const WHAT: &str = "families";
    if host.has_ipv6 {
        return vec![Line::ok(WHAT, "IPv4 and IPv6")];
    }
    let demanded = binds.iter().filter(|(_, bind)| match bind {
        Bind::At(address) => address.is_ipv6(),
        Bind::Everywhere(_) | Bind::Loopback(_) => false,
    });
    let line = |(flag, bind): &(&str, Bind)| {
        Line::error(
            WHAT,
            format!("{flag} {bind}: no interface here has an IPv6 address."),
            "Listen on IPv4 (0.0.0.0), or on * or localhost, which leave a family out that the \
             machine lacks; or give the pod or machine IPv6 (sysctl \
             net.ipv6.conf.all.disable_ipv6=0).",
        )
    };
    let mut lines: Vec<Line> = demanded.map(line).collect();
    if lines.is_empty() {
        lines.push(Line::ok(WHAT, "IPv4; no interface has an IPv6 address"));
    }
    lines
}

fn ports(host: &Host, binds: &[(&str, SocketAddr)]) -> Vec<Line> {
    const WHAT: &str = "ports";
    let refused: Vec<_> =
        binds.iter().filter(|(_, address)| !host.may_bind(address.port())).collect();
    if refused.is_empty() {
        let mut all: Vec<_> = binds.iter().map(|(_, address)| address.port().to_string()).collect();
        all.dedup();
        return vec![Line::ok(WHAT, format!("{} may be listened on", all.join(", ")))];
    }
    let line = |(flag, address): &&(&str, SocketAddr)| {
        Line::error(
            WHAT,
            format!("{flag} {address}: this process has no right to ports this low."),
            "Give the container the capability NET_BIND_SERVICE (as a file capability of the \
             binary where it does not run as root), or set the sysctl \
             net.ipv4.ip_unprivileged_port_start=0 (securityContext.sysctls), or use ports from \
             1024 and let the Service map 80 and 443 to them.",
        )
    };
    refused.iter().map(line).collect()
}

fn backlog(limit: u32) -> Line {
    let found = format!("net.core.somaxconn is {limit}");
    let asked = u32::try_from(LISTEN_BACKLOG).unwrap_or(u32::MAX);
    if limit < BACKLOG_GOOD.min(asked) {
        let advice = "sysctl -w net.core.somaxconn=4096 in the network namespace of the process \
                      (securityContext.sysctls, if the kubelet allows it).";
        return Line::warning(
            "backlog",
            format!("{found}: bursts of connections are lost."),
            advice,
        );
    }
    Line::ok("backlog", found)
}

fn local_ports((first, last): (u16, u16), binds: &[(&str, SocketAddr)]) -> Line {
    const WHAT: &str = "local ports";
    let found = format!("{first} to {last}");
    let inside = |(_, address): &&(&str, SocketAddr)| (first..=last).contains(&address.port());
    if let Some((flag, address)) = binds.iter().find(inside) {
        let found =
            format!("{found}: {flag} {address} lies within; a connection may have it first.");
        let advice = format!(
            "sysctl -w net.ipv4.ip_local_reserved_ports={}, or listen on another port.",
            address.port()
        );
        return Line::warning(WHAT, found, advice);
    }
    let number = u32::from(last).saturating_sub(u32::from(first)).saturating_add(1);
    if number < LOCAL_PORTS_GOOD {
        let found = format!("{found}: no more connections than that to one endpoint at a time.");
        let advice = "sysctl -w net.ipv4.ip_local_port_range=\"32768 60999\" or wider \
                      (securityContext.sysctls: a safe one).";
        return Line::warning(WHAT, found, advice);
    }
    Line::ok(WHAT, found)
}

/// Certificates are judged by it.
pub(super) fn clock(now: SystemTime) -> Line {
    match now.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) if since >= EARLIEST => Line::ok("clock", "plausible"),
        Ok(_) | Err(_) => Line::error(
            "clock",
            "before 2025: every certificate would be judged by a wrong time.",
            "Set the clock of the node (chrony, systemd-timesyncd).",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::arguments;
    use super::super::report::Verdict;
    use super::*;

    fn kernel_of(kernel: &str) -> Host {
        Host { kernel: kernel.into(), ..Host::default() }
    }

    #[test]
    fn kernels_are_judged_by_their_features() {
        for (text, driver, verdict) in [
            ("6.1.0-13-amd64", Driver::Auto, Verdict::Ok),
            ("5.15.0", Driver::Auto, Verdict::Ok),
            ("5.10.0", Driver::Auto, Verdict::Warning),
            ("5.10.0", Driver::Epoll, Verdict::Ok),
            ("", Driver::Auto, Verdict::Warning),
        ] {
            assert_eq!(kernel(&kernel_of(text), driver).verdict, verdict, "{text} {driver:?}");
        }
    }

    #[test]
    fn every_way_to_be_refused_a_ring_is_told_apart() {
        let new = kernel_of("6.6.1");
        let filtered = Host { has_seccomp_filter: true, ..new.clone() };
        let disabled = |how| Host { io_uring_disabled: Some(how), ..filtered.clone() };
        let errno = io::Error::from;
        use io::ErrorKind::{Other, OutOfMemory, PermissionDenied, Unsupported};
        for (host, kind, cause) in [
            (disabled(2), PermissionDenied, "is 2"),
            (disabled(1), PermissionDenied, "is 1"),
            (disabled(0), PermissionDenied, "seccomp profile of this container forbids"),
            (new.clone(), PermissionDenied, "not by seccomp"),
            (filtered.clone(), Unsupported, "seccomp profile of this container hides"),
            (new.clone(), Unsupported, "the kernel has none"),
            (kernel_of("4.18.0"), Unsupported, "the kernel has none"),
            (kernel_of("5.10.0"), OutOfMemory, "RLIMIT_MEMLOCK"),
            (new.clone(), OutOfMemory, "no memory"),
            (kernel_of("5.10.0"), Other, "too old"),
            (new, Other, "the kernel refuses"),
        ] {
            let line = uring(&host, &Err(errno(kind)), Driver::Auto);
            assert_eq!(line.verdict, Verdict::Warning);
            assert!(line.found.contains(cause), "{kind:?}: {}", line.found);
            assert!(line.advice.len() > 20);
            assert_eq!(uring(&host, &Err(errno(kind)), Driver::Uring).verdict, Verdict::Error);
            assert_eq!(uring(&host, &Err(errno(kind)), Driver::Epoll).verdict, Verdict::Ok);
        }
    }

    #[test]
    fn rings_are_judged_by_what_they_can() {
        let verdict = |flags, missing| {
            uring(&kernel_of("6.1"), &Ok(RingAbility { flags, missing }), Driver::Auto).verdict
        };
        assert_eq!(verdict(RingFlags::CoopSingleDefer, Some(Vec::new())), Verdict::Ok);
        assert_eq!(verdict(RingFlags::CoopSingle, None), Verdict::Ok);
        assert_eq!(verdict(RingFlags::Coop, None), Verdict::Ok);
        assert_eq!(verdict(RingFlags::Plain, None), Verdict::Warning);
        assert_eq!(verdict(RingFlags::Coop, Some(vec!["accept"])), Verdict::Error);
    }

    #[test]
    fn cores_are_held_against_cpus_and_quota() {
        let verdict = |cpus, cpu_quota, asked| {
            cpus_line(Machine { cpus, cpu_quota, descriptors: 1024 }, asked)
        };
        fn cpus_line(machine: Machine, asked: Option<usize>) -> Verdict {
            cpus(&machine, asked).verdict
        }
        assert_eq!(verdict(4, None, None), Verdict::Ok);
        assert_eq!(verdict(4, Some(2.0), Some(2)), Verdict::Ok);
        assert_eq!(verdict(4, Some(2.0), Some(3)), Verdict::Warning);
        assert_eq!(verdict(4, None, Some(5)), Verdict::Warning);
        assert_eq!(verdict(4, Some(0.5), None), Verdict::Warning);
    }

    #[test]
    fn descriptors_are_held_against_connections() {
        let verdict = |limit, asked| {
            descriptors(&Machine { cpus: 1, cpu_quota: None, descriptors: limit }, asked).verdict
        };
        assert_eq!(verdict(65_536, None), Verdict::Ok);
        assert_eq!(verdict(1024, None), Verdict::Warning);
        assert_eq!(verdict(65_536, Some(40_000)), Verdict::Warning);
        assert_eq!(verdict(65_536, Some(65_500)), Verdict::Error);
    }

    #[test]
    fn locked_memory_counts_on_old_kernels_alone() {
        let host = |kernel: &str, locked_bytes| Host { locked_bytes, ..kernel_of(kernel) };
        let is_told = |host: &Host, driver| locked_memory(host, 4, driver).is_some();
        assert!(is_told(&host("5.11.0", Some(65_536)), Driver::Auto));
        assert!(!is_told(&host("5.11.0", Some(65_536)), Driver::Epoll));
        assert!(!is_told(&host("5.11.0", Some(1 << 30)), Driver::Auto));
        assert!(!is_told(&host("5.11.0", None), Driver::Auto));
        assert!(!is_told(&host("6.1.0", Some(0)), Driver::Auto));
        let privileged = Host { capabilities: u64::MAX, ..host("5.11.0", Some(0)) };
        assert!(!is_told(&privileged, Driver::Auto));
    }

    #[test]
    fn ports_and_queues_are_judged_without_binding() {
        let args = arguments("--http-bind 0.0.0.0:80 --https-bind 0.0.0.0:40443").common;
        let verdicts = |host: &Host| -> Vec<_> {
            network(host, &args, &[]).into_iter().map(|line| (line.what, line.verdict)).collect()
        };
        let host =
            Host { backlog: Some(128), local_ports: Some((32_768, 60_999)), ..Host::default() };
        let expected = [
            ("families", Verdict::Ok),
            ("ports", Verdict::Error),
            ("backlog", Verdict::Warning),
            ("local ports", Verdict::Warning),
        ];
        assert_eq!(verdicts(&host), expected);
        let host = Host {
            backlog: Some(4096),
            local_ports: Some((45_000, 65_000)),
            unprivileged_ports: Some(0),
            ..Host::default()
        };
        let expected =
            ["families", "ports", "backlog", "local ports"].map(|what| (what, Verdict::Ok));
        assert_eq!(verdicts(&host), expected);
        assert_eq!(local_ports((50_000, 50_100), &[]).verdict, Verdict::Warning);
    }

    /// Names leave a family out that the machine lacks; an address is what somebody wants.
    #[test]
    fn an_address_of_ipv6_needs_ipv6() {
        for (flags, has_ipv6, verdict) in [
            ("", true, Verdict::Ok),
            ("", false, Verdict::Ok),
            ("--http-bind [::]:80", true, Verdict::Ok),
            ("--http-bind [::]:80", false, Verdict::Error),
            ("--admin-bind [::1]:9901", false, Verdict::Error),
        ] {
            let args = arguments(flags).common;
            let host = Host { has_ipv6, unprivileged_ports: Some(0), ..Host::default() };
            let lines = network(&host, &args, &[]);
            let line = lines.iter().find(|line| line.what == "families").expect("a line");
            assert_eq!(line.verdict, verdict, "{flags} {has_ipv6}: {}", line.found);
        }
        let args = arguments("").common;
        let webhook: Bind = "[::]:10250".parse().expect("an address");
        let lines = network(&Host::default(), &args, &[webhook]);
        assert!(lines.iter().any(|line| line.found.starts_with("--admission-bind [::]:10250")));
    }

    #[test]
    fn a_clock_of_the_past_is_wrong() {
        assert_eq!(clock(SystemTime::UNIX_EPOCH).verdict, Verdict::Error);
        assert_eq!(clock(SystemTime::UNIX_EPOCH + EARLIEST).verdict, Verdict::Ok);
    }
}
