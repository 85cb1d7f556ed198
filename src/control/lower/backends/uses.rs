//! Who names which Service port.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::service::host_names;
use crate::model::{BackendKey, Dial, ObjectRef, PortRef};

/// How often each uses it.
type Users = BTreeMap<BackendKey, BTreeMap<ObjectRef, usize>>;

/// The users of each backend.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// A backend without any is not here.
    all: Users,
    /// Of them those that bind requests to endpoints.
    binding: Users,
}

/// What a user does with a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::control::lower) enum Use {
    Plain,
    /// Requests are bound to its endpoints.
    Binding,
}

impl Uses {
    pub(super) fn acquire(&mut self, key: &BackendKey, user: &ObjectRef, how: Use) {
        acquire(&mut self.all, key, user);
        if how == Use::Binding {
            acquire(&mut self.binding, key, user);
        }
    }

    pub(super) fn release(&mut self, key: &BackendKey, user: &ObjectRef, how: Use) {
        release(&mut self.all, key, user);
        if how == Use::Binding {
            release(&mut self.binding, key, user);
        }
    }

    pub(super) fn contains(&self, key: &BackendKey) -> bool {
        self.all.contains_key(key)
    }

    /// Whether requests are bound to its endpoints.
    pub(super) fn binds(&self, key: &BackendKey) -> bool {
        self.binding.contains_key(key)
    }

    pub(super) fn users(&self, key: &BackendKey) -> impl Iterator<Item = &ObjectRef> {
        self.all.get(key).into_iter().flat_map(BTreeMap::keys)
    }

    pub(super) fn is_user(&self, key: &BackendKey, user: &ObjectRef) -> bool {
        self.all.get(key).is_some_and(|users| users.contains_key(user))
    }

    /// Every backend in use that is a port of the Service, or a host that may mean one.
    pub(super) fn of_service(
        &self,
        namespace: &Arc<str>,
        service: &Arc<str>,
    ) -> impl Iterator<Item = BackendKey> {
        let hosts = host_names(namespace, service).map(|host| (Arc::from(""), host));
        let named = [(Arc::clone(namespace), Arc::clone(service))];
        hosts.into_iter().chain(named).flat_map(|(namespace, name)| self.named(namespace, name))
    }

    fn named(&self, namespace: Arc<str>, service: Arc<str>) -> impl Iterator<Item = BackendKey> {
        // The least of its keys in their order.
        let first = BackendKey {
            namespace: Arc::clone(&namespace),
            service: Arc::clone(&service),
            port: PortRef::Number(0),
            dial: Dial::default(),
        };
        let all = self.all.range(first..).map(|(key, _)| key.clone());
        all.take_while(move |key| key.namespace == namespace && key.service == service)
    }
}

fn acquire(all: &mut Users, key: &BackendKey, user: &ObjectRef) {
    let count = all.entry(key.clone()).or_default().entry(user.clone()).or_default();
    *count = count.saturating_add(1);
}

fn release(all: &mut Users, key: &BackendKey, user: &ObjectRef) {
    if let Some(users) = all.get_mut(key) {
        if let Some(count) = users.get_mut(user) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                users.remove(user);
            }
        }
        if users.is_empty() {
            all.remove(key);
        }
    }
}
