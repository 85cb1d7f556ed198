//! Who names which Service port.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::{BackendKey, Dial, ObjectRef, PortRef};

/// The users of each backend; one without is not here.
#[derive(Debug, Default)]
pub(super) struct Uses(BTreeMap<BackendKey, BTreeSet<ObjectRef>>);

impl Uses {
    pub(super) fn acquire(&mut self, key: &BackendKey, user: &ObjectRef) {
        self.0.entry(key.clone()).or_default().insert(user.clone());
    }

    pub(super) fn release(&mut self, key: &BackendKey, user: &ObjectRef) {
        if let Some(users) = self.0.get_mut(key) {
            users.remove(user);
            if users.is_empty() {
                self.0.remove(key);
            }
        }
    }

    pub(super) fn contains(&self, key: &BackendKey) -> bool {
        self.0.contains_key(key)
    }

    pub(super) fn users(&self, key: &BackendKey) -> Option<&BTreeSet<ObjectRef>> {
        self.0.get(key)
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
        let all = self.0.range(first..).map(|(key, _)| key.clone());
        all.take_while(|key| key.namespace == *namespace && key.service == *service)
    }
}
