//! Wakes the control thread when a core acknowledged.
//!
//! Reads the control halves of the doorbells and nothing else; what was acknowledged is in
//! [`crate::publish::CoreState`]. Never writes.

use std::io;
use std::task::{Context, Poll};

use tokio::net::UnixStream;

use crate::publish::Publisher;

/// Waits for any core's byte.
pub struct AckWatch {
    doorbells: Vec<UnixStream>,
}

/// Why no acknowledgement can come any more.
#[derive(Debug, thiserror::Error)]
pub enum AckError {
    /// The core dropped its end: its thread is gone.
    #[error("core {core} ended")]
    CoreGone {
        /// Index of the core.
        core: usize,
    },
    /// The doorbell cannot be read.
    #[error("the doorbell of core {core} cannot be read: {source}")]
    Unreadable {
        /// Index of the core.
        core: usize,
        /// What the kernel said.
        source: io::Error,
    },
}

impl AckWatch {
    /// Watches all cores of `publisher`. Needs a Tokio runtime with I/O around it.
    ///
    /// # Errors
    /// No descriptor left; the process is at fault.
    pub fn new(publisher: &Publisher) -> io::Result<Self> {
        let doorbells = publisher.doorbells()?.into_iter().map(UnixStream::from_std);
        Ok(Self { doorbells: doorbells.collect::<io::Result<_>>()? })
    }

    /// Returns after at least one acknowledgement since the last return; several may be merged.
    ///
    /// Cancel safe: what it consumed it has reported.
    ///
    /// # Errors
    /// [`AckError`]; the core is at fault.
    pub async fn changed(&mut self) -> Result<(), AckError> {
        std::future::poll_fn(|cx| self.poll_changed(cx)).await
    }

    fn poll_changed(&self, cx: &mut Context<'_>) -> Poll<Result<(), AckError>> {
        let mut result = Poll::Pending;
        for (core, doorbell) in self.doorbells.iter().enumerate() {
            match poll_bytes(doorbell, cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(AckError::CoreGone { core })),
                Poll::Ready(Ok(_)) => result = Poll::Ready(Ok(())),
                Poll::Ready(Err(source)) => {
                    return Poll::Ready(Err(AckError::Unreadable { core, source }));
                }
            }
        }
        result
    }
}

/// Takes all bytes that wait. `Ready(0)`: closed, and no byte came before.
fn poll_bytes(doorbell: &UnixStream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    let mut taken = 0;
    loop {
        match doorbell.poll_read_ready(cx) {
            Poll::Pending if taken == 0 => return Poll::Pending,
            Poll::Pending => return Poll::Ready(Ok(taken)),
            Poll::Ready(ready) => ready?,
        }
        match doorbell.try_read(&mut [0; 256]) {
            Ok(0) => return Poll::Ready(Ok(taken)),
            Ok(read) => taken += read,
            // The readiness was stale; the next turn registers the waker.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::time::Duration;

    use super::*;
    use crate::publish::channel;
    use crate::table::TableVersion;

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("runtime").block_on(async {
            tokio::time::timeout(Duration::from_secs(10), test).await.expect("woken in time");
        });
    }

    #[test]
    fn an_acknowledgement_of_any_core_wakes_once() {
        run(async {
            let (publisher, subscribers) = channel(3).expect("channel");
            let mut watch = AckWatch::new(&publisher).expect("watch");
            for subscriber in &subscribers {
                let version = TableVersion(7);
                std::thread::scope(|scope| {
                    scope.spawn(|| subscriber.acknowledge(version));
                });
                watch.changed().await.expect("changed");
                let versions: Vec<_> = publisher.versions().collect();
                assert_eq!(versions[subscriber.core], version);
            }
            assert!(publisher.all_acknowledged(TableVersion(7)));
            let again = tokio::time::timeout(Duration::from_millis(20), watch.changed()).await;
            assert!(again.is_err(), "no acknowledgement, no wake-up");
        });
    }

    #[test]
    fn a_flood_of_acknowledgements_blocks_nobody_and_is_merged() {
        run(async {
            let (publisher, subscribers) = channel(1).expect("channel");
            let mut watch = AckWatch::new(&publisher).expect("watch");
            for version in 1..=200_000 {
                subscribers[0].acknowledge(TableVersion(version));
            }
            watch.changed().await.expect("changed");
            assert!(publisher.all_acknowledged(TableVersion(200_000)));
            let again = tokio::time::timeout(Duration::from_millis(20), watch.changed()).await;
            assert!(again.is_err(), "all bytes were taken at once");
        });
    }

    #[test]
    fn the_end_of_a_core_is_an_error_that_names_it() {
        run(async {
            let (publisher, mut subscribers) = channel(2).expect("channel");
            let mut watch = AckWatch::new(&publisher).expect("watch");
            drop(subscribers.pop());
            let gone = watch.changed().await;
            assert!(matches!(gone, Err(AckError::CoreGone { core: 1 })), "{gone:?}");
        });
    }
}
