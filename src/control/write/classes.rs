//! The finalizer of GatewayClasses that Gateways use: none of them goes before its Gateways.
//!
//! Source: Gateway API, `GatewayClassFinalizerGatewaysExist`. Of a class nothing else is changed:
//! the finalizers are written back as they were read, with the version that they were read from.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use kube::api::{Api, ListParams, ObjectMeta, PartialObjectMeta, Patch, PatchParams};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;

use super::lease::Leadership;
use super::rights::{Right, Rights};
use crate::control::calls::{CallError, call, jitter};
use crate::control::conditions::{ClassUse, Content};
use crate::control::gateway_api::class::GatewayClass;
use crate::control::outcomes::Outcome;
use crate::limits::{API_CALL_TIMEOUT, GATEWAY_CLASSES_REFRESH, KUBE_REFUSED_RETRY, LEASE_RETRY};
use crate::model::{Kind, ObjectRef};

const FINALIZER: &str = "gateway-exists-finalizer.gateway.networking.k8s.io";

/// Of classes of ours.
pub(super) type Uses = BTreeMap<ObjectRef, ClassUse>;

/// Takes what became of classes; whether some use is another one.
pub(super) fn note(uses: &mut Uses, outcomes: &BTreeMap<ObjectRef, Outcome>) -> bool {
    let mut is_news = false;
    for (class, outcome) in outcomes.iter().filter(|(object, _)| object.kind == Kind::GatewayClass)
    {
        let now = match outcome {
            Outcome::Status(status) => match status.content {
                Content::Class { used, .. } => Some(used),
                _ => None,
            },
            Outcome::Served | Outcome::Withdrawn => None,
        };
        let before = match now {
            Some(now) => uses.insert(class.clone(), now),
            None => uses.remove(class),
        };
        is_news |= before != now;
    }
    is_news
}

/// Has the finalizer be on the classes that are used, and on no other one of ours, while we are
/// `leading`.
pub(super) async fn follow(
    client: &kube::Client,
    rights: &Rights,
    mut uses: watch::Receiver<Uses>,
    mut leading: watch::Receiver<Leadership>,
) -> Infallible {
    loop {
        let now = uses.borrow_and_update().clone();
        let leadership = *leading.borrow_and_update();
        let pause = match leadership {
            Leadership::Held if !now.is_empty() => put(client, rights, &now).await,
            Leadership::Held | Leadership::NotHeld => GATEWAY_CLASSES_REFRESH,
        };
        tokio::select! {
            Ok(()) = uses.changed() => {}
            Ok(()) = leading.changed() => {}
            () = sleep(jitter(pause)) => {}
        }
    }
}

/// Adds and removes it where that is due. How long to wait for the next look.
pub(super) async fn put(client: &kube::Client, rights: &Rights, uses: &Uses) -> Duration {
    let mut pause = GATEWAY_CLASSES_REFRESH;
    let classes: Api<PartialObjectMeta<GatewayClass>> = Api::all(client.clone());
    let all = ListParams::default();
    let listed: Result<_, CallError> = call(API_CALL_TIMEOUT, classes.list(&all)).await;
    if let Err(error) = &listed {
        tracing::debug!(%error, "GatewayClasses not listed");
        pause = KUBE_REFUSED_RETRY;
    }
    for PartialObjectMeta { metadata, .. } in listed.into_iter().flatten() {
        let name = metadata.name.as_deref().unwrap_or_default();
        let class = ObjectRef { kind: Kind::GatewayClass, namespace: "".into(), name: name.into() };
        let due = uses.get(&class).and_then(|used| due(&metadata, *used));
        let Some(finalizers) = due else { continue };
        let version = &metadata.resource_version;
        let changed =
            json!({ "metadata": { "resourceVersion": version, "finalizers": finalizers } });
        let (params, changed) = (PatchParams::default(), Patch::Merge(changed));
        let patched = call(API_CALL_TIMEOUT, classes.patch(name, &params, &changed)).await;
        match rights.noted(Right::Classes, "", patched) {
            Ok(_) | Err(CallError::Refused(_) | CallError::Gone(_)) => {}
            Err(CallError::Conflict(_)) => pause = LEASE_RETRY,
            Err(error) => {
                tracing::warn!(%class, %error, "its finalizer is not written");
                pause = pause.min(KUBE_REFUSED_RETRY);
            }
        }
    }
    pause
}

/// The finalizers that a class is to have; `None`: those that it has.
fn due(metadata: &ObjectMeta, used: ClassUse) -> Option<Vec<String>> {
    let mut finalizers = metadata.finalizers.clone().unwrap_or_default();
    let before = finalizers.len();
    finalizers.retain(|finalizer| finalizer != FINALIZER);
    let is_there = finalizers.len() < before;
    match used {
        ClassUse::Unused => is_there.then_some(finalizers),
        // The API server adds none to what goes.
        ClassUse::Used if is_there || metadata.deletion_timestamp.is_some() => None,
        ClassUse::Used => {
            finalizers.push(FINALIZER.to_owned());
            Some(finalizers)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::control::conditions::ObjectStatus;

    #[test]
    fn a_class_that_is_used_has_the_finalizer_beside_others() {
        use ClassUse::{Unused, Used};
        for (shown, goes, used, due_now) in [
            (&[][..], None, Used, Some(&[FINALIZER][..])),
            (&["a/b"], None, Used, Some(&["a/b", FINALIZER])),
            (&[FINALIZER], None, Used, None),
            (&["a/b"], Some("2026-01-01T00:00:00Z"), Used, None),
            (&[], None, Unused, None),
            (&["a/b"], None, Unused, None),
            (&[FINALIZER, "a/b"], None, Unused, Some(&["a/b"])),
            (&[FINALIZER], Some("2026-01-01T00:00:00Z"), Unused, Some(&[])),
        ] {
            let metadata = json!({ "finalizers": shown, "deletionTimestamp": goes });
            let metadata: ObjectMeta = serde_json::from_value(metadata).expect("metadata");
            let found = due(&metadata, used);
            let expected = due_now.map(|all| all.iter().map(|text| (*text).to_owned()).collect());
            assert_eq!(found, expected, "{shown:?} {goes:?} {used:?}");
        }
    }

    #[test]
    fn only_another_use_is_news() {
        let class = ObjectRef { kind: Kind::GatewayClass, namespace: "".into(), name: "c".into() };
        let told = |used, generation| {
            let content = Content::Class { conditions: Vec::new(), features: Vec::new(), used };
            Outcome::Status(Arc::new(ObjectStatus { generation, content }))
        };
        let mut uses = Uses::new();
        for (outcome, is_news) in [
            (told(ClassUse::Unused, 1), true),
            (told(ClassUse::Unused, 2), false),
            (told(ClassUse::Used, 2), true),
            (Outcome::Withdrawn, true),
            (Outcome::Withdrawn, false),
        ] {
            let outcomes = [(class.clone(), outcome)].into();
            assert_eq!(note(&mut uses, &outcomes), is_news, "{outcomes:?}");
        }
        assert!(uses.is_empty());
    }
}
