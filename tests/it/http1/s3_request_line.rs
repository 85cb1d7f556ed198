//! RFC 9112 section 3: request line, request target, Host.

use crate::for_each_driver;
use crate::harness::frames::{END_STREAM, headers};
use crate::harness::{Backend, Driver, Http2, Ingress, PathType, Proxy, cases, manifest};

for_each_driver!(
    table,
    target_goes_upstream_as_it_came,
    target_of_http2_goes_upstream_as_it_came,
    options_asterisk_is_served,
    http_1_0_is_forwarded_as_our_own_version,
    no_spelling_leads_past_a_rule,
);

fn table(driver: Driver) {
    cases::run(driver, include_str!("../cases/s3_request_line.txt"));
}

/// Octet for octet, for signatures cover it; RFC 9112 3.2.2: absolute-form becomes origin-form, its
/// authority becomes Host.
fn target_goes_upstream_as_it_came(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut client = proxy.client();
    let mut check = |target: &[u8], host: &str, expected: &[u8]| {
        let shown = target.escape_ascii();
        let before = backend.received().concat().len();
        client.send([b"GET ", target, b" HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n"].concat());
        assert_eq!(client.response().status(), 404, "{shown}: Host says where it goes");
        let head = [b"GET ", target, b" HTTP/1.1\r\nHost: a.example\r\n\r\n"].concat();
        client.send(head);
        let response = client.response();
        assert_eq!(response.status(), 200, "{shown}");
        assert_eq!(response.echoed_field("host").as_deref(), Some(host), "{shown}");
        let received = backend.received().concat().split_off(before);
        let line = [b"GET ", expected, b" HTTP/1.1\r\n"].concat();
        assert!(received.starts_with(&line), "{shown} went on as {}", received.escape_ascii());
    };
    let unchanged: [&[u8]; 18] = [
        b"/a?b=c",
        b"/?",
        b"/a?",
        b"/??a?",
        b"/foo/%25%32%46",
        b"/%41%7e%2d/%c3%a9%C3%A9",
        b"/a%2Fb%5Cc",
        b"/a/../b/./c",
        b"/a/%2e%2e/b",
        b"//a//b//",
        b"/a;b=c/d;e",
        b"/a/b%2F..%2Fc",
        b"/a\\b",
        b"/\xc3\xa4/\xe2\x82\xac?\xc3\xa4",
        b"/\xff\xfe?\x80",
        b"/<>\"`{}|\\^[]!$&'()*+,:=@~?<>\"`{}|\\^[]!$&'()*+,:=@~/?",
        b"/?q=/../x&r=%zz&s=%00",
        b"/?http://b.example/",
    ];
    for target in unchanged {
        check(target, "a.example", target);
    }
    let absolute: [(&[u8], &str, &[u8]); 6] = [
        (b"http://a.example/a?b", "a.example", b"/a?b"),
        (b"HTTP://A.EXAMPLE:80/%41/../b", "A.EXAMPLE:80", b"/%41/../b"),
        (b"http://a.example", "a.example", b"/"),
        (b"http://a.example?b", "a.example", b"/?b"),
        (b"http://a.example?", "a.example", b"/?"),
        (b"https://a.example/\xff", "a.example", b"/\xff"),
    ];
    for (target, host, expected) in absolute {
        let mut client = proxy.client();
        client.send([b"GET ", target, b" HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n"].concat());
        let response = client.response();
        assert_eq!(response.status(), 200, "{}", target.escape_ascii());
        assert_eq!(response.echoed_field("host").as_deref(), Some(host));
        let received = backend.received().concat();
        let line = [b"GET ", expected, b" HTTP/1.1\r\nHost: "].concat();
        let line = [&line[..], host.as_bytes(), b"\r\n"].concat();
        let is_there = received.windows(line.len()).any(|part| part == line);
        assert!(is_there, "{} is not {}", target.escape_ascii(), expected.escape_ascii());
    }
}

