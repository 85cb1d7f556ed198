//! What objects have to say to the explanation of a request: which of them a certificate is of, and
//! who set each value of its plan.
//!
//! Nothing keeps where a value came from. It is found out by taking away: an origin is what makes a
//! value another one when it is not there, by lowering its rule again without each annotation, key
//! and flag in turn. So routing pays nothing, and no second reading can disagree with the first.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use k8s_openapi::api::networking::v1::Ingress;
use tokio::sync::oneshot;

use super::host_certificate::HostCertificate;
use super::lower::{LowerOptions, Lowerer};
use super::source::object::Provenance;
use super::store::{Entries, Entry, Store};
use crate::explain::{Explanation, Place, Value};
use crate::limits::{EXPLAINED_CAUSES_MAX, EXPLANATION_PATIENCE};
use crate::model::{Defaults, Model, ObjectRef, Policies, Rule};
use crate::table::Plan;
use crate::table::plan_values::PlanValues;

/// A request for what is known of a rule's object.
#[derive(Debug)]
pub struct ExplainerRequest {
    /// Where the rule comes from.
    pub place: Place,
    /// The way back; `None`: the object is gone.
    pub reply: oneshot::Sender<Option<Explainer>>,
}

/// The object of a rule, and what takes part in what it means.
#[derive(Debug)]
pub struct Explainer {
    options: LowerOptions,
    /// As much of it as the rule may depend on.
    store: Store,
    owner: ObjectRef,
    place: Place,
}

/// Values that a flag sets, and how that is named.
const FLAGS: [(&str, &str); 8] = [
    ("connect timeout", "--proxy-connect-timeout"),
    ("send timeout", "--proxy-send-timeout"),
    ("read timeout", "--proxy-read-timeout"),
    ("tries", "--proxy-next-upstream-tries"),
    ("tries within", "--proxy-next-upstream-timeout"),
    ("balance", "--load-balance"),
    ("longest body", "--client-max-body-size"),
    ("Strict-Transport-Security", "--hsts-max-age and its like"),
];

impl Explainer {
    /// Of the rule at `place`. Clones what the rule may depend on, pointers alone.
    #[must_use]
    pub fn of(store: &Store, options: &LowerOptions, place: &Place) -> Option<Self> {
        let owner = owner(store, place)?;
        let is_near = |reference: &ObjectRef| reference.namespace == owner.namespace;
        let named: BTreeSet<&ObjectRef> = options.named().collect();
        let mut part = Store {
            ingress_classes: store.ingress_classes.clone(),
            config_maps: store.config_maps.clone(),
            services: filtered(&store.services, |reference, _| is_near(reference)),
            secrets: filtered(&store.secrets, |reference, _| {
                is_near(reference) || named.contains(reference)
            }),
            ..Store::default()
        };
        match store.ingresses.get(&owner) {
            Some(own) => {
                let own = hosts(&own.object);
                let is_beside = |_: &ObjectRef, entry: &Entry<Ingress>| {
                    hosts(&entry.object).iter().any(|host| own.contains(host))
                };
                part.ingresses = filtered(&store.ingresses, is_beside);
            }
            None => {
                let routes = Store {
                    ingresses: Entries::new(),
                    endpoint_slices: Entries::new(),
                    ..store.clone()
                };
                part = Store { services: part.services, secrets: part.secrets, ..routes };
            }
        }
        Some(Self { options: options.clone(), store: part, owner, place: place.clone() })
    }

    /// Says of each value of the plan who set it, as far as there is time for it.
    pub fn complete(&self, told: &mut Explanation) {
        let now = Instant::now();
        self.trace(told, now.checked_add(EXPLANATION_PATIENCE).unwrap_or(now));
    }

