//! Name → row, and names that are nearly one.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::groups::GROUPS;
use super::row::{DIALECT, Guard, Row};
use crate::control::lower::slip::{self, distance};
use crate::limits::SLIP_EDITS_MAX;

/// All rows by their names.
static ROWS: LazyLock<BTreeMap<&'static str, &'static Row>> = LazyLock::new(|| {
    GROUPS.iter().flat_map(|group| group.rows).map(|row| (row.name, row)).collect()
});

/// The annotation of this name, which is without `DIALECT`.
pub(super) fn find(name: &str) -> Option<&'static Row> {
    ROWS.get(name).copied()
}

/// The annotation that `name`, which is without `DIALECT`, is or is a slip of.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    slip::nearest(name, ROWS.keys().copied())
}

/// What the names of guards begin with. An unknown name that does, too, is taken for one.
const GUARD_PREFIXES: &[&str] = &["auth-", "limit-"];

/// Whether an unknown `name`, which is without `DIALECT`, may be that of a guard.
pub(super) fn may_be_guard(name: &str) -> bool {
    GUARD_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether clients may be kept out by the annotation `name`, which is without `DIALECT`.
#[must_use]
pub fn is_guard(name: &str) -> bool {
    may_be_guard(name) || find(name).is_some_and(|row| !matches!(row.guard, Guard::No))
}

/// The guard that `key`, the whole of an annotation's name, is a slip of. Case is no difference.
pub(super) fn slip(key: &str) -> Option<&'static Row> {
    let key = key.to_ascii_lowercase();
    let length = key.len().saturating_sub(DIALECT.len());
    let guards = ROWS.values().copied().filter(|row| !matches!(row.guard, Guard::No));
    let near = guards.filter(|row| row.name.len().abs_diff(length) <= SLIP_EDITS_MAX);
    let near = near.filter_map(|row| {
        let distance = distance(&key, &format!("{DIALECT}{}", row.name))?;
        Some((distance, row))
    });
    near.min_by_key(|(distance, _)| *distance).map(|(_, row)| row)
}

#[cfg(test)]
mod tests {
    use super::super::row::{Risk, State};
    use super::*;

    #[test]
    fn each_name_has_one_row() {
        let rows: Vec<_> = GROUPS.iter().flat_map(|group| group.rows).collect();
        assert_eq!(ROWS.len(), rows.len());
        assert!(rows.iter().all(|row| find(row.name).is_some_and(|f| f.name == row.name)));
        for group in GROUPS {
            assert!(group.rows.is_sorted_by(|a, b| a.name < b.name), "{}", group.title);
        }
        // 138 of ingress-nginx 1.15, and those of older releases.
        let dropped = rows.iter().filter(|row| matches!(row.state, State::Refused(_))).count();
        assert_eq!((rows.len(), dropped), (156, 27));
        assert!(find("auth-urI").is_none());
        let of = |risk| rows.iter().filter(|row| row.risk == risk).count();
        let risks = [Risk::Low, Risk::Medium, Risk::High, Risk::Critical].map(of);
        assert_eq!(risks, [95, 46, 10, 5]);
    }

    #[test]
    fn what_is_within_two_characters_is_a_slip() {
        for (key, expected) in [
            ("nginx.ingress.kubernetes.io/auth-ur", Some("auth-url")),
            ("nginx.ingress.kubernetes.io/authurl", Some("auth-url")),
            ("nginx.ingress.kubernetes.io/auth_url", Some("auth-url")),
            ("nginx.ingress.kubernetes.io/Auth-Url", Some("auth-url")),
            ("Nginx.Ingress.Kubernetes.io/auth-url", Some("auth-url")),
            ("nginx.ingress.kubernetes.io/auht-url", Some("auth-url")),
            ("ngnix.ingress.kubernetes.io/auth-url", Some("auth-url")),
            ("nginx.ingress.kubernets.io/auth-ulr", None),
            ("nginx.ingress.kubernetes.io/whitelist-source-ranges", Some("whitelist-source-range")),
            ("nginx.ingress.kubernetes.io/white-list-source-range", Some("whitelist-source-range")),
            ("nginx.ingress.kubernetes.io/whitelist-source", None),
            ("nginx.ingress.kubernetes.io/server-snippets", Some("server-snippet")),
            ("nginx.ingress.kubernetes.io/limit-rbs", Some("limit-rps")),
            ("nginx.ingress.kubernetes.io/auth-tls-secrets", Some("auth-tls-secret")),
            ("nginx.ingress.kubernetes.io/author", None),
            ("ingress.kubernetes.io/auth-url", None),
            ("example.com/auth-url", None),
            ("auth-url", None),
            ("", None),
        ] {
            assert_eq!(slip(key).map(|found| found.name), expected, "{key}");
        }
    }
}
