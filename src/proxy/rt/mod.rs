//! The runtime under a core: the only module that names monoio, small enough to replace.
//!
//! Rules it keeps so that nobody else has to (monoio 0.2.4 as published):
//! - a runtime is never dropped while the process lives, because the kernel may still write into
//!   the
//!   buffers of its operations ([`run`] does not return);
//! - an accept is never dropped before it resolved, because its descriptor would leak;
//! - a task that panics costs itself only ([`spawn`]); a root that ends aborts the process;
//! - a task never wakes itself to yield, because it would run again before everything else;
//! - nothing of a core is woken from another thread; input from outside arrives by a socket.

#![expect(unsafe_code, reason = "pin projection of a one-field wrapper")]

pub mod buffer;
pub mod clock;
mod doorbell;
mod io_buf;
mod listener;
pub mod random;
mod reuse;
pub mod spares;
mod stream;

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use io_uring::opcode;
use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};

pub use doorbell::Doorbell;
pub use listener::{Accepted, Listener};
pub use reuse::Places;
pub use stream::{Peek, Stream, is_failed, is_half_closed, peek, shutdown, shutdown_both};

/// Submission queue entries: twice the operations of a busy turn. The queue is flushed when full.
const RING_ENTRIES: u32 = 2048;
/// Completion queue entries: more than one turn completes even with thousands of armed operations.
const RING_COMPLETIONS: u32 = 16 * 1024;

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

fn ring_builder(flags: RingFlags) -> io_uring::Builder {
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

/// Finds the best ring this kernel allows.
///
/// # Errors
/// What the kernel said to the plainest ring: `EPERM` (seccomp, `kernel.io_uring_disabled`),
/// `ENOSYS`, `ENOMEM` (locked memory).
pub fn probe_uring(defer_taskrun: bool) -> io::Result<RingFlags> {
    let best = if defer_taskrun { RingFlags::CoopSingleDefer } else { RingFlags::CoopSingle };
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
pub fn examine_uring(defer_taskrun: bool) -> io::Result<RingAbility> {
    let flags = probe_uring(defer_taskrun)?;
    let ring = ring_builder(flags).build(8)?;
    ring.submit()?;
    let mut probe = io_uring::Probe::new();
    let is_told = ring.submitter().register_probe(&mut probe).is_ok();
    let lacking = OPERATIONS.iter().filter(|(code, _)| !probe.is_supported(*code));
    let missing = is_told.then(|| lacking.map(|(_, name)| *name).collect());
    Ok(RingAbility { flags, missing })
}

/// Runs `root` on this thread for as long as the process lives.
///
/// Shape: the root is expected never to finish. When it does, or panics, a half-dead core would
/// keep its listener open while nobody accepts; the process aborts instead.
///
/// # Errors
/// The driver could not be set up; nothing ran.
pub fn run<F: Future<Output = ()>>(
    driver: DriverChoice,
    root: impl FnOnce() -> F,
) -> io::Result<std::convert::Infallible> {
    match driver {
        DriverChoice::Uring(flags) => {
            let mut runtime = RuntimeBuilder::<IoUringDriver>::new()
                .uring_builder(ring_builder(flags))
                .with_entries(RING_ENTRIES)
                .enable_timer()
                .build()?;
            let _bomb = AbortOnDrop;
            runtime.block_on(async move { root().await });
        }
        DriverChoice::Epoll => {
            let mut runtime = RuntimeBuilder::<LegacyDriver>::new()
                .with_entries(RING_ENTRIES)
                .enable_timer()
                .build()?;
            let _bomb = AbortOnDrop;
            runtime.block_on(async move { root().await });
        }
    }
    std::process::abort()
}

struct AbortOnDrop;

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        last_words("a core ended unexpectedly; aborting");
        std::process::abort();
    }
}

/// Says why the process is about to end. The one thing a core ever writes by itself.
pub fn last_words(text: &str) {
    use std::io::Write as _;
    // Nobody is left to tell when standard error is closed.
    drop(writeln!(io::stderr(), "ringway: {text}"));
}

