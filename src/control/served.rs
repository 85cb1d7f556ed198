//! What the cores were told last and what objects are to show, kept for who looks at it.
//!
//! Written by [`super::Controller`], read by anyone; the lock is never held across a wait. A model
//! never changes once it is here, so that long readings of it hold nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::control::conditions::ObjectStatus;
use crate::control::outcomes::Outcome;
use crate::model::{BackendKey, Model, ObjectRef};
use crate::table::EndpointSet;

/// Shared between the control loop and the admin listener.
#[derive(Debug, Default)]
pub struct Served(Mutex<Now>);

#[derive(Debug, Default)]
struct Now {
    model: Arc<Model>,
    /// Of backends that the model names.
    endpoints: BTreeMap<Arc<BackendKey>, Arc<EndpointSet>>,
    /// Of objects whose status is made of conditions.
    statuses: BTreeMap<ObjectRef, Arc<ObjectStatus>>,
}

impl Served {
    /// The model that was published last.
    #[must_use]
    pub fn model(&self) -> Arc<Model> {
        Arc::clone(&self.lock().model)
    }

    /// How many usable endpoints a backend has; `None`: it is none of the model's.
    #[must_use]
    pub fn endpoints(&self, key: &BackendKey) -> Option<usize> {
        self.lock().endpoints.get(key).map(|set| set.addresses.len())
    }

    /// Backends whose text is `name`: one for each way to speak to it.
    #[must_use]
    pub fn named(&self, name: &str) -> Vec<Arc<BackendKey>> {
        let keys: Vec<_> = self.lock().endpoints.keys().cloned().collect();
        keys.into_iter().filter(|key| key.to_string() == name).collect()
    }

    /// What objects are to show, by object.
    #[must_use]
    pub fn statuses(&self) -> Vec<(ObjectRef, Arc<ObjectStatus>)> {
        let pair = |(object, status): (&ObjectRef, &Arc<_>)| (object.clone(), Arc::clone(status));
        self.lock().statuses.iter().map(pair).collect()
    }

    pub(super) fn set_model(&self, model: Model) {
        let model = Arc::new(model);
        // What it replaces is freed without the lock.
        let _old = std::mem::replace(&mut self.lock().model, model);
    }

    pub(super) fn set_endpoints(&self, key: &Arc<BackendKey>, set: Arc<EndpointSet>) {
        self.lock().endpoints.insert(Arc::clone(key), set);
    }

    pub(super) fn remove_endpoints(&self, key: &BackendKey) {
        self.lock().endpoints.remove(key);
    }

    pub(super) fn tell(&self, outcomes: &[(ObjectRef, Outcome)]) {
        let statuses = &mut self.lock().statuses;
        for (object, outcome) in outcomes {
            match outcome {
                Outcome::Status(status) => {
                    statuses.insert(object.clone(), Arc::clone(status));
                }
                Outcome::Served | Outcome::Withdrawn => {
                    statuses.remove(object);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::conditions::{ClassUse, Content};
    use crate::model::{Dial, Kind};

    #[test]
    fn a_status_lasts_until_its_object_is_gone() {
        let gateway = ObjectRef { kind: Kind::Gateway, namespace: "a".into(), name: "b".into() };
        let (conditions, features) = (Vec::new(), Vec::new());
        let class = Content::Class { conditions, features, used: ClassUse::Unused };
        let status = Arc::new(ObjectStatus { generation: 1, content: class });
        let served = Served::default();
        served.tell(&[(gateway.clone(), Outcome::Status(Arc::clone(&status)))]);
        assert_eq!(served.statuses(), [(gateway.clone(), status)]);
        served.tell(&[(gateway, Outcome::Withdrawn)]);
        assert!(served.statuses().is_empty());
    }

    #[test]
    fn a_name_stands_for_every_way_to_speak_to_a_backend() {
        let served = Served::default();
        let key = |name, tls: bool| {
            let dial = Dial { tls: tls.then(Arc::default), ..Dial::default() };
            Arc::new(BackendKey::host(name, 80, dial))
        };
        for key in [key("a", false), key("a", true), key("b", false)] {
            served.set_endpoints(&key, Arc::default());
        }
        assert_eq!(served.named("a:80"), [key("a", false), key("a", true)]);
        assert_eq!(served.endpoints(&key("b", false)), Some(0));
        served.remove_endpoints(&key("b", false));
        assert_eq!(served.endpoints(&key("b", false)), None);
    }
}
