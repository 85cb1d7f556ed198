//! What binds requests to endpoints, and what of a Service is spoken to.

use super::*;
use crate::filter::{Binding, HashBy};
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

fn hash(lowered: &Lowered) -> Option<HashBy> {
    match rules(lowered).first()?.policies.binding.as_deref()? {
        Binding::Session(_) => None,
        Binding::Hash(by) => Some(by.clone()),
    }
}

/// Fields and messages of what is told.
fn told(lowered: &Lowered) -> Vec<String> {
    let name = |field: &str| field.rsplit('/').next().unwrap_or_default().to_owned();
    lowered.problems.iter().map(|p| format!("{}: {}", name(&p.field), p.message)).collect()
}

#[test]
fn a_hash_comes_before_balance() {
    let (by, balance) = (("upstream-hash-by", "$host"), ("load-balance", "ewma"));
    let both = world(&[by, balance]);
    assert!(hash(&both).is_some());
    assert_eq!(rules(&both)[0].policies.balance, Some(Balance::PeakEwma));
    assert!(both.endpoints[0].1.ring.is_some());
    let none = world(&[balance]);
    assert!(rules(&none)[0].policies.binding.is_none());
    assert!(none.endpoints[0].1.ring.is_none(), "nobody needs it");
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
        ("load-balance", "least_connections", "is taken for round_robin"),
        ("load-balance", "chash", "is taken for round_robin"),
        ("service-upstream", "yes", "it is no truth value"),
    ] {
        let lowered = world(&[(name, value)]);
        assert!(rules(&lowered)[0].policies.binding.is_none());
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
