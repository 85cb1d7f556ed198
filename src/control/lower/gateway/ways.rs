//! By which Gateways and ListenerSets Services are reached, counted as routes come and go: who asks
//! for one Service does not look at all routes.

use std::collections::{BTreeMap, BTreeSet};

use super::rivals::Going;
use super::routes::Route;
use crate::control::lower::backends::service::service_ref;
use crate::model::ObjectRef;

/// By Service and by what a route is attached to, how many routes lead there.
#[derive(Debug, Default)]
pub(super) struct Ways(BTreeMap<ObjectRef, BTreeMap<ObjectRef, u32>>);

impl Ways {
    /// A route is attached where it says, or is no more.
    pub(super) fn note(&mut self, route: &Route, going: Going) {
        let taken = route.attached.iter().filter(|attached| attached.listeners.is_ok());
        let parents: BTreeSet<&ObjectRef> = taken.map(|attached| &attached.object).collect();
        if parents.is_empty() {
            return;
        }
        let used = route.meaning().references.uses.keys();
        for service in used.map(service_ref).collect::<BTreeSet<_>>() {
            let ways = self.0.entry(service.clone()).or_default();
            for parent in &parents {
                let count = ways.entry((*parent).clone()).or_default();
                *count = match going {
                    Going::In => count.saturating_add(1),
                    Going::Out => count.saturating_sub(1),
                };
            }
            ways.retain(|_, count| *count > 0);
            if ways.is_empty() {
                self.0.remove(&service);
            }
        }
    }

    /// What routes to a Service are attached to.
    pub(super) fn to(&self, service: &ObjectRef) -> impl Iterator<Item = &ObjectRef> {
        self.0.get(service).into_iter().flat_map(BTreeMap::keys)
    }
}
