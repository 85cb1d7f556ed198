//! What was applied for Gateways, and what is there of it: whether something is to be done again.
//!
//! Pure: events of the watch and answers in, decisions out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::core::v1::Service;
use kube::api::ObjectMeta;
use kube::runtime::watcher;
use serde_json::Value;

use crate::control::conditions::{Content, GatewayService};
use crate::control::outcomes::Outcome;
use crate::limits::GATEWAY_SERVICES_REFRESH;
use crate::model::{Kind, ObjectRef};

/// By Gateway; `None`: it is known to need none. Of others nobody has decided yet.
pub(in crate::control::write) type Wanted = BTreeMap<ObjectRef, Option<Arc<GatewayService>>>;

/// `metadata.resourceVersion` by Service and slice.
pub(super) type Versions = BTreeMap<ObjectRef, Option<String>>;

/// What was applied for a Gateway.
pub(super) struct Applied {
    pub service: ObjectRef,
    pub objects: Vec<Value>,
    /// As the API server said them; `None`: it did not take all of them.
    pub versions: Option<Versions>,
    pub at: Instant,
}

impl Applied {
    /// Who changes something again and again, or refuses it, is answered as often as our pods are
    /// looked up.
    pub(super) fn is_recent(&self) -> bool {
        self.at.elapsed() < GATEWAY_SERVICES_REFRESH
    }

    /// Whether there is no need to apply these objects. `ours`: the Service, if it is there.
    pub(super) fn stands(
        &self,
        objects: &[Value],
        ours: Option<&Service>,
        present: &Present,
    ) -> bool {
        self.objects == objects && (self.is_recent() || (ours.is_some() && self.is_intact(present)))
    }

    /// Whether nobody changed what is `present`.
    fn is_intact(&self, present: &Present) -> bool {
        let is_same = |(object, version): (&ObjectRef, _)| {
            (object.kind == Kind::EndpointSlice && !present.has_slices)
                || present.versions.get(object) == Some(version)
        };
        self.versions.as_ref().is_some_and(|versions| versions.iter().all(is_same))
    }

    /// Whether this is what we wrote.
    fn has(&self, (object, version): &(ObjectRef, Option<String>)) -> bool {
        self.versions.as_ref().is_some_and(|versions| versions.get(object) == Some(version))
    }
}

/// By Gateway.
pub(super) type AllApplied = BTreeMap<ObjectRef, Applied>;

/// Services with our labels, as they are watched.
#[derive(Default)]
pub(super) struct Seen {
    pub there: BTreeMap<ObjectRef, Service>,
    /// Of the list under way.
    listed: BTreeMap<ObjectRef, Service>,
    pub is_listed: bool,
}

impl Seen {
    /// Takes an event. Whether something may be to do for it: not where it is the echo of a write.
    pub(super) fn take(
        &mut self,
        event: Option<watcher::Event<Service>>,
        applied: &mut AllApplied,
    ) -> bool {
        match event {
            Some(watcher::Event::Init) => self.listed = BTreeMap::new(),
            Some(watcher::Event::InitApply(service)) => {
                self.listed.insert(reference(&service), service);
            }
            Some(watcher::Event::InitDone) => {
                self.there = std::mem::take(&mut self.listed);
                self.is_listed = true;
                return true;
            }
            Some(watcher::Event::Apply(service)) => {
                let version = version(Kind::Service, &service.metadata);
                self.there.insert(reference(&service), service);
                return !applied.values().any(|made| made.has(&version));
            }
            Some(watcher::Event::Delete(service)) => {
                let service = reference(&service);
                applied.retain(|_, made| made.is_recent() || made.service != service);
                self.there.remove(&service);
                return true;
            }
            None => {}
        }
        false
    }
}

/// What is there with our labels.
pub(super) struct Present {
    pub versions: Versions,
    /// Slices are known.
    pub has_slices: bool,
}

/// Takes what became of Gateways; whether something else is wanted. Of one that is not there any
/// more nothing is: what it owns goes with it.
pub(in crate::control::write) fn want(
    wanted: &mut Wanted,
    outcomes: &BTreeMap<ObjectRef, Outcome>,
    is_there: impl Fn(&ObjectRef) -> bool,
) -> bool {
    wanted.retain(|gateway, service| service.is_some() || is_there(gateway));
    let mut is_news = false;
    for (gateway, outcome) in outcomes.iter().filter(|(object, _)| object.kind == Kind::Gateway) {
        let service = match outcome {
            Outcome::Status(status) => match &status.content {
                Content::Gateway { service, .. } => service.clone(),
                _ => None,
            },
            Outcome::Served | Outcome::Withdrawn => None,
        };
        let old = match (service, is_there(gateway)) {
            (None, false) => wanted.remove(gateway),
            (new, _) => wanted.insert(gateway.clone(), new),
        };
        is_news |= old.as_ref() != wanted.get(gateway);
    }
    is_news
}

