//! Durations as the Gateway API has them.

use std::time::Duration;

/// One to four numbers with units: `h`, `m`, `s` or `ms`. `None`: it is no duration.
///
/// Source: GEP-2257.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let (mut rest, mut millis) = (text, 0_u64);
    for _ in 0..4 {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = rest.split_at(digits);
        let (unit, behind) = match behind.as_bytes() {
            [b'm', b's', ..] => (1, behind.get(2..)?),
            [b's', ..] => (1_000, behind.get(1..)?),
            [b'm', ..] => (60 * 1_000, behind.get(1..)?),
            [b'h', ..] => (3_600 * 1_000, behind.get(1..)?),
            _ => return None,
        };
        if !(1..=5).contains(&digits) {
            return None;
        }
        millis = millis.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        rest = behind;
        if rest.is_empty() {
            return Some(Duration::from_millis(millis));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        for (text, expected) in [
            ("0s", Some(0)),
            ("500ms", Some(500)),
            ("10s", Some(10_000)),
            ("1m", Some(60_000)),
            ("1h30m5s10ms", Some(5_405_010)),
            ("1s1s1s1s", Some(4_000)),
            ("99999h", Some(99_999 * 3_600_000)),
            ("1s1s1s1s1s", None),
            ("100000s", None),
            ("", None),
            ("s", None),
            ("10", None),
            ("1d", None),
            ("1.5s", None),
            ("-1s", None),
            ("1s ", None),
            ("1\u{e4}", None),
        ] {
            assert_eq!(parse(text), expected.map(Duration::from_millis), "{text}");
        }
    }
}
