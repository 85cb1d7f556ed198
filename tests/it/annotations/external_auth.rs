//! `auth-url` and what belongs to it: who is asked, what he is told, and what his answer does.

use super::area::Served;
use super::{Area, Row, row};
use crate::for_each_driver;
use crate::harness::PathType::Prefix;
use crate::harness::backend::Connection;
use crate::harness::{
    Backend, Builder, Client, Driver, Gate, Http2, Ingress, Message, Nginx, Proxy, frames,
    manifest, wait_until,
};

for_each_driver!(
    another_server_says_who_comes_in,
    who_comes_in_is_who_comes_in_by_auth_request,
    what_nobody_decides_is_closed,
    a_client_of_http2_and_a_grpc_call_are_asked_about,
    an_answer_is_kept_for_its_rule_alone,
    the_race_of_keep_alive_costs_no_answer,
    a_question_under_way_is_finished_by_a_drain,
    a_change_is_live,
);

/// By name, so that it is the Service that is meant.
const SERVER: &str = "http://auth.default.svc.cluster.local";

/// Answers as the path says.
fn answer_of(request: &Message) -> String {
    let target = request.target();
    let path = target.split('?').next().unwrap_or_default();
    let whole = |status: &str, fields: &str, body: &str| {
        let length = body.len();
        let body = if request.method() == "HEAD" { "" } else { body };
        format!("HTTP/1.1 {status} X\r\n{fields}Content-Length: {length}\r\n\r\n{body}")
    };
    match path {
        "/ok" => whole("200", "", "fine"),
        "/none" => whole("204", "", "").replace("Content-Length: 0\r\n", ""),
        "/chunked" => {
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".into()
        }
        "/who" => match request.field("authorization") {
            Some("Bearer good") => {
                whole("200", "X-User: ann\r\nX-Groups: dev\r\nx-groups: ops\r\n", "")
            }
            Some("Bearer poor") => whole("403", "Content-Type: text/html\r\n", "<b>no</b>"),
            _ => whole(
                "401",
                "WWW-Authenticate: Bearer realm=\"a\"\r\nWWW-Authenticate: Basic\r\n\
                 Content-Type: text/plain\r\nX-Secret: s\r\nConnection: X-Gone\r\nX-Gone: 1\r\n",
                "who are you?",
            ),
        },
        "/long" => whole("401", "WWW-Authenticate: Basic\r\n", &"x".repeat(70_000)),
        "/cookie" => whole("200", "Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\n", ""),
        "/deny-cookie" => whole("401", "Set-Cookie: a=1\r\n", ""),
        path => whole(path.trim_start_matches('/'), "X-User: ann\r\n", ""),
    }
}

fn server() -> Backend {
    Backend::scripted(|mut connection| {
        loop {
            let request = connection.read_request()?;
            connection.send(answer_of(&request))?;
        }
    })
}

fn ingress(name: &str, path: &str) -> Ingress {
    asking(name, &format!("{SERVER}{path}"))
}

/// Every answer of the server, by what becomes of the request.
fn who_comes_in_is_who_comes_in_by_auth_request(driver: Driver) {
    let (auth, web) = (server(), Backend::echo("web"));
    let paths = [
        "ok", "none", "chunked", "who", "long", "cookie", "202", "302", "400", "403", "404", "500",
        "503",
    ];
    let servers = paths.map(|path| {
        format!(
            "server {{ listen LISTEN; server_name of-{path}.example; \
             location / {{ auth_request /check; proxy_pass http://{}; }} \
             location = /check {{ internal; proxy_pass_request_body off; \
             proxy_set_header Content-Length \"\"; proxy_pass http://{}/{path}; }} }}\n",
            web.address(),
            auth.address()
        )
    });
    let Some(nginx) = Nginx::start(&servers.concat()) else { return };
    let area = Area::new(driver).backend("auth", auth).backend("web", web);
    let asked = paths.map(|path| ingress(&format!("of-{path}"), &format!("/{path}")));
    let area = asked.iter().fold(area, Area::ingress).start();
    for path in paths {
        for method in ["GET", "HEAD", "POST"] {
            let answer = |mut client: Client| {
                let body = if method == "POST" { "Content-Length: 3\r\n\r\na=b" } else { "\r\n" };
                client.send(format!("{method} /x HTTP/1.1\r\nHost: of-{path}.example\r\n{body}"));
                let answer = client.response_to(method);
                (answer.status(), answer.field("www-authenticate").map(str::to_owned))
            };
            let (ours, theirs) =
                (answer(area.proxy.client()), answer(Client::connect(nginx.address)));
            assert_eq!(ours, theirs, "{method}, {path}");
        }
    }
}