/// Starts a task on this core. When it panics, `on_panic` gets the payload and the core goes on.
pub fn spawn<F>(task: F, on_panic: impl FnOnce(Box<dyn Any + Send>) + 'static)
where
    F: Future<Output = ()> + 'static,
{
    drop(monoio::spawn(Caught { task, on_panic: Some(on_panic) }));
}

/// A task that ends when it panics. Written by hand, because an `async` block around the task would
/// keep room for it twice, once as captured and once as awaited.
struct Caught<F, P> {
    task: F,
    on_panic: Option<P>,
}

impl<F, P> Future for Caught<F, P>
where
    F: Future<Output = ()>,
    P: FnOnce(Box<dyn Any + Send>),
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // SAFETY: `task` is pinned with `self` and never moved out of; `on_panic` is not pinned.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: see above; `Caught` has no `Drop`.
        let task = unsafe { Pin::new_unchecked(&mut this.task) };
        match catch_unwind(AssertUnwindSafe(|| task.poll(context))) {
            Ok(polled) => polled,
            Err(payload) => {
                if let Some(on_panic) = this.on_panic.take() {
                    on_panic(payload);
                }
                Poll::Ready(())
            }
        }
    }
}

/// Waits. Resolution: 1 ms.
pub async fn sleep(duration: Duration) {
    monoio::time::sleep(duration).await;
}

/// Waits for `future` at most `duration`; the future is dropped then, so what it used must not be
/// used again.
///
/// # Errors
/// `None` when the time is over.
pub async fn within<F: Future>(duration: Duration, future: F) -> Option<F::Output> {
    monoio::time::timeout(duration, future).await.ok()
}

/// A flag that one task of a core raises and another waits for.
#[derive(Default)]
pub struct Signal {
    raised: Cell<bool>,
    waiter: Cell<Option<std::task::Waker>>,
}

impl Signal {
    /// Raises it; it stays up.
    pub fn raise(&self) {
        self.raised.set(true);
        if let Some(waker) = self.waiter.take() {
            waker.wake();
        }
    }

    /// Whether it is up.
    pub fn is_raised(&self) -> bool {
        self.raised.get()
    }

    /// Waits until it is up. One waiter at a time.
    pub async fn raised(&self) {
        std::future::poll_fn(|context| {
            if self.raised.get() {
                return Poll::Ready(());
            }
            self.waiter.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

/// A future that makes progress beside others and whose end is remembered.
pub struct Side<'a, T> {
    running: Option<Pin<Box<dyn Future<Output = T> + 'a>>>,
    ended: Option<T>,
}

impl<'a, T> Side<'a, T> {
    /// Nothing runs.
    #[must_use]
    pub const fn idle() -> Self {
        Self { running: None, ended: None }
    }

    /// Runs `future` from the next [`Side::alongside`] on.
    pub fn start(future: impl Future<Output = T> + 'a) -> Self {
        Self { running: Some(Box::pin(future)), ended: None }
    }

    /// Whether it has not ended yet.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Drops what runs.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// How it ended, if it did.
    #[must_use]
    pub const fn ended(&self) -> Option<&T> {
        self.ended.as_ref()
    }

    /// The same, taken out.
    pub const fn take_end(&mut self) -> Option<T> {
        self.ended.take()
    }

    /// Runs `main` to its end while this makes progress too. `None`: this ended in a way that
    /// `is_fatal` says must stop `main`, which is dropped.
    pub async fn alongside<M: Future>(
        &mut self,
        main: M,
        is_fatal: impl Fn(&T) -> bool,
    ) -> Option<M::Output> {
        let mut main = pin!(main);
        std::future::poll_fn(|context| {
            if let Some(running) = &mut self.running
                && let Poll::Ready(end) = running.as_mut().poll(context)
            {
                self.running = None;
                let fatal = is_fatal(&end);
                self.ended = Some(end);
                if fatal {
                    return Poll::Ready(None);
                }
            }
            main.as_mut().poll(context).map(Some)
        })
        .await
    }
}

/// Runs two futures to the end of both.
pub async fn both<A: Future<Output = ()>, B: Future<Output = ()>>(first: A, second: B) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut is_first_done, mut is_second_done) = (false, false);
    std::future::poll_fn(|context| {
        is_first_done = is_first_done || first.as_mut().poll(context).is_ready();
        is_second_done = is_second_done || second.as_mut().poll(context).is_ready();
        if is_first_done && is_second_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Waits for the first of two futures; the other is dropped.
pub async fn either<A: Future, B: Future>(first: A, second: B) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    std::future::poll_fn(|context| {
        if first.as_mut().poll(context).is_ready() || second.as_mut().poll(context).is_ready() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_that_is_permitted_has_every_operation() {
        // Where it is forbidden: tests/forbidden_uring.rs.
        if let Ok(flags) = probe_uring(true) {
            let ability = examine_uring(true).expect("as the probe");
            assert_eq!((ability.flags, ability.missing.unwrap_or_default()), (flags, Vec::new()));
        }
    }
}
