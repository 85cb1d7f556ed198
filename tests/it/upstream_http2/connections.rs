//! What backends do with HTTP/2 connections, and what becomes of requests: an h2 server as backend.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Peer, ingress, manifests};
use crate::for_each_driver;
use crate::harness::frames::{self, END_STREAM};
use crate::harness::{Builder, Driver, Http2, Ingress, Proxy, fields_named, manifest, wait_until};

for_each_driver!(
    requests_share_a_connection,
    goaway_loses_no_request,
    refused_streams_are_repeated_for_every_method,
    a_limit_of_one_stream_is_kept,
    requests_beyond_all_streams_wait_and_are_refused_as_such,
    a_client_that_does_not_read_holds_nobody_up,
    bodies_and_their_lengths_go_both_ways,
    an_upgrade_is_an_ordinary_request,
    targets_go_on_as_they_came,
    many_fields_are_passed_on,
    misplaced_pseudo_fields_are_refused,
    a_backend_that_breaks_off_is_502,
    a_backend_that_speaks_http1_is_502,
    a_lost_connection_is_replaced,
    an_idle_connection_is_closed,
    idle_connections_give_way_where_descriptors_are_used_up,
    a_silent_backend_is_504_and_its_stream_cancelled,
    a_removed_endpoint_ends_its_connection_with_its_last_stream,
);

/// What all connections saw.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: AtomicUsize,
}

type Call = (Request<RecvStream>, SendResponse<Bytes>);

async fn serve<F: Future<Output = ()> + 'static>(
    listener: TcpListener,
    builder: h2::server::Builder,
    seen: Arc<Seen>,
    each: impl Fn(Connection<TcpStream, Bytes>, Arc<Seen>) -> F + 'static,
) {
    let tasks = tokio::task::LocalSet::new();
    let accept = async {
        while let Ok((socket, _)) = listener.accept().await {
            seen.connections.fetch_add(1, Ordering::SeqCst);
            if let Ok(connection) = builder.handshake(socket).await {
                tokio::task::spawn_local(each(connection, Arc::clone(&seen)));
            }
        }
    };
    tasks.run_until(accept).await;
}

/// Answers every request of a connection by `answer`, all at a time.
async fn answer_all<F: Future<Output = ()> + 'static>(
    mut connection: Connection<TcpStream, Bytes>,
    seen: Arc<Seen>,
    answer: impl Fn(Call) -> F,
) {
    while let Some(Ok(call)) = connection.accept().await {
        seen.requests.fetch_add(1, Ordering::SeqCst);
        tokio::task::spawn_local(answer(call));
    }
}

fn backend<F: Future<Output = ()> + 'static>(
    answer: impl Fn(Call) -> F + Clone + Send + 'static,
) -> (Peer, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let of_backend = Arc::clone(&seen);
    let peer = Peer::start(move |listener| {
        let each = move |connection, seen| answer_all(connection, seen, answer.clone());
        serve(listener, h2::server::Builder::new(), of_backend, each)
    });
    (peer, seen)
}

/// Takes requests and says nothing.
pub(super) fn silent() -> Peer {
    let (peer, _) = backend(|call: Call| async move {
        let _held = call;
        std::future::pending::<()>().await;
    });
    peer
}

fn start(driver: Driver, peer: &Peer) -> Proxy {
    Proxy::start(driver, manifests(peer.address, "kubernetes.io/h2c", &ingress()))
}

async fn read_all(mut body: RecvStream) -> Vec<u8> {
    let mut octets = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        drop(body.flow_control().release_capacity(data.len()));
        octets.extend_from_slice(&data);
    }
    octets
}

async fn send_all(stream: &mut h2::SendStream<Bytes>, mut octets: Bytes) {
    while !octets.is_empty() {
        stream.reserve_capacity(octets.len());
        match std::future::poll_fn(|context| stream.poll_capacity(context)).await {
            Some(Ok(room)) => {
                let part = octets.split_to(room.min(octets.len()));
                drop(stream.send_data(part, false));
            }
            _ => return,
        }
    }
    drop(stream.send_data(Bytes::new(), true));
}

