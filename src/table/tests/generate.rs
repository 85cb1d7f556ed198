//! Models and requests from so small an alphabet that collisions are the rule.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{Request, backend, pattern, rule};
use crate::model::{
    BackendTarget, FieldMatch, Host, Listener, Location, LocationMatch, Model, OnMiss, PathMatch,
    PathPattern, Pattern, Policies, QueryMatch, Refusal, RequestMatch, Rule, ValueMatch,
    WeightedBackend,
};

/// Heads that begin each other, none, and one of another case.
const REGEXES: [&str; 12] = [
    "^/a",
    "b$",
    "/a/",
    "a|b",
    "^/b/?$",
    "^/",
    "^/a/b",
    "^/ab",
    "^/a.",
    "^/a/(b|a)",
    "(?i)^/A/",
    "^/ab/",
];

fn regex(index: usize) -> PathPattern {
    static COMPILED: OnceLock<Vec<PathPattern>> = OnceLock::new();
    let compile = |text: &&str| PathPattern::new(text, text).expect("valid");
    COMPILED.get_or_init(|| REGEXES.iter().map(compile).collect())[index].clone()
}

pub(super) fn name() -> impl Strategy<Value = String> {
    vec(select(vec!["a", "b"]), 1..4).prop_map(|labels| labels.join("."))
}

pub(super) fn path() -> impl Strategy<Value = String> {
    vec(select(vec!["a", "b", "ab", ""]), 0..4)
        .prop_map(|elements| format!("/{}", elements.join("/")))
}

fn host_pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => name(),
        2 => name().prop_map(|name| format!("*.{name}")),
        2 => name().prop_map(|name| format!("**.{name}")),
        1 => Just("*".to_owned()),
    ]
}

fn path_match() -> impl Strategy<Value = PathMatch> {
    prop_oneof![
        4 => path().prop_map(|text| PathMatch::Prefix(text.into())),
        2 => path().prop_map(|text| PathMatch::Exact(text.into())),
        2 => (0..REGEXES.len()).prop_map(|index| PathMatch::Regex(regex(index))),
    ]
}

fn value() -> impl Strategy<Value = ValueMatch> {
    prop_oneof![
        3 => select(vec!["1", "2", ""]).prop_map(|text| ValueMatch::Exact(text.into())),
        1 => Just(ValueMatch::Regex(Pattern::new("a|b").expect("valid"))),
    ]
}

fn conditions() -> impl Strategy<Value = Vec<(Arc<str>, ValueMatch)>> {
    let names = select(vec!["x", "y"]).prop_map(Arc::from);
    prop_oneof![3 => Just(Vec::new()), 1 => vec((names, value()), 1..3)]
}

fn request_match() -> impl Strategy<Value = RequestMatch> {
    let method = prop_oneof![3 => Just(None), 1 => select(vec!["GET", "POST"]).prop_map(Some)];
    (path_match(), method, conditions(), conditions()).prop_map(|(path, method, fields, query)| {
        let fields = fields.into_iter().map(|(name, value)| FieldMatch { name, value });
        let query = query.into_iter().map(|(name, value)| QueryMatch { name, value });
        RequestMatch {
            path,
            method: method.map(Arc::from),
            fields: fields.collect(),
            query: query.collect(),
        }
    })
}

fn weighted() -> impl Strategy<Value = WeightedBackend> {
    prop_oneof![
        5 => (select(vec!["s", "t", "u", "v"]), 0_u32..3)
            .prop_map(|(service, weight)| backend(service, weight)),
        1 => Just(WeightedBackend::only(BackendTarget::Invalid)),
        1 => Just(WeightedBackend::only(BackendTarget::Nobody)),
    ]
}

/// Rules are numbered later, see [`number`].
fn any_rule() -> impl Strategy<Value = Rule> {
    let object = select(vec!["i", "j", "k"]);
    let refusal = prop_oneof![
        4 => Just(None),
        1 => select(vec![Refusal::Guard, Refusal::NotSupported]).prop_map(Some),
    ];
    (object, vec(request_match(), 0..4), vec(weighted(), 0..3), refusal).prop_map(
        |(object, matches, backends, refusal)| Rule {
            backends,
            policies: Policies { refusal, ..Policies::default() },
            ..rule(object, 0, matches)
        },
    )
}

