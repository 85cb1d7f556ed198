//! One test per rule.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Request, backend, get, host, model, path, rule};
use crate::limits::SERIES_MAX;
use crate::model::{
    BackendTarget, Downstream, FieldMatch, ListenerId, Model, OnMiss, QueryMatch, RequestMatch,
    SeriesDetail, ValueMatch, WeightedBackend,
};
use crate::table::{Compiler, naive};

/// A host with one rule for each path, numbered from `first`.
fn paths(first: u32, texts: &[&str]) -> Vec<crate::model::Rule> {
    (first..).zip(texts).map(|(number, text)| rule("a", number, vec![path(text)])).collect()
}

/// Number of the rule that answers and the bytes it covers; the oracle has to agree.
#[track_caller]
fn ask(model: &Model, request: &Request) -> Option<(u32, usize)> {
    let table = Compiler::default().compile(model).table;
    let key = request.key();
    let fast = table.lookup(ListenerId::HTTP, &key);
    let fast = fast.map(|found| (found.rule.origin.rule.expect("a number"), found.matched_bytes));
    let slow = naive::lookup(model, ListenerId::HTTP, &key);
    let slow = slow.map(|found| (found.rule.origin.rule.expect("a number"), found.matched_bytes));
    assert_eq!(fast, slow, "fast and naive differ");
    fast
}

/// One host with these paths, alone and among so many others that it becomes a tree.
#[track_caller]
fn check_paths(texts: &[&str], request: &str, wanted: Option<(u32, usize)>) {
    let mut rules = paths(0, texts);
    let few = model(vec![host("h", OnMiss::Default, rules.clone())], None);
    assert_eq!(ask(&few, &get("h", request)), wanted, "few paths, {request}");
    let filling: Vec<String> = (0..20).map(|n| format!("/filling/{n}")).collect();
    rules.extend(paths(100, &filling.iter().map(String::as_str).collect::<Vec<_>>()));
    let many = model(vec![host("h", OnMiss::Default, rules)], None);
    assert_eq!(ask(&many, &get("h", request)), wanted, "many paths, {request}");
}

#[test]
fn a_prefix_matches_by_element() {
    for text in ["/foo", "/foo/"] {
        check_paths(&[text], "/foo", Some((0, 4)));
        check_paths(&[text], "/foo/", Some((0, 4)));
        check_paths(&[text], "/foo/bar", Some((0, 4)));
        check_paths(&[text], "/foobar", None);
        check_paths(&[text], "/Foo", None);
        check_paths(&[text], "/", None);
    }
}

#[test]
fn the_prefix_slash_matches_everything() {
    for request in ["/", "/x", "//", "/x/y", "*"] {
        check_paths(&["/"], request, Some((0, 0)));
    }
}

#[test]
fn the_longest_path_wins() {
    let texts = ["/", "/a", "/a/b", "/a/b/c"];
    check_paths(&texts, "/a/b/c/d", Some((3, 6)));
    check_paths(&texts, "/a/b/x", Some((2, 4)));
    check_paths(&texts, "/ab", Some((0, 0)));
    check_paths(&["/a", "/a-b", "/a/c"], "/a/c", Some((2, 4)));
    check_paths(&["/a", "/a-b", "/a/c"], "/a-b/c", Some((1, 4)));
}

#[test]
fn an_exact_path_is_exact_and_beats_a_prefix_of_its_length() {
    let texts = ["/foo", "=/foo", "=/foo/"];
    check_paths(&texts, "/foo", Some((1, 4)));
    check_paths(&texts, "/foo/", Some((2, 5)));
    check_paths(&texts, "/foo/bar", Some((0, 4)));
    check_paths(&["=/foo"], "/foo/", None);
    check_paths(&["=/"], "/", Some((0, 1)));
    check_paths(&["=/"], "/x", None);
}

