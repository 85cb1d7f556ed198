//! Tables of raw requests with the expected answer, read from `tests/it/cases/`.
//!
//! Format, one case after another:
//!
//! ```text
//! == name of the rule
//! > GET / HTTP/1.1\r\n        bytes to send; lines are joined without a line break
//! > Host: a.example\r\n\r\n   escapes: \r \n \t \0 \\ \xHH, and {text*COUNT} for repetition
//! < 400 close                 status (several: 400|501), then `close` or `open`
//! ```
//!
//! `close`: one response, then the connection ends, and nothing behind it was answered.
//! `open`: the connection serves another request afterwards.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Backend, Driver, Proxy, manifest};

/// One row.
struct Case {
    name: String,
    bytes: Vec<u8>,
    statuses: Vec<u16>,
    is_closed: bool,
}

/// Runs every row of `table` against a proxy that serves `a.example` with an echo backend.
///
/// Rows that expect an error status also expect that nothing of them reached the backend.
///
/// # Panics
/// With the name of every row that failed.
#[track_caller]
pub(crate) fn run(driver: Driver, table: &str) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let cases = parse(table);
    let mut failures = String::new();
    for case in &cases {
        let result = catch_unwind(AssertUnwindSafe(|| run_case(&proxy, &backend, case)));
        if let Err(payload) = result {
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string));
            failures += &format!("- {}: {}\n", case.name, text.unwrap_or_default());
        }
    }
    assert!(failures.is_empty(), "of {} cases these failed:\n{failures}", cases.len());
    assert_eq!(proxy.get("a.example", "/after").status(), 200, "serves after all cases");
}

fn run_case(proxy: &Proxy, backend: &Backend, case: &Case) {
    let before = backend.request_count();
    let mut client = proxy.client();
    // The answer may come, and the connection end, before the last byte was taken.
    drop(client.send_if_open(&case.bytes));
    let method = if case.bytes.starts_with(b"HEAD ") { "HEAD" } else { "GET" };
    let response = client.response_to(method);
    let status = response.status();
    assert!(case.statuses.contains(&status), "status {status}, wanted {:?}", case.statuses);
    if status >= 400 {
        assert_eq!(backend.request_count(), before, "a refused request reached the backend");
    }
    if case.is_closed {
        client.assert_closed();
    } else {
        assert_eq!(client.get("a.example", "/next").status(), 200, "the next request");
    }
}

fn parse(table: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in table.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            let name = name.to_owned();
            cases.push(Case { name, bytes: Vec::new(), statuses: Vec::new(), is_closed: true });
        } else if let Some(text) = line.strip_prefix("> ") {
            cases.last_mut().expect("a `==` line first").bytes.extend(unescape(text));
        } else if let Some(text) = line.strip_prefix("< ") {
            let case = cases.last_mut().expect("a `==` line first");
            let (statuses, end) = text.split_once(' ').expect("status and end");
            case.statuses = statuses.split('|').map(|code| code.parse().expect("code")).collect();
            case.is_closed = match end.trim() {
                "close" => true,
                "open" => false,
                other => panic!("{}: unknown end {other:?}", case.name),
            };
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "not a case line: {line:?}");
        }
    }
    for case in &cases {
        assert!(!case.bytes.is_empty(), "{}: sends nothing", case.name);
        assert!(!case.statuses.is_empty(), "{}: expects nothing", case.name);
    }
    assert!(!cases.is_empty(), "no cases");
    cases
}

/// Resolves escapes and repetitions.
pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        match first {
            '\\' => rest = unescape_one(rest, &mut bytes),
            '{' => {
                let (inner, after) = rest.split_once('}').expect("closing brace");
                let (piece, count) = inner.rsplit_once('*').expect("{text*COUNT}");
                let piece = unescape(piece);
                bytes.extend(piece.repeat(count.parse().expect("count")));
                rest = after;
            }
            other => bytes.extend(other.to_string().into_bytes()),
        }
    }
    bytes
}

fn unescape_one<'a>(rest: &'a str, bytes: &mut Vec<u8>) -> &'a str {
    let mut length = 1;
    bytes.push(match rest.as_bytes().first() {
        Some(b'r') => b'\r',
        Some(b'n') => b'\n',
        Some(b't') => b'\t',
        Some(b'0') => 0,
        Some(b'\\') => b'\\',
        Some(b'{') => b'{',
        Some(b'x') => {
            length = 3;
            u8::from_str_radix(&rest[1..3], 16).expect("two hex digits")
        }
        other => panic!("unknown escape {other:?}"),
    });
    &rest[length..]
}

#[test]
fn escapes_and_repetitions_are_resolved() {
    assert_eq!(unescape(r"a\r\n\x00\xff\\"), b"a\r\n\x00\xff\\");
    assert_eq!(unescape(r"{ab*2}-{\x00*3}"), b"abab-\x00\x00\x00");
}
