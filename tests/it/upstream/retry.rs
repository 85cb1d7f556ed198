//! When a request may be sent a second time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::for_each_driver;
use crate::harness::backend::Connection;
use crate::harness::{Backend, Driver};

for_each_driver!(
    post_on_a_reused_connection_is_not_repeated,
    tries_are_bounded,
    no_answer_is_asked_for_elsewhere,
    what_may_have_been_done_is_not_repeated,
    the_only_endpoint_is_asked_again,
    policy_bounds_tries_and_time,
);

/// Its bytes may have been processed; the client is told the truth.
fn post_on_a_reused_connection_is_not_repeated(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        connection.read_request()?;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        connection.read_request().map(drop)
    });
    let proxy = super::start(driver, &[&backend]);
    let mut client = proxy.client();
    assert_eq!(client.get("a.example", "/").status(), 200);
    client.send("POST /once HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.response().status(), 502);
    assert_eq!(backend.received_text().matches("POST /once").count(), 1);
}

/// Three tries in all, however many endpoints there are.
fn tries_are_bounded(driver: Driver) {
    let asked = Arc::new(AtomicUsize::new(0));
    let backends: Vec<_> = (0..6)
        .map(|_| {
            let asked = Arc::clone(&asked);
            Backend::scripted(move |mut connection| {
                connection.read_request()?;
                asked.fetch_add(1, Ordering::SeqCst);
                connection.reset()
            })
        })
        .collect();
    let proxy = super::start(driver, &backends.iter().collect::<Vec<_>>());
    assert_eq!(proxy.get("a.example", "/").status(), 502);
    assert_eq!(asked.load(Ordering::SeqCst), 3, "tries of a GET");
    let post = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nok";
    let mut client = proxy.client();
    client.send(post);
    assert_eq!(client.response().status(), 502);
    assert_eq!(asked.load(Ordering::SeqCst), 4, "tries of a POST");
}

/// What a backend does instead of answering, on a fresh connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Close,
    Reset,
    HalfAHead,
    Silence,
    HalfAHeadThenSilence,
}

const FAULTS: [Fault; 5] =
    [Fault::Close, Fault::Reset, Fault::HalfAHead, Fault::Silence, Fault::HalfAHeadThenSilence];

impl Fault {
    fn is_late(self) -> bool {
        matches!(self, Self::Silence | Self::HalfAHeadThenSilence)
    }

    fn run(self, mut connection: Connection) -> io::Result<()> {
        connection.read_request()?;
        match self {
            Self::Close => Ok(()),
            Self::Reset => connection.reset(),
            Self::HalfAHead => connection.send("HTTP/1.1 200 OK\r\nContent-"),
            Self::HalfAHeadThenSilence => {
                connection.send("HTTP/1.1 200 OK\r\nContent-")?;
                connection.read_to_end().map(drop)
            }
            Self::Silence => connection.read_to_end().map(drop),
        }
    }

    fn backend(self) -> Backend {
        Backend::scripted(move |connection| self.run(connection))
    }
}

fn builder(driver: Driver, backends: &[&Backend]) -> crate::harness::Builder {
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address()).collect();
    super::builder(driver, &addresses)
        .flag("--proxy-read-timeout", 0.3)
        .flag("--proxy-send-timeout", 0.3)
}

/// RFC 9110 9.2.2; `proxy_next_upstream error timeout`. A body that came with its head goes along.
fn no_answer_is_asked_for_elsewhere(driver: Driver) {
    for fault in FAULTS {
        let (bad, good) = (fault.backend(), Backend::echo("good"));
        let proxy = builder(driver, &[&bad, &good]).start();
        let mut client = proxy.client();
        for (round, method) in ["GET", "PUT", "HEAD", "DELETE", "OPTIONS"].iter().enumerate() {
            client.send(format!(
                "{method} /{round} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello"
            ));
            let response = client.response_to(method);
            assert_eq!(response.status(), 200, "{fault:?} {method}");
            if *method != "HEAD" {
                assert_eq!(response.json()["body"], "hello", "{fault:?} {method}");
            }
        }
        assert!(bad.connection_count() >= 1, "{fault:?}: the bad one was never asked");
        assert_eq!(good.request_count(), 5, "{fault:?}");
    }
}

/// The application may have done it: POST, PATCH, LOCK, and any method nobody knows. The first
/// octet was sent, so one try each, and each is answered.
fn what_may_have_been_done_is_not_repeated(driver: Driver) {
    for fault in FAULTS {
        let (first, second) = (fault.backend(), fault.backend());
        let proxy = builder(driver, &[&first, &second]).start();
        let mut client = proxy.client();
        for (round, method) in ["POST", "PATCH", "LOCK", "BREW"].iter().enumerate() {
            client.send(format!(
                "{method} / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello"
            ));
            let expected = if fault.is_late() { 504 } else { 502 };
            assert_eq!(client.response().status(), expected, "{fault:?} {method}");
            let asked = first.connection_count() + second.connection_count();
            assert_eq!(asked, round + 1, "{fault:?} {method}");
        }
    }
}

/// As ingress-nginx does, after errors and timeouts, up to the tries.
fn the_only_endpoint_is_asked_again(driver: Driver) {
    for fault in FAULTS {
        let bad = fault.backend();
        let proxy = builder(driver, &[&bad]).start();
        let expected = if fault.is_late() { (504, 3) } else { (502, 3) };
        let status = proxy.get("a.example", "/").status();
        assert_eq!((status, bad.connection_count()), expected, "{fault:?}");
    }
}

/// `--proxy-next-upstream-tries`, `--proxy-next-upstream-timeout`.
fn policy_bounds_tries_and_time(driver: Driver) {
    let tries = "--proxy-next-upstream-tries";
    let time = "--proxy-next-upstream-timeout";
    for (fault, flag, value, asked) in [
        (Fault::Close, tries, "1", 1),
        (Fault::Close, tries, "2", 2),
        // Up to 20, round and round the five.
        (Fault::Close, tries, "0", 20),
        (Fault::Close, time, "30", 3),
        (Fault::Silence, time, "30", 3),
        // The first try takes 0.3 s.
        (Fault::Silence, time, "0.2", 1),
    ] {
        let backends: Vec<_> = (0..5).map(|_| fault.backend()).collect();
        let all: Vec<_> = backends.iter().collect();
        let proxy = builder(driver, &all).flag(flag, value).start();
        let status = proxy.get("a.example", "/").status();
        assert_eq!(status, if fault.is_late() { 504 } else { 502 }, "{fault:?} {flag} {value}");
        let count: usize = backends.iter().map(Backend::connection_count).sum();
        assert_eq!(count, asked, "{fault:?} {flag} {value}");
    }
}
