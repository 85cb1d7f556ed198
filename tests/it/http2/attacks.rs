//! Attacks by name: each is ended within [`PROMPT`], and other clients are served meanwhile.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::for_each_driver;
use crate::harness::frames::*;
use crate::harness::{Backend, Builder, Driver, Http2, Proxy, manifest, pause};

for_each_driver!(
    rapid_reset,
    rapid_reset_leaves_no_work_behind,
    made_you_reset,
    continuation_flood,
    empty_continuation_flood,
    hpack_bomb,
    bomb_of_cookie_crumbs,
    empty_data_flood,
    empty_headers_flood,
    settings_flood,
    ping_flood,
    ping_flood_of_a_client_that_does_not_read,
    settings_flood_of_a_client_that_does_not_read,
    window_update_storm,
    priority_churn,
    unknown_frames_flood,
    zero_window_stall,
    zero_window_with_octets_dribbled,
);

/// About a second, with room for a debug build on busy cores.
const PROMPT: Duration = Duration::from_secs(3);

/// Longest an attacker goes on.
const PATIENCE: Duration = Duration::from_secs(8);

/// How an attack ended.
#[derive(Debug)]
struct End {
    code: Option<u32>,
    took: Duration,
    is_closed: bool,
}

impl End {
    /// The connection was closed in time, with one of the codes told if any was.
    #[track_caller]
    fn assert_closed(&self, codes: &[u32]) {
        assert!(self.is_closed && self.took < PROMPT, "{self:?}");
        assert!(self.code.is_none_or(|code| codes.contains(&code)), "{self:?}");
    }
}

fn builder(driver: Driver, backend: &Backend) -> Builder {
    Builder::new(driver).manifests(manifest::one_host("a.example", backend.address()))
}

/// Runs `attack` while another client asks again and again; each must get its 200 in time.
#[track_caller]
fn beside_others<R>(proxy: &Proxy, attack: impl FnOnce() -> R) -> R {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let witness = scope.spawn(|| {
            let mut slowest = Duration::ZERO;
            while !is_over.load(Ordering::SeqCst) {
                let start = Instant::now();
                assert_eq!(Http2::connect(proxy.http).get(1, "/witness").status, 200);
                slowest = slowest.max(start.elapsed());
                pause(Duration::from_millis(10));
            }
            slowest
        });
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(attack));
        is_over.store(true, Ordering::SeqCst);
        let slowest = witness.join().expect("another client was not served");
        assert!(slowest < PROMPT, "another client waited {slowest:?}");
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Sends `octets(round)` until the proxy closes, and reads all that comes, on a thread of its own.
#[track_caller]
fn flood(proxy: &Proxy, mut octets: impl FnMut(u32) -> Vec<u8> + Send) -> End {
    beside_others(proxy, || {
        let mut http2 = Http2::connect(proxy.http);
        let mut sender = http2.client().sender();
        let start = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut round = 0;
                while start.elapsed() < PATIENCE && sender.write_all(&octets(round)).is_ok() {
                    round += 1;
                }
                drop(sender.shutdown(std::net::Shutdown::Write));
            });
            let code = http2.end();
            let took = start.elapsed();
            // What the attacker still writes meets a closed socket.
            drop(http2);
            End { code, took, is_closed: took < PATIENCE }
        })
    })
}

/// The same without reading: what the proxy answers piles up on its side.
#[track_caller]
fn flood_unread(proxy: &Proxy, octets: &[u8]) -> End {
    beside_others(proxy, || {
        let mut http2 = Http2::connect(proxy.http);
        let mut sender = http2.client().sender();
        sender.set_write_timeout(Some(Duration::from_millis(50))).expect("write timeout");
        let start = Instant::now();
        let (mut at, mut is_closed) = (0, false);
        while start.elapsed() < PATIENCE && !is_closed {
            match sender.write(&octets[at..]) {
                Ok(count) => at = (at + count) % octets.len(),
                Err(error) => is_closed = is_end(&error),
            }
        }
        End { code: None, took: start.elapsed(), is_closed }
    })
}

const CALM: &[u32] = &[ENHANCE_YOUR_CALM, PROTOCOL_ERROR];

/// Streams of a round.
fn streams(round: u32, count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(move |index| 1 + 2 * (round * count + index))
}

/// CVE-2023-44487.
fn rapid_reset(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = builder(driver, &backend).start();
    let end = flood(&proxy, |round| {
        streams(round, 50).flat_map(|id| [get(id, "/rapid"), reset(id, CANCEL)].concat()).collect()
    });
    end.assert_closed(CALM);
}

