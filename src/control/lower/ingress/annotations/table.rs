//! Every annotation of the ingress-nginx dialect, once: whom it concerns, what we do with it, and
//! whether it keeps clients out.

use super::{DIALECT, parse_bool};
use crate::limits::SLIP_EDITS_MAX;
use Guard::{No, Snippet, Unless};
use Off::{Everybody, False, Never, Words, Zero};
use Scope::{Backend, Host, Location};
use Support::{Dropped, NotYet, Read};

/// One annotation.
#[derive(Debug)]
pub(crate) struct Annotation {
    /// Without [`DIALECT`].
    pub name: &'static str,
    /// For whom it speaks.
    pub scope: Scope,
    /// What we do with it.
    pub support: Support,
    /// Whether it keeps clients out.
    pub guard: Guard,
}

/// For whom an annotation speaks, in ingress-nginx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The rules of its Ingress.
    Location,
    /// All rules of the hosts of its Ingress; of several the oldest that sets it counts.
    Host,
    /// The Services that its Ingress names.
    Backend,
}

/// What we do with an annotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Support {
    /// A file beside this one reads it.
    Read,
    /// Nothing. If it is a guard that is on, its rules are closed.
    NotYet,
    /// Nothing, as does ingress-nginx in its last release.
    Dropped,
}

/// Whether an annotation keeps clients out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Guard {
    /// It does not.
    No,
    /// It does, unless its value is one of these. What cannot be read is none of them.
    Unless(Off),
    /// It may: it is configuration text, see [`super::snippet`].
    Snippet,
}

/// The values that switch a guard off. The empty one does in any case, as in ingress-nginx.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Off {
    /// No other.
    Never,
    /// What Go's `strconv.ParseBool` takes for false.
    False,
    /// The number.
    Zero,
    /// These words.
    Words(&'static [&'static str]),
    /// A list with the whole of both address families.
    Everybody,
}

impl Off {
    /// Whether `value`, which is trimmed and not empty, switches the guard off.
    pub(crate) fn is_off(self, value: &str) -> bool {
        match self {
            Never => false,
            False => parse_bool(value) == Some(false),
            Zero => value.parse::<i64>() == Ok(0),
            Words(words) => words.contains(&value),
            Everybody => {
                let has = |range| value.split(',').any(|entry| entry.trim() == range);
                has("0.0.0.0/0") && has("::/0")
            }
        }
    }
}

const fn row(name: &'static str, scope: Scope, support: Support) -> Annotation {
    Annotation { name, scope, support, guard: No }
}

const fn guard(name: &'static str, scope: Scope, support: Support, guard: Guard) -> Annotation {
    Annotation { name, scope, support, guard }
}

