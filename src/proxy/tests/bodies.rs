//! Bodies of requests on their way, and answers that do not wait for them.

use super::row::{Act, Act::*, END, GET, OK, ROW, Row, check};
use crate::model::UpstreamVersion;

const EXPECTS: Act =
    Says("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
const FORBIDS: Act = Says("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");

#[test]
fn a_body_goes_as_it_comes() {
    check(&[
        Row {
            name: "in parts, with another request behind it",
            client: &[
                Says("POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\nbo"),
                Waits(100),
                Says("dy"),
                Waits(100),
                Says("bodyGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"),
            ],
            endpoints: &[&[&[Hears("bodybody"), OK, Hears(END), OK]]],
            gets: "200 ok; 200 ok | open",
            at: 2,
            asked: &[(1, 2, 1)],
            log: &["200 a:200", "200 a:200"],
            ..ROW
        },
        Row {
            name: "in chunks",
            client: &[
                Says("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo"),
                Waits(100),
                Says("\r\n2\r\ndy\r\n0\r\n\r\n"),
            ],
            endpoints: &[&[&[Hears("2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n"), OK]]],
            at: 1,
            ..ROW
        },
        Row {
            name: "in chunks that are none",
            client: &[
                Says("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo"),
                Waits(100),
                Says("\r\nnot a size\r\n"),
            ],
            endpoints: &[&[&[Hears(END), HearsEnd]]],
            lasts: 3000,
            gets: "400 close | closed",
            at: 1,
            asked: &[(1, 1, 0)],
            log: &["400"],
            ..ROW
        },
        Row {
            name: "too long by its length",
            policies: |policies| policies.body_bytes_max = Some(10),
            client: &[Says("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n")],
            lasts: 3000,
            gets: "413 close | closed",
            asked: &[(0, 0, 0)],
            log: &["413"],
            ..ROW
        },
        Row {
            name: "just not too long",
            policies: |policies| policies.body_bytes_max = Some(4),
            client: &[super::row::POST],
            ..ROW
        },
        Row {
            name: "too long in chunks",
            policies: |policies| policies.body_bytes_max = Some(10),
            client: &[
                Says("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"),
                Says("8\r\nbodybody\r\n"),
                Waits(100),
                Says("8\r\nbodybody\r\n"),
            ],
            endpoints: &[&[&[Hears(END), HearsEnd]]],
            lasts: 3000,
            gets: "413 close | closed",
            at: 1,
            asked: &[(1, 1, 0)],
            log: &["413"],
            ..ROW
        },
    ]);
}

#[test]
fn a_long_body_goes_past_us_as_it_comes() {
    const LONG: Act = Says("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n");
    const CHUNK: Act = Says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1869f\r\n");
    const SENDS: Act = Says("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\n\r\n");
    let cut = Row { lasts: 3000, gets: "200 x*50000 | closed", asked: &[(1, 1, 0)], ..ROW };
    check(&[
        Row {
            name: "down, in parts",
            endpoints: &[&[&[
                Hears(END),
                LONG,
                Waits(100),
                SaysMany(50_000),
                Waits(100),
                SaysMany(49_999),
                Hears(END),
                OK,
            ]]],
            client: &[GET, Waits(300), GET],
            gets: "200 x*99999; 200 ok | open",
            at: 3,
            asked: &[(1, 2, 1)],
            log: &["200 a:200", "200 a:200"],
            ..ROW
        },
        Row {
            name: "down, as one chunk and another",
            endpoints: &[&[&[
                Hears(END),
                CHUNK,
                SaysMany(50_000),
                Waits(100),
                SaysMany(49_999),
                Says("\r\n2\r\nxx\r\n0\r\n\r\n"),
            ]]],
            gets: "200 chunked x*100001 | open",
            at: 1,
            ..ROW
        },
        Row {
            name: "down, until the close, to who knows no chunks",
            client: &[Says("GET / HTTP/1.0\r\nHost: h\r\n\r\n")],
            endpoints: &[&[&[
                Hears(END),
                Says("HTTP/1.1 200 OK\r\n\r\n"),
                SaysMany(99_999),
                Closes,
            ]]],
            lasts: 3000,
            gets: "200 close x*99999 | closed",
            asked: &[(1, 1, 0)],
            ..ROW
        },
        Row {
            name: "down, cut off",
            endpoints: &[&[&[Hears(END), LONG, SaysMany(50_000), Closes]]],
            log: &["200 a:200-truncated"],
            ..cut
        },
        Row {
            name: "down, broken off",
            endpoints: &[&[&[Hears(END), LONG, SaysMany(50_000), Waits(100), Resets]]],
            log: &["200 a:200-truncated"],
            ..cut
        },
        Row {
            name: "up, in parts, with another request behind it",
            client: &[
                SENDS,
                SaysMany(50_000),
                Waits(100),
                SaysMany(49_998),
                Says("yGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"),
            ],
            endpoints: &[&[&[Hears("xxy"), OK, Hears(END), OK]]],
            gets: "200 ok; 200 ok | open",
            at: 1,
            asked: &[(1, 2, 1)],
            log: &["200 a:200", "200 a:200"],
            ..ROW
        },
        Row {
            name: "up, as one chunk and another",
            client: &[
                Says("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1869f\r\n"),
                SaysMany(99_998),
                Says("y\r\n2\r\nzz\r\n0\r\n\r\n"),
            ],
            endpoints: &[&[&[Hears("xy\r\n"), Hears("2\r\nzz\r\n0\r\n\r\n"), OK]]],
            ..ROW
        },
        Row {
            name: "up, left",
            client: &[SENDS, SaysMany(50_000), Waits(100), Closes],
            endpoints: &[&[&[Hears(END), HearsEnd]]],
            gets: "closed",
            at: 0,
            asked: &[(1, 1, 0)],
            log: &["499"],
            ..ROW
        },
        Row {
            name: "up, too long in chunks",
            policies: |policies| policies.body_bytes_max = Some(99_998),
            client: &[
                Says("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1869f\r\n"),
                SaysMany(99_999),
            ],
            endpoints: &[&[&[Hears(END), HearsEnd]]],
            lasts: 3000,
            gets: "413 close | closed",
            asked: &[(1, 1, 0)],
            log: &["413"],
            ..ROW
        },
    ]);
}

#[test]
fn a_body_of_unknown_length_is_held_for_who_has_to_know_it() {
    const HEAD: Act =
        Says("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbo");
    const GETS: &[Act] = &[Hears("Content-Length: 4\r\n"), Hears("\r\n\r\nbody"), OK, HearsEnd];
    let held = Row {
        policies: |policies| policies.upstream_version = UpstreamVersion::Http10,
        client: &[HEAD, Waits(100), Says("dy\r\n0\r\n\r\n")],
        endpoints: &[&[GETS]],
        lasts: 3000,
        gets: "200 ok | open",
        at: 1,
        // HTTP/1.1 was spoken to none.
        asked: &[(1, 0, 0)],
        ..ROW
    };
    check(&[
        Row { name: "in parts", ..held },
        Row {
            name: "and is still there for another one",
            endpoints: &[&[&[Hears("body"), Closes]], &[GETS]],
            asked: &[(1, 0, 0), (1, 0, 0)],
            log: &["200 a:no_response b:200"],
            ..held
        },
        Row {
            name: "too long",
            policies: |policies| {
                policies.upstream_version = UpstreamVersion::Http10;
                policies.body_bytes_max = Some(3);
            },
            gets: "413 close | closed",
            asked: &[(0, 0, 0)],
            log: &["413"],
            ..held
        },
        Row {
            name: "never ended",
            flags: "--client-body-timeout 1",
            client: &[HEAD],
            gets: "408 close | closed",
            at: 10,
            asked: &[(0, 0, 0)],
            log: &["408"],
            ..held
        },
        Row {
            name: "left",
            client: &[HEAD, Waits(100), Closes],
            gets: "closed",
            at: 0,
            asked: &[(0, 0, 0)],
            log: &["499"],
            ..held
        },
        Row {
            name: "asked for",
            client: &[
                Says("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"),
                Says("Expect: 100-continue\r\n\r\n"),
                Hears("100 Continue"),
                Says("4\r\nbody\r\n0\r\n\r\n"),
            ],
            gets: "100; 200 ok | open",
            at: 0,
            ..held
        },
    ]);
}

#[test]
fn an_answer_does_not_wait_for_the_body() {
    let early = Row {
        client: &[
            Says("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\n\r\n"),
            SaysMany(1000),
        ],
        endpoints: &[&[&[Hears(END), FORBIDS, HearsEnd]]],
        lasts: 3000,
        gets: "403 close no | closed",
        asked: &[(1, 1, 0)],
        log: &["403 a:403"],
        ..ROW
    };
    check(&[
        Row { name: "said while the body is sent", ..early },
        Row {
            name: "said by who takes no more",
            endpoints: &[&[&[Hears(END), FORBIDS, Closes]]],
            ..early
        },
        Row {
            name: "said by who did not take all of it",
            client: &[
                Says("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\n\r\n"),
                SaysMany(99_999),
            ],
            endpoints: &[&[&[Takes(2000), Hears(END), FORBIDS, HearsEnd]]],
            ..early
        },
    ]);
}

#[test]
fn permission_to_send_comes_from_the_endpoint_or_from_patience() {
    let expects = Row {
        client: &[EXPECTS, Hears("100 Continue"), Says("body")],
        gets: "100; 200 ok | open",
        ..ROW
    };
    check(&[
        Row {
            name: "from the endpoint",
            endpoints: &[&[&[
                Hears(END),
                Waits(200),
                Says("HTTP/1.1 100 Continue\r\n\r\n"),
                Hears("body"),
                OK,
            ]]],
            at: 2,
            ..expects
        },
        Row {
            name: "from us, for an endpoint that knows nothing of it",
            endpoints: &[&[&[Hears(END), Hears("body"), OK]]],
            lasts: 2000,
            at: 10,
            ..expects
        },
        Row {
            name: "not within a response that takes its time",
            endpoints: &[&[&[
                Hears(END),
                Says("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nn"),
                Waits(1500),
                Says("o"),
                HearsEnd,
            ]]],
            lasts: 3000,
            gets: "403 close no | closed",
            at: 15,
            asked: &[(1, 1, 0)],
            log: &["403 a:403"],
            ..expects
        },
        Row {
            name: "not at all",
            endpoints: &[&[&[Hears(END), FORBIDS, HearsEnd]]],
            lasts: 3000,
            gets: "403 close no | closed",
            asked: &[(1, 1, 0)],
            log: &["403 a:403"],
            ..expects
        },
    ]);
}
