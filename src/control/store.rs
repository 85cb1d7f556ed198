//! Latest object of each kind, namespace and name, with its place. No interpretation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service};
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};

use super::definition::CustomResourceDefinition;
use super::endpoint_slice::EndpointSlice;
use super::gateway_api::backend_tls_policy::BackendTLSPolicy;
use super::gateway_api::class::GatewayClass;
use super::gateway_api::gateway::{Gateway, ListenerSet};
use super::gateway_api::grpc_route::GRPCRoute;
use super::gateway_api::http_route::HTTPRoute;
use super::gateway_api::reference_grant::ReferenceGrant;
use super::gateway_api::stream_routes::{TCPRoute, TLSRoute, UDPRoute};
use super::source::object::{Change, Object, Provenance, STORED, SourceObject, stored_kinds};
use crate::model::{Kind, ObjectRef};

/// One stored object.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<K> {
    /// Content.
    pub object: Arc<K>,
    /// Directory source only.
    pub provenance: Option<Provenance>,
}

/// Objects of one kind by their reference.
pub type Entries<K> = BTreeMap<ObjectRef, Entry<K>>;

/// Objects whose content or place differs from what was last lowered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dirty(pub BTreeSet<ObjectRef>);

impl Dirty {
    /// The dirty objects of one kind.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &ObjectRef> {
        self.0.iter().filter(move |reference| reference.kind == kind)
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

macro_rules! store {
    ($($kind:ident($field:ident),)+) => {
        /// The latest objects.
        #[derive(Debug, Clone, Default)]
        pub struct Store {
            $(
                /// By reference.
                pub $field: Entries<$kind>,
            )+
            /// What exists and cannot be used; its owner knows why.
            pub broken: BTreeSet<ObjectRef>,
        }

        impl Store {
            /// Objects per kind, for the admin listener.
            #[must_use]
            pub fn counts(&self) -> [(Kind, usize); STORED.len()] {
                [$((Kind::$kind, self.$field.len())),+]
            }

            /// All objects, as if each were new.
            #[must_use]
            pub fn all(&self) -> Dirty {
                let mut all = Dirty::default();
                $(all.0.extend(self.$field.keys().cloned());)+
                all
            }

            fn insert(&mut self, source: SourceObject) -> bool {
                let SourceObject { reference, object, provenance } = source;
                match object {
                    $(Object::$kind(o) => put(&mut self.$field, reference, o, provenance),)+
                }
            }

            fn remove(&mut self, reference: &ObjectRef) -> bool {
                match reference.kind {
                    $(Kind::$kind => self.$field.remove(reference).is_some(),)+
                    _ => false,
                }
            }
        }
    };
}

stored_kinds!(store);

impl Store {
    /// Applies changes in order; objects that are equal to what is stored are not dirty.
    pub fn apply(&mut self, changes: impl IntoIterator<Item = Change>) -> Dirty {
        let mut dirty = Dirty::default();
        for change in changes {
            let (reference, is_changed) = match change {
                Change::Apply(object) => {
                    let was_broken = self.broken.remove(&object.reference);
                    (object.reference.clone(), self.insert(*object) || was_broken)
                }
                Change::Delete(reference) => {
                    let was_broken = self.broken.remove(&reference);
                    (reference.clone(), self.remove(&reference) || was_broken)
                }
                Change::Broken(reference) => {
                    let is_new = self.broken.insert(reference.clone());
                    (reference.clone(), self.remove(&reference) || is_new)
                }
            };
            if is_changed {
                dirty.0.insert(reference);
            }
        }
        dirty
    }
}

fn put<K: PartialEq>(
    entries: &mut Entries<K>,
    reference: ObjectRef,
    object: Arc<K>,
    provenance: Option<Provenance>,
) -> bool {
    let entry = Entry { object, provenance };
    if entries.get(&reference) == Some(&entry) {
        return false;
    }
    entries.insert(reference, entry);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::source::manifest;

    fn service(name: &str, port: u16) -> SourceObject {
        let text = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
             spec: {{ports: [{{port: {port}}}]}}\n"
        );
        manifest::read(&"f".into(), &text).objects.remove(0)
    }

    #[test]
    fn only_real_changes_are_dirty() {
        let mut store = Store::default();
        let apply = |port| Change::Apply(Box::new(service("a", port)));
        let reference = service("a", 1).reference;
        let expected = Dirty(BTreeSet::from([reference.clone()]));
        assert_eq!(store.apply([apply(80)]), expected);
        assert_eq!(store.apply([apply(80)]), Dirty::default());
        assert_eq!(store.apply([apply(81)]), expected);
        assert!(store.counts().contains(&(Kind::Service, 1)));
        assert_eq!(store.apply([Change::Delete(reference.clone())]), expected);
        assert!(store.apply([Change::Delete(reference)]).is_empty());
    }
}
