//! The hosts of one listener: which of them a request host belongs to, most specific first.
//!
//! Order: the exact name; the one-label wildcard; any-depth wildcards, longest suffix first; the
//! host that takes everything. Names live in shards by hash, so that a change of one host rebuilds
//! one small shard and shares all others with the table before.

use std::collections::HashMap;
use std::sync::Arc;

use super::index::{HashIndex, hash_bytes};
use super::vhost::VHost;
use crate::model::{HostPattern, WildcardDepth};

/// Shards of a listener: at 10,000 hosts 40 each, at the price of copying 256 pointers per table.
const SHARDS: usize = 256;

/// Hosts by pattern.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    /// [`SHARDS`] of them.
    shards: Box<[Arc<Shard>]>,
    /// Serves every host name and none. It is in a shard too, and remembered here.
    any: Option<Arc<VHost>>,
    /// Some host is a one-label wildcard.
    has_one_label: bool,
    /// Labels of the longest any-depth suffix; 0: there is none.
    ///
    /// PERF: a host of 126 dots is asked for in its last few suffixes alone.
    deep_labels_max: usize,
}

/// Hosts whose names hash alike.
#[derive(Debug, Default)]
struct Shard {
    /// In any order.
    vhosts: Box<[Arc<VHost>]>,
    index: HashIndex,
    has_one_label: bool,
    deep_labels_max: usize,
}

impl Default for Hosts {
    fn default() -> Self {
        let empty = Arc::new(Shard::default());
        let shards = vec![empty; SHARDS].into_boxed_slice();
        Self { shards, any: None, has_one_label: false, deep_labels_max: 0 }
    }
}

impl Hosts {
    /// Takes `gone` out and `new` in; rebuilds the shards that either touches.
    ///
    /// Shape: a host that is in both stays. Afterwards no pattern should be there twice; if one is,
    /// one of its hosts is served.
    pub(super) fn edit(&mut self, gone: &[Arc<VHost>], new: &[Arc<VHost>]) {
        let mut edits: HashMap<usize, ShardEdit<'_>> = HashMap::new();
        for vhost in gone {
            edits.entry(shard_of(hash_of(vhost))).or_default().remove(vhost);
        }
        for vhost in new {
            edits.entry(shard_of(hash_of(vhost))).or_default().add(vhost);
        }
        for (number, edit) in edits {
            if let Some(shard) = self.shards.get_mut(number) {
                *shard = Arc::new(edit.apply(shard));
            }
        }
        self.any = self.get(b"", |pattern| *pattern == HostPattern::Any).cloned();
        self.has_one_label = self.shards.iter().any(|shard| shard.has_one_label);
        let deepest = self.shards.iter().map(|shard| shard.deep_labels_max).max();
        self.deep_labels_max = deepest.unwrap_or(0);
    }

    /// First result of `accept` over the hosts that `host` belongs to, most specific first.
    ///
    /// Shape: `host` is lower case, without port and trailing dot; may be empty.
    #[inline]
    pub(super) fn find<'t, T>(
        &'t self,
        host: &[u8],
        mut accept: impl FnMut(&'t VHost) -> Option<T>,
    ) -> Option<T> {
        let exact = self.get(host, |pattern| matches!(pattern, HostPattern::Exact(_)));
        if let Some(found) = exact.and_then(|vhost| accept(vhost)) {
            return Some(found);
        }
        if (self.has_one_label || self.deep_labels_max > 0)
            && let Some(found) = self.find_wildcard(host, &mut accept)
        {
            return Some(found);
        }
        self.any.as_deref().and_then(accept)
    }

    /// Whether `host` belongs to a host that does not take every name.
    pub(super) fn has_own(&self, host: &[u8]) -> bool {
        let own = |vhost: &VHost| (vhost.pattern != HostPattern::Any).then_some(());
        self.find(host, own).is_some()
    }

    fn find_wildcard<'t, T>(
        &'t self,
        host: &[u8],
        accept: &mut impl FnMut(&'t VHost) -> Option<T>,
    ) -> Option<T> {
        if self.has_one_label {
            let found = one_label_suffix(host)
                .and_then(|suffix| self.get(suffix, |p| is_wildcard(p, WildcardDepth::One)))
                .and_then(|vhost| accept(vhost));
            if found.is_some() {
                return found;
            }
        }
        deep_suffixes(host, self.deep_labels_max)
            .filter_map(|suffix| self.get(suffix, |p| is_wildcard(p, WildcardDepth::Any)))
            .find_map(|vhost| accept(vhost))
    }

    #[inline]
    fn get(&self, key: &[u8], is_kind: impl Fn(&HostPattern) -> bool) -> Option<&Arc<VHost>> {
        let hash = hash_bytes(key);
        let shard = self.shards.get(shard_of(hash))?;
        let found = shard.index.find(hash, |n| {
            shard
                .vhosts
                .get(n)
                .is_some_and(|vhost| is_kind(&vhost.pattern) && name(&vhost.pattern) == key)
        });
        shard.vhosts.get(found?)
    }
}

