//! RFC 9113 section 5.2, 6.9: windows are honoured exactly, and neither side's pause costs memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::for_each_driver;
use crate::harness::frames::*;
use crate::harness::{
    Backend, Builder, Driver, Gate, Http2, Proxy, holds_within, manifest, pause, wait_until,
};

for_each_driver!(
    window_of_one_octet_is_honoured,
    initial_window_changes_later,
    window_goes_negative,
    window_of_the_connection_is_shared,
    our_frames_keep_to_the_maximum_of_the_client,
    slow_reader_holds_back_the_upstream,
    slow_upstream_holds_back_the_client,
    client_that_overruns_its_window_is_stopped,
    stalled_stream_does_not_stop_the_others,
    cancelled_stream_cancels_the_upstream_request,
    end_of_the_connection_cancels_the_upstream_request,
    many_streams_at_once,
    small_frames_that_are_taken_are_no_abuse,
    large_upload_and_download,
);

const TEXT: &str = "0123456789abcdefghijklmnopqrstuvwxyz";

fn text_backend() -> Backend {
    Backend::fixed(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{TEXT}", TEXT.len()))
}

fn start(driver: Driver, backend: &Backend) -> Proxy {
    // Bodies are longer here than Ingresses take by default.
    let builder = Builder::new(driver).flag("--client-max-body-size", 0);
    builder.manifests(manifest::one_host("a.example", backend.address())).start()
}

/// Octets of the content so far, once the proxy had the time to send more.
#[track_caller]
fn received(http2: &mut Http2, stream: u32, at_least: usize) -> usize {
    http2.read_until(|http2| http2.so_far(stream).body.len() >= at_least);
    pause(Duration::from_millis(30));
    http2.sync();
    http2.so_far(stream).body.len()
}

fn window_of_one_octet_is_honoured(driver: Driver) {
    let backend = text_backend();
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect_with(proxy.http, &[(INITIAL_WINDOW_SIZE, 1)]);
    http2.grants_window = false;
    http2.send(get(1, "/"));
    for count in 1..=5 {
        assert_eq!(received(&mut http2, 1, count), count);
        http2.send(window_update(1, 1));
    }
    http2.send(window_update(1, 1000));
    assert_eq!(http2.answer(1).body, TEXT.as_bytes());
}

/// Section 6.9.2: the difference applies to streams that are open.
fn initial_window_changes_later(driver: Driver) {
    let backend = text_backend();
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect_with(proxy.http, &[(INITIAL_WINDOW_SIZE, 0)]);
    http2.grants_window = false;
    http2.send(get(1, "/"));
    http2.read_until(|http2| http2.so_far(1).status == 200);
    assert_eq!(received(&mut http2, 1, 0), 0);
    http2.send(settings(&[(INITIAL_WINDOW_SIZE, 3)]));
    assert_eq!(received(&mut http2, 1, 3), 3);
    http2.send(settings(&[(INITIAL_WINDOW_SIZE, 10)]));
    assert_eq!(received(&mut http2, 1, 10), 10);
    http2.send(settings(&[(INITIAL_WINDOW_SIZE, 1000)]));
    assert_eq!(http2.answer(1).body, TEXT.as_bytes());
}

fn window_goes_negative(driver: Driver) {
    let backend = text_backend();
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect_with(proxy.http, &[(INITIAL_WINDOW_SIZE, 5)]);
    http2.grants_window = false;
    http2.send(get(1, "/"));
    assert_eq!(received(&mut http2, 1, 5), 5);
    // The window is now 2 - 5 = -3: only above that does anything come.
    http2.send(settings(&[(INITIAL_WINDOW_SIZE, 2)]));
    http2.send(window_update(1, 3));
    assert_eq!(received(&mut http2, 1, 5), 5);
    http2.send(window_update(1, 2));
    assert_eq!(received(&mut http2, 1, 7), 7);
    http2.send(window_update(1, 1000));
    assert_eq!(http2.answer(1).body, TEXT.as_bytes());
}

fn window_of_the_connection_is_shared(driver: Driver) {
    let body = "x".repeat(50_000);
    let backend = Backend::fixed(format!("HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n{body}"));
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect(proxy.http);
    http2.grants_window = false;
    http2.send([get(1, "/"), get(3, "/")].concat());
    let total = |http2: &Http2| http2.so_far(1).body.len() + http2.so_far(3).body.len();
    http2.read_until(|http2| total(http2) >= 65_535);
    pause(Duration::from_millis(30));
    http2.sync();
    assert_eq!(total(&http2), 65_535, "window of a connection before any update");
    http2.send(window_update(0, 100_000));
    assert_eq!(http2.answer(1).body.len() + http2.answer(3).body.len(), 100_000);
}

fn our_frames_keep_to_the_maximum_of_the_client(driver: Driver) {
    let body = "x".repeat(100_000);
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 100000";
    let backend = Backend::fixed(format!("{head}\r\nX-L: {}\r\n\r\n{body}", "l".repeat(20_000)));
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect(proxy.http);
    http2.send(get(1, "/"));
    while !http2.so_far(1).is_ended && http2.so_far(1).reset.is_none() {
        let frame = http2.read_frame().expect("a frame").expect("a frame");
        assert!(frame.payload.len() <= 16_384, "{} octets", frame.payload.len());
        http2.take_in(frame);
    }
    let answer = http2.so_far(1);
    // A head of that size may be above what a backend may send; it must not be above a frame.
    assert!(answer.status == 502 || answer.body.len() == 100_000, "{answer:?}");
}

/// What the backend could send is bounded by buffers, not by the length of the response.
fn slow_reader_holds_back_the_upstream(driver: Driver) {
    let sent = Arc::new(AtomicUsize::new(0));
    let backend = Backend::scripted({
        let sent = Arc::clone(&sent);
        move |mut connection| {
            connection.read_request()?;
            connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            let piece = vec![b'x'; 64 * 1024];
            for _ in 0..1024 {
                connection.send(&piece)?;
                sent.fetch_add(piece.len(), Ordering::SeqCst);
            }
            Ok(())
        }
    });
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect(proxy.http);
    http2.grants_window = false;
    http2.send(get(1, "/"));
    http2.read_until(|http2| http2.so_far(1).body.len() >= 65_535);
    let mut last = 0;
    wait_until("the upstream to be held back", || {
        let now = sent.load(Ordering::SeqCst);
        now == std::mem::replace(&mut last, now)
            && !holds_within(Duration::from_millis(200), || sent.load(Ordering::SeqCst) != now)
    });
    // Mostly the buffers of two sockets on loopback.
    assert!(last < 16 * 1024 * 1024, "{last} octets taken for a client that took 64 KiB");
    http2.sync();
}

/// Uploads on stream 1 as the windows allow until they stay shut; gives the octets sent.
#[track_caller]
pub(super) fn upload_until_stuck(http2: &mut Http2) -> usize {
    let setting = http2.server_settings.iter().rfind(|(id, _)| *id == INITIAL_WINDOW_SIZE);
    let initial = setting.map_or(65_535, |(_, value)| *value as usize);
    http2.send(post(1, "/"));
    let (mut window, mut connection_window, mut sent) = (initial, 65_535, 0);
    let piece = [b'x'; 16_384];
    loop {
        while window.min(connection_window) >= piece.len() && sent < 64 << 20 {
            http2.send(data(1, piece, 0));
            sent += piece.len();
            window -= piece.len();
            connection_window -= piece.len();
        }
        http2.send(frame(PING, 0, 0, b"window??"));
        let before = window.min(connection_window);
        loop {
            let frame = http2.read_frame().expect("a frame").expect("a frame");
            match frame.kind {
                WINDOW_UPDATE if frame.stream == 0 => connection_window += frame.word(0) as usize,
                WINDOW_UPDATE => window += frame.word(0) as usize,
                PING if frame.is_ack() => break,
                _ => http2.take_in(frame),
            }
        }
        if window.min(connection_window) == before || sent >= 64 << 20 {
            return sent;
        }
    }
}

/// The window is given back when the upstream took the octets, not when they arrived.
fn slow_upstream_holds_back_the_client(driver: Driver) {
    let gate = Gate::new();
    let backend = Backend::scripted({
        let gate = gate.clone();
        move |mut connection| {
            connection.read_head()?;
            gate.wait();
            connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")?;
            connection.read_to_end().map(drop)
        }
    });
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect(proxy.http);
    let stuck = upload_until_stuck(&mut http2);
    assert!(stuck < 32 << 20, "{stuck} octets taken for an upstream that read none");
    gate.open();
}

fn client_that_overruns_its_window_is_stopped(driver: Driver) {
    let gate = Gate::new();
    let backend = Backend::scripted({
        let gate = gate.clone();
        move |mut connection| {
            connection.read_head()?;
            gate.wait();
            connection.read_to_end().map(drop)
        }
    });
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect(proxy.http);
    http2.send(post(1, "/"));
    let piece = data(1, [b'x'; 16_384], 0);
    // Socket buffers towards a backend that does not read take a few megabytes at most.
    let mut is_open = true;
    for _ in 0..4096 {
        is_open &= http2.send_if_open(&piece).is_ok();
    }
    http2.read_until(|http2| http2.so_far(1).reset.is_some());
    let code = http2.error_of(1);
    let is_told = matches!(code, Some(FLOW_CONTROL_ERROR | ENHANCE_YOUR_CALM));
    assert!(is_told || !is_open, "{code:?}");
    gate.open();
}

fn stalled_stream_does_not_stop_the_others(driver: Driver) {
    let body = "x".repeat(1 << 20);
    let backend = Backend::scripted(move |mut connection| {
        loop {
            let is_big = connection.read_request()?.target() == "/big";
            let body = if is_big { body.as_str() } else { "ok" };
            connection
                .send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()))?;
            connection.send(body)?;
        }
    });
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect_with(proxy.http, &[(INITIAL_WINDOW_SIZE, 10)]);
    http2.grants_window = false;
    http2.send(get(1, "/big"));
    assert_eq!(received(&mut http2, 1, 10), 10);
    for stream in (3..43).step_by(2) {
        assert_eq!(http2.get(stream, "/").body, b"ok");
    }
}

