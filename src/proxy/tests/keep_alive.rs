//! Connections that serve more than one request, on either side, and the race for their end.

use super::row::{ANSWERS, Act, Act::*, END, GET, OK, POST, ROW, Row, WELL, check};

/// Answers once, takes another request and closes.
const RACES: &[Act] = &[Hears(END), OK, Hears("HTTP/1.1\r\n"), Closes];
const PUT: Act = Says("PUT /put HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
const FAREWELL: Act =
    Says("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");

#[test]
fn a_pooled_connection_that_ended_costs_no_answer_that_may_be_repeated() {
    let race = Row {
        client: &[GET, Hears("ok"), GET],
        endpoints: &[&[RACES, ANSWERS]],
        gets: "200 ok; 200 ok | open",
        asked: &[(2, 3, 1)],
        log: &["200 a:200", "200 a:no_response a:200"],
        ..ROW
    };
    check(&[
        Row {
            name: "reused",
            endpoints: &[WELL],
            asked: &[(1, 2, 1)],
            log: &["200 a:200", "200 a:200"],
            ..race
        },
        Row {
            name: "closed while idle",
            client: &[GET, Hears("ok"), Waits(50), GET],
            endpoints: &[&[&[Hears(END), OK, Closes], ANSWERS]],
            asked: &[(2, 2, 1)],
            log: &["200 a:200", "200 a:200"],
            ..race
        },
        Row {
            name: "said something while idle",
            client: &[GET, Hears("ok"), Waits(50), GET],
            endpoints: &[&[&[Hears(END), OK, Waits(10), OK], ANSWERS]],
            asked: &[(2, 2, 1)],
            log: &["200 a:200", "200 a:200"],
            ..race
        },
        Row { name: "closed behind the request", ..race },
        Row {
            name: "reset behind the request",
            endpoints: &[&[&[Hears(END), OK, Hears("HTTP/1.1\r\n"), Resets], ANSWERS]],
            ..race
        },
        Row {
            name: "408 instead of an answer",
            endpoints: &[&[&[Hears(END), OK, Hears("HTTP/1.1\r\n"), FAREWELL, Closes], ANSWERS]],
            ..race
        },
        Row { name: "it is no try", policies: |policies| policies.retry.tries = Some(1), ..race },
        Row {
            name: "another endpoint is as good, on a fresh connection",
            client: &[GET, Hears("ok"), GET, Hears("ok"), GET],
            endpoints: &[&[RACES, ANSWERS], WELL],
            gets: "200 ok; 200 ok; 200 ok | open",
            asked: &[(1, 2, 0), (2, 2, 2)],
            log: &["200 a:200", "200 b:200", "200 a:no_response b:200"],
            ..race
        },
        Row { name: "a body that is here", client: &[GET, Hears("ok"), PUT], ..race },
        Row {
            name: "a body that is not here any more",
            client: &[
                GET,
                Hears("ok"),
                Says("PUT /put HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n"),
                Waits(10),
                Says("body"),
            ],
            endpoints: &[&[&[Hears(END), OK, Hears("body"), Closes], ANSWERS]],
            gets: "200 ok; 502 close | closed",
            asked: &[(1, 2, 0)],
            log: &["200 a:200", "502 a:no_response"],
            lasts: 2000,
            ..race
        },
        Row {
            name: "a method that is not repeated",
            client: &[GET, Hears("ok"), POST],
            gets: "200 ok; 502 | open",
            asked: &[(1, 2, 0)],
            log: &["200 a:200", "502 a:no_response"],
            ..race
        },
    ]);
}

#[test]
fn a_connection_is_pooled_only_behind_a_clean_end() {
    let closed = Row { asked: &[(1, 1, 0)], ..ROW };
    check(&[
        Row { name: "kept", ..ROW },
        Row {
            name: "the endpoint closes",
            endpoints: &[&[&[
                Hears(END),
                Says("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
            ]]],
            ..closed
        },
        Row {
            name: "HTTP/1.0",
            endpoints: &[&[&[Hears(END), Says("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")]]],
            ..closed
        },
        Row {
            name: "octets behind the body",
            endpoints: &[&[&[
                Hears(END),
                Says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokay"),
            ]]],
            ..closed
        },
        Row { name: "a pool without room", flags: "--pool-idle-per-endpoint 0", ..closed },
        Row { name: "too long idle", flags: "--pool-idle-timeout 2", lasts: 4000, ..closed },
        Row {
            name: "too old",
            flags: "--pool-max-age 1",
            endpoints: &[&[&[Hears(END), Waits(1500), OK]]],
            lasts: 2000,
            at: 15,
            ..closed
        },
        Row {
            name: "the endpoint said for how long",
            client: &[GET, Hears("ok"), Waits(1500), GET],
            endpoints: &[&[
                &[
                    Hears(END),
                    Says("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=2\r\nContent-Length: 2\r\n\r\nok"),
                ],
                ANSWERS,
            ]],
            lasts: 2000,
            gets: "200 ok; 200 ok | open",
            at: 15,
            asked: &[(2, 2, 1)],
            log: &["200 a:200", "200 a:200"],
            ..ROW
        },
    ]);
}

#[test]
fn a_client_connection_goes_on_as_both_sides_want() {
    check(&[
        Row {
            name: "pipelined",
            client: &[Says(
                "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n\
                 POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody\
                 GET /3 HTTP/1.1\r\nHost: h\r\n\r\n",
            )],
            gets: "200 ok; 200 ok; 200 ok | open",
            asked: &[(1, 3, 1)],
            log: &["200 a:200", "200 a:200", "200 a:200"],
            ..ROW
        },
        Row {
            name: "the client closes",
            client: &[Says("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")],
            gets: "200 close ok | closed",
            ..ROW
        },
        Row {
            name: "HTTP/1.0",
            client: &[Says("GET / HTTP/1.0\r\nHost: h\r\n\r\n")],
            gets: "200 close ok | closed",
            ..ROW
        },
        Row {
            name: "HTTP/1.0 that stays",
            client: &[Says("GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n")],
            gets: "200 keep-alive ok | open",
            ..ROW
        },
        Row {
            name: "as many requests as are allowed",
            flags: "--keep-alive-requests 2",
            client: &[GET, Hears("ok"), GET],
            gets: "200 ok; 200 close ok | closed",
            asked: &[(1, 2, 1)],
            log: &["200 a:200", "200 a:200"],
            ..ROW
        },
        Row {
            name: "too long idle",
            flags: "--keep-alive-timeout 2",
            lasts: 3000,
            gets: "200 ok | closed",
            ..ROW
        },
        Row { name: "not yet too long idle", flags: "--keep-alive-timeout 2", lasts: 1900, ..ROW },
    ]);
}
