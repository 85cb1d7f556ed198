//! Something for each of many hostnames, found by what they have in common with another one: in
//! time that does not grow with their number.

use std::collections::BTreeMap;

use crate::model::{HostPattern, WildcardDepth};

/// See the module. A hostname is kept with its labels turned round, so that those below a wildcard
/// stand together; `?` behind them is one label, `*` one or more.
#[derive(Debug, Clone)]
pub(super) struct HostMap<V>(BTreeMap<String, V>);

impl<V> Default for HostMap<V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<V> HostMap<V> {
    /// Keeps what was there before.
    pub(super) fn insert(&mut self, host: &HostPattern, value: V) {
        self.0.entry(turned(host)).or_insert(value);
    }

    /// Of one that has hosts in common with `host`.
    pub(super) fn meeting(&self, host: &HostPattern) -> Option<&V> {
        self.covering(host).or_else(|| {
            let key = turned(host);
            let front = key.strip_suffix(['*', '?'])?;
            let mut below = self.0.range(front.to_owned()..).map_while(|(found, value)| {
                found.strip_prefix(front).map(|labels| (labels, value))
            });
            let is_deep = key.ends_with('*');
            below.find(|(labels, _)| is_deep || !labels.contains('.')).map(|(_, value)| value)
        })
    }

    /// Of the narrowest one that has all hosts of `host`.
    pub(super) fn covering(&self, host: &HostPattern) -> Option<&V> {
        let key = turned(host);
        let one_label = || match (host, key.rsplit_once('.')) {
            (HostPattern::Exact(_), Some((front, _))) => self.0.get(&format!("{front}.?")),
            _ => None,
        };
        if let Some(found) = self.0.get(&key).or_else(one_label) {
            return Some(found);
        }
        let mut rest = &*key;
        while let Some((front, _)) = rest.rsplit_once('.') {
            if let Some(found) = self.0.get(&format!("{front}.*")) {
                return Some(found);
            }
            rest = front;
        }
        self.0.get(ALL)
    }
}

impl HostMap<u32> {
    /// One more of a host.
    pub(super) fn add(&mut self, host: &HostPattern) {
        let count = self.0.entry(turned(host)).or_default();
        *count = count.saturating_add(1);
    }

    /// One less.
    pub(super) fn take(&mut self, host: &HostPattern) {
        let key = turned(host);
        match self.0.get_mut(&key) {
            Some(count @ 2..) => *count = count.saturating_sub(1),
            _ => drop(self.0.remove(&key)),
        }
    }
}

/// The key of every host.
const ALL: &str = "*";

fn turned(host: &HostPattern) -> String {
    let turned = |name: &str| name.rsplit('.').collect::<Vec<_>>().join(".");
    match host {
        HostPattern::Exact(name) => turned(name.as_str()),
        HostPattern::Wildcard { suffix, depth: WildcardDepth::Any } => {
            turned(suffix.as_str()) + ".*"
        }
        HostPattern::Wildcard { suffix, depth: WildcardDepth::One } => {
            turned(suffix.as_str()) + ".?"
        }
        HostPattern::Any => ALL.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::hostnames::{common, covers, pattern};
    use super::*;
    use crate::model::HostName;

    #[test]
    fn a_host_is_there_as_long_as_one_is_left() {
        let host = pattern(Some("a.example")).expect("a name");
        let mut map = HostMap::default();
        map.add(&host);
        map.add(&host);
        for left in [true, false, false] {
            map.take(&host);
            assert_eq!(map.meeting(&host).is_some(), left);
        }
    }

    #[test]
    fn what_is_found_is_what_a_look_at_each_finds() {
        let names = [
            "",
            "example",
            "*.example",
            "a.example",
            "b.a.example",
            "*.a.example",
            "a-b.example",
            "*.b.a.example",
            "aexample",
            "ab.example",
            "*.com",
            "a.com",
            "com",
        ];
        let mut hosts: Vec<_> = names.iter().filter_map(|name| pattern(Some(name))).collect();
        assert_eq!(hosts.len(), names.len());
        hosts.extend(["example", "a.example"].map(|suffix| {
            let suffix = HostName::new(suffix).expect("a name");
            HostPattern::Wildcard { suffix, depth: WildcardDepth::One }
        }));
        for subset in 0..1_u32 << hosts.len() {
            // Of all subsets one in 29: each pair is in many of them.
            if !subset.is_multiple_of(29) {
                continue;
            }
            let chosen = hosts.iter().enumerate().filter(|(at, _)| subset & 1 << at != 0);
            let chosen: Vec<&HostPattern> = chosen.map(|(_, host)| host).collect();
            let mut map = HostMap::default();
            for host in &chosen {
                map.insert(host, *host);
            }
            for host in &hosts {
                let meets = chosen.iter().any(|other| common(host, other).is_some());
                let found = map.meeting(host);
                assert_eq!(found.is_some(), meets, "{host} {chosen:?}");
                assert!(found.is_none_or(|found| common(found, host).is_some()));
                let covering = || chosen.iter().copied().filter(|other| covers(other, host));
                let narrowest = covering().find(|one| covering().all(|other| covers(other, one)));
                assert_eq!(map.covering(host).copied(), narrowest, "{host} {chosen:?}");
            }
        }
    }
}
