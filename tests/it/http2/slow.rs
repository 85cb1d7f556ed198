//! Clients that do not get on, in clear text and over TLS: what they began, what they asked for and
//! what they gave up is bounded in time, and who is merely slow is served.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::for_each_driver;
use crate::harness::frames::*;
use crate::harness::pki::Authority;
use crate::harness::{
    Backend, Builder, Client, Driver, Gate, Http2, Ingress, Proxy, manifest, pause, wait_until,
};

for_each_driver!(
    connection_without_a_request_is_closed,
    frame_that_does_not_end_closes_the_connection,
    half_a_frame_beside_a_running_download,
    pieces_of_frames_do_not_put_off_the_idle_end,
    slow_upload_that_moves_is_served,
    served_connection_outlives_the_time_of_a_head,
    silence_counts_for_the_first_head_of_http1,
    content_that_never_comes_is_408,
    shut_windows_end_their_streams,
    websocket_with_a_shut_window_ends,
    client_that_never_reads_is_left,
    client_that_never_reads_does_not_hold_up_a_drain,
    requests_given_up_leave_no_more_running_than_the_limits_say,
    upload_given_up_is_not_pressed_on_a_stalled_backend,
);

/// Longest time for what takes a second by its flags. Other deadlines are a minute and more.
const PATIENCE: Duration = Duration::from_secs(12);
/// How often a client that trickles sends.
const TRICKLE: Duration = Duration::from_millis(100);

/// How a client comes.
#[derive(Debug, Clone, Copy)]
enum Way {
    Clear,
    Tls,
}

const WAYS: [Way; 2] = [Way::Clear, Way::Tls];

/// One host, on both listeners.
struct Site {
    authority: Authority,
    backend: Backend,
    proxy: Proxy,
}

impl Site {
    fn start(driver: Driver, backend: Backend, flags: &[(&str, f32)]) -> Self {
        let authority = Authority::new();
        let leaf = authority.issue(&["a.example"]);
        let ingress = Ingress::simple("web", "a.example", "web")
            .tls(&["a.example"], "a-tls")
            .annotation("nginx.ingress.kubernetes.io/ssl-redirect", "false");
        let manifests = manifest::backend("web", &[backend.address()])
            + &manifest::tls_secret("a-tls", &leaf.chain, &leaf.key)
            + &ingress.yaml();
        let builder = Builder::new(driver).manifests(manifests);
        let builder =
            flags.iter().fold(builder, |builder, (name, value)| builder.flag(name, value));
        Self { authority, backend, proxy: builder.start() }
    }

    fn client(&self, way: Way, protocol: &str) -> Client {
        match way {
            Way::Clear => self.proxy.client(),
            Way::Tls => {
                let config = self.authority.trusting(&[protocol]);
                Client::tls(self.proxy.https, &config, "a.example")
            }
        }
    }

    fn raw(&self, way: Way) -> Http2 {
        Http2::over(self.client(way, "h2"))
    }

    fn connect(&self, way: Way, values: &[(u16, u32)]) -> Http2 {
        let mut http2 = self.raw(way);
        http2.start(values);
        http2
    }

    fn assert_serves(&self) {
        let mut http2 = self.connect(Way::Tls, &[]);
        http2.send(ask(Way::Tls, 1, "GET", "/", END_STREAM));
        assert_eq!(http2.answer(1).status, 200);
    }
}

fn fields<'a>(way: Way, method: &'a str, path: &'a str) -> Vec<(&'a str, &'a str)> {
    let scheme = if matches!(way, Way::Tls) { "https" } else { "http" };
    vec![(":method", method), (":scheme", scheme), (":path", path), (":authority", "a.example")]
}

fn ask(way: Way, stream: u32, method: &str, path: &str, flags: u8) -> Vec<u8> {
    headers(stream, &fields(way, method, path), flags)
}

/// What a client sends, and then piece by piece.
struct Row {
    name: &'static str,
    first: Vec<u8>,
    pieces: Vec<Vec<u8>>,
}

