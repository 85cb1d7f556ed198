//! Fields of answers: those of a ConfigMap, cookies and redirects of backends, the access log.

use super::area::Served;
use super::{Area, Row, row};
use crate::for_each_driver;
use crate::harness::PathType::Prefix;
use crate::harness::{Backend, Client, Driver, Ingress, Nginx, fields_named};

for_each_driver!(
    config_maps_set_fields_of_all_answers,
    places_of_backends_are_said_in_the_words_of_clients,
    rules_are_left_out_of_the_access_log,
    places_are_those_of_nginx,
    hosts_of_backends_are_put_together,
);

/// A ConfigMap of `namespace`.
fn config_map(namespace: &str, name: &str, data: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{namespace: {namespace}, name: {name}}}\n\
         data: {{{data}}}\n---\n"
    )
}

fn ingress(name: &str, custom: &str) -> Ingress {
    Ingress::new(name)
        .nginx("custom-headers", custom)
        .host(&format!("{name}.example"))
        .path("/", Prefix, "web")
}

const ALLOWED: &str = "global-allowed-response-headers: \
    \"X-A,x-b, Content-Type,Strict-Transport-Security,Access-Control-Max-Age\"";

fn area(driver: Driver) -> Served {
    let https = Ingress::new("tls").nginx("custom-headers", "hsts").tls(&["tls.example"], "tls");
    Area::new(driver)
        .flag("--configmap", "default/controller")
        .echoes(&["web"])
        .certificate("tls", &["tls.example"])
        .object(config_map("default", "controller", ALLOWED))
        .object(config_map("default", "good", "X-A: \"$host a; b\", X-B: \"2\""))
        .object(config_map("default", "type", "Content-Type: text/own"))
        .object(config_map("default", "hsts", "Strict-Transport-Security: max-age=1"))
        .object(config_map("default", "cors", "X-A: \"1\", Access-Control-Max-Age: \"1\""))
        .object(config_map("default", "more", "X-A: \"1\", X-C: \"2\""))
        .object(config_map("default", "lines", "X-A: \"1\\r\\nX-Evil: 1\""))
        .object(config_map("default", "empty", "X-A: \"\""))
        .object(config_map("default", "nothing", ""))
        .object(config_map("other", "good", "X-A: \"1\""))
        .ingress(&ingress("good", "good").path("/gone", Prefix, "nobody"))
        .ingress(
            &ingress("qualified", "default/good").nginx("permanent-redirect", "https://n.example"),
        )
        .ingress(&ingress("type", "type"))
        .ingress(&https.host("tls.example").path("/", Prefix, "web"))
        .ingress(&ingress("cors", "cors").nginx("enable-cors", "true"))
        .ingress(&ingress("nothing", "nothing"))
        .ingress(&ingress("missing", "no-such"))
        .ingress(&ingress("foreign", "other/good"))
        .ingress(&ingress("more", "more"))
        .ingress(&ingress("lines", "lines"))
        .ingress(&ingress("empty", "empty"))
        .ingress(&ingress("odd", "a/b/c"))
        .ingress(&Ingress::simple("none", "none.example", "web"))
        .start()
}

fn config_maps_set_fields_of_all_answers(driver: Driver) {
    let area = area(driver);
    area.told(&[
        "there is no ConfigMap default/no-such; until then all requests get status 503.",
        "\"other/good\" cannot be used: it names no ConfigMap in the namespace of the Ingress.",
        "the ConfigMap default/more sets X-C, which is not among global-allowed-response-headers",
        "the value of X-A holds a control character",
        "the value of X-A in the ConfigMap default/empty is empty",
        "\"a/b/c\" cannot be used: it names no ConfigMap in the namespace of the Ingress.",
    ]);
    let set = |row: Row| row.has("x-a", "$host a; b").has("x-b", "2");
    let mut rows = vec![
        set(row("good.example", "/", 200)).from("web"),
        set(row("good.example", "/gone", 503)),
        set(row("good.example", "POST /gone", 200))
            .send("Content-Type", "application/grpc")
            .has("grpc-status", "14"),
        row("type.example", "/", 200).has("content-type", "text/own"),
        // Ours is for https alone; what an operator sets is for all.
        row("tls.example", "/", 308).has("strict-transport-security", "max-age=1"),
        row("tls.example", "/", 200).tls().has("strict-transport-security", "max-age=1"),
        // What CORS says counts.
        row("cors.example", "/", 200).has("x-a", "1").has("access-control-max-age", "1728000"),
        row("cors.example", "OPTIONS /", 204).has("x-a", "1"),
        row("nothing.example", "/", 200).from("web"),
        row("none.example", "/", 200).lacks("x-a"),
    ];
    for host in
        ["missing.example", "foreign.example", "more.example", "lines.example", "empty.example"]
    {
        rows.push(row(host, "/", 503).lacks("x-a").lacks("x-evil"));
    }
    area.check(&rows);
    // Live, without touching the Ingress: what is named, and what may be set.
    let proxy = &area.proxy;
    proxy.write("late.yaml", &config_map("default", "no-such", "X-B: late"));
    proxy.wait_for_status("missing.example", "/", 200);
    area.check(&[row("missing.example", "/", 200).has("x-b", "late")]);
    proxy.remove("late.yaml");
    proxy.wait_for_status("missing.example", "/", 503);
}

