//! Something for each of many hostnames, found by what they have in common with another one: in
//! time that does not grow with their number.

use std::collections::BTreeMap;

use crate::model::HostPattern;

/// See the module. A hostname is kept with its labels turned round, so that those below a wildcard
/// stand together.
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
            let front = key.strip_suffix('*')?;
            let (found, value) = self.0.range(front.to_owned()..).next()?;
            found.starts_with(front).then_some(value)
        })
    }

    /// Of the narrowest one that has all hosts of `host`.
    pub(super) fn covering(&self, host: &HostPattern) -> Option<&V> {
        let key = turned(host);
        if let Some(found) = self.0.get(&key) {
            return Some(found);
        }
        let mut rest = key.strip_suffix(".*").unwrap_or(&key);
        while let Some((front, _)) = rest.rsplit_once('.') {
            if let Some(found) = self.0.get(&format!("{front}.*")) {
                return Some(found);
            }
            rest = front;
        }
        self.0.get(ALL)
    }
}

/// The key of every host.
const ALL: &str = "*";

fn turned(host: &HostPattern) -> String {
    let turned = |name: &str| name.rsplit('.').collect::<Vec<_>>().join(".");
    match host {
        HostPattern::Exact(name) => turned(name.as_str()),
        HostPattern::Wildcard { suffix, .. } => turned(suffix.as_str()) + ".*",
        HostPattern::Any => ALL.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::hostnames::{common, covers, pattern};
    use super::*;

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
        let hosts = names.map(|name| pattern(Some(name)).expect("a name"));
        for subset in 0..1_u32 << names.len() {
            // Of all subsets one in seven: each pair is in many of them.
            if !subset.is_multiple_of(7) {
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
