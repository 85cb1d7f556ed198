//! A response whose upstream breaks off: the client is told by the protocol, not by a reset.

use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use crate::for_each_driver;
use crate::harness::backend::Connection;
use crate::harness::pki::Authority;
use crate::harness::{Backend, Builder, Client, Driver, Gate, Ingress, Proxy, manifest, pause};

for_each_driver!(
    what_is_missing_shows_and_the_connection_ends_in_order,
    an_upload_under_way_makes_no_reset,
    where_only_the_close_ends_the_content_it_looks_broken,
    over_tls_the_goodbye_says_which,
);

/// How the upstream breaks off after `hello`.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Close,
    Reset,
    Rubbish,
    Silence,
}

const CUTS: [Cut; 4] = [Cut::Close, Cut::Reset, Cut::Rubbish, Cut::Silence];
const LENGTH: &str = "Content-Length: 100\r\n\r\nhello";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
const UNTIL_CLOSE: &str = "Connection: close\r\n\r\nhello";

fn answer(mut connection: Connection, rest: &str, cut: Cut, arrived: &Gate) -> io::Result<()> {
    connection.read_head()?;
    connection.send(format!("HTTP/1.1 200 OK\r\n{rest}"))?;
    // The client has what there is when it breaks off.
    arrived.wait();
    match cut {
        Cut::Close => connection.finish_sending().and_then(|()| connection.read_to_end().map(drop)),
        Cut::Reset => connection.reset(),
        Cut::Rubbish => connection.send("no chunk\r\n"),
        Cut::Silence => connection.read_to_end().map(drop),
    }
}

/// What runs, and the gate before the end that [`read_all`] opens.
struct Scene {
    _backend: Backend,
    proxy: Proxy,
    authority: Authority,
    arrived: Gate,
}

fn start(driver: Driver, rest: &'static str, cut: Cut) -> Scene {
    let arrived = Gate::new();
    let backend = Backend::scripted({
        let arrived = arrived.clone();
        move |connection| answer(connection, rest, cut, &arrived)
    });
    let authority = Authority::new();
    let leaf = authority.issue(&["a.example"]);
    let proxy = Builder::new(driver)
        .manifests(manifest::backend("web", &[backend.address()]))
        .manifests(manifest::tls_secret("a-tls", &leaf.chain, &leaf.key))
        .manifests(
            Ingress::simple("web", "a.example", "web")
                .tls(&["a.example"], "a-tls")
                .annotation("nginx.ingress.kubernetes.io/ssl-redirect", "false")
                .yaml(),
        )
        .flag("--proxy-read-timeout", 0.3)
        .start();
    Scene { _backend: backend, proxy, authority, arrived }
}

/// Everything up to the end; how it ended. Opens `arrived` once the part before the cut is here.
fn read_all(client: Client, arrived: &Gate) -> (String, io::Result<()>) {
    let mut stream = client.into_stream();
    let mut octets = Vec::new();
    let mut piece = [0; 4096];
    let result = loop {
        match stream.read(&mut piece) {
            Ok(0) => break Ok(()),
            Ok(count) => {
                octets.extend_from_slice(&piece[..count]);
                if octets.windows(5).any(|part| part == b"hello") {
                    arrived.open();
                }
            }
            Err(error) => break Err(error),
        }
    };
    (String::from_utf8_lossy(&octets).into_owned(), result)
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

fn is_possible(rest: &str, cut: Cut) -> bool {
    rest == CHUNKED || !matches!(cut, Cut::Rubbish)
}

fn what_is_missing_shows_and_the_connection_ends_in_order(driver: Driver) {
    for rest in [LENGTH, CHUNKED] {
        for cut in CUTS.into_iter().filter(|cut| is_possible(rest, *cut)) {
            let scene = start(driver, rest, cut);
            let mut client = scene.proxy.client();
            client.send(GET);
            let (text, end) = read_all(client, &scene.arrived);
            assert!(text.contains("200 OK") && text.contains("hello"), "{cut:?} {rest:?}: {text}");
            assert!(!text.ends_with("\r\n0\r\n\r\n"), "{cut:?} {rest:?}: looks whole: {text}");
            assert!(end.is_ok(), "{cut:?} {rest:?}: {end:?}");
        }
    }
}

/// Octets of the client that nobody reads would turn the close into a reset.
fn an_upload_under_way_makes_no_reset(driver: Driver) {
    for (rest, cut) in [(LENGTH, Cut::Close), (CHUNKED, Cut::Reset), (LENGTH, Cut::Reset)] {
        let scene = start(driver, rest, cut);
        let mut client = scene.proxy.client();
        client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 900000\r\n\r\n");
        client.send(vec![b'x'; 100_000]);
        let mut sender = client.sender();
        let more = std::thread::spawn(move || {
            for _ in 0..20 {
                pause(Duration::from_millis(20));
                if sender.write_all(&[b'x'; 1000]).is_err() {
                    break;
                }
            }
        });
        let (text, end) = read_all(client, &scene.arrived);
        more.join().expect("a sender");
        assert!(text.ends_with("hello") || text.ends_with("hello\r\n"), "{cut:?} {rest:?}: {text}");
        assert!(end.is_ok(), "{cut:?} {rest:?}: {end:?}");
    }
}

/// RFC 9112 section 8: an orderly close would mean that all of it came.
fn where_only_the_close_ends_the_content_it_looks_broken(driver: Driver) {
    for (rest, cut) in [(CHUNKED, Cut::Close), (CHUNKED, Cut::Silence), (UNTIL_CLOSE, Cut::Reset)] {
        let scene = start(driver, rest, cut);
        let mut client = scene.proxy.client();
        client.send("GET / HTTP/1.0\r\nHost: a.example\r\n\r\n");
        let (text, end) = read_all(client, &scene.arrived);
        assert!(end.is_err(), "{cut:?} {rest:?}: looks whole: {text}");
    }
}

/// close_notify as nginx sends it; none where it would be the end of the content.
fn over_tls_the_goodbye_says_which(driver: Driver) {
    for (version, rest, cut, is_goodbye) in [
        ("1.1", LENGTH, Cut::Close, true),
        ("1.1", CHUNKED, Cut::Reset, true),
        ("1.1", CHUNKED, Cut::Silence, true),
        ("1.0", CHUNKED, Cut::Close, false),
        ("1.0", UNTIL_CLOSE, Cut::Reset, false),
    ] {
        let scene = start(driver, rest, cut);
        let trust = scene.authority.trusting(&[]);
        let mut client = Client::tls(scene.proxy.https, &trust, "a.example");
        client.send(format!("GET / HTTP/{version}\r\nHost: a.example\r\n\r\n"));
        let (text, end) = read_all(client, &scene.arrived);
        assert!(text.contains("hello"), "{version} {cut:?}: {text}");
        let kind = end.as_ref().map_err(io::Error::kind);
        let expected = if is_goodbye { Ok(&()) } else { Err(io::ErrorKind::UnexpectedEof) };
        assert_eq!(kind, expected, "{version} {cut:?} {rest:?}");
    }
}