/// Also in ingress-nginx, where the longest location wins, and one without a slash at its end is
/// two.
#[test]
fn of_two_prefixes_that_differ_by_a_slash_each_gets_its_own_requests() {
    for texts in [["/foo", "/foo/", "/"], ["/foo", "/foo/", "/foo/bar/baz"]] {
        check_paths(&texts, "/foo", Some((0, 4)));
        check_paths(&texts, "/foo/", Some((1, 4)));
        check_paths(&texts, "/foo/x", Some((1, 4)));
        check_paths(&texts, "/foo/bar/x", Some((1, 4)));
        check_paths(&["/foo/", "/foo"], "/foo/x", Some((0, 4)));
    }
    let texts = ["/foo", "/foo/", "=/foo", "=/foo/"];
    check_paths(&texts, "/foo", Some((2, 4)));
    check_paths(&texts, "/foo/", Some((3, 5)));
    check_paths(&texts, "/foo//", Some((1, 4)));
    check_paths(&["/a/b", "/a/b/", "/a"], "/a/b/c", Some((1, 4)));
    check_paths(&["/a/b/", "/a", "/a/"], "/a/c", Some((2, 2)));
}

#[test]
fn empty_elements_count() {
    check_paths(&["/a//b", "/a/b"], "/a//b/c", Some((0, 5)));
    check_paths(&["/a//b", "/a/b"], "/a/b/c", Some((1, 4)));
    check_paths(&["//"], "/x", Some((0, 0)));
}

#[test]
fn a_path_without_slash_at_its_start_matches_nothing() {
    for text in ["", "foo", "=foo", "=*"] {
        check_paths(&[text], "/foo", None);
        check_paths(&[text], "*", None);
    }
}

#[test]
fn patterns_come_between_exact_paths_and_prefixes_and_the_longest_first() {
    let texts = ["~^/a", "~^/a/b", "=/a/b/c", "~x$", "/a/b/c", "/b"];
    check_paths(&texts, "/a/b/c", Some((2, 6)));
    check_paths(&texts, "/a/b/c/d", Some((1, 8)));
    check_paths(&texts, "/a/b", Some((1, 4)));
    check_paths(&texts, "/b/y", Some((5, 2)));
    check_paths(&texts, "/a/x", Some((0, 4)));
    check_paths(&texts, "/b/x", Some((3, 4)));
    check_paths(&["~^/A", "~^/[Aa]"], "/A", Some((1, 2)));
}

fn with_method(mut from: RequestMatch, method: &str) -> RequestMatch {
    from.method = Some(method.into());
    from
}

fn with_field(mut from: RequestMatch, name: &str, value: &str) -> RequestMatch {
    let value = ValueMatch::Exact(value.into());
    from.fields.push(FieldMatch { name: name.into(), value });
    from
}

fn with_query(mut from: RequestMatch, name: &str, value: &str) -> RequestMatch {
    let value = ValueMatch::Exact(value.into());
    from.query.push(QueryMatch { name: name.into(), value });
    from
}

#[track_caller]
fn check_matches(matches: Vec<RequestMatch>, request: &Request, wanted: Option<u32>) {
    let rules = (0..).zip(matches).map(|(number, from)| rule("a", number, vec![from])).collect();
    let model = model(vec![host("h", OnMiss::Default, rules)], None);
    assert_eq!(ask(&model, request).map(|(number, _)| number), wanted);
}

#[test]
fn among_rules_of_a_path_method_comes_first_then_fields_then_query_then_age() {
    let request = Request {
        fields: vec![("x".into(), "1".into()), ("y".into(), "2".into())],
        query: Some("p=1&q=2".into()),
        ..get("h", "/a")
    };
    let bare = || path("/a");
    let one_field = || with_field(bare(), "x", "1");
    let two_fields = || with_field(one_field(), "y", "2");
    let one_query = || with_query(bare(), "p", "1");
    let two_query = || with_query(one_query(), "q", "2");
    let method = || with_method(bare(), "GET");
    check_matches(vec![bare(), two_fields(), method()], &request, Some(2));
    check_matches(vec![bare(), one_field(), two_fields()], &request, Some(2));
    check_matches(vec![two_query(), one_field()], &request, Some(1));
    check_matches(vec![bare(), one_query(), two_query()], &request, Some(2));
    check_matches(vec![method(), method()], &request, Some(0));
    check_matches(vec![bare(), bare()], &request, Some(0));
    check_matches(vec![path("/"), bare(), with_method(path("/"), "GET")], &request, Some(1));
}

