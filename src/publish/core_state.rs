//! What a core tells about itself, and how it is woken.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering::AcqRel;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// What a core tells about itself; written by it alone, but for the flag.
#[derive(Debug, Default)]
pub struct CoreState {
    /// Version of the table in force.
    pub acknowledged: AtomicU64,
    /// When it was put in force, nanoseconds of the process clock ([`super::process_nanos`]).
    pub acknowledged_at: AtomicU64,
    /// [`super::Sequence`] of the last publication that is wholly in force.
    pub applied: AtomicU64,
    /// Last turn of the loop, nanoseconds of the process clock.
    pub heartbeat: AtomicU64,
    /// Doorbell flag: set by senders, cleared by the core before it drains.
    pub rung: AtomicBool,
    /// 1 once the core has finished draining.
    pub drained: AtomicU64,
}

/// The doorbell of a core, for those who send to it. Send first, then ring.
#[derive(Debug)]
pub(super) struct Bell {
    /// The other end of the core's.
    pub doorbell: UnixStream,
    pub state: Arc<CoreState>,
}

impl Bell {
    /// Another one, for another thread.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        let state = Arc::clone(&self.state);
        self.doorbell.try_clone().map(|doorbell| Self { doorbell, state })
    }

    /// Wakes the core, unless it is about to look.
    pub(super) fn ring(&self) {
        if !self.state.rung.swap(true, AcqRel) {
            ring(&self.doorbell);
        }
    }
}

/// Writes one byte and does not wait for room.
pub(super) fn ring(doorbell: &UnixStream) {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // No room: bytes wait, the other side wakes up anyway. Closed: there is nobody to tell.
    drop(socket2::SockRef::from(doorbell).send_with_flags(&[1], flags));
}
