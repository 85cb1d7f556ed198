//! Another backend answers, fails to, or should not be asked.

use std::sync::Arc;

use super::row::{Act::*, END, GET, OK, POST, REFUSES, ROW, Row, check};
use super::world::key;
use crate::filter::Refusal;
use crate::model::{ErrorPages, Policies, Replaced};
use crate::proxy::tests::row::{Act, Endpoint};

const FAILS: Act = Says("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\nthem");
/// An endpoint whose every answer is an error.
const IS_ILL: Endpoint = &[&[Hears(END), FAILS, Repeats]];
/// Says what was asked of it.
const PAGE: Act = Says("HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\npage");
const PAGES: Endpoint = &[&[
    Hears("GET / HTTP/1.1\r\n"),
    Hears("X-Code: 500\r\n"),
    Hears("X-Namespace: ns\r\nX-Ingress-Name: web\r\n"),
    Hears("X-Service-Name: web\r\nX-Service-Port: 80\r\n"),
    Hears("X-Original-URI: /get"),
    Hears(END),
    PAGE,
    Repeats,
]];

fn pages(policies: &mut Policies) {
    let statuses = [403, 413, 500, 502, 503, 504].into();
    let (backend, replaced) = (key("other"), Replaced::All);
    policies.error_pages = Some(Arc::new(ErrorPages { backend, statuses, replaced }));
}

const REPLACED: Row = Row {
    policies: pages,
    endpoints: &[IS_ILL],
    others: &[PAGES],
    gets: "500 page | open",
    asked: &[(1, 1, 1), (1, 1, 1)],
    log: &["500 a:500 b:500"],
    ..ROW
};

#[test]
fn an_error_is_replaced_by_what_another_backend_says() {
    check(&[
        Row { name: "both connections are kept", ..REPLACED },
        Row {
            name: "and the client's",
            client: &[GET, Hears("page"), GET],
            gets: "500 page; 500 page | open",
            asked: &[(1, 2, 1), (1, 2, 1)],
            log: &["500 a:500 b:500", "500 a:500 b:500"],
            ..REPLACED
        },
        Row {
            name: "its rest is not waited for",
            endpoints: &[&[&[Hears(END), Says("HTTP/1.1 500 X\r\nContent-Length: 9\r\n\r\nth")]]],
            asked: &[(1, 1, 0), (1, 1, 1)],
            ..REPLACED
        },
        Row {
            name: "others are passed on",
            endpoints: &[&[&[Hears(END), Says("HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n")]]],
            gets: "404 | open",
            asked: &[(1, 1, 1), (0, 0, 0)],
            log: &["404 a:404"],
            ..REPLACED
        },
        Row {
            name: "our own",
            endpoints: &[REFUSES],
            others: &[&[&[Hears("X-Code: 502\r\n"), Hears(END), OK]]],
            gets: "200 ok | open",
            asked: &[(3, 0, 0), (1, 1, 1)],
            log: &["200 a:connect a:connect a:connect b:200"],
            ..REPLACED
        },
        Row {
            name: "one that answers the same is heard",
            others: &[IS_ILL],
            gets: "500 them | open",
            ..REPLACED
        },
        Row {
            name: "tries of the rule are not those of its pages",
            policies: |policies| {
                pages(policies);
                policies.retry.statuses = vec![500];
                policies.retry.tries = Some(2);
            },
            asked: &[(2, 2, 1), (1, 1, 1)],
            log: &["500 a:500 a:500 b:500"],
            ..REPLACED
        },
    ]);
}

