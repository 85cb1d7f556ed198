//! One host in compiled form: its rules and the ways that lead to them.
//!
//! Order of paths: literal ones first, longest first (see `paths`), then patterns, the longest
//! pattern text first and ties by text descending, as ingress-nginx orders its regex locations.
//! Patterns come last because what a literal path claims is plain to see and a pattern must not
//! take it away. Rules of the same path are ordered by `conditions`; a rule whose conditions are
//! unmet is passed over and the next best one is tried, shorter paths included.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use super::conditions::{Candidate, order};
use super::paths::{PathKind, Paths, PathsBuilder, saturate};
use super::{Match, RequestKey, TableRule};
use crate::model::{Host, HostPattern, OnMiss, PathMatch, Pattern};

/// A compiled host. Shared by all tables since the one that first had it.
#[derive(Debug)]
pub(super) struct VHost {
    pub(super) pattern: HostPattern,
    pub(super) on_miss: OnMiss,
    rules: Box<[TableRule]>,
    candidates: Box<[Candidate]>,
    paths: Paths,
    patterns: Box<[PatternPath]>,
}

/// A pattern with the candidates that share it.
#[derive(Debug)]
struct PatternPath {
    pattern: Pattern,
    candidates: Range<u32>,
}

impl VHost {
    /// Compiles `host`; `rules` are the compiled forms of `host.rules`, in the same order.
    pub(super) fn new(host: &Host, rules: Vec<TableRule>) -> Self {
        let mut paths = PathsBuilder::default();
        // Keyed so that iteration is the order of trial.
        let mut patterns: BTreeMap<_, (&Pattern, Vec<Candidate>)> = BTreeMap::new();
        for (rule, number) in host.rules.iter().zip(0_u32..) {
            for from in &rule.matches {
                let candidate = Candidate::new(number, from);
                match &from.path {
                    PathMatch::Exact(path) => paths.add(path, PathKind::Exact, candidate),
                    PathMatch::Prefix(path) => paths.add(path, PathKind::Prefix, candidate),
                    PathMatch::Regex(pattern) => {
                        let text = pattern.as_str();
                        let rank = (Reverse(text.len()), Reverse(text));
                        let (_, list) =
                            patterns.entry(rank).or_insert_with(|| (pattern, Vec::new()));
                        list.push(candidate);
                    }
                }
            }
        }
        let mut candidates = Vec::new();
        let paths = paths.build(&mut candidates);
        let patterns = patterns.into_values().map(|(pattern, mut list)| {
            order(&mut list);
            let start = saturate(candidates.len());
            candidates.append(&mut list);
            PatternPath { pattern: pattern.clone(), candidates: start..saturate(candidates.len()) }
        });
        let patterns = patterns.collect();
        Self {
            pattern: host.pattern.clone(),
            on_miss: host.on_miss,
            rules: rules.into(),
            candidates: candidates.into(),
            paths,
            patterns,
        }
    }

    /// The best rule of this host.
    #[inline]
    pub(super) fn lookup<'t>(&'t self, key: &RequestKey<'_>) -> Option<Match<'t>> {
        let literal = self.paths.find(key.path, |hit| {
            let rule = self.first_met(&hit.candidates, key)?;
            Some(Match { rule, matched_bytes: hit.matched_bytes, is_routed: true })
        });
        if literal.is_some() || self.patterns.is_empty() {
            return literal;
        }
        self.lookup_pattern(key)
    }

    fn lookup_pattern<'t>(&'t self, key: &RequestKey<'_>) -> Option<Match<'t>> {
        self.patterns.iter().filter(|path| path.pattern.is_match(key.path)).find_map(|path| {
            let rule = self.first_met(&path.candidates, key)?;
            Some(Match { rule, matched_bytes: key.path.len(), is_routed: true })
        })
    }

    #[inline]
    fn first_met(&self, range: &Range<u32>, key: &RequestKey<'_>) -> Option<&TableRule> {
        let candidates = self.candidates.get(range.start as usize..range.end as usize)?;
        let candidate = candidates.iter().find(|candidate| candidate.is_met(key))?;
        self.rules.get(candidate.rule as usize)
    }
}
