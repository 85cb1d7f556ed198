//! What binds requests to endpoints, and what of a Service is spoken to.

use super::*;
use crate::filter::{Binding, HashBy, SessionCookie};
use crate::model::{Balance, Rule};

/// The Service `web` with an address of its own and two endpoints.
fn service(spec: &str, uid: &str, endpoints: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: web{uid}}}\nspec: {{{spec}, \
         ports: [{{name: http, port: 80, targetPort: 8080}}]}}\n\
         ---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{name: web-1, labels: {{kubernetes.io/service-name: web}}}}\n\
         addressType: IPv4\nports: [{{name: http, port: 8080}}]\n\
         endpoints: [{{addresses: [{endpoints}]}}]\n"
    )
}

/// An Ingress `name` to that, with paths that share the annotations.
fn with(name: &str, annotations: &[(&str, &str)], port: &str, paths: &[&str]) -> String {
    let annotations = annotations
        .iter()
        .map(|(name, value)| format!("nginx.ingress.kubernetes.io/{name}: \"{value}\""));
    let annotations = annotations.collect::<Vec<_>>().join(", ");
    let paths = paths.iter().map(|path| {
        format!(
            "{{path: \"{path}\", pathType: ImplementationSpecific, \
             backend: {{service: {{name: web, port: {{{port}}}}}}}}}"
        )
    });
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\n\
         metadata: {{name: {name}, annotations: {{{annotations}}}}}\n\
         spec: {{rules: [{{host: {name}.example, http: {{paths: [{}]}}}}]}}\n",
        paths.collect::<Vec<_>>().join(", ")
    )
}

fn rules(lowered: &Lowered) -> Vec<Arc<Rule>> {
    let model = lowered.model.as_ref().expect("a model");
    let hosts = model.listeners.iter().flat_map(|listener| &listener.hosts);
    hosts.flat_map(|host| host.rules.iter().cloned()).collect()
}

fn world(annotations: &[(&str, &str)]) -> Lowered {
    let web = service("clusterIP: 10.96.0.1", "", "10.0.0.1, 10.0.0.2");
    lower(&(web + &with("i", annotations, "number: 80", &["/"])))
}

fn cookie(lowered: &Lowered) -> Option<SessionCookie> {
    match rules(lowered).first()?.policies.binding.as_deref()? {
        Binding::Session(cookie) => Some(cookie.clone()),
        Binding::Hash(_) | Binding::Header(_) => None,
    }
}

fn hash(lowered: &Lowered) -> Option<HashBy> {
    match rules(lowered).first()?.policies.binding.as_deref()? {
        Binding::Session(_) | Binding::Header(_) => None,
        Binding::Hash(by) => Some(by.clone()),
    }
}

/// Fields and messages of what is told.
fn told(lowered: &Lowered) -> Vec<String> {
    let name = |field: &str| field.rsplit('/').next().unwrap_or_default().to_owned();
    lowered.problems.iter().map(|p| format!("{}: {}", name(&p.field), p.message)).collect()
}

