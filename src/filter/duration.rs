//! Times as configuration of nginx has them.

use std::time::Duration;

/// Why a text is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeError {
    /// It is no number with a unit.
    Form,
    /// Nobody waits so long.
    TooLong,
}

/// A number and a unit: `ms`, `s`, `m`, `h`, `d`, `w`, `M` (30 days) or `y`; without one, seconds.
///
/// # Errors
/// The author of the text is at fault.
///
/// Source: nginx, "Configuration file measurement units".
pub fn nginx_time(text: &str) -> Result<Duration, TimeError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
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
    if number.is_empty() {
        return Err(TimeError::Form);
    }
    let count: Option<u64> = number.parse().ok();
    let millis = count.and_then(|count| count.checked_mul(millis));
    millis.map(Duration::from_millis).ok_or(TimeError::TooLong)
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
            ("1h30m", Err(TimeError::Form)),
            ("1 h", Err(TimeError::Form)),
            ("99999999999999999999s", Err(TimeError::TooLong)),
            ("18446744073709551615y", Err(TimeError::TooLong)),
        ] {
            assert_eq!(nginx_time(text), expected, "{text}");
        }
    }
}
