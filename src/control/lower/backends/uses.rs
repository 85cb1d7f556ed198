//! Who names which Service port.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::{BackendKey, Dial, ObjectRef, PortRef};

type Users = BTreeMap<BackendKey, BTreeSet<ObjectRef>>;

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
pub(super) enum Use {
    Plain,
    /// Requests are bound to its endpoints.
    Binding,
}

impl Uses {
    pub(super) fn acquire(&mut self, key: &BackendKey, user: &ObjectRef, how: Use) {
        self.all.entry(key.clone()).or_default().insert(user.clone());
        if how == Use::Binding {
            self.binding.entry(key.clone()).or_default().insert(user.clone());
        }
    }

    pub(super) fn release(&mut self, key: &BackendKey, user: &ObjectRef) {
        release(&mut self.all, key, user);
        release(&mut self.binding, key, user);
    }

    pub(super) fn contains(&self, key: &BackendKey) -> bool {
        self.all.contains_key(key)
    }

    /// Whether requests are bound to its endpoints.
    pub(super) fn binds(&self, key: &BackendKey) -> bool {
        self.binding.contains_key(key)
    }

    pub(super) fn users(&self, key: &BackendKey) -> Option<&BTreeSet<ObjectRef>> {
        self.all.get(key)
    }

    /// Every backend in use that is a port of the Service.
    pub(super) fn of_service(
        &self,
        namespace: &Arc<str>,
        service: &Arc<str>,
    ) -> impl Iterator<Item = BackendKey> {
        // The least of its keys in their order.
        let first = BackendKey {
            namespace: Arc::clone(namespace),
            service: Arc::clone(service),
            port: PortRef::Number(0),
            dial: Dial::default(),
        };
        let all = self.all.range(first..).map(|(key, _)| key.clone());
        all.take_while(|key| key.namespace == *namespace && key.service == *service)
    }
}

fn release(all: &mut Users, key: &BackendKey, user: &ObjectRef) {
    if let Some(users) = all.get_mut(key) {
        users.remove(user);
        if users.is_empty() {
            all.remove(key);
        }
    }
}
