//! The patterns of one host, in the order they are tried: the greatest weight first, which is the
//! length of the text as it is written unless somebody weighs it otherwise, ties by text
//! descending, then the older rule. So ingress-nginx orders its locations.
//!
//! A request is tried with those alone whose head it begins with: they hang at the heads, which are
//! sorted, and each head knows the next shorter one that it begins with itself. Ten thousand
//! patterns that begin differently cost a search; those that begin alike, or with nothing that is
//! plain, cost a try each.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::ops::Range;

use super::conditions::{Candidate, order};
use super::paths::saturate;
use crate::model::PathPattern;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    /// In order.
    entries: Box<[Entry]>,
    /// By text.
    heads: Box<[Head]>,
    /// Indices of entries: those of each head in one piece, in order.
    hung: Box<[u32]>,
}

/// A pattern with the candidates that share it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) pattern: PathPattern,
    pub(super) candidates: Range<u32>,
}

/// What patterns begin with.
#[derive(Debug)]
struct Head {
    /// In lower case.
    text: Box<[u8]>,
    /// The longest other head that `text` begins with.
    shorter: Option<u32>,
    /// Of [`Patterns::hung`].
    entries: Range<u32>,
}

/// Collects the patterns of a host with their candidates.
#[derive(Debug, Default)]
pub(super) struct PatternsBuilder<'m>(Vec<(&'m PathPattern, Vec<Candidate>)>);

impl<'m> PatternsBuilder<'m> {
    /// Adds a candidate. Calls come in the order of rules and matches.
    pub(super) fn add(&mut self, pattern: &'m PathPattern, candidate: Candidate) {
        self.0.push((pattern, vec![candidate]));
    }

    /// Compiles; the candidates of all patterns go to the end of `candidates`.
    pub(super) fn build(self, candidates: &mut Vec<Candidate>) -> Patterns {
        let mut all = self.0;
        // Stable: patterns of the same text stay in the order of rules.
        all.sort_by_key(|(pattern, _)| (Reverse(pattern.weight()), Reverse(pattern.text())));
        let mut merged: Vec<(&PathPattern, Vec<Candidate>)> = Vec::with_capacity(all.len());
        for (pattern, mut list) in all {
            let same = merged.iter_mut().rev();
            let mut same = same.take_while(|(other, _)| other.text() == pattern.text());
            match same.find(|(other, _)| *other == pattern) {
                Some((_, known)) => known.append(&mut list),
                None => merged.push((pattern, list)),
            }
        }
        let compile = |(pattern, mut list): (&PathPattern, Vec<Candidate>)| {
            order(&mut list);
            let start = saturate(candidates.len());
            candidates.append(&mut list);
            Entry { pattern: pattern.clone(), candidates: start..saturate(candidates.len()) }
        };
        Patterns::new(merged.into_iter().map(compile).collect())
    }
}

impl Patterns {
    fn new(entries: Box<[Entry]>) -> Self {
        let mut by_head: BTreeMap<&[u8], Vec<u32>> = BTreeMap::new();
        for (entry, number) in entries.iter().zip(0_u32..) {
            by_head.entry(entry.pattern.head()).or_default().push(number);
        }
        let (mut heads, mut hung): (Vec<Head>, Vec<u32>) = (Vec::new(), Vec::new());
        // Heads that the last one begins with, the longest last.
        let mut open: Vec<u32> = Vec::new();
        for (text, mut numbers) in by_head {
            let is_open = |head: &u32| {
                heads.get(*head as usize).is_some_and(|head: &Head| text.starts_with(&head.text))
            };
            while open.last().is_some_and(|head| !is_open(head)) {
                open.pop();
            }
            let start = saturate(hung.len());
            hung.append(&mut numbers);
            let entries = start..saturate(hung.len());
            let shorter = open.last().copied();
            open.push(saturate(heads.len()));
            heads.push(Head { text: text.into(), shorter, entries });
        }
        let (heads, hung) = (heads.into(), hung.into());
        Self { entries, heads, hung }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// First result of `accept` over the patterns that match `path`, in order.
    pub(super) fn find<'t, T>(
        &'t self,
        path: &[u8],
        mut accept: impl FnMut(&'t Entry) -> Option<T>,
    ) -> Option<T> {
        let deepest = self.deepest(path)?;
        let mut from = 0;
        loop {
            let heads = self.heads_from(deepest);
            let number = heads.filter_map(|head| self.next_of(head, from)).min()?;
            let entry = self.entries.get(number as usize)?;
            if entry.pattern.is_match(path)
                && let Some(found) = accept(entry)
            {
                return Some(found);
            }
            from = number.saturating_add(1);
        }
    }

    /// The longest head that `path` begins with.
    fn deepest(&self, path: &[u8]) -> Option<&Head> {
        // The last that is no more than the path begins with each head that the path begins with.
        let end = self.heads.partition_point(|head| compare(&head.text, path) != Ordering::Greater);
        let last = self.heads.get(end.checked_sub(1)?)?;
        self.heads_from(last).find(|head| begins_with(path, &head.text))
    }

    /// A head and those that it begins with, the longest first.
    fn heads_from<'t>(&'t self, head: &'t Head) -> impl Iterator<Item = &'t Head> {
        let shorter = |head: &&'t Head| self.heads.get(head.shorter? as usize);
        std::iter::successors(Some(head), shorter)
    }

    /// The first pattern of a head that has no number below `from`.
    fn next_of(&self, head: &Head, from: u32) -> Option<u32> {
        let Range { start, end } = head.entries;
        let numbers = self.hung.get(start as usize..end as usize)?;
        numbers.get(numbers.partition_point(|number| *number < from)).copied()
    }
}

/// Compares `head`, in lower case, with `path`, in any.
fn compare(head: &[u8], path: &[u8]) -> Ordering {
    head.iter().copied().cmp(path.iter().map(u8::to_ascii_lowercase))
}

fn begins_with(path: &[u8], head: &[u8]) -> bool {
    path.get(..head.len()).is_some_and(|start| start.eq_ignore_ascii_case(head))
}