fn asking(name: &str, url: &str) -> Ingress {
    let host = format!("{name}.example");
    Ingress::simple(name, &host, "web").nginx("auth-url", url)
}

/// The fields of the last question.
#[track_caller]
fn last_question(server: &Backend) -> String {
    let text = server.received_text();
    let question = text.trim_end().rsplit("\r\n\r\n").next().expect("a question");
    question.to_owned() + "\r\n"
}

const SIGN_IN: &str = "https://login.example/in";

fn start(driver: Driver) -> Served {
    let auth = server();
    let of_host = format!("http://$host:{}/none", auth.address().port());
    let of_host = Ingress::simple("of-host", "localhost", "web").nginx("auth-url", &of_host);
    let by_address = asking("address", &format!("http://{}/ok", auth.address()));
    let named = ingress("named", "/ok?u=$arg_x&h=$host&t=$http_x_t")
        .nginx("auth-method", "POST")
        .nginx("auth-request-redirect", "https://a.example/back")
        .nginx(
            "auth-snippet",
            "proxy_set_header X-Own \"$host\";\nproxy_set_header X-Sent-From '';",
        );
    let response = "X-User, X-Groups, X-None";
    let mut area = Area::new(driver)
        .flag("--configmap", "default/controller")
        .object(super::snippets::PERMISSION)
        .echoes(&["web"])
        .backend("auth", auth)
        .certificate("tls", &["tls.example"]);
    for ingress in [
        by_address,
        of_host,
        named,
        ingress("plain", "/ok"),
        ingress("none", "/none"),
        ingress("chunked", "/chunked"),
        ingress("who", "/who").nginx("auth-response-headers", response),
        ingress("long", "/long"),
        ingress("cookie", "/cookie"),
        ingress("always", "/cookie").nginx("auth-always-set-cookie", "true"),
        ingress("tls", "/ok").tls(&["tls.example"], "tls"),
        ingress("signin", "/who").nginx("auth-signin", SIGN_IN),
        ingress("next", "/deny-cookie")
            .nginx("auth-signin", "https://$host/in?x=1")
            .nginx("auth-signin-redirect-param", "next"),
        ingress("head", "/who").nginx("auth-method", "HEAD"),
        ingress("bad", "/ok").nginx("auth-response-headers", "X-User; X-Groups"),
        ingress("mapped", "/ok").nginx("auth-proxy-set-headers", "default/fields"),
        ingress("unmapped", "/ok").nginx("auth-proxy-set-headers", "none"),
        ingress("foreign", "/ok").nginx("auth-proxy-set-headers", "other/fields"),
        ingress("broken", "/ok").nginx("auth-proxy-set-headers", "broken"),
    ] {
        area = area.ingress(&ingress);
    }
    let map = |name: &str, data: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {data}\n---\n")
    };
    area = area.object(map("fields", "{X-Map: \"m-$host\", X-Sent-From: other}"));
    area = area.object(map("broken", "{X-Map: \"a$no_such\"}"));
    area.start()
}

fn another_server_says_who_comes_in(driver: Driver) {
    let served = start(driver);
    answers(&served);
    questions(&served.backend("auth").received_text());
    asked(&served);
    assert!(served.proxy.metric("ringway_external_auth_denied_total", &[]) >= 8.0);
    assert_eq!(served.proxy.metric("ringway_external_auth_undecided_total", &[]), 0.0);
    cookies(&served);
}

