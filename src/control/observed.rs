//! What the API server says of objects and the store does not keep: the uid, and the addresses that
//! the status of an Ingress shows.
//!
//! Written by the source, read by the writer of status and Events, both on the thread that talks to
//! the API server. State, not a queue: bounded by the objects of the cluster.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::networking::v1::IngressLoadBalancerIngress;
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
    /// Ingresses that are new or whose status changed since it was last asked.
    changed: BTreeSet<ObjectRef>,
}

#[derive(Debug)]
struct Seen {
    uid: Option<Arc<str>>,
    /// Empty for every kind but Ingress.
    status: Arc<[Address]>,
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
    /// The object exists, whatever its kind; for an Ingress see [`Self::put_ingress`].
    pub fn put(&self, object: &ObjectRef, uid: Option<&str>) {
        self.lock().put(object, uid, &[]);
    }

    /// The Ingress exists and its `status.loadBalancer.ingress` is this.
    pub fn put_ingress(
        &self,
        ingress: &ObjectRef,
        uid: Option<&str>,
        status: &[IngressLoadBalancerIngress],
    ) {
        let mut objects = self.lock();
        if objects.put(ingress, uid, status) && objects.changed.insert(ingress.clone()) {
            self.bell.notify_one();
        }
    }

    /// The object is gone.
    pub fn remove(&self, object: &ObjectRef) {
        let mut objects = self.lock();
        let was_shown = objects.seen.remove(object).is_some_and(|seen| !seen.status.is_empty());
        if was_shown && objects.changed.insert(object.clone()) {
            self.bell.notify_one();
        }
    }

    /// `metadata.uid`, where the object exists and has one.
    #[must_use]
    pub fn uid(&self, object: &ObjectRef) -> Option<Arc<str>> {
        self.lock().seen.get(object)?.uid.clone()
    }

    /// What the status of an Ingress shows; `None`: it does not exist.
    #[must_use]
    pub fn status(&self, ingress: &ObjectRef) -> Option<Arc<[Address]>> {
        self.lock().seen.get(ingress).map(|seen| Arc::clone(&seen.status))
    }

    /// Waits until an Ingress is new or its status changed. Safe to cancel.
    pub async fn status_changed(&self) {
        self.bell.notified().await;
    }

    /// Takes the Ingresses that are new or whose status changed.
    #[must_use]
    pub fn take_changed(&self) -> BTreeSet<ObjectRef> {
        std::mem::take(&mut self.lock().changed)
    }

    fn lock(&self) -> MutexGuard<'_, Objects> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Objects {
    /// Whether the object is new or its status changed.
    fn put(
        &mut self,
        object: &ObjectRef,
        uid: Option<&str>,
        status: &[IngressLoadBalancerIngress],
    ) -> bool {
        let Some(seen) = self.seen.get_mut(object) else {
            let status = status.iter().map(Address::from).collect();
            self.seen.insert(object.clone(), Seen { uid: uid.map(Into::into), status });
            return true;
        };
        if seen.uid.as_deref() != uid {
            seen.uid = uid.map(Into::into);
        }
        let is_changed = !seen.status.iter().cloned().eq(status.iter().map(Address::from));
        if is_changed {
            seen.status = status.iter().map(Address::from).collect();
        }
        is_changed
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::networking::v1::IngressPortStatus;

    use super::*;
    use crate::model::Kind;

    fn ip(text: &str) -> IngressLoadBalancerIngress {
        IngressLoadBalancerIngress { ip: Some(text.to_owned()), ..Default::default() }
    }

    #[test]
    fn the_bell_rings_for_a_changed_status_only() {
        let ingress = ObjectRef { kind: Kind::Ingress, namespace: "a".into(), name: "x".into() };
        let observed = Observed::default();
        observed.put_ingress(&ingress, Some("u1"), &[]);
        assert_eq!(observed.take_changed().len(), 1);
        observed.put_ingress(&ingress, Some("u1"), &[]);
        assert!(observed.take_changed().is_empty());
        observed.put_ingress(&ingress, Some("u1"), &[ip("192.0.2.1")]);
        assert_eq!(observed.take_changed(), BTreeSet::from([ingress.clone()]));
        observed.put_ingress(&ingress, Some("u2"), &[ip("192.0.2.1")]);
        assert!(observed.take_changed().is_empty());
        assert_eq!(observed.uid(&ingress).as_deref(), Some("u2"));
        assert_eq!(
            observed.status(&ingress).as_deref(),
            Some(&[Address::Ip("192.0.2.1".parse().unwrap())][..])
        );
        observed.remove(&ingress);
        assert_eq!(observed.take_changed().len(), 1);
        assert_eq!(observed.status(&ingress), None);
        assert_eq!(observed.uid(&ingress), None);
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