fn cancelled_stream_cancels_the_upstream_request(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        connection.read_head()?;
        connection.read_to_end().map(drop)
    });
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect(proxy.http);
    http2.send([get(1, "/one"), post(3, "/two"), data(3, "abc", 0)].concat());
    backend.wait_for_text("/one");
    backend.wait_for_text("/two");
    http2.send([reset(1, CANCEL), reset(3, CANCEL)].concat());
    backend.wait_for_ends(2);
    http2.sync();
    assert!(!backend.received_text().contains("\r\n0\r\n"), "content given up looks whole");
}

fn end_of_the_connection_cancels_the_upstream_request(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        connection.read_head()?;
        connection.read_to_end().map(drop)
    });
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect(proxy.http);
    http2.send([get(1, "/one"), get(3, "/two")].concat());
    backend.wait_for_text("/one");
    backend.wait_for_text("/two");
    drop(http2);
    backend.wait_for_ends(2);
}

fn many_streams_at_once(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect(proxy.http);
    for round in 0..5 {
        let streams: Vec<u32> = (0..50).map(|index| 1 + 2 * (round * 50 + index)).collect();
        let paths: Vec<String> = streams.iter().map(|stream| format!("/s{stream}")).collect();
        let heads = streams.iter().zip(&paths).map(|(stream, path)| post(*stream, path));
        http2.send(heads.collect::<Vec<_>>().concat());
        // Contents interleaved, the last stream first.
        for octets in ["one ", "two"] {
            let flags = if octets == "two" { END_STREAM } else { 0 };
            let frames = streams.iter().rev().map(|stream| data(*stream, octets, flags));
            http2.send(frames.collect::<Vec<_>>().concat());
        }
        for (stream, path) in streams.iter().zip(&paths) {
            let answer = http2.answer(*stream);
            assert_eq!(answer.status, 200, "{stream}: {answer:?}");
            assert_eq!(answer.json()["target"], path.as_str());
            assert_eq!(answer.json()["body"], "one two");
        }
    }
    assert_eq!(backend.request_count(), 250);
}