/// A stream counts until its request upstream is given up.
fn rapid_reset_leaves_no_work_behind(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        if connection.read_head()?.target() == "/witness" {
            return connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
        connection.read_to_end().map(drop)
    });
    let proxy = builder(driver, &backend).start();
    let end = flood(&proxy, |round| {
        streams(round, 10).flat_map(|id| [get(id, "/rapid"), reset(id, CANCEL)].concat()).collect()
    });
    end.assert_closed(CALM);
    let count = backend.connection_count();
    backend.wait_for_ends(count);
    assert!(backend.received_text().matches("/rapid").count() <= 1000, "{count} connections");
}

/// The frame behind a request on a stream.
type Maker = fn(u32) -> Vec<u8>;

/// CVE-2025-8671: whatever makes the proxy reset a stream itself.
fn made_you_reset(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = builder(driver, &backend).start();
    let makers: [(&str, Maker); 4] = [
        ("WINDOW_UPDATE of 0", |id| window_update(id, 0)),
        ("overflow of the window", |id| window_update(id, (1 << 31) - 1)),
        ("PRIORITY on itself", |id| priority(id, id)),
        ("DATA after the end", |id| data(id, "x", 0)),
    ];
    for (name, make) in makers {
        let end = flood(&proxy, |round| {
            streams(round, 20).flat_map(|id| [get(id, "/"), make(id)].concat()).collect()
        });
        assert!(end.is_closed && end.took < PROMPT, "{name}: {end:?}");
    }
}

/// CVE-2024-27316 and others.
fn continuation_flood(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = builder(driver, &backend).start();
    let filler = block(&[("x-filler", &"f".repeat(1000))]);
    let end = flood(&proxy, |round| match round {
        0 => frame(HEADERS, END_STREAM, 1, block(&request("GET", "/flood"))),
        _ => frame(CONTINUATION, 0, 1, &filler).repeat(20),
    });
    end.assert_closed(&[ENHANCE_YOUR_CALM, COMPRESSION_ERROR, PROTOCOL_ERROR]);
    assert!(!backend.received_text().contains("/flood"));
}

/// CVE-2019-9518 within a field block.
fn empty_continuation_flood(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = builder(driver, &backend).start();
    let end = flood(&proxy, |round| match round {
        0 => frame(HEADERS, END_STREAM, 1, block(&request("GET", "/flood"))),
        _ => frame(CONTINUATION, 0, 1, []).repeat(500),
    });
    end.assert_closed(&[ENHANCE_YOUR_CALM, COMPRESSION_ERROR, PROTOCOL_ERROR]);
}

/// A block of one octet a field: refused on its stream or by the end of the connection.
#[track_caller]
fn assert_bomb_is_refused(proxy: &Proxy, backend: &Backend, octets: &[u8]) {
    beside_others(proxy, || {
        let mut http2 = Http2::connect(proxy.http);
        let start = Instant::now();
        drop(http2.send_if_open(octets));
        let answer = http2.answer(1);
        let is_refused = matches!(answer.status, 400 | 431)
            || answer.status == 0 && (answer.reset.is_some() || http2.is_closed);
        assert!(is_refused && start.elapsed() < PROMPT, "{answer:?} {:?}", http2.goaway);
    });
    assert!(!backend.received_text().contains("/bomb"));
}

/// CVE-2016-6581: an entry of 4,000 octets, named thousands of times.
fn hpack_bomb(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = builder(driver, &backend).start();
    let mut octets = block(&request("GET", "/bomb"));
    octets.extend([0x40, 1, b'x']);
    octets.extend(integer(0, 7, 4000));
    octets.extend([b'v'; 4000]);
    octets.extend([0x80 | 62; 12_000]);
    let head = frame(HEADERS, END_STREAM | END_HEADERS, 1, &octets[..16_384.min(octets.len())]);
    assert_bomb_is_refused(&proxy, &backend, &head);
}

/// CVE-2026-49975: octets stay few, the fields become many.
fn bomb_of_cookie_crumbs(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = builder(driver, &backend).start();
    let mut octets = block(&request("GET", "/bomb"));
    octets.extend([0x40 | 32, 1, b'a']);
    octets.extend([0x80 | 62; 15_000]);
    let head = frame(HEADERS, END_STREAM | END_HEADERS, 1, octets);
    assert_bomb_is_refused(&proxy, &backend, &head);
}

/// CVE-2019-9518.
fn empty_data_flood(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = builder(driver, &backend).start();
    let end = flood(&proxy, |round| match round {
        0 => post(1, "/"),
        _ => data(1, "", 0).repeat(500),
    });
    end.assert_closed(CALM);
}