/// What the answers of that server do.
fn answers(served: &Served) {
    let good = |row: Row| row.send("Authorization", "Bearer good");
    served.check(&[
        row("plain.example", "/x", 200).from("web").saw_no("x-original-url"),
        row("none.example", "/x", 200).from("web"),
        row("chunked.example", "/x", 200).from("web"),
        row("localhost", "/x", 200).from("web"),
        row("address.example", "POST /x", 200)
            .body("a=b")
            .from("web")
            .saw("POST /x")
            .saw_body("a=b"),
        good(row("who.example", "/x", 200))
            .from("web")
            .saw_field("x-user", "ann")
            .saw_field("x-groups", "dev, ops")
            .saw_field("authorization", "Bearer good")
            .lacks("x-user"),
        // Whatever the client calls itself, in whatever spelling.
        good(row("who.example", "/x", 200))
            .send("x-user", "root")
            .send("X-User", "admin")
            .send("X_User", "root")
            .send("X.User", "root")
            .send("X-None", "1")
            .send("X-Kept", "1")
            .saw_field("x-user", "ann")
            .saw_no("x-none")
            .saw_no("x_user")
            .saw_no("x.user")
            .saw_field("x-kept", "1"),
        row("who.example", "/x", 401)
            .has("www-authenticate", "Bearer realm=\"a\" | Basic")
            .has("content-type", "text/plain")
            .lacks("x-secret")
            .lacks("x-gone")
            .says("who are you?"),
        row("who.example", "HEAD /x", 401).has("content-length", "12"),
        row("who.example", "OPTIONS /x", 401),
        row("who.example", "POST /x", 403)
            .body("text")
            .send("Authorization", "Bearer poor")
            .has("content-type", "text/html")
            .says("<b>no</b>"),
        // A body that is too long for us is not passed on.
        row("long.example", "/x", 401).has("www-authenticate", "Basic").says("401 Unauthorized"),
        row("head.example", "/x", 401).has("content-length", "0"),
        row("signin.example", "/a%20b?c=d&e=f", 302).has(
            "location",
            format!("{SIGN_IN}?rd=http://signin.example%2Fa%2520b%3Fc%3Dd%26e%3Df"),
        ),
        good(row("signin.example", "/", 200)).from("web"),
        row("signin.example", "/", 403).send("Authorization", "Bearer poor"),
        row("next.example:8080", "/x", 302)
            .has("location", "https://next.example/in?x=1&next=http://next.example:8080%2Fx"),
        row("bad.example", "/x", 503),
        row("unmapped.example", "/x", 503),
        row("foreign.example", "/x", 503),
        row("broken.example", "/x", 503),
    ]);
    served.told(&[
        "\"X-User; X-Groups\" is no name of a field",
        "there is no ConfigMap default/none; until then all requests get status 503",
        "it names no ConfigMap in the namespace of the Ingress",
        "the variable $no_such is not known",
    ]);
}

/// What is in the questions.
fn asked(served: &Served) {
    let ask = |row: Row| {
        served.check(&[row]);
        last_question(served.backend("auth"))
    };
    let plain = ask(row("plain.example", "POST /x?y=1", 200)
        .body("text")
        .send("Cookie", "c=1")
        .send("X-Forwarded-Proto", "forged")
        .send("X-Forwarded-For", "forged")
        .send("X-Forwarded-Host", "claimed.example")
        .send("X-Original-URL", "forged")
        .send("X_Original_URL", "forged")
        .send("X-Real-IP", "forged")
        .send("ssl-client-verify", "SUCCESS")
        .send("TE", "trailers")
        .send("Connection", "X-Hop, te")
        .send("X-Hop", "1"));
    let has = |question: &str, line: &str| {
        assert!(question.contains(&format!("\n{line}\r\n")), "{line} of {question}");
    };
    assert!(plain.starts_with("GET /ok HTTP/1.1\r\n"), "{plain}");
    has(&plain, "Host: auth.default.svc.cluster.local");
    has(&plain, "X-Original-URL: http://plain.example/x?y=1");
    has(&plain, "X-Original-Method: POST");
    has(&plain, "X-Sent-From: nginx-ingress-controller");
    has(&plain, "X-Real-IP: 127.0.0.1");
    has(&plain, "X-Forwarded-For: 127.0.0.1");
    has(&plain, "X-Forwarded-Host: claimed.example");
    has(&plain, "X-Auth-Request-Redirect: /x?y=1");
    has(&plain, "Cookie: c=1");
    for name in ["forged", "X-Original-URI", "X-Scheme", "SUCCESS", "X-Hop", "TE:", "text"] {
        assert!(!plain.contains(name), "{name} of {plain}");
    }
    let named = ask(row("named.example", "/x?x=%41%22b", 200).send("X-T", "a b#\"{c"));
    let line = "POST /ok?u=%41%22b&h=named.example&t=a%20b%23%22%7Bc HTTP/1.1\r\n";
    assert!(named.starts_with(line), "{named}");
    has(&named, "X-Original-URI: /x?x=%41%22b");
    has(&named, "X-Scheme: http");
    has(&named, "X-Auth-Request-Redirect: https://a.example/back");
    has(&named, "X-Own: named.example");
    assert!(!named.contains("X-Sent-From"), "{named}");
    let mapped = ask(row("mapped.example", "/x", 200).send("X-Map", "mine"));
    has(&mapped, "X-Map: m-mapped.example");
    has(&mapped, "X-Sent-From: other");
    assert!(!mapped.contains("mine") && !mapped.contains("nginx-ingress"), "{mapped}");
    let tls = ask(row("tls.example", "/x", 200).tls());
    has(&tls, "X-Original-URL: https://tls.example/x");
}