/// Names places of its own.
const PLACES: &str = "HTTP/1.1 302 Found\r\nLocation: http://inner/two/x?y\r\n\
    Refresh: 5; url=http://inner/two/\r\nSet-Cookie: a=1; Domain=.inner.example; Path=/two/x\r\n\
    Set-Cookie: path=/two/; HttpOnly\r\nContent-Length: 0\r\n\r\n";

fn places(name: &str, annotations: &[(&str, &str)]) -> Ingress {
    let ingress =
        annotations.iter().fold(Ingress::new(name), |i, (name, value)| i.nginx(name, value));
    ingress.host(&format!("{name}.example")).path("/", Prefix, "places")
}

fn area_of_places(driver: Driver) -> Served {
    let redirect = |from, to| [("proxy-redirect-from", from), ("proxy-redirect-to", to)];
    let cookies = |domain, path| [("proxy-cookie-domain", domain), ("proxy-cookie-path", path)];
    Area::new(driver)
        .echoes(&["web"])
        .backend("places", Backend::fixed(PLACES))
        .ingress(&places("plain", &[]))
        .ingress(&places("redirect", &redirect("http://inner/two/", "https://outer/one/")))
        .ingress(&places("path", &redirect("http://inner/two/", "/")))
        .ingress(&places("variable", &redirect("http://inner", "$scheme://$http_host/$arg_q")))
        .ingress(&places("off", &redirect("off", "/x")))
        .ingress(&places("default", &redirect("default", "/x")))
        .ingress(&places("half", &[("proxy-redirect-from", "http://inner/two/")]))
        .ingress(&places("regex", &redirect("~*^HTTP://inner/([a-z]+)/(?<rest>.*)$", "/$1-$rest")))
        .ingress(&places("lookahead", &redirect("~^http://(?=inner)", "/")))
        .ingress(&places("cookie-regex", &cookies("~^\\.?(inner)\\. $1.test", "~^/(two)/ /$1")))
        .ingress(&places("evil", &redirect("http://inner/two/", "/\r\nX-Evil: 1")))
        .ingress(&places("cookies", &cookies("inner.example .outer.example", "/two/ /")))
        .ingress(&places("more", &cookies("a b c", "/two/ \"/; Secure\"")))
        .ingress(&places("cookies-off", &cookies("off", "off")))
        .ingress(
            &Ingress::new("close")
                .nginx("connection-proxy-header", "close")
                .host("close.example")
                .path("/", Prefix, "web"),
        )
        .ingress(
            &Ingress::new("keep")
                .nginx("connection-proxy-header", "keep-alive")
                .host("keep.example")
                .path("/", Prefix, "web"),
        )
        .ingress(
            &Ingress::new("upgrade")
                .nginx("connection-proxy-header", "upgrade")
                .host("upgrade.example")
                .path("/", Prefix, "web"),
        )
        .start()
}