#[test]
fn a_rule_with_unmet_conditions_is_passed_over_for_shorter_paths_too() {
    let request = Request { query: Some("p=2".into()), ..get("h", "/a/b") };
    let post = with_method(path("=/a/b"), "POST");
    let field = with_field(path("/a/b"), "x", "1");
    let query = with_query(path("/a"), "p", "1");
    let refused = vec![post, field, query];
    check_matches(refused.clone(), &request, None);
    check_matches([refused.clone(), vec![path("/")]].concat(), &request, Some(3));
    check_matches([refused, vec![path("~b$")]].concat(), &request, Some(3));
}

#[test]
fn any_match_of_a_rule_will_do() {
    let both = rule("a", 7, vec![path("=/x"), with_method(path("=/y"), "GET")]);
    let model = model(vec![host("h", OnMiss::Default, vec![both])], None);
    assert_eq!(ask(&model, &get("h", "/x")), Some((7, 2)));
    assert_eq!(ask(&model, &get("h", "/y")), Some((7, 2)));
    assert_eq!(ask(&model, &get("h", "/z")), None);
}

/// Hosts in the order given, each with rule `/` numbered by its place.
#[track_caller]
fn check_hosts(names: &[&str], request: &str, wanted: Option<u32>) {
    let hosts = (0..).zip(names).map(|(n, name)| host(name, OnMiss::Default, paths(n, &["/"])));
    let model = model(hosts.collect(), None);
    assert_eq!(ask(&model, &get(request, "/")).map(|(number, _)| number), wanted, "{request}");
}

#[test]
fn the_most_specific_host_wins() {
    let names = ["*", "**.c", "**.b.c", "*.b.c", "a.b.c"];
    check_hosts(&names, "a.b.c", Some(4));
    check_hosts(&names, "x.b.c", Some(3));
    check_hosts(&names, "x.y.b.c", Some(2));
    check_hosts(&names, "b.c", Some(1));
    check_hosts(&names, "c", Some(0));
    check_hosts(&names, "", Some(0));
}

#[test]
fn a_one_label_wildcard_stands_for_one_label() {
    check_hosts(&["*.b.c"], "a.b.c", Some(0));
    check_hosts(&["*.b.c"], "b.c", None);
    check_hosts(&["*.b.c"], "x.a.b.c", None);
    check_hosts(&["*.b.c"], ".b.c", None);
    check_hosts(&["**.b.c"], "x.a.b.c", Some(0));
    check_hosts(&["**.b.c"], "b.c", None);
    check_hosts(&["**.b.c"], "xb.c", None);
}

#[test]
fn a_miss_ends_at_the_host_or_goes_on_as_it_says() {
    for (on_miss, wanted) in [(OnMiss::Default, 9), (OnMiss::NextHost, 1)] {
        let hosts = vec![
            host("a.b", on_miss, paths(0, &["/x"])),
            host("*.b", OnMiss::Default, paths(1, &["/"])),
        ];
        let model = model(hosts, Some(rule("default", 9, vec![])));
        assert_eq!(ask(&model, &get("a.b", "/y")).map(|(n, _)| n), Some(wanted));
        assert_eq!(ask(&model, &get("a.b", "/x")).map(|(n, _)| n), Some(0));
    }
}

