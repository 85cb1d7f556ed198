//! Sections 3.2 and 3.3: forms of the target, Host, and the normal form of paths (RFC 3986).

use super::{RequestError, parse, refused};
use crate::http1::error::HeadError;
use crate::http1::target::{
    Reading, TargetForm, has_lax_reading, is_target_byte, lax_path, put_decoded, put_escaped,
    read_path,
};
use crate::limits::{FIELDS_MAX, HOST_BYTES_MAX};

/// What a target and a Host come to, as text.
#[derive(Debug, PartialEq, Eq)]
struct Parts {
    form: TargetForm,
    authority: String,
    host: String,
    path: String,
    query: Option<String>,
}

fn parts(method: &str, target: &str, host: &str) -> Result<Parts, RequestError> {
    let bytes = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
    let head = parse(&bytes)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Parts {
        form: head.form,
        authority: text(head.authority.of(&bytes)),
        host: text(&head.host),
        path: text(&head.path),
        query: head.query.map(|query| text(query.of(&bytes))),
    })
}

#[track_caller]
fn check(
    method: &str,
    target: &str,
    form: TargetForm,
    host: &str,
    path: &str,
    query: Option<&str>,
) {
    let found = parts(method, target, "a.example");
    let authority = host.to_owned();
    let host = host.split(':').next().unwrap_or_default().to_lowercase();
    let query = query.map(str::to_owned);
    let expected = Parts { form, authority, host, path: path.to_owned(), query };
    assert_eq!(found, Ok(expected), "{target}");
}

#[track_caller]
fn target_refused(method: &str, target: &str, error: RequestError) {
    assert_eq!(parts(method, target, "a.example"), Err(error), "{method} {target}");
}

#[test]
fn origin_form_takes_its_host_from_the_field() {
    let (form, host) = (TargetForm::Origin, "a.example");
    check("GET", "/", form, host, "/", None);
    check("GET", "/a?b", form, host, "/a", Some("b"));
    check("GET", "/a?", form, host, "/a", Some(""));
    check("GET", "/a?b?c/../%zz", form, host, "/a", Some("b?c/../%zz"));
    check("GET", "//b.example/c", form, host, "//b.example/c", None);
    check("OPTIONS", "/", form, host, "/", None);
}

#[test]
fn the_authority_of_an_absolute_target_replaces_host() {
    let form = TargetForm::Absolute;
    check("GET", "http://b.example/c?d", form, "b.example", "/c", Some("d"));
    check("GET", "HTTPS://B.example:8443/", form, "B.example:8443", "/", None);
    check("GET", "http://b.example", form, "b.example", "/", None);
    check("GET", "http://b.example?c", form, "b.example", "/", Some("c"));
    check("OPTIONS", "http://b.example/", form, "b.example", "/", None);
    target_refused("GET", "http://b.example/../c", RequestError::TargetAboveRoot);
    target_refused("GET", "http:///c", RequestError::HostInvalid);
    target_refused("GET", "http://b!/c", RequestError::HostInvalid);
}

#[test]
fn an_absolute_target_does_not_excuse_a_bad_host() {
    let target = "http://b.example/";
    assert_eq!(parts("GET", target, "a b"), Err(RequestError::HostInvalid));
    refused(b"GET http://b/ HTTP/1.1\r\n\r\n", RequestError::HostMissing);
}

#[test]
fn the_asterisk_is_for_options() {
    check("OPTIONS", "*", TargetForm::Asterisk, "a.example", "*", None);
    check("OPTIONS", "http://b.example", TargetForm::Asterisk, "b.example", "*", None);
    check("OPTIONS", "http://b.example?", TargetForm::Absolute, "b.example", "/", Some(""));
    target_refused("GET", "*", RequestError::TargetForm);
    target_refused("OPTIONS", "**", RequestError::TargetForm);
}

#[test]
fn other_forms_are_refused() {
    for target in ["a", "a.example:80", "ftp://a/", "http:/a", "http:", "?a", "javascript:x", ".."]
    {
        target_refused("GET", target, RequestError::TargetForm);
    }
}