fn places_of_backends_are_said_in_the_words_of_clients(driver: Driver) {
    let area = area_of_places(driver);
    area.told(&[
        "\"~^http://(?=inner)\" cannot be used: \"(?=\" is a look-ahead, which takes more than",
        "\"/\\r\\nX-Evil: 1\" cannot be used: it has a character that is not possible there;",
        "\"a b c\" cannot be used: it is neither off nor two words; nothing is replaced.",
        "\"/two/ \\\"/; Secure\\\"\" cannot be used: it is neither off nor two words;",
        "\"upgrade\" cannot be used: it is neither close nor keep-alive.",
    ]);
    let (location, refresh) = ("http://inner/two/x?y", "5; url=http://inner/two/");
    let cookies = "a=1; Domain=.inner.example; Path=/two/x | path=/two/; HttpOnly";
    let said = |host, location: &str, refresh: &str, cookies: &str| {
        let row = row(host, "/?q=1", 302).has("location", location).has("refresh", refresh);
        row.has("set-cookie", cookies).lacks("x-evil")
    };
    let mut rows = vec![
        said("redirect.example", "https://outer/one/x?y", "5; url=https://outer/one/", cookies),
        said("path.example", "http://path.example/x?y", "5; url=/", cookies),
        said(
            "variable.example",
            "http://variable.example/1/two/x?y",
            "5; url=http://variable.example/1/two/",
            cookies,
        ),
        said(
            "cookies.example",
            location,
            refresh,
            "a=1; Domain=.outer.example; Path=/x | path=/two/; HttpOnly",
        ),
        said("regex.example", "http://regex.example/two-x?y", "5; url=/two-", cookies),
        said(
            "cookie-regex.example",
            location,
            refresh,
            "a=1; Domain=inner.test; Path=/two | path=/two/; HttpOnly",
        ),
        row("close.example", "/", 200).saw_field("connection", "close"),
        row("close.example", "/", 200).saw_field("connection", "close"),
        row("keep.example", "/", 200).saw_field("connection", "keep-alive"),
        row("upgrade.example", "/", 404),
    ];
    for host in [
        "plain.example",
        "off.example",
        "default.example",
        "half.example",
        "lookahead.example",
        "evil.example",
        "more.example",
        "cookies-off.example",
    ] {
        rows.push(said(host, location, refresh, cookies));
    }
    area.check(&rows);
}

fn rules_are_left_out_of_the_access_log(driver: Driver) {
    let with = |name: &str, value: &str| {
        let ingress = Ingress::new(name).nginx("enable-access-log", value);
        ingress.nginx("enable-rewrite-log", "true").host(&format!("{name}.example"))
    };
    let area = Area::new(driver)
        .flag("--access-log", "nginx")
        .echoes(&["web"])
        .ingress(&with("silent", "false").path("/", Prefix, "web").path("/gone", Prefix, "nobody"))
        .ingress(&with("loud", "true").path("/", Prefix, "web"))
        .ingress(&with("odd", "no").path("/", Prefix, "web"))
        .start();
    area.told(&["\"no\" cannot be used: it is no truth value."]);
    area.check(&[
        row("silent.example", "/silent-1", 200),
        row("silent.example", "/gone", 503),
        row("loud.example", "/loud-1", 200),
        row("odd.example", "/odd-1", 200),
    ]);
    // Lines are in the order of requests.
    area.proxy.wait_for_output("GET /odd-1 ");
    let output = area.proxy.output();
    assert!(output.contains("GET /loud-1 "), "{output}");
    assert!(!output.contains("/silent-1") && !output.contains("GET /gone"), "{output}");
}

/// What a backend says of places, one answer a request.
const SAID: &[&str] = &[
    "Location: http://inner/two/x?y#z",
    "Location: http://inner/two/",
    "Location: http://inner/two",
    "Location: HTTP://INNER/two/",
    "Location: http://inner.example/",
    "Location: /two/x",
    "Location: two/x",
    "Location: /",
    "Refresh: 5; url=http://inner/two/x",
    "Refresh: 5;URL=/two/",
    "Refresh: 0",
    "Set-Cookie: a=1; Domain=inner.example; Path=/two/x; HttpOnly",
    "Set-Cookie: a=1; domain=.Inner.Example; path=/two/",
    "Set-Cookie: a=1; Domain=x.inner.example; Path=/two",
    "Set-Cookie: path=/two/; Secure",
    "Set-Cookie: a=1; Secure; Path=/twofold",
    "Set-Cookie: a=1",
];

