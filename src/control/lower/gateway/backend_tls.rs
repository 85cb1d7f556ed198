//! BackendTLSPolicies → how Services are spoken to by TLS, and what becomes of each policy.
//!
//! A policy that cannot be used closes its Service: nobody gets past a check because it cannot be
//! made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::ServicePort;

use super::authorities::{self, Closed};
use super::parents::age_of;
use crate::control::conditions::{Condition, Content, ObjectStatus, ParentList, ParentStatus};
use crate::control::gateway_api::backend_tls_policy::{
    BackendTLSPolicy, BackendTlsPolicySpec, BackendValidation, PolicyTarget, SubjectAltName,
};
use crate::control::gateway_api::reference::{GROUP, LocalReference, ParentReference};
use crate::control::lower::claim::Age;
use crate::control::store::{Entry, Store};
use crate::limits::{POLICY_ANCESTORS_MAX, POLICY_NAMES_MAX};
use crate::model::{CertificateName, DialAuthorities, DialTls, HostName, Kind, ObjectRef};
use crate::tls::client::{ClientTls, Verify};

/// All policies, in order of their age.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Policies {
    all: Vec<Policy>,
    /// By Service and the name of a port; that of `None` has the others.
    by_target: BTreeMap<Target, usize>,
}

/// A Service, and one of its ports by name.
type Target = (ObjectRef, Option<Box<str>>);

#[derive(Debug, PartialEq)]
struct Policy {
    reference: ObjectRef,
    generation: i64,
    targets: Vec<Target>,
    /// ConfigMaps that it names.
    maps: BTreeSet<ObjectRef>,
    /// `Err`: condition Accepted.
    dial: Result<Arc<DialTls>, Fault>,
    /// What is wrong with a target; the others are spoken to as it says.
    wrong_target: Option<Fault>,
    /// Some target is as it should be.
    has_target: bool,
    /// Condition ResolvedRefs.
    unresolved: Option<Fault>,
    /// Another policy has a target of it.
    is_conflicted: bool,
}

