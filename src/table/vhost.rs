//! One host in compiled form: its rules and the ways that lead to them.
//!
//! Order of paths: literal ones first, longest first (see `paths`), then patterns, the longest
//! pattern text first and ties by text descending, as ingress-nginx orders its regex locations.
//! Patterns come last because what a literal path claims is plain to see and a pattern must not
//! take it away. The exception is a pattern whose rule is refused because its guard is missing: a
//! literal path that is no longer than the pattern's text would lead around the guard, as it does
//! not in ingress-nginx, where longer texts come first. Rules of the same path are ordered by
//! `conditions`; a rule whose conditions are unmet is passed over and the next best one is tried,
//! shorter paths included.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use super::conditions::{Candidate, order};
use super::key::RequestKey;
use super::paths::{PathKind, Paths, PathsBuilder, saturate};
use super::rule::{Match, TableRule};
use crate::model::{Host, HostPattern, OnMiss, PathMatch, Pattern, Refusal};

/// A compiled host. Shared by all tables since the one that first had it.
#[derive(Debug)]
pub(super) struct VHost {
    pub(super) pattern: HostPattern,
    pub(super) on_miss: OnMiss,
    rules: Box<[TableRule]>,
    candidates: Box<[Candidate]>,
    paths: Paths,
    /// Of rules that are refused for the sake of a guard.
    guards: Box<[PatternPath]>,
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
        let (mut guards, mut patterns) = (PatternsBuilder::default(), PatternsBuilder::default());
        for (rule, number) in host.rules.iter().zip(0_u32..) {
            let is_guard = rule.policies.refusal == Some(Refusal::Guard);
            for from in &rule.matches {
                let candidate = Candidate::new(number, from);
                match &from.path {
                    PathMatch::Exact(path) => paths.add(path, PathKind::Exact, candidate),
                    PathMatch::Prefix(path) => paths.add(path, PathKind::Prefix, candidate),
                    PathMatch::Regex(pattern) if is_guard => guards.add(pattern, candidate),
                    PathMatch::Regex(pattern) => patterns.add(pattern, candidate),
                }
            }
        }
        let mut candidates = Vec::new();
        let paths = paths.build(&mut candidates);
        let guards = guards.build(&mut candidates);
        let patterns = patterns.build(&mut candidates);
        Self {
            pattern: host.pattern.clone(),
            on_miss: host.on_miss,
            rules: rules.into(),
            candidates: candidates.into(),
            paths,
            guards,
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
        if self.guards.is_empty() && (literal.is_some() || self.patterns.is_empty()) {
            return literal;
        }
        let longest = literal.as_ref().map_or(0, |literal| literal.matched_bytes);
        let guards = self.guards.iter().filter(|guard| guard.pattern.as_str().len() >= longest);
        self.lookup_pattern(guards, key)
            .or(literal)
            .or_else(|| self.lookup_pattern(self.patterns.iter(), key))
    }

    fn lookup_pattern<'t>(
        &'t self,
        mut patterns: impl Iterator<Item = &'t PatternPath>,
        key: &RequestKey<'_>,
    ) -> Option<Match<'t>> {
        patterns.find_map(|path| {
            let rule = match path.pattern.is_match(key.path) {
                true => self.first_met(&path.candidates, key)?,
                false => return None,
            };
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
