//! Changed manifests under a running proxy.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use crate::for_each_driver;
use crate::harness::proxy::MAIN_FILE;
use crate::harness::{Backend, Builder, Driver, Gate, Ingress, Proxy, manifest, wait_until};

for_each_driver!(
    a_hang_up_reads_what_no_event_told_of,
    every_way_to_change_a_file_is_seen,
    open_connections_survive_changes,
    request_in_flight_keeps_its_route,
    endpoints_change_without_routes,
    every_core_gets_the_change,
    links_and_subfolders_are_followed,
    changes_are_seen_without_inotify,
);

fn every_way_to_change_a_file_is_seen(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::backend("web", &[backend.address()]));
    let ingress = |host: &str| Ingress::simple("web", host, "web").yaml();
    assert_eq!(proxy.get("one.example", "/").status(), 404);
    proxy.write("web.yaml", &ingress("one.example"));
    proxy.wait_for_status("one.example", "/", 200);
    proxy.write("web.yaml", &ingress("two.example"));
    proxy.wait_for_status("two.example", "/", 200);
    assert_eq!(proxy.get("one.example", "/").status(), 404, "the old version is gone");
    proxy.replace("web.yaml", &ingress("three.example"));
    proxy.wait_for_status("three.example", "/", 200);
    proxy.remove("web.yaml");
    proxy.wait_for_status("three.example", "/", 404);
    proxy.write("web.json", r#"{"apiVersion":"networking.k8s.io/v1","kind":"List","items":[]}"#);
    proxy.write("ignored.txt", &ingress("ignored.example"));
    proxy.write("web.yml", &ingress("four.example"));
    proxy.wait_for_status("four.example", "/", 200);
    assert_eq!(proxy.get("ignored.example", "/").status(), 404);
}

/// No change costs a request or a connection.
fn open_connections_survive_changes(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut client = proxy.client();
    let first = client.get("a.example", "/");
    for round in 0..50 {
        let host = format!("h{round}.example");
        proxy.write("more.yaml", &Ingress::simple("more", &host, "web").yaml());
        assert_eq!(client.get("a.example", "/").status(), 200, "round {round}");
        proxy.wait_for_status(&host, "/", 200);
    }
    let last = client.get("a.example", "/");
    assert_eq!(first.json()["connection"], last.json()["connection"], "no pool was flushed");
}

/// One request reads one version from start to end.
fn request_in_flight_keeps_its_route(driver: Driver) {
    let gate = Gate::new();
    let slow = Backend::scripted({
        let gate = gate.clone();
        move |mut connection| {
            connection.read_request()?;
            gate.wait();
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
        }
    });
    let proxy = Proxy::start(driver, manifest::one_host("a.example", slow.address()));
    let mut client = proxy.client();
    client.send("GET /slow HTTP/1.1\r\nHost: a.example\r\n\r\n");
    slow.wait_for_text("/slow");
    let other = Backend::echo("other");
    proxy.write(MAIN_FILE, &manifest::one_host("b.example", other.address()));
    proxy.wait_for_status("b.example", "/", 200);
    assert_eq!(proxy.get("a.example", "/").status(), 404, "the route is gone for new requests");
    gate.open();
    assert_eq!(client.response().text(), "late");
    assert_eq!(client.get("a.example", "/").status(), 404, "the next request is routed anew");
}

fn endpoints_change_without_routes(driver: Driver) {
    let (one, two) = (Backend::echo("one"), Backend::echo("two"));
    let proxy = Proxy::start(
        driver,
        manifest::service("web") + &Ingress::simple("web", "a.example", "web").yaml(),
    );
    proxy.write("slices.yaml", &manifest::endpoints("web", &[one.address()]));
    proxy.wait_for_status("a.example", "/", 200);
    assert_eq!(proxy.get("a.example", "/").backend(), "one");
    let mut client = proxy.client();
    for round in 0..20 {
        let (name, address) = match round % 2 {
            0 => ("two", two.address()),
            _ => ("one", one.address()),
        };
        proxy.write("slices.yaml", &manifest::endpoints("web", &[address]));
        wait_until("the new endpoint", || {
            let response = client.get("a.example", "/");
            assert_eq!(response.status(), 200, "round {round}");
            response.backend() == name
        });
        for _ in 0..5 {
            assert_eq!(client.get("a.example", "/").backend(), name, "the old one is forgotten");
        }
    }
}