#[test]
fn the_default_rule_is_not_routed_and_covers_nothing() {
    let table = Compiler::default().compile(&model(vec![], Some(rule("d", 9, vec![])))).table;
    let found = table.lookup(ListenerId::HTTP, &get("a", "/a").key()).expect("the default");
    assert!(!found.is_routed);
    assert_eq!(found.matched_bytes, 0);
    assert!(table.lookup(ListenerId { slot: 1, generation: 0 }, &get("a", "/a").key()).is_none());
}

#[test]
fn a_path_of_slashes_is_answered_by_the_deepest_rule_on_its_way() {
    let slashes = "/".repeat(8 * 1024);
    check_paths(&["/", "/a"], &slashes, Some((0, 0)));
    let long = "/a".repeat(4 * 1024);
    check_paths(&["/a/a", "/a"], &long, Some((0, 4)));
}

#[test]
fn weights_are_cumulative_and_zero_is_left_out() {
    let mut weighted = rule("a", 0, vec![path("/")]);
    let invalid = WeightedBackend { weight: 2, ..WeightedBackend::only(BackendTarget::Invalid) };
    weighted.backends = vec![backend("x", 3), backend("never", 0), invalid, backend("y", u32::MAX)];
    let compiled =
        Compiler::default().compile(&model(vec![host("h", OnMiss::Default, vec![weighted])], None));
    let table = compiled.table;
    let found = table.lookup(ListenerId::HTTP, &get("h", "/").key()).expect("a rule").rule;
    let ends: Vec<u32> = found.backends.iter().map(|entry| entry.weight_end).collect();
    assert_eq!(ends, [3, 5, u32::MAX]);
    assert_eq!(found.weight_total, u32::MAX);
    assert_eq!(found.backend(2).map(|b| b.backend.is_some()), Some(true));
    assert_eq!(found.backend(3).map(|b| b.backend.is_some()), Some(false));
    assert_eq!(found.backend(5).map(|b| b.backend.is_some()), Some(true));
    assert_eq!(compiled.added.len(), 2, "a backend of weight 0 gets no endpoints");
}

#[test]
fn an_unchanged_host_is_the_same_compiled_host() {
    let (a, b) = (
        host("a", OnMiss::Default, paths(0, &["/"])),
        host("b", OnMiss::Default, paths(1, &["/"])),
    );
    let mut compiler = Compiler::default();
    let first = compiler.compile(&model(vec![Arc::clone(&a), b], None)).table;
    let b = host("b", OnMiss::Default, paths(2, &["/"]));
    let second = compiler.compile(&model(vec![b, a], None)).table;
    assert_eq!(second.version.0, first.version.0 + 1);
    let find = |table: &'_ crate::table::Table, name: &str| {
        let found = table.lookup(ListenerId::HTTP, &get(name, "/").key()).expect("a rule");
        std::ptr::from_ref(found.rule)
    };
    assert_eq!(find(&first, "a"), find(&second, "a"));
    assert_ne!(find(&first, "b"), find(&second, "b"));
}

/// Of two heads one may begin the other, none may be known, and case is none.
#[test]
fn patterns_are_tried_by_their_text_whatever_they_begin_with() {
    let texts =
        ["~(?i)^/Foo/bar/[a-z]{3}", "~(?i)^/foo/bar/bar", "~(?i)^/foo", "~^/.*/bar$", "~^/"];
    for (request, wanted) in [
        ("/foo/bar/bar", 0),
        ("/FOO/BAR/BAR", 0),
        ("/foo/bar/12", 2),
        ("/fo/bar", 3),
        ("/foo/x/bar", 3),
        ("/fo", 4),
    ] {
        let rules = paths(0, &texts);
        let found = ask(&model(vec![host("h", OnMiss::Default, rules)], None), &get("h", request));
        assert_eq!(found.map(|(rule, _)| rule), Some(wanted), "{request}");
    }
}

