//! Which requests go to a canary in place of their rule's own backend.

use std::rc::Rc;

use crate::proxy::exchange::request::Request;
use crate::proxy::exchange::state::Exchange;
use crate::proxy::exchange::variables;
use crate::proxy::upstream::backend::Backend;
use crate::table::{CanaryRequest, TableBackend, TableRule};

impl CanaryRequest for Request<'_> {
    fn values(&self, name: &[u8]) -> impl Iterator<Item = &[u8]> {
        Request::values(self, name)
    }

    fn cookie(&self, name: &[u8]) -> Option<&[u8]> {
        variables::cookie(*self, name)
    }
}

impl Exchange<'_> {
    /// The canary that gets the request in place of `own`, the rule's backend. As in ingress-nginx
    /// one without endpoints gets nothing, and none gets anything while `own` has none.
    /// A session stays where it is.
    pub(super) fn canary<'t>(
        &self,
        rule: &'t TableRule,
        entry: &TableBackend,
        own: &Backend,
    ) -> Option<(&'t TableBackend, Rc<Backend>)> {
        let canaries = rule.canaries.as_deref()?;
        if self.has_session(rule, entry) {
            return None;
        }
        let bound = canaries.targets().find(|entry| self.has_session(rule, entry));
        let dice = || u32::try_from(self.core.random.next() >> 32).unwrap_or(0);
        let entry = bound.or_else(|| canaries.choose(&self.request(), dice))?;
        let backend =
            self.core.upstreams.backend(entry.backend_of(self.downstream.listener.scheme)?)?;
        let have_endpoints = own.endpoint_count() > 0 && backend.endpoint_count() > 0;
        have_endpoints.then_some((entry, backend))
    }

    /// The backend of the rule that the client has a session with, if it could be another one.
    pub(super) fn kept<'t>(&self, rule: &'t TableRule) -> Option<&'t TableBackend> {
        rule.backends.iter().find(|entry| self.has_session(rule, entry))
    }

    /// Whether the client has a session with a backend of the rule.
    fn has_session(&self, rule: &TableRule, entry: &TableBackend) -> bool {
        let plan = entry.plan.as_ref().unwrap_or(&rule.plan);
        match (plan.treatment.binding.as_deref(), &entry.tag) {
            (Some(binding), Some(tag)) => {
                let session = self.session(binding, tag);
                session.is_some_and(|session| session.tag == tag.as_bytes())
            }
            _ => false,
        }
    }
}
