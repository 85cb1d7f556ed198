//! Another backend answers: in the place of one without endpoints, or what we or a backend would
//! have said otherwise.
//!
//! It decides what the client gets and never what the client may have: it is asked for `/` without
//! the identity that the gates found, its answer is final whatever status it has, and the Service
//! behind the gates is not asked for whom they kept back. Where it fails, the answer that was due
//! is given.

use crate::filter::{Variable, Variables};
use crate::http1::reframe::Trailers;
use crate::proxy::exchange::end::End;
use crate::proxy::exchange::reply::Reply;
use crate::proxy::exchange::request::Body;
use crate::proxy::exchange::response::Unsaid;
use crate::proxy::exchange::state::{Exchange, Served};
use crate::proxy::exchange::variables::Known;
use crate::table::{BackendId, Match, PageSource, Route, Standing, Substitutes, TableRule};

/// What the backend is told besides status and media types.
///
/// Source: ingress-nginx, "Custom errors".
const FACTS: &[(&str, Variable)] = &[
    ("X-Namespace", Variable::Namespace),
    ("X-Ingress-Name", Variable::ObjectName),
    ("X-Service-Name", Variable::ServiceName),
    ("X-Service-Port", Variable::ServicePort),
];

/// The same, where its request is another than the client's.
const TARGET: &[(&str, Variable)] = &[("X-Original-URI", Variable::RequestUri)];

/// Where an answer of ours comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// No backend may have the request.
    Gate,
    /// One was asked, or should have been.
    Backend,
}

impl Exchange<'_> {
    /// Ends a request to which `reply` is due.
    pub(super) async fn substitute(
        &mut self,
        found: &Match<'_>,
        substitutes: &Substitutes,
        mut unsaid: Unsaid,
        mut reply: Reply,
        cause: Cause,
    ) -> End {
        if let Some((id, route)) = self.stand_in(found, substitutes, reply) {
            match self.ask_another(id, route, unsaid).await {
                Served::Over(end) => return end,
                Served::Owed(back, due) => (unsaid, reply) = (back, due),
            }
        }
        if let Some((id, route)) = self.page_source(found, substitutes, reply, cause) {
            match self.ask_another(id, route, unsaid).await {
                Served::Over(end) => return end,
                Served::Owed(back, _) => unsaid = back,
            }
        }
        self.answer(unsaid, reply).await
    }

    /// Who is asked in the place of a backend without endpoints; the request is made ready for it.
    pub(super) fn stand_in<'t>(
        &mut self,
        found: &Match<'t>,
        substitutes: &Substitutes,
        reply: Reply,
    ) -> Option<(BackendId, Route<'t>)> {
        let rule = found.rule;
        let id = substitutes.stand_in.filter(|id| self.has_endpoints(*id));
        let id = id.filter(|_| reply == Reply::NoEndpoints)?;
        self.tell(rule, reply.status(), &[]);
        let route = Route {
            plan: &rule.plan,
            matched_bytes: found.matched_bytes,
            tag: "",
            pattern: found.pattern,
            origin: &rule.origin,
        };
        Some((id, route))
    }

    /// Who is asked in the place of what would be said otherwise; likewise.
    pub(super) fn page_source<'t>(
        &mut self,
        found: &Match<'t>,
        substitutes: &'t Substitutes,
        reply: Reply,
        cause: Cause,
    ) -> Option<(BackendId, Route<'t>)> {
        let rule = found.rule;
        let pages = substitutes.pages.as_ref();
        let pages = pages.filter(|pages| self.is_replaced(pages, reply, cause))?;
        self.end_request(reply);
        self.scratch.overlay.withhold();
        self.tell(rule, reply.status(), TARGET);
        self.scratch.is_path_replaced = false;
        let route = Route {
            plan: &pages.plan,
            matched_bytes: 0,
            tag: "",
            pattern: None,
            origin: &rule.origin,
        };
        Some((pages.backend, route))
    }

    pub(super) fn has_endpoints(&self, id: BackendId) -> bool {
        self.core.upstreams.backend(id).is_some_and(|backend| backend.endpoint_count() > 0)
    }

    fn is_replaced(&self, pages: &PageSource, reply: Reply, cause: Cause) -> bool {
        reply.may_be_replaced()
            && pages.statuses.binary_search(&reply.status()).is_ok()
            && !(cause == Cause::Gate && pages.standing == Standing::Behind)
            && !self.request().is_grpc()
    }

    /// What comes of the request from here on is its answer: a body that is not here as a whole
    /// is not waited for, and no other protocol is spoken.
    pub(super) fn end_request(&mut self, reply: Reply) {
        if reply == Reply::BodyTooLarge || self.request().whole_body().is_none() {
            self.body = Body::Spent;
        }
        self.scratch.request.is_upgrade = false;
    }

    /// Says what the backend is to answer for.
    fn tell(&mut self, rule: &TableRule, status: u16, more: &[(&str, Variable)]) {
        let first = rule.backends.first().and_then(|entry| entry.backend);
        let main = first.and_then(|id| self.core.upstreams.backend(id));
        let mut overlay = std::mem::take(&mut self.scratch.overlay);
        let known = Known {
            request: self.request(),
            request_id: &self.scratch.request_id,
            origin: Some(&rule.origin),
            backend: main.as_ref().map(|backend| &*backend.key),
        };
        overlay.set(b"X-Code", status.to_string().as_bytes());
        for (name, variable) in FACTS.iter().chain(more) {
            let mut value = Vec::new();
            known.put(variable, &mut value);
            match &*value {
                [] => overlay.remove(name.as_bytes()),
                value => overlay.set(name.as_bytes(), value),
            }
        }
        overlay.remove(b"X-Format");
        if let Some(accept) = self.head().find_name(self.bytes, b"accept") {
            overlay.add(b"X-Format", accept);
        }
        self.scratch.overlay = overlay;
        self.sent_trailers = Trailers::Dropped;
    }
}
