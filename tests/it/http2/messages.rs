//! RFC 9113 section 8 and RFC 8441: what a request becomes in HTTP/1.1, and what never becomes one.

use crate::for_each_driver;
use crate::harness::frames::*;
use crate::harness::{Backend, Builder, Driver, Http2, Message, Proxy, fields_named, manifest};

for_each_driver!(
    malformed_requests_reach_nobody,
    malformed_trailers_end_the_request,
    one_rule_for_targets_of_both_protocols,
    content_length_must_be_true,
    request_becomes_one_of_http1,
    cookie_crumbs_are_joined,
    content_of_unknown_length_is_chunked,
    host_serves_without_authority,
    trailers_pass_both_ways,
    interim_responses_pass,
    connection_fields_of_a_response_are_dropped,
    head_and_statuses_without_content,
    broken_response_has_no_clean_end,
    unknown_host_is_404,
    list_of_fields_too_large_is_431,
    content_above_the_limit_is_413,
    upgrade_to_h2c_is_never_honoured,
);

fn start(driver: Driver, backend: &Backend) -> Proxy {
    Proxy::start(driver, manifest::one_host("a.example", backend.address()))
}

/// Nothing, after RST_STREAM, GOAWAY or an error status; what came instead otherwise.
#[track_caller]
fn not_refused(name: &str, http2: &mut Http2, stream: u32) -> Option<String> {
    http2.read_until(|http2| {
        let answer = http2.so_far(stream);
        answer.is_ended || answer.reset.is_some()
    });
    let answer = http2.so_far(stream);
    let code = http2.error_of(stream);
    let is_refused = matches!(answer.status, 400..=499 | 501)
        || answer.status == 0 && matches!(code, Some(PROTOCOL_ERROR | INTERNAL_ERROR));
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    (!is_refused).then(|| format!("\n- {name}: {} {code:?} {body}", answer.status))
}

