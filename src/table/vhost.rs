//! One host in compiled form: its rules and the ways that lead to them.
//!
//! Order of paths: those that are the request's, then patterns (see `patterns`), then prefixes,
//! longest first (see `paths`). Patterns come behind what is plain to see and before prefixes, of
//! which `/` would leave them nothing; where the paths of a host are patterns, as those of
//! Ingresses are all together or not at all, none of its paths is literal. Rules of the same path
//! are ordered by `conditions`; a rule whose conditions are unmet is passed over and the next best
//! one is tried, shorter paths included.

use std::collections::HashSet;
use std::ops::Range;

use super::conditions::Candidate;
use super::key::RequestKey;
use super::paths::{PathKind, Paths, PathsBuilder};
use super::patterns::{Patterns, PatternsBuilder};
use super::rule::{Match, TableRule};
use super::sighting::{PathKind as SeenKind, Sighting, Verdict};
use crate::model::{Host, HostPattern, LocationMatch, OnMiss, PathMatch};

/// A compiled host. Shared by all tables since the one that first had it.
#[derive(Debug)]
pub(super) struct VHost {
    pub(super) pattern: HostPattern,
    pub(super) on_miss: OnMiss,
    rules: Box<[TableRule]>,
    candidates: Box<[Candidate]>,
    paths: Paths,
    patterns: Patterns,
    /// In the order of their text.
    locations: Box<[(LocationMatch, TableRule)]>,
}

