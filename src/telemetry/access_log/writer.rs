//! The thread that writes the access log. It alone touches the sink, and survives every error of
//! it.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, never, select};

use super::sink::Sink;
use crate::limits::{ACCESS_LOG_END_POLL, ACCESS_LOG_SINK_PAUSE, LOG_ORDERS_MAX};

/// Full lines on their way to the writer.
#[derive(Debug)]
pub(super) struct LogBuffer {
    pub(super) bytes: Vec<u8>,
    pub(super) lines: u64,
}

/// What the sink refused.
#[derive(Debug, Default)]
pub struct LogWriterCounts {
    /// Writes that failed (closed pipe, full disk).
    pub errors: AtomicU64,
    /// Lines that were lost by it, whole or in part.
    pub lines_lost: AtomicU64,
}

/// Handle on the writer thread.
pub struct LogWriter {
    thread: JoinHandle<()>,
    counts: Arc<LogWriterCounts>,
    orders: LogOrders,
}

/// Says where lines go.
#[derive(Clone)]
pub struct LogOrders(Sender<Order>);

/// What the writer is told.
enum Order {
    /// The file is to be opened again.
    Reopen,
    /// What comes now goes there.
    Redirect(Sink),
}

impl LogOrders {
    /// Opens the file again under its name, soon; lines that come later are in the new one. Where
    /// that fails the old file stays in use, and the log says why. Standard output is left alone.
    pub fn reopen(&self) {
        // One that waits to be done already does as well.
        drop(self.0.try_send(Order::Reopen));
    }

    /// Has lines go to `sink` from now on; false: the writer is behind with other orders.
    #[must_use]
    pub fn redirect(&self, sink: Sink) -> bool {
        self.0.try_send(Order::Redirect(sink)).is_ok()
    }
}

impl LogWriter {
    pub(super) fn start(
        sink: Sink,
        full: Receiver<LogBuffer>,
        empty: Sender<Vec<u8>>,
    ) -> io::Result<Self> {
        let counts = Arc::new(LogWriterCounts::default());
        let (orders, ordered) = crossbeam_channel::bounded(LOG_ORDERS_MAX);
        let counted = Arc::clone(&counts);
        let state = WriterState { sink, counts: counted, mid_line: false, is_failing: false };
        let thread = thread::Builder::new()
            .name("access-log".into())
            .spawn(move || state.run(&full, &empty, ordered))?;
        Ok(Self { thread, counts, orders: LogOrders(orders) })
    }

    /// For whoever says where lines go.
    #[must_use]
    pub fn orders(&self) -> &LogOrders {
        &self.orders
    }

    /// For the metrics.
    #[must_use]
    pub fn counts(&self) -> Arc<LogWriterCounts> {
        Arc::clone(&self.counts)
    }

    /// Waits until everything is written; every [`super::CoreLog`] must be flushed and dropped
    /// before.
    ///
    /// Shape: false when the sink still blocks after `timeout`; the thread is left alone then.
    #[must_use]
    pub fn finish(self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        while !self.thread.is_finished() {
            if Instant::now() >= deadline {
                return false;
            }
            pause(ACCESS_LOG_END_POLL);
        }
        self.thread.join().is_ok()
    }
}

#[expect(clippy::disallowed_methods, reason = "a thread of the log's own, or the process ends")]
fn pause(time: Duration) {
    thread::sleep(time);
}

struct WriterState {
    sink: Sink,
    counts: Arc<LogWriterCounts>,
    /// The last write ended inside a line.
    mid_line: bool,
    /// The last write failed.
    is_failing: bool,
}

impl WriterState {
    fn run(
        mut self,
        full: &Receiver<LogBuffer>,
        empty: &Sender<Vec<u8>>,
        mut ordered: Receiver<Order>,
    ) {
        loop {
            select! {
                recv(full) -> buffer => {
                    let Ok(buffer) = buffer else { return };
                    drop(empty.try_send(self.take(buffer)));
                }
                recv(ordered) -> order => match order {
                    Ok(Order::Reopen) => self.reopen(),
                    Ok(Order::Redirect(sink)) => (self.sink, self.mid_line) = (sink, false),
                    // The handles are gone; what is left is still written.
                    Err(_) => ordered = never(),
                },
            }
        }
    }

    /// Returns the emptied memory.
    fn take(&mut self, buffer: LogBuffer) -> Vec<u8> {
        let result = self.write(&buffer.bytes);
        self.account(&result, buffer.lines);
        // Told once per failure, not once per buffer: this may be the same disk.
        if let Err(error) = &result
            && !self.is_failing
        {
            tracing::warn!(%error, "the access log cannot be written; lines are lost");
        }
        self.is_failing = result.is_err();
        let mut bytes = buffer.bytes;
        bytes.clear();
        bytes
    }

    fn reopen(&mut self) {
        match self.sink.reopen() {
            Ok(true) => {
                self.mid_line = false;
                tracing::info!("the access log was opened again");
            }
            Ok(false) => {
                tracing::info!("the access log goes to standard output: nothing to open again");
            }
            Err(error) => tracing::warn!(
                %error,
                "the access log cannot be opened again; its lines go to the old file"
            ),
        }
    }

    fn account(&self, result: &io::Result<()>, lines: u64) {
        if result.is_err() {
            self.counts.errors.fetch_add(1, Relaxed);
            self.counts.lines_lost.fetch_add(lines, Relaxed);
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.mid_line {
            self.write_all(b"\n")?;
        }
        self.write_all(bytes)?;
        self.sink.out.flush()
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.sink.out.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    let (done, rest) = bytes.split_at(written.min(bytes.len()));
                    self.mid_line = !done.ends_with(b"\n");
                    bytes = rest;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => pause(ACCESS_LOG_SINK_PAUSE),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