/// Reference: the list of "downgrade" rules; each row is refused on its stream alone.
fn malformed_requests_reach_nobody(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    let with = |more: &[(&'static str, &'static str)]| [&request("GET", "/bad")[..], more].concat();
    let (method, scheme) = ((":method", "GET"), (":scheme", "http"));
    let (path, authority) = ((":path", "/bad"), (":authority", "a.example"));
    let rows: &[(&str, Vec<(&str, &str)>)] = &[
        ("upper case in a name", with(&[("X-A", "1")])),
        ("empty name", with(&[("", "1")])),
        ("blank in a name", with(&[("x a", "1")])),
        ("colon in a name", with(&[("x:a", "1")])),
        ("CRLF in a name", with(&[("x\r\ny", "1")])),
        ("DEL in a name", with(&[("x\x7f", "1")])),
        ("NUL in a value", with(&[("x", "a\0b")])),
        ("CR in a value", with(&[("x", "a\rb")])),
        ("LF in a value", with(&[("x", "a\nb")])),
        ("smuggled field", with(&[("x", "a\r\ntransfer-encoding: chunked")])),
        ("connection", with(&[("connection", "close")])),
        ("proxy-connection", with(&[("proxy-connection", "close")])),
        ("keep-alive", with(&[("keep-alive", "timeout=1")])),
        ("transfer-encoding", with(&[("transfer-encoding", "chunked")])),
        ("upgrade", with(&[("upgrade", "websocket")])),
        ("te that is not trailers", with(&[("te", "gzip")])),
        ("unknown pseudo-field", with(&[(":x", "1")])),
        ("pseudo-field of a response", with(&[(":status", "200")])),
        ("pseudo-field behind a field", vec![method, scheme, path, ("x", "1"), authority]),
        ("second :path", vec![method, scheme, path, path, authority]),
        ("second :method", vec![method, method, scheme, path, authority]),
        ("second :authority", vec![method, scheme, path, authority, authority]),
        ("no :method", vec![scheme, path, authority]),
        ("no :scheme", vec![method, path, authority]),
        ("no :path", vec![method, scheme, authority]),
        ("empty :path", vec![method, scheme, (":path", ""), authority]),
        ("relative :path", vec![method, scheme, (":path", "bad"), authority]),
        ("asterisk of a GET", vec![method, scheme, (":path", "*"), authority]),
        ("blank in :path", vec![method, scheme, (":path", "/a b"), authority]),
        ("smuggling :path", vec![method, scheme, (":path", "/ HTTP/1.1\r\nx: y"), authority]),
        ("no token as :method", vec![(":method", "G ET"), scheme, path, authority]),
        ("smuggling :method", vec![(":method", "GET / HTTP/1.1\r\nx:"), scheme, path, authority]),
        ("empty :method", vec![(":method", ""), scheme, path, authority]),
        ("foreign :scheme", vec![method, (":scheme", "ftp"), path, authority]),
        ("userinfo", vec![method, scheme, path, (":authority", "u@a.example")]),
        ("blank in :authority", vec![method, scheme, path, (":authority", "a.example b")]),
        ("path in :authority", vec![method, scheme, path, (":authority", "a.example/x")]),
        ("host against :authority", with(&[("host", "b.example")])),
        ("neither :authority nor host", vec![method, scheme, path]),
        ("two hosts", vec![method, scheme, path, ("host", "a.example"), ("host", "b.example")]),
        ("content-length without content", with(&[("content-length", "5")])),
        ("content-length that is no number", with(&[("content-length", "x")])),
        ("two content-lengths", with(&[("content-length", "0"), ("content-length", "1")])),
        ("CONNECT", vec![(":method", "CONNECT"), (":authority", "a.example:80")]),
        ("CONNECT with a path", vec![(":method", "CONNECT"), scheme, path, authority]),
        (
            "extended CONNECT of another protocol",
            vec![(":method", "CONNECT"), (":protocol", "connect-udp"), scheme, path, authority],
        ),
        ("protocol of a GET", with(&[(":protocol", "websocket")])),
    ];
    let mut failures = String::new();
    for (name, fields) in rows {
        let mut http2 = Http2::connect(proxy.http);
        http2.send(headers(1, fields, END_STREAM));
        failures.extend(not_refused(name, &mut http2, 1));
        if !matches!(http2.so_far(1).status, 400..=499) {
            failures += &format!("\n- {name}: no status");
        }
        assert_eq!(http2.get(3, "/good").status, 200, "{name}: other streams live on");
    }
    assert!(failures.is_empty(), "not refused:{failures}");
    assert!(!backend.received_text().contains("/bad"), "{}", backend.received_text());
}

