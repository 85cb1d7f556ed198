//! The controller's ConfigMap: what it says of all Ingresses, before and after it is changed.

use super::area::Served;
use super::{Area, row};
use crate::for_each_driver;
use crate::harness::PathType::Prefix;
use crate::harness::{Backend, Driver, Ingress};

for_each_driver!(keys_hold_for_all_ingresses_and_are_followed);

/// A file of the controller's ConfigMap.
const FILE: &str = "controller.yaml";

fn config_map(name: &str, data: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata:\n{data}")
}

const REPLY: &str = "HTTP/1.1 200 OK\r\nX-Powered-By: php\r\nServer: backend/1\r\nX-Kept: 1\r\n\
    X-All: backend\r\nContent-Length: 0\r\n\r\n";

/// One that says which trailers it got.
fn trailers() -> Backend {
    Backend::scripted(|mut connection| {
        while let Ok(request) = connection.read_request() {
            let names = request.trailers.iter().map(|(name, _)| name.as_str());
            let names = names.collect::<Vec<_>>().join(",");
            connection.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{names}",
                names.len()
            ))?;
        }
        Ok(())
    })
}

fn area(driver: Driver) -> Served {
    let simple = |name: &str| Ingress::simple(name, &format!("{name}.example"), "web");
    let secure = Ingress::new("secure").tls(&["secure.example"], "tls").host("secure.example");
    Area::new(driver)
        .flag("--configmap", "default/controller")
        .flag("--default-backend-service", "default/pages:80")
        .echoes(&["web", "pages"])
        .backend("fields", Backend::fixed(REPLY))
        .backend("trailers", trailers())
        .backend("auth", Backend::fixed("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"))
        .certificate("tls", &["secure.example"])
        .object(config_map("answers", "  X-All: every\n  X-Empty: \"\"\n---\n"))
        .object(config_map(
            "upstream",
            "  X-Via: edge $host\n  X-Start: t=$msec\n  X-Forged: ours\n  X-Gone: \"\"\n  \
             Host: a\n  X-Bad: $no\n\
             ---\n",
        ))
        .ingress(&simple("plain"))
        .ingress(&Ingress::simple("fields", "fields.example", "fields"))
        .ingress(&simple("own").nginx("whitelist-source-range", "127.0.0.0/8"))
        .ingress(&Ingress::simple("trailers", "trailers.example", "trailers"))
        .ingress(&simple("open").nginx("enable-global-auth", "false"))
        .ingress(&simple("word").nginx("auth-realm", "has evilword inside"))
        .ingress(&simple("large").nginx("proxy-body-size", "1m"))
        .ingress(&simple("odd").nginx("proxy-body-size", "some"))
        .ingress(&simple("twice").nginx("limit-rpm", "1").nginx("limit-burst-multiplier", "0"))
        .ingress(&secure.path("/", Prefix, "web").path("/open", Prefix, "web"))
        .ingress(&Ingress::new("gone").host("gone.example").path("/", Prefix, "nobody"))
        .start()
}

const FIRST: &str = r#"  add-headers: default/answers
  proxy-set-headers: default/upstream
  proxy-add-original-uri-header: "true"
  hide-headers: X-Powered-By, x-powered-by
  generate-request-id: "false"
  block-user-agents: "~*evilbot,Exact/1"
  block-referers: "~spam"
  annotation-value-word-blocklist: other, evilword
  proxy-body-size: "5"
  limit-req-status-code: "429"
  http-redirect-code: "301"
  no-tls-redirect-locations: /open
  custom-http-errors: "418,503"
  keep-alive-reqests: "1"
  load-balance: best
  worker-processes: "2"
"#;

fn keys_hold_for_all_ingresses_and_are_followed(driver: Driver) {
    let area = area(driver);
    area.told(&["there is no ConfigMap default/controller, which --configmap names"]);
    area.check(&[
        row("plain.example", "/", 200).from("web").lacks("x-all").saw_no("x-via"),
        row("plain.example", "POST /", 200).body("123456"),
        row("nobody.example", "/", 200).from("pages").lacks("x-all"),
        row("secure.example", "/", 308),
        row("gone.example", "/", 503).lacks("x-all"),
    ]);
    area.proxy.write(FILE, &config_map("controller", FIRST));
    area.proxy.wait_for_status("secure.example", "/", 301);
    area.told(&[
        "ingress-nginx has no such key; did you mean keep-alive-requests?",
        "it is neither round_robin nor ewma. Correct it; until then it is as if the \
         key were not there",
        "the key has no effect here: --cores says it",
        "not all of ConfigMap default/upstream can be used: host is written by the proxy itself",
        "not all of ConfigMap default/upstream can be used: the value of X-Bad: the variable $no",
        "it has the word \"evilword\", which the operator forbids",
    ]);
    holds_for_all(&area);
    changes_are_live(&area);
}

