//! Who may take how long, and what comes after it.

use std::time::Duration;

use super::row::{Act, Act::*, END, GET, OK, POST, ROW, Row, WELL, check};

const SECOND: Duration = Duration::from_secs(1);
const THINKS: &[Act] = &[Hears(END), HearsEnd];

#[test]
fn clients_have_so_long() {
    check(&[
        Row {
            name: "to say anything",
            flags: "--client-header-timeout 2",
            client: &[],
            lasts: 3000,
            gets: "closed",
            asked: &[(0, 0, 0)],
            log: &[],
            ..ROW
        },
        Row {
            name: "for a head",
            flags: "--client-header-timeout 2",
            client: &[Waits(500), Says("GET / HTTP/1.1\r\n")],
            lasts: 4000,
            gets: "408 close | closed",
            at: 20,
            asked: &[(0, 0, 0)],
            log: &["408"],
            ..ROW
        },
        Row {
            name: "for a head, however it comes",
            flags: "--client-header-timeout 2",
            client: &[
                Says("G"),
                Waits(900),
                Says("E"),
                Waits(900),
                Says("T"),
                Waits(900),
                Says(" "),
            ],
            lasts: 4000,
            gets: "408 close | closed",
            at: 20,
            asked: &[(0, 0, 0)],
            log: &["408"],
            ..ROW
        },
        Row {
            name: "for the head of a second request",
            flags: "--client-header-timeout 2",
            client: &[GET, Hears("ok"), Waits(3000), Says("GET / HTTP/1.1\r\n")],
            lasts: 7000,
            gets: "200 ok; 408 close | closed",
            at: 50,
            asked: &[(1, 1, 1)],
            log: &["200 a:200", "408"],
            ..ROW
        },
        Row {
            name: "between two parts of a body",
            flags: "--client-body-timeout 2",
            client: &[
                Says("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n"),
                Waits(1500),
                Says("body"),
                Waits(1500),
                Says("body"),
            ],
            endpoints: &[&[THINKS]],
            lasts: 7000,
            gets: "408 close | closed",
            at: 50,
            asked: &[(1, 1, 0)],
            log: &["408"],
            ..ROW
        },
        Row {
            name: "to take what they asked for, where only the close ends it",
            flags: "--client-send-timeout 2",
            client: &[Takes(100), Says("GET / HTTP/1.0\r\nHost: h\r\n\r\n")],
            endpoints: &[&[&[Hears(END), Says("HTTP/1.1 200 OK\r\n\r\n"), SaysMany(99_999)]]],
            lasts: 4000,
            gets: "200 close x*25 | reset",
            asked: &[(1, 1, 0)],
            log: &["499 a:200"],
            ..ROW
        },
        Row {
            name: "to take what they asked for",
            flags: "--client-send-timeout 2",
            client: &[Takes(100), GET],
            endpoints: &[&[&[
                Hears(END),
                Says("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"),
                SaysMany(99_999),
            ]]],
            lasts: 4000,
            gets: "200 x*21 | reset",
            asked: &[(1, 1, 0)],
            log: &["499 a:200"],
            ..ROW
        },
    ]);
}