/// Each core acknowledges; the metric says so, and how long it took.
fn every_core_gets_the_change(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Builder::new(driver)
        .cores(2)
        .manifests(manifest::one_host("a.example", backend.address()))
        .start();
    proxy.write("more.yaml", &Ingress::simple("more", "b.example", "web").yaml());
    proxy.wait_for_status("b.example", "/", 200);
    wait_until("the same version on both cores", || {
        let core = |core: &str| proxy.metric("ringway_table_version", &[core]);
        core("core=\"0\"") >= 2.0 && core("core=\"0\"").total_cmp(&core("core=\"1\"")).is_eq()
    });
    let is_served_always = !crate::harness::holds_within(Duration::from_millis(300), || {
        proxy.get("b.example", "/").status() != 200
    });
    assert!(is_served_always, "one core still serves the old table");
}

/// A mounted ConfigMap, a subfolder, and a link to a file outside.
fn links_and_subfolders_are_followed(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::backend("web", &[backend.address()]));
    let ingress = |name: &str, host: &str| Ingress::simple(name, host, "web").yaml();
    let folder = proxy.folder().to_owned();
    for (version, host) in [("..1", "one.example"), ("..2", "two.example")] {
        fs::create_dir_all(folder.join("mount").join(version)).expect("folder");
        proxy.write(&format!("mount/{version}/web.yaml"), &ingress("web", host));
    }
    symlink("..1", folder.join("mount/..data")).expect("link");
    symlink("..data/web.yaml", folder.join("mount/web.yaml")).expect("link");
    proxy.wait_for_status("one.example", "/", 200);
    symlink("..2", folder.join("mount/..tmp")).expect("link");
    fs::rename(folder.join("mount/..tmp"), folder.join("mount/..data")).expect("swap");
    proxy.wait_for_status("two.example", "/", 200);
    assert_eq!(proxy.get("one.example", "/").status(), 404, "the old version is gone");
    let outside = tempfile::tempdir().expect("folder");
    let target = outside.path().join("target");
    symlink(&target, folder.join("linked.yaml")).expect("link");
    proxy.wait_for_output("it is a symbolic link that leads nowhere");
    for host in ["three.example", "four.example"] {
        fs::write(&target, ingress("linked", host)).expect("manifest");
        proxy.wait_for_status(host, "/", 200);
    }
    proxy.wait_for_output("solved: ");
}

/// Where the user has no inotify instance or watch left, the directory is polled, and the log says
/// which limit to raise.
fn changes_are_seen_without_inotify(driver: Driver) {
    let backend = Backend::echo("a");
    for (limit, sysctl) in [
        ("user.max_inotify_instances", "fs.inotify.max_user_instances="),
        ("user.max_inotify_watches", "fs.inotify.max_user_watches="),
    ] {
        let started = Builder::new(driver)
            .manifests(manifest::one_host("a.example", backend.address()))
            .start_with_limit(limit, 0);
        let Some(proxy) = started else { return };
        assert_eq!(proxy.get("a.example", "/").status(), 200);
        proxy.wait_for_output(sysctl);
        proxy.write("more.yaml", &Ingress::simple("more", "b.example", "web").yaml());
        proxy.wait_for_status("b.example", "/", 200);
    }
}

/// A change through another name of the same file: no watch of a directory sees it.
fn a_hang_up_reads_what_no_event_told_of(driver: Driver) {
    let (one, two) = (Backend::echo("one"), Backend::echo("two"));
    let proxy = Proxy::start(driver, manifest::one_host("a.example", one.address()));
    let elsewhere = tempfile::tempdir_in(proxy.folder().parent().expect("a parent"));
    let elsewhere = elsewhere.expect("a folder");
    let link = elsewhere.path().join("link.yaml");
    fs::hard_link(proxy.folder().join(MAIN_FILE), &link).expect("a second name");
    fs::write(&link, manifest::one_host("a.example", two.address())).expect("written");
    proxy.signal("HUP");
    wait_until("the new backend", || proxy.get("a.example", "/").backend() == "two");
}