pub(super) fn reference(service: &Service) -> ObjectRef {
    version(Kind::Service, &service.metadata).0
}

/// Which object it is, and in which version.
pub(super) fn version(kind: Kind, metadata: &ObjectMeta) -> (ObjectRef, Option<String>) {
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().into();
    let (namespace, name) = (text(&metadata.namespace), text(&metadata.name));
    (ObjectRef { kind, namespace, name }, metadata.resource_version.clone())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn service(version: &str) -> Service {
        let metadata = json!({"name": "s", "namespace": "ns", "resourceVersion": version});
        serde_json::from_value(json!({ "metadata": metadata })).expect("a Service")
    }

    const TAKEN: Option<&str> = Some("1");

    fn gateway(name: &str) -> ObjectRef {
        ObjectRef { kind: Kind::Gateway, namespace: "ns".into(), name: name.into() }
    }

    /// What was applied this long ago and has this version since, or was refused.
    fn applied(age: Duration, taken: Option<&str>) -> Applied {
        let versions = |text| [version(Kind::Service, &service(text).metadata)].into();
        Applied {
            service: reference(&service("1")),
            objects: vec![json!(1)],
            versions: taken.map(versions),
            at: Instant::now().checked_sub(age).expect("the machine runs for longer"),
        }
    }

    #[test]
    fn what_is_edited_or_refused_is_applied_again_and_not_at_once() {
        let (new, old) = (Duration::ZERO, GATEWAY_SERVICES_REFRESH);
        let (kept, edited) = (Some("1"), Some("2"));
        for (age, taken, objects, there, stands) in [
            (old, TAKEN, 1, kept, true),
            (old, TAKEN, 1, edited, false),
            (old, TAKEN, 1, None, false),
            (old, None, 1, kept, false),
            (new, TAKEN, 1, edited, true),
            (new, TAKEN, 1, None, true),
            (new, None, 1, None, true),
            // What is wanted now is another thing.
            (new, TAKEN, 2, kept, false),
            (new, None, 2, None, false),
        ] {
            let ours = there.map(service);
            let versions = ours.iter().map(|ours| version(Kind::Service, &ours.metadata));
            let present = Present { versions: versions.collect(), has_slices: false };
            let found = applied(age, taken).stands(&[json!(objects)], ours.as_ref(), &present);
            assert_eq!(found, stands, "{age:?} {taken:?} {objects} {there:?}");
        }
    }

    #[test]
    fn only_what_others_do_asks_for_a_round() {
        let (new, old) = (Duration::ZERO, GATEWAY_SERVICES_REFRESH);
        for (event, age, is_due, is_known) in [
            (Some(watcher::Event::Init), old, false, true),
            (Some(watcher::Event::InitApply(service("1"))), old, false, true),
            (Some(watcher::Event::InitDone), old, true, true),
            (Some(watcher::Event::Apply(service("1"))), old, false, true),
            (Some(watcher::Event::Apply(service("2"))), old, true, true),
            (Some(watcher::Event::Delete(service("1"))), old, true, false),
            (Some(watcher::Event::Delete(service("1"))), new, true, true),
            (None, old, false, true),
        ] {
            let mut all = AllApplied::from([(gateway("g"), applied(age, TAKEN))]);
            let found = Seen::default().take(event.clone(), &mut all);
            assert_eq!((found, !all.is_empty()), (is_due, is_known), "{event:?}");
        }
    }

    #[test]
    fn gateways_that_are_gone_are_forgotten() {
        let mut wanted = Wanted::from([
            (gateway("kept"), Some(Arc::new(GatewayService::default()))),
            (gateway("other"), None),
            (gateway("gone"), None),
        ]);
        let withdrawn = |name| BTreeMap::from([(gateway(name), Outcome::Withdrawn)]);
        let is_there = |gateway: &ObjectRef| &*gateway.name != "gone";
        assert!(!want(&mut wanted, &BTreeMap::new(), is_there));
        assert!(!wanted.contains_key(&gateway("gone")) && wanted.len() == 2);
        assert!(!want(&mut wanted, &withdrawn("other"), is_there));
        assert!(want(&mut wanted, &withdrawn("kept"), is_there));
        want(&mut wanted, &withdrawn("kept"), |_| false);
        assert!(wanted.is_empty());
    }
}
