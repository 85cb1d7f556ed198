//! A cluster as a platform team runs it with ingress-nginx: what its chart installs, settings,
//! ports of TCP and UDP, eight teams with twenty Ingresses each; and what is answered there.

use std::fmt::Write as _;
use std::net::{SocketAddr, UdpSocket};

use super::datagrams;
use super::pki::Authority;
use super::row::{Row, row};
use super::{Backend, manifest};

/// What the chart installs.
const HOME: &str = include_str!("platform/home.yaml");

/// What each team has.
const TEAM: &str = include_str!("platform/team.yaml");

/// How many teams there are.
pub(crate) const TEAMS: usize = 8;

/// Names that differ from cluster to cluster.
pub(crate) struct Names {
    /// Namespace of the controller.
    pub(crate) home: String,
    /// Name of the IngressClass; its controller is `k8s.io/` and this.
    pub(crate) class: String,
    /// Namespaces of the teams.
    pub(crate) teams: Vec<String>,
    /// Port of the TCP service.
    pub(crate) tcp: u16,
    /// Port of the UDP service.
    pub(crate) udp: u16,
}

/// Everything behind the Services, alike for all teams.
pub(crate) struct Behind {
    services: Vec<(&'static str, Vec<Backend>)>,
    /// Greets whoever connects.
    queue: Backend,
    names: SocketAddr,
}

impl Behind {
    /// Starts it at these addresses, `IP:PORT` each.
    pub(crate) fn start(mut at: impl FnMut() -> String) -> Self {
        let answer = |head: &str| format!("HTTP/1.1 {head}Content-Length: 0\r\n\r\n");
        let signed_in = answer("202 Accepted\r\nX-Auth-Request-User: ann\r\n");
        let stranger = answer("401 Unauthorized\r\n");
        let services = vec![
            ("web", vec![Backend::echo_at(&at(), "web")]),
            ("api", vec![Backend::echo_at(&at(), "api"), Backend::echo_at(&at(), "api")]),
            ("next", vec![Backend::echo_at(&at(), "next")]),
            ("pages", vec![Backend::echo_at(&at(), "pages")]),
            ("signed-in", vec![Backend::fixed_at(&at(), signed_in)]),
            ("stranger", vec![Backend::fixed_at(&at(), stranger)]),
        ];
        let queue = Backend::greeting_at(&at(), "queue\n");
        Self { services, queue, names: datagrams::answerer_at(&at(), "names") }
    }

    /// Services and endpoints of a team.
    fn objects(&self, team: &str) -> String {
        let http = self.services.iter().map(|(name, backends)| {
            let addresses: Vec<_> = backends.iter().map(Backend::address).collect();
            manifest::backend(name, &addresses)
        });
        let queue = manifest::backend("queue", &[self.queue.address()]);
        let names = manifest::backend("names", &[self.names]).replace("TCP", "UDP");
        // The ports of the Services, not those of the endpoints.
        let queue = queue.replace("port: 80\n", "port: 5672\n");
        let names = names.replace("port: 80\n", "protocol: UDP\n      port: 53\n");
        let all: String = http.chain([queue, names]).collect();
        all.replace("namespace: default", &format!("namespace: {team}"))
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        drop(UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(b"", self.names)));
    }
}

/// What the platform team installed.
pub(crate) fn home(names: &Names) -> String {
    let team = names.teams.first().map_or("", String::as_str);
    let text = HOME.replace("@home@", &names.home).replace("@class@", &names.class);
    let text = text.replace("@tcp@", &names.tcp.to_string()).replace("@ns@", team);
    text.replace("@udp@", &names.udp.to_string()) + "---\n"
}

/// What all teams have.
pub(crate) fn teams(names: &Names, behind: &Behind, authority: &Authority) -> String {
    let mut all = String::new();
    for (number, namespace) in names.teams.iter().enumerate() {
        let team = team(number);
        let text = TEAM.replace("@ns@", namespace).replace("@class@", &names.class);
        let shop = format!("shop.{team}.example");
        let leaf = authority.issue(&[&shop, &format!("www.{shop}")]);
        let secret = manifest::tls_secret("shop-tls", &leaf.chain, &leaf.key);
        let secret = secret.replace("namespace: default", &format!("namespace: {namespace}"));
        let text = text.replace("@team@", &team);
        write!(all, "{text}---\n{secret}{}", behind.objects(namespace)).expect("a text");
    }
    all
}

/// What its hosts are named after.
fn team(number: usize) -> String {
    format!("t{number}")
}

/// What ingress-nginx answers there, but for the differences of docs/compatibility.md.
pub(crate) fn rows(names: &Names) -> Vec<Row> {
    let teams = names.teams.iter().enumerate();
    teams.flat_map(|(number, namespace)| Team { name: &team(number), namespace }.rows()).collect()
}

/// One of the teams.
struct Team<'t> {
    name: &'t str,
    namespace: &'t str,
}

