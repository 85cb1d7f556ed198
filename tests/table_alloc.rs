//! A lookup does not allocate.

#![expect(unsafe_code, reason = "an allocator that counts")]
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use ringway::model::{
    BackendKey, BackendTarget, Dial, FieldMatch, Host, HostName, HostPattern, Kind, Listener,
    ListenerId, Model, ObjectRef, OnMiss, Origin, PathMatch, PathPattern, Policies, PortRef,
    QueryMatch, RequestMatch, Rule, ServerName, TlsAction, ValueMatch, WeightedBackend,
    WildcardDepth,
};
use ringway::table::{Compiler, FieldLookup, RequestKey, Table};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // Fails only while a thread ends; nothing is measured then.
    ALLOCATIONS.try_with(|count| count.set(count.get() + 1)).ok();
}

// SAFETY: every call is passed on to `System` unchanged; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`, which is that of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` came from `System` by way of `alloc` or `realloc`.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count();
        // SAFETY: `at` came from `System` by way of `alloc` or `realloc`.
        unsafe { System.realloc(at, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct OneField;

impl FieldLookup for OneField {
    fn field(&self, name: &[u8]) -> Option<&[u8]> {
        (name == b"x").then_some(b"1")
    }
}

fn rule(matches: Vec<RequestMatch>) -> Arc<Rule> {
    let object = ObjectRef { kind: Kind::Ingress, namespace: "ns".into(), name: "i".into() };
    Arc::new(Rule {
        origin: Origin { object, rule: Some(0), path: None, position: None },
        matches,
        filters: Vec::new(),
        backends: vec![WeightedBackend::only(BackendTarget::Invalid)],
        canaries: Vec::new(),
        policies: Policies::default(),
    })
}

fn host(pattern: HostPattern) -> Arc<Host> {
    let value = || ValueMatch::Exact("1".into());
    let conditional = RequestMatch {
        path: PathMatch::Prefix("/conditional".into()),
        method: Some("GET".into()),
        fields: vec![FieldMatch { name: "x".into(), value: value() }],
        query: vec![QueryMatch { name: "q".into(), value: value() }],
    };
    let pattern_path = PathMatch::Regex(PathPattern::new("/v", "^/v[0-9]+/").expect("a pattern"));
    let many = (0..50).map(|n| RequestMatch::path(PathMatch::Prefix(format!("/p/{n}").into())));
    let mut rules = vec![rule(vec![conditional]), rule(vec![RequestMatch::path(pattern_path)])];
    rules.push(rule(many.collect()));
    Arc::new(Host { pattern, on_miss: OnMiss::NextHost, rules, locations: Vec::new() })
}

fn table() -> Arc<Table> {
    let name = |text| HostName::new(text).expect("a name");
    let wildcard = |depth| HostPattern::Wildcard { suffix: name("wild.example"), depth };
    let hosts = vec![
        host(HostPattern::Exact(name("a.example"))),
        host(wildcard(WildcardDepth::One)),
        host(wildcard(WildcardDepth::Any)),
        host(HostPattern::Any),
    ];
    let server_name = |pattern| {
        let origin = ObjectRef { kind: Kind::Ingress, namespace: "ns".into(), name: "i".into() };
        let service = BackendKey {
            namespace: "ns".into(),
            service: "s".into(),
            port: PortRef::Number(443),
            dial: Dial::default(),
        };
        let backends = vec![WeightedBackend::only(BackendTarget::Service(service))];
        let action = TlsAction::Passthrough { backends, send_proxy: false };
        Arc::new(ServerName { pattern, action, section: None, origin })
    };
    let server_names = vec![
        server_name(HostPattern::Exact(name("a.example"))),
        server_name(wildcard(WildcardDepth::One)),
    ];
    let default_rule = Some(rule(Vec::new()));
    let listener = Listener { hosts, default_rule, server_names, ..Listener::default() };
    Compiler::default().compile(&Model { listeners: vec![listener], ..Model::default() }).table
}

#[test]
fn a_lookup_does_not_allocate() {
    let table = table();
    let slashes = "/".repeat(8 * 1024);
    let dots = "a.".repeat(126) + "wild.example";
    let hosts = ["a.example", "x.wild.example", &dots, "other", ""];
    let paths = ["/p/7/x", "/conditional", "/v1/x", "/miss", "*", &slashes];
    let ask = || {
        let mut routed = 0;
        for host in hosts {
            for path in paths {
                let key = RequestKey {
                    host: host.as_bytes(),
                    path: path.as_bytes(),
                    query: Some(b"p=2&q=1"),
                    method: b"GET",
                    fields: &OneField,
                };
                let found = table.lookup(ListenerId::HTTP, &key);
                routed += usize::from(found.is_some_and(|found| found.is_routed));
            }
        }
        let names = hosts.map(|host| table.server_name(ListenerId::HTTP, Some(host.as_bytes())));
        assert_eq!(names.iter().flatten().count(), 2);
        routed
    };
    // The first round lets the pattern set up the scratch memory of this thread.
    let warm = ask();
    let before = ALLOCATIONS.get();
    let routed = ask();
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert_eq!((warm, routed), (15, 15), "three paths match on each of five hosts");
}
