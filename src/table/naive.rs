//! The slow obvious matcher: the oracle of the fast one.
//!
//! It reads the model itself, gathers everything that matches, ranks it, and takes the best. It
//! shares no code with the fast matcher and must never be made clever.

use std::cmp::Reverse;

use super::key::RequestKey;
use crate::model::{
    Host, HostPattern, Listener, ListenerId, LocationMatch, Model, OnMiss, PathMatch, RequestMatch,
    Rule, TlsAction, WildcardDepth,
};

/// The rule that a request hits, in terms of the model.
#[derive(Debug, Clone, Copy)]
pub struct NaiveMatch<'m> {
    /// The rule.
    pub rule: &'m Rule,
    /// The host that holds it; `None`: it is the listener's default rule.
    pub host: Option<&'m Host>,
    /// As [`super::rule::Match::matched_bytes`].
    pub matched_bytes: usize,
    /// As [`super::rule::Match::is_routed`].
    pub is_routed: bool,
}

/// How well a match fits; the greatest wins. This is the one statement of precedence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Rank<'m> {
    path: PathRank<'m>,
    has_method: bool,
    fields: usize,
    query: usize,
    /// The oldest rule, that is the first of the host.
    rule: Reverse<usize>,
    /// The first match of the rule.
    position: Reverse<usize>,
}

/// How specific a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum HostRank {
    Any,
    /// By bytes of the suffix.
    AnyDepth(usize),
    OneLabel,
    Exact,
}

/// How specific a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum PathRank<'m> {
    /// By bytes without a prefix's trailing slash, then by how it is written.
    Prefix(usize, Spelling),
    /// By weight of the pattern, then by its text.
    Regex(usize, &'m str),
    Exact,
}

/// How a path is written that matches, of those of one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Spelling {
    /// A prefix with a slash at its end for the path without, or the other way round.
    Other,
    /// A prefix as the request has it: `/a` for `/a`, `/a/` for `/a/` and what is below.
    Same,
}

/// Finds the rule for a request in the model, by looking at every rule.
#[must_use]
pub fn lookup<'m>(
    model: &'m Model,
    listener: ListenerId,
    key: &RequestKey<'_>,
) -> Option<NaiveMatch<'m>> {
    let listener = model.listener(listener)?;
    let mut best: Option<(HostRank, NaiveMatch<'m>)> = None;
    for (host_rank, host) in asked_hosts(listener, key.host) {
        if best.as_ref().is_some_and(|(other, _)| *other > host_rank) {
            continue;
        }
        let rules = matches_of(host, key).into_iter();
        let own = rules.max_by(|(one, _), (other, _)| one.cmp(other));
        if let Some(found) = beside(host, own, key.path) {
            best = Some((host_rank, found));
        }
    }
    best.map(|(_, found)| found).or_else(|| {
        let rule = listener.default_rule.as_deref()?;
        Some(NaiveMatch { rule, host: None, matched_bytes: 0, is_routed: false })
    })
}

/// What a TLS connection is led to that asks for `sni`, by looking at every name.
#[must_use]
pub fn server_name(model: &Model, listener: ListenerId, sni: Option<&[u8]>) -> Option<TlsAction> {
    let listener = model.listener(listener)?;
    let fit = |name: &&std::sync::Arc<crate::model::ServerName>| match sni {
        Some(sni) => host_rank(&name.pattern, sni),
        None => (name.pattern == HostPattern::Any).then_some(HostRank::Any),
    };
    let names = listener.server_names.iter().filter(|name| fit(name).is_some());
    let named = names.max_by_key(|name| fit(name));
    let default = || listener.default_tls.map(TlsAction::Terminate);
    let action = named.map(|name| name.action.clone()).or_else(default);
    action.filter(|action| *action != TlsAction::Nobody)
}

/// The hosts that the request belongs to, without those behind a more specific one that keeps its
/// misses to itself.
fn asked_hosts<'m>(listener: &'m Listener, name: &[u8]) -> Vec<(HostRank, &'m Host)> {
    let mut hosts: Vec<(HostRank, &Host)> = listener
        .hosts
        .iter()
        .filter_map(|host| Some((host_rank(&host.pattern, name)?, host.as_ref())))
        .collect();
    let keeps = hosts.iter().filter(|(_, host)| host.on_miss == OnMiss::Default);
    if let Some(least) = keeps.map(|(rank, _)| *rank).max() {
        hosts.retain(|(rank, _)| *rank >= least);
    }
    hosts
}

fn host_rank(pattern: &HostPattern, name: &[u8]) -> Option<HostRank> {
    match pattern {
        HostPattern::Exact(wanted) => {
            (wanted.as_str().as_bytes() == name).then_some(HostRank::Exact)
        }
        HostPattern::Wildcard { suffix, depth } => {
            let star = name.strip_suffix(suffix.as_str().as_bytes())?.strip_suffix(b".")?;
            match depth {
                _ if star.is_empty() => None,
                WildcardDepth::One if star.contains(&b'.') => None,
                WildcardDepth::One => Some(HostRank::OneLabel),
                WildcardDepth::Any => Some(HostRank::AnyDepth(suffix.as_str().len())),
            }
        }
        HostPattern::Any => Some(HostRank::Any),
    }
}

/// What a rule or a location is to a request, where a host has both; the greatest wins.
///
/// Source: nginx, directive `location`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// It begins with so many bytes; of equal ones the location.
    Beginning(usize, bool),
    /// A rule matches by a pattern.
    Pattern,
    /// An expression of a location matches, the first of them.
    Expression(Reverse<usize>),
    /// The longest beginning of all is one that nothing else is tried after.
    Settled,
    /// A rule has the whole path.
    Whole,
    /// A location has.
    Exact,
}

