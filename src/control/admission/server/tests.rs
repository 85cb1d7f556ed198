//! The listener over real TLS connections.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use super::*;
use crate::model::{Problem, Severity, reason};
use crate::tls::certificate::Certificate;
use crate::tls::server::ServerTls;

const HOST: &str = "admit.ns.svc";

/// A certificate of its own authority, and a client that trusts it.
fn identity() -> (Arc<ServerConfig>, TlsConnector) {
    let params = rcgen::CertificateParams::new([HOST.to_owned()]).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let certificate = Certificate::from_pem(pem.as_bytes(), key.serialize_pem().as_bytes());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let client = ClientConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (ServerTls::http1(&certificate.unwrap()).unwrap(), TlsConnector::from(Arc::new(client)))
}

struct World {
    address: std::net::SocketAddr,
    client: TlsConnector,
    reviews: mpsc::Receiver<ReviewRequest>,
    source: Arc<SourceState>,
    state: Arc<AdmissionState>,
}

/// Serves while `test` runs.
async fn served<F: Future>(test: impl FnOnce(World) -> F) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (config, client) = identity();
    let (_sender, tls) = watch::channel(Some(config));
    let (requests, reviews) = mpsc::channel(1);
    let state = Arc::new(AdmissionState::default());
    let source = Arc::new(SourceState::default());
    let (shown, told) = (Arc::clone(&state), Arc::clone(&source));
    let asking = Asking { tls, reviews: requests, source, state, room: ControlRoom::default() };
    let world = World { address, client, reviews, source: told, state: shown };
    tokio::select! {
        () = serve(vec![listener], asking) => panic!("it ended"),
        _ = test(world) => {}
    }
}

impl World {
    async fn connect(&self) -> tokio_rustls::client::TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        self.client.connect(ServerName::try_from(HOST).unwrap(), stream).await.unwrap()
    }
}

type Stream = tokio_rustls::client::TlsStream<TcpStream>;

/// Sends and reads one response.
async fn ask(stream: &mut Stream, request: &[u8]) -> String {
    stream.write_all(request).await.unwrap();
    let mut all = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if length.is_some_and(|length| body.len() >= length.parse().unwrap()) {
                return text;
            }
        }
        let read = stream.read_buf(&mut all).await.unwrap();
        assert!(read > 0, "it ended after {text:?}");
    }
}

fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn review(operation: &str, padding: usize) -> String {
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u",
        "kind":{{"group":"networking.k8s.io","version":"v1","kind":"Ingress"}},
        "operation":"{operation}","object":{{"apiVersion":"networking.k8s.io/v1","kind":"Ingress",
        "metadata":{{"name":"i","namespace":"ns","annotations":{{"x":"{}"}}}}}}}}}}"#,
        "x".repeat(padding)
    )
}

fn error() -> Arc<Problem> {
    Arc::new(Problem {
        object: None,
        position: None,
        field: "spec".into(),
        severity: Severity::Error,
        reason: reason!("MoreProblems"),
        message: "it is wrong.".into(),
        advice: String::new(),
    })
}

#[tokio::test]
async fn one_connection_carries_verdicts_of_all_kinds() {
    served(|mut world| async move {
        let mut stream = world.connect().await;
        let health = ask(&mut stream, b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n").await;
        assert!(health.starts_with("HTTP/1.1 200") && health.ends_with("ok\n"), "{health}");
        for (path, padding, problems, expected) in [
            ("/validate", 0, vec![error()], "\"spec: it is wrong.\""),
            ("/networking/v1/ingresses", 0, Vec::new(), "\"allowed\":true"),
            ("/validate", 2 * ADMISSION_SMALL_BODY_BYTES, vec![error()], "\"allowed\":false"),
        ] {
            let request = post(path, &review("CREATE", padding));
            let (answer, ()) = tokio::join!(ask(&mut stream, &request), async {
                let request = world.reviews.recv().await.unwrap();
                assert_eq!(request.reference.to_string(), "Ingress ns/i");
                request.reply.send(problems).unwrap();
            });
            assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(expected), "{answer}");
        }
        let answer = ask(&mut stream, &post("/validate", &review("DELETE", 0))).await;
        assert!(answer.contains("\"allowed\":true"), "{answer}");
        for (request, expected) in [
            (post("/validate", "{}"), "400"),
            (b"GET /validate HTTP/1.1\r\nhost: h\r\n\r\n".to_vec(), "405"),
            (post("/other", "{}"), "404"),
        ] {
            let answer = ask(&mut stream, &request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{answer}");
        }
        let expected = [("allowed", 2), ("denied", 2), ("malformed", 1), ("unjudged", 0)];
        assert_eq!(world.state.verdicts(), expected);
        assert_eq!(world.state.latency.totals().count(), 5);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_judged_is_let_in() {
    served(|mut world| async move {
        let mut stream = world.connect().await;
        let request = post("/validate", &review("CREATE", 0));
        let (answer, ()) = tokio::join!(ask(&mut stream, &request), async {
            drop(world.reviews.recv().await);
        });
        assert!(answer.contains("\"allowed\":true") && answer.contains("not read"), "{answer}");
        let began = Instant::now();
        let (answer, _unanswered) = tokio::join!(ask(&mut stream, &request), world.reviews.recv());
        assert!(answer.contains("\"allowed\":true") && answer.contains("too long"), "{answer}");
        assert!(began.elapsed() >= ADMISSION_DEADLINE);
        assert_eq!(world.state.verdicts()[3], ("unjudged", 2));
    })
    .await;
}

#[tokio::test]
async fn bodies_are_bounded_in_size_and_time() {
    served(|world| async move {
        let mut stream = world.connect().await;
        let length = ADMISSION_BODY_BYTES_MAX + 1;
        let head =
            format!("POST /validate HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n\r\n");
        let answer = ask(&mut stream, head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        let mut stream = world.connect().await;
        let slow = b"POST /validate HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\n{";
        let answer = ask(&mut stream, slow).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        let mut stream = world.connect().await;
        let cut = b"POST /validate HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nZ\r\n";
        let answer = ask(&mut stream, cut).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert_eq!(world.state.verdicts()[2], ("malformed", 3));
    })
    .await;
}

#[tokio::test]
async fn without_a_certificate_connections_are_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_sender, tls) = watch::channel(None);
    let (reviews, _reviews) = mpsc::channel(1);
    let (source, room) = (Arc::default(), ControlRoom::default());
    let asking = Asking { tls, reviews, source, state: Arc::default(), room };
    tokio::select! {
        () = serve(vec![listener], asking) => panic!("it ended"),
        read = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.read(&mut [0; 1]).await
        } => assert_eq!(read.unwrap(), 0),
    }
}

#[tokio::test]
async fn an_object_of_a_namespace_that_is_not_watched_is_nobodys_business() {
    served(|world| async move {
        world.source.watch_only(["other".into()].into());
        let mut stream = world.connect().await;
        // Nobody judges here: had it been asked, the answer would say so.
        let answer = ask(&mut stream, &post("/validate", &review("CREATE", 0))).await;
        assert!(answer.contains("\"allowed\":true") && !answer.contains("not judged"), "{answer}");
    })
    .await;
}
