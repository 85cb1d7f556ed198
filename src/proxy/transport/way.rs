//! How octets get from one connection to another, and the way that spares copying them.
//!
//! ```text
//! take: socket ─▶ pipe        give: pipe ─▶ socket
//! ```

use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

use crate::limits::{BUFFER_LARGE_BYTES, SPLICED_BYTES_MIN, TURN_BYTES_MAX};
use crate::proxy::rt::Stream;
use crate::proxy::rt::clock::Expiry;
use crate::proxy::rt::pipe::{Pipe, Pipes};
use crate::proxy::transport::Transport;

/// Whether octets are likely to be there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The sender thinks.
    Waiting,
    /// It sends: the next octets are here, and a wait would cost a turn of the loop.
    Full,
}

/// How the next octets are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By an operation that waits for them: one of the ring, or readiness and a system call.
    Awaited,
    /// By a system call at once, and only if nothing is there as above.
    Direct,
    /// Not at all: the kernel moves them to the other socket through a pipe.
    Spliced,
}

impl Way {
    /// The way of a sender's next octets, of which `run` go on as they are.
    ///
    /// PERF: microseconds of CPU a message, of a program that does nothing but move octets between
    /// two sockets (loopback, 32 connections, medians of 3), by copying through 64 KiB and through
    /// a pipe of 512 KiB: 28 and 32 for 10 KiB, 62 and 55 for 100 KiB, 771 and 228 for 1 MiB, 59
    /// and 41 for 100 KiB of a request. Octets that are there already are fetched at once, because
    /// a wait costs a turn of the loop; those that are not, by an operation of the ring, which
    /// costs 0.5 less a small request than readiness and a call (64 connections).
    #[must_use]
    pub const fn of(flow: Flow, run: u64) -> Self {
        match flow {
            Flow::Waiting => Self::Awaited,
            Flow::Full if run < SPLICED_BYTES_MIN => Self::Direct,
            Flow::Full => Self::Spliced,
        }
    }
}

/// A run of octets that the kernel moves from one socket to another.
pub struct Passage<'a> {
    from: &'a Stream,
    to: &'a Stream,
    pipes: &'a Rc<Pipes>,
    /// `None`: while nothing is there to be taken.
    pipe: Option<Pipe>,
    /// Octets moved since others had their turn.
    moved: usize,
}

impl<'a> Passage<'a> {
    /// For the next `run` octets, if that is their way; `None`: it is not, one side is not in clear
    /// text, or there is no pipe left.
    #[must_use]
    pub fn open(
        from: &'a Transport,
        to: &'a Transport,
        run: u64,
        pipes: &'a Rc<Pipes>,
    ) -> Option<Self> {
        if Way::of(Flow::Full, run) != Way::Spliced {
            return None;
        }
        let (Transport::Plain(from), Transport::Plain(to)) = (from, to) else { return None };
        let mut passage = Self { from, to, pipes, pipe: None, moved: 0 };
        passage.is_open().then_some(passage)
    }

    /// Whether there is a pipe; else the octets that come next have to be copied.
    #[must_use]
    pub fn is_open(&mut self) -> bool {
        if self.pipe.is_none() {
            self.pipe = self.pipes.lend();
        }
        self.pipe.is_some()
    }

    /// Octets that were taken and not yet given.
    #[must_use]
    pub fn held(&self) -> usize {
        self.pipe.as_ref().map_or(0, Pipe::len)
    }

    /// Takes what is there, at most `most` octets; 0: end of stream. Needs a pipe.
    ///
    /// # Errors
    /// `WouldBlock`: nothing is there.
    pub fn take(&mut self, most: u64) -> io::Result<usize> {
        let pipe = self.pipe.as_mut().ok_or(ErrorKind::BrokenPipe)?;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        loop {
            match self.from.try_fill(pipe, most) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Waits until something is there, end of stream and errors included. Others may have the pipe
    /// meanwhile.
    ///
    /// # Errors
    /// The descriptor failed.
    pub async fn readable(&mut self) -> io::Result<()> {
        self.pipe = None;
        self.from.readable().await
    }

    /// Gives all that was taken. The receiver has `wait` for each [`BUFFER_LARGE_BYTES`].
    ///
    /// # Errors
    /// The connection failed, or the time is over.
    pub async fn give(&mut self, wait: Duration) -> io::Result<()> {
        let result = self.drain(wait).await;
        self.to.write_deadline().disarm();
        result
    }

    async fn drain(&mut self, wait: Duration) -> io::Result<()> {
        let deadline = self.to.write_deadline();
        let mut since_armed = BUFFER_LARGE_BYTES;
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        while !pipe.is_empty() {
            match self.to.try_drain(pipe) {
                Ok(count) => {
                    since_armed += count;
                    self.moved += count;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if since_armed >= BUFFER_LARGE_BYTES {
                        deadline.arm(wait, Expiry::CloseBoth);
                        since_armed = 0;
                    }
                    self.to.writable().await?;
                    self.moved = 0;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.moved >= TURN_BYTES_MAX {
            self.moved = 0;
            deadline.arm(wait, Expiry::CloseBoth);
            self.to.turn().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_of_a_sender_in_flow_are_spliced() {
        for (flow, run, expected) in [
            (Flow::Waiting, u64::MAX, Way::Awaited),
            (Flow::Full, 0, Way::Direct),
            (Flow::Full, SPLICED_BYTES_MIN - 1, Way::Direct),
            (Flow::Full, SPLICED_BYTES_MIN, Way::Spliced),
            (Flow::Full, u64::MAX, Way::Spliced),
        ] {
            assert_eq!(Way::of(flow, run), expected, "{flow:?} {run}");
        }
    }
}
