//! What upstreams do to us, and what becomes of the request.

mod connecting;
mod cut;
mod descriptors;
mod early_response;
mod ejection;
mod garbage;
mod refused;
mod reset_mid_body;
mod retry;
mod stale_keepalive;
mod timeouts;

use crate::harness::{Backend, Builder, Driver, Ingress, Proxy, manifest};

/// A proxy with these backends as the endpoints of `a.example`.
fn start(driver: Driver, backends: &[&Backend]) -> Proxy {
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address()).collect();
    builder(driver, &addresses).start()
}

fn builder(driver: Driver, addresses: &[std::net::SocketAddr]) -> Builder {
    let text = manifest::backend("web", addresses);
    Builder::new(driver).manifests(text + &Ingress::simple("web", "a.example", "web").yaml())
}