/// Why something of a policy does not hold: a reason and a sentence.
type Fault = (&'static str, String);

impl Policies {
    pub(super) fn of(store: &Store) -> Self {
        let mut all: Vec<(Age, &ObjectRef, &Entry<BackendTLSPolicy>)> = store
            .backend_tls_policies
            .iter()
            .map(|(reference, entry)| (age_of(reference, &entry.object.metadata), reference, entry))
            .collect();
        all.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        let mut policies = Self::default();
        for (_, reference, entry) in all {
            let mut policy = Policy::read(store, reference, &entry.object);
            for target in &policy.targets {
                let number = policies.all.len();
                let winner = *policies.by_target.entry(target.clone()).or_insert(number);
                policy.is_conflicted |= winner != number;
            }
            policies.all.push(policy);
        }
        policies
    }

    /// How a port of a Service is spoken to; `None`: no policy is about it.
    pub(super) fn dial(
        &self,
        service: &ObjectRef,
        port: Option<&ServicePort>,
    ) -> Option<Result<Arc<DialTls>, Closed>> {
        let name = port.and_then(|port| port.name.as_deref()).map(Into::into);
        let of_port = name.and_then(|name| self.by_target.get(&(service.clone(), Some(name))));
        let number = of_port.or_else(|| self.by_target.get(&(service.clone(), None)))?;
        let policy = self.all.get(*number)?;
        Some(policy.dial.as_ref().map(Arc::clone).map_err(|_why| Closed))
    }

    /// Services that policies are about.
    pub(super) fn services(&self) -> impl Iterator<Item = &ObjectRef> {
        self.by_target.keys().map(|(service, _)| service)
    }

    /// Whether what they come to depends on the object.
    pub(super) fn read(&self, object: &ObjectRef) -> bool {
        self.all.iter().any(|policy| {
            let mut services = policy.targets.iter().map(|(service, _)| service);
            policy.maps.contains(object) || services.any(|service| service == object)
        })
    }

    /// What policies are to show on the ways to their Services, and the reason why a target of
    /// theirs is none. `ways`: the Gateways whose routes use a Service.
    pub(super) fn states(
        &self,
        ways: &BTreeMap<ObjectRef, BTreeSet<ObjectRef>>,
        controller: &Arc<str>,
    ) -> Vec<(ObjectRef, ObjectStatus, Option<&'static str>)> {
        let state = |policy: &Policy| {
            let of_target = |(service, _): &Target| ways.get(service);
            let gateways = policy.targets.iter().filter_map(of_target).flatten();
            let gateways: BTreeSet<&ObjectRef> = gateways.collect();
            let parents = gateways.into_iter().take(POLICY_ANCESTORS_MAX).map(|gateway| {
                let parent = ParentReference {
                    group: Some(GROUP.to_owned()),
                    kind: Some(gateway.kind.name().to_owned()),
                    namespace: Some(gateway.namespace.to_string()),
                    name: gateway.name.to_string(),
                    ..ParentReference::default()
                };
                ParentStatus { parent, conditions: policy.conditions() }
            });
            let (controller, parents) = (Arc::clone(controller), parents.collect());
            let content = Content::Parents { list: ParentList::Ancestors, controller, parents };
            let status = ObjectStatus { generation: policy.generation, content };
            let wrong_target = policy.wrong_target.as_ref().map(|(reason, _)| *reason);
            (policy.reference.clone(), status, wrong_target)
        };
        self.all.iter().map(state).collect()
    }
}

impl Policy {
    fn read(store: &Store, reference: &ObjectRef, object: &BackendTLSPolicy) -> Self {
        // Options are those of implementations; we have none.
        let BackendTlsPolicySpec { target_refs, validation, options: _ } = &object.spec;
        let Targets { all: targets, fault: wrong_target, has_good: has_target } =
            targets(store, reference, target_refs);
        let authorities = read_authorities(store, reference, validation);
        let dial = authorities.usable.and_then(|authorities| dial(authorities, validation));
        Self {
            reference: reference.clone(),
            generation: object.metadata.generation.unwrap_or_default(),
            targets,
            maps: authorities.maps,
            dial: dial.map(Arc::new),
            wrong_target,
            has_target,
            unresolved: authorities.unresolved,
            is_conflicted: false,
        }
    }

    fn conditions(&self) -> Vec<Condition> {
        let accepted = match (&self.dial, &self.wrong_target) {
            _ if self.is_conflicted => {
                let text = "An older policy is about the same Service and port; remove one.";
                Condition::fails("Accepted", "Conflicted", text)
            }
            (Err((reason, text)), _) => Condition::fails("Accepted", reason, text.clone()),
            (Ok(_), Some((reason, text))) if !self.has_target => {
                Condition::fails("Accepted", reason, text.clone())
            }
            (Ok(_), wrong) => {
                let message = wrong.as_ref().map(|(_, text)| text.clone()).unwrap_or_default();
                Condition { message, ..Condition::holds("Accepted", "Accepted") }
            }
        };
        let resolved = match &self.unresolved {
            None => Condition::holds("ResolvedRefs", "ResolvedRefs"),
            Some((reason, text)) => Condition::fails("ResolvedRefs", reason, text.clone()),
        };
        vec![accepted, resolved]
    }
}

/// What a policy is about.
#[derive(Default)]
struct Targets {
    all: Vec<Target>,
    /// Of the first that cannot be one.
    fault: Option<Fault>,
    has_good: bool,
}

fn targets(store: &Store, policy: &ObjectRef, targets: &[PolicyTarget]) -> Targets {
    let Targets { all: mut found, mut fault, mut has_good } = Targets::default();
    for PolicyTarget { group, kind, name, section_name } in targets {
        if (&**group, &**kind) != ("", "Service") {
            let text = format!("{kind} {name} is no Service; name one.");
            fault = fault.or(Some(("Invalid", text)));
            continue;
        }
        let (namespace, name) = (Arc::clone(&policy.namespace), name.as_str().into());
        let service = ObjectRef { kind: Kind::Service, namespace, name };
        let entry = store.services.get(&service);
        let spec = entry.and_then(|entry| entry.object.spec.as_ref());
        let mut ports = spec.and_then(|spec| spec.ports.as_ref()).into_iter().flatten();
        let is_port = section_name
            .as_deref()
            .is_none_or(|name| ports.any(|port| port.name.as_deref() == Some(name)));
        if entry.is_none() {
            let text = format!("There is no {service}; create it, or correct the name.");
            fault = fault.or(Some(("TargetNotFound", text)));
        } else if !is_port {
            let text = format!("{service} has no port of that name; correct sectionName.");
            fault = fault.or(Some(("TargetNotFound", text)));
        } else {
            has_good = true;
        }
        found.push((service, section_name.as_deref().map(Into::into)));
    }
    Targets { all: found, fault, has_good }
}

/// Whose certificates a policy believes.
struct Authorities {
    /// `Err`: nobody's.
    usable: Result<DialAuthorities, Fault>,
    unresolved: Option<Fault>,
    maps: BTreeSet<ObjectRef>,
}

fn read_authorities(
    store: &Store,
    policy: &ObjectRef,
    validation: &BackendValidation,
) -> Authorities {
    let BackendValidation { ca_certificate_refs, well_known, .. } = validation;
    let (mut unresolved, mut maps, mut names) = (None, BTreeSet::new(), Vec::new());
    for reference in ca_certificate_refs {
        match config_map(store, policy, reference, &mut maps) {
            Ok(name) => names.push(name),
            Err(fault) => unresolved = unresolved.or(Some(fault)),
        }
    }
    let usable = match well_known.as_deref().filter(|known| !known.is_empty()) {
        Some(_) if !ca_certificate_refs.is_empty() => {
            Err(("Invalid", "Write caCertificateRefs or wellKnownCACertificates.".to_owned()))
        }
        Some("System") => Ok(DialAuthorities::System),
        Some(other) => Err(("Invalid", format!("{other} is not supported; write System."))),
        None if names.is_empty() => {
            let text = "There is no certificate to check against; name a ConfigMap with ca.crt.";
            Err(("NoValidCACertificate", text.to_owned()))
        }
        None => Ok(DialAuthorities::ConfigMaps(Arc::clone(&policy.namespace), names.into())),
    };
    Authorities { usable, unresolved, maps }
}

/// The ConfigMap of a reference, if certificates can be read of it.
fn config_map(
    store: &Store,
    policy: &ObjectRef,
    reference: &LocalReference,
    maps: &mut BTreeSet<ObjectRef>,
) -> Result<Arc<str>, Fault> {
    let LocalReference { group, kind, name } = reference;
    if (&**group, &**kind) != ("", "ConfigMap") {
        let text = format!("{kind} {name} cannot hold certificates here; name a ConfigMap.");
        return Err(("InvalidKind", text));
    }
    let (namespace, name): (_, Arc<str>) = (Arc::clone(&policy.namespace), name.as_str().into());
    let map = ObjectRef { kind: Kind::ConfigMap, namespace, name: Arc::clone(&name) };
    maps.insert(map.clone());
    authorities::read(store, &map, |pem| ClientTls::new(Verify::Ca(pem), None, &[]))
        .map(|_| name)
        .map_err(|text| ("InvalidCACertificateRef", text))
}

fn dial(authorities: DialAuthorities, validation: &BackendValidation) -> Result<DialTls, Fault> {
    let BackendValidation { hostname, subject_alt_names, .. } = validation;
    let invalid = |text: String| ("Invalid", text);
    if HostName::new(hostname).is_err() {
        return Err(invalid(format!(
            "{hostname:?} is no name of a host; write validation.hostname."
        )));
    }
    if subject_alt_names.len() > POLICY_NAMES_MAX {
        return Err(invalid(format!("It has {POLICY_NAMES_MAX} subjectAltNames at most.")));
    }
    let name = |of: &SubjectAltName| match (&*of.type_, &of.hostname, &of.uri) {
        ("Hostname", Some(name), _) => Ok(CertificateName::Dns(name.to_ascii_lowercase().into())),
        ("URI", _, Some(uri)) => Ok(CertificateName::Uri(uri.as_str().into())),
        _ => Err(invalid("A name is of type Hostname or URI, and has the field of it.".into())),
    };
    let names = subject_alt_names.iter().map(name).collect::<Result<Arc<[_]>, _>>()?;
    Ok(DialTls {
        verify: true,
        authorities,
        names: (!names.is_empty()).then_some(names),
        server_name: Some(hostname.to_ascii_lowercase().into()),
        sends_server_name: true,
        ..DialTls::default()
    })
}

/// The ConfigMaps that a policy names: what its source brings along.
pub(in super::super) fn needs(
    reference: &ObjectRef,
    policy: &BackendTLSPolicy,
) -> impl Iterator<Item = ObjectRef> {
    let named = policy.spec.validation.ca_certificate_refs.iter();
    let maps = named.filter(|named| named.group.is_empty() && named.kind == "ConfigMap");
    maps.map(|named| ObjectRef {
        kind: Kind::ConfigMap,
        namespace: Arc::clone(&reference.namespace),
        name: named.name.as_str().into(),
    })
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, clippy::needless_pass_by_value, reason = "a test may fail")]
mod tests {
    use k8s_openapi::api::core::v1::{ConfigMap, Service};
    use serde_json::{Value, json};

