//! RFC 9112 section 5: field syntax, and what becomes of fields on the way.

use crate::for_each_driver;
use crate::harness::{Backend, Driver, Proxy, cases, fields_named, manifest};

for_each_driver!(
    table,
    values_survive_byte_for_byte,
    set_cookie_lines_are_never_joined,
    bad_response_fields_are_refused_or_repaired,
);

fn table(driver: Driver) {
    cases::run(driver, include_str!("../cases/s5_fields.txt"));
}

/// RFC 9110 5.5: bytes 0x80 to 0xFF are kept; lines of one name keep their order.
fn values_survive_byte_for_byte(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut client = proxy.client();
    client.send(b"GET / HTTP/1.1\r\nHost: a.example\r\nX-Odd: \xa0\xff\xc3 \xa0\r\n");
    client.send("X-Many: 1\r\nX-Other: x\r\nX-Many: 2, 3\r\nX-Many: 1\r\n\r\n");
    let response = client.response();
    assert_eq!(response.status(), 200);
    assert_eq!(response.echoed_fields("x-many"), ["1", "2, 3", "1"]);
    let received = backend.received().concat();
    let odd = b": \xa0\xff\xc3 \xa0\r\n";
    assert!(received.windows(odd.len()).any(|window| window == odd), "obs-text was changed");
}

/// RFC 9110 5.3.
fn set_cookie_lines_are_never_joined(driver: Driver) {
    let backend = Backend::fixed(
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nX: y\r\nSet-Cookie: b=2\r\n\
         Content-Length: 0\r\n\r\n",
    );
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let response = proxy.get("a.example", "/");
    assert_eq!(fields_named(&response.fields, "set-cookie"), ["a=1; Path=/", "b=2"]);
}

/// RFC 9112 5.1 and 5.2: what cannot be understood is not relayed.
fn bad_response_fields_are_refused_or_repaired(driver: Driver) {
    let check = |head: &str, statuses: &[u16]| {
        let backend = Backend::fixed(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nok"));
        let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
        let response = proxy.get("a.example", "/");
        assert!(statuses.contains(&response.status()), "{head:?}: {}", response.start_line);
        for (name, value) in &response.fields {
            assert!(!name.ends_with([' ', '\t']), "{head:?}: blank before the colon relayed");
            assert!(!value.contains(['\r', '\n', '\0']), "{head:?}: {name}: {value:?}");
        }
    };
    check("Content-Length: 2\r\nX : y", &[200, 502]);
    check("Content-Length: 2\r\nX: y\r\n z", &[200, 502]);
    check("Content-Length: 2\r\nX: a\0b", &[502]);
    check("Content-Length: 2\r\nX(): b", &[502]);
    check("Content-Length: 2\r\nno colon", &[502]);
}
