//! Directives of nginx: what they do to requests and answers, and that it is what nginx does.

use super::{Area, row};
use crate::for_each_driver;
use crate::harness::PathType::{ImplementationSpecific, Prefix};
use crate::harness::{Backend, Client, Driver, Ingress, Message, Nginx, fields_named};

for_each_driver!(directives_do_what_they_say, directives_do_what_they_do_in_nginx);

/// The controller's ConfigMap, which lets Ingresses have directives.
pub(super) const PERMISSION: &str = "apiVersion: v1\nkind: ConfigMap\n\
    metadata: {namespace: default, name: controller}\n\
    data: {allow-snippet-annotations: \"true\", annotations-risk-level: Critical}\n---\n";

fn permitting(driver: Driver) -> Area {
    Area::new(driver).flag("--configmap", "default/controller").object(PERMISSION)
}

/// A host of this name with the path `/` and the annotations.
fn ingress(name: &str, annotations: &[(&str, &str)]) -> Ingress {
    let ingress = Ingress::new(name);
    let ingress = annotations.iter().fold(ingress, |i, (name, value)| i.nginx(name, value));
    ingress.host(&format!("{name}.example")).path("/", Prefix, "web")
}

fn rule(name: &str, text: &str) -> Ingress {
    ingress(name, &[("configuration-snippet", text)])
}

/// One that says who comes in, and something about it.
fn auth_server() -> Backend {
    Backend::scripted(|mut connection| {
        while let Ok(request) = connection.read_request() {
            let (status, user) = match request.field("x-who") {
                Some(who) => ("200 OK", who.to_owned()),
                None => ("401 Unauthorized", "nobody".to_owned()),
            };
            connection.send(format!(
                "HTTP/1.1 {status}\r\nX-User: {user}\r\nContent-Length: 0\r\n\r\n"
            ))?;
        }
        Ok(())
    })
}

const OWN: &str = "proxy_set_header X-Forwarded-For \"1.2.3.4, $remote_addr\";\n\
    proxy_set_header X-Real-IP '';\nproxy_set_header Host inner.example;\n\
    proxy_set_header X-Request-ID fixed;\nproxy_set_header Connection $connection_upgrade;";