/// The same over HTTP/2: one rule for both protocols.
fn target_of_http2_goes_upstream_as_it_came(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut http2 = Http2::connect(proxy.http);
    let targets = [
        "/foo/%25%32%46",
        "/a/../b",
        "//a",
        "/a%2Fb",
        "/a;b",
        "/?",
        "/a?%zz",
        "/\u{e4}?\u{e4}",
        "/<>\"`{}|\\^[]~?<>\"`{}|\\^[]~",
    ];
    for (target, stream) in targets.iter().zip((1..).step_by(2)) {
        let answer = http2.get(stream, target);
        assert_eq!(answer.status, 200, "{target}");
        // The echo shows octets, each as a character of Latin-1.
        let shown: String = target.bytes().map(char::from).collect();
        assert_eq!(answer.json()["target"], shown);
    }
}

/// RFC 9112 3.2.4.
fn options_asterisk_is_served(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut client = proxy.client();
    client.send("OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let response = client.response();
    assert_eq!(response.status(), 200);
    assert_eq!(response.json()["target"], "*");
    assert_eq!(client.get("a.example", "/next").status(), 200);
}

/// RFC 9112 2.3: the forwarded version is our own.
fn http_1_0_is_forwarded_as_our_own_version(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\nHost: a.example\r\n\r\n");
    let response = client.response();
    assert!(response.start_line.starts_with("HTTP/1.1 200"), "{}", response.start_line);
    assert_eq!(response.json()["start_line"], "GET / HTTP/1.1");
    client.assert_closed();
}

/// RFC 3986 6.2.2: a rule on a path cannot be passed by spelling the path differently, although the
/// spelling goes on to the backend.
fn no_spelling_leads_past_a_rule(driver: Driver) {
    let (open, secret) = (Backend::echo("open"), Backend::echo("secret"));
    let rules = |host: &str, paths: &[(&str, &str)]| {
        let ingress = Ingress::new(host).host(&format!("{host}.example"));
        let add = |ingress: Ingress, (path, service): &(&str, &str)| {
            ingress.path(path, PathType::Prefix, service)
        };
        paths.iter().fold(ingress, add).yaml()
    };
    let manifests = manifest::backend("open", &[open.address()])
        + &manifest::backend("secret", &[secret.address()])
        + &rules("all", &[("/", "open"), ("/secret", "secret")])
        + &rules("some", &[("/open", "open"), ("/secret", "secret")]);
    let proxy = Proxy::start(driver, manifests);
    let mut http2 = Http2::connect(proxy.http);
    let mut stream = 1;
    let mut check = |host: &str, target: &str, expected: Result<&str, u16>| {
        let host = format!("{host}.example");
        let response = proxy.get(&host, target);
        let found =
            if response.status() == 200 { Ok(response.backend()) } else { Err(response.status()) };
        assert_eq!(found, expected.map(str::to_owned), "{host}{target}");
        if response.status() == 200 {
            assert_eq!(response.json()["target"], target, "{host}");
        }
        let fields =
            [(":method", "GET"), (":scheme", "http"), (":path", target), (":authority", &host)];
        http2.send(headers(stream, &fields, END_STREAM));
        assert_eq!(http2.answer(stream).status, response.status(), "{host}{target} over HTTP/2");
        stream += 2;
    };
    for host in ["all", "some"] {
        check(host, "/secret/x", Ok("secret"));
        check(host, "/open/../secret/x", Ok("secret"));
        check(host, "/open/%2e%2e/secret/x", Ok("secret"));
        check(host, "/open/.%2E/secret/x", Ok("secret"));
        check(host, "/./secret/x", Ok("secret"));
        check(host, "/%73ecret/x", Ok("secret"));
        check(host, "/secret/../open", Ok("open"));
        check(host, "/open/a%2Fb//c;d", Ok("open"));
        check(host, "/open/a%2F../b", Ok("open"));
        // A coded slash is one to rules, as in nginx.
        for climbing in ["..%2fsecret", "%2e%2e%2Fsecret"] {
            check(host, &format!("/open/{climbing}"), Ok("secret"));
        }
        for climbing in ["..\\secret", "..;/secret", "a%5C..%5c..%5csecret"] {
            check(host, &format!("/open/{climbing}"), Err(400));
        }
        check(host, "/..%2fetc", Err(400));
    }
    check("all", "/secret%2F..%2Fopen", Ok("open"));
    check("all", "//open", Ok("open"));
    check("some", "/open/..%2fother", Err(404));
    check("some", "/secret%2Fx", Ok("secret"));
}
