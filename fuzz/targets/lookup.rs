//! Fast lookup against the oracle, on a small model and requests spelled by the fuzzer.

#![allow(
    clippy::expect_used,
    unreachable_pub,
    reason = "part of the fuzz crate and of tests; a target that cannot go on has found something"
)]

use std::sync::Arc;

use ringway::model::{
    BackendTarget, FieldMatch, Host, HostName, HostPattern, Kind, Listener, ListenerId, Model,
    ObjectRef, OnMiss, Origin, PathMatch, PathPattern, Pattern, Policies, QueryMatch, RequestMatch,
    Rule, ValueMatch, WeightedBackend, WildcardDepth,
};
use ringway::table::{Compiler, FieldLookup, RequestKey, naive};

/// Decodes `data` into a model and requests, and panics where the two matchers disagree.
///
/// Every input means something: missing bytes read as zero. The alphabet is small, so that hosts
/// and paths collide.
pub fn lookup(data: &[u8]) {
    let mut input = Input { rest: data };
    let model = input.model();
    let table = Compiler::default().compile(&model).table;
    for _ in 0..8 {
        let request = input.request();
        let key = request.key();
        let fast = table.lookup(ListenerId::HTTP, &key);
        let fast = fast.map(|hit| (hit.rule.origin.rule, hit.matched_bytes, hit.is_routed));
        let slow = naive::lookup(&model, ListenerId::HTTP, &key);
        let slow = slow.map(|hit| (hit.rule.origin.rule, hit.matched_bytes, hit.is_routed));
        assert_eq!(fast, slow, "{request:?} in {model:?}");
    }
}

#[derive(Debug)]
struct Request {
    host: String,
    path: String,
    query: Option<String>,
    method: &'static str,
    /// Value of the field `x`.
    field: Option<&'static str>,
}

impl Request {
    fn key(&self) -> RequestKey<'_> {
        RequestKey {
            host: self.host.as_bytes(),
            path: self.path.as_bytes(),
            query: self.query.as_deref().map(str::as_bytes),
            method: self.method.as_bytes(),
            fields: self,
        }
    }
}

impl FieldLookup for Request {
    fn field(&self, name: &[u8]) -> Option<&[u8]> {
        self.field.filter(|_| name == b"x").map(str::as_bytes)
    }
}

/// Bytes that are turned into choices.
struct Input<'d> {
    rest: &'d [u8],
}

impl Input<'_> {
    /// A number below `end`.
    fn below(&mut self, end: u8) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        first % end
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let end = u8::try_from(from.len()).expect("a short list");
        from[usize::from(self.below(end))]
    }

    fn model(&mut self) -> Model {
        let mut next = 0;
        let mut listener = Listener::default();
        for _ in 0..self.below(6) {
            let host = self.host(&mut next);
            if listener.hosts.iter().all(|other| other.pattern != host.pattern) {
                listener.hosts.push(Arc::new(host));
            }
        }
        if self.below(2) == 1 {
            listener.default_rule = Some(Arc::new(self.rule(&mut next)));
        }
        Model { listeners: vec![listener], ..Model::default() }
    }

    fn host(&mut self, next: &mut u32) -> Host {
        let pattern = match self.below(4) {
            0 => HostPattern::Exact(self.host_name()),
            1 => HostPattern::Wildcard { suffix: self.host_name(), depth: WildcardDepth::One },
            2 => HostPattern::Wildcard { suffix: self.host_name(), depth: WildcardDepth::Any },
            _ => HostPattern::Any,
        };
        let on_miss = self.pick(&[OnMiss::Default, OnMiss::NextHost]);
        let count = self.below(16);
        let rules = (0..count).map(|_| Arc::new(self.rule(next))).collect();
        Host { pattern, on_miss, rules, locations: Vec::new() }
    }

    fn rule(&mut self, next: &mut u32) -> Rule {
        let number = *next;
        *next += 1;
        let object = ObjectRef { kind: Kind::Ingress, namespace: "ns".into(), name: "i".into() };
        Rule {
            origin: Origin { object, rule: Some(number), path: None, position: None },
            matches: (0..self.below(4)).map(|_| self.request_match()).collect(),
            filters: Vec::new(),
            backends: vec![WeightedBackend::only(BackendTarget::Invalid)],
            canaries: Vec::new(),
            policies: Policies::default(),
        }
    }

    fn request_match(&mut self) -> RequestMatch {
        let path = match self.below(5) {
            0 | 1 => PathMatch::Prefix(self.path().into()),
            2 | 3 => PathMatch::Exact(self.path().into()),
            _ => PathMatch::Regex(self.path_pattern()),
        };
        let mut from = RequestMatch::path(path);
        let conditions = self.below(16);
        if conditions & 1 != 0 {
            from.method = Some(self.pick(&["GET", "POST"]).into());
        }
        if conditions & 2 != 0 {
            from.fields.push(FieldMatch { name: "x".into(), value: self.value() });
        }
        if conditions & 4 != 0 {
            from.query.push(QueryMatch { name: "q".into(), value: self.value() });
        }
        if conditions & 8 != 0 {
            from.query.push(QueryMatch { name: "r".into(), value: self.value() });
        }
        from
    }

    fn value(&mut self) -> ValueMatch {
        match self.below(4) {
            0 => ValueMatch::Regex(self.pattern()),
            1 => ValueMatch::Exact("".into()),
            2 => ValueMatch::Exact("1".into()),
            _ => ValueMatch::Exact("2".into()),
        }
    }

    fn path_pattern(&mut self) -> PathPattern {
        let text = self.pick(&["^/a", "b$", "/a/", "(?i)^/A/(.*)/b", "^/b/?$", "^/(a|b)(/|$)(.*)"]);
        PathPattern::new(text, text).expect("a fixed pattern is valid")
    }

    fn pattern(&mut self) -> Pattern {
        let text = self.pick(&["^/a", "b$", "/a/", "1|a", "^/b/?$"]);
        Pattern::new(text).expect("a fixed pattern is valid")
    }

    fn host_name(&mut self) -> HostName {
        let text = self.labels();
        HostName::new(&text).expect("labels of one letter make a name")
    }

    fn labels(&mut self) -> String {
        let count = 1 + self.below(4);
        (0..count).map(|_| self.pick(&["a", "b"])).collect::<Vec<_>>().join(".")
    }

    fn path(&mut self) -> String {
        (0..=self.below(5)).map(|_| self.pick(&["/a", "/b", "/ab", "/", "//a"])).collect()
    }

    fn request(&mut self) -> Request {
        let host = match self.below(8) {
            0 => String::new(),
            1 => format!(".{}", self.labels()),
            _ => self.labels(),
        };
        let path = if self.below(12) == 11 { "*".to_owned() } else { self.path() };
        let query = match self.below(4) {
            0 => None,
            _ => Some(
                (0..self.below(4)).map(|_| self.pick(&["q=1&", "q&", "r=2&", "r=a"])).collect(),
            ),
        };
        Request {
            host,
            path,
            query,
            method: self.pick(&["GET", "POST", "PUT"]),
            field: self.pick(&[None, Some("1"), Some("2"), Some("")]),
        }
    }
}