/// The same with requests: HEADERS without a field.
fn empty_headers_flood(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = builder(driver, &backend).start();
    let end = flood(&proxy, |round| {
        streams(round, 50).flat_map(|id| headers(id, &[], END_STREAM)).collect()
    });
    end.assert_closed(CALM);
    assert!(!backend.received_text().contains("\r\n\r\n\r\n"));
}

/// CVE-2019-9515, with the table size going up and down.
fn settings_flood(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = builder(driver, &backend).start();
    let pair = [settings(&[(HEADER_TABLE_SIZE, 0)]), settings(&[(HEADER_TABLE_SIZE, 65_536)])];
    let octets = pair.concat().repeat(200);
    flood(&proxy, |_| octets.clone()).assert_closed(CALM);
}

/// CVE-2019-9512.
fn ping_flood(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = builder(driver, &backend).start();
    let octets = frame(PING, 0, 0, b"floodfld").repeat(500);
    flood(&proxy, |_| octets.clone()).assert_closed(CALM);
}

fn ping_flood_of_a_client_that_does_not_read(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = builder(driver, &backend).flag("--client-send-timeout", 1).start();
    flood_unread(&proxy, &frame(PING, 0, 0, b"floodfld").repeat(500)).assert_closed(CALM);
}

fn settings_flood_of_a_client_that_does_not_read(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = builder(driver, &backend).flag("--client-send-timeout", 1).start();
    flood_unread(&proxy, &settings(&[]).repeat(500)).assert_closed(CALM);
}

/// CVE-2019-9511 class: updates of one octet.
fn window_update_storm(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = builder(driver, &backend).start();
    let end = flood(&proxy, |round| match round {
        0 => post(1, "/"),
        _ => [window_update(0, 1), window_update(1, 1)].concat().repeat(300),
    });
    end.assert_closed(&[ENHANCE_YOUR_CALM, PROTOCOL_ERROR, FLOW_CONTROL_ERROR]);
}

/// CVE-2019-9513.
fn priority_churn(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = builder(driver, &backend).start();
    let end = flood(&proxy, |round| {
        streams(round % 1000, 500).flat_map(|id| priority(id, id + 2)).collect()
    });
    end.assert_closed(CALM);
}

/// Section 5.5 has them ignored; not without end.
fn unknown_frames_flood(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = builder(driver, &backend).start();
    let octets = frame(0x16, 0, 0, [0; 4]).repeat(500);
    flood(&proxy, |_| octets.clone()).assert_closed(CALM);
}

/// A response far larger than any buffer.
fn large_backend() -> Backend {
    let body = "x".repeat(4 << 20);
    Backend::scripted(move |mut connection| {
        loop {
            let is_witness = connection.read_request()?.target() == "/witness";
            let body = if is_witness { "ok" } else { body.as_str() };
            connection
                .send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()))?;
            connection.send(body)?;
        }
    })
}

/// CVE-2019-9517: responses asked for and never taken.
fn zero_window_stall(driver: Driver) {
    let backend = large_backend();
    let proxy = builder(driver, &backend).flag("--client-send-timeout", 1).start();
    beside_others(&proxy, || {
        let mut http2 = Http2::connect_with(proxy.http, &[(INITIAL_WINDOW_SIZE, 0)]);
        let start = Instant::now();
        http2.send(streams(0, 20).flat_map(|id| get(id, "/stall")).collect::<Vec<u8>>());
        for stream in streams(0, 20) {
            let answer = http2.answer(stream);
            assert!(answer.reset.is_some() || http2.is_closed, "{answer:?}");
        }
        assert!(start.elapsed() < PROMPT, "{:?}", start.elapsed());
    });
    // The witness's connections rest in the pool; those of the stalled streams must be gone.
    backend.wait_for_ends(20);
}

/// One octet now and then is no progress.
fn zero_window_with_octets_dribbled(driver: Driver) {
    let backend = large_backend();
    let proxy = builder(driver, &backend).flag("--client-send-timeout", 1).start();
    beside_others(&proxy, || {
        let mut http2 = Http2::connect_with(proxy.http, &[(INITIAL_WINDOW_SIZE, 1)]);
        http2.grants_window = false;
        http2.send(get(1, "/stall"));
        let mut sender = http2.client().sender();
        let start = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                while start.elapsed() < PATIENCE && sender.write_all(&window_update(1, 1)).is_ok() {
                    pause(Duration::from_millis(100));
                }
                drop(sender.shutdown(std::net::Shutdown::Write));
            });
            let answer = http2.answer(1);
            let took = start.elapsed();
            let is_ended = answer.reset.is_some() || http2.is_closed;
            // The shutdown of the sending thread is no end that the proxy made.
            drop(http2);
            assert!(is_ended && took < PATIENCE - PROMPT, "{took:?}");
        });
    });
}
