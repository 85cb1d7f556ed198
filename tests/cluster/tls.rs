//! Certificates come from Secrets that Ingresses name, and only those are read.

use serde_json::{Value, json};

use crate::harness::objects::ingress;
use crate::harness::{Installation, wait_until};
use crate::peers::pki::{Authority, Leaf};
use crate::peers::{Client, Proxy};

crate::cases![
    a_certificate_is_served_with_its_ingress_and_rotated,
    a_secret_that_comes_late_is_read,
    a_new_host_never_shows_another_certificate,
    a_version_that_cannot_be_used_takes_no_certificate_away,
];

pub(crate) fn secret(name: &str, leaf: &Leaf) -> Value {
    json!({
        "kind": "Secret",
        "metadata": { "name": name },
        "type": "kubernetes.io/tls",
        "stringData": { "tls.crt": leaf.chain, "tls.key": leaf.key },
    })
}

pub(crate) fn with_tls(class: &str, name: &str, host: &str, secret: &str) -> Value {
    let mut object = ingress(class, name, host, "web");
    object["spec"]["tls"] = json!([{ "hosts": [host], "secretName": secret }]);
    object
}

/// The leaf that a client is shown, in DER.
#[track_caller]
fn shown(proxy: &Proxy, authority: &Authority, host: &str) -> Option<Vec<u8>> {
    let client = Client::connect(proxy.https);
    let mut client = client.handshake(&authority.trusting(&[]), host).ok()?;
    Some(client.session().peer_certificates()?.first()?.as_ref().to_vec())
}

fn a_certificate_is_served_with_its_ingress_and_rotated() {
    let authority = Authority::new();
    let (installation, _web) = Installation::with_web();
    let (objects, class) = (&installation.objects, &installation.class);
    objects.apply(secret("cert", &authority.issue(&["tls.example"])));
    objects.apply(with_tls(class, "tls", "tls.example", "cert"));
    let proxy = installation.start();
    let first = shown(&proxy, &authority, "tls.example").expect("the certificate at once");
    objects.apply(secret("cert", &authority.issue(&["tls.example"])));
    wait_until("the next certificate", || {
        shown(&proxy, &authority, "tls.example").is_some_and(|now| now != first)
    });
    // A broken one leaves the last good one in force, and its users are told.
    let next = shown(&proxy, &authority, "tls.example");
    let broken = Leaf { chain: "no certificate".into(), key: "no key".into() };
    objects.apply(secret("cert", &broken));
    wait_until("the Event", || {
        let events = installation.events("Ingress", "tls");
        events.iter().any(|event| event["reason"] == "CertificateInvalid")
    });
    assert_eq!(shown(&proxy, &authority, "tls.example"), next);
}

fn a_secret_that_comes_late_is_read() {
    let authority = Authority::new();
    let (installation, _web) = Installation::with_web();
    let (objects, class) = (&installation.objects, &installation.class);
    let proxy = installation.start();
    objects.apply(with_tls(class, "late", "late.example", "late"));
    wait_until("the route", || proxy.get("late.example", "/").status() == 308);
    assert_eq!(shown(&proxy, &authority, "late.example"), None);
    objects.apply(secret("late", &authority.issue(&["late.example"])));
    wait_until("the certificate", || shown(&proxy, &authority, "late.example").is_some());
    objects.delete("Secret", "late");
    wait_until("none", || shown(&proxy, &authority, "late.example").is_none());
}

fn a_new_host_never_shows_another_certificate() {
    let authority = Authority::new();
    let (installation, _web) = Installation::with_web();
    let (objects, class) = (&installation.objects, &installation.class);
    let proxy = installation.start();
    for number in 0..10 {
        let (name, host) = (format!("new-{number}"), format!("new-{number}.example"));
        objects.apply(secret(&name, &authority.issue(&[&host])));
        objects.apply(with_tls(class, &name, &host, &name));
        // The redirect tells that the Ingress is in force; from then on its certificate is too.
        wait_until("the host", || proxy.get(&host, "/").status() == 308);
        assert!(shown(&proxy, &authority, &host).is_some(), "{host}");
    }
    assert!(!proxy.output().contains("there is no Secret"), "{}", proxy.output());
}

fn a_version_that_cannot_be_used_takes_no_certificate_away() {
    let authority = Authority::new();
    let (installation, _web) = Installation::with_web();
    let (objects, class) = (&installation.objects, &installation.class);
    objects.apply(secret("kept", &authority.issue(&["kept.example"])));
    objects.apply(with_tls(class, "kept", "kept.example", "kept"));
    let proxy = installation.start();
    let first = shown(&proxy, &authority, "kept.example").expect("the certificate at once");
    let mut unusable = ingress(class, "kept", "kept.example", "web");
    unusable["spec"]["rules"][0]["http"]["paths"][0]["backend"] =
        json!({ "resource": { "apiGroup": "example", "kind": "Bucket", "name": "b" } });
    objects.apply(unusable);
    wait_until("the Event", || {
        let events = installation.events("Ingress", "kept");
        events.iter().any(|event| event["reason"] == "LastGoodVersion")
    });
    assert_eq!(shown(&proxy, &authority, "kept.example").as_ref(), Some(&first));
    // Renewals go on.
    objects.apply(secret("kept", &authority.issue(&["kept.example"])));
    wait_until("the next certificate", || {
        shown(&proxy, &authority, "kept.example").is_some_and(|now| now != first)
    });
}
