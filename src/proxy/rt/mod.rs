//! The runtime under a core: the only room that names monoio, small enough to replace.
//!
//! Rules it keeps so that nobody else has to (monoio 0.2.4 as published):
//! - a runtime is never dropped while the process lives, because the kernel may still write into
//!   the buffers of its operations ([`run`] does not return);
//! - an accept is never dropped before it resolved, because its descriptor would leak;
//! - a task that panics costs itself only ([`spawn`]); a root that ends aborts the process;
//! - a task never wakes itself to yield, because it would run again before everything else;
//! - nothing of a core is woken from another thread; input from outside arrives by a socket.

pub mod buffer;
pub mod clock;
mod datagrams;
mod doorbell;
mod driver;
mod io_buf;
mod join;
#[cfg(not(test))]
mod listener;
pub mod pipe;
pub mod random;
mod reuse;
mod runtime;
// What asks the kernel, or for a turn of the loop. Unit tests have a kernel and a loop of their
// own, so that everything above runs as it is.
#[cfg(test)]
pub mod simulated;
mod socket;
pub mod spares;
mod splice;
#[cfg(not(test))]
mod stream;
#[cfg(not(test))]
mod task;
#[cfg(not(test))]
mod time;
#[cfg(test)]
use simulated::{listener, stream, task, time};

pub use datagrams::Datagrams;
pub use doorbell::Doorbell;
pub use driver::{DriverChoice, RingAbility, RingFlags, examine_uring, probe_uring};
pub use join::{Side, Signal, both, either};
pub use listener::{Accepted, Listener};
pub use reuse::Places;
pub use runtime::{last_words, run};
pub use socket::Peek;
pub use stream::Stream;
pub use task::{sleep, sleep_in_place, spawn, within};
