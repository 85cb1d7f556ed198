//! What the head of the upstream request is made of: the client's, the rule's filters, our facts.

use crate::filter::{FieldEdits, Filter};
use crate::model::{ClientIdentityPolicy, Scheme};
use crate::proxy::exchange::forward::{self, RequestFacts};
use crate::proxy::exchange::state::Exchange;
use crate::table::{Match, TableRule};
use crate::tls::ClientIdentity;

impl Exchange<'_> {
    /// Appends the head of the upstream request.
    pub fn put_request(&mut self, out: &mut Vec<u8>, matched: &Match<'_>) {
        let mut path = std::mem::take(&mut self.scratch.path);
        let head = &self.scratch.request;
        let mut host = None;
        let mut has_path = false;
        let mut edits: Vec<&FieldEdits> = Vec::new();
        for filter in &matched.rule.filters {
            match filter {
                Filter::RequestFields(fields) => edits.push(fields),
                Filter::Rewrite(rewrite) => {
                    host = rewrite.hostname.as_deref().or(host);
                    if let Some(edit) = &rewrite.path {
                        path.clear();
                        edit.apply(&head.path, matched.matched_bytes, &mut path);
                        has_path = true;
                    }
                }
                Filter::ResponseFields(_) | Filter::Redirect(_) => {}
            }
        }
        let facts = RequestFacts {
            client: self.downstream.client.as_bytes(),
            listener_fields: &self.downstream.listener.fields,
            request_id: &self.scratch.request_id,
            path: has_path.then_some(path.as_slice()),
            host: host.map(str::as_bytes),
            edits: &edits,
            forwards_expect: head.expects_continue && self.whole_body().is_none(),
            identity: self.identity_fields(matched.rule),
        };
        forward::put_request(out, self.bytes, head, &facts);
        self.scratch.path = path;
    }

    /// What the backend is told of the client's certificate, if its host checks any.
    fn identity_fields(&self, rule: &TableRule) -> &[u8] {
        let policy = rule.policies.client_identity;
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
