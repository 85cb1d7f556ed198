//! The kinds that are read, and what is told about those that look like them.

use crate::control::kinds::{KindInfo, info};
use crate::control::source::object::STORED;
use crate::limits::SLIP_EDITS_MAX;
use crate::model::Kind;

/// What `kind` and `apiVersion` come to.
pub(super) enum Named {
    /// It is read.
    Known(&'static KindInfo),
    /// It was a kind of that version once.
    Old(&'static KindInfo),
    /// There is no such kind; this one is meant.
    Slip(&'static KindInfo),
    /// Nothing of ours.
    Other,
}

/// Kinds that manifests may hold. What a definition says is of use to an API server alone.
fn known() -> impl Iterator<Item = &'static KindInfo> {
    STORED.into_iter().filter(|kind| *kind != Kind::CustomResourceDefinition).map(info)
}

pub(super) fn named(kind: &str, version: &str) -> Named {
    let is_old = |known: &KindInfo| known.old_versions.contains(&version);
    let of_name = known().find(|known| known.kind.name() == kind);
    if let Some(known) = of_name
        .filter(|known| known.api_version == version || known.same_versions.contains(&version))
    {
        return Named::Known(known);
    }
    if let Some(known) = of_name.filter(|known| is_old(known)) {
        return Named::Old(known);
    }
    let slip = known().find(|known| {
        let is_same_word = kind.eq_ignore_ascii_case(known.kind.name());
        let is_version_near = edits(version, known.api_version) <= SLIP_EDITS_MAX
            || is_old(known)
            // Other groups have kinds of the same name: serving.knative.dev/v1 Service.
            || is_same_word && is_builtin(version);
        let is_kind_near = is_same_word || edits(kind, known.kind.name()) <= SLIP_EDITS_MAX;
        is_kind_near && is_version_near
    });
    slip.map_or(Named::Other, Named::Slip)
}

/// Whether some kind that is read has this name, in whatever case.
pub(super) fn is_known_word(kind: &str) -> bool {
    known().any(|known| kind.eq_ignore_ascii_case(known.kind.name()))
}

/// Of Kubernetes itself: groups without a dot, and those of its own domain.
fn is_builtin(version: &str) -> bool {
    let group = version.rsplit_once('/').map_or("", |(group, _)| group);
    !group.contains('.') || group.ends_with(".k8s.io")
}

/// Levenshtein distance, letters' case left out of account. Long words are far from all of ours.
fn edits(one: &str, other: &str) -> usize {
    const LONG: usize = 64;
    if one.len() > LONG || other.len() > LONG {
        return LONG;
    }
    let other: Vec<u8> = other.bytes().map(|b| b.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, a) in (1..).zip(one.bytes().map(|b| b.to_ascii_lowercase())) {
        let (mut diagonal, mut left) = (above - 1, above);
        for (cell, b) in row.iter_mut().skip(1).zip(&other) {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = *cell;
            *cell = replaced.min(*cell + 1).min(left + 1);
            left = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = above;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_told_from_other_kinds() {
        for (kind, version, expected) in [
            ("Ingress", "networking.k8s.io/v1", "known Ingress"),
            ("Ingress", "extensions/v1beta1", "old Ingress"),
            ("ingress", "extensions/v1beta1", "slip Ingress"),
            ("ingress", "networking.k8s.io/v1", "slip Ingress"),
            ("Ingres", "networking.k8s.io/v1", "slip Ingress"),
            ("Ingresses", "networking.k8s.io/v1", "slip Ingress"),
            ("Ingress", "netwroking.k8s.io/v1", "slip Ingress"),
            ("Ingress", "networking.k8s.io/v2", "slip Ingress"),
            ("Ingress", "v1", "slip Ingress"),
            ("Ingress", "apps/v1", "slip Ingress"),
            ("service", "v1", "slip Service"),
            ("Services", "v1", "slip Service"),
            ("Service", "apps/v1", "slip Service"),
            ("configmap", "v1", "slip ConfigMap"),
            ("Endpointslice", "discovery.k8s.io/v1", "slip EndpointSlice"),
            ("Service", "serving.knative.dev/v1", "other"),
            ("Ingress", "config.openshift.io/v1", "other"),
            ("Ingress", "networking.internal.knative.dev/v1alpha1", "other"),
            ("IngressRoute", "traefik.io/v1alpha1", "other"),
            ("ServiceAccount", "v1", "other"),
            ("Endpoints", "v1", "other"),
            ("Event", "v1", "other"),
            ("NetworkPolicy", "networking.k8s.io/v1", "other"),
            ("Deployment", "apps/v1", "other"),
        ] {
            let found = match named(kind, version) {
                Named::Known(known) => format!("known {}", known.kind),
                Named::Old(known) => format!("old {}", known.kind),
                Named::Slip(known) => format!("slip {}", known.kind),
                Named::Other => "other".into(),
            };
            assert_eq!(found, expected, "{kind} of {version}");
        }
    }

    #[test]
    fn edits_are_counted() {
        for (one, other, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("Ingress", "ingress", 0),
            ("Ingres", "Ingress", 1),
            ("Ingerss", "Ingress", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(edits(one, other), expected, "{one} {other}");
        }
        assert_eq!(edits(&"a".repeat(1 << 20), "a"), 64);
    }
}