    fn trace(&self, told: &mut Explanation, until: Instant) {
        let host = told.hosts.first().map(String::as_str).unwrap_or_default().to_owned();
        let Some(base) = self.values(&self.store, &self.options, &host) else { return };
        let has = |values: &PlanValues, one: &Value| {
            values.iter().any(|(name, value)| *name == one.name && *value == one.value)
        };
        for (label, store) in self.variations().take(EXPLAINED_CAUSES_MAX) {
            if Instant::now() >= until {
                let note = "who set which value is told as far as it was found in time";
                told.notes.push(note.to_owned());
                break;
            }
            let Some(other) = self.values(&store, &self.options, &host) else { continue };
            for one in told.plan.iter_mut().filter(|one| has(&base, one) && !has(&other, one)) {
                one.origin = match one.origin.is_empty() {
                    true => label.clone(),
                    false => format!("{}; {label}", one.origin),
                };
            }
        }
        let plain = |defaults: &Defaults| Plan::new(&[], &Policies::default(), defaults).values();
        let (of_nobody, of_flags) = (plain(&Defaults::default()), plain(&self.options.defaults));
        for one in told.plan.iter_mut().filter(|one| one.origin.is_empty()) {
            let flag = FLAGS.iter().find(|(name, _)| *name == one.name).map(|(_, flag)| *flag);
            one.origin = match (has(&of_nobody, one), has(&of_flags, one), flag) {
                (true, ..) => "default".to_owned(),
                (false, true, Some(flag)) => flag.to_owned(),
                (false, true, None) => "flags".to_owned(),
                (false, false, _) => self.place.object.clone(),
            };
        }
    }

    /// The objects without one thing that may have set a value, each with a name for it. One at a
    /// time: each has an object and a store of its own.
    fn variations(&self) -> impl Iterator<Item = (String, Store)> + '_ {
        let own = self.store.ingresses.get(&self.owner);
        let of_annotations = own.into_iter().flat_map(move |entry| {
            let annotations = entry.object.metadata.annotations.iter().flatten();
            annotations.map(move |(name, _)| {
                let label = at(name, entry.provenance.as_ref(), "metadata.annotations", name);
                let store = self.with_ingress(entry, |ingress| {
                    let annotations = ingress.metadata.annotations.as_mut();
                    annotations.map(|annotations| annotations.remove(name));
                });
                (label, store)
            })
        });
        let has_tls = |entry: &&Entry<Ingress>| {
            entry.object.spec.as_ref().is_some_and(|spec| spec.tls.is_some())
        };
        let of_tls = own.into_iter().filter(has_tls).map(move |entry| {
            let store = self.with_ingress(entry, |ingress| {
                ingress.spec.as_mut().map(|spec| spec.tls.take());
            });
            (at("spec.tls", entry.provenance.as_ref(), "spec", "tls"), store)
        });
        let map = self.options.config_map.as_ref();
        let map = map.and_then(|map| Some((map, self.store.config_maps.get(map)?)));
        let of_map = map.into_iter().flat_map(move |(reference, entry)| {
            entry.object.data.iter().flatten().map(move |(key, _)| {
                let mut object = (*entry.object).clone();
                object.data.as_mut().map(|data| data.remove(key));
                let (object, provenance) = (Arc::new(object), entry.provenance.clone());
                let mut store = self.store.clone();
                store.config_maps.insert(reference.clone(), Entry { object, provenance });
                let name = format!("{reference}, {key}");
                (at(&name, entry.provenance.as_ref(), "data", key), store)
            })
        });
        of_annotations.chain(of_tls).chain(of_map)
    }

    fn with_ingress(&self, entry: &Entry<Ingress>, change: impl FnOnce(&mut Ingress)) -> Store {
        let mut object = (*entry.object).clone();
        change(&mut object);
        let mut store = self.store.clone();
        let entry = Entry { object: Arc::new(object), provenance: entry.provenance.clone() };
        store.ingresses.insert(self.owner.clone(), entry);
        store
    }

    /// The plan of the rule, by these objects; `None`: they have no such rule.
    fn values(&self, store: &Store, options: &LowerOptions, host: &str) -> Option<PlanValues> {
        let lowered = Lowerer::new(options.clone()).apply(store, &store.all(), SystemTime::now());
        let model = lowered.model?;
        let rule = rule(&model, &self.place, host)?;
        Some(Plan::new(&rule.filters, &rule.policies, &model.defaults).values())
    }
}

/// Says which object the certificate comes from that a core knows by its identifier.
pub fn name_certificate(told: &mut Explanation, certificates: &[HostCertificate]) {
    let Some(tls) = told.tls.as_mut().filter(|tls| tls.certificate.is_some()) else { return };
    let is_it = |served: &&HostCertificate| {
        served.certificate.leaf().map(|leaf| leaf.identifier()) == tls.certificate
    };
    tls.certificate = certificates.iter().find(is_it).map(|served| match &served.secret {
        Some(secret) => secret.to_string(),
        None => "self-signed, made by us".to_owned(),
    });
}