/// Section 8.1: the head has gone already, the request must not come to its end.
fn malformed_trailers_end_the_request(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    let rows: [(&str, &Fields<'_>, u8); 7] = [
        ("upper case", &[("X-T", "1")], END_STREAM),
        ("LF", &[("x-t", "a\nb")], END_STREAM),
        ("connection", &[("connection", "close")], END_STREAM),
        ("transfer-encoding", &[("transfer-encoding", "chunked")], END_STREAM),
        ("no END_STREAM", &[("x-t", "1")], 0),
        ("pseudo-field", &[(":path", "/")], END_STREAM),
        ("pseudo-field behind a field", &[("x-t", "1"), (":status", "200")], END_STREAM),
    ];
    let mut failures = String::new();
    for (name, fields, flags) in rows {
        let mut http2 = Http2::connect(proxy.http);
        http2.send([post(1, "/"), data(1, "abc", 0), headers(1, fields, flags)].concat());
        failures.extend(not_refused(name, &mut http2, 1));
        // Nothing was said before, so that it can be said why.
        if http2.so_far(1).status != 400 {
            failures += &format!("\n- {name}: {}", http2.so_far(1).status);
        }
        assert_eq!(http2.get(3, "/good").status, 200, "{name}: other streams live on");
    }
    assert!(failures.is_empty(), "not refused:{failures}");
    assert!(!backend.received_text().contains("\r\n0\r\n"), "a whole request");
}

/// The rule for targets is that of HTTP/1.1, and a refusal has a status.
fn one_rule_for_targets_of_both_protocols(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    for target in [
        "/<",
        "/>",
        "/\"",
        "/`",
        "/a?<\"`>",
        "/a#b",
        "/\u{e4}?\u{f6}",
        "/{}|\\^",
        "/%zz",
        "/..",
        "//x",
    ] {
        let mut client = proxy.client();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        let expected = client.response();
        let mut http2 = Http2::connect(proxy.http);
        http2.send(headers(1, &request("GET", target), END_STREAM));
        let answer = http2.answer(1);
        assert_eq!(answer.status, expected.status(), "{target}: {answer:?}");
        assert_eq!(answer.reset, None, "{target}");
        if answer.status == 200 {
            assert_eq!(answer.json()["start_line"], expected.json()["start_line"], "{target}");
        }
        assert_eq!(http2.get(3, "/good").status, 200, "{target}");
    }
    assert!(!backend.received_text().contains('#'), "{}", backend.received_text());
}

/// Section 8.1.1.
fn content_length_must_be_true(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    for (length, sent) in [("5", "abc"), ("3", "abcde"), ("0", "a")] {
        let mut http2 = Http2::connect(proxy.http);
        let fields = [&request("POST", "/")[..], &[("content-length", length)]].concat();
        http2.send([headers(1, &fields, 0), data(1, sent, END_STREAM)].concat());
        assert_eq!(not_refused(&format!("{length} for {sent:?}"), &mut http2, 1), None);
    }
    assert_eq!(backend.request_count(), 0, "no whole request of them");
    let mut http2 = Http2::connect(proxy.http);
    let fields = [&request("POST", "/")[..], &[("content-length", "3")]].concat();
    http2.send([headers(1, &fields, 0), data(1, "abc", END_STREAM)].concat());
    assert_eq!(http2.answer(1).json()["body"], "abc");
    assert!(!http2.so_far(1).json()["is_chunked"].as_bool().unwrap_or(true));
}

fn request_becomes_one_of_http1(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect(proxy.http);
    let mut fields = request("GET", "/a%20b?c=d");
    fields.extend([("host", "a.example"), ("te", "trailers"), ("x-a", "1"), ("x-a", "2")]);
    http2.send(headers(1, &fields, END_STREAM));
    let answer = http2.answer(1);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["start_line"], "GET /a%20b?c=d HTTP/1.1");
    assert_eq!(answer.echoed_fields("host"), ["a.example"]);
    assert_eq!(answer.echoed_fields("x-a"), ["1", "2"]);
    assert_eq!(answer.echoed_fields("x-forwarded-proto"), ["http"]);
    assert_eq!(answer.echoed_fields("content-length"), Vec::<String>::new());
    assert_eq!(answer.echoed_fields("transfer-encoding"), Vec::<String>::new());
    let text = answer.json().to_string();
    assert!(!text.contains("\":authority") && !text.contains("\":path"), "{text}");
    // An asterisk is the target of OPTIONS alone.
    http2.send(headers(3, &request("OPTIONS", "*"), END_STREAM));
    assert!(matches!(http2.answer(3).status, 200 | 404), "{:?}", http2.so_far(3));
}

/// Section 8.2.3.
fn cookie_crumbs_are_joined(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect(proxy.http);
    let crumbs = [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("cookie", "c=3; d=4")];
    http2.send(headers(1, &[&request("GET", "/")[..], &crumbs].concat(), END_STREAM));
    assert_eq!(http2.answer(1).echoed_fields("cookie"), ["a=1; b=2; c=3; d=4"]);
}

fn content_of_unknown_length_is_chunked(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect(proxy.http);
    http2.send([post(1, "/"), data(1, "abc", 0)].concat());
    // Content that is there with its end may be given a length.
    backend.wait_for_text("abc");
    http2.send([data(1, "", 0), data(1, "de", END_STREAM)].concat());
    let answer = http2.answer(1);
    assert_eq!(answer.json()["body"], "abcde");
    assert_eq!(answer.json()["is_chunked"], true);
    assert_eq!(answer.echoed_fields("content-length"), Vec::<String>::new());
}

