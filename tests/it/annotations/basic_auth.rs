//! `auth-type` and its family: who has a password, of whatever kind its hash is.

use super::area::Served;
use super::{Area, Row, row};
use crate::for_each_driver;
use crate::harness::PathType::Prefix;
use crate::harness::{Backend, Client, Driver, Ingress, Nginx, manifest, wait_until};

for_each_driver!(
    passwords_let_in_or_do_not,
    hashes_mean_what_nginx_takes_them_for,
    many_guesses_keep_nobody_waiting,
);

const SHA: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
/// Name, password and hash of each kind.
const KINDS: &[(&str, &str, &str)] = &[
    ("ann", "secret", "$2y$05$16xqsewkNOXGlUEB5E3M9OCJf3V2axfqkpSoM4hyzOymZ/IwYskQG"),
    ("ben", "p@ss:word", "$2a$04$ssNC8dNAcY2/Y.eUlPzP5.h37usBc0fG3F4WgIqgfmR1NSY6pwy9G"),
    ("cid", "crypted", "kL0VUl.I84AJo"),
    ("dora", "größe", "$apr1$fQ1HC2eF$DdOlTsByMyH79y/tuYqID0"),
    ("eve", "sha256pw", "$5$abcdefgh$4ih9lXzlzIKDu.EooPvNNra0ivuJNzIbPo.hk/QzA/C"),
    (
        "fay",
        "secret",
        concat!(
            "$6$rounds=1234$0123456789abcdef$VODeSFEg0EGdP8Mq9IJLg6ChBD5lEMcw5wcuG.",
            "kHh1CJw6u0uMYc89/dW0C630TSias07sp0cWvSEv6DHYlqY."
        ),
    ),
    ("gus", "salted", "{SSHA}XMqZzWMpkySA//kIcAT3t1wh5XZzYWx0"),
    ("hal", "plain", "{PLAIN}plain"),
    ("ivy", "md5pw", "$1$abcdefgh$O3RcxDaJZDBrlS0uVgUNi/"),
    ("kim", "secret", SHA),
];

fn secret(name: &str, data: &[(&str, &str)]) -> String {
    manifest::secret(name, "Opaque", data)
}

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", manifest::base64(format!("{name}:{password}").as_bytes()))
}

fn ingress(name: &str, annotations: &[(&str, &str)]) -> Ingress {
    let ingress = Ingress::new(name).host(&format!("{name}.example")).path("/", Prefix, "web");
    annotations.iter().fold(ingress, |ingress, (name, value)| ingress.nginx(name, value))
}

fn guarded(name: &str, more: &[(&str, &str)]) -> Ingress {
    ingress(name, &[&[("auth-type", "basic")], more].concat())
}

/// A request with a password.
fn with(host: &'static str, name: &str, password: &str, status: u16) -> Row {
    let row = row(host, "/", status).send("Authorization", basic(name, password));
    if status == 200 { row.from("web").saw_no("authorization") } else { row }
}

fn served(driver: Driver) -> Served {
    let lines: String = KINDS.iter().map(|(name, _, hash)| format!("{name}:{hash}\n")).collect();
    let file = format!("# made by hand\n{lines}kim:{{PLAIN}}second\nodd:what is this\n");
    Area::new(driver)
        .echoes(&["web"])
        .object(secret("users", &[("auth", &file)]))
        .object(secret("map", &[("ann", SHA), ("ben", "{PLAIN}b\n")]))
        .object(secret("other", &[("password", "x")]))
        .object(secret("garbage", &[("auth", "what is this")]))
        .ingress(&ingress("open", &[]))
        .ingress(&guarded("file", &[("auth-secret", "users"), ("auth-realm", "Who - goes?")]))
        .ingress(
            &guarded("own", &[("auth-secret", "default/users"), ("auth-realm", "say \"hi\"")])
                .path("/.well-known/acme-challenge", Prefix, "web"),
        )
        .ingress(&guarded("map", &[("auth-secret", "map"), ("auth-secret-type", "auth-map")]))
        .ingress(&guarded("absent", &[("auth-secret", "absent")]))
        .ingress(&guarded("other", &[("auth-secret", "other")]))
        .ingress(&guarded("garbage", &[("auth-secret", "garbage")]))
        .ingress(&guarded("foreign", &[("auth-secret", "elsewhere/users")]))
        .ingress(&guarded("nobody", &[]))
        .ingress(&ingress("digest", &[("auth-type", "digest"), ("auth-secret", "users")]))
        .ingress(&ingress("half", &[("auth-secret", "users")]))
        .ingress(&guarded("cors", &[("auth-secret", "users"), ("enable-cors", "true")]))
        .start()
}