    use super::*;
    use crate::control::lower::tests::tls::pair;

    fn object(kind: Kind, name: &str) -> ObjectRef {
        ObjectRef { kind, namespace: "ns".into(), name: name.into() }
    }

    fn parsed<T: serde::de::DeserializeOwned>(value: Value) -> Entry<T> {
        let object = serde_json::from_value::<T>(value).expect("an object").into();
        Entry { object, provenance: None }
    }

    /// The Service `web` with ports `a` and `b`, and the ConfigMaps `ca`, `empty` and `garbage`.
    fn store(policies: &[(&str, Value)]) -> Store {
        let mut store = Store::default();
        let ports = json!([{"name": "a", "port": 1}, {"name": "b", "port": 2}]);
        let service: Entry<Service> = parsed(json!({"metadata": {}, "spec": {"ports": ports}}));
        store.services.insert(object(Kind::Service, "web"), service);
        let ca = pair(&["ca"]).chain;
        for (name, text) in [("ca", &*ca), ("empty", ""), ("garbage", "no PEM")] {
            let map: Entry<ConfigMap> = parsed(json!({"metadata": {}, "data": {"ca.crt": text}}));
            store.config_maps.insert(object(Kind::ConfigMap, name), map);
        }
        for (name, spec) in policies {
            let policy = parsed(json!({"metadata": {"generation": 3}, "spec": spec}));
            store.backend_tls_policies.insert(object(Kind::BackendTLSPolicy, name), policy);
        }
        store
    }

