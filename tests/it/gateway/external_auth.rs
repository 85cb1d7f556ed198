//! ExternalAuth of HTTPRoutes: servers of HTTP and of gRPC say who comes in.

use std::convert::Infallible;
use std::future::Ready;
use std::task::{Context, Poll};

use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::{gateway, route};
use crate::annotations::{Area, Row, row};
use crate::for_each_driver;
use crate::harness::{Backend, Client, Driver, Message, manifest, row as rows, wait_until};
use crate::upstream_http2::Peer;

for_each_driver!(servers_of_both_protocols_say_who_comes_in);

const OF_HTTP: &str = "  \
  - matches: [{path: {value: /listed}}]
    filters:
    - type: ExternalAuth
      externalAuth:
        protocol: HTTP
        backendRef: {name: auth, port: 80}
        http: {path: /check/, allowedHeaders: [X-Ask], allowedResponseHeaders: [X-User]}
    backendRefs: [{name: a, port: 80}]
  - matches: [{path: {value: /all}}]
    filters:
    - {type: ExternalAuth, externalAuth: {protocol: HTTP, backendRef: {name: auth, port: 80}}}
    backendRefs: [{name: a, port: 80}]
  - matches: [{path: {value: /body}}]
    filters:
    - type: ExternalAuth
      externalAuth:
        protocol: HTTP
        backendRef: {name: auth, port: 80}
        forwardBody: {maxSize: 8}
    backendRefs: [{name: a, port: 80}]
  - matches: [{path: {value: /unknown}}]
    filters:
    - {type: ExternalAuth, externalAuth: {protocol: TCP, backendRef: {name: auth, port: 80}}}
    backendRefs: [{name: a, port: 80}]
  - matches: [{path: {value: /missing}}]
    filters:
    - {type: ExternalAuth, externalAuth: {protocol: HTTP, backendRef: {name: none, port: 80}}}
    backendRefs: [{name: a, port: 80}]
  - matches: [{path: {value: /foreign}}]
    filters:
    - type: ExternalAuth
      externalAuth:
        {protocol: HTTP, backendRef: {name: auth, namespace: other, port: 80}}
    backendRefs: [{name: a, port: 80}]
";

