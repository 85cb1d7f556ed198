//! gRPC: a tonic server as backend, a tonic client as client, over both of the ways to HTTP/2.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, StdError};
use tonic::server::NamedService;
use tonic::transport::{Channel, Endpoint, Server, Uri};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::{Peer, ingress, manifests, runtime};
use crate::for_each_driver;
use crate::harness::pki::Authority;
use crate::harness::{Backend, Builder, Driver, Proxy, manifest};

for_each_driver!(
    calls_of_all_four_kinds_in_clear_text,
    calls_of_all_four_kinds_over_tls,
    calls_go_to_a_backend_over_tls,
    statuses_come_in_trailers_and_without_a_message,
    a_deadline_ends_the_call,
    our_own_replies_are_grpc_statuses,
);

#[derive(Clone, PartialEq, prost::Message)]
struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

impl Text {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned() }
    }
}

type Codec = ProstCodec<Text, Text>;
type Replies = mpsc::Sender<Result<Text, Status>>;

#[derive(Clone)]
struct TestService;

impl NamedService for TestService {
    const NAME: &'static str = "test.Echo";
}

impl Service<http::Request<Body>> for TestService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let method = Method(request.uri().path().rsplit('/').next().unwrap().to_owned());
            let mut grpc = tonic::server::Grpc::new(Codec::default());
            Ok(grpc.streaming(method, request).await)
        })
    }
}

struct Method(String);

impl Service<Request<Streaming<Text>>> for Method {
    type Response = Response<ReceiverStream<Result<Text, Status>>>;
    type Error = Status;
    type Future = BoxFuture<Self::Response, Status>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Streaming<Text>>) -> Self::Future {
        let method = self.0.clone();
        Box::pin(async move {
            if method == "Refuse" {
                return Err(Status::failed_precondition("not now: 100 %"));
            }
            let (replies, receiver) = mpsc::channel(4);
            tokio::spawn(async move { run(&method, request.into_inner(), replies).await });
            Ok(Response::new(ReceiverStream::new(receiver)))
        })
    }
}

async fn run(method: &str, mut texts: Streaming<Text>, replies: Replies) {
    let mut joined = String::new();
    while let Some(Ok(Text { text })) = texts.next().await {
        match method {
            "Echo" => drop(replies.send(Ok(Text::new(&format!("echo {text}")))).await),
            "Count" => {
                for number in 0..text.parse().unwrap() {
                    let _: i32 = number;
                    drop(replies.send(Ok(Text::new(&number.to_string()))).await);
                }
            }
            "Break" => {
                drop(replies.send(Ok(Text::new("first"))).await);
                drop(replies.send(Err(Status::data_loss("then no more"))).await);
            }
            _ => joined += &text,
        }
    }
    if method == "Join" {
        drop(replies.send(Ok(Text::new(&joined))).await);
    }
}

fn server() -> Peer {
    Peer::start(|listener| async move {
        let server = Server::builder().add_service(TestService);
        drop(server.serve_with_incoming(TcpListenerStream::new(listener)).await);
    })
}

/// Connects to the HTTPS port.
#[derive(Clone)]
struct Secure(std::net::SocketAddr, Arc<rustls::ClientConfig>);

impl Service<Uri> for Secure {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = StdError;
    type Future = BoxFuture<Self::Response, StdError>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self(address, config) = self.clone();
        Box::pin(async move {
            let socket = TcpStream::connect(address).await?;
            let name = ServerName::try_from("a.example")?;
            Ok(TokioIo::new(TlsConnector::from(config).connect(name, socket).await?))
        })
    }
}

struct Caller(tonic::client::Grpc<Channel>);

fn path(method: &str) -> http::uri::PathAndQuery {
    format!("/test.Echo/{method}").parse().unwrap()
}

impl Caller {
    async fn plain(proxy: &Proxy) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{}", proxy.http)).unwrap();
        let endpoint = endpoint.origin("http://a.example".parse().unwrap());
        Self(tonic::client::Grpc::new(endpoint.connect().await.unwrap()))
    }

    async fn secure(proxy: &Proxy, authority: &Authority) -> Self {
        let connector = Secure(proxy.https, authority.trusting(&["h2"]));
        let endpoint = Endpoint::from_static("https://a.example");
        Self(tonic::client::Grpc::new(endpoint.connect_with_connector(connector).await.unwrap()))
    }

    async fn unary(&mut self, method: &str, text: &str) -> Result<String, Status> {
        self.call(method, Request::new(Text::new(text))).await
    }

    async fn call(&mut self, method: &str, request: Request<Text>) -> Result<String, Status> {
        self.0.ready().await.unwrap();
        let response = self.0.unary(request, path(method), Codec::default()).await?;
        Ok(response.into_inner().text)
    }

    async fn all_four_kinds(&mut self) {
        assert_eq!(self.unary("Echo", "a").await.unwrap(), "echo a");
        let long = "x".repeat(2_000_000);
        assert_eq!(self.unary("Echo", &long).await.unwrap().len(), long.len() + 5);

        self.0.ready().await.unwrap();
        let texts = tokio_stream::iter(["a", "b", "c"].map(Text::new));
        let joined = self.0.client_streaming(Request::new(texts), path("Join"), Codec::default());
        assert_eq!(joined.await.unwrap().into_inner().text, "abc");

        self.0.ready().await.unwrap();
        let request = Request::new(Text::new("500"));
        let counted = self.0.server_streaming(request, path("Count"), Codec::default()).await;
        let counted: Vec<_> = counted.unwrap().into_inner().collect().await;
        assert_eq!(counted.len(), 500);
        assert!(
            counted
                .into_iter()
                .enumerate()
                .all(|(at, text)| { text.unwrap().text == at.to_string() })
        );

        // In turns: nothing may wait for the end of the other direction.
        self.0.ready().await.unwrap();
        let (send, texts) = mpsc::channel(1);
        send.send(Text::new("0")).await.unwrap();
        let request = Request::new(ReceiverStream::new(texts));
        let call = self.0.streaming(request, path("Echo"), Codec::default()).await;
        let mut replies: Pin<Box<Streaming<Text>>> = Box::pin(call.unwrap().into_inner());
        for round in 0..50 {
            let reply = replies.next().await.unwrap().unwrap();
            assert_eq!(reply.text, format!("echo {round}"));
            send.send(Text::new(&(round + 1).to_string())).await.unwrap();
        }
        drop(send);
        assert_eq!(replies.next().await.unwrap().unwrap().text, "echo 50");
        assert!(replies.next().await.is_none());
    }
}