fn row(name: &'static str, first: impl Into<Vec<u8>>) -> Row {
    Row { name, first: first.into(), pieces: Vec::new() }
}

impl Row {
    /// Then these, one [`TRICKLE`] apart.
    fn pieces(mut self, pieces: impl Iterator<Item = Vec<u8>>) -> Self {
        self.pieces = pieces.take(300).collect();
        self
    }

    /// Then octet by octet.
    fn trickled(self, octets: impl Into<Vec<u8>>) -> Self {
        let octets = octets.into();
        self.pieces(octets.into_iter().map(|octet| vec![octet]))
    }

    /// Sends all of it; the connection must be closed in time.
    #[track_caller]
    fn assert_closed(&self, way: Way, mut http2: Http2) {
        let start = Instant::now();
        let mut is_closed = http2.send_if_open(&self.first).is_err();
        for piece in &self.pieces {
            if is_closed || start.elapsed() > PATIENCE {
                break;
            }
            pause(TRICKLE);
            is_closed = http2.send_if_open(piece).is_err();
        }
        if self.pieces.is_empty() {
            http2.client().read_until_close();
            is_closed = true;
        }
        let took = start.elapsed();
        assert!(is_closed && took < PATIENCE, "{} {way:?}: {is_closed} {took:?}", self.name);
    }
}

/// All rows at once, each on a connection of its own.
fn assert_all_closed(rows: &[Row], way: Way, connect: impl Fn() -> Http2 + Sync) {
    std::thread::scope(|scope| {
        for row in rows {
            scope.spawn(|| row.assert_closed(way, connect()));
        }
    });
}

/// `--client-header-timeout` from accept, or the end of the handshake, to the first whole head.
fn connection_without_a_request_is_closed(driver: Driver) {
    let site = Site::start(driver, Backend::echo("a"), &[("--client-header-timeout", 1.0)]);
    let start = [PREFACE, &settings(&[])].concat();
    let after = |octets: &[u8]| [&start, octets].concat();
    let values = settings(&[(INITIAL_WINDOW_SIZE, 70_000), (MAX_FRAME_SIZE, 20_000)]);
    for way in WAYS {
        let block = block(&fields(way, "GET", "/"));
        let long = frame(HEADERS, END_STREAM | END_HEADERS, 1, [b'x'; 9000]);
        let head = frame(HEADERS, END_STREAM, 1, &block);
        let rows = [
            row("nothing", ""),
            row("half a preface", &PREFACE[..10]),
            row("most of a preface", &PREFACE[..20]),
            row("the preface octet by octet", "").trickled([&start[..], &long].concat()),
            row("no SETTINGS", PREFACE),
            row("half of SETTINGS", [PREFACE, &values[..15]].concat()),
            row("no request", after(&[])),
            row("PING for a request", after(&[])).pieces(std::iter::repeat(frame(
                PING,
                0,
                0,
                b"stillon?",
            ))),
            row("half of a frame head", after(&head[..5])),
            row("half of HEADERS", after(&long[..100])),
            row("HEADERS octet by octet", after(&[])).trickled(&long[..300]),
            row("no END_HEADERS", after(&head)),
            row("half of CONTINUATION", after(&head)).trickled(frame(CONTINUATION, 0, 1, [0; 999])),
            row("half a head of HTTP/1.1", "GET / HT"),
            row("HTTP/1.1 octet by octet", "").trickled(format!("GET /{}", "x".repeat(300))),
        ];
        assert_all_closed(&rows, way, || site.raw(way));
    }
    assert!(site.proxy.metric("ringway_client_timeouts_total", &[]) >= 10.0);
    assert_eq!(site.backend.request_count(), 0);
    site.assert_serves();
}