/// Answers as the path says.
fn answer_of(request: &Message) -> String {
    let target = request.target();
    let path = target.split('?').next().unwrap_or_default();
    let whole = |status: &str, fields: &str, body: &str| {
        format!("HTTP/1.1 {status} X\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    match path.rsplit('/').next().unwrap_or_default() {
        "ok" => whole(
            "200",
            "X-User: ann\r\nX-Other: told\r\nServer: s\r\nContent-Type: text/odd\r\n\
             X-Forwarded-For: 192.0.2.1\r\n",
            "",
        ),
        "silent" => whole("200", "", ""),
        "no" => whole("403", "Content-Type: text/html\r\nX-Secret: s\r\n", "<b>no</b>"),
        "away" => whole("302", "Location: https://login.example/\r\nSet-Cookie: a=1\r\n", ""),
        "created" => whole("201", "", ""),
        other => whole(other, "", ""),
    }
}

fn of_http() -> Vec<Row> {
    let row = |request, status| row("http-auth.example", request, status);
    vec![
        row("/listed/ok?x=%20", 200)
            .send("X-Ask", "1")
            .send("X-Unasked", "1")
            .send("Authorization", "Basic abc")
            .send("X-User", "root")
            .send("X-Other", "mine")
            .from("a")
            .saw("/listed/ok?x=%20")
            .saw_field("X-User", "ann")
            .saw_field("X-Other", "mine"),
        row("/listed/silent", 200).send("X-User", "root").from("a").saw_no("X-User"),
        row("/listed/no", 403).says("<b>no</b>").has("Content-Type", "text/html").lacks("X-Secret"),
        row("/listed/away", 302).has("Location", "https://login.example/").has("Set-Cookie", "a=1"),
        row("/listed/created", 403),
        row("/listed/404", 404),
        row("/listed/500", 500),
        row("/all/ok", 200)
            .send("X-Other", "mine")
            .send("Content-Type", "text/mine")
            .from("a")
            .saw_field("X-User", "ann")
            .saw_field("X-Other", "told")
            .saw_field("Content-Type", "text/mine")
            .saw_field("X-Forwarded-For", "127.0.0.1")
            .saw_no("Server"),
        row("POST /all/ok", 200).body("more than eight octets").from("a"),
        row("POST /body/ok", 200).body("12345678").from("a").saw_body("12345678"),
        row("POST /body/ok", 413).body("123456789"),
        row("/body/ok", 200).from("a"),
        row("/unknown", 503),
        row("/missing", 503),
        row("/foreign", 503),
    ]
}

/// Messages of Envoy, as far as the test reads and writes them.
#[derive(Clone, PartialEq, prost::Message)]
struct CheckRequest {
    #[prost(message, optional, tag = "1")]
    attributes: Option<Attributes>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Attributes {
    #[prost(message, optional, tag = "4")]
    request: Option<Asked>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Asked {
    #[prost(message, optional, tag = "2")]
    http: Option<HttpRequest>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct HttpRequest {
    #[prost(string, tag = "2")]
    method: String,
    #[prost(btree_map = "string, string", tag = "3")]
    headers: std::collections::BTreeMap<String, String>,
    #[prost(string, tag = "4")]
    path: String,
    #[prost(string, tag = "5")]
    host: String,
    #[prost(string, tag = "6")]
    scheme: String,
    #[prost(int64, tag = "9")]
    size: i64,
    #[prost(string, tag = "11")]
    body: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct CheckResponse {
    #[prost(message, optional, tag = "1")]
    status: Option<Code>,
    #[prost(message, optional, tag = "2")]
    denied: Option<Denied>,
    #[prost(message, optional, tag = "3")]
    admitted: Option<Admitted>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Code {
    #[prost(int32, tag = "1")]
    code: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Denied {
    #[prost(message, optional, tag = "1")]
    status: Option<Code>,
    #[prost(message, repeated, tag = "2")]
    headers: Vec<HeaderOption>,
    #[prost(string, tag = "3")]
    body: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Admitted {
    #[prost(message, repeated, tag = "2")]
    headers: Vec<HeaderOption>,
    #[prost(string, repeated, tag = "5")]
    removed: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    answered: Vec<HeaderOption>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct HeaderOption {
    #[prost(message, optional, tag = "1")]
    header: Option<Header>,
    #[prost(message, optional, tag = "2")]
    append: Option<Flag>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Flag {
    #[prost(bool, tag = "1")]
    value: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Header {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

fn header(key: &str, value: impl Into<String>, is_appended: bool) -> HeaderOption {
    let header = Some(Header { key: key.into(), value: value.into() });
    HeaderOption { header, append: is_appended.then_some(Flag { value: true }) }
}

#[derive(Clone)]
struct Authorization;

impl NamedService for Authorization {
    const NAME: &'static str = "envoy.service.auth.v3.Authorization";
}

impl Service<http::Request<Body>> for Authorization {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let codec = ProstCodec::<CheckResponse, CheckRequest>::default();
            Ok(tonic::server::Grpc::new(codec).unary(Checker, request).await)
        })
    }
}

struct Checker;

impl Service<Request<CheckRequest>> for Checker {
    type Response = Response<CheckResponse>;
    type Error = Status;
    type Future = Ready<Result<Self::Response, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<CheckRequest>) -> Self::Future {
        let asked = request.into_inner().attributes.and_then(|all| all.request?.http);
        std::future::ready(checked(asked.unwrap_or_default()).map(Response::new))
    }
}

/// Says what the path asks for, and what the server saw.
fn checked(asked: HttpRequest) -> Result<CheckResponse, Status> {
    let HttpRequest { method, headers, path, host, scheme, size, body } = asked;
    let names: Vec<&str> = headers.keys().map(String::as_str).collect();
    let saw = format!("{method} {scheme}://{host}{path} {size} [{body}] {}", names.join(","));
    let code = |code| Some(Code { code });
    let last = path.split('?').next().and_then(|path| path.rsplit('/').next());
    Ok(match last.unwrap_or_default() {
        "ok" => CheckResponse {
            status: code(0),
            admitted: Some(Admitted {
                headers: vec![
                    header("x-saw", saw, false),
                    header("x-user", "ann", false),
                    header("x-more", "theirs", true),
                    header("host", "evil.example", false),
                ],
                removed: vec!["authorization".into(), "host".into()],
                answered: vec![header("x-told", "t", false)],
            }),
            denied: None,
        },
        "no" => CheckResponse {
            status: code(16),
            denied: Some(Denied {
                status: code(401),
                headers: vec![
                    header("www-authenticate", "Bearer", false),
                    header("content-length", "7", false),
                ],
                body: "who?".into(),
            }),
            admitted: None,
        },
        "bare" => CheckResponse { status: code(7), ..CheckResponse::default() },
        "empty" => CheckResponse::default(),
        "lines" => CheckResponse {
            admitted: Some(Admitted {
                headers: vec![header("x-user", "a\r\nx-admin: 1", false)],
                ..Admitted::default()
            }),
            ..CheckResponse::default()
        },
        _ => return Err(Status::internal("broken")),
    })
}

const OF_GRPC: &str = "  \
  - matches: [{path: {value: /listed}}]
    filters:
    - type: ExternalAuth
      externalAuth:
        protocol: GRPC
        backendRef: {name: checker, port: 80}
        grpc: {allowedHeaders: [X-Ask]}
        forwardBody: {maxSize: 8}
    backendRefs: [{name: a, port: 80}]
  - matches: [{path: {value: /}}]
    filters:
    - {type: ExternalAuth, externalAuth: {protocol: GRPC, backendRef: {name: checker, port: 80}}}
    backendRefs: [{name: a, port: 80}]
";

fn of_grpc() -> Vec<Row> {
    let row = |request, status| row("grpc-auth.example", request, status);
    vec![
        row("/listed/ok?q", 200)
            .send("X-Ask", "1")
            .send("X-User", "root")
            .send("X-More", "mine")
            .send("Authorization", "Basic abc")
            .from("a")
            .saw_field("X-Saw", "GET http://grpc-auth.example/listed/ok?q 0 [] x-ask")
            .saw_field("X-User", "ann")
            .saw_no("Authorization")
            .saw_field("Host", "grpc-auth.example")
            .has("X-Told", "t"),
        row("POST /listed/ok", 200)
            .body("12345678")
            .saw_field("X-Saw", "POST http://grpc-auth.example/listed/ok 8 [12345678]")
            .saw_body("12345678"),
        row("POST /listed/ok", 413).body("123456789"),
        row("/ok", 200)
            .send("X-B", "1")
            .saw_field("X-Saw", "GET http://grpc-auth.example/ok 0 [] host,x-b"),
        row("/no", 401).has("WWW-Authenticate", "Bearer").says("who?").has("Content-Length", "4"),
        row("/bare", 403),
        row("/empty", 500),
        row("/lines", 500),
        row("/broken", 500),
        row("POST /no", 200).send("Content-Type", "application/grpc").has("Grpc-Status", "16"),
    ]
}

fn servers_of_both_protocols_say_who_comes_in(driver: Driver) {
    let auth = Backend::scripted(|mut connection| {
        loop {
            let request = connection.read_request()?;
            connection.send(answer_of(&request))?;
        }
    });
    let checker = Peer::start(|listener| async {
        let server = Server::builder().add_service(Authorization);
        server.serve_with_incoming(TcpListenerStream::new(listener)).await.expect("serves");
    });
    let port = Backend::closed_address().port();
    let served = Area::new(driver)
        .echoes(&["a"])
        .backend("auth", auth)
        .object(manifest::service("checker") + &manifest::endpoints("checker", &[checker.address]))
        .object(gateway(port))
        .object(route("http-auth", OF_HTTP))
        .object(route("grpc-auth", OF_GRPC))
        .start();
    let address = (served.proxy.http.ip(), port).into();
    let check = |table: &[Row]| rows::check(table, |_| Client::connect(address));
    check(&of_http());
    check(&of_grpc());
    let asked = served.backend("auth").received_text();
    let question = "GET /check/listed/ok?x=%20 HTTP/1.1\r\nHost: http-auth.example\r\n";
    let first =
        asked.split("\r\n\r\n").find(|head| head.starts_with(question)).expect("a question");
    let lines = first.to_lowercase();
    for (line, is_there) in [
        ("x-ask: 1", true),
        ("authorization: basic abc", true),
        ("content-length: 0", true),
        ("x-unasked", false),
        ("x-user", false),
        ("x-forwarded-for", false),
    ] {
        assert_eq!(lines.contains(line), is_there, "{line}: {lines}");
    }
    assert!(asked.contains("POST /body/ok HTTP/1.1\r\n") && asked.contains("\r\n\r\n12345678"));
    assert!(!asked.contains("more than eight") && !asked.contains("123456789"));
    // Of unknown length, and too long.
    for (body, status) in [("4\r\nabcd\r\n0\r\n\r\n", 200), ("9\r\nabcdefghi\r\n0\r\n\r\n", 413)] {
        let mut client = Client::connect(address);
        client.send(format!(
            "POST /body/ok HTTP/1.1\r\nHost: http-auth.example\r\n\
             Transfer-Encoding: chunked\r\n\r\n{body}"
        ));
        assert_eq!(client.response().status(), status);
    }
    served.told(&["TCP is not supported; write HTTP or GRPC", "create a ReferenceGrant"]);
    wait_until("refusals are counted", || {
        served.proxy.metric("ringway_external_auth_denied_total", &[]) >= 6.0
            && served.proxy.metric("ringway_external_auth_undecided_total", &[]) >= 4.0
    });
}
