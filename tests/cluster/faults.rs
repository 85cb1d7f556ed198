//! What the API server may do to us without a request noticing.

use std::time::{Duration, Instant};

use crate::harness::load::Load;
use crate::harness::objects::ingress;
use crate::harness::{
    ControlPlane, Endpoint, Installation, Network, Options, backend, pause, wait_until,
};
use crate::peers::Proxy;

crate::cases![
    an_api_server_that_is_away_costs_no_request,
    an_api_server_that_hangs_holds_up_no_end,
    a_start_without_api_server_waits_and_says_so_once,
    a_watch_that_expired_is_listed_again_without_a_gap,
    a_relist_of_5000_ingresses_loses_and_keeps_what_it_must,
    a_deleted_namespace_takes_its_routes_along,
];

fn own_control_plane(options: Options) -> ControlPlane {
    ControlPlane::start(options)
}

fn an_api_server_that_is_away_costs_no_request() {
    let network = Network::new();
    let backends = [backend(network.address(1), "one"), backend(network.address(2), "two")];
    let mut control_plane = own_control_plane(Options::default());
    // Lives through the outage: the installation borrows the control plane only until then.
    let (objects, class, proxy) = {
        let installation = Installation::new(&control_plane);
        installation.objects.backend("web", &[Endpoint::ready(network.address(1))]);
        installation.objects.backend("other", &[Endpoint::ready(network.address(2))]);
        installation.objects.ingress(&installation.class, "a", "a.example", "web");
        let proxy = installation.start_on_two_cores();
        let Installation { objects, class, .. } = installation;
        (objects, class, proxy)
    };
    let load = Load::start(proxy.http, "a.example");
    control_plane.stop_apiserver();
    wait_until("the outage to be told", || {
        proxy.admin_get("/readyz").text().contains("API server")
    });
    // A minute in all, as the goal says.
    let end = Instant::now() + Duration::from_secs(55);
    while Instant::now() < end {
        assert_eq!(proxy.admin_get("/readyz").status(), 200);
        pause(Duration::from_millis(500));
    }
    control_plane.start_apiserver();
    objects.ingress(&class, "a", "a.example", "other");
    objects.ingress(&class, "b", "b.example", "other");
    proxy.wait_for_status("b.example", "/", 200);
    wait_until("the change", || proxy.get("a.example", "/").backend() == "two");
    wait_until("the all-clear", || proxy.admin_get("/readyz").text() == "ok\n");
    let result = load.finish();
    assert_eq!(result.failed, 0, "{result:?}");
    assert!(result.answered > 1000, "{result:?}");
    let told = proxy.output().matches("cannot be reached").count();
    assert!(told <= 2, "told {told} times:\n{}", proxy.output());
    drop(backends);
}

/// It accepts connections and answers nothing.
fn an_api_server_that_hangs_holds_up_no_end() {
    let network = Network::new();
    let backend = backend(network.address(1), "one");
    let control_plane = own_control_plane(Options::default());
    let installation = Installation::new(&control_plane);
    installation.objects.backend("web", &[Endpoint::ready(network.address(1))]);
    installation.objects.ingress(&installation.class, "a", "a.example", "web");
    let mut proxy = installation.start();
    // Whoever writes has the most to finish.
    wait_until("the leader", || !installation.leader().is_empty());
    control_plane.freeze_apiserver(true);
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        assert_eq!(proxy.admin_get("/readyz").status(), 200);
        assert_eq!(proxy.get("a.example", "/").status(), 200);
        pause(Duration::from_millis(500));
    }
    // Status is written at the end, or would be.
    proxy.signal("TERM");
    let (status, took) = proxy.wait_for_exit();
    assert!(status.success(), "{status}: {}", proxy.output());
    assert!(took < Duration::from_secs(15), "{took:?}: {}", proxy.output());
    drop(backend);
}

fn a_start_without_api_server_waits_and_says_so_once() {
    let mut control_plane = own_control_plane(Options::default());
    let proxy = {
        let command = {
            let installation = Installation::new(&control_plane);
            installation.command("ringway-0", &[])
        };
        control_plane.stop_apiserver();
        let folder = tempfile::tempdir().expect("temporary folder");
        Proxy::launch_unready(command, folder)
    };
    wait_until("the reason", || {
        let answer = proxy.admin_get("/readyz");
        answer.status() == 503 && answer.text().contains("cannot be reached")
    });
    assert_eq!(proxy.admin_get("/healthz").status(), 200);
    // Several attempts; nothing more is said.
    pause(Duration::from_secs(5));
    assert_eq!(proxy.output().matches("cannot be reached").count(), 1, "{}", proxy.output());
    // Not a word of kube's for each of its tries.
    let output = proxy.output();
    assert!(!output.contains("failed with error"), "{output}");
    control_plane.start_apiserver();
    proxy.wait_for_readiness();
}