/// The same time from the first octet of any frame to its last.
fn frame_that_does_not_end_closes_the_connection(driver: Driver) {
    let site = Site::start(driver, Backend::echo("a"), &[("--client-header-timeout", 1.0)]);
    for way in WAYS {
        let long = |kind, stream| frame(kind, 0, stream, [0; 600]);
        let post = |octets: &[u8]| [&ask(way, 3, "POST", "/", 0), octets].concat();
        let rows = [
            row("one octet", [0]),
            row("frame head but one octet", &long(SETTINGS, 0)[..8]),
            row("half of DATA", post(&data(3, [b'x'; 9000], 0)[..3000])),
            row("DATA octet by octet", post(&[])).trickled(&data(3, [b'x'; 9000], 0)[..300]),
            row("DATA on no stream", &data(1, [b'x'; 90], 0)[..20]),
            row("HEADERS", &frame(HEADERS, END_HEADERS | END_STREAM, 3, [b'x'; 600])[..50]),
            row("trailers", post(&frame(HEADERS, END_HEADERS | END_STREAM, 3, [b'x'; 600])[..50])),
            row("PRIORITY", &priority(3, 1)[..12]),
            row("RST_STREAM", post(&reset(3, CANCEL)[..12])),
            row("SETTINGS", &long(SETTINGS, 0)[..50]),
            row("SETTINGS octet by octet", "").trickled(long(SETTINGS, 0)),
            row("PING", &frame(PING, 0, 0, [0; 8])[..16]),
            row("GOAWAY", &frame(GOAWAY, 0, 0, [0; 8])[..16]),
            row("WINDOW_UPDATE", post(&window_update(3, 1)[..12])),
            row("unknown", &long(0xb0, 0)[..50]),
            row("unknown octet by octet", "").trickled(long(0xb0, 0)),
        ];
        assert_all_closed(&rows, way, || {
            let mut http2 = site.connect(way, &[]);
            http2.send(ask(way, 1, "GET", "/", END_STREAM));
            assert_eq!(http2.answer(1).status, 200);
            http2
        });
    }
    site.assert_serves();
}

/// A connection in the middle of a frame is not idle, and neither is it at work.
fn half_a_frame_beside_a_running_download(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        connection.read_request()?;
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        loop {
            connection.send("1\r\nx\r\n")?;
            pause(Duration::from_millis(50));
        }
    });
    let site = Site::start(driver, backend, &[("--client-header-timeout", 1.0)]);
    for (index, way) in WAYS.into_iter().enumerate() {
        let mut http2 = site.connect(way, &[]);
        http2.grants_window = false;
        http2.send(ask(way, 1, "GET", "/", END_STREAM));
        http2.read_until(|http2| http2.so_far(1).body.len() > 3);
        http2.send(&frame(PING, 0, 0, b"halfping")[..12]);
        let start = Instant::now();
        http2.read_until(|_| start.elapsed() > PATIENCE);
        assert!(http2.is_closed, "{way:?}: open after {:?}", start.elapsed());
        site.backend.wait_for_ends(index + 1);
    }
}

/// `--keep-alive-timeout` runs on while frames that are no request come in pieces.
fn pieces_of_frames_do_not_put_off_the_idle_end(driver: Driver) {
    let site = Site::start(driver, Backend::echo("a"), &[("--keep-alive-timeout", 1.0)]);
    for way in WAYS {
        // In a frame at each moment, and none takes long.
        let ping = frame(PING, 0, 0, b"piecemea");
        let pieces = [&ping[5..], &ping[..5]].concat();
        let row = row("pieces of PING", &ping[..5]).pieces(std::iter::repeat(pieces));
        assert_all_closed(&[row], way, || {
            let mut http2 = site.connect(way, &[]);
            http2.send(ask(way, 1, "GET", "/", END_STREAM));
            assert_eq!(http2.answer(1).status, 200);
            http2
        });
    }
}