fn start(driver: Driver, peer: &Peer) -> Proxy {
    Proxy::start(driver, manifests(peer.address, "kubernetes.io/h2c", &ingress()))
}

/// For messages above the length that Ingresses have by default.
fn unbounded(driver: Driver, manifests: String) -> Proxy {
    Builder::new(driver).flag("--client-max-body-size", 0).manifests(manifests).start()
}

fn calls_of_all_four_kinds_in_clear_text(driver: Driver) {
    let peer = server();
    let text = manifests(peer.address, "kubernetes.io/h2c", &ingress());
    let proxy = unbounded(driver, text);
    runtime().block_on(async { Caller::plain(&proxy).await.all_four_kinds().await });
}

fn calls_of_all_four_kinds_over_tls(driver: Driver) {
    let (peer, authority) = (server(), Authority::new());
    let leaf = authority.issue(&["a.example"]);
    let secret = manifest::tls_secret("leaf", &leaf.chain, &leaf.key);
    let ingress = ingress().tls(&["a.example"], "leaf");
    let text = secret + &manifests(peer.address, "kubernetes.io/h2c", &ingress);
    let proxy = unbounded(driver, text);
    runtime().block_on(async { Caller::secure(&proxy, &authority).await.all_four_kinds().await });
}

/// `GRPCS`: the backend's ALPN chooses h2.
fn calls_go_to_a_backend_over_tls(driver: Driver) {
    let config = super::tls::server_config(&Authority::new().issue(&["a"]), &["h2"]);
    let peer = Peer::start(|listener| async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        let (send, accepted) = mpsc::channel(8);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let Ok(mut secured) = acceptor.accept(socket).await else { continue };
                // What tonic takes as a connection.
                let (mut inner, outer) = tokio::io::duplex(64 * 1024);
                drop(send.send(Ok::<_, std::io::Error>(outer)).await);
                tokio::spawn(async move {
                    drop(tokio::io::copy_bidirectional(&mut secured, &mut inner).await);
                });
            }
        });
        let server = Server::builder().add_service(TestService);
        drop(server.serve_with_incoming(ReceiverStream::new(accepted)).await);
    });
    let ingress = ingress().annotation("nginx.ingress.kubernetes.io/backend-protocol", "GRPCS");
    let proxy = unbounded(driver, manifests(peer.address, "http", &ingress));
    runtime().block_on(async { Caller::plain(&proxy).await.all_four_kinds().await });
}

fn statuses_come_in_trailers_and_without_a_message(driver: Driver) {
    let peer = server();
    let proxy = start(driver, &peer);
    runtime().block_on(async {
        let mut caller = Caller::plain(&proxy).await;
        let refused = caller.unary("Refuse", "").await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(refused.message(), "not now: 100 %");
        caller.0.ready().await.unwrap();
        let request = Request::new(Text::new(""));
        let broken = caller.0.server_streaming(request, path("Break"), Codec::default()).await;
        let mut broken = broken.unwrap().into_inner();
        assert_eq!(broken.next().await.unwrap().unwrap().text, "first");
        let status = broken.next().await.unwrap().unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::DataLoss, "then no more"));
    });
}

/// Both ends of tonic would keep the deadline themselves, so neither has a part in it.
fn a_deadline_ends_the_call(driver: Driver) {
    let peer = super::connections::silent();
    let proxy = start(driver, &peer);
    let mut client = proxy.client();
    let began = Instant::now();
    client.send("POST /test.Echo/Echo HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n");
    client.send("Content-Type: application/grpc+proto\r\nGrpc-Timeout: 300m\r\n\r\n");
    let response = client.response();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(response.status(), 200);
    assert_eq!(response.field("content-type"), Some("application/grpc"));
    assert_eq!(response.field("grpc-status"), Some("4"));
}

fn our_own_replies_are_grpc_statuses(driver: Driver) {
    let proxy =
        Proxy::start(driver, manifests(Backend::closed_address(), "kubernetes.io/h2c", &ingress()));
    runtime().block_on(async {
        let status = Caller::plain(&proxy).await.unary("Echo", "").await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert_eq!(status.message(), "502 Bad Gateway: the backend failed");
        let endpoint = Endpoint::from_shared(format!("http://{}", proxy.http)).unwrap();
        let endpoint = endpoint.origin("http://b.example".parse().unwrap());
        let channel = endpoint.connect().await.unwrap();
        let mut other = Caller(tonic::client::Grpc::new(channel));
        assert_eq!(other.unary("Echo", "").await.unwrap_err().code(), Code::Unimplemented);
    });
}
