//! What else a backend could read into a path: whether a request would be served past a rule.
//!
//! Rules match the normal form of a path, backends get the octets that were sent. A backend that
//! decodes `%2F`, merges slashes, turns `\` or drops parameters may then see another path than the
//! rules did. So the laxest reading of such a path is looked up, too.

use crate::http1::target::lax_path;
use crate::table::TableRule;

/// Whether the request must be refused. `raw`: the path as sent; `rule`: what its normal form leads
/// to; `lookup`: what another path leads to.
///
/// It must where a backend would leave its root; where the other reading climbs out of the rule;
/// and where it comes below one that is guarded. Whatever else the backend reads, it was the rule's
/// to serve.
pub fn is_evasive<'t>(
    raw: &[u8],
    rule: &TableRule,
    lookup: impl FnOnce(&[u8]) -> Option<&'t TableRule>,
) -> bool {
    let mut path = Vec::with_capacity(raw.len());
    // The path has a normal form, so that it can only fail by climbing above the root.
    let Ok(climbs) = lax_path(raw, &mut path) else { return true };
    let other = lookup(&path);
    let is_same = other.is_some_and(|other| std::ptr::eq(other, rule));
    !is_same && (climbs || other.is_some_and(TableRule::is_guarded))
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
            plan: Plan::new(&[], &policies, &Defaults::default()).into(),
            backends: Box::default(),
            canaries: None,
            weight_total: 0,
            series: SeriesId { slot: 0, generation: 0 },
            substitutes: None,
            auth_server: None,
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
        crate::http1::target::normalise_path(raw.as_bytes(), &mut path).expect("a path");
        let hit = lookup(&path).expect("a rule");
        assert_eq!(is_evasive(raw.as_bytes(), hit, lookup), expected, "{raw}, {has_root}");
    }

    #[test]
    fn no_spelling_leads_past_a_guard_or_out_of_a_rule() {
        for (raw, with_root, without) in [
            ("/open/..%2fadmin", true, Some(true)),
            ("/open/..%2fother", true, Some(true)),
            ("/open/..;/admin", true, Some(true)),
            ("/open/x%2f../y", false, Some(false)),
            ("/open//x", false, Some(false)),
            ("/open/a%2Fb;c", false, Some(false)),
            ("/admin/a%2Fb", false, Some(false)),
            ("//admin", true, None),
            ("/admin%2fusers", true, None),
            ("/admin;a", true, None),
            ("/x\\..\\admin", true, None),
            ("//open", false, None),
            ("/open%2fx", false, None),
            ("/x/..%2fy", false, None),
            ("/..%2fetc", true, None),
        ] {
            check(raw, true, with_root);
            if let Some(expected) = without {
                check(raw, false, expected);
            }
        }
    }
}
