//! What owners are told besides what became of their own object: who else has a host of theirs, and
//! whether the Gateway API that is installed is known.

use super::*;
use crate::control::definition::CustomResourceDefinition;
use crate::control::source::object::{Object, SourceObject};
use crate::limits::OVERLAPS_TOLD_MAX;

/// Reason, object and message of each problem.
fn problems(lowered: &Lowered) -> Vec<String> {
    let of_overlap = |problem: &&Arc<Problem>| problem.reason.word().starts_with("Overshadow");
    let line = |problem: &Arc<Problem>| {
        let object = problem.object.as_ref().expect("an object");
        format!("{} {object}: {}", problem.reason, problem.message)
    };
    lowered.problems.iter().filter(of_overlap).map(line).collect()
}

/// The message of `Accepted` of each route of which something was told.
fn accepted(lowered: &Lowered) -> Vec<&str> {
    let messages = lowered.outcomes.iter().filter_map(|(_, outcome)| match outcome {
        Outcome::Status(status) => match &status.content {
            Content::Parents { parents, .. } => {
                Some(&*parents.first()?.conditions.first()?.message)
            }
            _ => None,
        },
        _ => None,
    });
    messages.collect()
}

#[test]
fn who_shares_a_host_is_told_who_has_it() {
    let flag = EntryPoint { address: ([127, 0, 0, 1], 80).into(), scheme: Scheme::Http };
    let mut world = World::new(LowerOptions { entry_points: vec![flag], ..options() });
    let text = gateway(&[
        "name: http, protocol: HTTP, port: 80",
        "name: more, protocol: HTTP, port: 8080",
    ]) + &route("r", "hostnames: [a.example, b.example, c.example]")
        + SERVICE;
    let lowered = world.apply(changes(&text));
    assert_eq!((problems(&lowered), accepted(&lowered)), (vec![], vec![""]));

    // One whose name is another one, and another path of the same host.
    world.apply(changes(&ingress("other", "", "d.example", "/")));
    let lowered = world.apply(changes(&ingress("one", "2025", "b.example", "/path")));
    let of_route = "Ingress default/one has all requests for b.example at port 80; name a host in \
                    one of both.";
    let of_ingress = "Overshadows Ingress default/one: HTTPRoute shop/r wants b.example at port \
                      80, too, and gets none of it.";
    let both = [format!("Overshadowed HTTPRoute shop/r: {of_route}"), of_ingress.to_owned()];
    assert_eq!(problems(&lowered), both);
    assert_eq!(accepted(&lowered), [of_route]);
    // The same again is nothing new.
    let lowered = world.apply(changes(&ingress("one", "2025", "b.example", "/other")));
    assert_eq!((problems(&lowered), accepted(&lowered)), (both.to_vec(), vec![]));

    let lowered = world.apply(changes(&ingress("two", "2026", "a.example", "/")));
    let [told] = accepted(&lowered)[..] else { panic!("one route") };
    assert!(told.starts_with("Ingress default/two has all requests for a.example"), "{told}");
    assert!(told.contains("and 1 more of its hosts and ports belong to Ingresses"), "{told}");

    // Each of them is told.
    let ingresses = |lowered: &Lowered| {
        let told = problems(lowered).into_iter();
        told.filter(|told| told.starts_with("Overshadows ")).collect::<Vec<_>>()
    };
    assert_eq!(ingresses(&lowered).len(), 2);

    let gone = ["one", "two"].map(|name| Change::Delete(reference(Kind::Ingress, "default", name)));
    let lowered = world.apply(gone.to_vec());
    assert_eq!((problems(&lowered), accepted(&lowered)), (vec![], vec![""]));

    // A route that comes later is told as well, and one without hostnames of a host of all.
    let lowered = world.apply(changes(
        &(route("late", "hostnames: [d.example]")
            + &ingress("all", "", "", "/").replace("host: \"\"\n    http", "http")
            + &route("any", "")),
    ));
    let told = accepted(&lowered);
    assert!(told.iter().any(|told| told.contains("Ingress default/other has")), "{told:?}");
    assert!(told.iter().any(|told| told.contains("requests for every other host")), "{told:?}");

    // Of a wildcard an Ingress has the names of one label.
    world.apply(changes(&route("wide", "hostnames: ['*.wide.example']")));
    let lowered = world.apply(changes(&ingress("wide", "", "*.wide.example", "/")));
    let [told] = accepted(&lowered)[..] else { panic!("one route") };
    assert!(told.starts_with("Ingress default/wide has all requests for *.wide.example (one lab"));
    let many: String = (0..OVERLAPS_TOLD_MAX + 1)
        .map(|n| ingress(&format!("many{n}"), "", &format!("h{n}.many.example"), "/"))
        .collect();
    let hosts: Vec<_> = (0..OVERLAPS_TOLD_MAX + 1).map(|n| format!("h{n}.many.example")).collect();
    let many = many + &route("many", &format!("hostnames: [{}]", hosts.join(", ")));
    let lowered = world.apply(changes(&many));
    let told = ingresses(&lowered).into_iter().filter(|told| told.contains("shop/many"));
    assert_eq!(told.count(), OVERLAPS_TOLD_MAX);
}

/// Where a Gateway has addresses of its own nobody else has a host of it.
#[test]
fn gateways_with_addresses_share_nothing() {
    let text = gateway(&["name: http, protocol: HTTP, port: 80"])
        + &route("r", "hostnames: [a.example]")
        + &ingress("one", "", "a.example", "/")
        + SERVICE;
    assert_eq!(problems(&in_range().apply(changes(&text))), [""; 0]);
}

fn definition(name: &str, version: Option<&str>) -> Change {
    let mut object = CustomResourceDefinition::default();
    let key = "gateway.networking.k8s.io/bundle-version".to_owned();
    object.metadata.annotations =
        version.map(|version| [(key, version.to_owned())].into_iter().collect());
    let reference = reference(Kind::CustomResourceDefinition, "", name);
    let object = Object::CustomResourceDefinition(Arc::new(object));
    Change::Apply(Box::new(SourceObject { reference, object, provenance: None }))
}

#[test]
fn a_class_says_whether_the_installed_api_is_known() {
    const GATEWAYS: &str = "gateways.gateway.networking.k8s.io";
    let mut world = in_range();
    let lowered = world.apply(changes(&gateway(&["name: http, protocol: HTTP, port: 80"])));
    assert_eq!(told(&lowered)[0], "edge 3: Accepted=Accepted");
    let mut step = |change| {
        let lowered = world.apply(vec![change]);
        assert!(lowered.model.is_none());
        told(&lowered)
    };
    let good = ["edge 3: Accepted=Accepted SupportedVersion=SupportedVersion"];
    let bad = ["edge 3: Accepted=Accepted !SupportedVersion=UnsupportedVersion"];
    assert_eq!(step(definition("certificates.cert-manager.io", Some("v9"))), [""; 0]);
    assert_eq!(step(definition(GATEWAYS, Some("v1.6.1"))), good);
    assert_eq!(step(definition("httproutes.gateway.networking.k8s.io", Some("v1.6.0"))), [""; 0]);
    assert_eq!(step(definition("xmeshes.gateway.networking.x-k8s.io", Some("v1.3.0"))), bad);
    assert_eq!(step(definition("xmeshes.gateway.networking.x-k8s.io", Some("v1.6.1"))), good);
    assert_eq!(step(definition(GATEWAYS, None)), bad);
    let gone = Change::Delete(reference(Kind::CustomResourceDefinition, "", GATEWAYS));
    assert_eq!(step(gone), good);
}
