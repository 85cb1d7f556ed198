//! Which rights the account lacks, as the API server says when they are needed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::control::calls::CallError;
use crate::limits::MISSING_RIGHTS_MAX;
use crate::model::{Kind, Problem, Severity, reason};

/// A right that the account of the process needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Right {
    Lease,
    Status,
    /// Of objects of the kind.
    Conditions(Kind),
    Events,
    GatewayServices(Deed),
    Classes,
    Service,
    Pods,
    Nodes,
}

/// What is done about Services of Gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deed {
    Watch,
    List,
    Apply,
    Delete,
}

impl Right {
    /// To write the status of an object.
    pub(super) fn of_status(kind: Kind) -> Self {
        if kind == Kind::Ingress { Self::Status } else { Self::Conditions(kind) }
    }

    /// What to bind, and what is not done without it.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Lease => (
                "get, create and update leases (coordination.k8s.io)",
                "No status and no Event is written",
            ),
            Self::Status => (
                "patch ingresses/status, or get ingresses and update ingresses/status \
                 (networking.k8s.io)",
                "The status of Ingresses is not written",
            ),
            Self::Conditions(_) => (
                "patch the status of gateways, their classes, listeners, routes and policies \
                 (gateway.networking.k8s.io)",
                "The status of Gateways and of what belongs to them is not written",
            ),
            Self::Events => {
                ("create and patch events (events.k8s.io)", "Problems are not told by Events")
            }
            Self::GatewayServices(_) => (
                "list, watch, get, create, patch and delete services, and list, create and patch \
                 endpointslices (discovery.k8s.io)",
                "The Services of --gateway-services are not made",
            ),
            Self::Classes => (
                "patch gatewayclasses (gateway.networking.k8s.io)",
                "GatewayClasses have no finalizer and may go before their Gateways",
            ),
            Self::Service => (
                "list and watch services",
                "The addresses of --publish-service are not known and no status is written",
            ),
            Self::Pods => {
                ("get and list pods", "Other replicas and the nodes that run us are not known")
            }
            Self::Nodes => (
                "get nodes (in a ClusterRole), or set --publish-service",
                "The addresses of the nodes are not known and no status is written",
            ),
        }
    }

    fn problem(self, namespace: &str, said: &str) -> Problem {
        let (verbs, effect) = self.words();
        let place = if namespace.is_empty() {
            String::new()
        } else {
            format!(" in the namespace {namespace}")
        };
        Problem {
            object: None,
            position: None,
            field: String::new(),
            severity: match self {
                // Nothing that anybody asked for is left undone.
                Self::Classes => Severity::Warning,
                _ => Severity::Error,
            },
            reason: reason!("MissingPermission"),
            message: format!("{effect}: {said}."),
            advice: format!(
                "Bind a role to the service account that may {verbs}{place}; the chart has one."
            ),
        }
    }
}

/// By what is to be bound, and namespace; empty: all. What was refused first of what one role is
/// for, which only itself takes back: other calls that the role is for may be allowed all the time.
type MissingRights = BTreeMap<(&'static str, Arc<str>), (Right, Arc<Problem>)>;

/// What is missing now.
#[derive(Debug, Default)]
pub(super) struct Rights {
    missing: Mutex<MissingRights>,
}

impl Rights {
    /// Rights that are missing now, in the order in which they are needed.
    pub(super) fn problems(&self) -> Vec<Arc<Problem>> {
        let mut missing: Vec<_> = self.missing().values().cloned().collect();
        missing.sort_by_key(|(right, _)| *right);
        missing.into_iter().map(|(_, problem)| problem).collect()
    }

    /// Says a missing right, once until it is there.
    fn refused(&self, right: Right, namespace: &str, said: &str) {
        let key = (right.words().0, Arc::from(namespace));
        let mut missing = self.missing();
        if missing.len() < MISSING_RIGHTS_MAX && !missing.contains_key(&key) {
            let problem = right.problem(namespace, said);
            tracing::warn!("{problem}");
            missing.insert(key, (right, Arc::new(problem)));
        }
    }

    fn allowed(&self, right: Right, namespace: &str) {
        let mut missing = self.missing();
        if missing.is_empty() {
            return;
        }
        let (verbs, _) = right.words();
        let key = (verbs, Arc::from(namespace));
        if missing.get(&key).is_some_and(|(refused, _)| *refused == right) {
            missing.remove(&key);
            tracing::info!(namespace, "the account may {verbs} now");
        }
    }

    /// Notes what a call says of a right, and hands on what it came to.
    pub(super) fn noted<T>(
        &self,
        right: Right,
        namespace: &str,
        result: Result<T, CallError>,
    ) -> Result<T, CallError> {
        match &result {
            Ok(_) => self.allowed(right, namespace),
            Err(CallError::Refused(said)) => self.refused(right, namespace, said),
            Err(_) => {}
        }
        result
    }

    fn missing(&self) -> MutexGuard<'_, MissingRights> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_said_once_in_words_until_it_is_there() {
        let state = Rights::default();
        for _ in 0..3 {
            state.refused(Right::Status, "shop", "User \"ringway\" cannot patch");
        }
        let problems = state.problems();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].reason, "MissingPermission");
        let text = problems[0].to_string();
        assert!(text.contains("patch ingresses/status") && text.contains("shop"), "{text}");
        state.allowed(Right::Status, "other");
        assert_eq!(state.problems().len(), 1);
        state.allowed(Right::Status, "shop");
        assert!(state.problems().is_empty());
        // Of what one role is for, some may be allowed: told once, and until that itself is.
        let [gateway, route] = [Kind::Gateway, Kind::HTTPRoute].map(Right::of_status);
        for _ in 0..2 {
            state.refused(route, "shop", "no");
            state.allowed(gateway, "shop");
            state.refused(gateway, "shop", "no");
            assert_eq!(state.problems().len(), 1);
        }
        state.allowed(route, "shop");
        assert!(state.problems().is_empty());
        for n in 0..MISSING_RIGHTS_MAX * 2 {
            state.refused(Right::Events, &format!("n{n}"), "no");
        }
        assert_eq!(state.problems().len(), MISSING_RIGHTS_MAX);
    }
}
