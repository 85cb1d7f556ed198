//! `ringway demo`: what the first screen of the README promises.

use std::collections::BTreeSet;
use std::fs;

use crate::harness::Proxy;

/// Serves, balances, routes by path, and prints what to try with the addresses that were bound.
#[test]
fn demo_serves_what_its_guide_says() {
    let proxy = Proxy::demo();
    let mut client = proxy.client();
    let backend = |response: crate::harness::Message| {
        assert_eq!(response.status(), 200);
        response.field("x-backend").unwrap_or_default().to_owned()
    };
    for (host, path) in [("any.example", "/"), ("hello.localhost", "/any/path")] {
        let hello: BTreeSet<_> = (0..4).map(|_| backend(client.get(host, path))).collect();
        assert_eq!(hello, BTreeSet::from(["hello-1", "hello-2"].map(str::to_owned)));
    }
    let echo = client.get("any.example", "/echo/abc?x=y");
    assert!(echo.text().contains("GET /echo/abc?x=y HTTP/1.1"), "{}", echo.text());
    assert_eq!(backend(echo), "echo-1");
    assert_eq!(client.get("any.example", "/nowhere").status(), 404);
    proxy.wait_for_output(&format!("curl http://{}/", proxy.http));
}

/// An edit is live on the connection that is open.
#[test]
fn demo_follows_edits_of_its_manifests() {
    let proxy = Proxy::demo();
    let path = proxy.folder().join("ingress.yaml");
    let text = fs::read_to_string(&path).expect("sample manifest");
    fs::write(&path, text.replace("/hello", "/greetings")).expect("edit");
    proxy.wait_for_status("any.example", "/greetings", 200);
    assert_eq!(proxy.get("any.example", "/hello").status(), 404);
}