/// What no question ever has.
fn questions(text: &str) {
    for name in ["content-length:", "transfer-encoding:", "expect:", "upgrade:", "connection:"] {
        assert!(!text.to_lowercase().contains(name), "{name} of {text}");
    }
}

/// Cookies of the server are those of the answer, by its status.
fn cookies(served: &Served) {
    served.check(&[
        row("cookie.example", "/x", 200).has("set-cookie", "a=1; Path=/ | b=2"),
        row("always.example", "/x", 200).has("set-cookie", "a=1; Path=/ | b=2"),
        row("next.example", "/x", 302).has("set-cookie", "a=1"),
    ]);
}

/// Behaves as the path says, and badly.
fn misbehave(connection: &mut Connection, path: &str, gate: &Gate) -> std::io::Result<()> {
    match path {
        "/garbage" => connection.send("SSH-2.0-OpenSSH\r\n\r\n"),
        "/huge" => connection.send(format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(90_000))),
        "/switch" => connection.send("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"),
        "/close" => Ok(()),
        "/half" => connection.send("HTTP/1.1 200 OK\r\nX-Us"),
        "/hang" => {
            gate.wait();
            Ok(())
        }
        // It has decided; its body never comes.
        "/stuck" => {
            connection.send("HTTP/1.1 200 OK\r\nX-User: ann\r\nContent-Length: 9\r\n\r\nx")?;
            gate.wait();
            Ok(())
        }
        "/cut" => connection.send("HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\nx"),
        path => {
            let status = path.trim_start_matches('/');
            connection.send(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"))
        }
    }
}

/// That decide nothing.
const STATUSES: [&str; 7] =
    ["says-302", "says-304", "says-400", "says-404", "says-407", "says-500", "says-503"];

fn what_nobody_decides_is_closed(driver: Driver) {
    let gate = Gate::new();
    let auth = Backend::scripted({
        let gate = gate.clone();
        move |mut connection| {
            let request = connection.read_request()?;
            let path = request.target().to_owned();
            misbehave(&mut connection, &path, &gate)
        }
    });
    let mut area = Area::new(driver).echoes(&["web"]).backend("auth", auth);
    for name in ["garbage", "huge", "switch", "close", "half", "hang", "stuck", "cut"]
        .into_iter()
        .chain(STATUSES)
    {
        let limited = ingress(name, &format!("/{}", name.trim_start_matches("says-")))
            .nginx("proxy-read-timeout", "1")
            .nginx("auth-response-headers", "X-User");
        area = area.ingress(&limited);
    }
    let dead = Backend::closed_address();
    area = area
        .ingress(&asking("dead", &format!("http://{dead}/")))
        .ingress(&asking("gone", "http://no-such.default.svc/"))
        .ingress(&asking("tls-of-none", "https://auth.default.svc/200"))
        .ingress(&ingress("swollen", &format!("/200?u={}", "$http_x_t".repeat(6))));
    let served = area.start();
    let undecided = ["garbage", "huge", "switch", "close", "half", "hang"].into_iter();
    let undecided = undecided.chain(STATUSES).chain(["dead", "gone", "tls-of-none"]);
    let mut rows = Vec::new();
    for name in undecided {
        let host: &'static str = format!("{name}.example").leak();
        rows.push(row(host, "/x", 500).says("500 Internal Server Error"));
    }
    // Six times as much as the client said is more than a question may hold.
    rows.push(row("swollen.example", "/x", 500).send("X-T", "x".repeat(12 * 1024)));
    let count = rows.len();
    rows.push(row("cut.example", "/x", 401).says("401 Unauthorized"));
    served.check(&rows);
    assert_eq!(served.backend("web").request_count(), 0);
    assert_eq!(
        served.proxy.metric("ringway_external_auth_undecided_total", &[]),
        f64::from(u32::try_from(count).unwrap())
    );
    served.check(&[row("stuck.example", "/x", 200).from("web").saw_field("x-user", "ann")]);
    gate.open();
}

