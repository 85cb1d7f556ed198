//! `app-root`, and what paths mean.

use super::{Area, row};
use crate::for_each_driver;
use crate::harness::PathType::{Exact, Prefix};
use crate::harness::{Driver, Ingress};

for_each_driver!(paths_lead_where_they_say);

fn paths_lead_where_they_say(driver: Driver) {
    let area = Area::new(driver)
        .flag("--default-backend-service", "default/rest:80")
        .echoes(&["web", "exact", "rest"])
        .certificate("tls", &["root.example"])
        .ingress(
            &Ingress::new("root")
                .nginx("app-root", "/app")
                .tls(&["root.example"], "tls")
                .host("root.example")
                .path("/", Prefix, "web")
                .path("/exact", Exact, "exact"),
        )
        .ingress(
            &Ingress::new("bad")
                .nginx("app-root", "no\npath")
                .host("bad.example")
                .path("/x", Prefix, "web"),
        )
        .start();
    area.told(&["\"no\\npath\" cannot be used: it does not begin with /."]);
    area.check(&[
        row("root.example", "/", 302),
        row("root.example", "/x", 308).has("location", "https://root.example/x"),
        row("root.example", "/exact", 200).tls().from("exact").saw("/exact"),
        row("root.example", "POST /x", 200)
            .tls()
            .send("X-A", "1")
            .body("text")
            .from("web")
            .saw("POST /x")
            .saw_field("x-a", "1")
            .saw_field("x-forwarded-proto", "https")
            .saw_no("x-b")
            .saw_body("text"),
        row("bad.example", "/", 200).from("rest").lacks("location"),
        row("other.example", "/", 200).from("rest").says("\"rest\""),
    ]);
    assert_eq!(area.backend("rest").request_count(), 2);
}