#[test]
fn without_a_page_the_answer_is_what_was_due() {
    let ours = Row { gets: "500 Internal Server Error\n | open", ..REPLACED };
    check(&[
        Row {
            name: "nobody is there",
            others: &[],
            asked: &[(1, 1, 1)],
            log: &["500 a:500"],
            ..ours
        },
        Row {
            name: "it refuses",
            others: &[REFUSES],
            asked: &[(1, 1, 1), (3, 0, 0)],
            log: &["500 a:500 b:connect b:connect b:connect"],
            ..ours
        },
        Row {
            name: "it is silent",
            flags: "--proxy-read-timeout 1",
            others: &[&[&[Hears(END)]]],
            lasts: 5000,
            at: 30,
            asked: &[(1, 1, 1), (3, 3, 0)],
            log: &["500 a:500 b:timeout b:timeout b:timeout"],
            ..ours
        },
        Row {
            name: "it breaks off",
            others: &[&[&[Hears(END), Says("HTTP/1.1 500 O"), Closes]]],
            asked: &[(1, 1, 1), (3, 3, 0)],
            log: &["500 a:500 b:truncated b:truncated b:truncated"],
            ..ours
        },
        Row {
            name: "it switches protocols",
            client: &[Says(
                "GET /get HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            )],
            others: &[&[&[
                Hears(END),
                Says("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
            ]]],
            asked: &[(1, 1, 1), (1, 1, 0)],
            log: &["500 a:500 b:malformed"],
            ..ours
        },
        Row {
            name: "the client leaves meanwhile",
            client: &[GET, Waits(100), Closes],
            others: &[&[&[Hears(END)]]],
            gets: "closed",
            asked: &[(1, 1, 1), (1, 1, 0)],
            log: &["499 a:500"],
            ..ours
        },
    ]);
}

#[test]
fn a_body_goes_along_if_it_is_here_as_a_whole() {
    const POSTS: Act = Says("POST /get HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n");
    check(&[
        Row {
            name: "it came with the head",
            client: &[POST],
            endpoints: &[&[&[Hears("body"), FAILS]]],
            others: &[&[&[Hears("Content-Length: 4\r\n"), Hears("body"), PAGE]]],
            ..REPLACED
        },
        Row {
            name: "it came behind it",
            client: &[POSTS, Waits(100), Says("body")],
            endpoints: &[&[&[Hears("body"), FAILS]]],
            others: &[&[&[Hears("POST / HTTP/1.1"), Hears(END), PAGE]]],
            gets: "500 close page | closed",
            at: 1,
            ..REPLACED
        },
        Row {
            name: "half of it is there",
            client: &[POSTS, Says("bo"), Waits(100), Says("dy")],
            endpoints: &[&[&[Hears(END), FAILS]]],
            others: &[&[&[Hears("POST / HTTP/1.1"), Hears(END), PAGE]]],
            gets: "500 close page | closed",
            asked: &[(1, 1, 0), (1, 1, 1)],
            ..REPLACED
        },
        Row {
            name: "it is too long",
            policies: |policies| {
                pages(policies);
                policies.body_bytes_max = Some(3);
            },
            client: &[POST],
            others: &[&[&[Hears("X-Code: 413\r\n"), Hears(END), OK]]],
            gets: "200 close ok | closed",
            asked: &[(0, 0, 0), (1, 1, 1)],
            log: &["200 b:200"],
            ..REPLACED
        },
        Row {
            name: "nobody asks for it any more",
            policies: |policies| {
                pages(policies);
                policies.refusal = Some(Refusal::Guard);
            },
            client: &[Says(
                "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
            )],
            others: &[&[&[Hears("X-Code: 503\r\n"), Hears(END), OK]]],
            gets: "200 close ok | closed",
            asked: &[(0, 0, 0), (1, 1, 1)],
            log: &["200 b:200"],
            ..REPLACED
        },
    ]);
}

#[test]
fn who_is_kept_back_gets_nothing_of_what_is_behind_the_gates() {
    let refused = |policies: &mut Policies| {
        pages(policies);
        policies.refusal = Some(Refusal::Guard);
    };
    const OWN: fn(&mut Policies) = |policies| {
        let (statuses, replaced) = ([500, 503].into(), Replaced::All);
        let backend = key("web");
        policies.error_pages = Some(Arc::new(ErrorPages { backend, statuses, replaced }));
    };
    check(&[
        Row {
            name: "another Service",
            policies: refused,
            others: &[&[&[Hears("X-Code: 503\r\n"), Hears(END), OK]]],
            gets: "200 ok | open",
            asked: &[(0, 0, 0), (1, 1, 1)],
            log: &["200 b:200"],
            ..REPLACED
        },
        Row {
            name: "the same",
            policies: |policies| {
                OWN(policies);
                policies.refusal = Some(Refusal::Guard);
            },
            others: &[],
            gets: "503 | open",
            asked: &[(0, 0, 0)],
            log: &["503"],
            ..REPLACED
        },
        Row {
            name: "the same, whose answer it is",
            policies: OWN,
            others: &[],
            gets: "500 them | open",
            asked: &[(1, 2, 1)],
            log: &["500 a:500 a:500"],
            ..REPLACED
        },
    ]);
}

#[test]
fn another_backend_stands_in_for_one_without_endpoints() {
    const STANDS_IN: Row = Row {
        policies: |policies| policies.stand_in = Some(key("other")),
        endpoints: &[],
        others: &[&[&[
            Hears("GET /get HTTP/1.1\r\n"),
            Hears("X-Code: 503\r\n"),
            Hears("X-Ingress-Name: web\r\n"),
            Hears(END),
            OK,
        ]]],
        gets: "200 ok | open",
        asked: &[(1, 1, 1)],
        log: &["200 a:200"],
        ..ROW
    };
    check(&[
        Row { name: "as it is asked", ..STANDS_IN },
        Row {
            name: "neither has any",
            others: &[],
            gets: "503 | open",
            asked: &[],
            log: &["503"],
            ..STANDS_IN
        },
        Row {
            name: "one that fails is no error of the rule's backend",
            endpoints: &[REFUSES],
            gets: "502 | open",
            asked: &[(3, 0, 0), (0, 0, 0)],
            log: &["502 a:connect a:connect a:connect"],
            ..STANDS_IN
        },
        Row {
            name: "what it says may be replaced once",
            policies: |policies| {
                pages(policies);
                policies.stand_in = Some(key("other"));
            },
            others: &[IS_ILL],
            gets: "500 them | open",
            asked: &[(1, 2, 1)],
            log: &["500 a:500 a:500"],
            ..STANDS_IN
        },
    ]);
}