async fn answer_ok((request, mut respond): Call) {
    drop(read_all(request.into_body()).await);
    tokio::time::sleep(Duration::from_millis(2)).await;
    if let Ok(mut stream) = respond.send_response(Response::new(()), false) {
        drop(stream.send_data(Bytes::from_static(b"ok"), true));
    }
}

const POST: &str = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello";

/// `each` POSTs on each of `clients` connections at a time; all have to succeed.
fn post_all(proxy: &Proxy, clients: usize, each: usize) {
    std::thread::scope(|scope| {
        for _ in 0..clients {
            let mut client = proxy.client();
            scope.spawn(move || {
                for round in 0..each {
                    client.send(POST);
                    let response = client.response();
                    assert_eq!(response.status(), 200, "round {round}");
                    assert_eq!(&*response.body, b"ok");
                }
            });
        }
    });
}

fn requests_share_a_connection(driver: Driver) {
    let (peer, seen) = backend(answer_ok);
    let proxy = start(driver, &peer);
    post_all(&proxy, 20, 5);
    assert_eq!(seen.requests.load(Ordering::SeqCst), 100);
    assert_eq!(seen.connections.load(Ordering::SeqCst), 1);
}

/// Every connection says GOAWAY after seven requests, under load.
fn goaway_loses_no_request(driver: Driver) {
    let seen = Arc::new(Seen::default());
    let of_backend = Arc::clone(&seen);
    let peer = Peer::start(move |listener| {
        let each = |mut connection: Connection<TcpStream, Bytes>, seen: Arc<Seen>| async move {
            let mut served = 0;
            while let Some(Ok(call)) = connection.accept().await {
                seen.requests.fetch_add(1, Ordering::SeqCst);
                tokio::task::spawn_local(answer_ok(call));
                served += 1;
                if served == 7 {
                    connection.graceful_shutdown();
                }
            }
        };
        serve(listener, h2::server::Builder::new(), of_backend, each)
    });
    let proxy = start(driver, &peer);
    post_all(&proxy, 8, 25);
    assert!(seen.connections.load(Ordering::SeqCst) >= 10);
    assert_eq!(seen.requests.load(Ordering::SeqCst), 200, "none was repeated that was served");
}

fn refused_streams_are_repeated_for_every_method(driver: Driver) {
    let count = Arc::new(AtomicUsize::new(0));
    let (peer, _) = backend(move |(request, mut respond): Call| {
        let is_first = count.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        async move {
            if is_first {
                respond.send_reset(Reason::REFUSED_STREAM);
            } else {
                answer_ok((request, respond)).await;
            }
        }
    });
    let proxy = start(driver, &peer);
    post_all(&proxy, 1, 5);
    assert_eq!(proxy.metric("ringway_upstream_refusals_total", &[]), 5.0);
}

fn a_limit_of_one_stream_is_kept(driver: Driver) {
    let seen = Arc::new(Seen::default());
    let of_backend = Arc::clone(&seen);
    let most = Arc::new(AtomicUsize::new(0));
    let of_connections = Arc::clone(&most);
    let peer = Peer::start(move |listener| {
        let mut builder = h2::server::Builder::new();
        builder.max_concurrent_streams(1);
        let each = move |connection, seen| {
            let (most, open) = (Arc::clone(&of_connections), Arc::new(AtomicUsize::new(0)));
            answer_all(connection, seen, move |call| {
                let (most, open) = (Arc::clone(&most), Arc::clone(&open));
                async move {
                    most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    answer_ok(call).await;
                    open.fetch_sub(1, Ordering::SeqCst);
                }
            })
        };
        serve(listener, builder, of_backend, each)
    });
    let proxy = start(driver, &peer);
    post_all(&proxy, 20, 5);
    assert_eq!(seen.requests.load(Ordering::SeqCst), 100, "none was refused");
    assert_eq!(most.load(Ordering::SeqCst), 1);
    let connections = seen.connections.load(Ordering::SeqCst);
    assert!((2..=8).contains(&connections), "{connections} connections");
}

