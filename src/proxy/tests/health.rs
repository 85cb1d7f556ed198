//! What is known of endpoints, and what it spares clients.

use std::time::Duration;

use super::row::{ANSWERS, Act, Act::*, END, GET, POST, ROW, Row, WELL, act, check, serve};
use super::world::World;
use crate::model::Policies;

/// Thirteen clients, one every 1.1 seconds: in turn, `a` and `b` would get every second of them.
const NEXT: [&[Act]; 12] = [
    &[Waits(1100), POST],
    &[Waits(2200), POST],
    &[Waits(3300), POST],
    &[Waits(4400), POST],
    &[Waits(5500), POST],
    &[Waits(6600), POST],
    &[Waits(7700), POST],
    &[Waits(8800), POST],
    &[Waits(9900), POST],
    &[Waits(11_000), POST],
    &[Waits(12_100), POST],
    &[Waits(13_200), POST],
];

/// Of each of them, where `a` is left alone after five failures.
const fn in_turn(failed: &'static str) -> [&'static str; 13] {
    let well = "200 b:200";
    [failed, well, failed, well, failed, well, failed, well, failed, well, well, well, well]
}

#[test]
fn an_endpoint_that_fails_again_and_again_is_left_alone() {
    const HEAD: Act = Says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello");
    const CHUNKS: Act = Says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    let ejected = Row {
        flags: "--proxy-read-timeout 1",
        client: &[POST],
        beside: &NEXT,
        lasts: 15_000,
        asked: &[(5, 5, 0), (1, 8, 1)],
        ..ROW
    };
    check(&[
        Row {
            name: "no connection",
            flags: "--proxy-next-upstream-tries 1",
            endpoints: &[&[&[Refuses]], WELL],
            gets: "502 | open",
            asked: &[(5, 0, 0), (1, 8, 1)],
            log: &const { in_turn("502 a:connect") },
            ..ejected
        },
        Row {
            name: "no answer",
            endpoints: &[&[&[Hears(END), Closes]], WELL],
            gets: "502 | open",
            log: &const { in_turn("502 a:no_response") },
            ..ejected
        },
        Row {
            name: "a body shorter than its length",
            endpoints: &[&[&[Hears(END), HEAD, Closes]], WELL],
            gets: "200 hello | closed",
            log: &const { in_turn("200 a:200-truncated") },
            ..ejected
        },
        Row {
            name: "a body that is reset",
            endpoints: &[&[&[Hears(END), HEAD, Waits(20), Resets]], WELL],
            gets: "200 hello | closed",
            log: &const { in_turn("200 a:200-truncated") },
            ..ejected
        },
        Row {
            name: "a body without its last chunk",
            endpoints: &[&[&[Hears(END), CHUNKS, Closes]], WELL],
            gets: "200 chunked 5/hello/ | closed",
            log: &const { in_turn("200 a:200-truncated") },
            ..ejected
        },
        Row {
            name: "a body in chunks that are none",
            endpoints: &[&[&[Hears(END), CHUNKS, Waits(20), Says("X0\r\n")]], WELL],
            gets: "200 chunked 5/hello/ | closed",
            log: &const { in_turn("200 a:200-malformed") },
            ..ejected
        },
        Row {
            name: "a body that stops",
            endpoints: &[&[&[Hears(END), HEAD, HearsEnd]], WELL],
            gets: "200 hello | closed",
            log: &const { in_turn("200 a:200-timeout") },
            ..ejected
        },
    ]);
}