/// By name.
pub(crate) const ANNOTATIONS: &[Annotation] = &[
    row("add-base-url", Location, Dropped),
    row("affinity", Backend, NotYet),
    row("affinity-canary-behavior", Backend, NotYet),
    row("affinity-mode", Backend, NotYet),
    guard("allowlist-source-range", Location, NotYet, Unless(Everybody)),
    row("app-root", Host, NotYet),
    row("auth-always-set-cookie", Location, NotYet),
    row("auth-cache-duration", Location, NotYet),
    row("auth-cache-key", Location, NotYet),
    row("auth-keepalive", Location, NotYet),
    row("auth-keepalive-requests", Location, NotYet),
    row("auth-keepalive-share-vars", Location, NotYet),
    row("auth-keepalive-timeout", Location, NotYet),
    row("auth-method", Location, NotYet),
    row("auth-proxy-set-headers", Location, NotYet),
    row("auth-realm", Location, NotYet),
    row("auth-request-redirect", Location, NotYet),
    row("auth-response-headers", Location, NotYet),
    guard("auth-secret", Location, NotYet, Unless(Never)),
    guard("auth-secret-type", Location, NotYet, Unless(Never)),
    row("auth-signin", Location, NotYet),
    row("auth-signin-redirect-param", Location, NotYet),
    guard("auth-snippet", Location, NotYet, Snippet),
    // Without it the answer is 400 instead of a redirect: nobody gets in who would not.
    row("auth-tls-error-page", Host, NotYet),
    guard("auth-tls-match-cn", Host, NotYet, Unless(Never)),
    row("auth-tls-pass-certificate-to-upstream", Host, Read),
    guard("auth-tls-secret", Host, Read, Unless(Never)),
    guard("auth-tls-verify-client", Host, Read, Unless(Words(&["off"]))),
    guard("auth-tls-verify-depth", Host, Read, Unless(Zero)),
    guard("auth-type", Location, NotYet, Unless(Never)),
    guard("auth-url", Location, NotYet, Unless(Never)),
    row("backend-protocol", Location, Read),
    row("base-url-scheme", Location, Dropped),
    row("canary", Backend, Read),
    row("canary-by-cookie", Backend, NotYet),
    row("canary-by-header", Backend, NotYet),
    row("canary-by-header-pattern", Backend, NotYet),
    row("canary-by-header-value", Backend, NotYet),
    row("canary-weight", Backend, NotYet),
    row("canary-weight-total", Backend, NotYet),
    row("client-body-buffer-size", Location, NotYet),
    guard("configuration-snippet", Location, NotYet, Snippet),
    row("connection-proxy-header", Location, NotYet),
    row("cors-allow-credentials", Location, NotYet),
    row("cors-allow-headers", Location, NotYet),
    row("cors-allow-methods", Location, NotYet),
    row("cors-allow-origin", Location, NotYet),
    row("cors-expose-headers", Location, NotYet),
    row("cors-max-age", Location, NotYet),
    row("custom-headers", Location, NotYet),
    row("custom-http-errors", Location, NotYet),
    row("default-backend", Location, NotYet),
    guard("denylist-source-range", Location, NotYet, Unless(Never)),
    row("disable-proxy-intercept-errors", Location, NotYet),
    row("enable-access-log", Location, NotYet),
    row("enable-cors", Location, NotYet),
    guard("enable-global-auth", Location, NotYet, Unless(False)),
    row("enable-influxdb", Location, Dropped),
    guard("enable-modsecurity", Location, NotYet, Unless(False)),
    row("enable-opentelemetry", Location, NotYet),
    row("enable-opentracing", Location, Dropped),
    guard("enable-owasp-core-rules", Location, NotYet, Unless(False)),
    row("enable-rewrite-log", Location, NotYet),
    row("fastcgi-index", Location, NotYet),
    row("fastcgi-params-configmap", Location, NotYet),
    row("force-ssl-redirect", Location, Read),
    row("from-to-www-redirect", Host, NotYet),
    // Removed in 1.12: whoever comes from an older release was protected by it.
    guard("global-rate-limit", Location, NotYet, Unless(Zero)),
    row("global-rate-limit-ignored-cidrs", Location, Dropped),
    row("global-rate-limit-key", Location, Dropped),
    row("global-rate-limit-window", Location, Dropped),
    row("grpc-backend", Location, Dropped),
    row("http2-push-preload", Location, NotYet),
    row("influxdb-host", Location, Dropped),
    row("influxdb-measurement", Location, Dropped),
    row("influxdb-port", Location, Dropped),
    row("influxdb-server-name", Location, Dropped),
    row("limit-allowlist", Location, NotYet),
    row("limit-burst-multiplier", Location, NotYet),
    guard("limit-connections", Location, NotYet, Unless(Zero)),
    guard("limit-rate", Location, NotYet, Unless(Zero)),
    row("limit-rate-after", Location, NotYet),
    guard("limit-rpm", Location, NotYet, Unless(Zero)),
    guard("limit-rps", Location, NotYet, Unless(Zero)),
    row("limit-whitelist", Location, NotYet),
    row("load-balance", Backend, NotYet),
    row("lua-resty-waf", Location, Dropped),
    row("mirror-host", Location, NotYet),
    row("mirror-request-body", Location, NotYet),
    row("mirror-target", Location, NotYet),
    guard("modsecurity-snippet", Location, NotYet, Unless(Never)),
    row("modsecurity-transaction-id", Location, NotYet),
    row("opentelemetry-operation-name", Location, NotYet),
    row("opentelemetry-trust-incoming-span", Location, NotYet),
    row("opentracing-trust-incoming-span", Location, Dropped),
    row("permanent-redirect", Location, NotYet),
    row("permanent-redirect-code", Location, NotYet),
    row("preserve-trailing-slash", Location, NotYet),
    row("proxy-body-size", Location, NotYet),
    row("proxy-buffer-size", Location, NotYet),
    row("proxy-buffering", Location, NotYet),
    row("proxy-buffers-number", Location, NotYet),
    row("proxy-busy-buffers-size", Location, NotYet),
    row("proxy-connect-timeout", Location, NotYet),
    row("proxy-cookie-domain", Location, NotYet),
    row("proxy-cookie-path", Location, NotYet),
    row("proxy-http-version", Location, NotYet),
    row("proxy-max-temp-file-size", Location, NotYet),
    row("proxy-next-upstream", Location, NotYet),
    row("proxy-next-upstream-timeout", Location, NotYet),
    row("proxy-next-upstream-tries", Location, NotYet),
    row("proxy-read-timeout", Location, NotYet),
    row("proxy-redirect-from", Location, NotYet),
    row("proxy-redirect-to", Location, NotYet),
    row("proxy-request-buffering", Location, NotYet),
    row("proxy-send-timeout", Location, NotYet),
    row("proxy-ssl-ciphers", Location, NotYet),
    row("proxy-ssl-name", Location, Read),
    row("proxy-ssl-protocols", Location, NotYet),
    row("proxy-ssl-secret", Location, Read),
    row("proxy-ssl-server-name", Location, Read),
    row("proxy-ssl-verify", Location, Read),
    row("proxy-ssl-verify-depth", Location, NotYet),
    row("relative-redirects", Location, NotYet),
    row("rewrite-target", Location, NotYet),
    guard("satisfy", Location, NotYet, Unless(Words(&["all"]))),
    row("secure-backends", Location, Dropped),
    row("secure-verify-ca-secret", Location, Dropped),
    row("server-alias", Host, NotYet),
    guard("server-snippet", Host, NotYet, Snippet),
    row("service-upstream", Backend, NotYet),
    row("session-cookie-change-on-failure", Backend, NotYet),
    row("session-cookie-conditional-samesite-none", Backend, NotYet),
    row("session-cookie-domain", Backend, NotYet),
    row("session-cookie-expires", Backend, NotYet),
    row("session-cookie-hash", Backend, Dropped),
    row("session-cookie-max-age", Backend, NotYet),
    row("session-cookie-name", Backend, NotYet),
    row("session-cookie-path", Backend, NotYet),
    row("session-cookie-samesite", Backend, NotYet),
    row("session-cookie-secure", Backend, NotYet),
    row("ssl-ciphers", Host, NotYet),
    row("ssl-passthrough", Host, Read),
    row("ssl-prefer-server-ciphers", Host, NotYet),
    row("ssl-redirect", Location, Read),
    guard("stream-snippet", Location, NotYet, Snippet),
    row("temporal-redirect", Location, NotYet),
    row("temporal-redirect-code", Location, NotYet),
    row("upstream-hash-by", Backend, NotYet),
    row("upstream-hash-by-subset", Backend, NotYet),
    row("upstream-hash-by-subset-size", Backend, NotYet),
    row("upstream-vhost", Location, NotYet),
    row("use-port-in-redirects", Location, NotYet),
    row("use-regex", Location, NotYet),
    guard("whitelist-source-range", Location, NotYet, Unless(Everybody)),
    row("x-forwarded-prefix", Location, NotYet),
];