fn passwords_let_in_or_do_not(driver: Driver) {
    let area = served(driver);
    area.told(&[
        "no password of \"odd\" is right: it is no hash of a kind that nginx takes",
        "there is no Secret default/absent; until then all requests to the Ingress get status 503",
        "the Secret default/other has no auth",
        "line 1 is not NAME:HASH",
        "\"elsewhere/users\" cannot be used",
        "\"digest\" cannot be used: it is not supported.",
        "\"users\" cannot be used: without auth-type nobody is asked for a password.",
    ]);
    area.check(&rules());
    area.check(&credentials());
    // Another version of the Secret counts for all that comes behind it.
    let later = |password: &str| {
        let users = secret("later", &[("auth", &format!("ann:{{PLAIN}}{password}"))]);
        area.proxy
            .write("later.yaml", &(users + &guarded("later", &[("auth-secret", "later")]).yaml()));
    };
    let status = |password: &str| {
        let mut client = area.proxy.client();
        let authorization = basic("ann", password);
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: later.example\r\nAuthorization: {authorization}\r\n\r\n"
        ));
        client.response().status()
    };
    later("first");
    wait_until("the Secret counts", || status("first") == 200);
    later("second");
    wait_until("the new Secret counts", || status("second") == 200);
    assert_eq!(status("first"), 401);
}

fn rules() -> Vec<Row> {
    let ann = basic("ann", "secret");
    vec![
        with("file.example", "ann", "secret", 200),
        row("open.example", "/", 200)
            .send("Authorization", &*ann)
            .saw_field("authorization", &*ann),
        row("file.example", "/", 401)
            .has("www-authenticate", "Basic realm=\"Who - goes?\"")
            .lacks("authorization"),
        row("own.example", "/", 401).has("www-authenticate", "Basic realm=\"say \\\"hi\\\"\""),
        row("map.example", "/", 401).has("www-authenticate", "Basic realm=\"\""),
        row("file.example", "HEAD /", 401),
        row("file.example", "OPTIONS /", 401),
        row("file.example", "POST /form", 401).body("a=b"),
        row("file.example", "POST /form", 200)
            .send("Authorization", &*ann)
            .body("a=b")
            .from("web")
            .saw_body("a=b"),
        row("own.example", "/.well-known/acme-challenge/t", 200)
            .send("Authorization", "Bearer x")
            .from("web")
            .saw_field("authorization", "Bearer x"),
        with("own.example", "kim", "second", 401),
        with("file.example", "Ann", "secret", 401),
        with("file.example", "ann", "", 401),
        with("file.example", "", "secret", 401),
        with("file.example", "nobody", "secret", 401),
        with("file.example", "odd", "what is this", 401),
        with("file.example", "# made by hand", "", 401),
        with("file.example", "kim", SHA, 401),
        with("file.example", "ann", &"x".repeat(2_000), 401),
        with("map.example", "ann", "secret", 200),
        with("map.example", "ben", "b", 200),
        with("map.example", "cid", "crypted", 401),
        with("absent.example", "ann", "secret", 503),
        with("other.example", "password", "x", 503),
        with("garbage.example", "what is this", "", 401),
        with("foreign.example", "ann", "secret", 503),
        with("nobody.example", "ann", "secret", 503),
        with("digest.example", "ann", "secret", 503),
        with("half.example", "ann", "secret", 503),
        row("cors.example", "/", 401)
            .send("Origin", "https://a.example")
            .has("access-control-allow-origin", "*"),
        row("cors.example", "OPTIONS /", 204).send("Origin", "https://a.example"),
    ]
}

