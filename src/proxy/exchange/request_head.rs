//! What the head of the upstream request is made of: the client's, the rule's plan, our facts.

use crate::filter::script::Known as Changed;
use crate::model::{ClientIdentityPolicy, Scheme, UpstreamVersion};
use crate::proxy::exchange::forward::{self, RequestFacts};
use crate::proxy::exchange::state::Exchange;
use crate::proxy::exchange::variables::Known;
use crate::table::Route;
use crate::tls::ClientIdentity;

impl Exchange<'_> {
    /// Appends the head of the upstream request.
    pub fn put_request(&mut self, out: &mut Vec<u8>, route: Route<'_>, version: UpstreamVersion) {
        let mut path = std::mem::take(&mut self.scratch.path);
        let mut host = std::mem::take(&mut self.scratch.host);
        let head = &self.scratch.request;
        let plan = &route.plan.request;
        let is_replaced = self.scratch.is_path_replaced;
        let is_new = is_replaced || plan.path.is_some();
        if let Some(edit) = plan.path.as_ref().filter(|_| !is_replaced) {
            path.clear();
            edit.apply(head.rule_path(), route.matched_bytes, &mut path);
        }
        let request = self.request();
        if let Some(text) = &plan.host {
            host.clear();
            let (state, request) = (&self.scratch.script, &self.known_of(route));
            text.put(&Changed { state, request }, &mut host);
            // What a path captured may have been decoded.
            host.retain(u8::is_ascii_graphic);
        }
        let facts = RequestFacts {
            peer: self.downstream.client.as_bytes(),
            listener: &self.downstream.listener,
            claimed: self.claimed.as_ref(),
            odd_names: self.policy.odd_names,
            request_id: &self.scratch.request_id,
            method: self.method(plan.method.as_deref()),
            path: is_new.then_some(path.as_slice()),
            query: self.query(),
            host: plan.host.is_some().then_some(host.as_slice()),
            edits: &plan.fields,
            overlay: &self.scratch.overlay,
            forwards_expect: head.expects_continue && request.whole_body_octets().is_none(),
            body: request.body_length(),
            connection: plan.connection,
            version,
            identity: self.identity_fields(plan.identity),
            trace: self.scratch.trace.as_ref().map(|trace| (trace, trace.span_of_call())),
        };
        forward::put_request(out, self.bytes, head, &facts);
        (self.scratch.path, self.scratch.host) = (path, host);
    }

    /// Has the backend told what the plan says by texts; once a request. An empty value is no line.
    pub(super) fn set_texts(&mut self, route: Route<'_>) {
        for (name, text) in &*route.plan.request.texts {
            let mut value = std::mem::take(&mut self.scratch.text);
            value.clear();
            text.put(&self.known_of(route), &mut value);
            let overlay = &mut self.scratch.overlay;
            match value.trim_ascii() {
                [] => overlay.remove(name.as_bytes()),
                value => overlay.set(name.as_bytes(), value),
            }
            self.scratch.text = value;
        }
    }

    /// The method that the backend gets. What answers HEAD has no body, so that it stays.
    fn method<'s>(&'s self, replaced: Option<&'s str>) -> &'s [u8] {
        let sent = self.head().method.of(self.bytes);
        match (sent, replaced) {
            (b"HEAD", _) => sent,
            _ if self.is_reading => b"GET",
            (_, replaced) => replaced.map_or(sent, str::as_bytes),
        }
    }

    /// What texts know of a request on its way to the backend.
    fn known_of<'k>(&'k self, route: Route<'k>) -> Known<'k> {
        Known {
            request: self.request(),
            request_id: &self.scratch.request_id,
            origin: Some(route.origin),
            backend: self.tally.backend.as_ref().map(|backend| &*backend.key),
        }
    }

    /// What the backend is told of the client's certificate, if its host checks any.
    pub(super) fn identity_fields(&self, policy: ClientIdentityPolicy) -> &[u8] {
        match self.downstream.identity.as_deref() {
            _ if policy == ClientIdentityPolicy::Untold => &[],
            Some(identity) if policy == ClientIdentityPolicy::WithCertificate => {
                identity.fields_with_certificate()
            }
            Some(identity) => identity.fields(),
            None if self.downstream.listener.scheme == Scheme::Https => {
                ClientIdentity::UNASKED_FIELDS
            }
            None => &[],
        }
    }
}
