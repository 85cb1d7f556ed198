//! Which listeners take which routes.
//!
//! Source: Gateway API, `ParentReference`, `AllowedRoutes` and hostnames of routes; in this order:
//! listeners that are named, those of them that take the kind from the namespace, and those with
//! hosts in common.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Namespace;

use super::hostnames;
use super::listeners::Listener;
use crate::control::gateway_api::reference::{GROUP, ParentReference};
use crate::control::store::Entries;
use crate::model::{HostPattern, Kind, ObjectRef};

/// What a route says of where it wants to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    pub route: &'a ObjectRef,
    pub parents: &'a [ParentReference],
    /// Empty: all of the listeners.
    pub hostnames: &'a [String],
}

/// What became of it at one parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attached {
    pub parent: ParentReference,
    /// The Gateway or ListenerSet.
    pub object: ObjectRef,
    /// Where requests come from, or why they do not.
    pub listeners: Result<Vec<Attachment>, NotAttached>,
}

/// A listener that takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attachment {
    /// Place in the listeners of its object.
    pub listener: usize,
    /// Hosts of both; at least one.
    pub hosts: Vec<HostPattern>,
}

/// Why no listener takes it: reason of the condition Accepted, and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotAttached {
    pub reason: &'static str,
    pub message: String,
}

/// The object that a route names; `None`: it is no kind that has listeners.
pub(super) fn object_of(parent: &ParentReference, route: &ObjectRef) -> Option<ObjectRef> {
    let kind = match (parent.group.as_deref(), parent.kind.as_deref()) {
        (None | Some(GROUP), None | Some("Gateway")) => Kind::Gateway,
        (None | Some(GROUP), Some("ListenerSet")) => Kind::ListenerSet,
        _ => return None,
    };
    let namespace = parent.namespace.as_deref().map(Into::into);
    let namespace = namespace.unwrap_or_else(|| route.namespace.clone());
    Some(ObjectRef { kind, namespace, name: parent.name.as_str().into() })
}

/// Attaches a route to those of its parents that are ours. `listeners`: those of an object of ours.
pub(super) fn attach<'a>(
    wish: Wish<'_>,
    listeners: impl Fn(&ObjectRef) -> Option<&'a [Listener]>,
    namespaces: &Entries<Namespace>,
) -> Vec<Attached> {
    let at = |parent: &ParentReference| {
        let object = object_of(parent, wish.route)?;
        let listeners = listeners_of(wish, parent, listeners(&object)?, namespaces);
        Some(Attached { parent: parent.clone(), object, listeners })
    };
    wish.parents.iter().filter_map(at).collect()
}

fn listeners_of(
    wish: Wish<'_>,
    parent: &ParentReference,
    all: &[Listener],
    namespaces: &Entries<Namespace>,
) -> Result<Vec<Attachment>, NotAttached> {
    let no = |reason, message: String| Err(NotAttached { reason, message });
    let is_named = |listener: &Listener| {
        parent.section_name.as_deref().is_none_or(|name| *name == *listener.name)
            && parent.port.is_none_or(|port| port == listener.port)
    };
    let named: Vec<_> = all.iter().enumerate().filter(|(_, l)| is_named(l)).collect();
    if named.is_empty() {
        return no("NoMatchingParent", no_listener(parent, all));
    }
    let Wish { route, hostnames, .. } = wish;
    let takes = |listener: &Listener| {
        listener.kinds.contains(&route.kind)
            && listener.admission.admits(&route.namespace, namespaces)
    };
    let taking: Vec<_> = named.iter().filter(|(_, listener)| takes(listener)).collect();
    if taking.is_empty() {
        let has_kind = named.iter().any(|(_, listener)| listener.kinds.contains(&route.kind));
        let message = match has_kind {
            true => format!(
                "No listener takes routes from the namespace {}; see allowedRoutes.namespaces.",
                route.namespace
            ),
            false => format!("No listener takes routes of kind {}; see its protocol.", route.kind),
        };
        return no("NotAllowedByListeners", message);
    }
    let wanted: Vec<_> =
        hostnames.iter().filter_map(|name| hostnames::pattern(Some(name))).collect();
    let attachments = taking.iter().filter_map(|(listener, spec)| {
        let mut hosts: Vec<_> = match hostnames {
            [] => vec![spec.hostname.clone()],
            _ => wanted.iter().filter_map(|w| hostnames::common(w, &spec.hostname)).collect(),
        };
        hosts.sort_unstable();
        hosts.dedup();
        (!hosts.is_empty()).then_some(Attachment { listener: *listener, hosts })
    });
    let attachments: Vec<_> = attachments.collect();
    if attachments.is_empty() {
        let of_listeners: BTreeMap<_, _> =
            taking.iter().map(|(_, listener)| (listener.hostname.to_string(), ())).collect();
        let of_listeners: Vec<_> = of_listeners.into_keys().collect();
        let message = format!(
            "No listener has a hostname in common with {}; theirs are {}.",
            hostnames.join(", "),
            of_listeners.join(", ")
        );
        return no("NoMatchingListenerHostname", message);
    }
    Ok(attachments)
}