impl VHost {
    /// Compiles `host`; `rules` are the compiled forms of `host.rules`, in the same order.
    ///
    /// Likewise `locations` of `host.locations`.
    pub(super) fn new(host: &Host, rules: Vec<TableRule>, locations: Vec<TableRule>) -> Self {
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
        let requests = host.locations.iter().map(|location| location.requests.clone());
        let locations = requests.zip(locations).collect();
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
            locations,
        }
    }

    /// The best rule of this host.
    #[inline]
    pub(super) fn lookup<'t>(&'t self, key: &RequestKey<'_>) -> Option<Match<'t>> {
        match self.locations.is_empty() {
            true => self.lookup_rules(key),
            false => self.lookup_beside(key),
        }
    }

    /// The best of rules and locations.
    ///
    /// Source: nginx `ngx_http_core_find_location`. A prefix of an Ingress is there a location with
    /// a slash at its end, and one that is the path.
    #[cold]
    fn lookup_beside<'t>(&'t self, key: &RequestKey<'_>) -> Option<Match<'t>> {
        let path = key.path;
        let of = |rule: &'t TableRule, matched_bytes| Some(Match::literal(rule, matched_bytes));
        let own = self.lookup_rules(key);
        let is_exact = |requests: &LocationMatch| match requests {
            LocationMatch::Exact(text) => text.as_bytes() == path,
            _ => false,
        };
        if let Some((_, rule)) = self.locations.iter().find(|(requests, _)| is_exact(requests)) {
            return of(rule, path.len());
        }
        let literal = own.as_ref().filter(|own| own.pattern.is_none());
        if literal.is_some_and(|own| own.matched_bytes == path.len()) {
            return own;
        }
        let beginnings = self.locations.iter().filter_map(|(requests, rule)| match requests {
            LocationMatch::Beginning(text) => Some((text, rule, false)),
            LocationMatch::Settled(text) => Some((text, rule, true)),
            LocationMatch::Exact(_) | LocationMatch::Matching(_) => None,
        });
        let longest = beginnings
            .filter(|(text, ..)| path.starts_with(text.as_bytes()))
            .max_by_key(|(text, ..)| text.len());
        let own_bytes = literal.map_or(0, |own| own.matched_bytes.saturating_add(1));
        let longest = longest.filter(|(text, ..)| text.len() >= own_bytes);
        if let Some((text, rule, true)) = longest {
            return of(rule, text.len());
        }
        let expression = self.locations.iter().find_map(|(requests, rule)| match requests {
            LocationMatch::Matching(pattern) if pattern.is_match(path) => Some((pattern, rule)),
            _ => None,
        });
        if let Some((pattern, rule)) = expression {
            return Some(Match { pattern: Some(pattern), ..Match::literal(rule, path.len()) });
        }
        match longest {
            Some((text, rule, _)) if own.is_none() || literal.is_some() => of(rule, text.len()),
            _ => own,
        }
    }

    fn lookup_rules<'t>(&'t self, key: &RequestKey<'_>) -> Option<Match<'t>> {
        if self.patterns.is_empty() {
            return self.lookup_literal(key, |_| true);
        }
        self.lookup_literal(key, |candidate| candidate.is_exact)
            .or_else(|| self.lookup_pattern(key))
            .or_else(|| self.lookup_literal(key, |candidate| !candidate.is_exact))
    }

    /// Tells of each rule what the request is to it, in the order in which it is tried; those whose
    /// paths do not match come last.
    pub(super) fn sight<'t>(&'t self, key: &RequestKey<'_>, out: &mut Vec<Sighting<'t>>) {
        let from = out.len();
        for (requests, rule) in &self.locations {
            let (path, verdict) = match requests {
                LocationMatch::Exact(text) => (format!("= {text}"), text.as_bytes() == key.path),
                LocationMatch::Beginning(text) => {
                    (text.to_string(), key.path.starts_with(text.as_bytes()))
                }
                LocationMatch::Settled(text) => {
                    (format!("^~ {text}"), key.path.starts_with(text.as_bytes()))
                }
                LocationMatch::Matching(pattern) => {
                    (format!("~ {}", pattern.source()), pattern.is_match(key.path))
                }
            };
            let verdict = if verdict { Verdict::Behind } else { Verdict::OtherPath };
            let (host, kind) = (&self.pattern, SeenKind::Location);
            out.push(Sighting { host, path, kind, rule, verdict });
        }
        let literal = |is_exact: Option<bool>, out: &mut Vec<Sighting<'t>>| {
            self.paths.find(key.path, |hit| {
                let text = key.path.get(..hit.matched_bytes).unwrap_or_default();
                let text = String::from_utf8_lossy(if text.is_empty() { b"/" } else { text });
                let all = self.sightings_of(&hit.candidates, &text, key, None);
                let wanted = |one: &Sighting<'_>| match is_exact {
                    Some(is_exact) => (one.kind == SeenKind::Exact) == is_exact,
                    None => true,
                };
                out.extend(all.into_iter().filter(wanted));
                None::<()>
            });
        };
        if self.patterns.is_empty() {
            literal(None, out);
        } else {
            literal(Some(true), out);
            self.patterns.find(key.path, |entry| {
                let kind = Some(SeenKind::Regex);
                out.extend(self.sightings_of(&entry.candidates, entry.pattern.source(), key, kind));
                None::<()>
            });
            literal(Some(false), out);
        }
        let seen: HashSet<*const TableRule> =
            out.iter().skip(from).map(|one| std::ptr::from_ref(one.rule)).collect();
        for rule in self.rules.iter().filter(|rule| !rule.is_unclaimed) {
            if !seen.contains(&std::ptr::from_ref(rule)) {
                let path = rule.path.as_deref().unwrap_or_default().to_owned();
                let (host, kind, verdict) = (&self.pattern, SeenKind::Unknown, Verdict::OtherPath);
                out.push(Sighting { host, path, kind, rule, verdict });
            }
        }
    }

    fn sightings_of<'t>(
        &'t self,
        range: &Range<u32>,
        path: &str,
        key: &RequestKey<'_>,
        kind: Option<SeenKind>,
    ) -> Vec<Sighting<'t>> {
        let candidates = self.candidates.get(range.start as usize..range.end as usize);
        let sighting = |candidate: &Candidate| {
            let rule = self.rules.get(candidate.rule as usize)?;
            let own = if candidate.is_exact { SeenKind::Exact } else { SeenKind::Prefix };
            let verdict = candidate.unmet(key).map_or(Verdict::Behind, Verdict::Unmet);
            let (host, path, kind) = (&self.pattern, path.to_owned(), kind.unwrap_or(own));
            Some(Sighting { host, path, kind, rule, verdict })
        };
        candidates.unwrap_or_default().iter().filter_map(sighting).collect()
    }

    #[inline]
    fn lookup_literal<'t>(
        &'t self,
        key: &RequestKey<'_>,
        is_asked: impl Fn(&Candidate) -> bool,
    ) -> Option<Match<'t>> {
        self.paths.find(key.path, |hit| {
            let rule = self.first_met(&hit.candidates, key, &is_asked)?;
            Some(Match::literal(rule, hit.matched_bytes))
        })
    }

    fn lookup_pattern<'t>(&'t self, key: &RequestKey<'_>) -> Option<Match<'t>> {
        self.patterns.find(key.path, |entry| {
            let rule = self.first_met(&entry.candidates, key, |_| true)?;
            let pattern = Some(&entry.pattern);
            Some(Match { pattern, ..Match::literal(rule, key.path.len()) })
        })
    }

    #[inline]
    fn first_met(
        &self,
        range: &Range<u32>,
        key: &RequestKey<'_>,
        is_asked: impl Fn(&Candidate) -> bool,
    ) -> Option<&TableRule> {
        let candidates = self.candidates.get(range.start as usize..range.end as usize)?;
        let is_it = |candidate: &&Candidate| is_asked(candidate) && candidate.is_met(key);
        let candidate = candidates.iter().find(is_it)?;
        self.rules.get(candidate.rule as usize)
    }
}
