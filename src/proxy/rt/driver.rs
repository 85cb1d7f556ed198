//! Which driver a core runs on: what this machine's io_uring can do, or epoll.

use std::io;

use io_uring::opcode;

use crate::limits::RING_COMPLETIONS;

/// Flags of `io_uring_setup(2)`, by kernel: `COOP_TASKRUN` 5.19, `SINGLE_ISSUER` 6.0,
/// `DEFER_TASKRUN` 6.1, none 5.11.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingFlags {
    /// Cooperative task running, one issuer. Without them the same work costs twice the CPU.
    CoopSingle,
    /// The same and deferred task running: completions are worked off when the loop asks for them.
    /// monoio asks only when its queue of tasks is empty, so no task may keep itself runnable.
    ///
    /// PERF: 10.6 instead of 11.1 us of CPU per small request at 64 connections, no difference at
    /// 1,000 and with long bodies (medians of 5, one run).
    CoopSingleDefer,
    /// Cooperative task running alone.
    Coop,
    /// No flags.
    Plain,
}

/// A driver that was tried and works on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverChoice {
    /// io_uring with these flags.
    Uring(RingFlags),
    /// epoll.
    Epoll,
}

impl DriverChoice {
    /// For the start line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uring(_) => "uring",
            Self::Epoll => "epoll",
        }
    }
}

/// A ring with these flags, not yet made.
pub(super) fn ring_builder(flags: RingFlags) -> io_uring::Builder {
    let mut builder = io_uring::IoUring::builder();
    builder.setup_cqsize(RING_COMPLETIONS).setup_clamp().dontfork();
    match flags {
        RingFlags::CoopSingle => {
            builder.setup_submit_all().setup_coop_taskrun().setup_single_issuer();
        }
        RingFlags::CoopSingleDefer => {
            builder.setup_submit_all().setup_coop_taskrun().setup_single_issuer();
            builder.setup_defer_taskrun();
        }
        RingFlags::Coop => {
            builder.setup_submit_all().setup_coop_taskrun();
        }
        RingFlags::Plain => {}
    }
    builder
}

/// Finds the best ring this kernel allows, `best` or one that asks less of it.
///
/// # Errors
/// What the kernel said to the plainest ring: `EPERM` (seccomp, `kernel.io_uring_disabled`),
/// `ENOSYS`, `ENOMEM` (locked memory).
pub fn probe_uring(best: RingFlags) -> io::Result<RingFlags> {
    let mut last = None;
    for flags in [best, RingFlags::CoopSingle, RingFlags::Coop, RingFlags::Plain] {
        match ring_builder(flags).build(8) {
            Ok(ring) => {
                if !ring.params().is_feature_ext_arg() {
                    return Err(io::Error::other("the kernel is older than 5.11"));
                }
                return Ok(flags);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::from(io::ErrorKind::Unsupported)))
}

/// What a ring can do here, beyond being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingAbility {
    /// The best flags.
    pub flags: RingFlags,
    /// Operations that cores use and the kernel lacks; `None`: it may not be asked, which keeps
    /// nothing from running.
    pub missing: Option<Vec<&'static str>>,
}

/// Operations that a core submits.
const OPERATIONS: [(u8, &str); 9] = [
    (opcode::Accept::CODE, "accept"),
    (opcode::Connect::CODE, "connect"),
    (opcode::Recv::CODE, "recv"),
    (opcode::Send::CODE, "send"),
    (opcode::Read::CODE, "read"),
    (opcode::Writev::CODE, "writev"),
    (opcode::PollAdd::CODE, "poll"),
    (opcode::Close::CODE, "close"),
    (opcode::AsyncCancel::CODE, "cancel"),
];

/// Tries what [`probe_uring`] tries, then `io_uring_enter(2)` with nothing to submit, and asks
/// `io_uring_register(2)` for the operations.
///
/// # Errors
/// As [`probe_uring`], of either call.
pub fn examine_uring(best: RingFlags) -> io::Result<RingAbility> {
    let flags = probe_uring(best)?;
    let ring = ring_builder(flags).build(8)?;
    ring.submit()?;
    let mut probe = io_uring::Probe::new();
    let is_told = ring.submitter().register_probe(&mut probe).is_ok();
    let lacking = OPERATIONS.iter().filter(|(code, _)| !probe.is_supported(*code));
    let missing = is_told.then(|| lacking.map(|(_, name)| *name).collect());
    Ok(RingAbility { flags, missing })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_that_is_permitted_has_every_operation() {
        // Where it is forbidden: tests/forbidden_uring.rs.
        if let Ok(flags) = probe_uring(RingFlags::CoopSingleDefer) {
            let ability = examine_uring(RingFlags::CoopSingleDefer).expect("as the probe");
            assert_eq!((ability.flags, ability.missing.unwrap_or_default()), (flags, Vec::new()));
        }
    }
}
