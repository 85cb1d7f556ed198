//! Futures of one task beside each other.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Poll, Waker};

/// A flag that one task of a core raises and another waits for.
#[derive(Default)]
pub struct Signal {
    raised: Cell<bool>,
    waiter: Cell<Option<Waker>>,
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
        poll_fn(|context| {
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
        poll_fn(|context| {
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
    poll_fn(|context| {
        is_first_done = is_first_done || first.as_mut().poll(context).is_ready();
        is_second_done = is_second_done || second.as_mut().poll(context).is_ready();
        if is_first_done && is_second_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Waits for the first of two futures; the other is dropped.
pub async fn either<A: Future, B: Future>(first: A, second: B) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    poll_fn(|context| {
        if first.as_mut().poll(context).is_ready() || second.as_mut().poll(context).is_ready() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}
