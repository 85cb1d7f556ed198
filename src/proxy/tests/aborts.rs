//! Clients that leave.

use super::row::{Act, Act::*, END, GET, ROW, Row, check};

/// Never answers.
const THINKS: &[Act] = &[Hears(END), HearsEnd];

#[test]
fn a_client_that_leaves_ends_what_was_done_for_it() {
    let left = Row {
        client: &[GET, Waits(100), Closes],
        endpoints: &[&[THINKS]],
        lasts: 2000,
        gets: "closed",
        asked: &[(1, 1, 0)],
        log: &["499"],
        ..ROW
    };
    check(&[
        Row {
            name: "before its head is whole",
            client: &[Says("GET / HTTP/1.1\r\n"), Waits(10), Closes],
            asked: &[(0, 0, 0)],
            log: &[],
            ..left
        },
        Row {
            name: "before it says anything",
            client: &[Closes],
            asked: &[(0, 0, 0)],
            log: &[],
            ..left
        },
        Row { name: "while the endpoint thinks", ..left },
        Row { name: "by a reset", client: &[GET, Waits(100), Resets], ..left },
        Row { name: "by half", client: &[GET, Waits(100), Ends], ..left },
        Row {
            name: "within its body",
            client: &[
                Says("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nbody"),
                Waits(100),
                Closes,
            ],
            ..left
        },
        Row {
            name: "within the response",
            client: &[GET, Hears(END), Closes],
            endpoints: &[&[&[
                Hears(END),
                Says("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"),
                SaysMany(1000),
                Waits(100),
                SaysMany(1000),
                Waits(100),
                SaysMany(1000),
                HearsEnd,
            ]]],
            gets: "200 x*1000 | reset",
            log: &["499 a:200"],
            ..left
        },
        Row {
            name: "while nobody answers the call for a connection",
            endpoints: &[&[&[Ignores]]],
            lasts: 6000,
            gets: "closed",
            asked: &[(1, 0, 0)],
            log: &["504 a:connect_timeout"],
            ..left
        },
    ]);
}
