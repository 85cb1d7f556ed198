//! Times and sizes as configuration of nginx has them.

use std::time::Duration;

/// Why a text is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeError {
    /// It is no number with a unit, and no list of them in which units fall.
    Form,
    /// Nobody waits so long.
    TooLong,
}

/// Numbers with a unit: `ms`, `s`, `m`, `h`, `d`, `w`, `M` (30 days) or `y`, as in `1h 30m`; one
/// without is seconds.
///
/// # Errors
/// The author of the text is at fault.
///
/// Source: nginx, "Configuration file measurement units".
pub fn nginx_time(text: &str) -> Result<Duration, TimeError> {
    let (mut whole, mut above, mut rest) = (Duration::ZERO, u64::MAX, text);
    loop {
        let (number, behind) = rest.split_at(count(rest, u8::is_ascii_digit));
        let (unit, behind) = behind.split_at(count(behind, u8::is_ascii_alphabetic));
        let millis: u64 = match unit {
            "ms" => 1,
            "s" | "" => 1_000,
            "m" => 60 * 1_000,
            "h" => 3_600 * 1_000,
            "d" => 24 * 3_600 * 1_000,
            "w" => 7 * 24 * 3_600 * 1_000,
            "M" => 30 * 24 * 3_600 * 1_000,
            "y" => 365 * 24 * 3_600 * 1_000,
            _ => return Err(TimeError::Form),
        };
        if number.is_empty() || millis >= above {
            return Err(TimeError::Form);
        }
        let part = number.parse().ok().and_then(|count: u64| count.checked_mul(millis));
        let part = part.map(Duration::from_millis).ok_or(TimeError::TooLong)?;
        whole = whole.checked_add(part).ok_or(TimeError::TooLong)?;
        (above, rest) = (millis, behind.trim_start_matches(' '));
        if rest.is_empty() {
            return Ok(whole);
        }
    }
}

fn count(text: &str, is_part: fn(&u8) -> bool) -> usize {
    text.bytes().take_while(is_part).count()
}

/// Octets, with one of `suffixes` for more: `k`, `m`, `g`, in either case. `None`: the text is no
/// size, or none that fits.
///
/// Source: as of [`nginx_time`].
pub fn nginx_size(text: &str, suffixes: &str) -> Option<u64> {
    let suffix = text.chars().last().map(|last| last.to_ascii_lowercase());
    let shift = match suffix.filter(|suffix| suffixes.contains(*suffix)) {
        Some('k') => 10,
        Some('m') => 20,
        Some('g') => 30,
        _ => 0,
    };
    let digits = if shift > 0 { text.get(..text.len().checked_sub(1)?)? } else { text };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| is_number)?;
    number.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_number_and_perhaps_a_unit() {
        let millis = |millis| Ok(Duration::from_millis(millis));
        for (text, expected) in [
            ("0", millis(0)),
            ("90", millis(90_000)),
            ("250ms", millis(250)),
            ("10m", millis(600_000)),
            ("1h", millis(3_600_000)),
            ("2d", millis(172_800_000)),
            ("", Err(TimeError::Form)),
            ("m", Err(TimeError::Form)),
            ("-1s", Err(TimeError::Form)),
            ("1h30m", millis(5_400_000)),
            ("1m 30s", millis(90_000)),
            ("2y1M 5ms", millis(2 * 31_536_000_000 + 2_592_000_005)),
            ("1m 30", millis(90_000)),
            ("30m1h", Err(TimeError::Form)),
            ("1s1", Err(TimeError::Form)),
            ("1m ", millis(60_000)),
            (" 1m", Err(TimeError::Form)),
            ("1 h", Err(TimeError::Form)),
            ("99999999999999999999s", Err(TimeError::TooLong)),
            ("18446744073709551615y", Err(TimeError::TooLong)),
        ] {
            assert_eq!(nginx_time(text), expected, "{text}");
        }
    }

    #[test]
    fn sizes_are_digits_and_perhaps_a_suffix() {
        for (text, suffixes, expected) in [
            ("8", "kmg", Some(8)),
            ("8k", "kmg", Some(8 << 10)),
            ("8M", "kmg", Some(8 << 20)),
            ("1g", "kmg", Some(1 << 30)),
            ("1g", "km", None),
            ("", "kmg", None),
            ("k", "kmg", None),
            ("-1", "kmg", None),
            ("+1", "kmg", None),
            ("8kk", "kmg", None),
            ("8ä", "kmg", None),
            ("18446744073709551615", "", Some(u64::MAX)),
            ("18446744073709551615k", "k", None),
        ] {
            assert_eq!(nginx_size(text, suffixes), expected, "{text}");
        }
    }
}
