//! The h2 crate as the other end of a connection, by way of the translators.

use std::future::{Future, poll_fn};
use std::ops::Range;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::header::{HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::super::super::body::RequestBody;
use super::super::super::client::{self, Answer, RequestReader, put_response};
use super::super::super::follows::Follows;
use super::super::super::request::{Facts, RequestShape, put_request};
use super::super::super::response::{Event, ResponseReader};
use super::super::{Arrival, Connection, Opened, WindowBudget};
use crate::http1::body::{BodyDecoder, Sender};
use crate::http1::framing::{BodyLength, RequestKind};
use crate::http1::head::HeadScan;
use crate::limits::HTTP2_STREAMS_MAX;

fn noop() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// What the h2 crate has sent.
fn received(wire: &mut DuplexStream) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut space = [0; 16 * 1024];
    loop {
        let mut buf = ReadBuf::new(&mut space);
        match Pin::new(&mut *wire).poll_read(&mut noop(), &mut buf) {
            Poll::Ready(Ok(())) if !buf.filled().is_empty() => octets.extend(buf.filled()),
            _ => return octets,
        }
    }
}

fn send(wire: &mut DuplexStream, mut octets: &[u8]) {
    while !octets.is_empty() {
        let Poll::Ready(Ok(count)) = Pin::new(&mut *wire).poll_write(&mut noop(), octets) else {
            panic!("the wire is full")
        };
        octets = &octets[count..];
    }
}

// ---- A client -----------------------------------------------------------------------------------

/// A request that we answer.
struct Asked {
    id: u32,
    shape: RequestShape,
    body: RequestBody,
    text: Vec<u8>,
    /// What is left of the answer, and whether its head went.
    answer: Option<(ResponseReader, Vec<u8>)>,
}

/// Our end: answers a request with its HTTP/1.1 text, by way of the translators.
struct NearServer {
    server: Connection,
    requests: Vec<Asked>,
}

impl NearServer {
    /// Takes octets in and works on; gives octets.
    fn turn(&mut self, octets: &[u8]) -> Vec<u8> {
        assert_eq!(self.server.receive(octets, 0), Ok(()));
        while let Some(Opened { id, fields, follows }) = self.server.opened() {
            let mut text = Vec::new();
            let facts = Facts { is_secure: false, follows, whole: None };
            let shape = put_request(&mut text, &fields, facts, || [7; 16]).unwrap();
            self.server.recycle(fields);
            let body = RequestBody::new(shape);
            self.requests.push(Asked { id, shape, body, text, answer: None });
        }
        let server = &mut self.server;
        self.requests.retain_mut(|request| {
            request.read(server);
            let is_over = request.write(server);
            if is_over {
                server.release(request.id);
            }
            !is_over
        });
        self.server.take_output()
    }
}

impl Asked {
    fn read(&mut self, server: &mut Connection) {
        while self.answer.is_none()
            && let Poll::Ready(arrival) = server.poll_arrival(self.id, None)
        {
            let unread = server.unread(self.id).to_vec();
            self.body.put_data(&unread, &mut self.text).unwrap();
            server.consume(self.id, unread.len());
            server.credit(self.id, u32::try_from(unread.len()).unwrap());
            if arrival == Ok(Arrival::End) {
                let trailers = server.take_trailers(self.id);
                self.body.put_end_with(trailers.as_deref(), &mut self.text).unwrap();
                self.begin_answer();
            }
        }
    }

    fn begin_answer(&mut self) {
        let mut answer = if self.shape.is_websocket {
            b"HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n".to_vec()
        } else {
            let head = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK";
            format!("{head}\r\nTransfer-Encoding: chunked\r\nX-Odd: \u{ff}\u{80}~\r\n\r\n")
                .into_bytes()
        };
        if self.shape.is_websocket {
            answer.extend(&self.text);
        } else {
            answer.extend(format!("{:x}\r\n", self.text.len()).into_bytes());
            answer.extend(&self.text);
            answer.extend(b"\r\n0\r\nGrpc-Status: 0\r\n\r\n");
        }
        self.answer = Some((ResponseReader::new(self.shape), answer));
    }

