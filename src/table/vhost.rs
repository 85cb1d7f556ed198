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

/// The patterns of a host, in the order they are tried.
#[derive(Default)]
struct PatternsBuilder<'m> {
    patterns: BTreeMap<PatternRank<'m>, (&'m Pattern, Vec<Candidate>)>,
}

/// Longest text first, ties by text descending.
type PatternRank<'m> = (Reverse<usize>, Reverse<&'m str>);

impl<'m> PatternsBuilder<'m> {
    /// Adds a candidate. Calls come in the order of rules and matches.
    fn add(&mut self, pattern: &'m Pattern, candidate: Candidate) {
        let text = pattern.as_str();
        let rank = (Reverse(text.len()), Reverse(text));
        let (_, list) = self.patterns.entry(rank).or_insert_with(|| (pattern, Vec::new()));
        list.push(candidate);
    }

    /// Compiles; the candidates of all patterns go to the end of `candidates`.
    fn build(self, candidates: &mut Vec<Candidate>) -> Box<[PatternPath]> {
        let compile = |(pattern, mut list): (&Pattern, Vec<Candidate>)| {
            order(&mut list);
            let start = saturate(candidates.len());
            candidates.append(&mut list);
            let candidates = start..saturate(candidates.len());
            PatternPath { pattern: pattern.clone(), candidates }
        };
        self.patterns.into_values().map(compile).collect()
    }
}

impl VHost {
    /// Compiles `host`; `rules` are the compiled forms of `host.rules`, in the same order.
    pub(super) fn new(host: &Host, rules: Vec<TableRule>) -> Self {
        let mut paths = PathsBuilder::default();
        let mut patterns = PatternsBuilder::default();
        for (rule, number) in host.rules.iter().zip(0_u32..) {
            for from in &rule.matches {
                let candidate = Candidate::new(number, from);
                match &from.path {
                    PathMatch::Exact(path) => paths.add(path, PathKind::Exact, candidate),
                    PathMatch::Prefix(path) => paths.add(path, PathKind::Prefix, candidate),
                    PathMatch::Regex(pattern) => patterns.add(pattern, candidate),
                }
            }
        }
        let mut candidates = Vec::new();
        let paths = paths.build(&mut candidates);
        let patterns = patterns.build(&mut candidates);
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
