//! What is done about Secret and configuration, and what is made.

use k8s_openapi::api::admissionregistration::v1::{ServiceReference, WebhookClientConfig};

use super::*;
use crate::limits::{ADMISSION_CERTIFICATE_LIFETIME, ADMISSION_CERTIFICATE_RENEWAL};
use crate::model::Kind;

fn names() -> Vec<String> {
    ["admit.ns.svc", "admit.ns.svc.cluster.local", "admit.ns"].map(String::from).to_vec()
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn secret(is_ours: bool, previous: Option<&str>) -> Secret {
    let data = material::make(&names(), now(), previous).unwrap();
    let mut secret = Secret { data: Some(data), ..Secret::default() };
    if is_ours {
        secret.metadata.annotations = Some([(MANAGED.into(), "true".into())].into());
    }
    secret
}

fn without(mut secret: Secret, key: &str) -> Secret {
    secret.data.as_mut().unwrap().remove(key);
    secret
}

fn with(mut secret: Secret, key: &str, value: &[u8]) -> Secret {
    secret.data.as_mut().unwrap().insert(key.into(), ByteString(value.to_vec()));
    secret
}

/// One word for each decision.
fn decided(secret: Option<&Secret>, names: &[String], at: SystemTime) -> &'static str {
    match decide(secret, names, at) {
        Decision::Use(_) => "use",
        Decision::Make(Some(_)) => "renew",
        Decision::Make(None) => "make",
        Decision::Refuse(_) => "refuse",
    }
}

#[test]
fn a_secret_of_ours_is_used_renewed_and_made_again() {
    let ours = secret(true, None);
    let renewal = now() + (ADMISSION_CERTIFICATE_LIFETIME - ADMISSION_CERTIFICATE_RENEWAL);
    let minute = Duration::from_secs(60);
    let other = ["other.ns.svc".to_owned()];
    let more: Vec<String> = names().into_iter().chain(["more.ns.svc".into()]).collect();
    for (secret, names, at, expected) in [
        (None, names(), now(), "make"),
        (Some(&Secret::default()), names(), now(), "make"),
        (Some(&ours), names(), now(), "use"),
        // A clock that is behind.
        (Some(&ours), names(), now() - 60 * minute, "use"),
        (Some(&ours), names(), renewal - minute, "use"),
        (Some(&ours), names(), renewal + minute, "renew"),
        (Some(&ours), names(), now() + ADMISSION_CERTIFICATE_LIFETIME + minute, "make"),
        (Some(&ours), other.to_vec(), now(), "make"),
        (Some(&ours), more, now(), "renew"),
        (Some(&without(ours.clone(), KEY)), names(), now(), "make"),
        (Some(&without(ours.clone(), CA)), names(), now(), "make"),
        (Some(&with(ours.clone(), CHAIN, b"garbage")), names(), now(), "make"),
        (Some(&with(ours.clone(), CA, b"garbage")), names(), now(), "make"),
    ] {
        assert_eq!(decided(secret, &names, at), expected, "{names:?} {at:?}");
    }
}