fn no_listener(parent: &ParentReference, all: &[Listener]) -> String {
    let name = parent.section_name.as_ref().map(|name| format!(" named {name}"));
    let port = parent.port.map(|port| format!(" at port {port}"));
    let has: Vec<_> = all.iter().map(|l| format!("{} at {}", l.name, l.port)).collect();
    format!(
        "There is no listener{}{}; there are {}.",
        name.unwrap_or_default(),
        port.unwrap_or_default(),
        if has.is_empty() { "none".into() } else { has.join(", ") }
    )
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may fail")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::control::lower::gateway::grants::Grants;

    fn reference(kind: Kind, namespace: &str, name: &str) -> ObjectRef {
        ObjectRef { kind, namespace: namespace.into(), name: name.into() }
    }

    fn listeners() -> Vec<Listener> {
        let all = json!([
            {"name": "any", "port": 80, "protocol": "HTTP"},
            {"name": "one", "port": 80, "protocol": "HTTP", "hostname": "a.example"},
            {"name": "wild", "port": 8080, "protocol": "HTTP", "hostname": "*.example",
             "allowedRoutes": {"namespaces": {"from": "All"}}},
            {"name": "odd", "port": 9, "protocol": "ODD"},
        ]);
        let all: Vec<_> = serde_json::from_value(all).expect("listeners");
        let owner = reference(Kind::Gateway, "edge", "g");
        all.iter().map(|spec| Listener::read(spec, &owner, &Grants::default())).collect()
    }

    /// `listener: hosts` each, or the reason.
    fn attached(namespace: &str, parent: serde_json::Value, hostnames: &[&str]) -> String {
        let route = reference(Kind::HTTPRoute, namespace, "r");
        let parents = [serde_json::from_value(parent).expect("a parent")];
        let hostnames: Vec<_> = hostnames.iter().map(|&name| name.to_owned()).collect();
        let wish = Wish { route: &route, parents: &parents, hostnames: &hostnames };
        let all = listeners();
        let gateway = reference(Kind::Gateway, "edge", "g");
        let found = attach(wish, |object| (*object == gateway).then_some(&*all), &Entries::new());
        let Some(Attached { listeners, .. }) = found.first() else { return "no parent".into() };
        match listeners {
            Err(why) => why.reason.into(),
            Ok(all_of_it) => {
                let one = |attachment: &Attachment| {
                    let hosts: Vec<_> = attachment.hosts.iter().map(ToString::to_string).collect();
                    format!("{} {}", all[attachment.listener].name, hosts.join(","))
                };
                all_of_it.iter().map(one).collect::<Vec<_>>().join("; ")
            }
        }
    }

    #[test]
    fn a_route_is_taken_by_listeners_that_are_named_allow_it_and_have_its_hosts() {
        let edge = |mut parent: serde_json::Value| {
            parent["name"] = json!("g");
            parent
        };
        let g = || edge(json!({}));
        let other = || edge(json!({"namespace": "edge"}));
        for (namespace, parent, hostnames, expected) in [
            ("edge", g(), &[][..], "any *; one a.example; wild *.example"),
            ("edge", g(), &["a.example"], "any a.example; one a.example; wild a.example"),
            ("edge", g(), &["x.test", "b.example"], "any b.example,x.test; wild b.example"),
            ("edge", edge(json!({"sectionName": "one"})), &[], "one a.example"),
            ("edge", edge(json!({"port": 8080})), &[], "wild *.example"),
            ("edge", edge(json!({"sectionName": "one", "port": 81})), &[], "NoMatchingParent"),
            ("edge", edge(json!({"sectionName": "two"})), &[], "NoMatchingParent"),
            ("edge", edge(json!({"sectionName": "odd"})), &[], "NotAllowedByListeners"),
            (
                "edge",
                edge(json!({"sectionName": "one"})),
                &["b.example"],
                "NoMatchingListenerHostname",
            ),
            ("shop", g(), &[], "no parent"),
            ("shop", other(), &[], "wild *.example"),
            (
                "shop",
                edge(json!({"namespace": "edge", "sectionName": "any"})),
                &[],
                "NotAllowedByListeners",
            ),
            ("edge", edge(json!({"kind": "Service", "group": ""})), &[], "no parent"),
            ("edge", edge(json!({"kind": "ListenerSet"})), &[], "no parent"),
        ] {
            let text = parent.to_string();
            assert_eq!(attached(namespace, parent, hostnames), expected, "{text} {hostnames:?}");
        }
    }
}
