//! TLS to clients: certificates from Secrets, and peers that are not ours.

mod certificates;
mod client_certificates;
mod connections;
mod hostile;
mod https;
mod passthrough;
mod resumption;
mod versions;

pub(crate) use passthrough::tls_server;

use std::net::SocketAddr;

use crate::harness::pki::Authority;
use crate::harness::{Backend, Builder, Driver, Ingress, Proxy, manifest};

/// `a.example` with a certificate of its own, to one backend.
fn one_host(authority: &Authority, address: SocketAddr) -> String {
    let leaf = authority.issue(&["a.example"]);
    manifest::backend("web", &[address])
        + &manifest::tls_secret("a-tls", &leaf.chain, &leaf.key)
        + &Ingress::simple("web", "a.example", "web").tls(&["a.example"], "a-tls").yaml()
}

fn builder(driver: Driver, authority: &Authority, backend: &Backend) -> Builder {
    Builder::new(driver).manifests(one_host(authority, backend.address()))
}

fn start(driver: Driver, authority: &Authority, backend: &Backend) -> Proxy {
    builder(driver, authority, backend).start()
}

const HTTP1: &[&str] = &["http/1.1"];
const HTTP2: &[&str] = &["h2"];

/// What a program sends that wants one response and the end.
const GET_AND_CLOSE: &str = "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
