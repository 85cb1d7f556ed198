//! The end of a process: what is under way comes to its end, and nothing goes on behind it.

use super::row::{Act::*, END, GET, OK, ROW, Row, check};

#[test]
fn a_drain_ends_connections_behind_their_responses() {
    check(&[
        Row {
            name: "an idle connection",
            client: &[GET, Hears("ok"), Waits(100), Drains],
            lasts: 2000,
            gets: "200 ok | closed",
            ..ROW
        },
        Row {
            name: "an idle connection is not cut off at once",
            client: &[GET, Hears("ok"), Waits(100), Drains],
            lasts: 900,
            gets: "200 ok | open",
            ..ROW
        },
        Row {
            name: "a request that was on its way",
            client: &[GET, Hears("ok"), Drains, Waits(100), GET],
            gets: "200 ok; 200 close ok | closed",
            at: 1,
            asked: &[(1, 2, 1)],
            log: &["200 a:200", "200 a:200"],
            ..ROW
        },
        Row {
            name: "a response that is waited for",
            client: &[GET, Waits(100), Drains],
            endpoints: &[&[&[Hears(END), Waits(5000), OK]]],
            lasts: 6000,
            gets: "200 close ok | closed",
            at: 50,
            ..ROW
        },
        Row {
            name: "a head that is under way",
            client: &[Says("GET / HTTP/1.1\r\n"), Drains, Waits(500), Says("Host: h\r\n\r\n")],
            gets: "200 close ok | closed",
            at: 5,
            ..ROW
        },
        Row {
            name: "requests behind the first",
            client: &[
                Drains,
                Says("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"),
            ],
            gets: "200 close ok | closed",
            ..ROW
        },
    ]);
}