/// Changes the world while Ringway is held, in a store that has forgotten the change when it goes
/// on. Its cores are held, too: requests wait in between.
fn unseen(control_plane: &mut ControlPlane, proxy: &Proxy, change: impl FnOnce()) {
    proxy.signal("STOP");
    control_plane.stop_apiserver();
    control_plane.start_apiserver();
    change();
    control_plane.compact_etcd();
    proxy.signal("CONT");
}

fn a_watch_that_expired_is_listed_again_without_a_gap() {
    let network = Network::new();
    let _backend = backend(network.address(1), "web");
    // Without the cache of the API server a compaction is felt at once.
    let mut control_plane = own_control_plane(Options { watch_cache: false, ..Options::default() });
    let (objects, class, proxy) = {
        let installation = Installation::new(&control_plane);
        installation.objects.backend("web", &[Endpoint::ready(network.address(1))]);
        installation.objects.ingress(&installation.class, "kept", "kept.example", "web");
        installation.objects.ingress(&installation.class, "gone", "gone.example", "web");
        let proxy = installation.start_on_two_cores();
        let Installation { objects, class, .. } = installation;
        (objects, class, proxy)
    };
    let load = Load::start(proxy.http, "kept.example");
    let relists = proxy.metric("ringway_watch_lists_total", &["kind=\"Ingress\""]);
    unseen(&mut control_plane, &proxy, || {
        objects.delete("Ingress", "gone");
        objects.ingress(&class, "new", "new.example", "web");
    });
    proxy.wait_for_status("new.example", "/", 200);
    proxy.wait_for_status("gone.example", "/", 404);
    assert!(proxy.metric("ringway_watch_lists_total", &["kind=\"Ingress\""]) > relists);
    let result = load.finish();
    assert_eq!(result.failed, 0, "{result:?}");
}

fn a_relist_of_5000_ingresses_loses_and_keeps_what_it_must() {
    let network = Network::new();
    let _backend = backend(network.address(1), "web");
    let mut control_plane = own_control_plane(Options { watch_cache: false, ..Options::default() });
    let (objects, class, proxy) = {
        let installation = Installation::new(&control_plane);
        installation.objects.backend("web", &[Endpoint::ready(network.address(1))]);
        let class = &installation.class;
        let all = (0..5_000).map(|number| {
            ingress(class, &format!("many-{number}"), &format!("many-{number}.example"), "web")
        });
        installation.objects.create_many("Ingress", all);
        let proxy = installation.start_on_two_cores();
        let Installation { objects, class, .. } = installation;
        (objects, class, proxy)
    };
    assert_eq!(proxy.get("many-4999.example", "/").status(), 200);
    let load = Load::start(proxy.http, "many-2500.example");
    unseen(&mut control_plane, &proxy, || {
        objects.delete("Ingress", "many-7");
        objects.ingress(&class, "new", "new.example", "web");
    });
    proxy.wait_for_status("new.example", "/", 200);
    proxy.wait_for_status("many-7.example", "/", 404);
    assert_eq!(proxy.get("many-0.example", "/").status(), 200);
    assert_eq!(proxy.get("many-4999.example", "/").status(), 200);
    let result = load.finish();
    assert_eq!(result.failed, 0, "{result:?}");
}

fn a_deleted_namespace_takes_its_routes_along() {
    let network = Network::new();
    let _backend = backend(network.address(1), "web");
    let control_plane = own_control_plane(Options { controllers: true, ..Options::default() });
    let installation = Installation::new(&control_plane);
    let namespace = control_plane.namespace("doomed");
    let doomed = crate::harness::Objects::new(control_plane.client(), &namespace);
    doomed.backend("web", &[Endpoint::ready(network.address(1))]);
    doomed.ingress(&installation.class, "a", "doomed.example", "web");
    installation.objects.backend("web", &[Endpoint::ready(network.address(1))]);
    installation.objects.ingress(&installation.class, "b", "spared.example", "web");
    let proxy = installation.start();
    assert_eq!(proxy.get("doomed.example", "/").status(), 200);
    doomed.delete("Namespace", &namespace);
    proxy.wait_for_status("doomed.example", "/", 404);
    assert_eq!(proxy.get("spared.example", "/").status(), 200);
    wait_until("the namespace to end", || doomed.get("Namespace", &namespace).is_none());
}
