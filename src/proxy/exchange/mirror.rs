//! A copy of the request for another server, whose answer nobody waits for.
//!
//! It is a task of the core with bounds of its own: the request, its connection, a drain and the
//! end of the process know nothing of it. What is beyond the bounds is let go and counted.

use std::rc::Rc;

use crate::filter::{Mirror, MirrorBody, MirrorTarget};
use crate::http1::framing::BodyLength;
use crate::http1::head::{RequestHead, RequestKind, ResponseHead};
use crate::limits::{MIRROR_TIME_MAX, RULE_MIRRORS_MAX};
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
    pub(super) fn begin_copies(&mut self, rule: &TableRule, route: Route<'_>, until: &Until) {
        for (number, mirror) in route.plan.request.mirrors.iter().enumerate() {
            if self.core.random.next() >> 32 >= mirror.part {
                continue;
            }
            let octets = match mirror.copy.body {
                MirrorBody::LeftOut => Some(Vec::new()),
                MirrorBody::Copied => self.request().whole_body_octets().map(<[u8]>::to_vec),
            };
            let is_kept = octets.is_none() && self.copy.is_some();
            let place = if is_kept { None } else { self.core.copies.enter() };
            match (octets, place) {
                (Some(octets), Some(place)) => {
                    self.send_copy(rule, route, until, number, (octets, place));
                }
                (None, Some(place)) => {
                    self.copy = Some(Rc::new(BodyCopy::new(place)));
                    self.copied = bit(number);
                }
                (None, None) if is_kept => self.copied |= bit(number),
                (_, None) => self.core.count(Counter::MirrorsDropped),
            }
        }
    }

    /// Sends the copies of a request whose body has passed. One that did not as a whole is no
    /// request.
    pub(super) fn end_copies(&mut self, rule: &TableRule, route: Route<'_>, until: &Until) {
        let copy = self.copy.take().and_then(Rc::into_inner);
        let Some(copy) = copy else { return };
        let state = copy.state();
        let (octets, place) = copy.into_octets();
        let mut place = Some(place);
        let copied = self.copied;
        for number in (0..RULE_MIRRORS_MAX).filter(|number| copied & bit(*number) != 0) {
            let place = place.take().or_else(|| self.core.copies.enter());
            match (state, place) {
                (State::Whole, Some(place)) => {
                    self.send_copy(rule, route, until, number, (octets.clone(), place));
                }
                (State::Whole, None) | (State::TooLong, _) => {
                    self.core.count(Counter::MirrorsDropped);
                }
                (State::Partial, _) => {}
            }
        }
    }

    fn send_copy(
        &mut self,
        rule: &TableRule,
        route: Route<'_>,
        until: &Until,
        number: usize,
        (body, place): (Vec<u8>, Place),
    ) {
        let Some(mirror) = route.plan.request.mirrors.get(number) else { return };
        let mirror = &*mirror.copy;
        let id = rule.mirrors.get(number).copied().flatten();
        let backend = id.and_then(|id| self.core.upstreams.backend(id));
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
        let plan = &route.plan.request;
        let sent = self.head();
        let (mut host, mut text, mut path) = (Vec::new(), Vec::new(), Vec::new());
        let host_text = mirror.host.as_ref().or(plan.host.as_ref());
        if let Some(text) = host_text {
            text.put(&known, &mut host);
        }
        // Its query stands in its target.
        let mut query = sent.query;
        let is_new = match (&mirror.target, &plan.path) {
            (MirrorTarget::Text(target), _) => {
                target.put(&known, &mut text);
                put_target(&mut path, &text);
                query = None;
                true
            }
            (MirrorTarget::Forwarded, Some(edit)) => {
                edit.apply(sent.rule_path(), route.matched_bytes, &mut path);
                true
            }
            (MirrorTarget::Forwarded | MirrorTarget::Sent, _) => false,
        };
        // It asks for no other protocol.
        let head = RequestHead { is_upgrade: false, query, ..sent.clone() };
        let facts = RequestFacts {
            peer: self.downstream.client.as_bytes(),
            listener: &self.downstream.listener,
            claimed: self.claimed.as_ref(),
            odd_names: self.policy.odd_names,
            request_id: &self.scratch.request_id,
            method: sent.method.of(self.bytes),
            path: is_new.then_some(path.as_slice()),
            query: query.map(|query| query.of(self.bytes)),
            host: host_text.is_some().then_some(host.as_slice()),
            edits: &plan.fields,
            overlay: &self.scratch.overlay,
            forwards_expect: false,
            body,
            identity: self.identity_fields(plan.identity),
            connection: plan.connection,
            version: UpstreamVersion::Http11,
            // Nobody waits for its answer, which has no part in the trace of ours.
            trace: self.scratch.trace.as_ref().map(|trace| (trace, trace.context.span)),
        };
        forward::put_request(out, self.bytes, &head, &facts);
    }
}

/// That of a mirror in a set of them; none beyond [`RULE_MIRRORS_MAX`].
fn bit(number: usize) -> u16 {
    u32::try_from(number).ok().and_then(|number| 1_u16.checked_shl(number)).unwrap_or(0)
}

const _: () = assert!(RULE_MIRRORS_MAX <= u16::BITS as usize);

/// How the body of a copy ends, which has passed or came as a whole.
fn body_of_copy(mirror: &Mirror, sent: BodyLength, octets: &[u8]) -> BodyLength {
    match (mirror.body, sent) {
        (MirrorBody::LeftOut, _) | (_, BodyLength::None) => BodyLength::None,
        (MirrorBody::Copied, _) => BodyLength::Known(octets.len() as u64),
    }
}