#[expect(clippy::too_many_lines, reason = "a table")]
fn directives_do_what_they_say(driver: Driver) {
    let auth = auth_server();
    let auth_url = format!("http://{}/check", auth.address());
    let with_auth = |name: &str, text: &str| {
        rule(name, text).nginx("auth-url", &auth_url).nginx("auth-cache-key", "$http_x_who")
    };
    let area = permitting(driver)
        .echoes(&["web", "other"])
        .backend("auth", auth)
        .backend("broken", Backend::fixed("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"));
    let served = area
        .ingress(&rule("own", OWN))
        .ingress(&rule("closed", "return 444;"))
        .ingress(&rule("circle", "rewrite ^/(.*)$ /x$1 last;"))
        .ingress(&rule(
            "grows",
            "set $a \"aaaaaaaaaaaaaaaa$request_uri\";\n\
            set $a \"$a$a$a$a$a$a$a$a\"; set $a \"$a$a$a$a$a$a$a$a\";\n\
            set $a \"$a$a$a$a$a$a$a$a\"; set $a \"$a$a$a$a$a$a$a$a\";\n\
            set $a \"$a$a$a$a$a$a$a$a\"; set $a \"$a$a$a$a$a$a$a$a\";\n\
",
        ))
        .ingress(&with_auth(
            "auth",
            "auth_request_set $who $upstream_http_x_user;\n\
             auth_request_set $said $upstream_status;\n\
             proxy_set_header X-Who-Is \"$who/$said\";\nadd_header X-Who $who always;",
        ))
        .ingress(&with_auth("early", "if ($request_uri ~ ^/open) { return 200 open; }"))
        .ingress(&with_auth("input", "more_set_input_headers 'X-Who: bob' 'X-Kept: k';"))
        .ingress(&rule("hsts", "more_set_headers 'Strict-Transport-Security: max-age=1';"))
        .ingress(
            &Ingress::new("target")
                .nginx("configuration-snippet", "rewrite ^/old/(.*)$ /api/$1;")
                .nginx("rewrite-target", "/t/$1")
                .host("target.example")
                .path("/(.*)", ImplementationSpecific, "web"),
        )
        .ingress(
            &rule(
                "error",
                "error_page 404 502 =301 https://e.example$request_uri;\n\
            proxy_intercept_errors on;\nif ($arg_x) { return 404; }",
            )
            .path("/broken", Prefix, "broken"),
        )
        .ingress(&rule("addresses", "allow 192.0.2.0/24;\ndeny all;"))
        .ingress(
            &rule("satisfy", "satisfy any;\nallow 127.0.0.1;\ndeny all;")
                .nginx("auth-url", &auth_url),
        )
        .ingress(&ingress(
            "host",
            &[(
                "server-snippet",
                "set $team red;\nmore_set_headers \"X-Team: $team\";\n\
             location = /pass { proxy_set_header X-Team $team; \
               proxy_pass http://other.default.svc.cluster.local; }\n\
             location /tree/ { proxy_pass http://other.default.svc.cluster.local/leaf/; }\n\
             location /nothing { access_log off; }\n\
             location ~ ^/cap/(.+)$ { return 200 \"<$1>\"; }",
            )],
        ))
        .ingress(&rule("unknown", "no_such_thing on;\nmore_set_headers 'X-A: b';"))
        .ingress(
            &Ingress::new("split")
                .nginx("use-regex", "true")
                .nginx("configuration-snippet", "set $args \"p=$1&h=$http_x\";")
                .host("split.example")
                .path("/([^?]+)", ImplementationSpecific, "web"),
        )
        .ingress(
            &rule("cors", "proxy_hide_header Access-Control-Allow-Origin;")
                .nginx("enable-cors", "true"),
        )
        .ingress(&rule("empty", "return 204 \"$arg_x\";"))
        .ingress(&rule(
            "named",
            "set $h inner; proxy_set_header Host \"$h.example$arg_x\";\n\
             proxy_hide_header X-Said;",
        ))
        .ingress(&rule("lua", "access_by_lua_block { ngx.exit(403) }"))
        .ingress(&rule("cut", "more_set_headers 'X-A: b"))
        .ingress(&rule(
            "evil",
            "more_set_headers \"X-A: $arg_x\";\nadd_header X-B \"$uri\" always;",
        ))
        .start();
    served.told(&[
        "line 1, column 1 (no_such_thing): it is not supported; it has no effect.",
        "line 1, column 1 (access_by_lua_block): it is not supported; it may keep clients out",
        "line 1, column 18: it cannot be read: a ';', a '}' or a closing quote is missing",
    ]);
    let web = |host: &'static str, path: &str| row(host, path, 200).from("web");
    served.check(&[
        web("own.example", "/")
            .send("X-Forwarded-For", "9.9.9.9")
            .saw_field("x-forwarded-for", "1.2.3.4, 127.0.0.1")
            .saw_field("host", "inner.example")
            .saw_field("x-request-id", "fixed")
            .saw_field("x-forwarded-host", "own.example")
            .saw_no("x-real-ip"),
        row("circle.example", "/", 500).says("the route leads nowhere"),
        row("grows.example", "/", 500),
        web("auth.example", "/")
            .send("X-Who", "ann")
            .saw_field("x-who-is", "ann/200")
            .has("X-Who", "ann"),
        // Of an answer that was kept.
        web("auth.example", "/").send("X-Who", "ann").saw_field("x-who-is", "ann/200"),
        row("auth.example", "/", 401).has("X-Who", "nobody"),
        // Who is asked sees what directives made of the request before, as in nginx.
        web("input.example", "/").saw_field("x-who", "bob").saw_field("x-kept", "k"),
        row("early.example", "/open", 200).says("open"),
        row("early.example", "/closed", 401),
        web("target.example", "/old/x").saw("/t/api/x"),
        web("target.example", "/x").saw("/t/x"),
        row("error.example", "/?x=1", 301).has("Location", "https://e.example/?x=1"),
        row("error.example", "/broken", 301).has("Location", "https://e.example/broken"),
        web("error.example", "/").lacks("Location"),
        row("addresses.example", "/", 403),
        web("satisfy.example", "/"),
        web("host.example", "/x").has("X-Team", "red"),
        row("host.example", "/pass", 200)
            .from("other")
            .has("X-Team", "red")
            .saw_field("x-team", "red")
            .saw_field("host", "other.default.svc.cluster.local"),
        row("host.example", "/tree/a?b", 200).from("other").saw("/leaf/a?b"),
        row("host.example", "/nothing", 404).has("X-Team", "red"),
        row("host.example", "/cap/a%20b", 200).says("<a b>"),
        web("unknown.example", "/").has("X-A", "b"),
        // Whatever a path or a field holds, the request line has one line.
        web("split.example", "/a%20HTTP%0d%0aX:%231?x")
            .send("X", "b c")
            .saw("/a%20HTTP%0d%0aX:%231?p=a%20HTTP%0D%0AX:%231&h=b%20c"),
        // What is hidden is the backend's.
        web("cors.example", "/")
            .send("Origin", "https://a.example")
            .has("Access-Control-Allow-Origin", "*"),
        row("empty.example", "/?x=body", 204).lacks("Content-Length").says(""),
        web("named.example", "/?x=1").saw_field("host", "inner.example1"),
        row("lua.example", "/", 503),
        row("cut.example", "/", 503),
        web("evil.example", "/a%0D%0ASet-Cookie:%20x?x=%0d%0a").lacks("Set-Cookie"),
    ]);
    let mut client = served.proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: closed.example\r\n\r\n");
    client.assert_closed();
}

