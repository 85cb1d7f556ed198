//! Who wins a host and path, whatever the order of arrival.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, expected: &[&str], problems: &[&str]) {
    let lowered = lower(text);
    assert_eq!(routes(lowered.model.as_ref().expect("a model")), expected, "{text}");
    let conflicts = lowered.problems.iter().filter(|p| p.reason != "ServiceMissing");
    let found: Vec<_> = conflicts
        .map(|p| format!("{}: {}", p.object.as_ref().map_or("", |o| &*o.name), p.message))
        .collect();
    assert_eq!(found, problems, "{text}");
}

#[test]
fn the_older_ingress_wins_and_the_loser_is_told_by_whom() {
    let young = ingress("a", "2025", "h", "/x");
    let old = ingress("b", "2024", "h", "/x");
    check(
        &format!("{young}{old}"),
        &["h /x -> default/web:80 (b)"],
        &["a: host h path /x (Prefix) is already taken by Ingress default/b at f:20, which \
             is older, or as old and first by name."],
    );
}

#[test]
fn equal_age_is_decided_by_namespace_and_name() {
    let a = ingress("a", "2024", "h", "/x");
    let b = ingress("b", "2024", "h", "/x");
    let expected = ["h /x -> default/web:80 (a)"];
    for text in [format!("{a}{b}"), format!("{b}{a}")] {
        assert_eq!(routes(&lower(&text).model.expect("a model")), expected);
    }
    let without_age = ingress("z", "", "h", "/x");
    let model = lower(&format!("{a}{without_age}")).model.expect("a model");
    assert_eq!(routes(&model), ["h /x -> default/web:80 (z)"]);
}

#[test]
fn prefixes_that_differ_by_a_slash_do_not_contend() {
    let young = ingress("a", "2025", "h", "/x");
    let old = ingress("b", "2024", "h", "/x/");
    let expected = ["h /x/ -> default/web:80 (b)", "h /x -> default/web:80 (a)"];
    check(&format!("{young}{old}"), &expected, &[]);
}

#[test]
fn exact_and_prefix_do_not_contend_and_implementation_specific_is_prefix() {
    let prefix = ingress("a", "2024", "h", "/x");
    let exact = ingress("b", "2025", "h", "/x").replace("Prefix", "Exact");
    let specific = ingress("c", "2025", "h", "/x").replace("Prefix", "ImplementationSpecific");
    check(
        &format!("{prefix}{exact}{specific}"),
        &["h /x -> default/web:80 (a)", "h =/x -> default/web:80 (b)"],
        &["c: host h path /x (Prefix) is already taken by Ingress default/a at f:10, which \
             is older, or as old and first by name."],
    );
}

#[test]
fn the_same_path_twice_in_one_ingress_is_told() {
    let text = ingress("a", "", "h", "/x");
    let path = text.lines().last().expect("a path");
    check(
        &format!("{text}{path}\n"),
        &["h /x -> default/web:80 (a)"],
        &["a: host h path /x (Prefix) is already taken by Ingress default/a at f:10, \
           which comes first."],
    );
}

#[test]
fn the_oldest_ingress_of_a_host_names_its_default_backend() {
    let with = |text: String, name: &str| {
        let backend =
            format!("defaultBackend: {{service: {{name: {name}, port: {{number: 80}}}}}}");
        text.replace("spec:\n", &format!("spec:\n  {backend}\n"))
    };
    let old = with(ingress("a", "2024", "h", "/x"), "da");
    let young = with(ingress("b", "2025", "h", "/y"), "db");
    check(
        &format!("{young}{old}"),
        &["h /x -> default/web:80 (a)", "h /y -> default/web:80 (b)", "h / -> default/da:80 (a)"],
        &["b: it is not used for host h, which an older Ingress claims first."],
    );
}

/// Twelve Ingresses that contend for few hosts and paths.
fn contenders() -> Vec<Change> {
    let text: String = (0..12)
        .map(|n| {
            let host = ["h", "*.h.example", ""][n % 3];
            let year = ["2023", "2024", ""][n / 4 % 3];
            ingress(&format!("i{n}"), year, host, ["/x", "/y/", "/"][n / 2 % 3])
        })
        .collect();
    changes(&text)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However objects arrive, and whatever came and went in between, the result is the same.
    #[test]
    fn the_result_does_not_depend_on_the_order(
        order in Just(contenders()).prop_shuffle(),
        batch in 1_usize..5,
        comes_and_goes in proptest::collection::vec(0_usize..12, 0..6),
    ) {
        let expected = World::new(options()).apply(contenders());
        let mut world = World::new(options());
        let mut last = None;
        for changes in order.chunks(batch) {
            last = world.apply(changes.to_vec()).model.or(last);
        }
        for index in comes_and_goes {
            let Change::Apply(object) = &order[index] else { unreachable!("only applied") };
            world.apply(vec![Change::Delete(object.reference.clone())]);
            last = world.apply(vec![order[index].clone()]).model.or(last);
        }
        let lowered = world.apply(Vec::new());
        let text = |problems: &[Arc<Problem>]| -> Vec<String> {
            problems.iter().map(ToString::to_string).collect()
        };
        let (model, last) = (expected.model.expect("a model"), last.expect("a model"));
        prop_assert_eq!(routes(&model), routes(&last));
        prop_assert_eq!(text(&expected.problems), text(&lowered.problems));
    }
}
