//! `allowlist-source-range`, `denylist-source-range`, `satisfy`: who may come in by address, and
//! what else may do instead.

use super::area::Served;
use super::{Area, Row, row};
use crate::for_each_driver;
use crate::harness::PathType::Prefix;
use crate::harness::{Backend, Driver, Ingress, manifest};

for_each_driver!(addresses_come_in_or_not);

/// `ann:secret`.
const ANN: &str = "Basic YW5uOnNlY3JldA==";
/// `ann:wrong`.
const WRONG: &str = "Basic YW5uOndyb25n";

fn ingress(name: &str, annotations: &[(&str, &str)]) -> Ingress {
    leads_to("web", name, annotations)
}

fn leads_to(service: &str, name: &str, annotations: &[(&str, &str)]) -> Ingress {
    let ingress = Ingress::new(name).host(&format!("{name}.example")).path("/", Prefix, service);
    annotations.iter().fold(ingress, |ingress, (name, value)| ingress.nginx(name, value))
}

/// A request of a client with this address.
fn of(client: &'static str, host: &'static str, status: u16) -> Row {
    let row = row(host, "/", status).by(client);
    if status == 200 { row.from("web") } else { row }
}

fn served(driver: Driver) -> Served {
    let (allow, alias) = ("allowlist-source-range", "whitelist-source-range");
    let (deny, satisfy) = ("denylist-source-range", "satisfy");
    let password = [("auth-type", "basic"), ("auth-secret", "users")];
    let with_password =
        |name: &str, more: &[(&str, &str)]| ingress(name, &[&password[..], more].concat());
    let users = [("auth", "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=")];
    Area::new(driver)
        .flag("--proxy-protocol-trusted", "127.0.0.0/8")
        .echoes(&["web"])
        .backend("asked", Backend::fixed("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"))
        .object(manifest::secret("users", "Opaque", &users))
        .ingress(&with_password(
            "sign",
            &[
                (satisfy, "any"),
                ("auth-url", "http://asked.default.svc.cluster.local/"),
                ("auth-signin", "https://sign.example/in"),
            ],
        ))
        .certificate("tls", &["secure.example"])
        .ingress(&ingress("open", &[]))
        .ingress(&ingress("allow", &[(allow, "10.0.0.0/8, 192.0.2.7,2001:db8::/32")]))
        .ingress(&ingress("alias", &[(alias, "10.0.0.0/8")]))
        .ingress(&ingress("both", &[(alias, "10.0.0.0/8"), (allow, "192.0.2.0/24")]))
        .ingress(&ingress("empty", &[(alias, "10.0.0.0/8"), (allow, "")]))
        .ingress(&ingress("deny", &[(deny, "10.0.0.0/8,::/0")]))
        .ingress(&ingress("some", &[(deny, "10.1.0.0/16"), (allow, "10.0.0.0/8")]))
        .ingress(&ingress("all", &[(allow, "0.0.0.0/0,::/0")]))
        .ingress(&ingress("bad", &[(allow, "10.0.0.0/8, everybody")]))
        .ingress(&ingress("comma", &[(allow, "10.0.0.0/8,")]))
        .ingress(&ingress("worse", &[(deny, "10.0.0.0/8;192.0.2.1")]))
        .ingress(&with_password("each", &[(allow, "10.0.0.0/8")]))
        .ingress(&with_password("any", &[(allow, "10.0.0.0/8"), (satisfy, "any")]))
        .ingress(&with_password("but", &[(deny, "10.0.0.0/8"), (satisfy, "any")]))
        .ingress(&with_password("typo", &[(allow, "10.0.0.0/8"), (satisfy, "ANY")]))
        .ingress(&ingress("alone", &[(deny, "10.0.0.0/8"), (satisfy, "any")]))
        .ingress(&ingress("only", &[(allow, "10.0.0.0/8"), (satisfy, "any")]))
        .ingress(&ingress("cors", &[(allow, "10.0.0.0/8"), ("enable-cors", "true")]))
        .ingress(&leads_to("nobody", "gone", &[(allow, "10.0.0.0/8")]))
        .ingress(&leads_to(
            "nobody",
            "stood-in",
            &[(allow, "10.0.0.0/8"), ("default-backend", "web")],
        ))
        .ingress(&ingress("secure", &[(allow, "10.0.0.0/8")]).tls(&["secure.example"], "tls"))
        .start()
}