/// Directives of a rule, those of its host, and requests: `METHOD target`, then lines.
type Case = (&'static str, &'static str, &'static [&'static str]);

const FIELDS: &[&str] = &["GET /", "GET /said/x", "GET /missing/x", "HEAD /said/x"];

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("more_set_headers 'X-A: 1' \"X-B: $host $uri\";", "", FIELDS),
    ("more_set_headers -s 404 'X-A: 1';\nmore_set_headers -s '200 404' 'X-B: 2';", "", FIELDS),
    ("more_set_headers -t 'text/html text/css' 'X-A: 1';", "", FIELDS),
    ("more_set_headers 'X-A: 1';\nmore_set_headers 'X-A: 2';\nmore_set_headers 'X-A:';", "",
        FIELDS),
    ("more_set_headers 'X-Said: ours' 'x-a : 1';", "", FIELDS),
    ("more_set_headers \"X-A: $upstream_http_x_said/$sent_http_x_said/$status\";", "", FIELDS),
    ("more_set_headers 'Content-Type: text/own';", "", &["GET /missing/x"]),
    ("more_clear_headers X-Said;", "", FIELDS),
    ("more_clear_headers 'X-S*' X-Powered-By;", "", FIELDS),
    ("more_clear_headers -s 404 X-Said;", "", FIELDS),
    ("add_header X-A 1;", "", FIELDS),
    ("add_header X-A 1 always;", "", FIELDS),
    ("add_header X-Said more;\nadd_header X-A \"$host\" always;\nadd_header X-B '';", "", FIELDS),
    ("more_clear_headers X-A;\nadd_header X-A 1;", "", FIELDS),
    ("proxy_hide_header X-Said;", "", FIELDS),
    ("proxy_hide_header X-Said;\nmore_set_headers 'X-Said: ours';", "", FIELDS),
    ("add_header X-A rule;", "add_header X-A host;\nadd_header X-B host;", FIELDS),
    ("", "add_header X-A host;\nmore_set_headers 'X-B: host';", FIELDS),
    ("more_set_headers 'X-A: rule';", "more_set_headers 'X-A: host' 'X-B: host';", FIELDS),
    ("proxy_set_header X-A 1;\nproxy_set_header X-B \"$http_x_in-$arg_q\";", "",
        &["GET /?q=v\r\nX-A: client\r\nX-In: in", "GET /\r\nX-B: client"]),
    ("proxy_set_header X-A '';\nproxy_set_header X-B $proxy_add_x_forwarded_for;", "",
        &["GET /\r\nX-A: client", "GET /\r\nX-Forwarded-For: 10.1.1.1"]),
    ("more_set_input_headers 'X-A: 1';\nmore_set_input_headers -r 'X-B: 2';", "",
        &["GET /", "GET /\r\nX-B: client", "GET /\r\nX-A: client"]),
    ("more_clear_input_headers X-A;\nproxy_set_header X-B \"<$http_x_a>\";", "",
        &["GET /\r\nX-A: client", "GET /"]),
    ("more_set_input_headers 'X-A: 1';\nproxy_set_header X-B \"<$http_x_a>\";", "",
        &["GET /\r\nX-A: client", "GET /"]),
    ("more_set_input_headers -t 'text/plain' 'X-A: 1';", "",
        &["GET /\r\nContent-Type: text/plain", "GET /\r\nContent-Type: text/css"]),
    ("set $a 1;\nset $b \"${a}2\";\nset $a 3;\nproxy_set_header X-A \"$a-$b\";", "", &["GET /"]),
    ("if ($arg_a) { set $a yes; }\nproxy_set_header X-A \"<$a>\";", "",
        &["GET /?a=1", "GET /?a=0", "GET /?a=", "GET /", "GET /?a=00"]),
    ("if ($request_method = POST) { return 405; }\nif ($request_method != GET) { return 403; }", "",
        &["GET /", "POST /\r\nContent-Length: 0", "PUT /\r\nContent-Length: 0"]),
    ("if ($http_x_in ~ \"^a(b+)(c)?\") { set $a \"$1-$2\"; }\nproxy_set_header X-A \"<$a>\";", "",
        &["GET /\r\nX-In: abbc", "GET /\r\nX-In: ab", "GET /\r\nX-In: Abbc", "GET /"]),
    ("if ($http_x_in ~* \"^a(?<rest>.*)$\") { return 200 \"$rest\"; }", "",
        &["GET /\r\nX-In: Abc", "GET /\r\nX-In: bc"]),
    ("if ($http_x_in !~ \"^a\") { return 200 no; }\n\
        if ($http_x_in !~* \"^ab\") { return 200 low; }",
        "", &["GET /\r\nX-In: b", "GET /\r\nX-In: ac", "GET /\r\nX-In: aB"]),
    ("if ($host = \"c30.example\") { return 200 \"$scheme $request_uri $is_args$args\"; }", "",
        &["GET /a%20b?x=1&y"]),
    ("if ($arg_a) { more_set_headers 'X-A: if'; }\nmore_set_headers 'X-A: rule' 'X-B: rule';", "",
        &["GET /?a=1", "GET /"]),
    ("if ($arg_a) { add_header X-A if; }\nadd_header X-B rule;", "", &["GET /?a=1", "GET /"]),
    ("if ($arg_a) { more_set_headers 'X-A: 1'; }\nif ($arg_b) { more_set_headers 'X-B: 2'; }", "",
        &["GET /?a=1", "GET /?b=1", "GET /?a=1&b=1", "GET /"]),
    ("if ($arg_a) { set $x 1; break; }\nset $x 2;\nproxy_set_header X-A $x;", "",
        &["GET /?a=1", "GET /"]),
    ("return 204;", "", &["GET /"]),
    ("return 200 \"a $uri b\";", "", &["GET /x%20y", "HEAD /x"]),
    ("return 301 https://n.example$request_uri;", "", &["GET /x?y=1", "HEAD /x"]),
    ("return 302 /other;", "", &["GET /x"]),
    ("return https://n.example/$host;", "", &["GET /x"]),
    ("return 307 $scheme://n.example$uri;", "", &["GET /x"]),
    ("add_header X-A 1;\nmore_set_headers 'X-B: 2';\nreturn 404;", "", &["GET /x"]),
    ("add_header X-A 1 always;\nreturn 503;", "", &["GET /x"]),
    ("add_header X-A 1;\nreturn 302 /y;", "", &["GET /x"]),
    ("rewrite ^/a/(.*)$ /b/$1 break;", "", &["GET /a/x?y=1", "GET /a/x%20y", "GET /b"]),
    ("rewrite ^/a/(.*)$ /b/$1;\nrewrite ^/b/(.*)$ /c/$1;", "",
        &["GET /a/x", "GET /b/x", "GET /c/x"]),
    ("rewrite ^/a/(.*)$ /b/$1 last;\nrewrite ^/b/(.*)$ /c/$1 break;", "",
        &["GET /a/x", "GET /b/x"]),
    ("rewrite ^/a/(.*)$ /b?p=$1 break;", "", &["GET /a/x?y=1", "GET /a/x%26y", "GET /a/x"]),
    ("rewrite ^/a/(.*)$ /b/$1? break;", "", &["GET /a/x?y=1"]),
    ("rewrite ^/a/(.*)$ /b?p=$1? break;", "", &["GET /a/x?y=1"]),
    ("rewrite ^/a/(.*)$ /b/$1 redirect;", "", &["GET /a/x?y=1", "GET /a/x"]),
    ("rewrite ^/a/(.*)$ /b/$1 permanent;", "", &["GET /a/x?y=1"]),
    ("rewrite ^/a/(.*)$ https://n.example/$1;", "", &["GET /a/x?y=1"]),
    ("rewrite ^/a/(.*)$ $scheme://n.example/$1? permanent;", "", &["GET /a/x?y=1"]),
    ("rewrite ^/A/ /b break;\nrewrite (?i)^/C/ /d break;", "", &["GET /a/x", "GET /c/x"]),
    ("rewrite ^/(a)/(b)/ /$2/$1/$host break;", "", &["GET /a/b/c"]),
    ("rewrite \"^/x{2}$\" /two break;", "", &["GET /xx", "GET /x"]),
    ("if ($arg_v = 2) { rewrite ^/(.*)$ /v2/$1 break; }", "", &["GET /x?v=2", "GET /x"]),
    ("set $args \"a=b\";", "", &["GET /x?y=1", "GET /x"]),
    ("sub_filter abc \"<$host>\";", "", &["GET /missing/x", "GET /said/x"]),
    ("sub_filter B x;\nsub_filter_once off;\nsub_filter_types text/css;", "", &["GET /said/x"]),
    ("limit_except GET { deny all; }", "",
        &["GET /", "HEAD /said/x", "POST /\r\nContent-Length: 0"]),
    ("error_page 404 /said/page;\nproxy_intercept_errors on;", "", FIELDS),
    ("error_page 404 = /said/page;\nproxy_intercept_errors on;", "", FIELDS),
    ("error_page 404 =201 /said/page?x=y;\nproxy_intercept_errors on;", "", FIELDS),
    ("error_page 404 /said/page;", "", FIELDS),
    ("error_page 403 /said/page;\nif ($arg_a) { return 403; }", "", &["GET /?a=1", "GET /"]),
    ("error_page 403 = /page;\nif ($arg_a) { return 403; }",
        "location = /page { return 200 page; }", &["GET /?a=1"]),
    ("error_page 403 /page;\nif ($arg_a) { return 403; }",
        "location = /page { return 200 page; }", &["GET /?a=1"]),
    ("expires 1h;", "", &["GET /said/x", "GET /missing/x"]),
    ("deny all;", "", &["GET /"]),
    ("allow 127.0.0.1;\ndeny all;", "", &["GET /"]),
    ("deny 127.0.0.1;\nallow all;", "", &["GET /"]),
    ("", "deny all;", &["GET /"]),
    ("allow all;", "deny all;", &["GET /"]),
    ("client_max_body_size 4;", "", &["POST /\r\nContent-Length: 5\r\n\r\nabcde"]),
    ("", "return 200 host;", &["GET /x"]),
    ("", "if ($arg_a) { return 200 host; }", &["GET /?a=1", "GET /"]),
    ("proxy_set_header X-A $a;", "set $a host;", &["GET /"]),
    ("", "rewrite ^/old/(.*)$ /said/$1 last;", &["GET /old/x", "GET /x"]),
    ("return 200 \"$uri\";", "rewrite ^/a /b;\nrewrite ^/b /c;", &["GET /a", "GET /b"]),
    ("return 200 rule;", "location = /a { return 200 exact; }\nlocation /a { return 200 begins; }",
        &["GET /a", "GET /ab", "GET /a/b", "GET /"]),
    ("return 200 rule;", "location ~ \\.b$ { return 200 expression; }\n\
        location ^~ /s/ { return 200 settled; }\nlocation ~* \\.B$ { return 200 later; }",
        &["GET /x.b", "GET /x.B", "GET /s/x.b", "GET /said/x.b", "GET /s"]),
    ("return 200 rule;", "location /said/deep { return 200 longer; }\n\
        location /sa { return 200 s; }",
        &["GET /said/deep/x", "GET /said/x", "GET /sa", "GET /said"]),
    ("", "location /deny { deny all; }\nlocation /text { default_type text/css; return 200 x; }",
        &["GET /deny/x", "GET /text", "GET /denying"]),
    ("", "location /in { add_header X-A in; more_set_headers 'X-B: in'; return 200 x; }",
        &["GET /in", "GET /"]),
    ("", "add_header X-A host;\nlocation /in { return 200 x; }", &["GET /in", "GET /"]),
    ("", "location /a { rewrite ^/a/(.*)$ /said/$1 last; return 404; }", &["GET /a/x", "GET /a"]),
    ("", "location ~ ^/c/([a-z]+)/(.*)$ { return 200 \"$1:$2\"; }", &["GET /c/ab/d", "GET /c/1/d"]),
];