fn large_upload_and_download(driver: Driver) {
    let size = 8 << 20;
    let backend = Backend::scripted(|mut connection| {
        loop {
            let request = connection.read_request()?;
            let length = request.body.len();
            connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"))?;
            connection.send(&request.body)?;
        }
    });
    let proxy = start(driver, &backend);
    let folder = tempfile::tempdir().expect("temporary folder");
    let (sent, got) = (folder.path().join("sent"), folder.path().join("got"));
    let octets: Vec<u8> = (0..size).map(|at: u32| (at / 251 + at % 251).to_le_bytes()[0]).collect();
    std::fs::write(&sent, &octets).expect("file");
    let (from, to) = (format!("@{}", sent.display()), got.display().to_string());
    for extra in [&[][..], &["-H", "Content-Length:"]] {
        let output = crate::harness::peer::curl(
            proxy.http,
            &[
                &["--http2-prior-knowledge", "--data-binary", &from, "-o", &to],
                extra,
                &["-w", "%{http_version} %{http_code}", "http://a.example/"],
            ]
            .concat(),
        );
        output.assert_success();
        output.assert_says("2 200");
        assert!(std::fs::read(&got).expect("file") == octets, "octets differ");
    }
}

/// As a gRPC client streams; h2 allows some two thousand frames that nobody has read.
fn small_frames_that_are_taken_are_no_abuse(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect(proxy.http);
    http2.send(post(1, "/"));
    for _ in 0..300 {
        http2.send(data(1, [b'x'; 20], 0).repeat(50));
        http2.sync();
    }
    http2.send(data(1, "", END_STREAM));
    let answer = http2.answer(1);
    assert_eq!((answer.status, http2.goaway), (200, None));
    assert_eq!(answer.json()["body"].as_str().map(str::len), Some(300 * 50 * 20));
}