/// It has gates as every other, and is as if it were not there for those who ask.
#[test]
fn a_rule_for_what_nobody_claims_is_not_routed() {
    let mut rule = rule("i", 7, vec![path("/")]);
    rule.backends = vec![WeightedBackend::only(BackendTarget::Nobody)];
    let model = model(vec![host("h", OnMiss::Default, vec![rule])], None);
    let table = Compiler::default().compile(&model).table;
    let request = get("h", "/x");
    let found = table.lookup(ListenerId::HTTP, &request.key()).expect("a rule");
    assert!(found.rule.is_unclaimed && !found.is_routed);
    let slow = naive::lookup(&model, ListenerId::HTTP, &request.key()).expect("a rule");
    assert!(!slow.is_routed);
}

#[test]
fn a_pattern_that_is_there_twice_is_served_once_and_survives_the_loss_of_either() {
    for name in ["*", "a", "*.a", "**.a"] {
        let first = host(name, OnMiss::Default, paths(0, &["/"]));
        let second = host(name, OnMiss::Default, paths(1, &["/"]));
        let mut compiler = Compiler::default();
        let mut ask = |hosts: Vec<_>| {
            let table = compiler.compile(&model(hosts, None)).table;
            let asked = if name == "a" { "a" } else { "x.a" };
            let found = table.lookup(ListenerId::HTTP, &get(asked, "/").key());
            found.and_then(|found| found.rule.origin.rule)
        };
        assert!(ask(vec![Arc::clone(&first), Arc::clone(&second)]).is_some());
        assert_eq!(ask(vec![Arc::clone(&second)]), Some(1));
        assert!(ask(vec![Arc::clone(&second), Arc::clone(&first)]).is_some());
        assert_eq!(ask(vec![first]), Some(0));
        assert_eq!(ask(vec![]), None);
    }
}

#[test]
fn series_above_the_limit_share_the_overflow() {
    // Each rule needs two: one with its backend, one without.
    let count = u32::try_from(SERIES_MAX).expect("small") / 2 + 10;
    let rules = (0..count).map(|n| rule(&format!("i{n}"), n, vec![path(&format!("/{n}"))]));
    let model = model(vec![host("h", OnMiss::Default, rules.collect())], None);
    let compiled = Compiler::default().compile(&model);
    assert_eq!(compiled.series_added.len(), SERIES_MAX);
    let (overflow, _) = compiled
        .series_added
        .iter()
        .find(|(_, labels)| labels.object.name.as_ref() == "_overflow")
        .expect("it is announced");
    let series = |path: &str| {
        let found = compiled.table.lookup(ListenerId::HTTP, &get("h", path).key());
        found.expect("a rule").rule.series
    };
    assert_ne!(series("/0"), *overflow);
    assert_eq!(series(&format!("/{}", count - 1)), *overflow);
}

/// Host and path of every series but the one of all others.
fn places(model: &Model) -> BTreeSet<String> {
    let compiled = Compiler::default().compile(model);
    let own = compiled.series_added.iter().filter(|(_, of)| &*of.object.name != "_overflow");
    own.map(|(_, labels)| format!("{}{}", labels.host, labels.path)).collect()
}

#[test]
fn series_tell_hosts_and_paths_apart_where_they_shall() {
    let mut model = model(
        vec![
            host("a.example", OnMiss::Default, paths(0, &["/x", "/y/"])),
            host("*.example", OnMiss::Default, paths(1, &["/"])),
            host("*", OnMiss::Default, paths(2, &["/"])),
        ],
        None,
    );
    for (series, expected) in [
        (SeriesDetail::Backend, &[""][..]),
        (SeriesDetail::Path, &["/", "/x", "/y/"]),
        (SeriesDetail::HostAndPath, &["*.example/", "_/", "a.example/x", "a.example/y/"]),
    ] {
        model.downstream = Arc::new(Downstream { series, ..Downstream::default() });
        assert_eq!(places(&model), expected.iter().map(ToString::to_string).collect());
    }
}

#[test]
fn tables_can_be_shared_by_threads() {
    fn check<T: Send + Sync>() {}
    check::<crate::table::Table>();
    check::<Compiler>();
}