fn a_client_of_http2_and_a_grpc_call_are_asked_about(driver: Driver) {
    let auth = server();
    let text = manifest::backend("auth", &[auth.address()])
        + &ingress("who", "/who").nginx("auth-response-headers", "X-User, Authorization").yaml();
    let backend = Backend::echo("web");
    let proxy = Proxy::start(driver, text + &manifest::backend("web", &[backend.address()]));
    let mut client = Http2::connect(proxy.http);
    let mut ask = |stream: u32, more: &[(&'static str, &'static str)]| {
        let mut fields = vec![(":method", "POST"), (":path", "/s/M"), (":scheme", "http")];
        fields.push((":authority", "who.example"));
        fields.extend(more);
        client.send(frames::headers(stream, &fields, frames::END_HEADERS | frames::END_STREAM));
        client.answer(stream)
    };
    let answer = ask(1, &[("authorization", "Bearer good"), ("x-user", "root")]);
    assert_eq!((answer.status, answer.echoed_fields("x-user")), (200, vec!["ann".to_owned()]));
    // The server says nothing under this name, so that the client does not, either.
    assert!(answer.echoed_fields("authorization").is_empty());
    let answer = ask(3, &[]);
    assert_eq!((answer.status, &*answer.body), (401, &b"who are you?"[..]));
    let call = [("content-type", "application/grpc"), ("te", "trailers")];
    for (stream, token) in [(5, "Bearer poor"), (7, "Bearer bad")] {
        // A status of gRPC, which is not that of HTTP.
        let answer = ask(stream, &[call[0], call[1], ("authorization", token)]);
        assert_eq!((answer.status, &*answer.body), (200, &b""[..]), "{token}");
    }
    assert_eq!(backend.request_count(), 1);
    let question = last_question(&auth).to_lowercase();
    assert!(!question.contains("\nte:") && question.contains("application/grpc"), "{question}");
}

/// It survives the server, is not there for another rule or host, and nothing that decides nothing
/// is kept.
fn an_answer_is_kept_for_its_rule_alone(driver: Driver) {
    let auth = server();
    let kept = |name: &str, path: &str| {
        ingress(name, path)
            .nginx("auth-cache-key", "$http_authorization")
            .nginx("auth-cache-duration", "200 401 403 1h")
            .nginx("auth-response-headers", "X-User")
    };
    let two = kept("who", "/who").host("two.example").path("/", Prefix, "web");
    let area = Area::new(driver)
        .echoes(&["web"])
        .backend("auth", auth)
        .ingress(&two.path("/other", Prefix, "web"))
        .ingress(&kept("failing", "/500"))
        .ingress(&kept("cookie", "/cookie"))
        .ingress(&ingress("always", "/ok"))
        .start();
    let asked = || area.backend("auth").received_text().matches("HTTP/1.1\r\n").count();
    let mut before = 0;
    let mut check = |rows: &[Row], questions: usize| {
        area.check(rows);
        assert_eq!(asked() - before, questions, "{rows:?}");
        before = asked();
    };
    let with = |row: Row, token: &str| row.send("Authorization", format!("Bearer {token}"));
    let good = || {
        with(row("who.example", "/x", 200), "good")
            .send("X-User", "root")
            .saw_field("x-user", "ann")
    };
    let bad = || with(row("who.example", "/x", 401), "bad").says("who are you?");
    let poor = || with(row("who.example", "/x", 403), "poor").says("<b>no</b>");
    check(&[good(), bad(), poor()], 3);
    check(&[good(), bad(), poor(), good()], 0);
    assert_eq!(area.proxy.metric("ringway_external_auth_reuses_total", &[]), 4.0);
    // Another path of the rule is the same rule; another rule and another host are not.
    check(&[with(row("who.example", "/y", 200), "good")], 0);
    check(&[with(row("two.example", "/x", 200), "good")], 1);
    check(&[with(row("two.example", "/other", 200), "good")], 1);
    check(&[row("failing.example", "/", 500), row("failing.example", "/", 500)], 2);
    // A cookie is one client's.
    check(&[row("cookie.example", "/", 200), row("cookie.example", "/", 200)], 2);
    check(&[row("always.example", "/", 200), row("always.example", "/", 200)], 2);
}