/// A frame of DATA may take longer than a head as long as it gets on.
fn slow_upload_that_moves_is_served(driver: Driver) {
    let site = Site::start(driver, Backend::echo("a"), &[("--client-header-timeout", 2.0)]);
    for way in WAYS {
        let mut http2 = site.connect(way, &[]);
        http2.send(ask(way, 1, "POST", "/", 0));
        for piece in data(1, [b'x'; 16_000], END_STREAM).chunks(2000) {
            http2.send(piece);
            pause(Duration::from_millis(400));
        }
        let answer = http2.answer(1);
        assert_eq!((answer.status, http2.goaway), (200, None), "{way:?}");
        assert_eq!(answer.json()["body"].as_str().map(str::len), Some(16_000));
    }
}

/// The time of a head says nothing about a connection between two requests.
fn served_connection_outlives_the_time_of_a_head(driver: Driver) {
    let site = Site::start(driver, Backend::echo("a"), &[("--client-header-timeout", 0.5)]);
    for way in WAYS {
        let mut http2 = site.connect(way, &[]);
        for stream in [1, 3] {
            http2.send(ask(way, stream, "GET", "/", END_STREAM));
            assert_eq!(http2.answer(stream).status, 200, "{way:?}");
            pause(Duration::from_millis(1500));
        }
        http2.sync();
    }
}

/// Silence, a beginning that might be HTTP/2, and the head share one deadline.
fn silence_counts_for_the_first_head_of_http1(driver: Driver) {
    let site = Site::start(driver, Backend::echo("a"), &[("--client-header-timeout", 4.0)]);
    let check = |way: Way, pieces: [&str; 3]| {
        let mut client = site.client(way, "http/1.1");
        let start = Instant::now();
        for piece in pieces {
            pause(Duration::from_millis(1200));
            client.send(piece);
        }
        client.read_until_close();
        // Each with a time of its own took more.
        let took = start.elapsed();
        assert!(took < Duration::from_millis(7000), "{way:?} {pieces:?}: {took:?}");
    };
    std::thread::scope(|scope| {
        for way in WAYS {
            scope.spawn(move || check(way, ["", "", "GET / HT"]));
            scope.spawn(move || check(way, ["P", "", "OST / HT"]));
            scope.spawn(move || check(way, ["", "P", "RI * HTT"]));
        }
    });
}

/// `--client-body-timeout` of a stream that was opened and never sent DATA.
fn content_that_never_comes_is_408(driver: Driver) {
    let site = Site::start(driver, Backend::echo("a"), &[("--client-body-timeout", 0.5)]);
    for way in WAYS {
        let mut http2 = site.connect(way, &[]);
        let announced = [&fields(way, "POST", "/")[..], &[("content-length", "5")]].concat();
        let heads = [
            ask(way, 1, "POST", "/", 0),
            ask(way, 3, "GET", "/", 0),
            headers(5, &announced, 0),
            [headers(7, &announced, 0), data(7, "two", 0)].concat(),
        ];
        http2.send(heads.concat());
        for stream in [1, 3, 5, 7] {
            let answer = http2.answer(stream);
            assert!(answer.status == 408 || answer.reset.is_some(), "{way:?} {stream}: {answer:?}");
        }
        http2.send(ask(way, 9, "GET", "/", END_STREAM));
        assert_eq!(http2.answer(9).status, 200, "{way:?}");
    }
    assert_eq!(site.backend.request_count(), 2, "half of a request looked whole");
}

/// Sends without end what was asked for by anything but `/`.
fn endless() -> Backend {
    Backend::scripted(|mut connection| {
        loop {
            if connection.read_request()?.target() == "/" {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
                continue;
            }
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
            loop {
                connection.send(&chunk)?;
            }
        }
    })
}

const STREAMS: [u32; 10] = [1, 3, 5, 7, 9, 11, 13, 15, 17, 19];

