//! Sessions: `affinity` and the cookie by which clients keep their endpoint.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::area::Served;
use super::{Area, row};
use crate::for_each_driver;
use crate::harness::PathType::{Exact, ImplementationSpecific, Prefix};
use crate::harness::{Backend, Builder, Driver, Ingress, Message, Proxy, fields_named, manifest};

for_each_driver!(
    cookies_are_set_as_annotations_say,
    sessions_outlive_cores_replicas_and_other_endpoints,
    failed_endpoints_keep_their_sessions_or_lose_them,
    canaries_keep_their_sessions_unless_they_are_not_to,
);

/// Of `default/web:80`, as ingress-nginx makes it.
const TAG: &str = "6cde5721ec2c7e2bce07cff7d0e4ac37";

fn sticky(name: &str, annotations: &[(&str, &str)]) -> Ingress {
    let ingress = Ingress::new(name).nginx("affinity", "cookie");
    let ingress =
        annotations.iter().fold(ingress, |ingress, (name, value)| ingress.nginx(name, value));
    ingress.host(&format!("{name}.example"))
}

/// Name and attributes of the one cookie that is set; `None`: none is.
#[track_caller]
fn cookie(answer: &Message) -> Option<(String, String, String)> {
    match &*fields_named(&answer.fields, "set-cookie") {
        [] => None,
        [one] => {
            let (pair, attributes) = one.split_once("; ").unwrap_or((one, ""));
            let (name, value) = pair.split_once('=').expect("a value");
            Some((name.to_owned(), value.to_owned(), attributes.to_owned()))
        }
        more => panic!("{more:?}"),
    }
}

/// Ingresses with all kinds of cookies.
fn cookies(driver: Driver) -> Served {
    let all = [
        ("session-cookie-name", "route"),
        ("session-cookie-path", "/x"),
        ("session-cookie-domain", "all.example"),
        ("session-cookie-expires", "172800"),
        ("session-cookie-max-age", "172800"),
        ("session-cookie-samesite", "Strict"),
        ("session-cookie-secure", "true"),
    ];
    let none =
        [("session-cookie-samesite", "None"), ("session-cookie-conditional-samesite-none", "true")];
    let bad = [
        ("session-cookie-name", "a b"),
        ("session-cookie-path", "/a;b"),
        ("session-cookie-max-age", "1h"),
        ("session-cookie-samesite", "all"),
    ];
    Area::new(driver)
        .echoes(&["web"])
        .certificate("tls", &["plain.example", "all.example"])
        .ingress(
            &sticky("plain", &[])
                .nginx("ssl-redirect", "false")
                .tls(&["plain.example"], "tls")
                .path("/", Prefix, "web")
                .path("/shop", Prefix, "web")
                .path("/exact", Exact, "web"),
        )
        .ingress(&Ingress::new("beside").host("plain.example").path("/beside", Prefix, "web"))
        .ingress(&sticky("all", &all).tls(&["all.example"], "tls").path("/", Prefix, "web"))
        .ingress(&sticky("none", &none).path("/", Prefix, "web"))
        .ingress(&sticky("secure", &[("session-cookie-secure", "false")]).path("/", Prefix, "web"))
        .ingress(&sticky("over", &[("session-cookie-max-age", "-1")]).path("/", Prefix, "web"))
        .ingress(&sticky("bad", &bad).path("/", Prefix, "web"))
        .ingress(&Ingress::simple("kind", "kind.example", "web").nginx("affinity", "ip"))
        .ingress(
            &Ingress::new("wild")
                .nginx("affinity", "cookie")
                .host("*.wild.example")
                .path("/", Prefix, "web"),
        )
        .ingress(&sticky("nowhere", &[]).path("/", ImplementationSpecific, "missing"))
        .start()
}

