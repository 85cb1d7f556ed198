//! The clock of a test: stands until it is moved.

use std::cell::Cell;

/// Long after the machine was started: what is subtracted from it stays a time.
const START_NANOS: u64 = 1_000_000_000_000;

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(START_NANOS) };
}

/// Nanoseconds.
pub fn nanos() -> u64 {
    NOW.get()
}

/// Moves it on; never back, because a thread may run one test after another.
pub(super) fn set(nanos: u64) {
    NOW.set(nanos.max(NOW.get()));
}

/// As of the kernel.
#[must_use]
pub(in crate::proxy::rt) fn coarse_millis() -> u64 {
    nanos() / 1_000_000
}
