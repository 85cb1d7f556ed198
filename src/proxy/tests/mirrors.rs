//! Copies of requests: nobody waits for them, whatever becomes of them.

use std::sync::Arc;

use super::row::{Act, Act::*, END, GET, OK, POST, REFUSES, ROW, Row, WELL, check};
use super::world::key;
use crate::filter::{Mirror, MirrorBody, MirrorTarget, Refusal, Text};
use crate::model::{MirrorPolicy, Policies, Share};
use crate::proxy::tests::row::Endpoint;

fn mirrored(policies: &mut Policies) {
    let host = Some(Text::new("copy.example", |_| false).expect("a text"));
    let copy = Arc::new(Mirror { target: MirrorTarget::Sent, host, body: MirrorBody::Copied });
    let mirror = MirrorPolicy { copy, server: key("other"), share: Share::ALL };
    policies.mirrors = Arc::new([mirror]);
}

const MIRRORED: Row = Row {
    policies: mirrored,
    endpoints: &[WELL],
    others: &[&[&[Hears("GET /get HTTP/1.1\r\nHost: copy.example\r\n"), Hears(END), OK, Repeats]]],
    asked: &[(1, 1, 1), (1, 1, 1)],
    ..ROW
};
/// Takes a copy and says nothing.
const HANGS: Endpoint = &[&[Hears(END)]];
/// A request with its body behind.
const POSTS: Act = Says("POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n");

#[test]
fn a_copy_costs_the_request_nothing() {
    check(&[
        Row { name: "one that is answered", ..MIRRORED },
        Row {
            name: "ones that are not, and the next requests",
            client: &[GET, Hears("ok"), GET, Hears("ok"), GET],
            others: &[HANGS],
            gets: "200 ok; 200 ok; 200 ok | open",
            asked: &[(1, 3, 1), (3, 3, 3)],
            log: &["200 a:200"; 3],
            ..MIRRORED
        },
        Row {
            name: "one that hangs is let go in the end",
            flags: "--proxy-read-timeout 1000",
            others: &[HANGS],
            lasts: 62_000,
            asked: &[(1, 1, 0), (1, 1, 0)],
            ..MIRRORED
        },
        Row {
            name: "nobody takes it",
            others: &[REFUSES],
            asked: &[(1, 1, 1), (3, 0, 0)],
            ..MIRRORED
        },
        Row {
            name: "it breaks off",
            others: &[&[&[Hears(END), Says("HTTP/1.1 200 O"), Closes]]],
            asked: &[(1, 1, 1), (3, 3, 0)],
            ..MIRRORED
        },
        Row {
            name: "the client leaves",
            client: &[GET, Closes],
            endpoints: &[&[&[Hears(END)]]],
            gets: "closed",
            asked: &[(1, 1, 0), (1, 1, 1)],
            log: &["499"],
            ..MIRRORED
        },
        Row {
            name: "a drain does not wait for it",
            client: &[GET, Hears("ok"), Drains],
            others: &[HANGS],
            lasts: 2000,
            gets: "200 ok | closed",
            asked: &[(1, 1, 1), (1, 1, 1)],
            ..MIRRORED
        },
    ]);
}

#[test]
fn requests_that_reach_no_backend_are_not_copied() {
    check(&[
        Row {
            name: "a gate",
            policies: |policies| {
                mirrored(policies);
                policies.refusal = Some(Refusal::Guard);
            },
            gets: "503 | open",
            asked: &[(0, 0, 0), (0, 0, 0)],
            log: &["503"],
            ..MIRRORED
        },
        Row {
            name: "no endpoint",
            endpoints: &[],
            gets: "503 | open",
            asked: &[(0, 0, 0)],
            log: &["503"],
            ..MIRRORED
        },
    ]);
}

#[test]
fn a_copy_has_the_whole_body_or_is_none() {
    const TAKES: Endpoint = &[&[Hears("Content-Length: 4\r\n"), Hears("body"), OK]];
    check(&[
        Row { name: "it came with the head", client: &[POST], others: &[TAKES], ..MIRRORED },
        Row {
            name: "it came behind it",
            client: &[POSTS, Waits(100), Says("bo"), Waits(100), Says("dy")],
            endpoints: &[&[&[Hears("body"), OK]]],
            others: &[TAKES],
            at: 2,
            ..MIRRORED
        },
        Row {
            name: "in chunks",
            client: &[
                Says("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n"),
                Waits(100),
                Says("2\r\ndy\r\n0\r\n\r\n"),
            ],
            endpoints: &[&[&[Hears("0\r\n\r\n"), OK]]],
            others: &[TAKES],
            at: 1,
            ..MIRRORED
        },
        Row {
            name: "it breaks off",
            client: &[POSTS, Says("bo"), Waits(100), Closes],
            endpoints: &[&[&[Hears("body"), OK]]],
            others: &[TAKES],
            gets: "closed",
            asked: &[(1, 1, 0), (0, 0, 0)],
            log: &["499"],
            ..MIRRORED
        },
        Row {
            name: "it is longer than what is kept",
            client: &[
                Says("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n"),
                SaysMany(200_000),
            ],
            endpoints: &[&[&[Hears(END), Waits(100), OK]]],
            others: &[TAKES],
            at: 1,
            asked: &[(1, 1, 1), (0, 0, 0)],
            ..MIRRORED
        },
        Row {
            name: "it is left out",
            policies: |policies| {
                mirrored(policies);
                for mirror in Arc::make_mut(&mut policies.mirrors) {
                    Arc::make_mut(&mut mirror.copy).body = MirrorBody::LeftOut;
                }
            },
            client: &[POSTS, Waits(300), Says("body")],
            endpoints: &[&[&[Hears("body"), OK]]],
            others: &[&[&[Hears("POST /post HTTP/1.1"), Hears(END), OK]]],
            at: 3,
            ..MIRRORED
        },
    ]);
}

#[test]
fn several_servers_get_copies_each_of_its_share() {
    fn several(policies: &mut Policies) {
        mirrored(policies);
        let [first] = &*policies.mirrors else { panic!("one mirror") };
        let forwarded = Arc::new(Mirror::FORWARDED);
        let second = MirrorPolicy { copy: forwarded, ..first.clone() };
        let none = MirrorPolicy { share: Share { weight: 0, total: 100 }, ..first.clone() };
        policies.mirrors = Arc::new([none, first.clone(), second]);
    }
    const BOTH: Endpoint = &[
        &[Hears("Host: copy.example\r\n"), Hears(END), OK, Repeats],
        &[Hears("Host: h\r\n"), Hears(END), OK, Repeats],
    ];
    const BODIES: Endpoint = &[&[Hears("\r\n\r\nbody"), OK, Repeats]];
    let row =
        Row { policies: several, others: &[BOTH], asked: &[(1, 1, 1), (2, 2, 2)], ..MIRRORED };
    check(&[
        Row { name: "at once", ..row },
        Row {
            name: "of a body that came behind",
            client: &[POSTS, Waits(100), Says("body")],
            endpoints: &[&[&[Hears("body"), OK]]],
            others: &[BODIES],
            at: 1,
            ..row
        },
    ]);
}
