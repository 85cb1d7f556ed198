//! A copy of the request for another server, whose answer nobody waits for.
//!
//! It is a task of the core with bounds of its own: the request, its connection, a drain and the
//! end of the process know nothing of it. What is beyond the bounds is let go and counted.

use std::rc::Rc;

use crate::filter::{Mirror, MirrorBody};
use crate::http1::framing::BodyLength;
use crate::http1::head::{RequestHead, RequestKind, ResponseHead};
use crate::limits::MIRROR_TIME_MAX;
use crate::model::UpstreamVersion;
use crate::proxy::exchange::ask::{Body, Question};
use crate::proxy::exchange::external_auth::put_target;
use crate::proxy::exchange::forward::{self, RequestFacts};
use crate::proxy::exchange::state::Exchange;
use crate::proxy::exchange::variables::Known;
use crate::proxy::upstream::body_copy::{BodyCopy, Place, State};
use crate::proxy::upstream::until::Until;
use crate::table::{Route, TableRule};
use crate::telemetry::Counter;

impl Exchange<'_> {
    /// Copies a request that is about to go to its backend: at once, or, if its body is still to
    /// come, has that kept as it passes.
    pub(super) fn begin_copy(&mut self, rule: &TableRule, route: Route<'_>, until: &Until) {
        let Some(mirror) = &route.plan.request.mirror else { return };
        let Some(place) = self.core.copies.enter() else {
            return self.core.count(Counter::MirrorsDropped);
        };
        match (mirror.body, self.request().whole_body_octets()) {
            (MirrorBody::LeftOut, _) => self.send_copy(rule, route, until, (Vec::new(), place)),
            (MirrorBody::Copied, Some(octets)) => {
                let octets = octets.to_vec();
                self.send_copy(rule, route, until, (octets, place));
            }
            (MirrorBody::Copied, None) => self.copy = Some(Rc::new(BodyCopy::new(place))),
        }
    }

    /// Sends the copy of a request whose body has passed. One that did not as a whole is no
    /// request.
    pub(super) fn end_copy(&mut self, rule: &TableRule, route: Route<'_>, until: &Until) {
        let copy = self.copy.take().and_then(Rc::into_inner);
        let Some(copy) = copy else { return };
        match copy.state() {
            State::Whole => self.send_copy(rule, route, until, copy.into_octets()),
            State::TooLong => self.core.count(Counter::MirrorsDropped),
            State::Partial => {}
        }
    }

    fn send_copy(
        &mut self,
        rule: &TableRule,
        route: Route<'_>,
        until: &Until,
        (body, place): (Vec<u8>, Place),
    ) {
        let Some(mirror) = &route.plan.request.mirror else { return };
        let backend = rule.mirror.and_then(|id| self.core.upstreams.backend(id));
        let Some(backend) = backend else { return self.core.count(Counter::MirrorsFailed) };
        let mut octets = Vec::new();
        let has_body = body_of_copy(mirror, self.head().body, &body);
        self.put_copy(&mut octets, rule, route, mirror, has_body);
        octets.extend_from_slice(&body);
        drop(body);
        let treatment = route.plan.treatment.clone();
        let mut until = *until;
        until.end_within(MIRROR_TIME_MAX);
        let head = self.head();
        let kind = RequestKind { is_head: head.is_head(self.bytes) };
        let is_idempotent = head.is_idempotent(self.bytes);
        let core = Rc::clone(self.core);
        self.core.tasks.start(async move {
            let question = Question {
                core: &core,
                backend: &backend,
                treatment: &treatment,
                until: &until,
                head: &octets,
                kind,
                is_idempotent,
                asker: None,
            };
            let answered = question.ask(&mut ResponseHead::default(), |_| Body::Ignored).await;
            if answered.is_err() {
                core.count(Counter::MirrorsFailed);
            }
            drop(place);
        });
    }

    /// Appends the head of the copy: what the backend gets, but for where it goes.
    fn put_copy(
        &self,
        out: &mut Vec<u8>,
        rule: &TableRule,
        route: Route<'_>,
        mirror: &Mirror,
        body: BodyLength,
    ) {
        let known = Known {
            request: self.request(),
            request_id: &self.scratch.request_id,
            origin: Some(&rule.origin),
            backend: self.tally.backend.as_ref().map(|backend| &*backend.key),
        };
        let (mut host, mut text, mut path) = (Vec::new(), Vec::new(), Vec::new());
        mirror.host.put(&known, &mut host);
        if let Some(target) = &mirror.target {
            target.put(&known, &mut text);
            put_target(&mut path, &text);
        }
        // It asks for no other protocol; its query stands in its target.
        let sent = self.head();
        let query = sent.query.filter(|_| mirror.target.is_none());
        let head = RequestHead { is_upgrade: false, query, ..sent.clone() };
        let facts = RequestFacts {
            peer: self.downstream.client.as_bytes(),
            listener: &self.downstream.listener,
            claimed: self.claimed.as_ref(),
            odd_names: self.policy.odd_names,
            request_id: &self.scratch.request_id,
            path: mirror.target.is_some().then_some(path.as_slice()),
            query: query.map(|query| query.of(self.bytes)),
            host: Some(&host),
            edits: &route.plan.request.fields,
            overlay: &self.scratch.overlay,
            forwards_expect: false,
            body,
            identity: self.identity_fields(route.plan.request.identity),
            connection: route.plan.request.connection,
            version: UpstreamVersion::Http11,
        };
        forward::put_request(out, self.bytes, &head, &facts);
    }
}

/// How the body of a copy ends, which has passed or came as a whole.
fn body_of_copy(mirror: &Mirror, sent: BodyLength, octets: &[u8]) -> BodyLength {
    match (mirror.body, sent) {
        (MirrorBody::LeftOut, _) | (_, BodyLength::None) => BodyLength::None,
        (MirrorBody::Copied, _) => BodyLength::Known(octets.len() as u64),
    }
}
