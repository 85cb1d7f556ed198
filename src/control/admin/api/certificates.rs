//! What clients of hosts get to see, and until when. Of a Secret its name alone.

use std::time::SystemTime;

use serde::Serialize;

use super::overview::unix;
use super::window::{Rows, Window};
use crate::control::admin::state::AdminState;
use crate::control::host_certificate::HostCertificate;
use crate::explain::shortened;
use crate::limits::API_NAMES_MAX;

/// A certificate and the host that it is served for.
#[derive(Debug, Serialize)]
pub(super) struct CertificateRow {
    /// As its object has it; `_`: any that has none of its own.
    host: String,
    /// Where it comes from; `null`: made by us.
    secret: Option<String>,
    /// Whom it is for, [`API_NAMES_MAX`] at most.
    names: Vec<String>,
    /// Further ones, which are not listed.
    names_left_out: usize,
    /// Whether the host is one of them.
    covers_host: bool,
    /// Unix time, seconds.
    not_after: u64,
    /// Whole days; negative: it has ended.
    days_left: i64,
}

/// Those that end first come first.
pub(super) fn of(state: &AdminState, window: &Window) -> Rows<CertificateRow> {
    let all = state.control.snapshot().certificates;
    let mut all: Vec<_> = all.iter().collect();
    all.sort_by_key(|served| (served.certificate.not_after(), served.host.clone()));
    let now = unix(SystemTime::now());
    let secret = |served: &HostCertificate| served.secret.as_ref().map(ToString::to_string);
    let wanted = all.into_iter().filter(|served| {
        window.wants(|| format!("{} {}", served.host, secret(served).unwrap_or_default()))
    });
    window.rows(wanted, |served| {
        let not_after = unix(served.certificate.not_after());
        let (names, names_left_out) = bounded(served.certificate.names());
        CertificateRow {
            host: served.host.clone(),
            secret: secret(served),
            names,
            names_left_out,
            covers_host: served.host == "_" || served.certificate.covers(&served.host),
            not_after,
            days_left: days(now, not_after),
        }
    })
}

/// The names that are shown, and how many are not: who makes a certificate says how many it has,
/// and an answer has hundreds of certificates.
fn bounded(names: &[String]) -> (Vec<String>, usize) {
    let shown = names.iter().take(API_NAMES_MAX).map(|name| shortened(name)).collect();
    (shown, names.len().saturating_sub(API_NAMES_MAX))
}

fn days(from: u64, to: u64) -> i64 {
    let whole = |seconds: u64| i64::try_from(seconds / (24 * 60 * 60)).unwrap_or(i64::MAX);
    match to.checked_sub(from) {
        Some(left) => whole(left),
        None => -1 - whole(from.saturating_sub(to).saturating_sub(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::EXPLAINED_VALUE_BYTES_MAX;

    #[test]
    fn names_are_bounded_in_number_and_length() {
        let name = |bytes: usize| "x".repeat(bytes);
        let long = EXPLAINED_VALUE_BYTES_MAX + 1;
        for (names, bytes, shown, left_out, characters) in [
            (0, 1, 0, 0, 0),
            (API_NAMES_MAX, long - 1, API_NAMES_MAX, 0, long - 1),
            (API_NAMES_MAX + 2, long, API_NAMES_MAX, 2, long),
        ] {
            let got = bounded(&vec![name(bytes); names]);
            assert_eq!((got.0.len(), got.1), (shown, left_out), "{names}");
            assert_eq!(got.0.first().map_or(0, |name| name.chars().count()), characters);
        }
    }

    #[test]
    fn days_are_whole_and_negative_as_soon_as_it_has_ended() {
        const DAY: u64 = 24 * 60 * 60;
        for (from, to, expected) in [
            (DAY, DAY, 0),
            (0, DAY - 1, 0),
            (0, DAY, 1),
            (1, 0, -1),
            (DAY, 0, -1),
            (DAY + 1, 0, -2),
        ] {
            assert_eq!(days(from, to), expected, "{from} {to}");
        }
    }
}