fn the_race_of_keep_alive_costs_no_answer(driver: Driver) {
    let auth = Backend::scripted(|mut connection| {
        connection.read_request()?;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
        // Takes the next question, and ends.
        connection.read_head().map(drop)
    });
    let text = manifest::backend("auth", &[auth.address()]) + &ingress("plain", "/").yaml();
    let backend = Backend::echo("web");
    let proxy = Proxy::start(driver, text + &manifest::backend("web", &[backend.address()]));
    let mut client = proxy.client();
    for round in 1..=10 {
        client.send("POST /x HTTP/1.1\r\nHost: plain.example\r\nContent-Length: 1\r\n\r\nx");
        assert_eq!(client.response().status(), 200, "round {round}");
    }
    assert_eq!(backend.request_count(), 10);
    assert_eq!(auth.connection_count(), 10);
}

fn a_question_under_way_is_finished_by_a_drain(driver: Driver) {
    let gate = Gate::new();
    let auth = Backend::scripted({
        let gate = gate.clone();
        move |mut connection| {
            connection.read_request()?;
            gate.wait();
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        }
    });
    let text = manifest::backend("auth", &[auth.address()]) + &ingress("plain", "/slow").yaml();
    let backend = Backend::echo("web");
    let text = text + &manifest::backend("web", &[backend.address()]);
    let mut proxy = Builder::new(driver).manifests(text).start();
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: plain.example\r\n\r\n");
    auth.wait_for_text("/slow");
    // One that does not wait for the answer.
    let mut gone = proxy.client();
    gone.send("GET /gone HTTP/1.1\r\nHost: plain.example\r\n\r\n");
    auth.wait_for_text("/gone");
    gone.reset();
    proxy.signal("TERM");
    wait_until("the listener to close", || std::net::TcpStream::connect(proxy.http).is_err());
    gate.open();
    let response = client.response();
    assert_eq!((response.status(), response.field("connection")), (200, Some("close")));
    client.assert_closed();
    assert_eq!(proxy.wait_for_exit().0.code(), Some(0));
    assert_eq!(backend.request_count(), 1);
}

fn a_change_is_live(driver: Driver) {
    let (auth, backend) = (server(), Backend::echo("web"));
    let text = manifest::backend("web", &[backend.address()]);
    let proxy = Proxy::start(driver, text);
    let write = |ingress: &Ingress| proxy.write("web.yaml", &ingress.yaml());
    let plain = Ingress::simple("plain", "plain.example", "web");
    write(&ingress("plain", "/who"));
    // There is no such Service yet.
    proxy.wait_for_status("plain.example", "/", 500);
    proxy.write("auth.yaml", &manifest::backend("auth", &[auth.address()]));
    proxy.wait_for_status("plain.example", "/", 401);
    write(&ingress("plain", "/ok"));
    proxy.wait_for_status("plain.example", "/", 200);
    write(&plain.clone().nginx("auth-url", "auth/"));
    proxy.wait_for_status("plain.example", "/", 503);
    write(&ingress("plain", "/500"));
    proxy.wait_for_status("plain.example", "/", 500);
    write(&plain);
    proxy.wait_for_status("plain.example", "/", 200);
    assert_eq!(proxy.get("plain.example", "/").backend(), "web");
}