fn holds_for_all(area: &Served) {
    let fresh = Ingress::simple("fresh", "fresh.example", "web").nginx("app-root", "/evilword");
    area.proxy.write("fresh.yaml", &fresh.yaml());
    area.told(&[
        "Ingress default/fresh: metadata.annotations.nginx.ingress.kubernetes.io/app-root",
    ]);
    area.check(&[
        // Whoever answers, whatever the host.
        row("plain.example", "/a?b", 200)
            .from("web")
            .has("x-all", "every")
            .lacks("x-empty")
            .send("X-Forged", "theirs")
            .send("X-Gone", "theirs")
            .saw_no("x-gone")
            .saw_field("x-via", "edge plain.example")
            .saw_field("x-forged", "ours")
            .saw_field("x-original-uri", "/a?b")
            .saw_no("x-request-id")
            .saw_no("x-bad"),
        row("plain.example", "/", 200)
            .send("X-Request-ID", "mine")
            .saw_field("x-request-id", "mine"),
        row("nobody.example", "/", 200).from("pages").has("x-all", "every"),
        row("fields.example", "/", 200)
            .has("x-all", "every")
            .has("x-kept", "1")
            .lacks("x-powered-by")
            .lacks("server"),
        row("gone.example", "/", 200)
            .from("pages")
            .has("x-all", "every")
            .saw_field("x-code", "503"),
        // First of all, also where nobody serves.
        row("plain.example", "/", 403).send("User-Agent", "An EvilBot").has("x-all", "every"),
        row("plain.example", "/", 403).send("User-Agent", "exact/1"),
        row("plain.example", "/", 200).send("User-Agent", "exact/12"),
        row("nobody.example", "/", 403).send("Referer", "http://spam.example/"),
        row("secure.example", "/", 403).send("Referer", "http://spam.example/"),
        row("plain.example", "/", 200).send("Referer", "http://SPAM.example/"),
        // The annotation counts before, if it can be understood.
        row("plain.example", "POST /", 413).body("123456"),
        row("large.example", "POST /", 200).body("123456"),
        row("odd.example", "POST /", 413).body("123456"),
        row("twice.example", "/", 200),
        row("twice.example", "/", 429).says("429 Too Many Requests"),
        row("secure.example", "/", 301).has("location", "https://secure.example"),
        row("secure.example", "/open/x", 200).from("web"),
        row("secure.example", "/.well-known/acme-challenge/x", 301),
        // Nothing with such a word is served, be it new or not.
        row("word.example", "/", 200).from("pages"),
        row("fresh.example", "/", 200).from("pages"),
    ]);
}

fn changes_are_live(area: &Served) {
    let proxy = &area.proxy;
    // What all backends are told takes no trailers away.
    let mut sender = proxy.client();
    sender.send(
        "POST / HTTP/1.1\r\nHost: trailers.example\r\nTransfer-Encoding: chunked\r\n\r\n\
         1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n",
    );
    assert_eq!(sender.response().text(), "X-Sum");
    // What is named is followed, too; a connection goes on over all of it.
    let mut client = proxy.client();
    proxy.write("late.yaml", &config_map("answers", "  X-All: late\n"));
    client.send("GET / HTTP/1.1\r\nHost: plain.example\r\n\r\n");
    assert_eq!(client.response().status(), 200);
    let next = "  whitelist-source-range: 10.0.0.0/8\n  server-tokens: \"true\"\n  \
                allow-backend-server-header: \"true\"\n";
    proxy.replace(FILE, &config_map("controller", next));
    proxy.wait_for_status("plain.example", "/", 403);
    client.send("GET / HTTP/1.1\r\nHost: own.example\r\n\r\n");
    assert_eq!(client.response().status(), 200, "the same connection");
    area.check(&[
        row("plain.example", "/", 403).lacks("x-all"),
        row("own.example", "/", 200).from("web").saw_no("x-via"),
        row("own.example", "POST /", 200).body("123456").saw_no("x-original-uri"),
    ]);
    // Of a value that cannot be understood the last good one counts.
    proxy.replace(FILE, &config_map("controller", "  whitelist-source-range: inside\n"));
    area.told(&["Correct it; until then the last good value, \"10.0.0.0/8\", stays in force."]);
    area.check(&[row("plain.example", "/", 403), row("own.example", "/", 200)]);
    let auth = "  global-auth-url: http://auth.default.svc.cluster.local/check\n  \
                global-auth-signin: https://sign.example/in\n  no-auth-locations: /open\n  \
                server-tokens: \"true\"\n  allow-backend-server-header: \"true\"\n";
    proxy.replace(FILE, &config_map("controller", auth));
    proxy.wait_for_status("plain.example", "/", 302);
    area.check(&[
        row("plain.example", "/x", 302)
            .has("location", "https://sign.example/in?rd=http://plain.example%2Fx"),
        row("open.example", "/", 200).from("web"),
        row("secure.example", "/open", 200).tls().from("web"),
        row("secure.example", "/", 302).tls(),
    ]);
    // Nobody comes in by a word that cannot be understood, but who does not depend on it.
    proxy.remove(FILE);
    area.told(&["which --configmap names: what it said last stays in force"]);
    area.check(&[row("plain.example", "/", 302)]);
    proxy.write(FILE, &config_map("controller", "  server-tokens: \"true\"\n"));
    proxy.wait_for_status("plain.example", "/", 200);
    let bad = "  global-auth-url: ftp://auth\n  server-tokens: \"true\"\n  \
               allow-backend-server-header: \"true\"\n";
    proxy.replace(FILE, &config_map("controller", bad));
    proxy.wait_for_status("plain.example", "/", 503);
    area.told(&["all whom that server should be asked about get 503"]);
    area.check(&[row("open.example", "/", 200).from("web")]);
    proxy.replace(FILE, &config_map("controller", "  server-tokens: \"true\"\n"));
    proxy.wait_for_status("plain.example", "/", 200);
    area.check(&[
        row("fields.example", "/", 200).has("server", "ringway"),
        row("nobody.example", "/", 200).has("server", "ringway"),
    ]);
}
