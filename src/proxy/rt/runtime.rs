//! The loop of a core and its tasks.

#![expect(unsafe_code, reason = "pin projection of a one-field wrapper")]

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};

use crate::limits::RING_ENTRIES;
use crate::proxy::rt::driver::{DriverChoice, ring_builder};

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
