//! TLS and HTTP/2 to backends, with real peers on both sides: tonic, h2, tokio-rustls.

mod connections;
mod grpc;

mod tls;

use std::net::SocketAddr;
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::harness::{Ingress, manifest};

/// A backend on a Tokio of its own; everything of it ends when dropped.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    pub(crate) fn start<F: Future<Output = ()>>(
        serve: impl FnOnce(TcpListener) -> F + Send + 'static,
    ) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("nonblocking");
        let address = listener.local_addr().expect("address");
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            runtime().block_on(async move {
                let listener = TcpListener::from_std(listener).expect("listener");
                tokio::select! {
                    () = serve(listener) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.stop.take());
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime")
}

/// Host `a.example` to a Service whose port speaks `protocol`.
fn manifests(address: SocketAddr, protocol: &str, ingress: &Ingress) -> String {
    let port = format!("port: 80\n      appProtocol: {protocol}");
    let service = manifest::service("web").replace("port: 80", &port);
    service + &manifest::endpoints("web", &[address]) + &ingress.yaml()
}

fn ingress() -> Ingress {
    Ingress::simple("web", "a.example", "web")
}
