//! Sessions are resumed, on every core, and not under another policy of client certificates.

use std::net::SocketAddr;

use super::{GET_AND_CLOSE, builder, start};
use crate::for_each_driver;
use crate::harness::peer::{Output, s_client};
use crate::harness::pki::Authority;
use crate::harness::{Backend, Driver};

for_each_driver!(session_is_resumed_on_every_core, no_early_data, certificate_swap_goes_on_serving);

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
    proxy.replace(crate::harness::proxy::MAIN_FILE, &text);
    crate::harness::wait_until("the new table", || {
        proxy.metric("ringway_table_version", &["core=\"0\""]) >= 2.0
    });
    ask(proxy.https, &authority, "-tls1_3", &["-sess_in", &file]).assert_says("HTTP/1.1 200");
}