#[test]
fn cookies_are_what_annotations_say() {
    let text = |annotations: &[(&str, &str)]| {
        let annotations = [&[("affinity", "cookie")], annotations].concat();
        let lowered = world(&annotations);
        (format!("{:?}", cookie(&lowered).expect("a cookie")), told(&lowered))
    };
    let (plain, problems) = text(&[]);
    assert_eq!(problems, [""; 0]);
    for (name, value, expected) in [
        ("session-cookie-name", "route", "name: \"route\""),
        ("session-cookie-name", "", "name: \"INGRESSCOOKIE\""),
        ("affinity-mode", "persistent", "mode: Persistent"),
        ("affinity-mode", "balanced", "mode: Balanced"),
        ("session-cookie-path", "/x/y", "path: Some(\"/x/y\")"),
        ("session-cookie-domain", "a.example", "domain: Some(\"a.example\")"),
        ("session-cookie-expires", "172800", "expires: Some(172800)"),
        ("session-cookie-expires", "-1", "expires: Some(-1)"),
        ("session-cookie-max-age", "0", "max_age: Some(0)"),
        ("session-cookie-samesite", "Lax", "same_site: Some(Lax)"),
        ("session-cookie-samesite", "strict", "same_site: Some(Strict)"),
        ("session-cookie-samesite", "None", "same_site: Some(None)"),
        ("session-cookie-secure", "true", "secure: Always"),
        ("session-cookie-secure", "false", "secure: OverHttps"),
        ("session-cookie-change-on-failure", "true", "on_failure: Changed"),
    ] {
        let (cookie, problems) = text(&[(name, value)]);
        assert!(cookie.contains(expected), "{name}: {value}: {cookie}");
        assert_eq!(problems, [""; 0], "{name}: {value}");
    }
    let conditional = ("session-cookie-conditional-samesite-none", "true");
    let (cookie, _) = text(&[("session-cookie-samesite", "None"), conditional]);
    assert!(cookie.contains("same_site: Some(NoneWhereKnown)"), "{cookie}");
    let long = "x".repeat(1025);
    for (name, value, why) in [
        ("session-cookie-name", "a b", "it has other characters than a cookie may have there"),
        ("session-cookie-name", "a;b", "it has other characters than a cookie may have there"),
        ("session-cookie-name", "a=b", "it has other characters than a cookie may have there"),
        ("session-cookie-name", &long, "or more than 1024"),
        ("session-cookie-path", "/a;b", "it has other characters than a cookie may have there"),
        ("session-cookie-path", "/a b", "it has other characters than a cookie may have there"),
        ("session-cookie-domain", "a,b", "it has other characters than a cookie may have there"),
        ("session-cookie-expires", "1h", "it is no number of seconds"),
        ("session-cookie-expires", "+1", "it is no number of seconds"),
        ("session-cookie-max-age", "99999999999", "it is no number of seconds"),
        ("session-cookie-samesite", "all", "it is none of those"),
        ("session-cookie-secure", "yes", "it is no truth value"),
        ("session-cookie-change-on-failure", "2", "it is no truth value"),
        ("session-cookie-conditional-samesite-none", "on", "it is no truth value"),
        ("affinity-mode", "Persistent", "is taken for balanced"),
        ("affinity-canary-behavior", "none", "is taken for sticky"),
    ] {
        let (cookie, problems) = text(&[(name, value)]);
        assert_eq!(cookie, plain, "{name}: {value}");
        let [problem] = &*problems else { panic!("{name}: {value}: {problems:?}") };
        assert!(problem.starts_with(name) && problem.contains(why), "{problem}");
    }
    let other = world(&[("affinity", "ip")]);
    assert!(rules(&other)[0].policies.binding.is_none());
    assert_eq!(told(&other), ["affinity: \"ip\" cannot be used: the only kind is cookie."]);
}

#[test]
fn a_cookie_is_for_the_path_of_its_rule_and_its_backend() {
    let text = service("clusterIP: None", "", "10.0.0.1")
        + &with("i", &[("affinity", "cookie")], "number: 80", &["/", "/shop"]);
    let rules = rules(&lower(&text));
    let paths = rules.iter().map(|rule| match rule.policies.binding.as_deref() {
        Some(Binding::Session(cookie)) => cookie.path.clone(),
        other => panic!("{other:?}"),
    });
    assert_eq!(paths.collect::<Vec<_>>(), [Some("/".into()), Some("/shop".into())]);
    let tags: Vec<_> = rules.iter().map(|rule| rule.backends[0].tag.as_deref()).collect();
    assert_eq!(tags, [Some("6cde5721ec2c7e2bce07cff7d0e4ac37"); 2]);
}

