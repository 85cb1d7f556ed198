//! Lists of cipher suites as OpenSSL writes them → those of TLS 1.2 that there are.
//!
//! Source: openssl-ciphers(1). All that is broken or without forward secrecy does not exist here,
//! so that words for it mean nothing.

use std::sync::Arc;

use super::reader::Reader;

/// Number (IANA), name, and the words that mean it among others.
const SUITES: [(u16, &str, &[&str]); 6] = [
    (0xc02c, "ECDHE-ECDSA-AES256-GCM-SHA384", &["ECDSA", "aECDSA", "AES", "AES256", "AESGCM"]),
    (0xc02b, "ECDHE-ECDSA-AES128-GCM-SHA256", &["ECDSA", "aECDSA", "AES", "AES128", "AESGCM"]),
    (0xcca9, "ECDHE-ECDSA-CHACHA20-POLY1305", &["ECDSA", "aECDSA", "CHACHA20"]),
    (0xc030, "ECDHE-RSA-AES256-GCM-SHA384", &["aRSA", "AES", "AES256", "AESGCM"]),
    (0xc02f, "ECDHE-RSA-AES128-GCM-SHA256", &["aRSA", "AES", "AES128", "AESGCM"]),
    (0xcca8, "ECDHE-RSA-CHACHA20-POLY1305", &["aRSA", "CHACHA20"]),
];

/// Words that mean all of them.
const ALL: [&str; 8] = ["DEFAULT", "ALL", "HIGH", "ECDHE", "EECDH", "kECDHE", "kEECDH", "TLSv1.2"];

/// The suites that an annotation names; `None`: it says nothing, or nothing that there is, which is
/// told with `advice`.
pub(super) fn read(
    reader: &mut Reader<'_, '_>,
    name: &'static str,
    advice: &str,
) -> Option<Arc<[u16]>> {
    let text = reader.text(name)?;
    let suites = suites(text);
    if suites.is_empty() {
        reader.invalid(name, text, "there is none of these suites.", advice);
        return None;
    }
    Some(suites.into())
}

/// What a list comes to; empty: nothing that there is.
///
/// Shape: elements behind `:`, `,` or spaces; `+` between words means both; `!` and `-` before an
/// element take it out, a `+` there moves it, which changes nothing. The order is ours.
pub(in crate::control::lower) fn suites(list: &str) -> Vec<u16> {
    let (mut chosen, mut banned) = ([false; SUITES.len()], [false; SUITES.len()]);
    for element in list.split([':', ',', ' ']).filter(|element| !element.is_empty()) {
        let (mark, words) = match element.split_at_checked(1) {
            Some((mark @ ("!" | "-" | "+"), words)) => (mark, words),
            _ => ("", element),
        };
        for ((suite, chosen), banned) in SUITES.iter().zip(&mut chosen).zip(&mut banned) {
            let is_meant = words.split('+').all(|word| means(word, suite));
            match mark {
                "!" => *banned |= is_meant,
                "-" => *chosen &= !is_meant,
                "+" => {}
                _ => *chosen |= is_meant,
            }
        }
    }
    let kept = SUITES.iter().zip(chosen).zip(banned);
    kept.filter(|((_, chosen), banned)| *chosen && !banned).map(|((suite, _), _)| suite.0).collect()
}

fn means(word: &str, (_, name, words): &(u16, &str, &[&str])) -> bool {
    word == *name || ALL.contains(&word) || words.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_mean_what_openssl_takes_them_for() {
        let all: Vec<u16> = SUITES.iter().map(|(number, ..)| *number).collect();
        let (a256, a128, chacha) = (0xc02c, 0xc02b, 0xcca9);
        let (r256, r128, r_chacha) = (0xc030, 0xc02f, 0xcca8);
        for (list, expected) in [
            ("DEFAULT", &all[..]),
            ("HIGH:!aNULL:!MD5", &all),
            ("ECDHE-RSA-AES256-GCM-SHA384", &[r256]),
            ("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256", &[a128, r128]),
            ("ECDHE+AESGCM", &[a256, a128, r256, r128]),
            ("EECDH+CHACHA20 EECDH+AES128", &[a128, chacha, r128, r_chacha]),
            ("aRSA:!AES128", &[r256, r_chacha]),
            // What is banned never comes back, what is only taken out does.
            ("!AESGCM:DEFAULT", &[chacha, r_chacha]),
            ("-AESGCM:DEFAULT", &all),
            ("DEFAULT:-AESGCM", &[chacha, r_chacha]),
            ("DEFAULT:+AESGCM", &all),
            ("AES256-SHA:RC4-MD5", &[]),
            ("kRSA+AES", &[]),
            ("DEFAULT:!ALL", &[]),
            ("", &[]),
            (":::", &[]),
            ("!", &[]),
        ] {
            assert_eq!(suites(list), expected, "{list}");
        }
    }
}
