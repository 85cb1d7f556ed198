//! How much one client may ask, how much it may send, and how fast it is answered.

use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Area, Row, row};
use crate::for_each_driver;
use crate::harness::PathType::Prefix;
use crate::harness::frames::{Http2, get, reset};
use crate::harness::{
    Backend, Builder, Client, Driver, Gate, Ingress, Proxy, manifest, wait_until,
};

for_each_driver!(
    limits_mean_what_they_say,
    as_many_pass_on_every_number_of_cores,
    requests_under_way_are_counted,
    a_told_client_counts,
    a_burst_is_that_of_nginx,
    as_many_are_under_way_as_with_nginx,
);

const REQUESTS_MAX: usize = 40;

/// Limits by the minute: no test takes so long that time gives anything.
fn twice(name: &str, host: &str) -> Ingress {
    let ingress = Ingress::new(name).nginx("limit-rpm", "1").nginx("limit-burst-multiplier", "1");
    ingress.host(host).path("/", Prefix, "web")
}

/// Each Ingress with a host of its name.
fn area(driver: Driver) -> Area {
    let plain = |name: &str, host: &str| Ingress::simple(name, host, "web");
    Area::new(driver)
        .echoes(&["web"])
        .certificate("tls", &["secure.example"])
        .ingress(&twice("two", "two.example").path("/other", Prefix, "web"))
        // Of the same host, with a zone of its own.
        .ingress(
            &Ingress::new("apart")
                .nginx("limit-rpm", "1")
                .nginx("limit-burst-multiplier", "0")
                .host("two.example")
                .path("/apart", Prefix, "web"),
        )
        .ingress(&plain("default", "default.example").nginx("limit-rpm", "1"))
        .ingress(&plain("rps", "rps.example").nginx("limit-rps", "1"))
        .ingress(&twice("both", "both.example").nginx("limit-rps", "1000"))
        .ingress(&twice("exempt", "exempt.example").nginx("limit-allowlist", "10.0.0.1,127.0.0.1"))
        .ingress(&twice("alias", "alias.example").nginx("limit-whitelist", "127.0.0.0/8"))
        .ingress(
            &twice("others", "others.example")
                .nginx("limit-allowlist", "10.0.0.0/8")
                .nginx("limit-whitelist", "127.0.0.0/8"),
        )
        .ingress(&twice("nobody", "nobody.example").nginx("limit-allowlist", "127.0.0.1;"))
        .ingress(&plain("words", "words.example").nginx("limit-rps", "ten"))
        .ingress(&plain("minus", "minus.example").nginx("limit-connections", "-1"))
        .ingress(&plain("off", "off.example").nginx("limit-rps", "0").nginx("limit-rpm", ""))
        .ingress(&twice("size", "size.example").nginx("proxy-body-size", "1k"))
        .ingress(&plain("mega", "mega.example"))
        .ingress(&plain("any", "any.example").nginx("proxy-body-size", "0"))
        .ingress(&plain("bits", "bits.example").nginx("proxy-body-size", "8b"))
        .ingress(&plain("knobs", "knobs.example").nginx("proxy-buffering", "maybe"))
        .ingress(
            &twice("secure", "secure.example")
                .nginx("ssl-redirect", "true")
                .tls(&["secure.example"], "tls"),
        )
}

fn limits_mean_what_they_say(driver: Driver) {
    let area = area(driver).start();
    area.told(&[
        "limit-rps: \"ten\" cannot be used: it is no number from 0 to 1000000.",
        "limit-connections: \"-1\" cannot be used",
        "limit-allowlist: \"127.0.0.1;\" cannot be used",
        "proxy-body-size: \"8b\" cannot be used: it is no size.",
        "proxy-buffering: \"maybe\" cannot be used: it is no switch.",
    ]);
    let several = |row: Row, times: usize| vec![row; times];
    let rows = [
        // The paths of an Ingress count together, another Ingress does not.
        vec![row("two.example", "/", 200), row("two.example", "/other", 200)],
        several(row("two.example", "/", 503).says("too many requests"), 3),
        vec![row("two.example", "/other", 503), row("two.example", "/apart", 200)],
        vec![row("two.example", "/apart", 503)],
        several(row("default.example", "/", 200), 6),
        several(row("default.example", "/", 503), 2),
        several(row("rps.example", "/", 200), 6),
        several(row("both.example", "/", 200), 2),
        several(row("both.example", "/", 503), 2),
        several(row("exempt.example", "/", 200), 5),
        several(row("alias.example", "/", 200), 5),
        // The alias is read only without the name itself.
        several(row("others.example", "/", 200), 2),
        vec![row("others.example", "/", 503)],
        several(row("nobody.example", "/", 200), 2),
        vec![row("nobody.example", "/", 503)],
        vec![row("words.example", "/", 503), row("minus.example", "/", 503)],
        several(row("off.example", "/", 200), 9),
        // Who sends too much, or is sent elsewhere, has not asked.
        several(row("size.example", "POST /", 413).send("Content-Length", "1025"), 3),
        several(row("size.example", "POST /", 200).body("x".repeat(1024)), 2),
        vec![row("size.example", "/", 503)],
        several(row("secure.example", "/", 308), 3),
        several(row("secure.example", "/", 200).tls(), 2),
        vec![row("secure.example", "/", 503).tls()],
        vec![row("mega.example", "POST /", 200).body("x".repeat(1 << 20))],
        vec![row("mega.example", "POST /", 413).send("Content-Length", "1048577")],
        vec![row("any.example", "POST /", 200).body("x".repeat((1 << 20) + 1))],
        vec![row("bits.example", "POST /", 413).send("Content-Length", "1048577")],
        vec![row("knobs.example", "/", 200)],
    ];
    area.check(&rows.concat());
    let refused = area.proxy.metric("ringway_client_rate_exceeded_total", &[]);
    assert!(refused >= 12.0, "{refused}");
    // What else changes resets nothing; what is made anew under another name does.
    area.proxy.write("more.yaml", &twice("more", "more.example").yaml());
    area.proxy.wait_for_status("more.example", "/", 200);
    area.check(&[row("two.example", "/", 503), row("more.example", "/", 200)]);
    area.check(&[row("more.example", "/", 503)]);
    area.proxy.write("more.yaml", &twice("else", "more.example").yaml());
    area.proxy.wait_for_status("more.example", "/", 200);
}