#[test]
fn one_sides_time_is_not_the_others() {
    const LATE_AND_LAST: &[Act] = &[
        AcceptsAfter(1900),
        Hears(END),
        Says("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
    ];
    check(&[
        Row {
            name: "a client that does not read, and the time to answer",
            flags: "--client-send-timeout 6 --proxy-read-timeout 1",
            client: &[Takes(1000), GET, Hears(END), Waits(2500), Takes(usize::MAX)],
            endpoints: &[&[&[
                Hears(END),
                Says("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"),
                SaysMany(99_999),
            ]]],
            lasts: 4000,
            gets: "200 x*99999 | open",
            at: 25,
            ..ROW
        },
        Row {
            name: "an endpoint that does not read, and the time to send",
            flags: "--client-body-timeout 1",
            client: &[
                Says("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\n\r\n"),
                SaysMany(50_000),
                Waits(2900),
                SaysMany(49_999),
            ],
            endpoints: &[&[&[
                Takes(10_000),
                Hears(END),
                Waits(2500),
                Takes(usize::MAX),
                Waits(1000),
                OK,
            ]]],
            lasts: 5000,
            at: 35,
            ..ROW
        },
        Row {
            name: "an endpoint that is not there yet, and the time for a head",
            flags: "--client-header-timeout 1 --keep-alive-timeout 1",
            client: &[GET, Hears("ok"), GET],
            endpoints: &[&[LATE_AND_LAST]],
            lasts: 4500,
            gets: "200 ok; 200 ok | open",
            at: 38,
            asked: &[(2, 2, 0)],
            log: &["200 a:200", "200 a:200"],
            ..ROW
        },
        Row {
            name: "a client that sends, and the time to take",
            flags: "--client-send-timeout 2",
            client: &[
                Takes(100),
                Says("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nab"),
                Waits(1500),
                Says("cdefghij"),
            ],
            endpoints: &[&[&[
                Hears(END),
                Says("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"),
                SaysMany(99_999),
            ]]],
            lasts: 2500,
            gets: "200 close xx | reset",
            asked: &[(1, 1, 0)],
            log: &["499 a:200"],
            ..ROW
        },
    ]);
}

#[test]
fn endpoints_have_so_long() {
    let late = Row {
        policies: |policies| policies.timeouts.read = Some(SECOND),
        endpoints: &[&[THINKS]],
        lasts: 6000,
        gets: "504 | open",
        asked: &[(1, 1, 0)],
        ..ROW
    };
    check(&[
        Row { name: "to answer, once", client: &[POST], at: 10, log: &["504 a:timeout"], ..late },
        Row {
            name: "to answer, each try anew",
            at: 30,
            asked: &[(3, 3, 0)],
            log: &["504 a:timeout a:timeout a:timeout"],
            ..late
        },
        Row {
            name: "to answer, and then another one",
            endpoints: &[&[THINKS], WELL],
            gets: "200 ok | open",
            at: 10,
            asked: &[(1, 1, 0), (1, 1, 1)],
            log: &["200 a:timeout b:200"],
            ..late
        },
        Row {
            name: "for the rest of a head",
            client: &[POST],
            endpoints: &[&[&[Hears(END), Waits(500), Says("HTTP/1.1 200"), HearsEnd]]],
            at: 15,
            log: &["504 a:timeout"],
            ..late
        },
        Row {
            name: "between two parts of a body",
            endpoints: &[&[&[
                Hears(END),
                Says("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"),
                Waits(900),
                SaysMany(20),
                Waits(900),
                SaysMany(20),
                HearsEnd,
            ]]],
            gets: "200 x*40 | closed",
            at: 18,
            log: &["200 a:200-timeout"],
            ..late
        },
        Row {
            name: "between two parts of a body that only the close ends",
            client: &[Says("GET / HTTP/1.0\r\nHost: h\r\n\r\n")],
            endpoints: &[&[&[Hears(END), Says("HTTP/1.1 200 OK\r\n\r\nok"), HearsEnd]]],
            gets: "200 close ok | reset",
            log: &["200 a:200-timeout"],
            ..late
        },
        Row {
            name: "to take a body",
            policies: |policies| policies.timeouts.send = Some(SECOND),
            client: &[
                Says("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\n\r\n"),
                SaysMany(99_999),
            ],
            endpoints: &[&[&[Takes(1000), HearsEnd]]],
            gets: "504 close | closed",
            at: 10,
            log: &["504 a:timeout"],
            ..late
        },
        Row {
            name: "with the tries of a request",
            policies: |policies| {
                policies.timeouts.read = Some(SECOND);
                policies.timeouts.request = Some(SECOND * 5 / 2);
            },
            at: 25,
            asked: &[(3, 3, 0)],
            log: &["504 a:timeout a:timeout a:timeout"],
            ..late
        },
        Row {
            name: "until no other try begins",
            policies: |policies| {
                policies.timeouts.read = Some(SECOND);
                policies.retry.time = Some(SECOND * 3 / 2);
            },
            at: 20,
            asked: &[(2, 2, 0)],
            log: &["504 a:timeout a:timeout"],
            ..late
        },
        Row {
            name: "as a client of gRPC says",
            client: &[Says(
                "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/grpc\r\n\
                 grpc-timeout: 300m\r\nContent-Length: 4\r\n\r\nbody",
            )],
            gets: "200 | open",
            at: 3,
            log: &["200 a:timeout"],
            ..late
        },
    ]);
}

#[test]
fn connections_of_a_request_share_their_time() {
    let late = Row {
        policies: |policies| policies.timeouts.connect = Some(SECOND * 4),
        endpoints: &[&[&[Ignores]]],
        lasts: 6000,
        gets: "504 | open",
        at: 40,
        asked: &[(1, 0, 0)],
        log: &["504 a:connect_timeout"],
        ..ROW
    };
    check(&[
        Row { name: "the only endpoint has all of it", ..late },
        Row {
            name: "a try that ends before leaves some to the next",
            policies: |policies| {
                policies.timeouts.connect = Some(SECOND * 4);
                policies.timeouts.backend_request = Some(SECOND);
            },
            endpoints: &[&[&[Ignores], &[Hears(END), OK]]],
            gets: "200 ok | open",
            at: 10,
            asked: &[(2, 1, 1)],
            log: &["200 a:connect_timeout a:200"],
            ..late
        },
        Row {
            name: "the first of two has half of it",
            endpoints: &[&[&[Ignores]], WELL],
            gets: "200 ok | open",
            at: 20,
            asked: &[(1, 0, 0), (1, 1, 1)],
            log: &["200 a:connect_timeout b:200"],
            ..late
        },
        Row {
            name: "the second has what is left",
            endpoints: &[&[&[Ignores]], &[&[Ignores]]],
            asked: &[(1, 0, 0), (1, 0, 0)],
            log: &["504 a:connect_timeout b:connect_timeout"],
            ..late
        },
        Row {
            name: "what comes in time is in time",
            endpoints: &[&[&[AcceptsAfter(3900), Hears(END), OK]]],
            gets: "200 ok | open",
            at: 39,
            asked: &[(1, 1, 1)],
            log: &["200 a:200"],
            ..late
        },
    ]);
}