fn filtered<K>(all: &Entries<K>, is_wanted: impl Fn(&ObjectRef, &Entry<K>) -> bool) -> Entries<K>
where
    Entry<K>: Clone,
{
    let wanted = all.iter().filter(|(reference, entry)| is_wanted(reference, entry));
    wanted.map(|(reference, entry)| (reference.clone(), entry.clone())).collect()
}

/// The object by its name in words.
fn owner(store: &Store, place: &Place) -> Option<ObjectRef> {
    let references =
        store.ingresses.keys().chain(store.http_routes.keys()).chain(store.grpc_routes.keys());
    references.filter(|reference| reference.to_string() == place.object).min().cloned()
}

fn hosts(ingress: &Ingress) -> BTreeSet<&str> {
    let rules = ingress.spec.iter().flat_map(|spec| spec.rules.iter().flatten());
    let hosts = rules.map(|rule| rule.host.as_deref().unwrap_or_default());
    let default = ingress.spec.iter().filter(|spec| spec.default_backend.is_some()).map(|_| "");
    hosts.chain(default).collect()
}

/// The rule from `place`, of the host that is named so if it is there.
fn rule<'m>(model: &'m Model, place: &Place, host: &str) -> Option<&'m Rule> {
    let hosts = model.listeners.iter().flat_map(|listener| &listener.hosts);
    let rules = hosts.flat_map(|known| {
        let locations = known.locations.iter().map(|location| &location.rule);
        known.rules.iter().chain(locations).map(|rule| (known.pattern.to_string() == host, rule))
    });
    let defaults = model.listeners.iter().filter_map(|listener| listener.default_rule.as_ref());
    let all = rules.chain(defaults.map(|rule| (false, rule)));
    let mut all = all.filter(|(_, rule)| Place::from(&rule.origin) == *place);
    let first = all.next();
    let named = first.filter(|(is_named, _)| *is_named).or_else(|| all.find(|(named, _)| *named));
    named.or(first).map(|(_, rule)| &**rule)
}

/// A name with its place.
fn at(name: &str, provenance: Option<&Provenance>, parent: &str, key: &str) -> String {
    match provenance {
        Some(provenance) => format!("{name}, {}", provenance.position(&format!("{parent}.{key}"))),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::source::{Change, manifest};

    const INGRESS: &str = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  \
        name: web\n  annotations: {nginx.ingress.kubernetes.io/proxy-read-timeout: \"7\"}\nspec:\n\
        \x20 rules:\n  - host: a.example\n    http:\n      paths:\n      - {path: /, \
        pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}\n";

    #[test]
    fn origins_are_looked_for_as_long_as_there_is_time() {
        let options =
            LowerOptions { adopt_classless: true, ..LowerOptions::cluster("x", "x.dev/x") };
        let objects = manifest::read(&"f".into(), INGRESS).objects;
        let mut store = Store::default();
        let changes = objects.into_iter().map(|object| Change::Apply(Box::new(object)));
        let dirty = store.apply(changes.collect::<Vec<_>>());
        let lowered = Lowerer::new(options.clone()).apply(&store, &dirty, SystemTime::now());
        let model = lowered.model.expect("a model");
        let hosts = model.listeners.iter().flat_map(|listener| &listener.hosts);
        let origin = hosts.flat_map(|host| &host.rules).map(|rule| &rule.origin).next();
        let place = Place::from(origin.expect("a rule"));
        let explainer = Explainer::of(&store, &options, &place).expect("an Ingress");
        let values = explainer.values(&store, &options, "a.example").expect("a plan");
        let plan = values.into_iter().map(|(name, value)| Value {
            name: name.to_owned(),
            value,
            ..Value::default()
        });
        let asked =
            Explanation { hosts: vec!["a.example".into()], plan: plan.collect(), ..<_>::default() };
        let now = Instant::now();
        let later = now.checked_add(EXPLANATION_PATIENCE).expect("soon");
        for (until, origin, notes) in [
            (later, "nginx.ingress.kubernetes.io/proxy-read-timeout", 0),
            (now, "Ingress default/web", 1),
        ] {
            let mut told = asked.clone();
            explainer.trace(&mut told, until);
            let found = told.plan.iter().find(|value| value.name == "read timeout");
            let found = found.map_or("", |value| value.origin.as_str());
            assert!(found.starts_with(origin), "{found}");
            assert_eq!(told.notes.len(), notes);
        }
    }
}