    /// Whether all went.
    fn write(&mut self, server: &mut Connection) -> bool {
        let Some((reader, rest)) = &mut self.answer else { return false };
        let mut at = 0;
        loop {
            let event = match reader.next(rest, &mut at).unwrap() {
                Some(event) => event,
                None if reader.is_done() => return true,
                None => reader.finish().unwrap().unwrap(),
            };
            match event {
                Event::Informational { status } => {
                    server.inform(self.id, status, reader.fields(rest)).unwrap();
                }
                Event::Head { status, follows } => {
                    server.respond(self.id, status, reader.fields(rest), follows).unwrap();
                }
                Event::Data { range, follows } => {
                    // In these tests the client takes all that it asked for.
                    let octets = &rest[range];
                    let mut sent = 0;
                    while sent < octets.len() {
                        let polled = server.poll_data(&noop(), self.id, &octets[sent..], follows);
                        let Poll::Ready(Ok(count)) = polled else { panic!("no room at {sent}") };
                        sent += count;
                    }
                }
                Event::End => {
                    server.end(self.id, reader.trailers()).unwrap();
                    return true;
                }
            }
        }
    }
}

async fn fetch(
    sender: &h2::client::SendRequest<Bytes>,
    request: http::Request<()>,
    body: Option<Bytes>,
) -> String {
    let mut sender = sender.clone().ready().await.unwrap();
    let is_websocket = request.extensions().get::<h2::ext::Protocol>().is_some();
    let (response, mut send) = sender.send_request(request, body.is_none()).unwrap();
    if let Some(body) = body {
        send.send_data(body, true).unwrap();
    }
    let response = response.await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    if !is_websocket {
        assert_eq!(response.headers()["x-odd"].as_bytes(), "\u{ff}\u{80}~".as_bytes());
    }
    let mut stream = response.into_body();
    let mut text = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.unwrap();
        stream.flow_control().release_capacity(data.len()).unwrap();
        text.extend_from_slice(&data);
    }
    let trailers = stream.trailers().await.unwrap();
    assert_eq!(trailers.is_none(), is_websocket);
    String::from_utf8(text).unwrap()
}