#[test]
fn an_ejected_endpoint_is_asked_again_when_its_time_is_over() {
    /// Asks and waits for the answer, twelve times, and twice again when its time is over.
    const ASKS: &[Act] = &[
        GET,
        Hears(END),
        GET,
        Hears(END),
        GET,
        Hears(END),
        GET,
        Hears(END),
        GET,
        Hears(END),
        GET,
        Hears(END),
        GET,
        Hears(END),
        GET,
        Hears(END),
        GET,
        Hears(END),
        GET,
        Hears(END),
        GET,
        Hears(END),
        GET,
        Waits(11_000),
        GET,
        Waits(100),
        GET,
    ];
    const REFUSED: &str = "502 a:connect";
    const SERVED: &str = "200 b:200";
    check(&[Row {
        name: "five times, then not for ten seconds",
        flags: "--proxy-next-upstream-tries 1",
        client: ASKS,
        endpoints: &[&[&[Refuses], &[Refuses], &[Refuses], &[Refuses], &[Refuses], ANSWERS], WELL],
        lasts: 13_000,
        gets: "502; 200 ok; 502; 200 ok; 502; 200 ok; 502; 200 ok; 502; 200 ok; 200 ok; 200 ok; \
               200 ok; 200 ok | open",
        at: 111,
        asked: &[(6, 1, 1), (1, 8, 1)],
        log: &[
            REFUSED,
            SERVED,
            REFUSED,
            SERVED,
            REFUSED,
            SERVED,
            REFUSED,
            SERVED,
            REFUSED,
            SERVED,
            SERVED,
            SERVED,
            "200 a:200",
            SERVED,
        ],
        ..ROW
    }]);
}

#[test]
fn an_endpoint_that_owes_an_answer_is_asked_now_and_then() {
    const WELL_B: &str = "200 b:200";
    check(&[Row {
        name: "again after ten seconds",
        flags: "--proxy-read-timeout 1",
        client: &[POST],
        beside: &NEXT,
        lasts: 15_000,
        endpoints: &[&[&[HearsEnd]], WELL],
        gets: "504 | open",
        at: 10,
        asked: &[(2, 2, 0), (1, 11, 1)],
        log: &[
            "504 a:timeout",
            WELL_B,
            WELL_B,
            WELL_B,
            WELL_B,
            WELL_B,
            WELL_B,
            WELL_B,
            WELL_B,
            WELL_B,
            "504 a:timeout",
            WELL_B,
            WELL_B,
        ],
        ..ROW
    }]);
}

/// Sends `count` requests, one every 5 ms, each on a connection of its own, to one of three
/// endpoints that hangs and two that answer. Gives how many got 200 and how many the first got.
fn load(request: &'static [Act], count: usize) -> (usize, usize) {
    let world = World::new("--proxy-read-timeout 1", Policies::default(), 3, 0);
    let connections = serve(&world, vec![&[&[HearsEnd]], WELL, WELL]);
    let mut clients = Vec::new();
    for _ in 0..count {
        let client = world.connect();
        world.play(act(client.clone(), request, None));
        clients.push(client);
        world.pass(Duration::from_millis(5));
    }
    world.pass(Duration::from_secs(5));
    let is_good = |client: &&crate::proxy::rt::simulated::link::Peer| {
        client.heard().starts_with(b"HTTP/1.1 200 ")
    };
    let asked = connections.borrow()[0].len();
    (clients.iter().filter(is_good).count(), asked)
}

#[test]
fn a_hung_endpoint_costs_no_request_that_may_be_repeated_and_gets_few() {
    const COUNT: usize = 300;
    let (good, asked) = load(&[GET], COUNT);
    assert_eq!(good, COUNT);
    assert!((1..COUNT / 6).contains(&asked), "{asked} of {COUNT} requests went to it");
}

#[test]
fn requests_that_may_not_be_repeated_meet_a_hung_endpoint_rarely() {
    const COUNT: usize = 300;
    let (good, asked) = load(&[POST], COUNT);
    assert!(good > COUNT - COUNT / 6, "{good} of {COUNT}");
    assert_eq!(COUNT - good, asked, "each of them once");
}

/// Long polling: who is silent towards one client answers another, and gets requests again.
#[test]
fn an_endpoint_that_keeps_some_clients_waiting_is_not_left_out() {
    check(&[Row {
        name: "polled",
        client: &[Says("GET /poll HTTP/1.1\r\nHost: h\r\n\r\n")],
        beside: &[&[
            Waits(300),
            GET,
            Hears("ok"),
            GET,
            Hears("ok"),
            GET,
            Hears("ok"),
            GET,
            Hears("ok"),
        ]],
        endpoints: &[&[&[Hears(END), Waits(800), super::row::OK], ANSWERS], &[&[Refuses]]],
        lasts: 2000,
        at: 8,
        asked: &[(2, 5, 2), (4, 0, 0)],
        log: &[
            "200 b:connect a:200",
            "200 b:connect a:200",
            "200 b:connect a:200",
            "200 b:connect a:200",
            "200 a:200",
        ],
        ..ROW
    }]);
}