impl Team<'_> {
    fn host(&self, app: &str) -> String {
        format!("{app}.{}.example", self.name)
    }

    fn at(&self, app: &str, request: &str, status: u16) -> Row {
        row(self.host(app), request, status)
    }

    fn rows(&self) -> Vec<Row> {
        [self.settings(), self.access(), self.answers(), self.redirects_and_fields()].concat()
    }

    /// Settings of all, and a host of regular expressions.
    fn settings(&self) -> Vec<Row> {
        vec![
            self.at("shop", "/a/", 308).has("location", format!("https://{}/a", self.host("shop"))),
            self.at("shop", "/", 200)
                .send("X-Forwarded-Proto", "https")
                .from("web")
                .saw_field("x-forwarded-proto", "https")
                .saw_field("x-edge", self.host("shop"))
                .has("x-served-by", "platform")
                .lacks("x-powered-by"),
            self.at("shop", "/api/x", 200)
                .tls()
                .send("X-Forwarded-For", "192.0.2.9")
                .from("api")
                .saw("/api/x")
                .saw_field("x-real-ip", "192.0.2.9")
                .saw_field("x-forwarded-for", "192.0.2.9, 127.0.0.1")
                .has("strict-transport-security", "max-age=15724800"),
            self.at("www.shop", "/", 200).tls().from("web"),
            self.at("shop", "/", 200)
                .tls()
                .send("Accept-Encoding", "gzip")
                .send("X-Long", "x".repeat(2000))
                .has("content-encoding", "gzip"),
            self.at("shop", "/", 403)
                .tls()
                .send("User-Agent", "Mozilla/5.0 (compatible; gptbot/1.2)"),
            self.at("nobody", "/", 404).has("x-served-by", "platform"),
            // A host of regular expressions, whoever its Ingresses are.
            self.at("api", "/v1/users?x=1", 200)
                .from("api")
                .saw("/users?x=1")
                .saw_field("x-forwarded-prefix", "/v1"),
            self.at("api", "/V1", 200).from("api").saw("/"),
            self.at("api", "/docsearch", 200).from("web"),
            self.at("api", "/other", 404),
        ]
    }

    /// Who may come in.
    fn access(&self) -> Vec<Row> {
        vec![
            self.at("app", "/", 200)
                .send("X-Auth-Request-Email", "forged@example")
                .from("web")
                .saw_field("x-auth-request-user", "ann")
                .saw_no("x-auth-request-email"),
            self.at("gate", "/a?b=c", 302).has(
                "location",
                format!(
                    "https://{}/oauth2/start?rd=http://{}%2Fa%3Fb%3Dc",
                    self.host("login"),
                    self.host("gate")
                ),
            ),
            self.at("ops", "/", 403),
            self.at("ops", "/", 401)
                .send("X-Forwarded-For", "10.1.2.3")
                .has("www-authenticate", "Basic realm=\"Operators\""),
            self.at("ops", "/", 200)
                .send("X-Forwarded-For", "192.0.2.7")
                .send("Authorization", "Basic b3BzOnNlY3JldA==")
                .from("web")
                .saw_no("authorization"),
            self.at("partner", "/", 200).from("web").saw_field("host", self.host("inner")),
            self.at("partner", "/", 403).send("X-Forwarded-For", "203.0.113.9"),
            self.at("www.partner", "/x/", 308)
                .send("X-Forwarded-Port", "80")
                .has("location", format!("http://{}:80/x", self.host("partner"))),
            self.at("limited", "/", 200).from("web"),
            self.at("limited", "/", 200).from("web"),
            self.at("limited", "/", 429),
            self.at("uploads", "POST /files/x", 413).body("x".repeat(2048)),
            self.at("uploads", "POST /files/x", 200).body("x").from("web").saw_body("x"),
            self.at("uploads", "/files", 301)
                .has("location", format!("http://{}/files/", self.host("uploads"))),
        ]
    }

    /// Who answers.
    fn answers(&self) -> Vec<Row> {
        vec![
            self.at("checkout", "/", 200).from("web"),
            self.at("checkout", "/", 200).send("X-Canary", "always").from("next"),
            self.at("checkout", "/", 200).send("Cookie", "canary=always").from("next"),
            self.at("checkout", "/", 200)
                .send("X-Canary", "never")
                .send("Cookie", "canary=always")
                .from("web"),
            self.at("search", "/?q=1", 200).from("api"),
            self.at("cart", "/", 200).from("api"),
            self.at("a.preview", "/", 200).from("next"),
            self.at("a.b.preview", "/", 404),
            self.at("broken", "/x", 200)
                .from("pages")
                .saw("/x")
                .saw_field("x-code", "503")
                .saw_field("x-namespace", self.namespace)
                .saw_field("x-ingress-name", "broken")
                .saw_field("x-service-name", "gone"),
        ]
    }

    /// Redirects, names and fields.
    fn redirects_and_fields(&self) -> Vec<Row> {
        vec![
            self.at("old", "/x", 308).has("location", format!("https://{}/new", self.host("shop"))),
            self.at("legacy", "/", 308).has("location", format!("https://{}", self.host("legacy"))),
            self.at("wiki", "/", 302)
                .has("location", format!("http://{}/start", self.host("wiki"))),
            self.at("wiki-old", "/x", 200).from("web"),
            // Fields.
            self.at("assets", "OPTIONS /", 204)
                .send("Origin", "https://a.partner.example")
                .has("access-control-allow-origin", "https://a.partner.example")
                .has("access-control-allow-methods", "GET, OPTIONS")
                .has("access-control-max-age", "3600"),
            self.at("assets", "/", 200)
                .send("Origin", "https://a.b.partner.example")
                .lacks("access-control-allow-origin")
                .has("x-team", self.name)
                .has("referrer-policy", "no-referrer"),
            self.at("portal", "/", 200)
                .from("web")
                .has("x-frame-options", "DENY")
                .has("content-security-policy", "default-src 'self'")
                .saw_field("x-portal", self.host("portal")),
            self.at("portal", "DELETE /", 405),
            self.at("portal", "/internal", 403),
            self.at("portal", "/.well-known/caldav", 301)
                .has("location", format!("http://{}/dav", self.host("portal"))),
        ]
    }
}

/// What becomes of annotations that ingress-nginx ignores is told, and so is a missing Service.
pub(crate) const TOLD: [&str; 3] = ["proxy-connect-timeout", "rate-limit", "there is no Service"];
