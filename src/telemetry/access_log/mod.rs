//! Access log: lines are formatted on the core and written by a thread of their own.
//!
//! A core never waits for the log: a line that finds no room is dropped and counted.

mod form;
mod format;
mod parts;
mod sink;
mod writer;

use std::io;

use crossbeam_channel::{Receiver, Sender};

pub use sink::Sink;
pub use writer::{LogOrders, LogWriter, LogWriterCounts};

use self::format::LineFormat;
use self::writer::LogBuffer;
use super::counter::Counter;
use super::record::ExchangeRecord;
use super::shard::CoreTelemetry;
use crate::config::AccessLogFormat;
use crate::filter::{LogForm, Variables};
use crate::limits::{ACCESS_LOG_BUFFER_BYTES, ACCESS_LOG_BUFFERS_MAX, ACCESS_LOG_LINE_BYTES_MAX};

/// Makes the log of each core, in core order, and the thread that writes to `sink`.
///
/// Shape: [`AccessLogFormat::Off`] starts no thread.
///
/// # Errors
/// No thread can be started; the process is at fault.
pub fn access_log(
    format: AccessLogFormat,
    cores: usize,
    sink: Sink,
) -> io::Result<(Vec<CoreLog>, Option<LogWriter>)> {
    if format == AccessLogFormat::Off {
        return Ok(((0..cores).map(|_| CoreLog { active: None }).collect(), None));
    }
    let (full, to_write) = crossbeam_channel::bounded(ACCESS_LOG_BUFFERS_MAX);
    // Room for every buffer there can be, so that the writer never has to free one.
    let (give_back, empty) = crossbeam_channel::bounded(ACCESS_LOG_BUFFERS_MAX + cores + 1);
    let writer = LogWriter::start(sink, to_write, give_back)?;
    let logs = (0..cores).map(|_| CoreLog::new(format, full.clone(), empty.clone()));
    Ok((logs.collect(), Some(writer)))
}

/// A core's end of the access log.
pub struct CoreLog {
    /// `None`: no access log.
    active: Option<ActiveLog>,
}

struct ActiveLog {
    format: LineFormat,
    buffer: LogBuffer,
    full: Sender<LogBuffer>,
    empty: Receiver<Vec<u8>>,
}

impl CoreLog {
    fn new(format: AccessLogFormat, full: Sender<LogBuffer>, empty: Receiver<Vec<u8>>) -> Self {
        let buffer = LogBuffer { bytes: Vec::with_capacity(ACCESS_LOG_BUFFER_BYTES), lines: 0 };
        let format = LineFormat::new(format);
        Self { active: Some(ActiveLog { format, buffer, full, empty }) }
    }

    /// False: lines go nowhere ([`AccessLogFormat::Off`]).
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.active.is_some()
    }

    /// Adds a line; `form` counts before that of the flag, `known` is known of the request.
    ///
    /// Shape: allocates nothing but a new buffer while the writer holds the others.
    pub fn write(
        &mut self,
        record: &ExchangeRecord<'_>,
        known: &impl Variables,
        form: Option<&LogForm>,
        telemetry: &CoreTelemetry,
    ) {
        let Some(log) = &mut self.active else { return };
        if log.buffer.bytes.len() + ACCESS_LOG_LINE_BYTES_MAX > ACCESS_LOG_BUFFER_BYTES {
            log.ship(telemetry);
        }
        log.format.write_line(&mut log.buffer.bytes, record, known, form);
        log.buffer.lines += 1;
    }

    /// Hands over what there is; for the core's ticker, so that lines do not age in a buffer.
    pub fn flush(&mut self, telemetry: &CoreTelemetry) {
        let Some(log) = &mut self.active else { return };
        if log.buffer.lines > 0 {
            log.ship(telemetry);
        }
    }
}

impl ActiveLog {
    fn ship(&mut self, telemetry: &CoreTelemetry) {
        if self.full.is_full() {
            return self.drop_lines(telemetry);
        }
        let bytes =
            self.empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(ACCESS_LOG_BUFFER_BYTES));
        let full = std::mem::replace(&mut self.buffer, LogBuffer { bytes, lines: 0 });
        if let Err(refused) = self.full.try_send(full) {
            // Another core was quicker.
            self.buffer = refused.into_inner();
            self.drop_lines(telemetry);
        }
    }

    fn drop_lines(&mut self, telemetry: &CoreTelemetry) {
        telemetry.add(Counter::AccessLogDropped, self.buffer.lines);
        self.buffer.bytes.clear();
        self.buffer.lines = 0;
    }
}

#[cfg(test)]
pub(crate) mod tests;