fn cookies_are_set_as_annotations_say(driver: Driver) {
    let area = cookies(driver);
    let get = |host: &str, path: &str, fields: &str, is_tls: bool| {
        let mut client = if is_tls { area.tls_client(host) } else { area.proxy.client() };
        client.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"));
        client.response()
    };
    let old = "User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 12_4 like Mac OS X)\r\n";
    for (host, path, fields, is_tls, expected) in [
        ("plain.example", "/", "", false, "Path=/; HttpOnly"),
        ("plain.example", "/", "", true, "Path=/; Secure; HttpOnly"),
        ("plain.example", "/shop/cart", "", false, "Path=/shop; HttpOnly"),
        ("plain.example", "/exact", "", false, "Path=/exact; HttpOnly"),
        ("x.wild.example", "/", "", false, "Path=/; HttpOnly"),
        ("none.example", "/", "", false, "Path=/; HttpOnly; SameSite=None"),
        ("none.example", "/", old, false, "Path=/; HttpOnly"),
        ("secure.example", "/", "", false, "Path=/; HttpOnly"),
        ("over.example", "/", "", false, "Max-Age=-1; Path=/; HttpOnly"),
        ("bad.example", "/", "", false, "Path=/; HttpOnly"),
    ] {
        let answer = get(host, path, fields, is_tls);
        let (name, value, attributes) = cookie(&answer).expect("a cookie");
        assert_eq!((&*name, &*attributes), ("INGRESSCOOKIE", expected), "{host}{path}");
        let (key, tag) = value.split_once('|').expect("key and tag");
        assert!(key.len() == 16 && tag == TAG, "{value}");
        let again = get(host, path, &format!("Cookie: a=b; INGRESSCOOKIE={value}\r\n"), is_tls);
        assert_eq!((again.status(), cookie(&again)), (200, None), "{host}{path}");
    }
    let (name, _, attributes) = cookie(&get("all.example", "/", "", true)).expect("a cookie");
    let (date, rest) = attributes.split_once("; ").expect("more than a date");
    assert_eq!(name, "route");
    let date = httpdate::parse_http_date(date.strip_prefix("Expires=").expect("a date")).unwrap();
    let left = date.duration_since(std::time::SystemTime::now()).expect("to come").as_secs();
    assert!((172_000..=172_800).contains(&left), "{left}");
    let expected = "Max-Age=172800; Domain=all.example; Path=/x; Secure; HttpOnly; SameSite=Strict";
    assert_eq!(rest, expected);
    area.check(&[
        row("plain.example", "/beside", 200).tls().from("web").lacks("set-cookie"),
        row("kind.example", "/", 200).from("web").lacks("set-cookie"),
        row("nowhere.example", "/", 503).lacks("set-cookie"),
        // Backends see the cookie, as from ingress-nginx.
        row("plain.example", "/", 200)
            .send("Cookie", "INGRESSCOOKIE=x|y")
            .saw_field("cookie", "INGRESSCOOKIE=x|y"),
    ]);
    area.told(&["the only kind is cookie", "it is no number of seconds", "it is none of those"]);
}

/// Backends that live as long as they are wanted.
struct Fleet {
    backends: Vec<Option<Backend>>,
}

impl Fleet {
    fn new(count: usize) -> Self {
        Self { backends: (0..count).map(|n| Some(once(&format!("b{n}")))).collect() }
    }

    /// Those that live.
    fn addresses(&self) -> Vec<SocketAddr> {
        self.backends.iter().flatten().map(Backend::address).collect()
    }

    fn stop(&mut self, name: &str) {
        let number: usize = name.trim_start_matches('b').parse().expect("a number");
        self.backends[number] = None;
    }
}

/// Says its name, and closes: what is stopped is not to live on in connections.
fn once(name: &str) -> Backend {
    let body = format!("{{\"backend\": \"{name}\"}}");
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}", body.len());
    let answer = format!("{head}\r\n\r\n{body}");
    Backend::scripted(move |mut connection| {
        connection.read_request()?;
        connection.send(&answer)
    })
}