/// How many of many requests pass that come at once over as many connections.
fn passes(proxy: &Proxy) -> usize {
    let clients: Vec<_> = (0..16).map(|_| proxy.client()).collect();
    let ask = |mut client: Client| {
        let statuses = (0..REQUESTS_MAX).map(|_| client.get("a.example", "/").status());
        statuses.filter(|status| *status == 200).count()
    };
    let threads = clients.into_iter().map(|client| std::thread::spawn(move || ask(client)));
    let threads: Vec<_> = threads.collect();
    threads.into_iter().map(|thread| thread.join().expect("a client")).sum()
}

fn as_many_pass_on_every_number_of_cores(driver: Driver) {
    let backend = Backend::echo("a");
    for cores in [1, 2, 4] {
        let ingress = Ingress::simple("a", "a.example", "web");
        let limits = ingress.nginx("limit-rpm", "1").nginx("limit-burst-multiplier", "99");
        let proxy = Builder::new(driver)
            .cores(cores)
            .manifests(manifest::backend("web", &[backend.address()]) + &limits.yaml())
            .start();
        assert_eq!(passes(&proxy), 100, "{cores} cores");
    }
}

fn requests_under_way_are_counted(driver: Driver) {
    let gate = Gate::new();
    let held = {
        let gate = gate.clone();
        Backend::scripted(move |mut connection| {
            loop {
                if connection.read_request()?.target() == "/held" {
                    gate.wait();
                }
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
            }
        })
    };
    let slow = Backend::fixed(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 3072\r\n\r\n{}",
        "x".repeat(3072)
    ));
    let area = Area::new(driver)
        .backend("web", held)
        .backend("slow", slow)
        .ingress(&Ingress::simple("a", "a.example", "web").nginx("limit-connections", "3"))
        .ingress(
            &Ingress::simple("pace", "pace.example", "slow")
                .nginx("limit-rate", "1")
                .nginx("limit-rate-after", "1"),
        )
        .start();
    let proxy = &area.proxy;
    let mut clients: Vec<_> = (0..2).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send("GET /held HTTP/1.1\r\nHost: a.example\r\n\r\n");
    }
    let mut http2 = Http2::connect(proxy.http);
    http2.send(get(1, "/held"));
    wait_until("all to be under way", || {
        area.backend("web").received_text().matches("/held").count() == 3
    });
    assert_eq!(proxy.get("a.example", "/").status(), 503);
    assert_eq!(http2.get(3, "/").status, 503);
    // Whoever leaves makes room.
    http2.send(reset(1, 8));
    wait_until("room for another one", || proxy.get("a.example", "/").status() == 200);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().status(), 200);
    }
    for _ in 0..20 {
        assert_eq!(proxy.get("a.example", "/").status(), 200, "one after the other");
    }
    assert!(proxy.metric("ringway_client_room_exceeded_total", &[]) >= 2.0);
    // 2 KiB at once, the third in the next second.
    let began = Instant::now();
    assert_eq!(proxy.get("pace.example", "/").body.len(), 3072);
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
}

/// The load balancer's own address is nobody's.
fn a_told_client_counts(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Builder::new(driver)
        .flag("--proxy-protocol-trusted", "127.0.0.1")
        .manifests(manifest::backend("web", &[backend.address()]) + &twice("a", "a.example").yaml())
        .start();
    let statuses = |family: &str, address: &str, other: &str| {
        let ask = |_| {
            let mut client = proxy.client();
            client.send(format!("PROXY {family} {address} {other} 4000 80\r\n"));
            client.get("a.example", "/").status()
        };
        (0..3).map(ask).collect::<Vec<_>>()
    };
    for address in ["203.0.113.7", "203.0.113.8"] {
        assert_eq!(statuses("TCP4", address, "192.0.2.1"), [200, 200, 503], "{address}");
    }
    // All bits of an address count.
    for address in ["2001:db8::1", "2001:db8::2"] {
        assert_eq!(statuses("TCP6", address, "2001:db8::9"), [200, 200, 503], "{address}");
    }
}