/// Eight connections of one stream each; who comes then waits as long as for a connection.
fn requests_beyond_all_streams_wait_and_are_refused_as_such(driver: Driver) {
    let seen = Arc::new(Seen::default());
    let of_backend = Arc::clone(&seen);
    let (release, held) = tokio::sync::watch::channel(false);
    let peer = Peer::start(move |listener| {
        let mut builder = h2::server::Builder::new();
        builder.max_concurrent_streams(1);
        let each = move |connection, seen| {
            let held = held.clone();
            answer_all(connection, seen, move |call| {
                let mut held = held.clone();
                async move {
                    drop(held.wait_for(|is_released| *is_released).await);
                    answer_ok(call).await;
                }
            })
        };
        serve(listener, builder, of_backend, each)
    });
    let proxy = Builder::new(driver)
        .flag("--proxy-connect-timeout", 3)
        .manifests(manifests(peer.address, "kubernetes.io/h2c", &ingress()))
        .start();
    let mut clients: Vec<_> = (0..8).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send(POST);
    }
    wait_until("eight streams", || seen.requests.load(Ordering::SeqCst) == 8);
    assert_eq!(seen.connections.load(Ordering::SeqCst), 8);
    assert_eq!(proxy.get("a.example", "/").status(), 503);
    assert_eq!(proxy.metric("ringway_upstream_exhausted_total", &[]), 1.0);
    let mut patient = proxy.client();
    patient.send(POST);
    release.send(true).expect("the backend");
    for client in clients.iter_mut().chain([&mut patient]) {
        assert_eq!(client.response().status(), 200);
    }
    assert_eq!(seen.connections.load(Ordering::SeqCst), 8);
}

const LONG: usize = 16 * 1024 * 1024;

fn a_client_that_does_not_read_holds_nobody_up(driver: Driver) {
    let (peer, seen) = backend(|(request, mut respond): Call| async move {
        if request.uri().path() != "/long" {
            return answer_ok((request, respond)).await;
        }
        if let Ok(mut stream) = respond.send_response(Response::new(()), false) {
            send_all(&mut stream, Bytes::from(vec![b'x'; LONG])).await;
        }
    });
    let proxy = start(driver, &peer);
    let mut slow: Vec<_> = (0..20)
        .map(|_| {
            let mut socket = std::net::TcpStream::connect(proxy.http).expect("connect");
            let get = "GET /long HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
            socket.write_all(get.as_bytes()).expect("send");
            socket
        })
        .collect();
    for socket in &mut slow {
        let mut first = [0; 1024];
        socket.read_exact(&mut first).expect("the beginning");
    }
    post_all(&proxy, 2, 20);
    assert_eq!(seen.connections.load(Ordering::SeqCst), 1);
    let mut rest = Vec::new();
    slow[0].read_to_end(&mut rest).expect("the rest");
    assert!(rest.len() > LONG - 2048 && rest.ends_with(b"0\r\n\r\n"), "{} octets", rest.len());
}

