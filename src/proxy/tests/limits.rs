//! How much one client may ask, and how fast it is answered.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;

use super::row::{ANSWERS, Act, Act::*, END, GET, OK, ROW, Row, check};
use crate::filter::{AddressRanges, ClientLimits, LimitKey, Pace, Rate, Zone};
use crate::model::Policies;

fn number(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).expect("a number")
}

fn set(policies: &mut Policies, change: impl FnOnce(&mut ClientLimits)) {
    let mut limits = ClientLimits {
        zone: Zone::of("a", "b", None),
        per_second: None,
        per_minute: None,
        open: None,
        key: LimitKey::Address,
        exempt: AddressRanges::default(),
    };
    change(&mut limits);
    policies.limits = Some(Arc::new(limits));
}

/// One at a time, each second.
fn each_second(policies: &mut Policies) {
    set(policies, |limits| limits.per_second = Some(Rate::per_second(number(1), 0)));
}

fn one_open(policies: &mut Policies) {
    set(policies, |limits| limits.open = Some(number(1)));
}

#[test]
fn a_client_that_asks_too_often_is_refused_until_time_went_by() {
    let often = Row {
        policies: each_second,
        client: &[GET, Hears("ok"), GET, Waits(1000), GET],
        gets: "200 ok; 503; 200 ok | open",
        at: 10,
        lasts: 2000,
        asked: &[(1, 2, 1)],
        log: &["200 a:200", "503", "200 a:200"],
        ..ROW
    };
    check(&[
        Row { name: "by the second", ..often },
        Row {
            name: "by the minute",
            policies: |policies| {
                set(policies, |limits| limits.per_minute = Some(Rate::per_minute(number(60), 0)));
            },
            ..often
        },
        Row {
            name: "a burst",
            policies: |policies| {
                set(policies, |limits| limits.per_second = Some(Rate::per_second(number(1), 2)));
            },
            client: &[GET, Hears("ok"), GET, Hears("ok"), GET, Hears("ok"), GET],
            gets: "200 ok; 200 ok; 200 ok; 503 | open",
            at: 0,
            asked: &[(1, 3, 1)],
            log: &["200 a:200", "200 a:200", "200 a:200", "503"],
            ..often
        },
        Row {
            name: "not who is exempt",
            policies: |policies| {
                each_second(policies);
                let exempt = AddressRanges::parse("0.0.0.0/0,::/0").expect("ranges");
                let limits = policies.limits.take().expect("limits");
                policies.limits = Some(Arc::new(ClientLimits { exempt, ..(*limits).clone() }));
            },
            client: &[GET, Hears("ok"), GET],
            gets: "200 ok; 200 ok | open",
            at: 0,
            asked: &[(1, 2, 1)],
            log: &["200 a:200", "200 a:200"],
            ..often
        },
    ]);
}

/// Answers half a second later.
const LATE: &[Act] = &[Hears(END), Waits(500), OK, Repeats];

#[test]
fn as_many_requests_are_under_way_as_may_be() {
    let two = Row {
        policies: one_open,
        client: &[GET],
        beside: &[&[Waits(50), GET]],
        endpoints: &[&[LATE]],
        at: 5,
        lasts: 2000,
        asked: &[(1, 1, 1)],
        log: &["503", "200 a:200"],
        ..ROW
    };
    check(&[
        Row { name: "one is", ..two },
        Row {
            name: "one is over a moment later",
            beside: &[&[Waits(490), GET]],
            asked: &[(1, 2, 1)],
            log: &["200 a:200", "200 a:200"],
            ..two
        },
        Row {
            name: "one was, and its client left",
            client: &[Waits(700), GET],
            beside: &[&[GET, Waits(50), Resets]],
            at: 12,
            asked: &[(2, 2, 1)],
            log: &["499 a:200", "200 a:200"],
            ..two
        },
        Row {
            name: "one after the other",
            client: &[GET, Hears("ok"), GET, Hears("ok"), GET],
            beside: &[],
            endpoints: &[&[ANSWERS]],
            gets: "200 ok; 200 ok; 200 ok | open",
            at: 0,
            asked: &[(1, 3, 1)],
            log: &["200 a:200", "200 a:200", "200 a:200"],
            ..two
        },
    ]);
}

/// Four octets in a second.
fn slowly(policies: &mut Policies) {
    let bytes_per_second = NonZeroU64::new(4).expect("some");
    policies.pace = Some(Pace { bytes_per_second, after_bytes: 0 });
}

#[test]
fn a_response_goes_no_faster_than_it_may() {
    const TEN: &[Act] =
        &[Hears(END), Says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"), Repeats];
    const CHUNKS: &[Act] = &[
        Hears(END),
        Says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n"),
        Says("5\r\n56789\r\n0\r\n\r\n"),
        Repeats,
    ];
    let slow = Row {
        policies: slowly,
        endpoints: &[&[TEN]],
        lasts: 4000,
        gets: "200 0123456789 | open",
        at: 15,
        ..ROW
    };
    check(&[
        Row { name: "of a known length", ..slow },
        Row {
            name: "in chunks",
            endpoints: &[&[CHUNKS]],
            gets: "200 chunked 4/0123/1/4/1/5/1/6/1/7/1/8/1/9/0// | open",
            ..slow
        },
        Row {
            name: "its first part as fast as it can",
            policies: |policies| {
                slowly(policies);
                policies.pace = policies.pace.map(|pace| Pace { after_bytes: 6, ..pace });
            },
            at: 0,
            ..slow
        },
        Row {
            name: "its client leaves meanwhile",
            client: &[GET, Hears("0123"), Waits(100), Resets],
            gets: "200 0123 | reset",
            at: 0,
            asked: &[(1, 1, 0)],
            log: &["499 a:200"],
            ..slow
        },
    ]);
}