#[test]
fn the_h2_crate_understands_us_as_a_server() {
    let (far, mut wire) = tokio::io::duplex(1 << 20);
    let server = Connection::serving(0, HTTP2_STREAMS_MAX, WindowBudget::default());
    let mut near = NearServer { server, requests: Vec::new() };
    let mut cx = noop();
    let mut handshake = pin!(h2::client::handshake(far));
    let (sender, connection) = loop {
        if let Poll::Ready(done) = handshake.as_mut().poll(&mut cx) {
            break done.unwrap();
        }
        let octets = near.turn(&received(&mut wire));
        send(&mut wire, &octets);
    };
    let mut connection = pin!(connection);
    let mut work = pin!(async {
        let get = http::Request::builder().uri("http://a/x?y").body(()).unwrap();
        let first = fetch(&sender, get, None).await;
        let post = http::Request::builder().method(Method::POST).uri("http://a/").body(()).unwrap();
        let second = fetch(&sender, post, Some(Bytes::from(vec![b'z'; 50_000]))).await;
        let chat = http::Request::builder().method(Method::CONNECT).uri("https://a/chat");
        let chat = chat.extension(h2::ext::Protocol::from_static("websocket")).body(()).unwrap();
        (first, second, fetch(&sender, chat, Some(Bytes::from_static(b"\x01\x02"))).await)
    });
    let mut rounds = 0;
    let (first, second, third) = loop {
        if let Poll::Ready(texts) = work.as_mut().poll(&mut cx) {
            break texts;
        }
        assert!(connection.as_mut().poll(&mut cx).is_pending());
        let octets = near.turn(&received(&mut wire));
        send(&mut wire, &octets);
        rounds += 1;
        assert!(rounds < 1000, "no progress");
    };
    assert_eq!(first, "GET /x?y HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(second.starts_with("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"));
    assert!(second.ends_with("z\r\n0\r\n\r\n"));
    assert_eq!(second.matches('z').count(), 50_000);
    assert!(third.starts_with("GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\n"));
    assert!(third.ends_with("\r\n\r\n\x01\x02"));
}

// ---- A server -----------------------------------------------------------------------------------

/// A request of ours, and what came of it.
struct Asking {
    id: u32,
    reader: RequestReader,
    octets: Vec<u8>,
    at: usize,
    content: Option<(Range<usize>, Follows)>,
    body: Option<RequestBody>,
    answer: Vec<u8>,
    is_over: bool,
}

impl Asking {
    fn new(octets: Vec<u8>) -> Self {
        let reader = RequestReader::new("http");
        let answer = Vec::new();
        Self { id: 0, reader, octets, at: 0, content: None, body: None, answer, is_over: false }
    }

    fn send(&mut self, client: &mut Connection) {
        loop {
            if let Some((range, follows)) = &mut self.content {
                let octets = &self.octets[range.clone()];
                match client.poll_data(&noop(), self.id, octets, *follows) {
                    Poll::Pending => return,
                    Poll::Ready(sent) => range.start += sent.unwrap(),
                }
                if range.start == range.end {
                    self.content = None;
                }
                continue;
            }
            match self.reader.next(&mut self.octets, &mut self.at).unwrap() {
                None => return,
                Some(client::Event::Head { follows }) => {
                    let target = self.reader.target(&self.octets);
                    self.id =
                        client.open(target, self.reader.fields(&self.octets), follows).unwrap();
                }
                Some(client::Event::Data { range, follows }) => {
                    self.content = Some((range, follows));
                }
                Some(client::Event::End) => client.end(self.id, self.reader.trailers()).unwrap(),
            }
        }
    }

    fn receive(&mut self, client: &mut Connection) {
        let id = self.id;
        while let Poll::Ready(arrival) = client.poll_arrival(id, None) {
            match arrival.unwrap() {
                Arrival::Head => {
                    let fields = client.take_head(id).unwrap();
                    let follows = client.follows(id);
                    match put_response(&mut self.answer, &fields, RequestKind::default(), follows)
                        .unwrap()
                    {
                        Answer::Informational => self.answer.clear(),
                        Answer::Final(length) => self.body = Some(RequestBody::of_length(length)),
                    }
                    client.recycle(fields);
                }
                Arrival::Data => {
                    let octets = client.unread(id).to_vec();
                    self.body.as_mut().unwrap().put_data(&octets, &mut self.answer).unwrap();
                    client.consume(id, octets.len());
                    client.credit(id, u32::try_from(octets.len()).unwrap());
                }
                Arrival::End => {
                    let trailers = client.take_trailers(id);
                    let body = self.body.as_mut().unwrap();
                    body.put_end_with(trailers.as_deref(), &mut self.answer).unwrap();
                    client.release(id);
                    self.is_over = true;
                    return;
                }
            }
        }
    }
}

/// What a request is answered with: its body so many times, and trailers.
#[derive(Debug, Clone)]
struct Wish {
    body: usize,
    is_chunked: bool,
    times: usize,
    has_trailers: bool,
}

impl Wish {
    fn content(&self) -> Vec<u8> {
        (b'a'..=b'w').cycle().take(self.body).collect()
    }

    fn octets(&self) -> Vec<u8> {
        let body = self.content();
        let (times, trailers) = (self.times, u8::from(self.has_trailers));
        let head = format!("POST /?{times}&{trailers} HTTP/1.1\r\nHost: a\r\n");
        let mut octets = head.into_bytes();
        if self.is_chunked {
            octets.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            for chunk in body.chunks(1000) {
                octets.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
                octets.extend(chunk);
                octets.extend(b"\r\n");
            }
            octets.extend(b"0\r\nX-Sum: 1\r\n\r\n");
        } else {
            octets.extend(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
            octets.extend(body);
        }
        octets
    }

    fn check(&self, answer: &mut [u8]) {
        let end = HeadScan::default().find_end(answer).unwrap();
        let (head, body) = answer.split_at_mut(end);
        let head = str::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\nx-trailers: "), "{head}");
        assert_eq!(head.contains("x-trailers: yes"), self.is_chunked, "{head}");
        let expected = self.content();
        let is_empty = self.body * self.times == 0 && !self.has_trailers;
        if is_empty && head.contains("content-length: 0") {
            return assert!(body.is_empty());
        }
        let mut decoder = BodyDecoder::new(BodyLength::Chunked, Sender::Upstream);
        let (mut at, mut decoded) = (0, Vec::new());
        while at < body.len() {
            let part = decoder.decode(&mut body[at..]).unwrap();
            decoded.extend_from_slice(&body[at..at + part.body]);
            at += part.consumed;
        }
        assert!(decoder.is_done());
        assert!(decoded == expected.repeat(self.times), "{} octets", decoded.len());
        assert_eq!(decoder.trailers() == b"grpc-status: 0\r\n", self.has_trailers);
    }
}

async fn echo((request, mut respond): (http::Request<RecvStream>, SendResponse<Bytes>)) {
    let query = request.uri().query().unwrap().to_owned();
    let (times, trailers) = query.split_once('&').unwrap();
    let mut stream = request.into_body();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.unwrap();
        stream.flow_control().release_capacity(data.len()).unwrap();
        body.extend_from_slice(&data);
    }
    let has_trailers = stream.trailers().await.unwrap().is_some();
    let said = if has_trailers { "yes" } else { "no" };
    let mut octets = Bytes::from(body.repeat(times.parse().unwrap()));
    let response = Response::builder().header("x-trailers", said).body(()).unwrap();
    let mut send = respond.send_response(response, false).unwrap();
    while !octets.is_empty() {
        send.reserve_capacity(octets.len());
        let room = poll_fn(|context| send.poll_capacity(context)).await.unwrap().unwrap();
        send.send_data(octets.split_to(room.min(octets.len())), false).unwrap();
    }
    if trailers == "1" {
        let status =
            [(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))];
        send.send_trailers(HeaderMap::from_iter(status)).unwrap();
    } else {
        send.send_data(Bytes::new(), true).unwrap();
    }
}

