//! What the paths of a host mean: text, or expressions all together; and what stands beside them.

use super::*;
use crate::filter::{Filter, PathEdit};

/// An Ingress of the host `h` with annotations and paths to `web:80`, each `TYPE path`: E, P or I.
fn of(name: &str, created: &str, annotations: &[(&str, &str)], paths: &[&str]) -> String {
    let annotations: Vec<_> = annotations
        .iter()
        .map(|(name, value)| format!("nginx.ingress.kubernetes.io/{name}: {value:?}"))
        .collect();
    let paths: Vec<_> = paths
        .iter()
        .map(|path| {
            let (kind, path) = path.split_once(' ').expect("a type");
            let kind = match kind {
                "E" => "Exact",
                "P" => "Prefix",
                _ => "ImplementationSpecific",
            };
            format!(
                "{{path: {path:?}, pathType: {kind}, backend: {{service: {{name: web, port: \
                 {{number: 80}}}}}}}}"
            )
        })
        .collect();
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {name}, \
         namespace: {name}, creationTimestamp: \"{created}-01-01T00:00:00Z\", annotations: \
         {{{}}}}}\nspec: {{rules: [{{host: h, http: {{paths: [{}]}}}}]}}\n",
        annotations.join(", "),
        paths.join(", ")
    )
}

/// `path` of each rule, with `!` if it is refused, `>` and where it is redirected to, `*` if its
/// path is replaced, `?` if nobody claims it; then the reasons of what is told.
fn meaning(text: &str) -> (Vec<String>, Vec<String>) {
    let lowered = lower(text);
    let hosts = &lowered.model.as_ref().expect("a model").listeners[0].hosts;
    let reasons = reasons(&lowered);
    let told = reasons.iter().map(|told| told.split(' ').next().map(str::to_owned));
    let rules = hosts.iter().flat_map(|host| &host.rules).map(|rule| {
        let path = match &rule.matches[0].path {
            PathMatch::Exact(path) => format!("={path}"),
            PathMatch::Prefix(path) => path.to_string(),
            PathMatch::Regex(pattern) => {
                let source = pattern.source().strip_prefix("(?i)").expect("no case");
                match pattern.text() {
                    text if format!("^{text}") == source => format!("~{text}"),
                    text => format!("~{text} as {source}"),
                }
            }
        };
        let redirect = rule.filters.iter().find_map(|filter| match filter {
            Filter::Redirect(redirect) => match (redirect.status, &redirect.path) {
                (301, Some(PathEdit::Full(to))) => Some(format!(" > {to}")),
                other => panic!("{other:?}"),
            },
            Filter::Edit(_) => None,
        });
        let is = |is: bool, sign: &str| if is { sign.to_owned() } else { String::new() };
        let refused = is(rule.policies.refusal.is_some(), " !");
        let replaced = is(rule.policies.replacement.is_some(), " *");
        path + &redirect.unwrap_or_default() + &refused + &replaced + &is(rule.is_unclaimed(), " ?")
    });
    (rules.collect(), told.map(Option::unwrap_or_default).collect())
}

#[track_caller]
fn check(texts: &[String], rules: &[&str], told: &[&str]) {
    let (found, found_told) = meaning(&texts.concat());
    assert_eq!(found, rules, "{texts:?}");
    assert_eq!(found_told, told, "{texts:?}");
}

const REGEX: &[(&str, &str)] = &[("use-regex", "true")];
const REWRITE: &[(&str, &str)] = &[("rewrite-target", "/$1")];

#[test]
fn one_that_asks_makes_expressions_of_all_paths_of_the_host() {
    let plain = |created: &str| of("a", created, &[], &["P /foo", "E /bar", "I /x"]);
    check(&[plain("2024")], &["/foo", "=/bar", "/x"], &[]);
    for (created, annotations, more) in
        [("2025", REGEX, &[][..]), ("2023", REGEX, &[]), ("2025", REWRITE, &[])]
    {
        let other = of("b", created, annotations, &["I /y/(.*)"]);
        let (mut rules, told) = meaning(&(plain("2024") + &other));
        rules.sort();
        let asked = if annotations == REWRITE { "~/y/(.*) *" } else { "~/y/(.*)" };
        let mut expected = vec!["~/foo", "~/bar", "~/x", asked];
        expected.extend_from_slice(more);
        expected.sort_unstable();
        assert_eq!(rules, expected);
        assert!(told.is_empty(), "{told:?}");
    }
    // Whoever lost every path asks nothing.
    let lost = of("b", "2025", REGEX, &["P /foo"]);
    check(&[plain("2024"), lost], &["/foo", "=/bar", "/x"], &["PathConflict"]);
    check(&[of("a", "2024", &[("use-regex", "false")], &["I /a.b"])], &["/a.b"], &[]);
}

