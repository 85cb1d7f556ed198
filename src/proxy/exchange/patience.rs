//! How long one request waits for endpoints: as its rule says, and its client where that may.

use std::time::Duration;

use crate::http1::head::is_grpc;
use crate::proxy::exchange::state::Exchange;
use crate::proxy::upstream::until::Until;
use crate::table::plan::Treatment;

impl Exchange<'_> {
    /// How long endpoints may take: the client of a gRPC call may have a say.
    pub(super) fn until(&self, treatment: &Treatment, begun: u64) -> Until {
        let &Treatment { send_timeout: send, read_timeout: read, exchange_timeout, .. } = treatment;
        let mut until = Until { send, read, ends_at: None, try_ends_at: None, repeats_until: None };
        if !treatment.tries_time.is_zero() {
            until.repeat_within(treatment.tries_time, begun);
        }
        for time in [exchange_timeout, self.grpc_timeout()].into_iter().flatten() {
            until.end_within(time);
        }
        until
    }

    /// How long the client of a gRPC call waits.
    fn grpc_timeout(&self) -> Option<Duration> {
        let head = self.head();
        let is_call = head.method.of(self.bytes) == b"POST"
            && head.find_name(self.bytes, b"content-type").is_some_and(is_grpc);
        let value = if is_call { head.find_name(self.bytes, b"grpc-timeout") } else { None };
        parse_grpc_timeout(value?)
    }
}

/// Up to eight digits and a unit; `None` for anything else, which is the application's to refuse.
///
/// Source: gRPC `doc/PROTOCOL-HTTP2.md`, Timeout.
fn parse_grpc_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = digits.iter().fold(0, |count, digit| count * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(Duration::from_secs(count * 3600)),
        b'M' => Some(Duration::from_secs(count * 60)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_timeouts_have_digits_and_a_unit() {
        let check = |text: &str, expected| {
            assert_eq!(parse_grpc_timeout(text.as_bytes()), expected, "{text}");
        };
        check("99999999H", Some(Duration::from_secs(99_999_999 * 3600)));
        check("2M", Some(Duration::from_secs(120)));
        check("3S", Some(Duration::from_secs(3)));
        check("4m", Some(Duration::from_millis(4)));
        check("5u", Some(Duration::from_micros(5)));
        check("6n", Some(Duration::from_nanos(6)));
        for text in ["", "S", "1", "123456789S", "-1S", "1s", "1 S"] {
            check(text, None);
        }
    }
}
