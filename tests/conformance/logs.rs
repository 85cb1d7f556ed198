//! The one question that an API server asks a node: what a container wrote.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::jiff::Timestamp;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::program::Log;
use crate::harness::network;

/// By `NAMESPACE/POD`.
type ByPod = Arc<Mutex<HashMap<String, Log>>>;

/// Logs of pods, at an address of the node.
pub(crate) struct Logs {
    pub(crate) address: SocketAddr,
    all: ByPod,
}

impl Logs {
    /// Over TLS, as the API server wants it, which checks no certificate.
    #[track_caller]
    pub(crate) fn serve() -> Self {
        let listener = TcpListener::bind((network::ADVERTISED, 0)).expect("an address");
        let address = listener.local_addr().expect("an address");
        let names = vec![network::ADVERTISED.to_string()];
        let own = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .expect("a certificate and its key");
        let (config, all) = (Arc::new(config), ByPod::default());
        let known = Arc::clone(&all);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, known) = (Arc::clone(&config), Arc::clone(&known));
                std::thread::spawn(move || answer(stream, config, &known));
            }
        });
        Self { address, all }
    }

    /// The pod's log from now on.
    pub(crate) fn add(&self, namespace: &str, pod: &str, log: Log) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(format!("{namespace}/{pod}"), log);
    }
}

/// One question of a connection, which then ends.
fn answer(stream: TcpStream, config: Arc<ServerConfig>, all: &ByPod) -> io::Result<()> {
    let session = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(session, stream));
    let (mut request, mut line) = (String::new(), String::new());
    stream.read_line(&mut request)?;
    while stream.read_line(&mut line)? > 2 {
        line.clear();
    }
    let (status, body) = match log(&request, all) {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", String::new()),
    };
    let length = body.len();
    let mut stream = stream.into_inner();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// `GET /containerLogs/NAMESPACE/POD/CONTAINER?sinceTime=…`: what was written since.
fn log(request: &str, all: &ByPod) -> Option<String> {
    let target = request.split(' ').nth(1)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (pod, _container) = path.strip_prefix("/containerLogs/")?.rsplit_once('/')?;
    let mut parameters = query.split('&').filter_map(|parameter| parameter.split_once('='));
    let since = parameters.find(|(name, _)| *name == "sinceTime");
    let since = since.and_then(|(_, time)| time.replace("%3A", ":").parse::<Timestamp>().ok());
    let all = all.lock().unwrap_or_else(PoisonError::into_inner);
    Some(all.get(pod)?.since(since.unwrap_or(Timestamp::UNIX_EPOCH)))
}
