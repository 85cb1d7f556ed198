//! What the API server says of objects and the store does not keep: the uid, and what the status
//! shows.
//!
//! Written by the source, read by the writer of status and Events, both on the thread that talks to
//! the API server. State, not a queue: bounded by the objects of the cluster.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::networking::v1::IngressLoadBalancerIngress;
use serde_json::Value;
use tokio::sync::Notify;

use crate::model::ObjectRef;

/// Shared by the source and the writer.
#[derive(Debug, Default)]
pub struct Observed {
    now: Mutex<Objects>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct Objects {
    seen: HashMap<ObjectRef, Seen>,
    /// Objects with a status that are new or whose status changed since it was last asked.
    changed: BTreeSet<ObjectRef>,
}

#[derive(Debug)]
struct Seen {
    uid: Option<Arc<str>>,
    shown: Shown,
}

/// What the status of an object shows.
#[derive(Debug, Clone, Default)]
pub enum Shown {
    /// It has none that concerns us.
    #[default]
    Nothing,
    /// `status.loadBalancer.ingress` of an Ingress.
    Addresses(Arc<[Address]>),
    /// The whole, of kinds whose status is made of conditions, and `metadata.resourceVersion`.
    Status(Arc<Value>, Box<str>),
}

/// Versions are no part of it.
impl PartialEq for Shown {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nothing, Self::Nothing) => true,
            (Self::Addresses(one), Self::Addresses(other)) => one == other,
            (Self::Status(one, _), Self::Status(other, _)) => one == other,
            _ => false,
        }
    }
}

/// One entry of `status.loadBalancer.ingress`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// `ip`.
    Ip(IpAddr),
    /// `hostname`.
    Name(Arc<str>),
    /// Something that we never write: both, neither, with `ports`, or no address at all.
    Foreign,
}

impl From<&IngressLoadBalancerIngress> for Address {
    fn from(entry: &IngressLoadBalancerIngress) -> Self {
        let filled = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
        if entry.ports.as_ref().is_some_and(|ports| !ports.is_empty()) {
            return Self::Foreign;
        }
        match (filled(&entry.ip), filled(&entry.hostname)) {
            (Some(ip), None) => ip.parse().map_or(Self::Foreign, Self::Ip),
            (None, Some(name)) => Self::Name(name.into()),
            _ => Self::Foreign,
        }
    }
}

impl Observed {
    /// The object exists and its status shows this.
    pub fn put(&self, object: &ObjectRef, uid: Option<&str>, shown: &Shown) {
        let mut objects = self.lock();
        if objects.put(object, uid, shown) && objects.changed.insert(object.clone()) {
            self.bell.notify_one();
        }
    }

    /// The object is gone.
    pub fn remove(&self, object: &ObjectRef) {
        let mut objects = self.lock();
        let was_shown = objects.seen.remove(object).is_some_and(|seen| match seen.shown {
            Shown::Nothing => false,
            Shown::Addresses(addresses) => !addresses.is_empty(),
            Shown::Status(..) => true,
        });
        if was_shown && objects.changed.insert(object.clone()) {
            self.bell.notify_one();
        }
    }

    /// `metadata.uid`, where the object exists and has one.
    #[must_use]
    pub fn uid(&self, object: &ObjectRef) -> Option<Arc<str>> {
        self.lock().seen.get(object)?.uid.clone()
    }

    /// What the status of an object shows; `None`: it does not exist.
    #[must_use]
    pub fn status(&self, object: &ObjectRef) -> Option<Shown> {
        self.lock().seen.get(object).map(|seen| seen.shown.clone())
    }

    /// Waits until an object with a status is new or its status changed. Safe to cancel.
    pub async fn status_changed(&self) {
        self.bell.notified().await;
    }

    /// Takes the objects that are new or whose status changed.
    #[must_use]
    pub fn take_changed(&self) -> BTreeSet<ObjectRef> {
        std::mem::take(&mut self.lock().changed)
    }

    fn lock(&self) -> MutexGuard<'_, Objects> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Objects {
    /// Whether the object has a status and is new, or its status changed.
    fn put(&mut self, object: &ObjectRef, uid: Option<&str>, shown: &Shown) -> bool {
        let Some(seen) = self.seen.get_mut(object) else {
            let seen = Seen { uid: uid.map(Into::into), shown: shown.clone() };
            self.seen.insert(object.clone(), seen);
            return *shown != Shown::Nothing;
        };
        if seen.uid.as_deref() != uid {
            seen.uid = uid.map(Into::into);
        }
        let is_changed = seen.shown != *shown;
        seen.shown = shown.clone();
        is_changed
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::networking::v1::IngressPortStatus;
    use serde_json::json;

    use super::*;
    use crate::model::Kind;

    fn ip(text: &str) -> IngressLoadBalancerIngress {
        IngressLoadBalancerIngress { ip: Some(text.to_owned()), ..Default::default() }
    }

    #[test]
    fn the_bell_rings_for_a_changed_status_only() {
        let show = |addresses: &[IngressLoadBalancerIngress]| {
            Shown::Addresses(addresses.iter().map(Address::from).collect())
        };
        let ingress = ObjectRef { kind: Kind::Ingress, namespace: "a".into(), name: "x".into() };
        let observed = Observed::default();
        observed.put(&ingress, Some("u1"), &show(&[]));
        assert_eq!(observed.take_changed().len(), 1);
        observed.put(&ingress, Some("u1"), &show(&[]));
        assert!(observed.take_changed().is_empty());
        observed.put(&ingress, Some("u1"), &show(&[ip("192.0.2.1")]));
        assert_eq!(observed.take_changed(), BTreeSet::from([ingress.clone()]));
        observed.put(&ingress, Some("u2"), &show(&[ip("192.0.2.1")]));
        assert!(observed.take_changed().is_empty());
        assert_eq!(observed.uid(&ingress).as_deref(), Some("u2"));
        assert_eq!(observed.status(&ingress), Some(show(&[ip("192.0.2.1")])));
        observed.remove(&ingress);
        assert_eq!(observed.take_changed().len(), 1);
        assert_eq!(observed.status(&ingress), None);
        assert_eq!(observed.uid(&ingress), None);
        // Of a kind without status nobody has to be told.
        observed.put(&ingress, None, &Shown::Nothing);
        assert!(observed.take_changed().is_empty());
        let status = |version: &str| Shown::Status(Arc::new(json!({"a": 1})), version.into());
        observed.put(&ingress, None, &status("1"));
        assert_eq!(observed.take_changed().len(), 1);
        observed.put(&ingress, None, &status("2"));
        assert!(observed.take_changed().is_empty());
    }

    #[test]
    fn an_entry_is_an_address_or_foreign() {
        let named = IngressLoadBalancerIngress { hostname: Some("lb.test".into()), ..ip("") };
        assert_eq!(Address::from(&named), Address::Name("lb.test".into()));
        let both = IngressLoadBalancerIngress { hostname: Some("lb.test".into()), ..ip("::1") };
        let ports = IngressLoadBalancerIngress {
            ports: Some(vec![IngressPortStatus::default()]),
            ..ip("::1")
        };
        for entry in [both, ports, ip("here"), ip("")] {
            assert_eq!(Address::from(&entry), Address::Foreign, "{entry:?}");
        }
    }
}
