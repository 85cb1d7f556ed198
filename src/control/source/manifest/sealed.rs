//! Secrets that are encrypted, and objects of which a controller makes Secrets. Pure.

use std::sync::Arc;

use serde_json::Value;

use crate::control::source::report::Finding;
use crate::model::{Kind, ObjectRef, reason};

/// Octets of an RSA-4096 key's part of a sealed value, as its first two octets say; it follows.
const SEALED_MARKS: [&str; 2] = ["AgA", "AgB"];
/// Characters of the shortest sealed value.
const SEALED_LENGTH_MIN: usize = 700;

/// Why a document of a known kind is encrypted, if it is: a finding for its owner.
pub(super) fn encrypted(document: &Value) -> Option<Finding> {
    let finding = |field: String, message: &str, advice: &str| Finding {
        reason: reason!("Encrypted"),
        field,
        message: message.to_owned(),
        advice: advice.to_owned(),
    };
    const SOPS: &str = "its values are encrypted by SOPS.";
    const DECRYPT: &str = "Decrypt it first (sops --decrypt FILE | ringway check -).";
    for part in ["data", "stringData"] {
        for (key, value) in document.get(part).and_then(Value::as_object).into_iter().flatten() {
            let Some(text) = value.as_str() else { continue };
            let field = format!("{part}.{key}");
            if text.starts_with("ENC[AES256_GCM,") {
                return Some(finding(field, SOPS, DECRYPT));
            }
            if text.starts_with("$ANSIBLE_VAULT;") {
                let message = "its value is encrypted by Ansible Vault.";
                return Some(finding(field, message, "Decrypt it first: ansible-vault view FILE."));
            }
            let is_sealed = text.len() >= SEALED_LENGTH_MIN
                && part == "data"
                && SEALED_MARKS.iter().any(|mark| text.starts_with(mark));
            if is_sealed {
                let message = "its value is sealed, and only the controller of SealedSecrets in \
                               the cluster can open it.";
                let advice = "Write kind: SealedSecret, or the value itself.";
                return Some(finding(field, message, advice));
            }
        }
    }
    let has_encrypted_data = ["/encryptedData", "/spec/encryptedData"]
        .into_iter()
        .find(|pointer| document.pointer(pointer).is_some());
    if let Some(pointer) = has_encrypted_data {
        let field = pointer.trim_start_matches('/').replace('/', ".");
        let message = "its values are sealed, and only the controller of SealedSecrets in the \
                       cluster can open them.";
        return Some(finding(field, message, "Write kind: SealedSecret."));
    }
    let has_sops = document.get("sops").is_some_and(|sops| sops.get("mac").is_some());
    has_sops.then(|| finding("sops".into(), SOPS, DECRYPT))
}

/// The Secret that a controller makes of an object, if it is of a kind that is known for it.
pub(super) fn promised(kind: &str, version: &str, document: &Value) -> Option<ObjectRef> {
    let group = version.split('/').next().unwrap_or_default();
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    let name = match (kind, group) {
        ("Certificate", "cert-manager.io" | "certmanager.k8s.io") => text("/spec/secretName")?,
        ("SealedSecret", "bitnami.com") => {
            text("/spec/template/metadata/name").or_else(|| text("/metadata/name"))?
        }
        ("ExternalSecret", "external-secrets.io") => {
            text("/spec/target/name").or_else(|| text("/metadata/name"))?
        }
        _ => return None,
    };
    let namespace = text("/metadata/namespace").filter(|n| !n.is_empty()).unwrap_or("default");
    Some(ObjectRef { kind: Kind::Secret, namespace: Arc::from(namespace), name: Arc::from(name) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn encrypted_values_are_known_by_their_marks() {
        let sealed = format!("AgB{}", "x".repeat(SEALED_LENGTH_MIN));
        for (document, expected) in [
            (json!({"data": {"a": "ENC[AES256_GCM,data:x]"}}), Some("data.a")),
            (json!({"stringData": {"a": "ENC[AES256_GCM,data:x]"}}), Some("stringData.a")),
            (json!({"data": {"a": "$ANSIBLE_VAULT;1.1;AES256\n"}}), Some("data.a")),
            (json!({"data": {"tls.crt": sealed}}), Some("data.tls.crt")),
            (json!({"encryptedData": {"a": "AgB"}}), Some("encryptedData")),
            (json!({"spec": {"encryptedData": {"a": "AgB"}}}), Some("spec.encryptedData")),
            (json!({"sops": {"mac": "x"}}), Some("sops")),
            (json!({"data": {"a": "QWdC", "sops": "eA=="}}), None),
            (json!({"data": 5}), None),
        ] {
            let found = encrypted(&document).map(|finding| finding.field);
            assert_eq!(found.as_deref(), expected, "{document}");
        }
    }

    #[test]
    fn controllers_promise_secrets() {
        let metadata = json!({"name": "m", "namespace": "n"});
        for (kind, version, spec, expected) in [
            ("Certificate", "cert-manager.io/v1", json!({"secretName": "s"}), Some("n/s")),
            ("Certificate", "cert-manager.io/v1", json!({}), None),
            ("Certificate", "other.io/v1", json!({"secretName": "s"}), None),
            ("SealedSecret", "bitnami.com/v1alpha1", json!({}), Some("n/m")),
            (
                "SealedSecret",
                "bitnami.com/v1alpha1",
                json!({"template": {"metadata": {"name": "t"}}}),
                Some("n/t"),
            ),
            ("ExternalSecret", "external-secrets.io/v1beta1", json!({}), Some("n/m")),
            (
                "ExternalSecret",
                "external-secrets.io/v1",
                json!({"target": {"name": "t"}}),
                Some("n/t"),
            ),
        ] {
            let document = json!({"metadata": metadata, "spec": spec});
            let found = promised(kind, version, &document);
            let found = found.map(|secret| format!("{}/{}", secret.namespace, secret.name));
            assert_eq!(found.as_deref(), expected, "{kind} {version} {document}");
        }
    }
}
