//! Which endpoint a request gets: the one that its text or its client's session is bound to, else
//! what the balance says.

use std::net::SocketAddr;

use crate::filter::{
    Binding, HashBy, NewKey, Session, SessionCookie, SessionMode, Setting, Statuses,
};
use crate::model::Balance;
use crate::proxy::core::put_date_in;
use crate::proxy::exchange::state::Exchange;
use crate::proxy::exchange::variables::Known;
use crate::proxy::rt::random::Random;
use crate::proxy::upstream::backend::Backend;
use crate::proxy::upstream::bound::{Bond, Stay};
use crate::proxy::upstream::endpoint::Lease;
use crate::table::{Ring, Route};

impl Exchange<'_> {
    /// Picks an endpoint that was not tried, if it may be another one and there is one; `None`:
    /// there is none at all.
    pub(super) fn pick(&mut self, backend: &Backend, route: Route<'_>) -> Option<(Lease, Stay)> {
        self.bound(backend, route, Backend::pick_bound)
    }

    /// The endpoint that [`Self::pick`] would pick, which gets to know nothing of it.
    pub(super) fn foresee(&mut self, backend: &Backend, route: Route<'_>) -> Option<SocketAddr> {
        self.bound(backend, route, Backend::foresee)
    }

    fn bound<T>(
        &mut self,
        backend: &Backend,
        route: Route<'_>,
        pick: impl FnOnce(&Backend, Balance, Option<Bond<'_>>, &[SocketAddr], &Random) -> T,
    ) -> T {
        let treatment = &route.plan.treatment;
        let bond = match treatment.binding.as_deref() {
            // Sessions are those of a rule's own backends.
            Some(binding) if binding.is_session() && route.tag.is_empty() => None,
            None => None,
            Some(Binding::Hash(by)) => Some(Bond::Hash(self.hash(by, backend), by.group.get())),
            Some(binding @ Binding::Session(cookie)) => {
                let &SessionCookie { mode, on_failure, .. } = cookie;
                let key = self.session(binding, route.tag).map(|session| session.key);
                Some(Bond::Session { mode, on_failure, key })
            }
            Some(binding @ Binding::Header(header)) => {
                let (mode, on_failure) = (SessionMode::Persistent, header.on_failure);
                let key = self.session(binding, route.tag).map(|session| session.key);
                Some(Bond::Session { mode, on_failure, key })
            }
        };
        pick(backend, treatment.balance, bond, &self.scratch.tried, &self.core.random)
    }

    fn hash(&mut self, by: &HashBy, backend: &Backend) -> u32 {
        let mut text = std::mem::take(&mut self.scratch.text);
        text.clear();
        let known = Known {
            request: self.request(),
            request_id: &self.scratch.request_id,
            // The same for all requests of a rule.
            origin: None,
            backend: Some(&backend.key),
        };
        by.text.put(&known, &mut text);
        let hash = Ring::hash(&text);
        self.scratch.text = text;
        hash
    }

    /// Tells the client the session that begins.
    pub(super) fn add_cookie(&mut self, route: Route<'_>, key: NewKey) {
        let Some(binding) = route.plan.treatment.binding.as_deref() else { return };
        let mut value = std::mem::take(&mut self.scratch.text);
        value.clear();
        let user_agent = self.head().find_name(self.bytes, b"user-agent").unwrap_or_default();
        let scheme = self.downstream.listener.scheme;
        let setting = Setting { key, tag: route.tag, scheme, user_agent };
        match binding {
            Binding::Session(cookie) => {
                cookie.put(&mut value, &setting, put_date_in);
                self.scratch.added.add("Set-Cookie", &value, Statuses::Any);
            }
            Binding::Header(header) => {
                header.put(&mut value, &setting);
                self.scratch.added.add(header.name.to_string(), &value, Statuses::Any);
            }
            Binding::Hash(_) => {}
        }
        self.scratch.text = value;
    }

    /// The session that the client has, be it with another backend than `tag`.
    pub(super) fn session(&self, binding: &Binding, tag: &str) -> Option<Session<'_>> {
        match binding {
            Binding::Session(cookie) => cookie.find(self.request().cookies(), tag),
            Binding::Header(header) => {
                header.find(self.request().values(header.name.as_bytes()), tag)
            }
            Binding::Hash(_) => None,
        }
    }
}