/// The best of a host, of whose rules `own` is.
fn beside<'m>(
    host: &'m Host,
    own: Option<(Rank<'m>, NaiveMatch<'m>)>,
    path: &[u8],
) -> Option<NaiveMatch<'m>> {
    let own = own.map(|(rank, found)| {
        let standing = match rank.path {
            PathRank::Regex(..) => Standing::Pattern,
            PathRank::Exact => Standing::Whole,
            PathRank::Prefix(..) if found.matched_bytes == path.len() => Standing::Whole,
            PathRank::Prefix(..) => Standing::Beginning(found.matched_bytes + 1, false),
        };
        (standing, found)
    });
    let beginning = |requests: &LocationMatch| match requests {
        LocationMatch::Beginning(text) | LocationMatch::Settled(text) => {
            path.starts_with(text.as_bytes()).then_some(Standing::Beginning(text.len(), true))
        }
        LocationMatch::Exact(_) | LocationMatch::Matching(_) => None,
    };
    let beginnings = host.locations.iter().filter_map(|location| beginning(&location.requests));
    let own_beginning = own.as_ref().map(|(standing, _)| *standing);
    let own_beginning = own_beginning.filter(|own| matches!(own, Standing::Beginning(..)));
    let longest = beginnings.chain(own_beginning).max();
    let locations = host.locations.iter().enumerate().filter_map(|(number, location)| {
        let (standing, matched_bytes) = match &location.requests {
            LocationMatch::Exact(text) if text.as_bytes() == path => (Standing::Exact, path.len()),
            LocationMatch::Exact(_) => return None,
            LocationMatch::Matching(pattern) if pattern.is_match(path) => {
                (Standing::Expression(Reverse(number)), path.len())
            }
            LocationMatch::Matching(_) => return None,
            LocationMatch::Beginning(text) => (beginning(&location.requests)?, text.len()),
            LocationMatch::Settled(text) => match beginning(&location.requests)? {
                standing if Some(standing) == longest => (Standing::Settled, text.len()),
                standing => (standing, text.len()),
            },
        };
        let (rule, host) = (&*location.rule, Some(host));
        let is_routed = !rule.is_unclaimed();
        Some((standing, NaiveMatch { rule, host, matched_bytes, is_routed }))
    });
    own.into_iter().chain(locations).max_by_key(|(standing, _)| *standing).map(|(_, found)| found)
}

fn matches_of<'m>(host: &'m Host, key: &RequestKey<'_>) -> Vec<(Rank<'m>, NaiveMatch<'m>)> {
    let mut found = Vec::new();
    for (number, rule) in host.rules.iter().enumerate() {
        for (position, wanted) in rule.matches.iter().enumerate() {
            let Some((path, matched_bytes)) = path_rank(&wanted.path, key.path) else { continue };
            if !are_conditions_met(wanted, key) {
                continue;
            }
            let rank = Rank {
                path,
                has_method: wanted.method.is_some(),
                fields: wanted.fields.len(),
                query: wanted.query.len(),
                rule: Reverse(number),
                position: Reverse(position),
            };
            let (host, is_routed) = (Some(host), !rule.is_unclaimed());
            found.push((rank, NaiveMatch { rule, host, matched_bytes, is_routed }));
        }
    }
    found
}

/// Rank of the condition and the bytes it covers, if it holds.
fn path_rank<'m>(wanted: &'m PathMatch, path: &[u8]) -> Option<(PathRank<'m>, usize)> {
    match wanted {
        PathMatch::Exact(text) => {
            let is_match = text.starts_with('/') && text.as_bytes() == path;
            is_match.then_some((PathRank::Exact, path.len()))
        }
        PathMatch::Prefix(text) => {
            let trimmed = text.trim_end_matches('/');
            let elements = format!("{trimmed}/");
            let is_match = text.starts_with('/')
                && (trimmed.is_empty()
                    || path == trimmed.as_bytes()
                    || path.starts_with(elements.as_bytes()));
            let is_below = path.len() > trimmed.len();
            let spelling = match text.ends_with('/') == is_below {
                true => Spelling::Same,
                false => Spelling::Other,
            };
            is_match.then_some((PathRank::Prefix(trimmed.len(), spelling), trimmed.len()))
        }
        PathMatch::Regex(pattern) => {
            let rank = PathRank::Regex(pattern.weight(), pattern.text());
            pattern.is_match(path).then_some((rank, path.len()))
        }
    }
}

fn are_conditions_met(wanted: &RequestMatch, key: &RequestKey<'_>) -> bool {
    if wanted.method.as_ref().is_some_and(|method| method.as_bytes() != key.method) {
        return false;
    }
    for field in &wanted.fields {
        match key.fields.field(field.name.as_bytes()) {
            Some(value) if field.value.is_match(value) => {}
            _ => return false,
        }
    }
    let pairs: Vec<(&[u8], &[u8])> = key.query.map(parse_query).unwrap_or_default();
    for parameter in &wanted.query {
        match pairs.iter().find(|(name, _)| *name == parameter.name.as_bytes()) {
            Some((_, value)) if parameter.value.is_match(value) => {}
            _ => return false,
        }
    }
    true
}

fn parse_query(query: &[u8]) -> Vec<(&[u8], &[u8])> {
    let pairs = query.split(|byte| *byte == b'&');
    let split = |pair: &'_ [u8]| pair.iter().position(|byte| *byte == b'=');
    pairs
        .map(|pair| match split(pair) {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &pair[pair.len()..]),
        })
        .collect()
}
