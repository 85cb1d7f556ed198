//! What the kernel says about this process, for the usual `process_*` metrics.
//!
//! Reads `/proc`; what cannot be read is left out, never guessed.

use std::fs;

/// Ticks of `/proc/*/stat` a second: `USER_HZ`, 100 on every architecture that Linux has today.
const TICKS_PER_SECOND: u64 = 100;

/// One reading; `None`: not to be had here.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ProcessReading {
    /// User and system.
    pub cpu_seconds: Option<f64>,
    /// Resident set.
    pub resident_bytes: Option<u64>,
    /// Address space.
    pub virtual_bytes: Option<u64>,
    /// Read from disks.
    pub read_bytes: Option<u64>,
    /// Written to disks.
    pub written_bytes: Option<u64>,
    /// Open descriptors.
    pub open_fds: Option<u64>,
    /// Unix time of the start.
    pub start_seconds: Option<f64>,
}

impl ProcessReading {
    /// Asks the kernel.
    pub(super) fn take() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let mut reading =
            parse(&read("/proc/self/stat"), &read("/proc/self/status"), &read("/proc/stat"));
        // One of the entries is the descriptor that lists them.
        let entries = fs::read_dir("/proc/self/fd").map(Iterator::count).ok();
        let io = read("/proc/self/io");
        reading.read_bytes = number_after(&io, "read_bytes:");
        reading.written_bytes = number_after(&io, "write_bytes:");
        reading.open_fds = entries.and_then(|n| u64::try_from(n.saturating_sub(1)).ok());
        reading
    }
}

/// Source: proc(5), `/proc/pid/stat` fields 14, 15, 22; `VmRSS` of `status`; `btime` of
/// `/proc/stat`.
fn parse(stat: &str, status: &str, system: &str) -> ProcessReading {
    // The second field is a name that can hold spaces and brackets; count after its last bracket.
    let fields: Vec<&str> =
        stat.rsplit_once(')').map_or_else(Vec::new, |(_, rest)| rest.split_whitespace().collect());
    let ticks = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<u64>().ok());
    let cpu = ticks(14).zip(ticks(15)).map(|(user, system)| user.saturating_add(system));
    let booted = number_after(system, "btime ");
    let started = ticks(22).zip(booted);
    ProcessReading {
        cpu_seconds: cpu.map(seconds),
        resident_bytes: number_after(status, "VmRSS:").map(|kib| kib.saturating_mul(1024)),
        virtual_bytes: number_after(status, "VmSize:").map(|kib| kib.saturating_mul(1024)),
        read_bytes: None,
        written_bytes: None,
        open_fds: None,
        start_seconds: started.map(|(ticks, boot)| {
            seconds(boot.saturating_mul(TICKS_PER_SECOND).saturating_add(ticks))
        }),
    }
}

#[expect(clippy::cast_precision_loss, reason = "ticks since 1970 are far below 2^53")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / TICKS_PER_SECOND as f64
}

fn number_after(text: &str, key: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read_by_their_fields_even_with_an_odd_name() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 75 0 0 20 0 4 0 1234 99 88";
        let status = "Name:\tx\nVmSize: 3 kB\nVmRSS:\t   2048 kB\n";
        let expected = ProcessReading {
            cpu_seconds: Some(2.25),
            resident_bytes: Some(2 << 20),
            virtual_bytes: Some(3 << 10),
            read_bytes: None,
            written_bytes: None,
            open_fds: None,
            start_seconds: Some(1_700_000_012.34),
        };
        assert_eq!(parse(stat, status, "cpu 1 2\nbtime 1700000000\n"), expected);
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        for stat in ["", "7 (x", "7 (x) S", "7 (x) S a b c d e f g h i j k l m n o p q r s t"] {
            assert_eq!(parse(stat, "VmRSS: many", "btime"), ProcessReading::default());
        }
    }

    #[test]
    fn this_process_has_a_reading() {
        let reading = ProcessReading::take();
        assert!(reading.resident_bytes.is_some_and(|bytes| bytes > 100_000), "{reading:?}");
        assert!(reading.open_fds.is_some_and(|fds| fds >= 3), "{reading:?}");
        assert!(reading.start_seconds.is_some_and(|start| start > 1e9), "{reading:?}");
        assert!(reading.cpu_seconds.is_some(), "{reading:?}");
    }
}
