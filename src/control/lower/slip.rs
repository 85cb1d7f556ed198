//! How near a word is to one that is known.

use crate::limits::SLIP_EDITS_MAX;

/// The one of `known` that `word` is most likely a slip of.
pub(super) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let near = known.filter_map(|known| Some((distance(word, known)?, known)));
    near.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// Levenshtein's distance in bytes, if it is at most [`SLIP_EDITS_MAX`].
pub(super) fn distance(a: &str, b: &str) -> Option<usize> {
    if a.len().abs_diff(b.len()) > SLIP_EDITS_MAX {
        return None;
    }
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let common = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (a.get(common..)?, b.get(common..)?);
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (row, x) in (1_usize..).zip(a) {
        let mut line = vec![row];
        for (y, pair) in b.iter().zip(above.windows(2)) {
            let [diagonal, up] = *pair else { return None };
            let left = line.last().copied()?;
            let changed = diagonal.saturating_add(usize::from(x != y));
            line.push(changed.min(up.saturating_add(1)).min(left.saturating_add(1)));
        }
        if line.iter().min()? > &SLIP_EDITS_MAX {
            return None;
        }
        above = line;
    }
    above.last().copied().filter(|distance| *distance <= SLIP_EDITS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (a, b, expected) in [
            ("", "", Some(0)),
            ("abc", "abc", Some(0)),
            ("abc", "ab", Some(1)),
            ("abc", "xabc", Some(1)),
            ("abc", "axc", Some(1)),
            ("abc", "acb", Some(2)),
            ("abcd", "badc", None),
            ("abc", "xyz", None),
            ("", "ab", Some(2)),
            ("", "abc", None),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn the_nearest_is_meant() {
        let known = ["hsts", "hsts-max-age", "use-http2", "use-gzip"];
        for (word, expected) in [
            ("hst", Some("hsts")),
            ("hsts-maxage", Some("hsts-max-age")),
            ("use_gzip", Some("use-gzip")),
            ("use-brotli", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known.into_iter()), expected, "{word}");
        }
    }
}
