//! Seconds since 1970 to calendar text, UTC. Never allocates once its cache is warm, never asks a
//! clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// A moment of the Gregorian calendar, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// Such as 2026.
    pub year: u64,
    /// 1 to 12.
    pub month: u64,
    /// 1 to 31.
    pub day: u64,
    /// 0 to 23.
    pub hour: u64,
    /// 0 to 59.
    pub minute: u64,
    /// 0 to 59.
    pub second: u64,
}

/// Days of 400 years, after which the calendar repeats.
const ERA_DAYS: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: u64 = 719_468;

impl Civil {
    /// The moment `seconds` after 1970-01-01T00:00:00Z, leap seconds not counted.
    #[must_use]
    pub fn from_unix(seconds: u64) -> Self {
        let (days, rest) = (seconds / 86_400 + EPOCH_DAYS, seconds % 86_400);
        let (era, day_of_era) = (days / ERA_DAYS, days % ERA_DAYS);
        // Years begin in March, so that the leap day is the last of its year.
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
        Self { year, month, day, hour, minute, second }
    }

    /// `02/Jan/2006:15:04:05 +0000`, nginx' `$time_local` in UTC.
    pub fn write_nginx(self, out: &mut Vec<u8>) {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let index = usize::try_from(self.month).unwrap_or(0).wrapping_sub(1);
        write_padded(out, self.day, 2);
        out.push(b'/');
        out.extend_from_slice(MONTHS.get(index).unwrap_or(&"").as_bytes());
        out.push(b'/');
        write_padded(out, self.year, 4);
        out.push(b':');
        self.write_time(out);
        out.extend_from_slice(b" +0000");
    }

    /// `2006-01-02T15:04:05`, RFC 3339 without fraction and zone.
    pub fn write_rfc3339(self, out: &mut Vec<u8>) {
        write_padded(out, self.year, 4);
        out.push(b'-');
        write_padded(out, self.month, 2);
        out.push(b'-');
        write_padded(out, self.day, 2);
        out.push(b'T');
        self.write_time(out);
    }

    fn write_time(self, out: &mut Vec<u8>) {
        write_padded(out, self.hour, 2);
        out.push(b':');
        write_padded(out, self.minute, 2);
        out.push(b':');
        write_padded(out, self.second, 2);
    }
}

/// Writes `n` with zeros in front, `width` digits at least.
pub(super) fn write_padded(out: &mut Vec<u8>, n: u64, width: usize) {
    let mut digits = itoa::Buffer::new();
    let text = digits.format(n);
    out.extend(std::iter::repeat_n(b'0', width.saturating_sub(text.len())));
    out.extend_from_slice(text.as_bytes());
}

/// Seconds and milliseconds since 1970; before it: 0.
pub(super) fn unix_millis(time: SystemTime) -> (u64, u32) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs(), since.subsec_millis())
}

/// The text of the last second asked for.
#[derive(Debug)]
pub struct SecondCache {
    write: fn(Civil, &mut Vec<u8>),
    second: Option<u64>,
    text: Vec<u8>,
}

impl SecondCache {
    /// Remembers what `write` makes.
    #[must_use]
    pub fn new(write: fn(Civil, &mut Vec<u8>)) -> Self {
        Self { write, second: None, text: Vec::with_capacity(32) }
    }

    /// The text of `second`.
    pub fn text(&mut self, second: u64) -> &[u8] {
        if self.second != Some(second) {
            self.text.clear();
            (self.write)(Civil::from_unix(second), &mut self.text);
            self.second = Some(second);
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(seconds: u64, nginx: &str, rfc3339: &str) {
        let mut cache = SecondCache::new(Civil::write_nginx);
        assert_eq!(std::str::from_utf8(cache.text(seconds)), Ok(nginx));
        assert_eq!(std::str::from_utf8(cache.text(seconds)), Ok(nginx), "cached");
        let mut text = Vec::new();
        Civil::from_unix(seconds).write_rfc3339(&mut text);
        assert_eq!(std::str::from_utf8(&text), Ok(rfc3339));
    }

    #[test]
    fn seconds_become_calendar_text() {
        check(0, "01/Jan/1970:00:00:00 +0000", "1970-01-01T00:00:00");
        check(951_782_399, "28/Feb/2000:23:59:59 +0000", "2000-02-28T23:59:59");
        check(951_782_400, "29/Feb/2000:00:00:00 +0000", "2000-02-29T00:00:00");
        check(1_136_214_245, "02/Jan/2006:15:04:05 +0000", "2006-01-02T15:04:05");
        check(4_107_542_400, "01/Mar/2100:00:00:00 +0000", "2100-03-01T00:00:00");
        check(4_107_542_399, "28/Feb/2100:23:59:59 +0000", "2100-02-28T23:59:59");
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let mut before = Civil::from_unix(0);
        for day in 1..=ERA_DAYS {
            let next = Civil::from_unix(day * 86_400);
            let in_month = next.month == before.month && next.day == before.day + 1;
            let in_year = next.month == before.month + 1 && next.year == before.year;
            let new_year = next.month == 1 && before.month == 12 && next.year == before.year + 1;
            assert!(in_month || (next.day == 1 && (in_year || new_year)), "{before:?} {next:?}");
            before = next;
        }
        assert_eq!(before, Civil { year: 2370, ..Civil::from_unix(0) });
    }

    #[test]
    fn no_moment_overflows() {
        let mut text = Vec::new();
        Civil::from_unix(u64::MAX).write_nginx(&mut text);
        assert!(text.ends_with(b" +0000"));
        let before_1970 = UNIX_EPOCH - std::time::Duration::from_secs(1);
        assert_eq!(unix_millis(before_1970), (0, 0));
    }
}