#[test]
fn of_expressions_a_cookie_needs_a_path_of_its_own() {
    let of = |annotations: &[(&str, &str)]| {
        let needed = [("affinity", "cookie"), ("use-regex", "true")];
        let problems = told(&world(&[&needed, annotations].concat()));
        problems.into_iter().filter(|problem| problem.starts_with("affinity")).count()
    };
    assert_eq!(of(&[]), 1);
    assert_eq!(of(&[("session-cookie-path", "/x")]), 0);
}

#[test]
fn affinity_comes_before_a_hash_and_a_hash_before_balance() {
    let (affinity, by, balance) =
        (("affinity", "cookie"), ("upstream-hash-by", "$host"), ("load-balance", "ewma"));
    let all = world(&[affinity, by, balance]);
    assert!(cookie(&all).is_some());
    assert_eq!(rules(&all)[0].policies.balance, Some(Balance::PeakEwma));
    assert!(hash(&world(&[by, balance])).is_some());
    let none = world(&[balance]);
    assert!(rules(&none)[0].policies.binding.is_none());
    assert!(none.endpoints[0].1.ring.is_none(), "nobody needs it");
    assert!(all.endpoints[0].1.ring.is_some());
}

#[test]
fn a_hash_is_of_a_text() {
    for (annotations, group) in [
        (&[][..], 1),
        (&[("upstream-hash-by-subset", "false")], 1),
        (&[("upstream-hash-by-subset-size", "5")], 1),
        (&[("upstream-hash-by-subset", "true")], 3),
        (&[("upstream-hash-by-subset", "true"), ("upstream-hash-by-subset-size", "5")], 5),
    ] {
        let by = ("upstream-hash-by", "${arg_user}-x$http_x_team");
        let lowered = world(&[&[by], annotations].concat());
        let by = hash(&lowered).expect("a hash");
        assert_eq!(by.group.get(), group, "{annotations:?}");
        assert_eq!(by.text.variables().count(), 2);
        assert_eq!(told(&lowered), [""; 0]);
    }
    for (name, value, why) in [
        ("upstream-hash-by", "$nothing", "the variable $nothing is not known"),
        ("upstream-hash-by", "$1", "no expression captures anything"),
        ("upstream-hash-by", "$host/x", "it has other characters"),
        ("upstream-hash-by", "$", "a $ has no name"),
        ("upstream-hash-by-subset-size", "0", "it is no number of endpoints, and 3 counts"),
        ("upstream-hash-by-subset-size", "65", "it is no number of endpoints, and 3 counts"),
        ("upstream-hash-by-subset-size", "-1", "it is no number of endpoints, and 3 counts"),
        ("load-balance", "least_connections", "it is neither round_robin nor ewma"),
        ("load-balance", "chash", "is taken for round_robin"),
        ("service-upstream", "yes", "it is no truth value"),
    ] {
        let lowered = world(&[(name, value)]);
        assert!(rules(&lowered).iter().all(|rule| rule.policies.binding.is_none()));
        let problems = told(&lowered);
        let [problem] = &*problems else { panic!("{name}: {value}: {problems:?}") };
        assert!(problem.starts_with(name) && problem.contains(why), "{problem}");
    }
}