/// `--client-send-timeout`, whichever window is shut, and whatever trickles into it.
fn shut_windows_end_their_streams(driver: Driver) {
    let site = Site::start(driver, endless(), &[("--client-send-timeout", 1.0)]);
    let each =
        |octets: fn(u32) -> Vec<u8>| STREAMS.into_iter().flat_map(octets).collect::<Vec<_>>();
    let shut = || settings(&[(INITIAL_WINDOW_SIZE, 0)]);
    let rows = [
        ("of each stream, from the first", 0, Vec::new(), Vec::new()),
        ("of each stream, in the end", 5000, Vec::new(), Vec::new()),
        ("of each stream, an octet at a time", 0, Vec::new(), each(|id| window_update(id, 1))),
        ("of each stream, shut by SETTINGS", 5000, shut(), Vec::new()),
        ("of the connection", 1 << 24, Vec::new(), Vec::new()),
        ("of the connection, an octet at a time", 1 << 24, Vec::new(), window_update(0, 1)),
        ("of the connection, opened for none", 0, window_update(0, 1 << 24), Vec::new()),
    ];
    let mut ended = 0;
    for way in WAYS {
        for (name, window, next, again) in &rows {
            let mut http2 = site.connect(way, &[(INITIAL_WINDOW_SIZE, *window)]);
            http2.grants_window = false;
            for stream in STREAMS {
                http2.send(ask(way, stream, "GET", "/endless", END_STREAM));
            }
            http2.send(next);
            let start = Instant::now();
            ended += STREAMS.len();
            while site.backend.end_count() < ended {
                assert!(start.elapsed() < PATIENCE, "{name} {way:?}: {}", site.backend.end_count());
                drop(http2.send_if_open(again));
                pause(TRICKLE);
            }
            for stream in STREAMS {
                let answer = http2.answer(stream);
                assert!(answer.reset.is_some() || http2.is_closed, "{name} {way:?}: {stream}");
            }
        }
    }
}

/// What a client sends through its WebSocket does not prolong what it does not take.
fn websocket_with_a_shut_window_ends(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        connection.read_head()?;
        connection.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        )?;
        loop {
            connection.send([b'x'; 4096])?;
        }
    });
    let site = Site::start(driver, backend, &[("--proxy-read-timeout", 1.0)]);
    for (index, way) in WAYS.into_iter().enumerate() {
        let mut http2 = site.connect(way, &[]);
        http2.grants_window = false;
        let mut fields = fields(way, "CONNECT", "/ws");
        fields.splice(1..1, [(":protocol", "websocket")]);
        fields.push(("sec-websocket-version", "13"));
        http2.send(headers(1, &fields, 0));
        let start = Instant::now();
        while site.backend.end_count() <= index {
            assert!(start.elapsed() < PATIENCE, "{way:?}");
            drop(http2.send_if_open(data(1, "x", 0)));
            pause(TRICKLE);
        }
    }
}

/// Windows as wide as can be, and a socket that is not read.
fn ask_and_never_read(site: &Site, way: Way) -> Http2 {
    let mut http2 = site.connect(way, &[(INITIAL_WINDOW_SIZE, (1 << 31) - 1)]);
    http2.send(window_update(0, (1 << 31) - 1 - 65_535));
    for stream in STREAMS {
        http2.send(ask(way, stream, "GET", "/endless", END_STREAM));
    }
    http2
}

fn client_that_never_reads_is_left(driver: Driver) {
    let site = Site::start(driver, endless(), &[("--client-send-timeout", 1.0)]);
    for (index, way) in WAYS.into_iter().enumerate() {
        let mut http2 = ask_and_never_read(&site, way);
        site.backend.wait_for_ends(STREAMS.len() * (index + 1));
        let mut sender = http2.client().sender();
        wait_until("the connection to be closed", || {
            std::io::Write::write_all(&mut sender, b"anything").is_err()
        });
    }
    site.assert_serves();
}

/// Nor does one that takes no notice of GOAWAY and never closes.
fn client_that_never_reads_does_not_hold_up_a_drain(driver: Driver) {
    let flags = [("--client-send-timeout", 2.0), ("--drain-timeout", 120.0)];
    for way in WAYS {
        let mut site = Site::start(driver, endless(), &flags);
        let _unread = ask_and_never_read(&site, way);
        site.backend.wait_for_text("/endless");
        let _silent = site.connect(way, &[]);
        let _unsettled = site.raw(way);
        site.proxy.signal("TERM");
        let (status, _) = site.proxy.wait_for_exit();
        assert_eq!(status.code(), Some(0), "{way:?}");
    }
}

