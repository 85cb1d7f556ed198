//! What a platform team has for ingress-nginx is served from a directory, too.

use crate::for_each_driver;
use crate::harness::pki::Authority;
use crate::harness::platform::{self, Behind, Names, TEAMS, TOLD};
use crate::harness::row::{Way, check};
use crate::harness::{Builder, Client, Driver, datagrams, manifest, ports};

for_each_driver!(what_ingress_nginx_served_is_served_from_a_directory);

fn what_ingress_nginx_served_is_served_from_a_directory(driver: Driver) {
    let (behind, authority) = (Behind::start(|| "127.0.0.1:0".to_owned()), Authority::new());
    let [tcp, udp] = ports();
    let names = Names {
        home: "ingress-nginx".to_owned(),
        class: manifest::CLASS.to_owned(),
        teams: (0..TEAMS).map(|number| format!("team-{number}")).collect(),
        tcp: tcp.port(),
        udp: udp.port(),
    };
    let proxy = Builder::new(driver)
        .flag("--controller-class", format!("k8s.io/{}", names.class))
        .flag("--configmap", "ingress-nginx/ingress-nginx-controller")
        .flag("--tcp-services-configmap", "ingress-nginx/ingress-nginx-tcp")
        .flag("--udp-services-configmap", "ingress-nginx/ingress-nginx-udp")
        .manifests(platform::home(&names))
        .manifests(platform::teams(&names, &behind, &authority))
        .start();
    let trusting = authority.trusting(&[]);
    check(&platform::rows(&names), |Way { is_tls, name, .. }| match is_tls {
        false => proxy.client(),
        true => Client::connect(proxy.https).handshake(&trusting, name).expect("TLS"),
    });
    TOLD.iter().for_each(|words| proxy.wait_for_output(words));
    let answer = proxy.get("cart.t0.example", "/");
    let cookie = answer.field("set-cookie").unwrap_or_default();
    assert!(cookie.starts_with("CART="), "{cookie}");
    for attribute in ["Path=/", "Max-Age=3600", "HttpOnly", "SameSite=Lax"] {
        assert!(cookie.contains(&format!("; {attribute}")), "{attribute}: {cookie}");
    }
    assert_eq!(Client::connect(tcp).take(6), b"queue\n");
    let asked = datagrams::asked(&datagrams::asker(udp), "x");
    assert_eq!(asked.as_deref(), Some("names x"));
}
