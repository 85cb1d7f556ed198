//! What every integration test stands on: the built proxy, scripted backends, a raw client.
//!
//! Nothing here sleeps until something is likely to have happened: [`wait_until`] polls a condition
//! up to a deadline. Nothing here knows HTTP better than it must, so that malformed messages pass
//! through unchanged.

pub(crate) mod backend;
pub(crate) mod browser;
pub(crate) mod cases;
pub(crate) mod client;
pub(crate) mod collector;
pub(crate) mod datagrams;
pub(crate) mod frames;
pub(crate) mod manifest;
pub(crate) mod message;
pub(crate) mod nginx;
pub(crate) mod peer;
pub(crate) mod pki;
pub(crate) mod platform;
pub(crate) mod proxy;
pub(crate) mod row;

use std::net::{SocketAddr, TcpListener};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::{Duration, Instant};

pub(crate) use backend::{Backend, Gate};
pub(crate) use client::Client;
pub(crate) use collector::{Collector, Span, built};
pub(crate) use frames::Http2;
pub(crate) use manifest::{Ingress, PathType};
pub(crate) use message::{Message, fields_named};
pub(crate) use nginx::Nginx;
pub(crate) use proxy::{Builder, Proxy};

/// Longest wait for anything that ought to happen at once. Generous: two cores, debug builds, many
/// tests at a time.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// How long a test listens to be sure that something does *not* happen.
pub(crate) const QUIET: Duration = Duration::from_millis(300);

/// Ports that nobody has.
pub(crate) fn ports<const N: usize>() -> [SocketAddr; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    listeners.map(|listener| listener.local_addr().expect("an address"))
}

/// Which I/O driver a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    /// `--driver uring`.
    Uring,
    /// `--driver epoll`.
    Epoll,
}

impl Driver {
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::Uring => "uring",
            Self::Epoll => "epoll",
        }
    }

    /// False, and loud, when the kernel forbids the driver; the other driver's half still runs.
    pub(crate) fn is_available(self) -> bool {
        static URING: OnceLock<Result<(), String>> = OnceLock::new();
        if self == Self::Epoll {
            return true;
        }
        let probe = URING.get_or_init(|| match io_uring::IoUring::new(8) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        });
        if let Err(error) = probe {
            eprintln!("NOT TESTED on io_uring: this kernel forbids it ({error}); epoll only");
        }
        probe.is_ok()
    }
}

/// Runs each listed `fn(Driver)` as one test per driver: `on_uring::name` and `on_epoll::name`.
#[macro_export]
macro_rules! for_each_driver {
    ($($name:ident),+ $(,)?) => {
        mod on_uring {
            $(#[test]
            fn $name() {
                if $crate::harness::Driver::Uring.is_available() {
                    super::$name($crate::harness::Driver::Uring);
                }
            })+
        }
        mod on_epoll {
            $(#[test]
            fn $name() {
                super::$name($crate::harness::Driver::Epoll);
            })+
        }
    };
}

/// Polls `is_true` until it holds.
///
/// # Panics
/// After [`DEADLINE`], naming `what`.
#[track_caller]
pub(crate) fn wait_until(what: &str, is_true: impl FnMut() -> bool) {
    assert!(holds_within(DEADLINE, is_true), "waited {DEADLINE:?} in vain for: {what}");
}

/// Whether `is_true` comes to hold within `limit`.
pub(crate) fn holds_within(limit: Duration, mut is_true: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    // A channel nobody sends to is a pause between two looks, not a sleep that a test relies on.
    let (_keep, pause) = mpsc::channel::<()>();
    loop {
        if is_true() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        pause.recv_timeout(Duration::from_millis(2)).ok();
    }
}

/// A peer that does nothing for so long; only for rules about that very time.
pub(crate) fn pause(time: Duration) {
    holds_within(time, || false);
}

/// The harness itself: what a client sends, an echo backend tells, in every framing.
#[test]
fn echo_tells_what_it_received() {
    let backend = Backend::echo("e");
    let mut client = Client::connect(backend.address());
    for path in ["/length", "/chunked"] {
        client.send(format!("POST {path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"));
        client.send("X-A: 1\r\nx-a: 2\r\n\r\n3\r\nabc\r\n0\r\nX-T: t\r\n\r\n");
        let response = client.response();
        assert_eq!((response.status(), response.backend().as_str()), (200, "e"));
        assert_eq!(response.is_chunked, path == "/chunked");
        assert_eq!(response.json()["target"], path);
        assert_eq!(response.json()["body"], "abc");
        assert_eq!(response.echoed_fields("x-a"), ["1", "2"]);
        assert_eq!(response.json()["trailers"], serde_json::json!([["X-T", "t"]]));
    }
    assert_eq!(client.get("h", "/close").status(), 200);
    client.assert_closed();
    assert_eq!((backend.request_count(), backend.connection_count()), (3, 1));
    assert!(backend.received_text().contains("x-a: 2\r\n"));
}
