//! How connections and streams end: nothing that was promised is lost, nothing is held on to.

use std::time::Duration;

use crate::for_each_driver;
use crate::harness::frames::*;
use crate::harness::{Backend, Driver, Gate, Http2, Proxy, manifest, pause};

for_each_driver!(
    upload_that_is_answered_early_is_told_to_stop,
    bodies_passed_on_give_their_window_back,
    slow_reader_gets_all_of_it_in_a_drain,
    stalled_reader_gets_all_of_it_in_a_drain,
);

/// RFC 9113 section 8.1: RST_STREAM with NO_ERROR behind a complete response.
fn upload_that_is_answered_early_is_told_to_stop(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        connection.read_head()?;
        connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
    });
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut http2 = Http2::connect(proxy.http);
    http2.send([post(1, "/"), data(1, [b'x'; 16_384], 0)].concat());
    assert_eq!(http2.answer(1).body, b"no");
    http2.read_until(|http2| http2.so_far(1).reset.is_some());
    assert_eq!(http2.so_far(1).reset, Some(NO_ERROR));
    http2.sync();
}

/// Requests that wait for their answers do not keep another one from being sent.
fn bodies_passed_on_give_their_window_back(driver: Driver) {
    const STREAMS: u32 = 60;
    let gate = Gate::new();
    let backend = Backend::scripted({
        let gate = gate.clone();
        move |mut connection| {
            connection.read_request()?;
            gate.wait();
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        }
    });
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut http2 = Http2::connect(proxy.http);
    let piece = [b'x'; 15_000];
    for stream in (0..STREAMS).map(|index| 2 * index + 1) {
        http2.send([post(stream, "/"), data(stream, piece, END_STREAM)].concat());
    }
    crate::harness::wait_until("all requests", || {
        backend.received_text().matches("POST / HTTP/1.1").count() == STREAMS as usize
    });
    http2.send(frame(PING, 0, 0, b"window??"));
    let mut window = 65_535 - i64::from(STREAMS) * 15_000;
    loop {
        let frame = http2.read_frame().expect("a frame").expect("a frame");
        match frame.kind {
            WINDOW_UPDATE if frame.stream == 0 => window += i64::from(frame.word(0)),
            PING if frame.is_ack() => break,
            _ => http2.take_in(frame),
        }
    }
    assert!(window >= 512 * 1024, "{window} octets left");
    gate.open();
    assert_eq!(http2.answer(1).status, 200);
}

const BIG_WINDOW: u32 = 64 << 20;

fn text(length: usize) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    [head.into_bytes(), vec![b'x'; length]].concat()
}

/// Its WINDOW_UPDATE frames come when everything is on its way and must not turn the close into a
/// reset.
fn slow_reader_gets_all_of_it_in_a_drain(driver: Driver) {
    const OCTETS: usize = 2 << 20;
    let backend = Backend::fixed(text(OCTETS));
    let mut proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut http2 = Http2::connect_with(proxy.http, &[(INITIAL_WINDOW_SIZE, BIG_WINDOW)]);
    http2.send([window_update(0, BIG_WINDOW), get(1, "/")].concat());
    http2.read_until(|http2| http2.so_far(1).body.len() > 16 * 1024);
    proxy.signal("TERM");
    pause(Duration::from_millis(200));
    while !http2.so_far(1).is_ended && http2.step() {
        pause(Duration::from_millis(2));
    }
    assert_eq!(http2.so_far(1).body.len(), OCTETS);
    assert_eq!(http2.end(), Some(NO_ERROR));
    assert_eq!(proxy.wait_for_exit().0.code(), Some(0));
}

/// Responses that are over for us and wait for the socket.
fn stalled_reader_gets_all_of_it_in_a_drain(driver: Driver) {
    const OCTETS: usize = 60_000;
    let backend = Backend::fixed(text(OCTETS));
    let mut proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut http2 = Http2::connect_with(proxy.http, &[(INITIAL_WINDOW_SIZE, BIG_WINDOW)]);
    http2.grants_window = false;
    http2.send(window_update(0, BIG_WINDOW));
    let streams: Vec<u32> = (0..99).map(|index| 2 * index + 1).collect();
    http2.send(streams.iter().flat_map(|stream| get(*stream, "/")).collect::<Vec<u8>>());
    crate::harness::wait_until("all requests", || {
        backend.received_text().matches("GET / HTTP/1.1").count() == streams.len()
    });
    pause(Duration::from_millis(500));
    proxy.signal("TERM");
    pause(Duration::from_millis(2500));
    for stream in streams {
        assert_eq!(http2.answer(stream).body.len(), OCTETS, "{:?}", http2.goaway);
    }
    assert_eq!(http2.end(), Some(NO_ERROR));
    assert_eq!(proxy.wait_for_exit().0.code(), Some(0));
}
