//! Which rules a request could have hit, in the order in which [`Table::lookup`] comes to them, and
//! why it took none of them but one. For people: allocates, and costs what a host has of rules.

use super::key::RequestKey;
use super::lookup::Table;
use super::rule::Match;
use super::sighting::{Sighting, Verdict};
use crate::model::{HostPattern, ListenerId, OnMiss};

/// What a request came by.
#[derive(Debug)]
pub struct Sightings<'t> {
    /// Hosts that the name belongs to, most specific first, as far as they were asked.
    pub hosts: Vec<&'t HostPattern>,
    /// Rules of these hosts, in order.
    pub rules: Vec<Sighting<'t>>,
    /// What [`Table::lookup`] says.
    pub found: Option<Match<'t>>,
}

impl Table {
    /// What [`Self::lookup`] comes by on its way.
    #[must_use]
    pub fn sightings<'t>(&'t self, id: ListenerId, key: &RequestKey<'_>) -> Sightings<'t> {
        let found = self.lookup(id, key);
        let (mut hosts, mut rules) = (Vec::new(), Vec::new());
        if let Some(listener) = self.listener(id) {
            listener.hosts.find(key.host, |vhost| {
                hosts.push(&vhost.pattern);
                vhost.sight(key, &mut rules);
                let ends = vhost.lookup(key).is_some() || vhost.on_miss == OnMiss::Default;
                ends.then_some(())
            });
        }
        let taken = found.map(|found| std::ptr::from_ref(found.rule));
        let mut is_taken = false;
        for sighting in &mut rules {
            let is_it = taken == Some(std::ptr::from_ref(sighting.rule));
            if is_it && !is_taken && sighting.verdict == Verdict::Behind {
                (is_taken, sighting.verdict) = (true, Verdict::Taken);
            }
        }
        Sightings { hosts, rules, found }
    }
}
