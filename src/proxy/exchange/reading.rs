//! What else a backend could read into a path: whether a request would be served past a rule.
//!
//! Rules match a path with `%2F` decoded and slashes merged, backends get the octets that were
//! sent. One that does neither may then see another path than the rules did, and so may one that
//! turns `\` or drops parameters as well. So the strictest and the laxest reading of such a path
//! are looked up, too.

use crate::http1::target::{Reading, lax_path, read_path};
use crate::table::TableRule;

/// Whether the request must be refused. `raw`: the path as sent; `rule`: what it leads to as rules
/// read it; `lookup`: what another path leads to.
///
/// It must where a backend would leave its root; where the laxest reading climbs out of the rule;
/// and where any comes below one that is guarded. Whatever else the backend reads, it was the
/// rule's to serve.
pub fn is_evasive<'t>(
    raw: &[u8],
    rule: &TableRule,
    lookup: impl Fn(&[u8]) -> Option<&'t TableRule>,
) -> bool {
    let (mut lax, mut path) = (Vec::with_capacity(raw.len()), Vec::with_capacity(raw.len()));
    // The path has a normal form, so that either can only fail by climbing above the root.
    let Ok(climbs) = lax_path(raw, &mut lax) else { return true };
    let mut leads_past = |raw: &[u8], reading, climbs| {
        path.clear();
        if read_path(raw, reading, &mut path).is_err() {
            return true;
        }
        let other = lookup(&path);
        let is_same = other.is_some_and(|other| std::ptr::eq(other, rule));
        !is_same && (climbs || other.is_some_and(TableRule::is_guarded))
    };
    // What the laxest makes of it has no coded slash left, and is only decoded here.
    leads_past(raw, Reading::Strict, false) || leads_past(&lax, Reading::Strict, climbs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Defaults, Kind, ObjectRef, Origin, Policies, Refusal};
    use crate::table::{Plan, SeriesId};

    fn rule(is_guarded: bool) -> TableRule {
        let object = ObjectRef { kind: Kind::Ingress, namespace: "a".into(), name: "b".into() };
        let refusal = is_guarded.then_some(Refusal::Guard);
        let policies = Policies { refusal, ..Policies::default() };
        TableRule {
            origin: Origin { object, rule: None, path: None, position: None },
            path: None,
            plan: Plan::new(&[], &policies, &Defaults::default()).into(),
            backends: Box::default(),
            canaries: None,
            weight_total: 0,
            series: SeriesId { slot: 0, generation: 0 },
            substitutes: None,
            auth_server: None,
            is_unclaimed: false,
            mirrors: Box::default(),
        }
    }

    /// A host with the prefixes `/`, `/open` and, guarded, `/admin`; or without `/`.
    #[track_caller]
    fn check(raw: &str, has_root: bool, expected: bool) {
        let (root, open, admin) = (rule(false), rule(false), rule(true));
        let lookup = |path: &[u8]| {
            let is_below = |prefix: &[u8]| {
                let rest = path.strip_prefix(prefix);
                rest.is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
            };
            match () {
                () if is_below(b"/admin") => Some(&admin),
                () if is_below(b"/open") => Some(&open),
                () => has_root.then_some(&root),
            }
        };
        let mut path = Vec::new();
        read_path(raw.as_bytes(), Reading::Rules, &mut path).expect("a path");
        let hit = lookup(&path).expect("a rule");
        assert_eq!(is_evasive(raw.as_bytes(), hit, lookup), expected, "{raw}, {has_root}");
    }

    #[test]
    fn no_spelling_leads_past_a_guard_or_out_of_a_rule() {
        for (raw, with_root, without) in [
            // Rules read these as below the guard, and the rest as nobody's below one.
            ("/open/..%2fadmin", false, Some(false)),
            ("/open/..%2fother", false, None),
            ("/admin/..%2fopen", true, Some(true)),
            ("/admin%2f../open", false, Some(false)),
            ("/admin/x%2f../../open", true, Some(true)),
            ("/open/..;/admin", true, Some(true)),
            ("/open/x%2f../y", false, Some(false)),
            ("/open//x", false, Some(false)),
            ("/open/a%2Fb;c", false, Some(false)),
            ("/admin/a%2Fb", false, Some(false)),
            ("//admin", false, Some(false)),
            ("/admin%2fusers", false, Some(false)),
            ("/admin;a", true, None),
            ("/x\\..\\admin", true, None),
            ("//open", false, Some(false)),
            ("/open%2fx", false, Some(false)),
            ("/x/..%2fy", false, None),
            ("/open%2fx/../..", true, None),
        ] {
            check(raw, true, with_root);
            if let Some(expected) = without {
                check(raw, false, expected);
            }
        }
    }
}
