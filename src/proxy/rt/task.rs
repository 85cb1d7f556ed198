//! Tasks of a core, and how they wait.

#![expect(unsafe_code, reason = "pin projection of a one-field wrapper")]

use std::any::Any;
use std::future::{Future as _, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

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
///
/// PERF: the timer has memory of its own. It is aligned to 128 octets, as each future around it
/// would have to be, so that the states of the futures of a request lay on as many cache lines.
pub async fn sleep(duration: Duration) {
    Box::pin(sleep_in_place(duration)).await;
}

/// The same without memory of its own, for loops of a core, which allocate nothing.
pub async fn sleep_in_place(duration: Duration) {
    monoio::time::sleep(duration).await;
}

/// Waits for `future` at most `duration`; the future is dropped then, so what it used must not be
/// used again.
///
/// # Errors
/// `None` when the time is over.
pub async fn within<F: Future>(duration: Duration, future: F) -> Option<F::Output> {
    let (mut future, mut time) = (pin!(future), Box::pin(monoio::time::sleep(duration)));
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => time.as_mut().poll(context).map(|()| None),
    })
    .await
}