fn credentials() -> Vec<Row> {
    let ann = basic("ann", "secret");
    let mut rows = Vec::new();
    for (name, password, _) in KINDS {
        rows.push(with("file.example", name, password, 200));
        rows.push(with("file.example", name, &format!("!{password}"), 401));
        // Known by now.
        rows.push(with("file.example", name, password, 200));
    }
    for value in [
        "Basic",
        "Basic ***",
        "Bearer YW5uOnNlY3JldA==",
        "Basic YW5u",
        "Digest username=\"ann\"",
        "",
    ] {
        rows.push(row("file.example", "/", 401).send("Authorization", value));
    }
    let lower = ann.replace("Basic", "basic");
    rows.push(row("file.example", "/", 200).send("Authorization", &*lower).from("web"));
    let twice = row("file.example", "/", 401).send("Authorization", &*ann);
    rows.push(twice.send("Authorization", &*ann));
    rows
}

/// Each kind of hash, with the password and what is nearly it.
fn hashes_mean_what_nginx_takes_them_for(driver: Driver) {
    let lines: String = KINDS.iter().map(|(name, _, hash)| format!("{name}:{hash}\n")).collect();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), &lines).expect("the hashes");
    let backend = Backend::echo("web");
    let servers = format!(
        "server {{ listen LISTEN; auth_basic Users; auth_basic_user_file {}; \
         location / {{ proxy_pass http://{}; }} }}",
        file.path().display(),
        backend.address()
    );
    let Some(nginx) = Nginx::start(&servers) else { return };
    let area = Area::new(driver)
        .backend("web", backend)
        .object(secret("users", &[("auth", &lines)]))
        .ingress(&guarded("file", &[("auth-secret", "users"), ("auth-realm", "Users")]))
        .start();
    let mut clients = [area.proxy.client(), Client::connect(nginx.address)];
    for (name, password, _) in KINDS {
        for password in [*password, &*password.to_uppercase(), &*format!("{password} "), ""] {
            let [ours, theirs] = clients.each_mut().map(|client| {
                let credentials = basic(name, password);
                client.send(format!(
                    "GET / HTTP/1.1\r\nHost: file.example\r\nAuthorization: {credentials}\r\n\r\n"
                ));
                let answer = client.response();
                (answer.status(), answer.field("www-authenticate").map(str::to_owned))
            });
            assert_eq!(ours, theirs, "{name} {password:?}");
        }
    }
}

/// A client that guesses at hashes that take their time; others come in.
fn many_guesses_keep_nobody_waiting(driver: Driver) {
    let slow = "ann:$2y$04$16xqsewkNOXGlUEB5E3M9O8pK4IgCmItjCtfCrWLPRfnXk3yp5EJS\nkim:";
    let users = manifest::secret("users", "Opaque", &[("auth", &format!("{slow}{SHA}"))]);
    let area = Area::new(driver)
        .flag("--proxy-protocol-trusted", "127.0.0.0/8")
        .echoes(&["web"])
        .object(users)
        .ingress(&guarded("file", &[("auth-secret", "users")]))
        .start();
    let request = |password: &str| {
        let authorization = basic("ann", password);
        format!("GET / HTTP/1.1\r\nHost: file.example\r\nAuthorization: {authorization}\r\n\r\n")
    };
    let mut guesses: Vec<Client> = (0..200)
        .map(|n| {
            let mut client = area.proxy.client();
            client.send("PROXY TCP4 192.0.2.1 192.0.2.1 4000 80\r\n");
            client.send(request(&format!("guess {n}")));
            client
        })
        .collect();
    area.check(&[with("file.example", "kim", "secret", 200).by("192.0.2.2")]);
    let statuses: Vec<u16> = guesses.iter_mut().map(|client| client.response().status()).collect();
    assert!(statuses.iter().all(|status| matches!(status, 401 | 503)), "{statuses:?}");
    // There is no room for all of one client, and they are told so at once.
    assert!(statuses.contains(&401) && statuses.contains(&503), "{statuses:?}");
    assert!(area.proxy.metric("ringway_passwords_unchecked_total", &[]) > 0.0);
}