#[test]
fn user_information_is_refused() {
    target_refused("GET", "http://a@b.example/", RequestError::UserInfo);
    target_refused("GET", "http://a:b@b.example/", RequestError::UserInfo);
    assert_eq!(parts("GET", "/", "a@b"), Err(RequestError::UserInfo));
    check("GET", "/a@b", TargetForm::Origin, "a.example", "/a@b", None);
}

/// Every octet but blank and line ends, which end the target: taken as it is, or refused.
#[test]
fn targets_hold_every_octet_but_controls_and_the_hash() {
    for octet in (0..=u8::MAX).filter(|octet| !matches!(octet, b' ' | b'\r' | b'\n')) {
        let is_taken = (0x21..0x7f).contains(&octet) && octet != b'#' || octet >= 0x80;
        assert_eq!(is_target_byte(octet), is_taken, "{octet:#x}");
        let head = [b"GET /a?b", &[octet][..], b" HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"].concat();
        match parse(&head) {
            Ok(found) => {
                assert!(is_taken, "{octet:#x}");
                assert_eq!(found.target.of(&head), [b"/a?b", &[octet][..]].concat());
                assert_eq!((found.fields.len(), found.head_bytes), (2, head.len()));
            }
            Err(error) => assert_eq!((is_taken, error), (false, RequestError::TargetCharacter)),
        }
    }
    let odd = "/!$&'()*+,;=:@\"<>\\^`{|}[]~";
    check("GET", odd, TargetForm::Origin, "a.example", odd, None);
    target_refused("GET", "http://a/#", RequestError::TargetCharacter);
}

/// Octets that are not UTF-8 take another way through the parser; nothing else may differ there.
#[test]
fn heads_with_foreign_octets_are_as_strict_as_others() {
    for (rest, error) in [
        (&b" HTTP/1.1\r\n\r\n"[..], RequestError::HostMissing),
        (b" HTTP/1.1\nHost: a\r\n\r\n", HeadError::LineEnd.into()),
        (b" HTTP/1.1\r\nHost: a\n\r\n", HeadError::LineEnd.into()),
        (b" HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", HeadError::FoldedLine.into()),
        (b" HTTP/1.1\r\nHost : a\r\n\r\n", HeadError::FieldName.into()),
        (b" HTTP/1.1\r\nHost: a\0\r\n\r\n", HeadError::FieldValue.into()),
        (b" HTTP/1.2\r\nHost: a\r\n\r\n", RequestError::Version),
        (b"  HTTP/1.1\r\nHost: a\r\n\r\n", RequestError::RequestLine),
        (b"#b HTTP/1.1\r\nHost: a\r\n\r\n", RequestError::TargetCharacter),
        (b"\r\nHost: a\r\n\r\n", RequestError::RequestLine),
    ] {
        refused(&[b"GET /\xff", rest].concat(), error);
    }
    let many = b"A: b\r\n".repeat(FIELDS_MAX);
    let head = [b"GET /\xff HTTP/1.1\r\nHost: a\r\n", &many[..], b"\r\n"].concat();
    refused(&head, HeadError::TooManyFields);
}

