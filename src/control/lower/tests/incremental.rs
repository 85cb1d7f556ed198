//! What a change rebuilds and what it leaves alone.

use super::*;
use crate::control::lower::backends::service::service_ref;
use crate::control::outcomes::Outcome;
use crate::control::source::Object;

fn hosts(lowered: &Lowered) -> BTreeMap<String, Arc<crate::model::Host>> {
    let model = lowered.model.as_ref().expect("a model");
    let hosts = model.listeners.iter().flat_map(|l| &l.hosts);
    hosts.map(|host| (host.pattern.to_string(), Arc::clone(host))).collect()
}

#[test]
fn a_changed_ingress_rebuilds_its_own_hosts_alone() {
    let mut world = World::new(options());
    let (a, b) = (ingress("a", "", "a.example", "/"), ingress("b", "", "b.example", "/"));
    let before = hosts(&world.apply(changes(&format!("{a}{b}"))));
    let after = hosts(&world.apply(changes(&ingress("a", "", "a.example", "/x"))));
    assert!(Arc::ptr_eq(&before["b.example"], &after["b.example"]));
    assert!(!Arc::ptr_eq(&before["a.example"], &after["a.example"]));
    let moved = hosts(&world.apply(changes(&ingress("a", "", "c.example", "/x"))));
    assert_eq!(moved.keys().map(String::as_str).collect::<Vec<_>>(), ["b.example", "c.example"]);
}

#[test]
fn endpoints_change_without_a_new_model() {
    let mut world = World::new(options());
    let service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\n\
                   spec: {ports: [{port: 80}]}\n";
    let slice = |address: &str| {
        format!(
            "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {{name: web-1, labels: {{kubernetes.io/service-name: web}}}}\n\
             addressType: IPv4\nports: [{{port: 80}}]\nendpoints: [{{addresses: [{address}]}}]\n"
        )
    };
    let first = ingress("a", "", "h", "/");
    let lowered = world.apply(changes(&format!("{first}{service}{}", slice("10.0.0.1"))));
    assert_eq!(endpoints(&lowered), ["default/web:80 = 10.0.0.1:80"]);
    let lowered = world.apply(changes(&slice("10.0.0.2")));
    assert_eq!(endpoints(&lowered), ["default/web:80 = 10.0.0.2:80"]);
    assert!(lowered.model.is_none());
    let Change::Apply(object) = changes(&slice("10.0.0.2")).remove(0) else {
        unreachable!("only applied")
    };
    let lowered = world.apply(vec![Change::Delete(object.reference)]);
    assert_eq!(endpoints(&lowered), ["default/web:80 = "]);
    assert_eq!(reasons(&lowered), ["NoEndpoints spec.rules[0].http.paths[0].backend"]);
}

#[test]
fn unused_services_are_not_published() {
    let mut world = World::new(options());
    let lowered = world.apply(changes(
        "apiVersion: v1\nkind: Service\nmetadata: {name: other}\nspec: {ports: [{port: 80}]}\n",
    ));
    assert!(lowered.endpoints.is_empty());
}

#[test]
fn a_wholly_unusable_version_keeps_the_last_good_one() {
    let mut world = World::new(options());
    world.apply(changes(&ingress("a", "", "h", "/x")));
    let lowered = world.apply(changes(&ingress("a", "", "h", "x")));
    assert!(lowered.model.is_none());
    assert_eq!(
        reasons(&lowered),
        ["InvalidPath spec.rules[0].http.paths[0].path".to_owned(), "LastGoodVersion ".to_owned(),]
    );
    let lowered = world.apply(changes(&ingress("a", "", "h", "/y")));
    let routes = routes(lowered.model.as_ref().expect("a model"));
    assert_eq!(routes, ["h /y -> default/web:80 (a)"]);
    assert!(reasons(&lowered).is_empty());
}

#[test]
fn another_object_of_the_same_name_is_no_newer_version() {
    let mut world = World::new(options());
    let uid = |path: &str, uid: &str| {
        let mut all = changes(&ingress("a", "", "h", path));
        let Change::Apply(object) = &mut all[0] else { unreachable!() };
        let Object::Ingress(ingress) = &mut object.object else { unreachable!() };
        Arc::make_mut(ingress).metadata.uid = Some(uid.into());
        all
    };
    let served =
        |lowered: &Lowered| lowered.outcomes.iter().map(|(_, of)| of.clone()).collect::<Vec<_>>();
    assert_eq!(served(&world.apply(uid("/x", "1"))), [Outcome::Served]);
    let lowered = world.apply(uid("x", "1"));
    assert!(lowered.model.is_none() && lowered.outcomes.is_empty());
    let lowered = world.apply(uid("x", "2"));
    assert!(routes(lowered.model.as_ref().expect("a model")).is_empty());
    assert_eq!(served(&lowered), [Outcome::Withdrawn]);
    assert_eq!(served(&world.apply(uid("/x", "2"))), [Outcome::Served]);
}

#[test]
fn the_default_backend_of_the_flag_is_the_listeners() {
    let key = BackendKey {
        namespace: "x".into(),
        service: "d".into(),
        port: PortRef::Number(80),
        dial: Dial::default(),
    };
    let mut world = World::new(LowerOptions { default_backend: Some(key.clone()), ..options() });
    let lowered = world.apply(Vec::new());
    let model = lowered.model.as_ref().expect("the first model, though empty");
    assert!(model.listeners[0].default_rule.is_some());
    assert_eq!(endpoints(&lowered), ["x/d:80 = "]);
    assert_eq!(lowered.problems[0].object, Some(service_ref(&key)));
}

/// The default backend has neither an Ingress nor a host.
#[test]
fn what_the_config_map_says_is_live_without_any_ingress() {
    let data = |data: &str| {
        let head = PERMISSION.rsplit_once("data: ").expect("data").0;
        changes(&format!("{head}data: {{{data}}}\n"))
    };
    let world = || {
        let dial = Dial::default();
        let (namespace, service) = ("default".into(), "web".into());
        let key = BackendKey { namespace, service, port: PortRef::Number(80), dial };
        let LowerOptions { config_map, .. } = permitting().lowerer.options;
        World::new(LowerOptions { config_map, default_backend: Some(key), ..options() })
    };
    let refusal = |lowered: &Lowered| {
        let model = lowered.model.as_ref().expect("a model");
        model.listeners[0].default_rule.as_ref().expect("a rule").policies.refusal
    };
    let mut world_of_values = world();
    assert_eq!(refusal(&world_of_values.apply(data(""))), None);
    let lowered = world_of_values.apply(data("proxy-body-size: 5m, block-cidrs: 10.0.0.0/8"));
    assert_eq!(refusal(&lowered), None);
    assert!(lowered.model.expect("another model").downstream.blocked.is_some());
    let closed = world().apply(data("block-cidrs: inside"));
    assert_eq!(refusal(&closed), Some(crate::model::Refusal::Guard));
}