/// The annotation of this name, which is without [`DIALECT`].
pub(crate) fn find(name: &str) -> Option<&'static Annotation> {
    let found = ANNOTATIONS.binary_search_by(|annotation| annotation.name.cmp(name)).ok()?;
    ANNOTATIONS.get(found)
}

/// What the names of guards begin with. An unknown name that does, too, is taken for one.
const GUARD_PREFIXES: &[&str] = &["auth-", "limit-"];

/// Whether an unknown `name`, which is without [`DIALECT`], may be that of a guard.
pub(crate) fn may_be_guard(name: &str) -> bool {
    GUARD_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The guard that `key`, the whole of an annotation's name, is a slip of. Case is no difference.
pub(crate) fn slip(key: &str) -> Option<&'static Annotation> {
    let key = key.to_ascii_lowercase();
    let guards = ANNOTATIONS.iter().filter(|annotation| !matches!(annotation.guard, No));
    let near = guards.filter_map(|annotation| {
        let distance = distance(&key, &format!("{DIALECT}{}", annotation.name))?;
        Some((distance, annotation))
    });
    near.min_by_key(|(distance, _)| *distance).map(|(_, annotation)| annotation)
}

/// Levenshtein's distance in bytes, if it is at most [`SLIP_EDITS_MAX`].
fn distance(a: &str, b: &str) -> Option<usize> {
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
    fn the_table_is_in_the_order_of_names() {
        assert!(ANNOTATIONS.is_sorted_by(|a, b| a.name < b.name));
        for annotation in ANNOTATIONS {
            let found = find(annotation.name).map(|found| found.name);
            assert_eq!(found, Some(annotation.name));
        }
        assert!(find("auth-urI").is_none());
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
}