/// Section 8.3.1: an intermediary takes `host` where `:authority` is absent.
fn host_serves_without_authority(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect(proxy.http);
    let fields = [(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "a.example")];
    http2.send(headers(1, &fields, END_STREAM));
    assert_eq!(http2.answer(1).echoed_fields("host"), ["a.example"]);
}

fn trailers_pass_both_ways(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        let request = connection.read_request()?;
        let seen = fields_named(&request.trailers, "x-checksum").concat();
        connection
            .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Seen\r\n\r\n")?;
        connection.send(format!("2\r\nok\r\n0\r\nX-Seen: {seen}\r\nGrpc-Status: 0\r\n\r\n"))
    });
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect(proxy.http);
    let fields = [&request("POST", "/")[..], &[("te", "trailers")]].concat();
    http2.send([headers(1, &fields, 0), data(1, "abc", 0)].concat());
    http2.send(headers(1, &[("x-checksum", "c0ffee")], END_STREAM));
    let answer = http2.answer(1);
    assert_eq!((answer.status, &answer.body[..]), (200, &b"ok"[..]));
    assert!(answer.trailers.is_some(), "{answer:?}");
    assert!(backend.received_text().to_ascii_lowercase().contains("x-checksum: c0ffee"));
}

fn interim_responses_pass(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        connection.read_request()?;
        connection.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")?;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    });
    let proxy = start(driver, &backend);
    let answer = Http2::connect(proxy.http).get(1, "/");
    assert_eq!((answer.status, &answer.body[..]), (200, &b"ok"[..]));
    assert_eq!(answer.interim, [103]);
}

/// Section 8.2.2: a client of nghttp2 refuses a response that holds one of them.
fn connection_fields_of_a_response_are_dropped(driver: Driver) {
    let backend = Backend::fixed(
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, x-hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n\
         Proxy-Connection: close\r\nX-Kept: yes\r\nContent-Length: 2\r\n\r\nok",
    );
    let proxy = start(driver, &backend);
    let output = crate::harness::peer::curl(
        proxy.http,
        &["--http2-prior-knowledge", "-i", "http://a.example/"],
    );
    output.assert_success();
    let text = output.text().to_ascii_lowercase();
    assert!(text.starts_with("http/2 200") && text.contains("x-kept: yes"), "{text}");
    for name in ["connection:", "keep-alive:", "x-hop:", "transfer-encoding:"] {
        assert!(!text.contains(name), "{name} in {text}");
    }
}

fn head_and_statuses_without_content(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        loop {
            let request = connection.read_request()?;
            connection.send(match request.target() {
                "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
                "/304" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            })?;
        }
    });
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect(proxy.http);
    for (stream, method, path, status) in
        [(1, "HEAD", "/", 200), (3, "GET", "/204", 204), (5, "GET", "/304", 304)]
    {
        http2.send(headers(stream, &request(method, path), END_STREAM));
        let answer = http2.answer(stream);
        assert_eq!((answer.status, answer.body.len(), answer.is_ended), (status, 0, true));
        assert_eq!(answer.reset, None);
    }
}

/// RST_STREAM, never END_STREAM, when the upstream broke off; the connection lives.
fn broken_response_has_no_clean_end(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        let request = connection.read_request()?;
        connection.send(match request.target() {
            "/length" => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
            "/chunk" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhello",
            _ => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
        })
    });
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect(proxy.http);
    for (stream, path) in [(1, "/length"), (3, "/chunk"), (5, "/garbage")] {
        let answer = http2.get(stream, path);
        // A reset may overtake the head.
        let is_reset = matches!(answer.reset, Some(INTERNAL_ERROR | CANCEL)) && !answer.is_ended;
        assert!(is_reset || answer.status == 502, "{path}: {answer:?}");
    }
    http2.sync();
}