fn addresses_come_in_or_not(driver: Driver) {
    let area = served(driver);
    area.told(&[
        "\"10.0.0.0/8, everybody\" cannot be used: \"everybody\" is neither an address nor",
        "\"10.0.0.0/8,\" cannot be used: \"\" is neither an address nor",
        "\"10.0.0.0/8;192.0.2.1\" cannot be used",
        "\"ANY\" is taken for all, as in ingress-nginx.",
    ]);
    area.check(&lists());
    area.check(&any_or_all());
}

const NEAR: &str = "10.1.2.3";
const FAR: &str = "192.0.2.7";

fn lists() -> Vec<Row> {
    let (near, far) = (NEAR, FAR);
    vec![
        of(far, "open.example", 200),
        of(near, "allow.example", 200),
        of(far, "allow.example", 200),
        of("192.0.2.8", "allow.example", 403).says("403 Forbidden"),
        of("2001:db8::1", "allow.example", 200),
        of("2001:db9::1", "allow.example", 403),
        // As a dual-stack socket tells an address of IPv4.
        of("::ffff:10.1.2.3", "allow.example", 200),
        of("::ffff:192.0.2.8", "allow.example", 403),
        // Nobody's word but the load balancer's counts.
        of("192.0.2.8", "allow.example", 403).send("X-Forwarded-For", near),
        of("192.0.2.8", "allow.example", 403).send("X-Real-IP", near),
        of(near, "alias.example", 200),
        of(far, "alias.example", 403),
        of(near, "both.example", 403),
        of(far, "both.example", 200),
        of(near, "empty.example", 200),
        of(far, "empty.example", 403),
        of(near, "deny.example", 403),
        of("::ffff:10.1.2.3", "deny.example", 403),
        of("2001:db8::1", "deny.example", 403),
        of(far, "deny.example", 200),
        of(near, "some.example", 403),
        of("10.2.2.3", "some.example", 200),
        of(far, "some.example", 403),
        of(far, "all.example", 200),
        of("2001:db8::1", "all.example", 200),
        // Whom nobody can answer is not asked who he is.
        of(far, "gone.example", 503).says("503 Service Unavailable: the backend has no endpoints"),
        of(far, "stood-in.example", 403),
        of(near, "stood-in.example", 200),
        of(near, "bad.example", 503),
        of(near, "comma.example", 503),
        of(far, "worse.example", 503),
    ]
}

/// Each has to let a request pass, unless any does.
fn any_or_all() -> Vec<Row> {
    let (near, far) = (NEAR, FAR);
    vec![
        // Who has neither is sent to where one signs in.
        of(far, "sign.example", 302)
            .has("location", "https://sign.example/in?rd=http://sign.example%2F"),
        of(far, "sign.example", 200).send("Authorization", "Basic YW5uOnNlY3JldA=="),
        of(near, "each.example", 401),
        of(near, "each.example", 200).send("Authorization", ANN),
        of(far, "each.example", 403).send("Authorization", ANN).lacks("www-authenticate"),
        of(near, "typo.example", 401),
        of(far, "typo.example", 403).send("Authorization", ANN),
        of(near, "any.example", 200),
        of(near, "any.example", 200).send("Authorization", WRONG).saw_no("authorization"),
        of(far, "any.example", 401).has("www-authenticate", "Basic realm=\"\""),
        of(far, "any.example", 401).send("Authorization", WRONG),
        of(far, "any.example", 200).send("Authorization", ANN).saw_no("authorization"),
        // Whom a list of the denied does not mention has shown nothing.
        of(far, "but.example", 401),
        of(near, "but.example", 401),
        of(near, "but.example", 200).send("Authorization", ANN),
        of(near, "alone.example", 403),
        of(far, "alone.example", 200),
        of(near, "only.example", 200),
        of(far, "only.example", 403),
        // Browsers are told, and clients sent to https, before anyone is asked who he is.
        row("cors.example", "OPTIONS /", 204).by(far).send("Origin", "https://a.example"),
        of(far, "cors.example", 403).has("access-control-allow-origin", "*"),
        of(far, "secure.example", 308),
        of(far, "secure.example", 403).tls(),
        of(near, "secure.example", 200).tls(),
    ]
}
