//! Sessions are resumed, on every core, and not under another policy of client certificates.

use std::net::SocketAddr;

use super::{GET_AND_CLOSE, builder, start};
use crate::for_each_driver;
use crate::harness::peer::{Output, s_client};
use crate::harness::pki::Authority;
use crate::harness::proxy::MAIN_FILE;
use crate::harness::{Backend, Builder, Driver, Proxy, manifest, wait_until};

for_each_driver!(
    session_is_resumed_on_every_core,
    session_is_resumed_by_a_replica_with_the_same_keys,
    unusable_keys_are_told_and_random_ones_serve,
    no_early_data,
    certificate_swap_goes_on_serving,
);

/// One request by `openssl`, which writes or takes a session.
#[track_caller]
fn ask(address: SocketAddr, authority: &Authority, version: &str, more: &[&str]) -> Output {
    let first = [version, "-servername", "a.example", "-ign_eof"];
    s_client(address, authority, &[&first, more].concat(), GET_AND_CLOSE)
}

fn session_is_resumed_on_every_core(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = builder(driver, &authority, &backend).cores(2).start();
    for version in ["-tls1_2", "-tls1_3"] {
        let file = authority.folder().join(version).display().to_string();
        let first = ask(proxy.https, &authority, version, &["-sess_out", &file]);
        first.assert_says("HTTP/1.1 200");
        first.assert_says("New, TLSv1.");
        for round in 0..12 {
            let next = ask(proxy.https, &authority, version, &["-sess_in", &file]);
            next.assert_says("HTTP/1.1 200");
            let text = next.text();
            assert!(text.contains("Reused, TLSv1."), "{version}, round {round}: {text}");
        }
    }
}

/// The manifest of a Secret with these keys.
fn keys(keys: &[char]) -> String {
    let text: String = keys.iter().map(|key| key.to_string().repeat(80)).collect();
    manifest::secret("tickets", "Opaque", &[("keys", &text)])
}

fn session_is_resumed_by_a_replica_with_the_same_keys(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    // One manifest, and so one certificate, as replicas have.
    let text = super::one_host(&authority, backend.address());
    let start = |keys: &str| {
        let builder = Builder::new(driver).flag("--tls-ticket-keys", "default/tickets");
        builder.manifests(&text).manifests(keys).start()
    };
    let with = |names: &[char]| format!("{text}{}", keys(names));
    let (one, two) = (start(&keys(&['a'])), start(&keys(&['b', 'a'])));
    let (stranger, random) = (start(&keys(&['c'])), super::start(driver, &authority, &backend));
    for version in ["-tls1_2", "-tls1_3"] {
        let file = authority.folder().join(version).display().to_string();
        let make = |proxy: &Proxy| {
            let output = ask(proxy.https, &authority, version, &["-sess_out", &file]);
            output.assert_says("New, TLSv1.");
        };
        let is_resumed = |proxy: &Proxy| {
            let output = ask(proxy.https, &authority, version, &["-sess_in", &file]);
            output.assert_says("HTTP/1.1 200");
            output.text().contains("Reused, TLSv1.")
        };
        make(&one);
        assert!(is_resumed(&one) && is_resumed(&two), "{version}");
        assert!(!is_resumed(&stranger) && !is_resumed(&random), "{version}");
        make(&two);
        assert!(is_resumed(&two) && !is_resumed(&one), "{version}: of a key that it has not yet");
        // The rotation reaches the other replica without a restart.
        one.replace(MAIN_FILE, &with(&['a', 'b']));
        wait_until("the new keys", || is_resumed(&one));
        one.replace(MAIN_FILE, &with(&['a']));
        wait_until("the old keys", || !is_resumed(&one));
    }
}

fn unusable_keys_are_told_and_random_ones_serve(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy =
        builder(driver, &authority, &backend).flag("--tls-ticket-keys", "default/tickets").start();
    let file = authority.folder().join("session").display().to_string();
    let problems = || proxy.metric("ringway_problems", &[]);
    let assert_serves = || {
        ask(proxy.https, &authority, "-tls1_3", &["-sess_out", &file]).assert_says("200 OK");
        ask(proxy.https, &authority, "-tls1_3", &["-sess_in", &file]).assert_says("Reused, TLSv1.");
    };
    proxy.wait_for_output("there is no Secret default/tickets");
    assert_serves();
    for (text, said) in [
        (manifest::secret("tickets", "Opaque", &[("keys", "short")]), "ticket keys are 80 bytes"),
        (manifest::secret("tickets", "Opaque", &[("key", "other")]), "has no keys"),
    ] {
        proxy.replace("keys.yaml", &text);
        proxy.wait_for_output(said);
        assert_serves();
        assert!(problems() > 0.0);
    }
    proxy.replace("keys.yaml", &keys(&['a']));
    wait_until("no problems", || problems() < 0.5);
    assert_serves();
    let output = proxy.output();
    for said in ["there is no Secret default/tickets", "ticket keys are 80 bytes", "has no keys"] {
        let lines = output.lines().filter(|line| !line.contains("solved: "));
        assert_eq!(lines.filter(|line| line.contains(said)).count(), 1, "{said}: {output}");
    }
}

/// A ticket that allows none.
fn no_early_data(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    let output = ask(proxy.https, &authority, "-tls1_3", &[]);
    output.assert_says("Max Early Data: 0");
}

/// A session made under the old certificate resumes or not; a request is served either way.
fn certificate_swap_goes_on_serving(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    let file = authority.folder().join("session").display().to_string();
    ask(proxy.https, &authority, "-tls1_3", &["-sess_out", &file]).assert_says("HTTP/1.1 200");
    let text = super::one_host(&authority, backend.address());
    proxy.replace(MAIN_FILE, &text);
    wait_until("the new table", || proxy.metric("ringway_table_version", &["core=\"0\""]) >= 2.0);
    ask(proxy.https, &authority, "-tls1_3", &["-sess_in", &file]).assert_says("HTTP/1.1 200");
}