/// One request on a connection of its own: who answered, and the value of the cookie it set.
#[track_caller]
fn visit(proxy: &Proxy, host: &str, session: Option<&[u8]>) -> (u16, String, Option<String>) {
    let mut client = proxy.client();
    let mut request = format!("GET / HTTP/1.1\r\nHost: {host}.example\r\n").into_bytes();
    if let Some(session) = session {
        request.extend_from_slice(b"Cookie: INGRESSCOOKIE=");
        request.extend_from_slice(session);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    client.send(request);
    let answer = client.response();
    let backend = if answer.status() == 200 { answer.backend() } else { String::new() };
    (answer.status(), backend, cookie(&answer).map(|(_, value, _)| value))
}

/// Begins sessions until each of the endpoints has one.
fn sessions(proxy: &Proxy, host: &str, count: usize) -> Vec<(String, String)> {
    let mut sessions: Vec<(String, String)> = Vec::new();
    for _ in 0..2000 {
        let (status, backend, session) = visit(proxy, host, None);
        assert_eq!(status, 200);
        if sessions.iter().all(|(known, _)| *known != backend) {
            sessions.push((backend, session.expect("a session")));
        }
        if sessions.len() == count {
            return sessions;
        }
    }
    panic!("new sessions do not spread: {sessions:?}")
}

fn sessions_outlive_cores_replicas_and_other_endpoints(driver: Driver) {
    let fleet = Fleet::new(4);
    let ingresses = sticky("balanced", &[]).path("/", Prefix, "web").yaml()
        + &sticky("persistent", &[("affinity-mode", "persistent")]).path("/", Prefix, "web").yaml();
    let text = manifest::service("web") + &ingresses;
    let start = |addresses: &[SocketAddr]| {
        let text = text.clone() + &manifest::endpoints("web", addresses);
        Builder::new(driver).cores(2).manifests(text).start()
    };
    let all = fleet.addresses();
    let proxy = start(&all[..3]);
    let before: Vec<_> = ["balanced", "persistent"]
        .map(|host| (host, sessions(&proxy, host, 3)))
        .into_iter()
        .flat_map(|(host, sessions)| sessions.into_iter().map(move |s| (host, s.0, s.1)))
        .collect();
    let replica = start(&all[..3]);
    for (host, backend, session) in &before {
        for proxy in [&proxy, &replica] {
            for _ in 0..6 {
                let visit = visit(proxy, host, Some(session.as_bytes()));
                assert_eq!(visit, (200, backend.clone(), None), "{host}");
            }
        }
    }
    drop(proxy);
    // Whoever comes takes some of the balanced ones, and of the others none.
    let more = start(&all);
    for (host, backend, session) in &before {
        let (status, now, set) = visit(&more, host, Some(session.as_bytes()));
        assert_eq!((status, set), (200, None), "{host}");
        let may_move = *host == "balanced" && now == "b3";
        assert!(now == *backend || may_move, "{host}: {backend} {now}");
    }
    // Whose endpoint goes begins anew if it was bound for good, and else is somebody else's.
    let less = start(&all[1..3]);
    for (host, backend, session) in &before {
        let (status, now, set) = visit(&less, host, Some(session.as_bytes()));
        assert_eq!(status, 200);
        if backend == "b0" {
            assert_ne!(now, "b0");
            assert_eq!(set.is_some(), *host == "persistent", "{host}");
        } else {
            assert_eq!((&now, set), (backend, None), "{host}");
        }
    }
    // Balanced sessions of ingress-nginx go on; all else that is no key of ours is none.
    let huge = "k".repeat(3000);
    for (session, is_key) in [
        (format!("1700000000.123.45.678901|{TAG}").into_bytes(), true),
        (b"made.up".to_vec(), true),
        (b"127.0.0.1:80|".to_vec(), true),
        (vec![0xff, 0xfe, b'|', 0x80], true),
        (huge.into_bytes(), false),
        (b"|".to_vec(), false),
        (b"".to_vec(), false),
    ] {
        let shown = String::from_utf8_lossy(&session).into_owned();
        let visits: BTreeSet<_> = [&more, &more, &more]
            .map(|proxy| visit(proxy, "balanced", Some(&session)))
            .into_iter()
            .inspect(|(status, _, set)| {
                assert_eq!((*status, set.is_none()), (200, is_key), "{shown}");
            })
            .map(|(_, backend, _)| backend)
            .collect();
        assert!(!is_key || visits.len() == 1, "{shown}: {visits:?}");
        let (status, _, set) = visit(&more, "persistent", Some(&session));
        assert_eq!((status, set.is_some()), (200, true), "{shown}");
    }
}

fn failed_endpoints_keep_their_sessions_or_lose_them(driver: Driver) {
    let mut fleet = Fleet::new(2);
    let kept = |name: &str, mode| sticky(name, &[("affinity-mode", mode)]);
    let changed = |name: &str, mode| {
        sticky(name, &[("affinity-mode", mode), ("session-cookie-change-on-failure", "true")])
    };
    let ingresses = [
        kept("kept", "balanced"),
        kept("kept-for-good", "persistent"),
        changed("changed", "balanced"),
        changed("changed-for-good", "persistent"),
    ];
    let text = ingresses.map(|ingress| ingress.path("/", Prefix, "web").yaml()).concat()
        + &manifest::backend("web", &fleet.addresses());
    let proxy = Builder::new(driver).manifests(text).start();
    let hosts = ["kept", "kept-for-good", "changed", "changed-for-good"];
    let before = hosts.map(|host| (host, sessions(&proxy, host, 2)));
    fleet.stop("b0");
    for (host, sessions) in before {
        let of = |name: &str| {
            let found = sessions.iter().find(|(backend, _)| backend == name);
            found.expect("a session").1.as_bytes()
        };
        let well = (200, "b1".to_owned(), None);
        assert_eq!(visit(&proxy, host, Some(of("b1"))), well, "{host}");
        let (status, backend, set) = visit(&proxy, host, Some(of("b0")));
        if host.starts_with("kept") {
            assert_eq!((status, set), (502, None), "{host}");
            // Who has no session yet gets one where it is well.
            let (status, backend, set) = visit(&proxy, host, None);
            assert_eq!((status, &*backend), (200, "b1"), "{host}");
            let set = set.expect("a session");
            assert_eq!(visit(&proxy, host, Some(set.as_bytes())), well, "{host}");
        } else {
            assert_eq!((status, &*backend), (200, "b1"), "{host}");
            let set = set.expect("another session");
            assert_eq!(visit(&proxy, host, Some(set.as_bytes())), well, "{host}");
        }
    }
}

fn canaries_keep_their_sessions_unless_they_are_not_to(driver: Driver) {
    let canary = |name: &str, annotations: &[(&str, &str)]| {
        let ingress = Ingress::new(&format!("{name}-canary"))
            .nginx("canary", "true")
            .nginx("canary-by-header", "X-Canary");
        let ingress = annotations.iter().fold(ingress, |i, (name, value)| i.nginx(name, value));
        ingress.host(&format!("{name}.example")).path("/", Prefix, "canary")
    };
    let area = Area::new(driver)
        .echoes(&["web", "canary"])
        .ingress(&sticky("sticky", &[]).path("/", Prefix, "web"))
        .ingress(&canary("sticky", &[]))
        .ingress(&sticky("legacy", &[]).path("/", Prefix, "web"))
        .ingress(&canary("legacy", &[("affinity-canary-behavior", "legacy")]))
        .start();
    let get = |host: &str, canary: &str, session: Option<&str>| {
        let mut client = area.proxy.client();
        let session = session.map(|value| format!("Cookie: INGRESSCOOKIE={value}\r\n"));
        let session = session.unwrap_or_default();
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: {host}.example\r\nX-Canary: {canary}\r\n{session}\r\n"
        ));
        let answer = client.response();
        (answer.backend(), cookie(&answer).map(|(_, value, _)| value))
    };
    let (backend, of_canary) = get("sticky", "always", None);
    assert_eq!(backend, "canary");
    let (backend, of_main) = get("sticky", "never", None);
    assert_eq!(backend, "web");
    for word in ["always", "never", "other"] {
        assert_eq!(get("sticky", word, of_canary.as_deref()), ("canary".into(), None), "{word}");
        assert_eq!(get("sticky", word, of_main.as_deref()), ("web".into(), None), "{word}");
    }
    // A session of another backend binds to neither.
    let foreign = format!("0123456789abcdef|{}", "0".repeat(32));
    assert_eq!(get("sticky", "always", Some(&foreign)).0, "canary");
    assert_eq!(get("sticky", "never", Some(&foreign)).0, "web");
    assert_eq!(get("legacy", "always", None), ("canary".into(), None));
    let (backend, of_main) = get("legacy", "never", None);
    assert!(backend == "web" && of_main.is_some());
}