#[test]
fn http_1_1_has_exactly_one_host() {
    refused(b"GET / HTTP/1.1\r\n\r\n", RequestError::HostMissing);
    refused(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", RequestError::HostRepeated);
    refused(b"GET / HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n", RequestError::HostRepeated);
    refused(b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", RequestError::HostRepeated);
    let head = parse(b"GET / HTTP/1.0\r\n\r\n");
    assert_eq!(head.map(|head| (head.authority.is_empty(), head.host)), Ok((true, Vec::new())));
}

#[test]
fn hosts_are_lower_cased_without_port_and_trailing_dot() {
    let longest = format!("{}a", "a.".repeat(HOST_BYTES_MAX / 2));
    assert_eq!(longest.len(), HOST_BYTES_MAX);
    for (sent, host) in [
        ("Shop.Example", "shop.example"),
        ("a:80", "a"),
        ("a:", "a"),
        ("a.example.:65535", "a.example"),
        ("a_b-c.9", "a_b-c.9"),
        ("10.0.0.1", "10.0.0.1"),
        ("[::1]", "[::1]"),
        ("[2001:DB8::A]:443", "[2001:db8::a]"),
        (&longest, &longest),
        (&format!("{longest}.:1"), &longest),
    ] {
        let found = parts("GET", "/", sent).map(|parts| (parts.authority, parts.host));
        assert_eq!(found, Ok((sent.to_owned(), host.to_owned())), "{sent}");
    }
}

#[test]
fn hosts_that_are_none_are_refused() {
    let over = "a".repeat(HOST_BYTES_MAX + 1);
    for sent in [
        "",
        ".",
        "..",
        "a..b",
        ".a",
        "a..",
        "a b",
        "a,b",
        "a/b",
        "a\\b",
        "a%41",
        "\u{e9}",
        "a:b",
        "a:65536",
        "a:123456",
        "a:+1",
        "a:80:80",
        ":80",
        "[",
        "[]",
        "[::1",
        "::1",
        "[::1]a",
        "[g::]",
        "[::1%25eth0]",
        "[v1.a]",
        "[10.0.0.1]",
        "*",
        "a;b",
        "a?b",
        "a#b",
        "\"a\"",
        &over,
    ] {
        assert_eq!(parts("GET", "/", sent).err(), Some(RequestError::HostInvalid), "{sent}");
    }
}

#[test]
fn paths_have_one_normal_form() {
    for (raw, path) in [
        ("/", "/"),
        ("/a/b.c/.d/..e/f..", "/a/b.c/.d/..e/f.."),
        ("/.", "/"),
        ("/./", "/"),
        ("/a/.", "/a/"),
        ("/a/./b", "/a/b"),
        ("/a/..", "/"),
        ("/a/../", "/"),
        ("/a/b/../c", "/a/c"),
        ("/a/b/../../c", "/c"),
        ("/a/b/..", "/a/"),
        ("/a//b", "/a//b"),
        ("//", "//"),
        ("/a//../b", "/a/b"),
        ("/...", "/..."),
        ("/a/%2e%2E/b", "/b"),
        ("/%2e/a", "/a"),
        ("/a/.%2e", "/"),
        ("/%41%7a%30%2d%5f%7E", "/Az0-_~"),
        ("/%2f%5c%2F%5C", "/%2f%5c%2F%5C"),
        ("/a/..%2fb", "/a/..%2fb"),
        ("/%252e%252e/", "/%252e%252e/"),
        ("/%25%32%65", "/%252e"),
        ("/%20%0d%0a%7f", "/%20%0d%0a%7f"),
        ("/\u{e9}/%c3%a9/%C3%A9/%Ff", "/%C3%A9/%C3%A9/%C3%A9/%FF"),
        ("/\u{e9}/../a", "/a"),
        ("/a;b=../c", "/a;b=../c"),
    ] {
        let bytes = format!("GET {raw}?q HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
        let found = parse(&bytes).map(|head| (head.sent_path(&bytes).to_vec(), head.path));
        assert_eq!(found, Ok((raw.into(), path.into())), "{raw}");
    }
}

/// How rules read a path, and the strictest backend.
#[test]
fn paths_are_read_percent_decoded() {
    for (raw, rules, strict) in [
        ("/a%20b/%25/%c3%bc", "/a b/%/\u{fc}", "/a b/%/\u{fc}"),
        ("/\u{fc}%3f%23%3B", "/\u{fc}?#;", "/\u{fc}?#;"),
        ("/a%2Fb", "/a/b", "/a%2Fb"),
        ("/a//b///", "/a/b/", "/a//b///"),
        ("/a//../b", "/b", "/a/b"),
        ("/a/..%2fb", "/b", "/a/..%2Fb"),
        ("/a%2f../b", "/b", "/a%2F../b"),
        ("/a/b/%2e%2e/c", "/a/c", "/a/c"),
        ("/%252f", "/%2f", "/%2f"),
        ("/a\\b", "/a\\b", "/a\\b"),
        ("/", "/", "/"),
    ] {
        let bytes = format!("GET {raw}?q HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
        let found = parse(&bytes).map(|head| head.rule_path().to_vec());
        assert_eq!(found, Ok(rules.into()), "{raw}");
        let mut path = Vec::new();
        assert_eq!(read_path(raw.as_bytes(), Reading::Strict, &mut path), Ok(()), "{raw}");
        assert_eq!(String::from_utf8_lossy(&path), strict, "{raw}");
    }
    let strict = read_path(b"/a%2Fb/../../c", Reading::Strict, &mut Vec::new());
    assert_eq!(strict, Err(RequestError::TargetAboveRoot));
}

/// What is matched, what the laxest backend may see, and whether that climbs.
#[test]
fn paths_have_one_lax_reading() {
    for (raw, lax, climbs) in [
        ("/public/..%2fadmin", "/admin", true),
        ("/public/..%2Fadmin/x", "/admin/x", true),
        ("/public/%2e%2e%5cadmin", "/admin", true),
        ("/public\\..\\admin", "/admin", true),
        ("/public/..;/admin", "/admin", true),
        ("/public/..;a=b/admin", "/admin", true),
        ("/public/..%3b/admin", "/admin", true),
        ("/a//../admin", "/admin", true),
        ("/a/b%2f..", "/a/", true),
        ("/a/..//", "/", true),
        ("//admin", "/admin", false),
        ("/%2fadmin", "/admin", false),
        ("/admin;x/y;z", "/admin/y", false),
        ("/admin%2fusers", "/admin/users", false),
        ("/a/.%2fb", "/a/b", false),
        ("/a%5C%5Cb/", "/a/b/", false),
        ("/;", "/", false),
        ("//", "/", false),
        ("/a%2f%25%c3%A9\u{e9}", "/a/%25%C3%A9%C3%A9", false),
        ("/a/..%252fb;", "/a/..%252fb", false),
    ] {
        let bytes = format!("GET {raw} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
        let head = parse(&bytes);
        assert_eq!(head.map(|head| head.has_lax_reading), Ok(true), "{raw}");
        let mut path = Vec::new();
        assert_eq!(lax_path(raw.as_bytes(), &mut path), Ok(climbs), "{raw}");
        assert_eq!(String::from_utf8_lossy(&path), lax, "{raw}");
    }
    for raw in ["/..%2fadmin", "/a/..\\..%5cb", "/..;/x", "//..//"] {
        let found = lax_path(raw.as_bytes(), &mut Vec::new());
        assert_eq!(found, Err(RequestError::TargetAboveRoot), "{raw}");
    }
    for raw in ["/", "/a/b", "/%20%25/%41", "/a:b@c", "/a/../b", "/..a", "/%2", "/%c3%bc"] {
        assert!(!has_lax_reading(raw.as_bytes()), "{raw}");
    }
}

#[test]
fn paths_above_the_root_are_refused() {
    // Rules read the last two so, as does nginx.
    for raw in [
        "//..",
        "/..%2f",
        "/..",
        "/../",
        "/../a",
        "/a/../..",
        "/%2e%2e",
        "/a/../../b",
        "/./..",
        "/.%2E/a",
    ] {
        target_refused("GET", raw, RequestError::TargetAboveRoot);
    }
}

#[test]
fn broken_percent_encodings_and_nul_are_refused_in_paths() {
    for raw in ["/%", "/%4", "/%zz", "/%4g", "/%%41", "/a%", "/%00", "/a/%00b", "/%+1"] {
        target_refused("GET", raw, RequestError::TargetEncoding);
    }
    check("GET", "/?%", TargetForm::Origin, "a.example", "/", Some("%"));
}

#[test]
fn what_an_absolute_target_leaves_out_is_forwarded() {
    for (line, path) in [
        ("GET http://b", "/"),
        ("GET http://b?c", "/"),
        ("GET http://b/%41", "/%41"),
        ("OPTIONS http://b", "*"),
        ("OPTIONS *", "*"),
    ] {
        let bytes = format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
        let found = parse(&bytes).map(|head| head.sent_path(&bytes).to_vec());
        assert_eq!(found, Ok(path.into()), "{line}");
    }
}

#[test]
fn paths_and_targets_are_decoded_and_escaped() {
    for (path, expected) in [
        ("/a%20b/%C3%A9%2F", "/a b/é/"),
        // Nothing that ends a line.
        ("/%0d%0aX:%09%7f", "/%0d%0aX:%09%7f"),
        ("/%2525", "/%25"),
    ] {
        let mut out = Vec::new();
        put_decoded(path.as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{path}");
    }
    let mut out = Vec::new();
    put_escaped("/a-b?c=d&e%20~é".as_bytes(), &mut out);
    assert_eq!(out, b"%2Fa-b%3Fc%3Dd%26e%2520~%C3%A9");
}
