//! Responses of every kind of end, and none.

use super::row::{Act, Act::*, END, GET, OK, ROW, Row, check};

#[test]
fn a_response_ends_where_it_says() {
    let bare = Row { gets: "200 | open", ..ROW };
    check(&[
        Row {
            name: "HEAD",
            client: &[Says("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")],
            endpoints: &[&[&[Hears(END), Says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")]]],
            ..bare
        },
        Row {
            name: "204",
            endpoints: &[&[&[Hears(END), Says("HTTP/1.1 204 No Content\r\n\r\n")]]],
            gets: "204 | open",
            log: &["204 a:204"],
            ..bare
        },
        Row {
            name: "304",
            endpoints: &[&[&[
                Hears(END),
                Says("HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n"),
            ]]],
            gets: "304 | open",
            log: &["304 a:304"],
            ..bare
        },
        Row {
            name: "chunks",
            endpoints: &[&[&[
                Hears(END),
                Says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"),
                Waits(100),
                Says("0\r\n\r\n"),
            ]]],
            gets: "200 chunked 2/ok/0// | open",
            at: 1,
            ..bare
        },
        Row {
            name: "until it closes",
            endpoints: &[&[&[Hears(END), Says("HTTP/1.1 200 OK\r\n\r\nok"), Waits(100), Closes]]],
            gets: "200 chunked 2/ok/0// | open",
            at: 1,
            asked: &[(1, 1, 0)],
            ..bare
        },
        Row {
            name: "until it closes, for HTTP/1.0",
            client: &[Says("GET / HTTP/1.0\r\nHost: h\r\n\r\n")],
            endpoints: &[&[&[Hears(END), Says("HTTP/1.1 200 OK\r\n\r\nok"), Waits(100), Closes]]],
            gets: "200 close ok | closed",
            asked: &[(1, 1, 0)],
            ..bare
        },
        Row {
            name: "chunks, for HTTP/1.0",
            client: &[Says("GET / HTTP/1.0\r\nHost: h\r\n\r\n")],
            endpoints: &[&[&[
                Hears(END),
                Says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
            ]]],
            gets: "200 close ok | closed",
            ..bare
        },
        Row {
            name: "hints before it",
            endpoints: &[&[&[
                Hears(END),
                Says("HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"),
                Waits(100),
                OK,
            ]]],
            gets: "103; 200 ok | open",
            at: 1,
            ..bare
        },
        Row {
            name: "hints before it, for HTTP/1.0",
            client: &[Says("GET / HTTP/1.0\r\nHost: h\r\n\r\n")],
            endpoints: &[&[&[
                Hears(END),
                Says("HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"),
                OK,
            ]]],
            gets: "200 close ok | closed",
            ..bare
        },
        Row {
            name: "a permission that nobody asked for",
            endpoints: &[&[&[Hears(END), Says("HTTP/1.1 100 Continue\r\n\r\n"), OK]]],
            gets: "200 ok | open",
            ..bare
        },
    ]);
}

#[test]
fn another_protocol_goes_both_ways_until_one_side_ends() {
    const ASKS: Act =
        Says("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nearly");
    const SWITCHES: Act =
        Says("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    let switched = Row { log: &["101 a:101"], asked: &[(1, 1, 0)], ..ROW };
    check(&[
        Row {
            name: "the client ends",
            client: &[ASKS, Hears(END), Says("ping"), Hears("pong"), Closes],
            endpoints: &[&[&[
                Hears(END),
                SWITCHES,
                Hears("early"),
                Hears("ping"),
                Says("pong"),
                HearsEnd,
                Closes,
            ]]],
            gets: "101 pong | closed",
            ..switched
        },
        Row {
            name: "the endpoint ends",
            client: &[ASKS, Hears(END), Says("ping"), HearsEnd, Closes],
            endpoints: &[&[&[
                Hears(END),
                SWITCHES,
                Hears("early"),
                Hears("ping"),
                Says("pong"),
                Closes,
            ]]],
            gets: "101 pong | closed",
            ..switched
        },
        Row {
            name: "neither says anything for long",
            flags: "--proxy-read-timeout 2",
            client: &[ASKS],
            endpoints: &[&[&[Hears(END), Waits(1000), SWITCHES, HearsEnd]]],
            lasts: 4000,
            gets: "101 | closed",
            at: 10,
            ..switched
        },
        Row {
            name: "it does not switch",
            client: &[Says(
                "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
            )],
            gets: "200 ok | open",
            asked: &[(1, 1, 1)],
            log: &["200 a:200"],
            ..switched
        },
    ]);
}

#[test]
fn a_response_that_breaks_off_cannot_be_taken_for_the_whole() {
    let cut = Row { asked: &[(1, 1, 0)], log: &["200 a:200-truncated"], ..ROW };
    check(&[
        Row {
            name: "before its length",
            endpoints: &[&[&[
                Hears(END),
                Says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"),
                Waits(100),
                Closes,
            ]]],
            gets: "200 ok | closed",
            ..cut
        },
        Row {
            name: "before its last chunk",
            endpoints: &[&[&[
                Hears(END),
                Says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"),
                Waits(100),
                Closes,
            ]]],
            gets: "200 chunked 2/ok/ | closed",
            ..cut
        },
        Row {
            name: "within a chunk",
            endpoints: &[&[&[
                Hears(END),
                Says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok"),
                Waits(100),
                Resets,
            ]]],
            gets: "200 chunked 2/ok/ | closed",
            ..cut
        },
        Row {
            name: "where only the close would tell",
            client: &[Says("GET / HTTP/1.0\r\nHost: h\r\n\r\n")],
            endpoints: &[&[&[Hears(END), Says("HTTP/1.1 200 OK\r\n\r\nok"), Waits(100), Resets]]],
            gets: "200 close ok | reset",
            ..cut
        },
        Row {
            name: "by chunks that are none",
            endpoints: &[&[&[
                Hears(END),
                Says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"),
                Waits(100),
                Says("not a size\r\n"),
            ]]],
            gets: "200 chunked 2/ok/ | closed",
            log: &["200 a:200-malformed"],
            ..cut
        },
    ]);
}

#[test]
fn what_is_no_response_is_answered_for() {
    let bad = Row { gets: "502 | open", asked: &[(1, 1, 0)], log: &["502 a:malformed"], ..ROW };
    check(&[
        Row {
            name: "no HTTP",
            endpoints: &[&[&[Hears(END), Says("SSH-2.0-OpenSSH_9.6\r\n")]]],
            ..bad
        },
        Row {
            name: "two ends",
            endpoints: &[&[&[
                Hears(END),
                Says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
            ]]],
            ..bad
        },
        Row {
            name: "a head without end",
            endpoints: &[&[&[Hears(END), Says("HTTP/1.1 200 OK\r\nA: "), SaysMany(70_000)]]],
            ..bad
        },
        Row {
            name: "another protocol, unasked",
            endpoints: &[&[&[
                Hears(END),
                Says(
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
                ),
            ]]],
            ..bad
        },
        Row {
            name: "hints without end",
            endpoints: &[&[&[
                Hears(END),
                Says(concat!(
                    "HTTP/1.1 102 P\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 102 P\r\n\r\n",
                    "HTTP/1.1 102 P\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 102 P\r\n\r\n",
                    "HTTP/1.1 102 P\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 102 P\r\n\r\n",
                    "HTTP/1.1 102 P\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 102 P\r\n\r\n",
                    "HTTP/1.1 102 P\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 102 P\r\n\r\n",
                    "HTTP/1.1 102 P\r\n\r\nHTTP/1.1 102 P\r\n\r\n",
                )),
            ]]],
            client: &[GET],
            gets: "102; 102; 102; 102; 102; 102; 102; 102; \
                   102; 102; 102; 102; 102; 102; 102; 102; 502 | open",
            ..bad
        },
    ]);
}