fn bodies_and_their_lengths_go_both_ways(driver: Driver) {
    let (peer, _) = backend(|(request, mut respond): Call| async move {
        let said = request.headers().get("content-length").cloned();
        let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let is_known = request.uri().path() == "/known";
        let body = read_all(request.into_body()).await;
        let mut response = Response::builder()
            .header(
                "x-said",
                said.map_or_else(|| "none".into(), |said| said.to_str().unwrap().to_owned()),
            )
            .header("x-authority", authority);
        if is_known {
            response = response.header("content-length", body.len());
        }
        let response = response.body(()).unwrap();
        if let Ok(mut stream) = respond.send_response(response, false) {
            send_all(&mut stream, Bytes::from(body)).await;
        }
    });
    let proxy = start(driver, &peer);
    let mut client = proxy.client();
    let long = "x".repeat(300_000);
    for (path, is_chunked) in [("/known", false), ("/unknown", true)] {
        client
            .send(format!("POST {path} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 300000\r\n"));
        client.send(format!("\r\n{long}"));
        let response = client.response();
        assert_eq!(response.status(), 200);
        assert_eq!(response.field("x-said"), Some("300000"));
        assert_eq!(response.field("x-authority"), Some("a.example"));
        assert_eq!((response.body.len(), response.is_chunked), (300_000, is_chunked));
    }
    client.send("POST /known HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("3\r\nabc\r\n0\r\n\r\n");
    let response = client.response();
    assert_eq!(response.field("x-said"), Some("none"));
    assert_eq!(&*response.body, b"abc");
    client.send("HEAD /known HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(client.response_to("HEAD").status(), 200);
    assert_eq!(client.get("a.example", "/known").status(), 200, "the connection lives on");
}

fn an_upgrade_is_an_ordinary_request(driver: Driver) {
    let (peer, _) = backend(answer_ok);
    let proxy = start(driver, &peer);
    let mut client = proxy.client();
    client
        .send("GET / HTTP/1.1\r\nHost: a.example\r\nConnection: upgrade\r\nUpgrade: websocket\r\n");
    client.send("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
    assert_eq!(client.response().status(), 200);
}

/// Octet for octet, as to HTTP/1.1.
fn targets_go_on_as_they_came(driver: Driver) {
    let (peer, _) = backend(|(request, mut respond): Call| async move {
        let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        if let Ok(mut stream) = respond.send_response(Response::new(()), false) {
            send_all(&mut stream, Bytes::from(target)).await;
        }
    });
    let proxy = start(driver, &peer);
    for target in ["/foo/%25%32%46", "/a/../b//c?", "/a;b%2Fc?%zz&|", "/\u{e4}?\u{e4}"] {
        assert_eq!(proxy.get("a.example", target).text(), target);
    }
    assert_eq!(proxy.get("a.example", "/<a>?<").text(), "/%3Ca%3E?%3C");
}

fn many_fields_are_passed_on(driver: Driver) {
    let (peer, _) = backend(|(_, mut respond): Call| async move {
        let each =
            |response: http::response::Builder, n| response.header("set-cookie", format!("c{n}=1"));
        let response = (0..1000).fold(Response::builder(), each).body(()).unwrap();
        if let Ok(mut stream) = respond.send_response(response, false) {
            send_all(&mut stream, Bytes::from_static(b"ok")).await;
        }
    });
    let proxy = start(driver, &peer);
    let mut client = proxy.client();
    for _ in 0..2 {
        let response = client.get("a.example", "/");
        assert_eq!((response.status(), &response.body[..]), (200, &b"ok"[..]));
        assert_eq!(fields_named(&response.fields, "set-cookie").len(), 1000);
    }
}

/// A backend on one connection that answers each request with the frames of the next row, whose
/// stream is 0.
async fn say_frames(listener: TcpListener, rows: Vec<Vec<u8>>) {
    let Ok((mut socket, _)) = listener.accept().await else { return };
    let mut preface = [0; 24];
    socket.read_exact(&mut preface).await.expect("the preface");
    socket.write_all(&frames::settings(&[])).await.expect("SETTINGS");
    let mut rows = rows.into_iter();
    let mut head = [0; 9];
    while socket.read_exact(&mut head).await.is_ok() {
        let [l0, l1, l2, kind, _, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, l0, l1, l2]) as usize];
        socket.read_exact(&mut payload).await.expect("a payload");
        if kind == frames::HEADERS {
            let mut answer = rows.next().expect("a row");
            let mut at = 0;
            while at < answer.len() {
                answer[at + 5..at + 9].copy_from_slice(&stream);
                at += 9 + usize::from(answer[at + 1]) * 256 + usize::from(answer[at + 2]);
            }
            socket.write_all(&answer).await.expect("an answer");
        }
    }
}

/// Each costs its own request; the connection goes on.
fn misplaced_pseudo_fields_are_refused(driver: Driver) {
    let head = |fields: &[(&str, &str)]| frames::headers(0, fields, 0);
    let plain = || [head(&[(":status", "200")]), frames::data(0, "ok", 0)].concat();
    let trailers =
        |fields: &[(&str, &str)]| [plain(), frames::headers(0, fields, END_STREAM)].concat();
    let body = |fields: &[(&str, &str)]| [head(fields), frames::data(0, "ok", END_STREAM)].concat();
    let early = head(&[(":status", "103")]);
    let rows = [
        (body(&[(":status", "200"), ("x", "1")]), true),
        (body(&[(":status", "200"), (":path", "/")]), false),
        (body(&[(":method", "GET"), (":status", "200")]), false),
        ([head(&[(":status", "103"), (":path", "/")]), plain()].concat(), false),
        (trailers(&[(":path", "/"), ("x", "1")]), false),
        (trailers(&[(":status", "200")]), false),
        ([early, trailers(&[("x", "1")])].concat(), true),
    ];
    let answers = rows.iter().map(|(answer, ..)| answer.clone()).collect();
    let peer = Peer::start(move |listener| say_frames(listener, answers));
    let proxy = start(driver, &peer);
    for (row, (_, is_fine)) in rows.iter().enumerate() {
        let mut client = Http2::connect(proxy.http);
        client.send(frames::headers(1, &frames::request("POST", "/"), END_STREAM));
        let answer = client.answer(1);
        // The head may be on its way when trailers turn out to be malformed.
        let is_passed_on = answer.status == 200 && answer.is_ended;
        assert_eq!(is_passed_on, *is_fine, "row {row}: {answer:?}");
        assert!(matches!(answer.status, 200 | 502), "row {row}: {answer:?}");
    }
}

fn a_backend_that_breaks_off_is_502(driver: Driver) {
    let (peer, _) = backend(|(_, mut respond): Call| async move {
        respond.send_reset(Reason::INTERNAL_ERROR);
    });
    let proxy = start(driver, &peer);
    let mut client = proxy.client();
    client.send(POST);
    assert_eq!(client.response().status(), 502);
}

fn a_backend_that_speaks_http1_is_502(driver: Driver) {
    let backend = crate::harness::Backend::echo("old");
    let text = manifests(backend.address(), "kubernetes.io/h2c", &ingress());
    let proxy = Proxy::start(driver, text);
    assert_eq!(proxy.get("a.example", "/").status(), 502);
}

/// The backend closes after every response, without GOAWAY.
fn a_lost_connection_is_replaced(driver: Driver) {
    let seen = Arc::new(Seen::default());
    let of_backend = Arc::clone(&seen);
    let peer = Peer::start(move |listener| {
        let each = |mut connection: Connection<TcpStream, Bytes>, _| async move {
            if let Some(Ok((_, mut respond))) = connection.accept().await {
                drop(respond.send_response(Response::new(()), true));
                let soon = Duration::from_millis(20);
                drop(tokio::time::timeout(soon, connection.accept()).await);
            }
        };
        serve(listener, h2::server::Builder::new(), of_backend, each)
    });
    let proxy = start(driver, &peer);
    let mut client = proxy.client();
    for _ in 0..5 {
        assert_eq!(client.get("a.example", "/").status(), 200);
        crate::harness::pause(Duration::from_millis(100));
    }
    assert_eq!(seen.connections.load(Ordering::SeqCst), 5);
}

/// How many connections of the backend are open.
fn counting() -> (Peer, Arc<AtomicUsize>) {
    let open = Arc::new(AtomicUsize::new(0));
    let of_backend = Arc::clone(&open);
    let peer = Peer::start(move |listener| {
        let each = move |connection, seen| {
            let open = Arc::clone(&of_backend);
            async move {
                open.fetch_add(1, Ordering::SeqCst);
                answer_all(connection, seen, |(request, respond): Call| async move {
                    if request.uri().path() == "/slow" {
                        tokio::time::sleep(Duration::from_millis(1500)).await;
                    }
                    answer_ok((request, respond)).await;
                })
                .await;
                open.fetch_sub(1, Ordering::SeqCst);
            }
        };
        serve(listener, h2::server::Builder::new(), Arc::default(), each)
    });
    (peer, open)
}

fn an_idle_connection_is_closed(driver: Driver) {
    let (peer, open) = counting();
    let proxy = Builder::new(driver)
        .flag("--pool-idle-timeout", 1)
        .manifests(manifests(peer.address, "kubernetes.io/h2c", &ingress()))
        .start();
    assert_eq!(proxy.get("a.example", "/").status(), 200);
    assert_eq!(open.load(Ordering::SeqCst), 1);
    wait_until("the connection to end", || open.load(Ordering::SeqCst) == 0);
    assert_eq!(proxy.get("a.example", "/").status(), 200);
}

/// Whichever protocol the idle one speaks, and the one that is wanted.
fn idle_connections_give_way_where_descriptors_are_used_up(driver: Driver) {
    for (idle_is_http2, wanted_is_http2) in [(true, false), (false, true), (true, true)] {
        let peers = [backend(answer_ok).0, backend(answer_ok).0];
        let old = crate::harness::Backend::echo("old");
        let service = |name: &str, peer: &Peer, is_http2: bool| {
            let ingress = Ingress::simple(name, &format!("{name}.example"), name).yaml();
            if !is_http2 {
                return manifest::backend(name, &[old.address()]) + &ingress;
            }
            let port = "port: 80\n      appProtocol: kubernetes.io/h2c";
            let service = manifest::service(name).replace("port: 80", port);
            service + &manifest::endpoints(name, &[peer.address]) + &ingress
        };
        let text = service("idle", &peers[0], idle_is_http2)
            + &service("wanted", &peers[1], wanted_is_http2);
        let proxy = Builder::new(driver).manifests(text).start();
        let mut clients = Vec::new();
        // Those that come after the first request take every descriptor below the one that goes
        // idle, so that the limit is above it.
        for _ in 0..8 {
            let mut client = proxy.client();
            assert_eq!(client.get("idle.example", "/").status(), 200);
            clients.push(client);
        }
        proxy.spare_descriptors(Some(0));
        for client in &mut clients {
            let status = client.get("wanted.example", "/").status();
            assert_eq!(status, 200, "{idle_is_http2}, {wanted_is_http2}");
        }
        proxy.spare_descriptors(None);
        assert!(proxy.metric("ringway_upstream_evictions_total", &[]) >= 1.0);
    }
}

fn a_silent_backend_is_504_and_its_stream_cancelled(driver: Driver) {
    let cancelled = Arc::new(AtomicUsize::new(0));
    let of_backend = Arc::clone(&cancelled);
    let (peer, _) = backend(move |(_, mut respond): Call| {
        let cancelled = Arc::clone(&of_backend);
        async move {
            let reset = std::future::poll_fn(|context| respond.poll_reset(context)).await;
            if reset.is_ok_and(|reason| reason == Reason::CANCEL) {
                cancelled.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let proxy = Builder::new(driver)
        .flag("--proxy-read-timeout", 1)
        .flag("--proxy-next-upstream-tries", 1)
        .manifests(manifests(peer.address, "kubernetes.io/h2c", &ingress()))
        .start();
    assert_eq!(proxy.get("a.example", "/").status(), 504);
    wait_until("the reset", || cancelled.load(Ordering::SeqCst) == 1);
}

fn a_removed_endpoint_ends_its_connection_with_its_last_stream(driver: Driver) {
    let (peer, open) = counting();
    let (next, _) = counting();
    let proxy = start(driver, &peer);
    assert_eq!(proxy.get("a.example", "/").status(), 200);
    std::thread::scope(|scope| {
        let mut client = proxy.client();
        let slow = scope.spawn(move || client.get("a.example", "/slow").status());
        crate::harness::pause(Duration::from_millis(200));
        let text = manifests(next.address, "kubernetes.io/h2c", &ingress());
        proxy.replace(crate::harness::proxy::MAIN_FILE, &text);
        assert_eq!(slow.join().unwrap(), 200);
    });
    wait_until("the connection to end", || open.load(Ordering::SeqCst) == 0);
    assert_eq!(proxy.get("a.example", "/").status(), 200);
}