const SAID: &str = "HTTP/1.1 200 OK\r\nX-Said: one\r\nX-Said: two\r\nX-Powered-By: x\r\n\
    Content-Type: text/css; charset=x\r\nExpires: 0\r\nCache-Control: private\r\n\
    Content-Length: 3\r\n\r\nabc";
const MISSING: &str = "HTTP/1.1 404 Not Found\r\nX-Said: one\r\nContent-Type: text/html\r\n\
    Content-Length: 3\r\n\r\nabc";

/// What is compared of an answer, and of what the backend saw.
fn seen(response: &Message) -> String {
    let mut text = response.status().to_string();
    let names = ["x-a", "x-b", "x-said", "x-powered-by", "location", "cache-control"];
    for name in names {
        text += &format!("; {name}: {}", fields_named(&response.fields, name).join(" | "));
    }
    let body = response.text();
    if let Ok(echo) = serde_json::from_slice::<serde_json::Value>(&response.body)
        && echo["start_line"].is_string()
    {
        text += &format!("; saw {}", echo["start_line"]);
        for name in ["x-a", "x-b"] {
            text += &format!("; saw {name}: {}", response.echoed_fields(name).join(" | "));
        }
    } else if response.status() < 300 {
        text += &format!("; {:?}; {body}", response.field("content-type"));
    }
    text
}

