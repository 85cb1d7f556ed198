//! Directives of nginx: what they do to requests and answers.

use super::{Area, row};
use crate::for_each_driver;
use crate::harness::PathType::{ImplementationSpecific, Prefix};
use crate::harness::{Backend, Driver, Ingress};

for_each_driver!(directives_do_what_they_say);

/// The controller's ConfigMap, which lets Ingresses have directives.
pub(super) const PERMISSION: &str = "apiVersion: v1\nkind: ConfigMap\n\
    metadata: {namespace: default, name: controller}\n\
    data: {allow-snippet-annotations: \"true\", annotations-risk-level: Critical}\n---\n";

fn permitting(driver: Driver) -> Area {
    let forms = "Critical, http-snippet: \"log_format short 'short $uri $status';\"";
    Area::new(driver)
        .flag("--configmap", "default/controller")
        .flag("--access-log", "nginx")
        .object(PERMISSION.replace("Critical", forms))
}

/// A host of this name with the path `/` and the annotations.
pub(super) fn ingress(name: &str, annotations: &[(&str, &str)]) -> Ingress {
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
                .nginx(
                    "configuration-snippet",
                    "rewrite ^/old/(.*)$ /api/$1;\nmore_set_headers \"X-Uri: $uri\";\n\
                     proxy_set_header X-Uri $uri;\naccess_log /dev/stdout short;",
                )
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
        .ingress(&rule("quiet", "if ($arg_probe) { access_log off; }"))
        .ingress(&rule("lua", "access_by_lua_block { ngx.exit(403) }"))
        .ingress(&rule("cut", "more_set_headers 'X-A: b"))
        .ingress(&rule(
            "evil",
            "more_set_headers \"X-A: $arg_x\";\nadd_header X-B \"$uri\" always;",
        ))
        .start();
    served.told(&[
        "line 1, column 1 (no_such_thing): it is not supported; it has no effect.",
        "line 1, column 1 (access_by_lua_block): Lua is not run; it may keep clients out",
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
        web("target.example", "/x").saw("/t/x").saw_field("x-uri", "/t/x").has("X-Uri", "/t/x"),
        web("quiet.example", "/unwritten?probe=1"),
        web("quiet.example", "/written"),
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
    served.proxy.wait_for_output("/written");
    served.proxy.wait_for_output("short /t/x 200");
    assert!(!served.proxy.output().contains("/unwritten"));
    // Of a request that came to no backend, too.
    served.proxy.wait_for_output("GET / HTTP/1.1\" 403");
    let denied = |line: &str| line.contains("\" 403 ") && line.contains("[default-web-80]");
    assert!(served.proxy.output().lines().any(denied), "{}", served.proxy.output());
}
