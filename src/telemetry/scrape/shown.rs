//! Which pairs of method and status a scrape tells apart: as many as fit, those that came first,
//! so that the count of none goes down because others came.

use std::collections::{BTreeMap, BTreeSet};

use crate::telemetry::measures::{Kind, KindTotals};

/// Those of all places, which have labels `L`.
pub(super) struct Shown<L> {
    places: BTreeMap<L, Place>,
    /// Further pairs that fit.
    room: usize,
    /// Places that ever had one that did not.
    full: u64,
}

#[derive(Default)]
struct Place {
    kinds: BTreeSet<Kind>,
    further: Further,
}

/// What becomes of pairs that come later.
#[derive(Default, PartialEq, Eq)]
enum Further {
    #[default]
    Shown,
    /// One did not fit. Its count is among the rest, which must not lose it again.
    Together,
}

impl<L: Ord + Clone> Shown<L> {
    pub(super) const fn new(room: usize) -> Self {
        Self { places: BTreeMap::new(), room, full: 0 }
    }

    /// Adds to the rest what is not told apart.
    pub(super) fn fold(&mut self, labels: &L, totals: &mut KindTotals) {
        if totals.kinds.is_empty() {
            return;
        }
        if !self.places.contains_key(labels) {
            self.places.insert(labels.clone(), Place::default());
        }
        let Some(place) = self.places.get_mut(labels) else { return };
        let KindTotals { kinds, rest } = totals;
        kinds.retain(|kind, sum| {
            if place.kinds.contains(kind) {
                return true;
            }
            if place.further == Further::Shown && self.room > 0 {
                self.room -= 1;
                return place.kinds.insert(*kind);
            }
            self.full += u64::from(place.further == Further::Shown);
            place.further = Further::Together;
            rest.add(sum);
            false
        });
    }

    /// Nothing has these labels any more.
    pub(super) fn forget(&mut self, labels: &L) {
        self.room += self.places.remove(labels).map_or(0, |place| place.kinds.len());
    }

    /// How many places have pairs that are not told apart.
    pub(super) const fn full(&self) -> u64 {
        self.full
    }
}