#[test]
fn a_secret_of_somebody_else_is_used_or_refused_and_never_written() {
    let theirs = secret(false, None);
    let end = now() + ADMISSION_CERTIFICATE_LIFETIME;
    let minute = Duration::from_secs(60);
    assert_eq!(decided(Some(&theirs), &names(), now()), "use");
    assert_eq!(decided(Some(&theirs), &names(), end - minute), "use");
    let foreign_ca = material::value(&secret(false, None), CA).unwrap().to_vec();
    let unnamed = ["-".to_owned()];
    for (secret, names, at, expected) in [
        (without(theirs.clone(), KEY), names(), now(), "it has no tls.key"),
        (with(theirs.clone(), CHAIN, b"x"), names(), now(), "the certificate chain holds no"),
        (with(theirs.clone(), CA, b"x"), names(), now(), "its ca.crt holds no usable"),
        (with(theirs.clone(), CA, &foreign_ca), names(), now(), "the API server would not trust"),
        (theirs.clone(), names(), end + minute, "the API server would not trust"),
        (theirs, unnamed.to_vec(), now(), "\"-\" is not a DNS name"),
    ] {
        match decide(Some(&secret), &names, at) {
            Decision::Refuse(error) => {
                assert!(error.to_string().starts_with(expected), "{error}");
            }
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn during_a_roll_over_both_cas_are_trusted() {
    let old = secret(true, None);
    let old_ca = material::first_pem(material::value(&old, CA).unwrap()).unwrap();
    let new = secret(true, Some(&old_ca));
    let bundle = material::value(&new, CA).unwrap();
    assert_eq!(String::from_utf8_lossy(bundle).matches("BEGIN").count(), 2);
    for serving in [&old, &new] {
        let told = with(serving.clone(), CA, bundle);
        Material::read(&told, &names()).unwrap().check(now()).unwrap();
    }
    // The next roll-over drops the oldest.
    let last = material::first_pem(bundle).unwrap();
    assert_ne!(last, old_ca);
    assert!(bundle.starts_with(last.as_bytes()));
    assert_eq!(
        material::first_pem(b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"),
        None
    );
}

fn configuration(webhooks: &[(&str, &str, Option<&[u8]>)]) -> ValidatingWebhookConfiguration {
    let webhook = |(name, service, ca): &(&str, &str, Option<&[u8]>)| ValidatingWebhook {
        name: (*name).into(),
        client_config: WebhookClientConfig {
            ca_bundle: ca.map(|ca| ByteString(ca.to_vec())),
            service: Some(ServiceReference {
                name: (*service).into(),
                namespace: "ns".into(),
                ..ServiceReference::default()
            }),
            url: None,
        },
        ..ValidatingWebhook::default()
    };
    ValidatingWebhookConfiguration {
        metadata: ObjectMeta { resource_version: Some("7".into()), ..ObjectMeta::default() },
        webhooks: Some(webhooks.iter().map(webhook).collect()),
    }
}

#[test]
fn only_the_ca_of_our_entries_is_written_and_only_if_it_differs() {
    let service = ObjectRef { kind: Kind::Service, namespace: "ns".into(), name: "admit".into() };
    let decided = |webhooks: &[_]| decide_bundle(&configuration(webhooks), &service, b"ca");
    assert_eq!(decided(&[]), Bundle::NotOurs);
    assert_eq!(decided(&[("a", "other", None)]), Bundle::NotOurs);
    assert_eq!(decided(&[("a", "admit", Some(b"ca"))]), Bundle::Settled);
    let mixed: [(&str, &str, Option<&[u8]>); 4] = [
        ("a", "admit", Some(b"ca")),
        ("b", "admit", None),
        ("c", "other", Some(b"x")),
        ("d", "admit", Some(b"old")),
    ];
    let expected = serde_json::json!({
        "metadata": { "resourceVersion": "7" },
        "webhooks": [
            { "name": "b", "clientConfig": { "caBundle": "Y2E=" } },
            { "name": "d", "clientConfig": { "caBundle": "Y2E=" } },
        ],
    });
    assert_eq!(decided(&mixed), Bundle::Patch(expected));
    let mut injected = configuration(&mixed);
    let name = format!("{INJECTED}-secret");
    injected.metadata.annotations = Some([(name, "ns/ca".into())].into());
    assert_eq!(decide_bundle(&injected, &service, b"ca"), Bundle::Settled);
}

#[test]
fn a_watch_ends_with_what_the_api_server_said() {
    let said = "secrets \"x\" is forbidden: User \"a\" cannot list resource";
    let status = || Box::new(kube::core::Status::failure(said, "").with_code(403));
    for error in [
        watcher::Error::InitialListFailed(kube::Error::Api(status())),
        watcher::Error::WatchError(status()),
    ] {
        assert!(matches!(CallError::from(error), CallError::Refused(_)));
    }
    assert!(matches!(CallError::from(watcher::Error::NoResourceVersion), CallError::Failed(_)));
}

#[test]
fn what_goes_wrong_is_told_on_the_object_that_it_is_about() {
    let object =
        |name: &str| ObjectRef { kind: Kind::Secret, namespace: "ns".into(), name: name.into() };
    let (secret, service) = (object("admission"), object("admit"));
    let options = CertificateOptions { secret, service, configuration: "ringway".to_owned() };
    let refused = CallError::Refused("no".into());
    for (problem, word, about) in [
        (
            options.call_problem(Part::Secret, "read", &refused),
            "AdmissionApiCall",
            "Secret ns/admission",
        ),
        (
            options.misconfigured("a.", "b."),
            "AdmissionConfiguration",
            "ValidatingWebhookConfiguration ringway",
        ),
    ] {
        assert_eq!(problem.reason, word);
        assert_eq!(problem.object.map(|object| object.to_string()).as_deref(), Some(about));
    }
}
