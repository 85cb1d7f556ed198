//! The way to an endpoint that is not there at once.

use super::row::{Act::*, END, GET, OK, ROW, Row, WELL, check};

#[test]
fn a_connection_may_take_its_time() {
    check(&[
        Row {
            name: "a connection that took its time",
            endpoints: &[&[&[AcceptsAfter(700), Hears(END), OK]]],
            at: 7,
            ..ROW
        },
        Row {
            name: "another one while the first is made",
            client: &[GET],
            endpoints: &[&[&[AcceptsAfter(3000), Hears(END), OK]], WELL],
            lasts: 4000,
            at: 25,
            asked: &[(1, 0, 0), (1, 1, 1)],
            log: &["200 a:connect_timeout b:200"],
            ..ROW
        },
    ]);
}