/// Asks the h2 crate for all wishes, as many at a time as it takes.
fn ask(builder: &h2::server::Builder, wishes: &[Wish], step: usize) {
    let (far, mut wire) = tokio::io::duplex(16 << 20);
    let mut client = Connection::asking(0, WindowBudget::default());
    let mut handshake = pin!(builder.handshake::<_, Bytes>(far));
    let mut server = None;
    let mut tasks: Vec<Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
    let mut asking: Vec<Asking> = wishes.iter().map(|wish| Asking::new(wish.octets())).collect();
    for _ in 0..100_000 {
        let open = asking.iter().filter(|one| one.id > 0 && !one.is_over).count();
        let room = (client.streams_allowed() as usize).saturating_sub(open);
        asking
            .iter_mut()
            .filter(|one| one.id == 0)
            .take(room)
            .for_each(|one| one.send(&mut client));
        for one in asking.iter_mut().filter(|one| one.id > 0 && !one.is_over) {
            one.send(&mut client);
            one.receive(&mut client);
        }
        client.wakes().clear();
        if asking.iter().all(|one| one.is_over) {
            client.retire();
            assert!(client.is_over());
            return wishes
                .iter()
                .zip(asking)
                .for_each(|(wish, mut one)| wish.check(&mut one.answer));
        }
        send(&mut wire, &client.take_output());
        match &mut server {
            None => {
                if let Poll::Ready(done) = handshake.as_mut().poll(&mut noop()) {
                    server = Some(done.unwrap());
                }
            }
            Some(server) => {
                while let Poll::Ready(Some(call)) = server.poll_accept(&mut noop()) {
                    tasks.push(Box::pin(echo(call.unwrap())));
                }
                tasks.retain_mut(|task| task.as_mut().poll(&mut noop()).is_pending());
                assert!(server.poll_closed(&mut noop()).is_pending());
            }
        }
        for piece in received(&mut wire).chunks(step) {
            assert_eq!(client.receive(piece, 0), Ok(()));
        }
    }
    panic!("no progress");
}

fn wish() -> impl Strategy<Value = Wish> {
    let body = prop_oneof![Just(0_usize), 1..100_usize, 60_000..200_000_usize];
    (body, any::<bool>(), 0..3_usize, any::<bool>()).prop_map(
        |(body, is_chunked, times, has_trailers)| Wish { body, is_chunked, times, has_trailers },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever windows and streams it grants, and however its octets are cut.
    #[test]
    fn the_h2_crate_answers_us_as_a_client(
        wishes in proptest::collection::vec(wish(), 1..8),
        window in prop_oneof![1_u32..100, 1000..100_000_u32],
        streams in 1_u32..5,
        step in prop_oneof![1..100_usize, 1000..100_000_usize],
    ) {
        let mut builder = h2::server::Builder::new();
        // Fewer octets where each frame of theirs allows few of ours.
        let wishes: Vec<_> = wishes
            .into_iter()
            .map(|wish| Wish { body: wish.body.min(window as usize * 1000), ..wish })
            .collect();
        builder.initial_window_size(window).max_concurrent_streams(streams);
        ask(&builder, &wishes, step);
    }
}
