//! ReferenceGrants: who may name what in another namespace.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::control::gateway_api::reference::{GROUP, ObjectReference};
use crate::control::gateway_api::reference_grant::{ReferenceGrant, ReferenceGrantSpec};
use crate::control::store::Entries;
use crate::model::{Kind, ObjectRef};

/// An object that names others, of a kind of the Gateway API.
#[derive(Debug, Clone, Copy)]
pub(super) struct Referrer<'a> {
    pub kind: Kind,
    pub namespace: &'a str,
}

/// Why an object that is named may not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It is of this kind.
    Kind(String),
    /// It is in another namespace, which does not allow it: a sentence.
    NotPermitted(String),
}

/// All grants, by the namespace that they are about.
#[derive(Debug, Default)]
pub(super) struct Grants(BTreeMap<Arc<str>, Vec<Arc<ReferenceGrant>>>);

impl Grants {
    pub(super) fn of(stored: &Entries<ReferenceGrant>) -> Self {
        let mut grants = Self::default();
        for (reference, entry) in stored {
            let here = grants.0.entry(Arc::clone(&reference.namespace)).or_default();
            here.push(Arc::clone(&entry.object));
        }
        grants
    }

    /// The object of core that a reference names, which has to be of this kind.
    pub(super) fn resolve(
        &self,
        referrer: Referrer<'_>,
        reference: &ObjectReference,
        wanted: Kind,
    ) -> Result<ObjectRef, Unusable> {
        let ObjectReference { group, kind, name, namespace } = reference;
        let group = group.as_deref().unwrap_or_default();
        let kind = kind.as_deref().unwrap_or_else(|| wanted.name());
        if (group, kind) != ("", wanted.name()) {
            let dot = if group.is_empty() { "" } else { "." };
            return Err(Unusable::Kind(format!("{kind}{dot}{group}")));
        }
        let namespace = namespace.as_deref().unwrap_or(referrer.namespace);
        if !self.allow(referrer, ("", wanted.name()), namespace, name) {
            let (from, own) = (referrer.kind, referrer.namespace);
            return Err(Unusable::NotPermitted(format!(
                "The {wanted} {namespace}/{name} is in another namespace, which does not allow \
                 it; create a ReferenceGrant there, from {from} in {own} to {wanted} {name}."
            )));
        }
        Ok(ObjectRef { kind: wanted, namespace: namespace.into(), name: name.as_str().into() })
    }

    /// Whether `referrer` may name the object of core or of another `group`. Within a namespace
    /// nobody has to allow it.
    pub(super) fn allow(
        &self,
        referrer: Referrer<'_>,
        (group, kind): (&str, &str),
        namespace: &str,
        name: &str,
    ) -> bool {
        let is_allowed = |grant: &Arc<ReferenceGrant>| {
            let ReferenceGrantSpec { from, to } = &grant.spec;
            let is_from = from.iter().any(|from| {
                from.group == GROUP
                    && from.kind == referrer.kind.name()
                    && from.namespace == referrer.namespace
            });
            let is_to = to.iter().any(|to| {
                let is_name = to.name.as_deref().is_none_or(|all| all.is_empty() || all == name);
                to.group == group && to.kind == kind && is_name
            });
            is_from && is_to
        };
        referrer.namespace == namespace
            || self.0.get(namespace).is_some_and(|grants| grants.iter().any(is_allowed))
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::*;
    use crate::control::gateway_api::reference_grant::{GrantFrom, GrantTo};
    use crate::control::store::Entry;

    #[test]
    fn a_grant_names_both_sides_in_full() {
        let from = |kind: &str, namespace: &str| GrantFrom {
            group: GROUP.into(),
            kind: kind.into(),
            namespace: namespace.into(),
        };
        let to = |group: &str, kind: &str, name: Option<&str>| GrantTo {
            group: group.into(),
            kind: kind.into(),
            name: name.map(Into::into),
        };
        let spec = ReferenceGrantSpec {
            from: vec![from("HTTPRoute", "web"), from("Gateway", "edge")],
            to: vec![to("", "Service", Some("a")), to("", "Secret", None)],
        };
        let kind = Kind::ReferenceGrant;
        let reference = ObjectRef { kind, namespace: "shop".into(), name: "g".into() };
        let object = Arc::new(ReferenceGrant::new(ObjectMeta::default(), spec));
        let grants = Grants::of(&[(reference, Entry { object, provenance: None })].into());
        for (kind, from, to, namespace, name, expected) in [
            (Kind::HTTPRoute, "web", ("", "Service"), "shop", "a", true),
            (Kind::HTTPRoute, "web", ("", "Service"), "shop", "b", false),
            (Kind::HTTPRoute, "web", ("", "Secret"), "shop", "any", true),
            (Kind::HTTPRoute, "other", ("", "Service"), "shop", "a", false),
            (Kind::GRPCRoute, "web", ("", "Service"), "shop", "a", false),
            (Kind::HTTPRoute, "web", ("apps", "Service"), "shop", "a", false),
            (Kind::HTTPRoute, "web", ("", "Service"), "elsewhere", "a", false),
            (Kind::HTTPRoute, "web", ("", "Service"), "web", "a", true),
            (Kind::Gateway, "edge", ("", "Secret"), "shop", "tls", true),
        ] {
            let referrer = Referrer { kind, namespace: from };
            let found = grants.allow(referrer, to, namespace, name);
            assert_eq!(found, expected, "{kind} of {from} to {to:?} {namespace}/{name}");
        }
    }
}