    fn spec(section: Option<&str>, validation: Value) -> Value {
        let target = json!({"group": "", "kind": "Service", "name": "web", "sectionName": section});
        json!({"targetRefs": [target], "validation": validation})
    }

    fn ca(name: &str) -> Value {
        json!([{"group": "", "kind": "ConfigMap", "name": name}])
    }

    /// Reasons of both conditions of a policy, as it is shown on the way through a Gateway.
    fn reasons(policies: &Policies) -> Vec<[&'static str; 2]> {
        let gateway = object(Kind::Gateway, "edge");
        let ways = [(object(Kind::Service, "web"), [gateway].into())].into();
        let states = policies.states(&ways, &"controller".into());
        let reasons = |(_, status, _): &(ObjectRef, ObjectStatus, Option<&str>)| {
            assert_eq!(status.generation, 3);
            match &status.content {
                Content::Parents { parents, .. } => match &parents[..] {
                    [ParentStatus { conditions, .. }] => {
                        [conditions[0].reason, conditions[1].reason]
                    }
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            }
        };
        states.iter().map(reasons).collect()
    }

    #[test]
    fn what_cannot_be_checked_closes_the_service() {
        let host = "h.example";
        let good = ["Accepted", "ResolvedRefs"];
        let no_ca = |reason| ["NoValidCACertificate", reason];
        for (validation, expected) in [
            (json!({"hostname": host, "caCertificateRefs": ca("ca")}), good),
            (json!({"hostname": host, "wellKnownCACertificates": "System"}), good),
            (
                json!({"hostname": host, "caCertificateRefs": ca("none")}),
                no_ca("InvalidCACertificateRef"),
            ),
            (
                json!({"hostname": host, "caCertificateRefs": ca("empty")}),
                no_ca("InvalidCACertificateRef"),
            ),
            (
                json!({"hostname": host, "caCertificateRefs": ca("garbage")}),
                no_ca("InvalidCACertificateRef"),
            ),
            (
                json!({"hostname": host, "caCertificateRefs":
                       [{"group": "", "kind": "Secret", "name": "ca"}]}),
                no_ca("InvalidKind"),
            ),
            (json!({"hostname": host}), no_ca("ResolvedRefs")),
            (
                json!({"hostname": host, "wellKnownCACertificates": "Mine"}),
                ["Invalid", "ResolvedRefs"],
            ),
            (
                json!({"hostname": "a b", "caCertificateRefs": ca("ca")}),
                ["Invalid", "ResolvedRefs"],
            ),
            (
                json!({"hostname": host, "caCertificateRefs": ca("ca"),
                       "subjectAltNames": [{"type": "URI", "hostname": "a"}]}),
                ["Invalid", "ResolvedRefs"],
            ),
        ] {
            let store = store(&[("p", spec(None, validation.clone()))]);
            let policies = Policies::of(&store);
            assert_eq!(reasons(&policies), [expected], "{validation}");
            let dial = policies.dial(&object(Kind::Service, "web"), None).expect("a policy");
            assert_eq!(dial.is_ok(), expected == good, "{validation}");
        }
    }

    /// What is wrong with one target is said, and the others are none the worse for it.
    #[test]
    fn a_wrong_target_takes_no_other_along() {
        let target = |kind: &str, name: &str, port: Option<&str>| {
            let (group, section) = ("", port);
            json!({"group": group, "kind": kind, "name": name, "sectionName": section})
        };
        let web = object(Kind::Service, "web");
        for (targets, expected, wrong) in [
            (vec![target("Service", "web", None)], "Accepted", false),
            (vec![target("Service", "x", None), target("Service", "web", None)], "Accepted", true),
            (vec![target("Odd", "x", None), target("Service", "web", None)], "Accepted", true),
            (
                vec![target("Service", "web", Some("c")), target("Service", "web", None)],
                "Accepted",
                true,
            ),
            (vec![target("Service", "web", Some("c"))], "TargetNotFound", true),
        ] {
            let validation = json!({"hostname": "h.example", "caCertificateRefs": ca("ca")});
            let spec = json!({"targetRefs": targets, "validation": validation});
            let store = store(&[("p", spec)]);
            let policies = Policies::of(&store);
            assert_eq!(reasons(&policies), [[expected, "ResolvedRefs"]], "{targets:?}");
            let [accepted, _] = &policies.all[0].conditions()[..] else { panic!("two") };
            assert_eq!(!accepted.message.is_empty(), wrong, "{targets:?}");
            let dial = policies.dial(&web, None).map(|dial| dial.is_ok());
            assert_eq!(dial, (expected == "Accepted").then_some(true), "{targets:?}");
        }
    }

    #[test]
    fn a_port_has_its_own_policy_and_of_two_the_older_counts() {
        let validation = |host: &str| json!({"hostname": host, "caCertificateRefs": ca("ca")});
        let with_names = json!({"hostname": "c.example", "caCertificateRefs": ca("ca"),
            "subjectAltNames": [{"type": "Hostname", "hostname": "x.example"},
                                {"type": "URI", "uri": "spiffe://x"}]});
        let store = store(&[
            ("one", spec(None, validation("a.example"))),
            ("two", spec(None, validation("b.example"))),
            ("three", spec(Some("b"), with_names)),
        ]);
        let policies = Policies::of(&store);
        let (accepted, lost) = (["Accepted", "ResolvedRefs"], ["Conflicted", "ResolvedRefs"]);
        // By name, as they have no age.
        assert_eq!(reasons(&policies), [accepted, accepted, lost]);
        let service = object(Kind::Service, "web");
        let spec = store.services[&service].object.spec.clone().expect("a spec");
        let ports = spec.ports.expect("ports");
        let dial =
            |port: usize| policies.dial(&service, ports.get(port)).expect("one").expect("ok");
        assert_eq!(dial(0).server_name.as_deref(), Some("a.example"));
        assert_eq!(dial(0).names, None);
        assert_eq!(dial(1).server_name.as_deref(), Some("c.example"));
        let expected =
            [CertificateName::Dns("x.example".into()), CertificateName::Uri("spiffe://x".into())];
        assert_eq!(dial(1).names.as_deref(), Some(&expected[..]));
        assert_eq!(policies.dial(&object(Kind::Service, "other"), None), None);
        assert!(policies.read(&object(Kind::ConfigMap, "ca")));
        assert!(policies.read(&service) && !policies.read(&object(Kind::ConfigMap, "empty")));
    }
}
