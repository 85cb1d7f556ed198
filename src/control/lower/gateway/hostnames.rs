//! Names of hosts as the Gateway API has them, and what two of them have in common.
//!
//! Source: Gateway API, `Hostname` of `Listener` and of routes: `*.` stands for one label or more.

use crate::model::{HostName, HostPattern, WildcardDepth};

/// What a text means; empty or none: every host. `None`: it is no name.
pub(super) fn pattern(text: Option<&str>) -> Option<HostPattern> {
    let text = text.unwrap_or_default();
    if text.is_empty() {
        return Some(HostPattern::Any);
    }
    match text.strip_prefix("*.") {
        Some(suffix) => {
            let suffix = HostName::of_object(suffix).ok()?;
            Some(HostPattern::Wildcard { suffix, depth: WildcardDepth::Any })
        }
        None => HostName::of_object(text).ok().map(HostPattern::Exact),
    }
}

/// Whether every host of `part` is one of `whole`.
pub(super) fn covers(whole: &HostPattern, part: &HostPattern) -> bool {
    match (whole, part) {
        (HostPattern::Any, _) => true,
        (_, HostPattern::Any) | (HostPattern::Exact(_), HostPattern::Wildcard { .. }) => false,
        (HostPattern::Exact(whole), HostPattern::Exact(part)) => whole == part,
        (HostPattern::Wildcard { suffix, depth }, HostPattern::Exact(part)) => {
            is_below(part.as_str(), suffix.as_str(), *depth)
        }
        (
            HostPattern::Wildcard { suffix, depth },
            HostPattern::Wildcard { suffix: part, depth: of_part },
        ) => match depth {
            WildcardDepth::One => depth == of_part && suffix == part,
            WildcardDepth::Any => {
                suffix == part || is_below(part.as_str(), suffix.as_str(), *depth)
            }
        },
    }
}

/// Hosts of both; `None`: there are none.
pub(super) fn common(one: &HostPattern, other: &HostPattern) -> Option<HostPattern> {
    if covers(one, other) {
        Some(other.clone())
    } else if covers(other, one) {
        Some(one.clone())
    } else {
        None
    }
}

/// This one, and what is written alike: `*.` of an Ingress stands for one label.
pub(super) fn alike(host: &HostPattern) -> impl Iterator<Item = HostPattern> + use<> {
    let other = match host {
        HostPattern::Wildcard { suffix, depth } => {
            let depth = match depth {
                WildcardDepth::Any => WildcardDepth::One,
                WildcardDepth::One => WildcardDepth::Any,
            };
            Some(HostPattern::Wildcard { suffix: suffix.clone(), depth })
        }
        HostPattern::Exact(_) | HostPattern::Any => None,
    };
    std::iter::once(host.clone()).chain(other)
}

/// Something stands in front of the suffix, and no more than it may.
fn is_below(name: &str, suffix: &str, depth: WildcardDepth) -> bool {
    let front = name.strip_suffix(suffix).and_then(|front| front.strip_suffix('.'));
    front.is_some_and(|front| {
        !front.is_empty() && (depth == WildcardDepth::Any || !front.contains('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_have_the_narrower_one_in_common() {
        for (one, other, expected) in [
            ("", "", Some("*")),
            ("", "a.example", Some("a.example")),
            ("", "*.example", Some("*.example")),
            ("a.example", "a.example", Some("a.example")),
            ("a.example", "b.example", None),
            ("*.example", "a.example", Some("a.example")),
            ("*.example", "a.b.example", Some("a.b.example")),
            ("*.example", "example", None),
            ("*.example", "aexample", None),
            ("*.example", "*.example", Some("*.example")),
            ("*.example", "*.a.example", Some("*.a.example")),
            ("*.a.example", "*.b.example", None),
            ("*.a.example", "a.example", None),
        ] {
            let parse = |text| pattern(Some(text)).expect("a name");
            for (one, other) in [(one, other), (other, one)] {
                let found = common(&parse(one), &parse(other)).map(|common| common.to_string());
                assert_eq!(found.as_deref(), expected, "{one} {other}");
            }
        }
        for text in ["*", "*.", "a.*.example", "A.example", "10.0.0.1", "*.*.example"] {
            assert_eq!(pattern(Some(text)), None, "{text}");
        }
    }
}