pub(super) fn host() -> impl Strategy<Value = Host> {
    let rules = prop_oneof![3 => vec(any_rule(), 0..4), 1 => vec(any_rule(), 8..14)];
    let on_miss = select(vec![OnMiss::Default, OnMiss::NextHost]);
    let locations = prop_oneof![3 => Just(Vec::new()), 2 => vec(location(), 1..5)];
    (host_pattern(), on_miss, rules, locations).prop_map(|(name, on_miss, rules, locations)| {
        let mut texts = BTreeSet::new();
        // Nginx does not read two of one beginning.
        let locations =
            locations.into_iter().filter(|location: &Location| match &location.requests {
                LocationMatch::Beginning(text) | LocationMatch::Settled(text) => {
                    texts.insert(text.clone())
                }
                LocationMatch::Exact(text) => texts.insert(format!("={text}").into()),
                LocationMatch::Matching(_) => true,
            });
        Host {
            pattern: pattern(&name),
            on_miss,
            locations: locations.collect(),
            rules: rules.into_iter().map(Arc::new).collect(),
        }
    })
}

fn location() -> impl Strategy<Value = Location> {
    let requests = prop_oneof![
        2 => path().prop_map(|text| LocationMatch::Exact(text.into())),
        3 => path().prop_map(|text| LocationMatch::Beginning(text.into())),
        2 => path().prop_map(|text| LocationMatch::Settled(text.into())),
        2 => (0..REGEXES.len()).prop_map(|index| LocationMatch::Matching(regex(index))),
    ];
    (requests, any_rule()).prop_map(|(requests, rule)| Location { requests, rule: Arc::new(rule) })
}

pub(super) fn default_rule() -> impl Strategy<Value = Option<Rule>> {
    proptest::option::of(any_rule())
}

/// Gives each rule of `host` a number of its own from `next` on.
pub(super) fn number(mut host: Host, next: &mut u32) -> Arc<Host> {
    let locations = host.locations.iter_mut().map(|location| &mut location.rule);
    for rule in host.rules.iter_mut().chain(locations) {
        *rule = Arc::new(number_rule(Rule::clone(rule), next));
    }
    Arc::new(host)
}

pub(super) fn number_rule(mut rule: Rule, next: &mut u32) -> Rule {
    rule.origin.rule = Some(*next);
    *next += 1;
    rule
}

pub(super) fn model() -> impl Strategy<Value = Model> {
    (vec(host(), 0..6), default_rule()).prop_map(|(hosts, default_rule)| {
        let mut next = 0;
        let mut listener = Listener::default();
        for host in hosts {
            if listener.hosts.iter().all(|other| other.pattern != host.pattern) {
                listener.hosts.push(number(host, &mut next));
            }
        }
        let default_rule = default_rule.map(|rule| number_rule(rule, &mut next));
        listener.default_rule = default_rule.map(Arc::new);
        Model { listeners: vec![listener], ..Model::default() }
    })
}

pub(super) fn request() -> impl Strategy<Value = Request> {
    let host = prop_oneof![
        8 => name(),
        1 => Just(String::new()),
        1 => name().prop_map(|name| format!(".{name}")),
    ];
    let path = prop_oneof![12 => path(), 1 => Just("*".to_owned())];
    let pairs = || vec((select(vec!["x", "y", "z"]), select(vec!["1", "2", "a", ""])), 0..3);
    let query = proptest::option::of(pairs()).prop_map(|pairs| {
        let texts = pairs?.into_iter().map(|(name, value)| match value {
            "" => name.to_owned(),
            _ => format!("{name}={value}"),
        });
        Some(texts.collect::<Vec<_>>().join("&"))
    });
    let fields = pairs().prop_map(|pairs| {
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    });
    let method = select(vec!["GET", "POST", "PUT"]).prop_map(str::to_owned);
    (host, path, query, fields, method).prop_map(|(host, path, query, fields, method)| Request {
        host,
        path,
        query,
        method,
        fields,
    })
}