/// The connections of this test that may be open at a time.
const CONNECTIONS_MAX: usize = 4;

/// How a request is given up.
#[derive(Debug, Clone, Copy)]
enum GivenUp {
    ResetAtOnce,
    Reset,
    Close,
    Http1,
}

/// A connection counts as long as anything runs for its sake.
fn requests_given_up_leave_no_more_running_than_the_limits_say(driver: Driver) {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let backend = Backend::scripted({
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        move |mut connection| {
            if connection.read_head()?.target() == "/" {
                return connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            let end = connection.read_to_end();
            running.fetch_sub(1, Ordering::SeqCst);
            end.map(drop)
        }
    });
    let proxy = Builder::new(driver)
        .flag("--max-connections", CONNECTIONS_MAX)
        .manifests(manifest::one_host("a.example", backend.address()))
        .start();
    for how in [GivenUp::ResetAtOnce, GivenUp::Reset, GivenUp::Close, GivenUp::Http1] {
        for _ in 0..150 {
            give_up(&proxy, how);
        }
        wait_until("all of it to end upstream", || running.load(Ordering::SeqCst) == 0);
        // The backend learns of an end a little later than the next connection is let in.
        let peak = most.swap(0, Ordering::SeqCst);
        assert!(peak <= 4 * CONNECTIONS_MAX, "{how:?}: {peak}");
    }
    wait_until("room for a new connection", || {
        let mut client = proxy.client();
        drop(client.send_if_open("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        client.try_response().is_ok_and(|response| response.status() == 200)
    });
}

/// One that is turned away cannot send; that is as good.
fn give_up(proxy: &Proxy, how: GivenUp) {
    let mut client = proxy.client();
    let start = [PREFACE, &settings(&[]), &get(1, "/run")].concat();
    match how {
        GivenUp::ResetAtOnce => {
            drop(client.send_if_open([start, reset(1, CANCEL)].concat()));
        }
        GivenUp::Reset => {
            drop(client.send_if_open(start));
            pause(Duration::from_millis(2));
            drop(client.send_if_open(reset(1, CANCEL)));
        }
        GivenUp::Close => drop(client.send_if_open(start)),
        GivenUp::Http1 => {
            drop(client.send_if_open("GET /run HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        }
    }
}

/// `--proxy-send-timeout` is for an upstream that somebody waits for.
fn upload_given_up_is_not_pressed_on_a_stalled_backend(driver: Driver) {
    let gate = Gate::new();
    let backend = Backend::scripted({
        let gate = gate.clone();
        move |mut connection| {
            connection.read_head()?;
            gate.wait();
            connection.read_to_end().map(drop)
        }
    });
    let manifests = manifest::one_host("a.example", backend.address());
    let proxy = Builder::new(driver).flag("--client-max-body-size", 0).manifests(manifests).start();
    let mut http2 = Http2::connect(proxy.http);
    super::flow::upload_until_stuck(&mut http2);
    http2.send(reset(1, CANCEL));
    wait_until("the stream to be noticed", || {
        proxy.metric("ringway_client_aborts_total", &[]) >= 1.0
    });
    http2.sync();
    let client = proxy.client();
    let mut sender = client.sender();
    sender.set_write_timeout(Some(Duration::from_millis(300))).expect("write timeout");
    let head = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 999999999\r\n\r\n";
    std::io::Write::write_all(&mut sender, head.as_bytes()).expect("head");
    while std::io::Write::write(&mut sender, &[b'x'; 65_536]).is_ok() {}
    drop(sender);
    client.reset();
    wait_until("the client to be missed", || {
        proxy.metric("ringway_client_aborts_total", &[]) >= 2.0
    });
    gate.open();
}