/// What happens to one shard.
#[derive(Default)]
struct ShardEdit<'v> {
    /// How often each is to be taken out, by address.
    gone: HashMap<*const VHost, usize>,
    new: Vec<&'v Arc<VHost>>,
}

impl<'v> ShardEdit<'v> {
    fn remove(&mut self, vhost: &Arc<VHost>) {
        *self.gone.entry(Arc::as_ptr(vhost)).or_default() += 1;
    }

    fn add(&mut self, vhost: &'v Arc<VHost>) {
        self.new.push(vhost);
    }

    fn apply(mut self, before: &Shard) -> Shard {
        let kept =
            before.vhosts.iter().filter(|vhost| match self.gone.get_mut(&Arc::as_ptr(vhost)) {
                Some(left @ 1..) => {
                    *left -= 1;
                    false
                }
                _ => true,
            });
        let mut vhosts: Vec<Arc<VHost>> = kept.cloned().collect();
        vhosts.extend(self.new.into_iter().cloned());
        Shard::new(vhosts)
    }
}

impl Shard {
    fn new(vhosts: Vec<Arc<VHost>>) -> Self {
        let mut shard = Self::default();
        for vhost in &vhosts {
            match &vhost.pattern {
                HostPattern::Wildcard { depth: WildcardDepth::One, .. } => {
                    shard.has_one_label = true;
                }
                HostPattern::Wildcard { suffix, depth: WildcardDepth::Any } => {
                    let labels = suffix.as_str().split('.').count();
                    shard.deep_labels_max = shard.deep_labels_max.max(labels);
                }
                HostPattern::Exact(_) | HostPattern::Any => {}
            }
        }
        shard.index = HashIndex::new(vhosts.iter().map(|vhost| hash_of(vhost)));
        shard.vhosts = vhosts.into();
        shard
    }
}

/// The text that a host is found by; empty for the one that takes everything.
#[inline]
fn name(pattern: &HostPattern) -> &[u8] {
    match pattern {
        HostPattern::Exact(name) | HostPattern::Wildcard { suffix: name, .. } => {
            name.as_str().as_bytes()
        }
        HostPattern::Any => b"",
    }
}

fn hash_of(vhost: &VHost) -> u64 {
    hash_bytes(name(&vhost.pattern))
}

/// The index takes the low half of the hash for the slot and the high half for the tag; the shard
/// takes bits that hardly any slot number reaches.
#[inline]
fn shard_of(hash: u64) -> usize {
    let [_, _, _, byte, ..] = hash.to_le_bytes();
    usize::from(byte)
}

fn is_wildcard(pattern: &HostPattern, wanted: WildcardDepth) -> bool {
    matches!(pattern, HostPattern::Wildcard { depth, .. } if *depth == wanted)
}

/// What follows the first label, if there is one before it.
pub(super) fn one_label_suffix(host: &[u8]) -> Option<&[u8]> {
    let dot = memchr::memchr(b'.', host).filter(|dot| *dot > 0)?;
    host.get(dot + 1..)
}

/// Suffixes of `host` that begin after a dot and have at most `labels_max` labels, longest first.
/// Something stands before the dot.
pub(super) fn deep_suffixes(host: &[u8], labels_max: usize) -> impl Iterator<Item = &[u8]> {
    // The dot before the longest suffix that is short enough, seen from the end.
    let first_dot = memchr::memrchr_iter(b'.', host).take(labels_max).last();
    let tail = first_dot.map_or(&[][..], |dot| host.get(dot..).unwrap_or_default());
    let offset = host.len() - tail.len();
    memchr::memchr_iter(b'.', tail)
        .filter(move |dot| offset + dot > 0)
        .filter_map(|dot| tail.get(dot + 1..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(host: &str, labels_max: usize, suffixes: &[&str]) {
        let found: Vec<_> = deep_suffixes(host.as_bytes(), labels_max).collect();
        let wanted: Vec<_> = suffixes.iter().map(|suffix| suffix.as_bytes()).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn suffixes_come_longest_first_and_not_above_the_bound() {
        check("a.b.c", 9, &["b.c", "c"]);
        check("a.b.c", 2, &["b.c", "c"]);
        check("a.b.c", 1, &["c"]);
        check("a.b.c", 0, &[]);
        check("a", 3, &[]);
        check("", 3, &[]);
    }

    #[test]
    fn something_stands_before_the_dot_of_a_wildcard() {
        check(".b", 3, &[]);
        check("..b", 3, &["b"]);
        assert_eq!(one_label_suffix(b"a.b.c"), Some(&b"b.c"[..]));
        assert_eq!(one_label_suffix(b".b.c"), None);
        assert_eq!(one_label_suffix(b"a"), None);
    }
}
