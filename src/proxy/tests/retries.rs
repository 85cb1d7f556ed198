//! Which failures are made good by another try, and by whom.

use std::time::Duration;

use super::row::{ANSWERS, Act, Act::*, END, GET, OK, POST, REFUSES, ROW, Row, WELL, check};
use crate::model::{Exhausted, RetryCause, RetryCauses};

/// Takes a request and closes.
const CLOSES: &[Act] = &[Hears(END), Closes];
const BREAKS: &[Act] = &[Hears(END), Says("HTTP/1.1 200 OK\r\nContent-"), Closes];
const BABBLES: &[Act] = &[Hears(END), Says("What?\r\n\r\n")];
const BUSY_SAYS: Act = Says("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
const BUSY: &[Act] = &[Hears(END), BUSY_SAYS, Hears(END)];

#[test]
fn a_failure_is_made_good_elsewhere_where_that_does_no_harm() {
    let good = Row { gets: "200 ok | open", asked: &[(1, 1, 0), (1, 1, 1)], ..ROW };
    let bad = Row { client: &[POST], gets: "502 | open", asked: &[(1, 1, 0), (0, 0, 0)], ..ROW };
    check(&[
        Row {
            name: "refused",
            endpoints: &[REFUSES, WELL],
            asked: &[(1, 0, 0), (1, 1, 1)],
            log: &["200 a:connect b:200"],
            ..good
        },
        Row {
            name: "refused, whatever the method",
            client: &[POST],
            endpoints: &[REFUSES, WELL],
            asked: &[(1, 0, 0), (1, 1, 1)],
            log: &["200 a:connect b:200"],
            ..good
        },
        Row {
            name: "gone before it was told",
            client: &[POST],
            endpoints: &[&[&[Resets]], WELL],
            asked: &[(1, 0, 0), (1, 1, 1)],
            log: &["200 a:nothing_sent b:200"],
            ..good
        },
        Row {
            name: "no descriptor left",
            client: &[GET],
            endpoints: &[&[&[Lacks]], WELL],
            lasts: 3000,
            gets: "503 | open",
            at: 10,
            asked: &[(11, 0, 0), (0, 0, 0)],
            log: &["503 a:local"],
            ..bad
        },
        Row {
            name: "no answer",
            endpoints: &[&[CLOSES], WELL],
            log: &["200 a:no_response b:200"],
            ..good
        },
        Row {
            name: "no answer, POST",
            endpoints: &[&[CLOSES], WELL],
            log: &["502 a:no_response"],
            ..bad
        },
        Row {
            name: "half a head",
            endpoints: &[&[BREAKS], WELL],
            log: &["200 a:truncated b:200"],
            ..good
        },
        Row {
            name: "half a head, POST",
            endpoints: &[&[BREAKS], WELL],
            log: &["502 a:truncated"],
            ..bad
        },
        Row {
            name: "no HTTP",
            client: &[GET],
            endpoints: &[&[BABBLES], WELL],
            log: &["502 a:malformed"],
            ..bad
        },
        Row {
            name: "no HTTP where something may have been left",
            client: &[GET, Hears("ok"), GET, Hears("ok"), GET],
            endpoints: &[&[&[Hears(END), OK, Hears(END), Says("What?\r\n\r\n")], ANSWERS], WELL],
            gets: "200 ok; 200 ok; 200 ok | open",
            asked: &[(1, 2, 0), (2, 2, 2)],
            log: &["200 a:200", "200 b:200", "200 a:malformed b:200"],
            ..ROW
        },
        Row {
            name: "a body that is not here any more",
            client: &[
                Says("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n"),
                Waits(10),
                Says("body"),
            ],
            endpoints: &[&[&[Hears("body"), Closes]], WELL],
            gets: "502 close | closed",
            lasts: 2000,
            log: &["502 a:no_response"],
            ..bad
        },
    ]);
}

#[test]
fn tries_are_counted() {
    check(&[
        Row {
            name: "the only endpoint is asked again",
            endpoints: &[&[&[Refuses], &[Refuses], ANSWERS]],
            asked: &[(3, 1, 1)],
            log: &["200 a:connect a:connect a:200"],
            ..ROW
        },
        Row {
            name: "three times",
            endpoints: &[REFUSES],
            gets: "502 | open",
            asked: &[(3, 0, 0)],
            log: &["502 a:connect a:connect a:connect"],
            ..ROW
        },
        Row {
            name: "both in turn",
            endpoints: &[REFUSES, REFUSES],
            gets: "502 | open",
            asked: &[(2, 0, 0), (1, 0, 0)],
            log: &["502 a:connect b:connect a:connect"],
            ..ROW
        },
        Row {
            name: "as often as the rule says",
            policies: |policies| policies.retry.tries = Some(1),
            endpoints: &[REFUSES, WELL],
            gets: "502 | open",
            asked: &[(1, 0, 0), (0, 0, 0)],
            log: &["502 a:connect"],
            ..ROW
        },
        Row {
            name: "as often as the flag says",
            flags: "--proxy-next-upstream-tries 2",
            endpoints: &[REFUSES],
            gets: "502 | open",
            asked: &[(2, 0, 0)],
            log: &["502 a:connect a:connect"],
            ..ROW
        },
        Row {
            name: "nobody to ask",
            endpoints: &[],
            gets: "503 | open",
            asked: &[],
            log: &["503"],
            ..ROW
        },
    ]);
}

#[test]
fn statuses_are_failures_where_the_rule_says_so() {
    let busy = Row {
        policies: |policies| policies.retry.statuses = vec![503],
        endpoints: &[&[BUSY], WELL],
        asked: &[(1, 1, 0), (1, 1, 1)],
        log: &["200 a:503 b:200"],
        ..ROW
    };
    check(&[
        Row { name: "tried elsewhere", ..busy },
        Row {
            name: "not what may have been done",
            client: &[POST],
            gets: "503 | open",
            asked: &[(1, 1, 1), (0, 0, 0)],
            log: &["503 a:503"],
            ..busy
        },
        Row {
            name: "that, too, where its owner says so",
            policies: |policies| {
                policies.retry.statuses = vec![503];
                policies.retry.causes =
                    Some(RetryCauses::default().with(RetryCause::NonIdempotent));
            },
            client: &[POST],
            ..busy
        },
        Row {
            name: "in time only",
            policies: |policies| {
                policies.retry.statuses = vec![503];
                policies.retry.time = Some(Duration::from_millis(500));
            },
            endpoints: &[&[&[Hears(END), Waits(1000), BUSY_SAYS, Hears(END)]], WELL],
            gets: "503 | open",
            at: 10,
            lasts: 1500,
            asked: &[(1, 1, 1), (0, 0, 0)],
            log: &["503 a:503"],
            ..busy
        },
        Row {
            name: "the last one is the answer",
            endpoints: &[&[BUSY], &[BUSY]],
            gets: "503 | open",
            asked: &[(2, 2, 1), (1, 1, 0)],
            log: &["503 a:503 b:503 a:503"],
            ..busy
        },
        Row {
            name: "not without a rule",
            policies: |_| {},
            gets: "503 | open",
            asked: &[(1, 1, 1), (0, 0, 0)],
            log: &["503 a:503"],
            ..busy
        },
    ]);
}

#[test]
fn what_is_made_good_is_what_the_rule_says() {
    let off = Row {
        policies: |policies| policies.retry.causes = Some(RetryCauses::default()),
        gets: "502 | open",
        asked: &[(1, 1, 0), (0, 0, 0)],
        ..ROW
    };
    let careless = Row {
        policies: |policies| {
            policies.retry.causes = Some(RetryCauses::DEFAULT.with(RetryCause::NonIdempotent));
        },
        client: &[POST],
        asked: &[(1, 1, 0), (1, 1, 1)],
        ..ROW
    };
    check(&[
        Row {
            name: "nothing: refused",
            endpoints: &[REFUSES, WELL],
            asked: &[(1, 0, 0), (0, 0, 0)],
            log: &["502 a:connect"],
            ..off
        },
        Row {
            name: "nothing: no answer",
            endpoints: &[&[CLOSES], WELL],
            log: &["502 a:no_response"],
            ..off
        },
        Row {
            name: "what may have been done",
            endpoints: &[&[CLOSES], WELL],
            log: &["200 a:no_response b:200"],
            ..careless
        },
        Row {
            name: "no HTTP",
            policies: |policies| {
                let causes = RetryCauses::default().with(RetryCause::InvalidHead);
                policies.retry.causes = Some(causes);
            },
            endpoints: &[&[BABBLES], WELL],
            gets: "200 ok | open",
            asked: &[(1, 1, 0), (1, 1, 1)],
            log: &["200 a:malformed b:200"],
            ..ROW
        },
    ]);
}

#[test]
fn a_try_has_a_time_of_its_own_and_the_whole_another() {
    const SLOW: &[Act] = &[Hears(END), Waits(300), OK];
    let row = Row {
        policies: |policies| {
            policies.timeouts.backend_request = Some(Duration::from_millis(200));
            policies.retry.causes = Some(RetryCauses::default().with(RetryCause::Timeout));
        },
        at: 2,
        ..ROW
    };
    check(&[
        Row {
            name: "made good elsewhere",
            endpoints: &[&[SLOW], WELL],
            asked: &[(1, 1, 0), (1, 1, 1)],
            log: &["200 a:timeout b:200"],
            ..row
        },
        Row {
            name: "three times",
            endpoints: &[&[SLOW]],
            gets: "504 | open",
            at: 6,
            asked: &[(3, 3, 0)],
            log: &["504 a:timeout a:timeout a:timeout"],
            ..row
        },
        Row {
            name: "the whole is over within a try",
            policies: |policies| {
                policies.timeouts.backend_request = Some(Duration::from_millis(200));
                policies.timeouts.request = Some(Duration::from_millis(300));
            },
            endpoints: &[&[SLOW]],
            gets: "504 | open",
            at: 3,
            asked: &[(2, 2, 0)],
            log: &["504 a:timeout a:timeout"],
            ..row
        },
        Row {
            name: "it ends within the body, too",
            endpoints: &[&[&[
                Hears(END),
                Says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok"),
                Waits(300),
                Says("ok"),
            ]]],
            gets: "200 ok | closed",
            at: 0,
            asked: &[(1, 1, 0)],
            log: &["200 a:200-timeout"],
            ..row
        },
    ]);
}

#[test]
fn another_try_waits_as_the_rule_says() {
    let row = Row {
        policies: |policies| {
            policies.retry.statuses = vec![503];
            policies.retry.backoff = Some(Duration::from_millis(200));
        },
        endpoints: &[&[BUSY], WELL],
        at: 2,
        asked: &[(1, 1, 0), (1, 1, 1)],
        log: &["200 a:503 b:200"],
        ..ROW
    };
    check(&[
        Row { name: "after a status", ..row },
        Row {
            name: "after a failure",
            endpoints: &[&[CLOSES], WELL],
            log: &["200 a:no_response b:200"],
            ..row
        },
        Row {
            name: "no longer than the whole",
            policies: |policies| {
                policies.retry.backoff = Some(Duration::from_secs(5));
                policies.timeouts.request = Some(Duration::from_millis(400));
            },
            endpoints: &[&[CLOSES], WELL],
            gets: "504 | open",
            at: 4,
            asked: &[(1, 1, 0), (0, 0, 0)],
            log: &["504 a:no_response"],
            ..row
        },
        Row {
            name: "what is told then",
            policies: |policies| {
                policies.retry.backoff = Some(Duration::from_millis(100));
                policies.retry.exhausted = Exhausted::Unavailable;
            },
            endpoints: &[REFUSES],
            gets: "503 | open",
            at: 2,
            asked: &[(3, 0, 0)],
            log: &["503 a:connect a:connect a:connect"],
            ..row
        },
    ]);
}
