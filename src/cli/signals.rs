//! Signals of the process, and what each asks for.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// TERM, INT, QUIT: drain and end. nginx, too, drains on QUIT.
    End,
    /// HUP: read the manifests again.
    Reread,
    /// USR1: open the access log again.
    Reopen,
}

/// Signals that are received; none of them ends the process by itself.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hang_up: Signal,
    user1: Signal,
    user2: Signal,
}

impl Signals {
    /// Receives them from now on.
    ///
    /// # Errors
    /// The process cannot receive signals.
    pub(super) fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("signals cannot be received");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            quit: listen(SignalKind::quit())?,
            hang_up: listen(SignalKind::hangup())?,
            user1: listen(SignalKind::user_defined1())?,
            user2: listen(SignalKind::user_defined2())?,
        })
    }

    /// Waits for the next that asks for something. Safe to cancel.
    pub(super) async fn next(&mut self) -> Asked {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Asked::End,
                _ = self.interrupt.recv() => return Asked::End,
                _ = self.quit.recv() => return Asked::End,
                _ = self.hang_up.recv() => return Asked::Reread,
                _ = self.user1.recv() => return Asked::Reopen,
                // nginx starts a new binary on it; whoever is used to that must not end us.
                _ = self.user2.recv() => {
                    tracing::info!("SIGUSR2: ignored; a new binary is started beside this one");
                }
            }
        }
    }
}
