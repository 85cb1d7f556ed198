//! Objects that make pods, and what says how many: not for serving, but for whoever looks at what a
//! controller is started with.

use serde_json::Value;

use crate::model::SourcePosition;

/// Their kinds, with the API group that has them.
const KINDS: [(&str, &str); 4] = [
    ("DaemonSet", "apps/"),
    ("Deployment", "apps/"),
    ("HorizontalPodAutoscaler", "autoscaling/"),
    ("PodDisruptionBudget", "policy/"),
];

/// One of them, as it is written.
#[derive(Debug, Clone)]
pub struct Workload {
    /// `kind`.
    pub kind: &'static str,
    /// Where it stands; `None`: it is of a cluster.
    pub position: Option<SourcePosition>,
    /// The whole object. Nothing in it is checked.
    pub object: Value,
}

/// What a document of a kind that is not served comes to.
pub(super) fn read(
    kind: &str,
    version: &str,
    value: &Value,
    position: SourcePosition,
) -> Option<Workload> {
    let (kind, _) =
        KINDS.into_iter().find(|(name, group)| kind == *name && version.starts_with(group))?;
    Some(Workload { kind, position: Some(position), object: value.clone() })
}