#[test]
fn a_service_stands_for_its_endpoints_if_it_has_an_address() {
    let yes = [("service-upstream", "true")];
    for (spec, annotations, port, expected) in [
        ("clusterIP: 10.96.0.1", &yes[..], "number: 80", "10.96.0.1:80"),
        ("clusterIP: 10.96.0.1", &yes, "name: http", "10.96.0.1:80"),
        ("clusterIP: 10.96.0.1", &yes, "number: 8080", "10.96.0.1:80"),
        ("clusterIP: \"fd00::1\"", &yes, "number: 80", "[fd00::1]:80"),
        ("clusterIP: 10.96.0.1", &[("service-upstream", "false")], "number: 80", "10.0.0.1:8080"),
        ("clusterIP: 10.96.0.1", &[], "number: 80", "10.0.0.1:8080"),
        ("clusterIP: None", &yes, "number: 80", "10.0.0.1:8080"),
        ("clusterIP: \"\"", &yes, "number: 80", "10.0.0.1:8080"),
        // Nobody means the host itself.
        ("clusterIP: 127.0.0.1", &yes, "number: 80", "10.0.0.1:8080"),
    ] {
        let text = service(spec, "", "10.0.0.1") + &with("i", annotations, port, &["/"]);
        let lowered = lower(&text);
        let [(_, set)] = &*lowered.endpoints else { panic!("{:?}", lowered.endpoints) };
        let addresses: Vec<_> = set.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, [expected], "{spec} {port}");
        assert_eq!(told(&lowered), [""; 0]);
    }
    let text =
        service("clusterIP: 10.96.0.1", "", "10.0.0.1") + &with("i", &yes, "number: 81", &["/"]);
    let why = "the Service has no such port; it has 80 (http); its requests get status 503.";
    assert!(told(&lower(&text))[0].ends_with(why));
    // Whoever is ready is for others to know, and both ways may be wanted at a time.
    let both = with("i", &yes, "number: 80", &["/"]) + &with("j", &[], "number: 80", &["/"]);
    let text = service("clusterIP: 10.96.0.1", "", "") + &both;
    let lowered = lower(&text);
    let expected = ["default/web:80 = ", "default/web:80 = 10.96.0.1:80"];
    assert_eq!(endpoints(&lowered), expected);
}

/// Sessions outlive all but the Service, and nothing tells what they are called by.
#[test]
fn endpoints_are_called_by_what_only_the_cluster_knows() {
    let names = |uid: &str, addresses: &str| {
        let text = service("clusterIP: None", uid, addresses)
            + &with("i", &[("upstream-hash-by", "$host")], "number: 80", &["/"]);
        let lowered = lower(&text);
        let set = Arc::clone(&lowered.endpoints[0].1);
        let ring = set.ring.as_ref().expect("a ring");
        let names = set.addresses.iter().enumerate().map(|(at, a)| (a.ip(), ring.name(at)));
        names.collect::<BTreeMap<_, _>>()
    };
    let (one, two) = (", uid: 11111111-1111-4111-8111-111111111111", ", uid: other");
    let of_one = names(one, "10.0.0.1, 10.0.0.2");
    let of_more = names(one, "10.0.0.0, 10.0.0.1, 10.0.0.2, 10.0.0.3");
    assert!(of_one.iter().all(|(address, name)| of_more.get(address) == Some(name)));
    let of_two = names(two, "10.0.0.1, 10.0.0.2");
    assert!(of_one.iter().all(|(address, name)| of_two.get(address) != Some(name)));
    let distinct: BTreeSet<_> = of_more.values().collect();
    assert_eq!(distinct.len(), of_more.len());
}

#[test]
fn a_ring_comes_and_goes_with_its_users() {
    let has_ring = |lowered: &Lowered| match &*lowered.endpoints {
        [] => None,
        [(_, set)] => Some(set.ring.is_some()),
        more => panic!("{more:?}"),
    };
    let plain = with("i", &[], "number: 80", &["/"]);
    let bound = with("j", &[("upstream-hash-by", "$host")], "number: 80", &["/"]);
    let mut world = World::new(options());
    let web = service("clusterIP: None", "", "10.0.0.1");
    assert_eq!(has_ring(&world.apply(changes(&(web + &plain)))), Some(false));
    assert_eq!(has_ring(&world.apply(changes(&bound))), Some(true));
    // The same again is no change.
    let same = service("clusterIP: None", "", "10.0.0.1");
    assert_eq!(has_ring(&world.apply(changes(&same))), None);
    let other = with("j", &[], "number: 80", &["/"]);
    assert_eq!(has_ring(&world.apply(changes(&other))), Some(false));
}
