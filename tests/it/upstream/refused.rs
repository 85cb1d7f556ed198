//! Nobody listens.

use crate::for_each_driver;
use crate::harness::{Backend, Driver};

for_each_driver!(
    refused_everywhere_is_502,
    another_endpoint_is_tried_for_every_method,
    dead_endpoint_is_ejected_and_the_last_one_never,
);

fn refused_everywhere_is_502(driver: Driver) {
    let proxy = super::builder(driver, &[Backend::closed_address()]).start();
    let mut client = proxy.client();
    assert_eq!(client.get("a.example", "/").status(), 502);
    assert_eq!(client.get("a.example", "/").status(), 502, "and the connection lives on");
}

/// A connection that was never made carried nothing: POST may be repeated, content and all.
fn another_endpoint_is_tried_for_every_method(driver: Driver) {
    let backend = Backend::echo("alive");
    let proxy = super::builder(driver, &[Backend::closed_address(), backend.address()]).start();
    let mut client = proxy.client();
    for round in 0..20 {
        client.send(format!(
            "POST /{round} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello"
        ));
        let response = client.response();
        assert_eq!(response.status(), 200, "round {round}");
        assert_eq!(response.json()["body"], "hello");
    }
    assert!(proxy.metric("ringway_upstream_retries_total", &[]) >= 1.0);
}

fn dead_endpoint_is_ejected_and_the_last_one_never(driver: Driver) {
    let backend = Backend::echo("alive");
    let proxy = super::builder(driver, &[Backend::closed_address(), backend.address()]).start();
    let mut client = proxy.client();
    for _ in 0..100 {
        assert_eq!(client.get("a.example", "/").status(), 200);
    }
    assert!(proxy.metric("ringway_upstream_ejections_total", &[]) >= 1.0);
    let failures = proxy.metric("ringway_upstream_connect_failures_total", &[]);
    assert!(failures < 20.0, "{failures} connects to an ejected endpoint");
}
