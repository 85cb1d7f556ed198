//! One bad object harms only itself, and its owner is told what is wrong.

use crate::for_each_driver;
use crate::harness::{Backend, Driver, Ingress, PathType, Proxy, manifest, proxy};

for_each_driver!(
    broken_file_keeps_its_last_good_objects,
    broken_file_does_not_stop_the_others,
    bad_rule_harms_only_itself,
);

/// Mid-edit: the text is no YAML; what it said before stays in force.
fn broken_file_keeps_its_last_good_objects(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::backend("web", &[backend.address()]));
    let good = Ingress::simple("web", "a.example", "web").yaml();
    proxy.write("web.yaml", &good);
    proxy.wait_for_status("a.example", "/", 200);
    proxy.write("web.yaml", &format!("{good}\nkind: [unclosed"));
    proxy.wait_for_output("web.yaml:");
    proxy.write("other.yaml", &Ingress::simple("other", "b.example", "web").yaml());
    proxy.wait_for_status("b.example", "/", 200);
    assert_eq!(proxy.get("a.example", "/").status(), 200, "last good objects stay");
    proxy.write("web.yaml", &Ingress::simple("web", "c.example", "web").yaml());
    proxy.wait_for_status("c.example", "/", 200);
    assert_eq!(proxy.get("a.example", "/").status(), 404, "mended: the new version counts");
}

fn broken_file_does_not_stop_the_others(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let rows = [
        "\u{0}\u{1}",
        "a: &a [*a, *a]",
        "kind: Ingress",
        "- just\n- a list",
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {}\nspec: {rules: 5}",
        "a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c]\n",
    ];
    for (index, text) in rows.iter().enumerate() {
        let host = format!("h{index}.example");
        proxy.write("bad.yaml", text);
        proxy.write("good.yaml", &Ingress::simple("good", &host, "web").yaml());
        proxy.wait_for_status(&host, "/", 200);
        assert_eq!(proxy.get("a.example", "/").status(), 200, "{text:?}");
    }
}

/// A path that cannot be used is left out, named with its place; its neighbours serve.
fn bad_rule_harms_only_itself(driver: Driver) {
    let backend = Backend::echo("a");
    let text = manifest::backend("web", &[backend.address()])
        + &Ingress::new("mixed")
            .host("bad host!")
            .path("/", PathType::Prefix, "web")
            .host("a.example")
            .path("no-slash", PathType::Prefix, "web")
            .path("/good", PathType::Prefix, "web")
            .yaml();
    let proxy = Proxy::start(driver, text);
    proxy.wait_for_status("a.example", "/good", 200);
    proxy.wait_for_output("mixed");
    assert!(proxy.output().contains(proxy::MAIN_FILE), "the place is named");
}
