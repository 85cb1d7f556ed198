//! From which namespaces a listener takes routes, and a Gateway ListenerSets.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use crate::control::gateway_api::gateway::AllowedNamespaces;
use crate::control::store::Entries;
use crate::model::{Kind, ObjectRef};

/// The label that an API server gives each Namespace.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Some namespaces.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Admission {
    All,
    Only(Arc<str>),
    /// By labels.
    Selected(LabelSelector),
    Nobody,
}

/// What stands there is no way to choose namespaces: the field and what to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoChoice {
    pub field: &'static str,
    pub advice: String,
}

impl Admission {
    /// What an object in the namespace `own` allows. `unsaid`: `from` where it says nothing.
    pub(super) fn of(
        allowed: Option<&AllowedNamespaces>,
        own: &Arc<str>,
        unsaid: &str,
    ) -> Result<Self, NoChoice> {
        let from = allowed.and_then(|allowed| allowed.from.as_deref());
        let selector = allowed.and_then(|allowed| allowed.selector.clone());
        match from.unwrap_or(unsaid) {
            "All" => Ok(Self::All),
            "Same" => Ok(Self::Only(Arc::clone(own))),
            "Selector" => selector.map(Self::Selected).ok_or_else(|| NoChoice {
                field: "selector",
                advice: "Namespaces are chosen by their labels; write matchLabels.".to_owned(),
            }),
            "None" => Ok(Self::Nobody),
            other => Err(NoChoice {
                field: "from",
                advice: format!("{other:?} is no choice; write All, Same or Selector."),
            }),
        }
    }

    pub(super) fn admits(&self, namespace: &Arc<str>, all: &Entries<Namespace>) -> bool {
        match self {
            Self::All => true,
            Self::Only(own) => own == namespace,
            Self::Nobody => false,
            Self::Selected(selector) => {
                let name = Arc::clone(namespace);
                let reference = ObjectRef { kind: Kind::Namespace, namespace: "".into(), name };
                let entry = all.get(&reference);
                let labels = entry.and_then(|entry| entry.object.metadata.labels.as_ref());
                selects(selector, namespace, labels)
            }
        }
    }
}

/// Source: Kubernetes, "Labels and Selectors".
fn selects(
    selector: &LabelSelector,
    namespace: &str,
    labels: Option<&BTreeMap<String, String>>,
) -> bool {
    let value = |key: &str| match key {
        NAME_LABEL => Some(namespace),
        _ => labels.and_then(|labels| labels.get(key)).map(String::as_str),
    };
    let LabelSelector { match_labels, match_expressions } = selector;
    let mut wanted = match_labels.iter().flatten();
    wanted.all(|(key, wanted)| value(key) == Some(wanted))
        && match_expressions.iter().flatten().all(|requirement| {
            let LabelSelectorRequirement { key, operator, values } = requirement;
            let is_listed = |value| values.iter().flatten().any(|listed| listed == value);
            match &**operator {
                "In" => value(key).is_some_and(is_listed),
                "NotIn" => !value(key).is_some_and(is_listed),
                "Exists" => value(key).is_some(),
                "DoesNotExist" => value(key).is_none(),
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_select_namespaces() {
        let labels = [("team".to_owned(), "web".to_owned())].into();
        for (selector, expected) in [
            (json!({}), true),
            (json!({"matchLabels": {"team": "web"}}), true),
            (json!({"matchLabels": {"team": "shop"}}), false),
            (json!({"matchLabels": {"team": "web", "tier": "a"}}), false),
            (json!({"matchLabels": {"kubernetes.io/metadata.name": "a"}}), true),
            (
                json!({"matchExpressions": [
                {"key": "team", "operator": "In", "values": ["web", "x"]}]}),
                true,
            ),
            (
                json!({"matchExpressions": [
                {"key": "team", "operator": "NotIn", "values": ["web"]}]}),
                false,
            ),
            (
                json!({"matchExpressions": [
                {"key": "tier", "operator": "NotIn", "values": ["web"]}]}),
                true,
            ),
            (json!({"matchExpressions": [{"key": "team", "operator": "Exists"}]}), true),
            (json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}), false),
            (json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}), true),
            (json!({"matchExpressions": [{"key": "team", "operator": "Like"}]}), false),
        ] {
            let text = selector.to_string();
            let selector = serde_json::from_value(selector).expect("a selector");
            assert_eq!(selects(&selector, "a", Some(&labels)), expected, "{text}");
        }
    }

    #[test]
    fn who_is_admitted() {
        let allowed = |from: &str| AllowedNamespaces { from: Some(from.into()), selector: None };
        for (allowed, unsaid, expected) in [
            (None, "Same", Some((true, false))),
            (None, "None", Some((false, false))),
            (Some(allowed("All")), "Same", Some((true, true))),
            (Some(allowed("Same")), "None", Some((true, false))),
            (Some(allowed("None")), "Same", Some((false, false))),
            (Some(allowed("Selector")), "Same", None),
            (Some(allowed("Some")), "Same", None),
        ] {
            let admission = Admission::of(allowed.as_ref(), &"a".into(), unsaid).ok();
            let none = Entries::new();
            let found = admission.map(|admission| {
                (admission.admits(&"a".into(), &none), admission.admits(&"b".into(), &none))
            });
            assert_eq!(found, expected, "{allowed:?} {unsaid}");
        }
    }
}