/// Annotations, and what they are in nginx.
const REPLACED: &[(&[(&str, &str)], &str)] = &[
    (&[], "proxy_redirect off;"),
    (
        &[("proxy-redirect-from", "http://inner/two/"), ("proxy-redirect-to", "http://outer/one/")],
        "proxy_redirect http://inner/two/ http://outer/one/;",
    ),
    (
        &[("proxy-redirect-from", "http://inner/two/"), ("proxy-redirect-to", "/")],
        "proxy_redirect http://inner/two/ /;",
    ),
    (
        &[("proxy-redirect-from", "/two/"), ("proxy-redirect-to", "$scheme://$host/$arg_q/")],
        "proxy_redirect /two/ $scheme://$host/$arg_q/;",
    ),
    (&[("proxy-redirect-from", "off"), ("proxy-redirect-to", "/one/")], "proxy_redirect off;"),
    (
        &[("proxy-cookie-domain", "inner.example outer.example"), ("proxy-cookie-path", "/two/ /")],
        "proxy_redirect off; proxy_cookie_domain inner.example outer.example; \
         proxy_cookie_path /two/ /;",
    ),
    (
        &[("proxy-cookie-domain", ".inner.example $host"), ("proxy-cookie-path", "/two /$arg_q")],
        "proxy_redirect off; proxy_cookie_domain .inner.example $host; \
         proxy_cookie_path /two /$arg_q;",
    ),
    (
        &[("proxy-cookie-domain", "off"), ("proxy-cookie-path", "off")],
        "proxy_redirect off; proxy_cookie_domain off; proxy_cookie_path off;",
    ),
];

fn places_are_those_of_nginx(driver: Driver) {
    let mut area = Area::new(driver);
    let mut servers = String::new();
    for (number, said) in SAID.iter().enumerate() {
        let answer = format!("HTTP/1.1 302 Found\r\n{said}\r\nContent-Length: 0\r\n\r\n");
        let backend = Backend::fixed(answer);
        let name: &str = Box::leak(format!("said-{number}").into_boxed_str());
        for (row, (annotations, directives)) in REPLACED.iter().enumerate() {
            let ingress = Ingress::new(&format!("i-{number}-{row}"));
            let ingress = annotations.iter().fold(ingress, |i, (name, value)| i.nginx(name, value));
            let host = format!("h-{number}-{row}.example");
            area = area.ingress(&ingress.host(&host).path("/", Prefix, name));
            servers += &format!(
                "server {{ listen LISTEN; server_name {host}; location / {{ {directives} \
                 proxy_pass http://{}; }} }}\n",
                backend.address()
            );
        }
        area = area.backend(name, backend);
    }
    let Some(nginx) = Nginx::start(&servers) else { return };
    let area = area.start();
    for (number, said) in SAID.iter().enumerate() {
        for (row, (annotations, _)) in REPLACED.iter().enumerate() {
            let answer = |mut client: Client| {
                let host = format!("h-{number}-{row}.example");
                client.send(format!("GET /?q=v HTTP/1.1\r\nHost: {host}\r\n\r\n"));
                let response = client.response();
                let names = ["location", "refresh", "set-cookie"];
                names.map(|name| fields_named(&response.fields, name).join(" | "))
            };
            let (ours, theirs) =
                (answer(area.proxy.client()), answer(Client::connect(nginx.address)));
            assert_eq!(ours, theirs, "{said} {annotations:?}");
        }
    }
}

fn hosts_of_backends_are_put_together(driver: Driver) {
    let with = |name: &str, value: &str| {
        let ingress = Ingress::new(name).nginx("upstream-vhost", value);
        ingress.host(&format!("{name}.example")).path("/", Prefix, "web")
    };
    let area = Area::new(driver)
        .echoes(&["web"])
        .ingress(&with("name", "inner.example:81"))
        .ingress(&with("service", "$service_name.$namespace.svc.cluster.local:$service_port"))
        .ingress(&with("field", "${http_x_team}.inner"))
        .ingress(&with("unknown", "$nothing.inner"))
        .ingress(&with("capture", "$1.inner"))
        .ingress(&with("evil", "a\r\nX-Evil: 1"))
        .start();
    area.told(&[
        "\"$nothing.inner\" cannot be used: the variable $nothing is not known.",
        "\"$1.inner\" cannot be used: it has a variable that is not known there.",
        "\"a\\r\\nX-Evil: 1\" cannot be used: it is no value of Host.",
    ]);
    let saw = |host, seen: &str| {
        row(host, "/", 200).saw_field("host", seen).saw_field("x-forwarded-host", host)
    };
    area.check(&[
        saw("name.example", "inner.example:81"),
        saw("service.example", "web.default.svc.cluster.local:80"),
        saw("field.example", "red.inner").send("X-Team", "red"),
        saw("field.example", ".inner"),
        row("unknown.example", "/", 404),
        row("capture.example", "/", 404),
        row("evil.example", "/", 404),
    ]);
}
