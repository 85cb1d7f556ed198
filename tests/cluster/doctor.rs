//! `ringway doctor` with the flags and the account that the chart gives.

use serde_json::json;

use crate::harness::{ControlPlane, Endpoint, Installation, Network, Options, wait_until};
use crate::peers::pki::Authority;
use crate::peers::proxy::run;
use crate::scope::{replace, revoke};
use crate::tls;

crate::cases![
    an_installation_in_order_passes,
    a_missing_right_is_named_with_what_gives_it,
    problems_are_told_as_events_and_check_tell_them,
    an_api_server_that_is_away_is_told_with_advice,
];

/// The replica that a doctor may run beside.
const POD: &str = "ringway-0";

/// Text of the lines about `what`, each with its advice behind it.
fn lines(text: &str, what: &str) -> Vec<String> {
    let text = text.replace("\n         ", " ");
    let is_wanted = |line: &&str| {
        let rest = line.split_once(' ').map(|(_, rest)| rest.trim_start());
        rest.is_some_and(|rest| rest.starts_with(&format!("{what}: ")))
    };
    text.lines().filter(is_wanted).map(str::to_owned).collect()
}

/// An Ingress with TLS, its Secret and its Service.
fn site(installation: &Installation<'_>) {
    let objects = &installation.objects;
    objects.backend("web", &[Endpoint::ready(Network::new().address(1))]);
    objects.apply(tls::secret("cert", &Authority::new().issue(&["web.example"])));
    objects.apply(tls::with_tls(&installation.class, "web", "web.example", "cert"));
}

fn an_installation_in_order_passes() {
    let installation = Installation::new(ControlPlane::shared());
    site(&installation);
    let (code, text) = installation.doctor(POD, &[]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("\n0 errors, "), "{text}");
    for what in ["API server", "account", "rights", "class", "ingresses", "objects"] {
        let lines = lines(&text, what);
        assert!(lines.len() == 1 && lines[0].starts_with("ok "), "{what}: {text}");
    }
    let namespace = &installation.objects.namespace;
    let account = format!("system:serviceaccount:{namespace}:ringway");
    assert!(lines(&text, "account")[0].ends_with(&account), "{text}");
    assert!(lines(&text, "ingresses")[0].contains(", 1 of them ours"), "{text}");
}

fn a_missing_right_is_named_with_what_gives_it() {
    let installation = Installation::new(ControlPlane::shared());
    let namespace = &installation.objects.namespace;
    let before = revoke(&installation, "endpointslices");
    let (code, text) = installation.doctor(POD, &[]);
    assert_eq!(code, 1, "{text}");
    let rights = lines(&text, "rights");
    let expected = format!(
        "error    rights: system:serviceaccount:{namespace}:ringway may not list, watch \
         endpointslices (API group discovery.k8s.io) in all namespaces: no endpoint is found. \
         Install the chart with rbac.create=true, or: kubectl create clusterrole \
         ringway-list-watch-endpointslices --verb=list,watch \
         --resource=endpointslices.discovery.k8s.io && kubectl create clusterrolebinding \
         ringway-list-watch-endpointslices --clusterrole=ringway-list-watch-endpointslices \
         --serviceaccount={namespace}:ringway"
    );
    assert_eq!(rights, [expected]);
    // What depends on it is not judged, and that is said.
    let objects = lines(&text, "objects");
    assert!(objects.len() == 1 && objects[0].contains("endpointslices cannot be read"), "{text}");
    replace(&installation.objects, &before);

    // Routing works without this one.
    revoke(&installation, "ingresses/status");
    let (code, text) = installation.doctor(POD, &[]);
    let rights = lines(&text, "rights");
    assert_eq!(code, 0, "{text}");
    assert!(rights.len() == 1 && rights[0].starts_with("warning  "), "{text}");
    assert!(rights[0].contains("may not patch ingresses/status"), "{text}");
    replace(&installation.objects, &before);
    assert_eq!(installation.doctor(POD, &[]).0, 0);
}

fn problems_are_told_as_events_and_check_tell_them() {
    let installation = Installation::new(ControlPlane::shared());
    let (objects, class) = (&installation.objects, &installation.class);
    let mut ingress = tls::with_tls(class, "broken", "a.example", "none");
    objects.apply(ingress.clone());
    let _proxy = installation.start();
    let events = || installation.events("Ingress", "broken");
    wait_until("both Events", || events().len() == 2);

    let (code, told) = installation.doctor(POD, &[]);
    let is_error = told.contains("\nerror    objects: ");
    assert_eq!(code, i32::from(is_error), "{told}");
    ingress["apiVersion"] = json!("networking.k8s.io/v1");
    ingress["metadata"]["namespace"] = json!(objects.namespace);
    let folder = tempfile::tempdir().expect("temporary folder");
    let file = folder.path().join("ingress.json");
    std::fs::write(&file, ingress.to_string()).expect("a file");
    let class = format!("--ingress-class={class}");
    let (code, checked) = run(&["check", file.to_str().expect("text"), &class]);
    assert_eq!(code, 1, "{checked}");
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (told, checked) = (one_line(&told), one_line(&checked));
    for event in events() {
        let message = one_line(event["message"].as_str().expect("a message"));
        assert!(told.contains(&message), "{message}\n{told}");
        assert!(checked.contains(&message), "{message}\n{checked}");
    }
}

fn an_api_server_that_is_away_is_told_with_advice() {
    let mut control_plane = ControlPlane::start(Options::default());
    let url = control_plane.url().to_owned();
    let installation = Installation::new(&control_plane);
    let mut doctor = installation.doctor_command(POD, &[]);
    drop(installation);
    control_plane.stop_apiserver();
    let output = doctor.output().expect("the binary");
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(1), "{text}");
    let told = lines(&text, "API server");
    assert_eq!(told.len(), 1, "{text}");
    assert!(told[0].starts_with(&format!("error    API server: {url}")), "{text}");
    assert!(told[0].contains(&format!(" Try curl -k {url}/version from here")), "{text}");
    assert!(lines(&text, "rights").is_empty(), "{text}");
    assert!(text.contains("\n1 error, "), "{text}");
}