fn unknown_host_is_404(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect(proxy.http);
    let other = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "b")];
    http2.send(headers(1, &other, END_STREAM));
    assert_eq!(http2.answer(1).status, 404);
    assert_eq!(http2.get(3, "/").status, 200);
}

/// The stream alone, and the next field block reads as it is meant, whatever the refused one did to
/// the table.
fn list_of_fields_too_large_is_431(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    let named = |times: usize| {
        // An entry of 3,500 octets, named again and again: few octets, few fields, a long list.
        let mut octets = block(&request("GET", "/big"));
        octets.extend([0x40, 3, b'x', b'-', b'a']);
        octets.extend(integer(0, 7, 3500));
        octets.extend([b'v'; 3500]);
        octets.extend(vec![0x80 | 62; times]);
        octets
    };
    let long = "v".repeat(200_000);
    let short = "v".repeat(1900);
    let literal = [&request("GET", "/big")[..], &[("x-a", long.as_str())]].concat();
    let many = [&request("GET", "/big")[..], &[("x-a", short.as_str()); 100]].concat();
    let fields = [&request("GET", "/big")[..], &[("a", "b"); 1000]].concat();
    for (name, octets) in [
        ("named 20 times", named(20)),
        ("named 12,000 times", named(12_000)),
        ("one field of 200 kB", block(&literal)),
        ("fields of 200 kB", block(&many)),
        ("1,000 fields", block(&fields)),
    ] {
        let mut http2 = Http2::connect(proxy.http);
        // Behind the list an entry of the table that the next request names.
        let octets = [octets, vec![0x40, 3, b'x', b'-', b'b', 1, b'w']].concat();
        http2.send(block_frames(1, &octets));
        let answer = http2.answer(1);
        assert_eq!(answer.status, 431, "{name}: {answer:?} {:?}", http2.goaway);
        let next = [block(&request("GET", "/next")), vec![0x80 | 62]].concat();
        http2.send(frame(HEADERS, END_STREAM | END_HEADERS, 3, next));
        assert_eq!(http2.answer(3).echoed_fields("x-b"), ["w"], "{name}");
    }
    assert!(!backend.received_text().contains("/big"));
}

/// A field block in as many frames as it takes.
fn block_frames(stream: u32, block: &[u8]) -> Vec<u8> {
    let mut pieces = block.chunks(16_384).peekable();
    let mut kind = HEADERS;
    let mut frames = Vec::new();
    while let Some(piece) = pieces.next() {
        let last = if pieces.peek().is_none() { END_HEADERS } else { 0 };
        let end = if kind == HEADERS { END_STREAM } else { 0 };
        frames.extend(frame(kind, last | end, stream, piece));
        kind = CONTINUATION;
    }
    frames
}

fn content_above_the_limit_is_413(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Builder::new(driver)
        .flag("--client-max-body-size", 1000)
        .manifests(manifest::one_host("a.example", backend.address()))
        .start();
    let mut http2 = Http2::connect(proxy.http);
    http2.send([post(1, "/"), data(1, [b'x'; 600], 0), data(1, [b'x'; 600], 0)].concat());
    assert_eq!(http2.answer(1).status, 413);
    let fields = [&request("POST", "/")[..], &[("content-length", "2000")]].concat();
    http2.send(headers(3, &fields, 0));
    assert_eq!(http2.answer(3).status, 413);
    assert_eq!(http2.get(5, "/").status, 200);
}

/// RFC 9113 section 3.1 took it out; the request is served as HTTP/1.1.
fn upgrade_to_h2c_is_never_honoured(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    let output =
        crate::harness::peer::curl(proxy.http, &["--http2", "-i", "http://a.example/upgrade"]);
    output.assert_success();
    let text = output.text();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    let body = text.split("\r\n\r\n").nth(1).unwrap_or_default();
    let message = Message { body: body.into(), ..Message::default() };
    assert_eq!(message.echoed_field("http2-settings"), None);
    assert_eq!(message.echoed_field("upgrade"), None);
}
