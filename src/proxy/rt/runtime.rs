//! The loop of a core.

use std::io;

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