#[test]
fn a_target_that_is_the_path_rewrites_nothing() {
    let same: &[(&str, &str)] = &[("rewrite-target", "/same")];
    check(&[of("a", "2024", same, &["E /same", "P /"])], &["~/same", "~/ *"], &[]);
    let rest = of("b", "2025", &[], &["P /"]);
    check(&[of("a", "2024", same, &["E /same"]), rest.clone()], &["=/same", "/"], &[]);
    check(&[of("a", "2024", same, &["P /same"]), rest], &["/same", "/"], &[]);
    // What nobody claims is rewritten as the oldest says.
    check(&[of("a", "2024", same, &["E /same"])], &["~/same", "~/ * ?"], &[]);
    let root: &[(&str, &str)] = &[("rewrite-target", "/")];
    check(&[of("a", "2024", root, &["P /api"])], &["~/api *"], &[]);
}

#[test]
fn a_prefix_beside_an_exact_path_is_what_is_below() {
    let plain = of("a", "2024", &[], &["E /foo", "P /foo", "P /foo/"]);
    let other = of("b", "2025", REGEX, &["I /x"]);
    let rules = ["~/foo", "~/foo as ^/foo/", "~/foo/", "~/x"];
    check(&[plain, other], &rules, &[]);
    // Not of one who writes expressions.
    check(&[of("a", "2024", REGEX, &["E /foo", "P /foo"])], &["~/foo", "~/foo"], &[]);
}

#[test]
fn what_cannot_be_an_expression_is_told_and_gets_503() {
    for path in ["/a(?!b)", "/a(", "/a\\1"] {
        let ingress = of("a", "2024", REGEX, &[&format!("I {path}"), "P /x"]);
        check(&[ingress], &["~ as ^/a !", "~/x"], &["RegexPath"]);
        // It may be another's wish that it is one.
        let plain = of("a", "2024", &[], &[&format!("I {path}")]);
        let other = of("b", "2025", REGEX, &["P /x"]);
        check(&[plain, other], &["~ as ^/a !", "~/x"], &["RegexPath"]);
    }
    let named: &[(&str, &str)] = &[("rewrite-target", "/$name")];
    check(
        &[of("a", "2024", named, &["I /(?<name>.*)", "I /x", "P /"])],
        &["~/(?<name>.*) *", "~ as ^/x ! *", "~ as ^/ ! *"],
        &["RegexPath", "RegexPath"],
    );
}

#[test]
fn what_no_request_has_is_known_with_the_host() {
    let odd = of("a", "2024", &[], &["I /app/?(.*)", "P /x"]);
    check(std::slice::from_ref(&odd), &["/x"], &["InvalidPath"]);
    check(&[odd, of("b", "2025", REGEX, &["P /y"])], &["~/app/?(.*)", "~/x", "~/y"], &[]);
}

#[test]
fn what_lacks_but_its_slash_is_redirected() {
    let redirected = ["/foo/", "=/bar/", "=/foo > /foo/", "=/bar > /bar/"];
    check(&[of("a", "2024", &[], &["P /foo/", "E /bar/"])], &redirected, &[]);
    for other in ["E /foo", "P /foo"] {
        let (rules, _) =
            meaning(&(of("a", "2024", &[], &["P /foo/"]) + &of("b", "2025", &[], &[other])));
        assert!(!rules.iter().any(|rule| rule.contains('>')), "{rules:?}");
    }
    check(&[of("a", "2024", &[], &["P /"])], &["/"], &[]);
    check(&[of("a", "2024", REGEX, &["P /foo/"])], &["~/foo/"], &[]);
    let both = of("a", "2024", &[], &["E /foo/", "P /foo/"]);
    check(&[both], &["=/foo/", "/foo/", "=/foo > /foo/"], &[]);
}

#[test]
fn what_nobody_claims_is_the_oldest_ones() {
    let wants: &[(&str, &str)] = &[("upstream-vhost", "inner")];
    let old = of("a", "2024", wants, &["P /x"]);
    check(std::slice::from_ref(&old), &["/x", "/ ?"], &[]);
    check(&[old.clone(), of("b", "2025", &[], &["P /"])], &["/x", "/"], &[]);
    check(&[old.clone(), of("b", "2023", &[], &["P /y"])], &["/y", "/x"], &[]);
    // Without a host there are others' requests as well.
    check(&[old.replace("host: h, ", "")], &["/x"], &[]);
}