fn directives_do_what_they_do_in_nginx(driver: Driver) {
    let mut area = permitting(driver);
    let (web, said) = (Backend::echo("web"), Backend::fixed(SAID));
    let missing = Backend::fixed(MISSING);
    let mut servers = String::from("default_type text/html;\n");
    for (number, (of_rule, of_host, _)) in CASES.iter().enumerate() {
        let said_of = [("configuration-snippet", *of_rule), ("server-snippet", *of_host)];
        let said_of = said_of.into_iter().filter(|(_, text)| !text.is_empty());
        let name = format!("c{number}");
        area = area.ingress(
            &ingress(&name, &said_of.collect::<Vec<_>>())
                .path("/said", Prefix, "said")
                .path("/missing", Prefix, "missing"),
        );
        let location = |path: &str, backend: &Backend| {
            format!(
                "location {path} {{ proxy_http_version 1.1; proxy_set_header Host $http_host; \
                 {of_rule}\nproxy_pass http://{}; }}\n",
                backend.address()
            )
        };
        let locations = [("/", &web), ("/said/", &said), ("= /said", &said)];
        let locations = locations.into_iter().chain([("/missing/", &missing)]);
        let locations: String = locations.map(|(path, to)| location(path, to)).collect();
        servers += &format!(
            "server {{ listen LISTEN; server_name {name}.example;\n{of_host}\n{locations} }}\n"
        );
    }
    let area = area.backend("web", web).backend("said", said).backend("missing", missing);
    let Some(nginx) = Nginx::with_headers_more(&servers) else { return };
    let served = area.start();
    let mut differences = String::new();
    for (number, (of_rule, of_host, requests)) in CASES.iter().enumerate() {
        for request in *requests {
            let answer = |mut client: Client| {
                let (line, rest) = request.split_once("\r\n").unwrap_or((request, ""));
                let (fields, body) = rest.split_once("\r\n\r\n").unwrap_or((rest, ""));
                let fields =
                    if fields.is_empty() { String::new() } else { format!("{fields}\r\n") };
                let host = format!("Host: c{number}.example");
                client.send(format!("{line} HTTP/1.1\r\n{host}\r\n{fields}\r\n{body}"));
                seen(&client.response_to(line.split(' ').next().unwrap_or_default()))
            };
            let ours = answer(served.proxy.client());
            let theirs = answer(Client::connect(nginx.address));
            if ours != theirs {
                let text = format!("{of_rule} / {of_host}");
                differences += &format!("{text}\n  {request:?}\n  {ours}\n  {theirs}\n");
            }
        }
    }
    assert!(differences.is_empty(), "ours, then theirs:\n{differences}");
}