struct Nginx {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// nginx in front of `backend`, with these directives at each path and a zone for each rate.
fn nginx(backend: &Backend, zones: &str, locations: &str) -> Nginx {
    let folder = tempfile::tempdir().expect("a folder");
    let address = Backend::closed_address();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|of| format!("{of}_temp_path {of};\n")).concat();
    let upstream = backend.address();
    let text = format!(
        "daemon off; master_process off; pid pid; error_log stderr crit;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}{zones}\nserver {{\nlisten {address};\n\
         {locations}\nlocation / {{ proxy_pass http://{upstream}; }}\n}}\n}}\n"
    );
    std::fs::write(
        folder.path().join("nginx.conf"),
        text.replace("BACKEND", &upstream.to_string()),
    )
    .expect("written");
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder.path()).args(["-c", "nginx.conf", "-e", "stderr"]);
    let child = command.stdin(Stdio::null()).spawn();
    let child = child.unwrap_or_else(|error| panic!("nginx: {error}; `make setup` installs it"));
    let nginx = Nginx { child, address, _folder: folder };
    wait_until("nginx", || TcpStream::connect(address).is_ok());
    nginx
}

/// In one go: requests that pass, of far more.
fn a_burst_is_that_of_nginx(driver: Driver) {
    let backend = Backend::echo("web");
    let rates = [(1, 5), (2, 3), (1, 0), (3, 1)];
    let zone = |(rate, times): (u32, u32)| {
        format!("limit_req_zone $binary_remote_addr zone=z{rate}{times}:1m rate={rate}r/m;\n")
    };
    let location = |(rate, times): (u32, u32)| {
        let burst = match rate * times {
            0 => String::new(),
            burst => format!("burst={burst} nodelay"),
        };
        format!(
            "location /z{rate}{times} {{ limit_req zone=z{rate}{times} {burst}; \
             proxy_pass http://BACKEND; }}\n"
        )
    };
    let nginx = nginx(&backend, &rates.map(zone).concat(), &rates.map(location).concat());
    let ingress = |(rate, times): (u32, u32)| {
        let name = format!("z{rate}{times}");
        let ingress = Ingress::new(&name).nginx("limit-rpm", &rate.to_string());
        let ingress = ingress.nginx("limit-burst-multiplier", &times.to_string());
        ingress.host("a.example").path(&format!("/{name}"), Prefix, "web").yaml()
    };
    let manifests = manifest::backend("web", &[backend.address()]) + &rates.map(ingress).concat();
    let proxy = Proxy::start(driver, manifests);
    let passed = |address| {
        let mut client = Client::connect(address);
        rates.map(|(rate, times)| {
            let path = format!("/z{rate}{times}");
            let statuses = (0..20).map(|_| client.get("a.example", &path).status());
            let statuses: Vec<_> = statuses.collect();
            let passed = statuses.iter().filter(|status| **status == 200).count();
            assert!(statuses.iter().all(|status| matches!(status, 200 | 503)), "{statuses:?}");
            (passed, statuses.iter().position(|status| *status == 503))
        })
    };
    let theirs = passed(nginx.address);
    assert_eq!(passed(proxy.http), theirs);
    assert_eq!(theirs.map(|(passed, _)| passed), [6, 7, 1, 4]);
}

fn as_many_are_under_way_as_with_nginx(driver: Driver) {
    let gate = Gate::new();
    let held = gate.clone();
    let backend = Backend::scripted(move |mut connection| {
        loop {
            if connection.read_request()?.target() == "/held" {
                held.wait();
            }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
    });
    let zone = "limit_conn_zone $binary_remote_addr zone=open:1m;";
    let held = "location /held { limit_conn open 2; proxy_pass http://BACKEND; }";
    let nginx = nginx(&backend, zone, held);
    let ingress = Ingress::new("a").nginx("limit-connections", "2").host("a.example");
    let manifests = manifest::backend("web", &[backend.address()])
        + &ingress.path("/held", Prefix, "web").yaml();
    let proxy = Proxy::start(driver, manifests);
    let mut open = Vec::new();
    for address in [proxy.http, nginx.address] {
        for _ in 0..2 {
            let mut client = Client::connect(address);
            client.send("GET /held HTTP/1.1\r\nHost: a.example\r\n\r\n");
            open.push(client);
        }
        wait_until("both to be under way", || {
            backend.received_text().matches("/held").count() == open.len()
        });
        assert_eq!(Client::connect(address).get("a.example", "/held").status(), 503);
    }
    gate.open();
    for client in &mut open {
        assert_eq!(client.response().status(), 200);
        assert_eq!(client.get("a.example", "/held").status(), 200, "one after the other");
    }
}
