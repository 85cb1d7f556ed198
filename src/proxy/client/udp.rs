//! Datagrams of UDP services: each client has a session, with a socket of its own towards one
//! endpoint, until it has its answers, nothing moves for too long, or that endpoint is gone.
//!
//! ```text
//!  client ─▶ socket of the core ─▶ session (by client address) ─▶ endpoint
//!         ◀──────────────────────  its task                    ◀─
//! ```
//!
//! The kernel spreads clients over the cores by their addresses, so that one stays on a core.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::limits::{DATAGRAM_BYTES_MAX, DATAGRAMS_IN_A_ROW, UDP_LATE_ANSWERS, UDP_SESSIONS_MAX};
use crate::model::{Balance, EntryPoint};
use crate::proxy::core::Core;
use crate::proxy::rt::clock::recent_millis;
use crate::proxy::rt::{self, Datagrams, Signal};
use crate::proxy::upstream::endpoint::Lease;
use crate::table::{BackendId, TableStream};
use crate::telemetry::Counter;

/// An entry point of a UDP service on one core.
pub struct Service {
    core: Rc<Core>,
    socket: Datagrams,
    at: EntryPoint,
    sessions: RefCell<HashMap<SocketAddr, Rc<Session>>>,
    /// Room for one datagram, which nobody holds while waiting.
    room: RefCell<Vec<u8>>,
    closing: Signal,
}

/// A client that was heard of lately.
struct Session {
    client: SocketAddr,
    socket: Datagrams,
    backend: BackendId,
    /// Counts as one request in flight.
    lease: Lease,
    /// Answers that are due.
    due: Cell<u64>,
    /// Coarse clock when something moved last.
    moved: Cell<u64>,
    /// The client has another one, because this led to what is gone.
    is_left: Cell<bool>,
    ended: Signal,
}

impl Service {
    /// Takes a bound socket.
    ///
    /// # Errors
    /// There is no descriptor left.
    pub fn new(
        core: &Rc<Core>,
        socket: std::net::UdpSocket,
        at: EntryPoint,
    ) -> io::Result<Rc<Self>> {
        Ok(Rc::new(Self {
            core: Rc::clone(core),
            socket: Datagrams::new(socket)?,
            at,
            sessions: RefCell::default(),
            room: RefCell::new(vec![0; DATAGRAM_BYTES_MAX]),
            closing: Signal::default(),
        }))
    }

    /// Lets go of the port: a socket that nobody reads from would still get datagrams of clients.
    pub fn close(&self) {
        self.closing.raise();
        self.sessions.borrow().values().for_each(|session| session.ended.raise());
    }

    /// Relays datagrams until it is closed.
    pub async fn serve(self: Rc<Self>) {
        while !self.closing.is_raised() {
            rt::either(self.socket.readable(), self.closing.raised()).await;
            self.take_questions();
        }
    }

    fn take_questions(self: &Rc<Self>) {
        let mut room = self.room.borrow_mut();
        for _ in 0..DATAGRAMS_IN_A_ROW {
            match self.socket.try_take(&mut room) {
                Ok((octets, client)) => {
                    self.pass_on(client, room.get(..octets).unwrap_or_default());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // Of a datagram that was sent to a client that is gone.
                Err(_) => {}
            }
        }
    }

    /// Sends a client's datagram to the endpoint of its session, or to one of a new session.
    fn pass_on(self: &Rc<Self>, client: SocketAddr, datagram: &[u8]) {
        self.core.count(Counter::UdpDatagrams);
        let table = self.core.table();
        let found = table.0.stream_at(&self.at).and_then(|service| {
            Some((self.session(client, service)?, service.terms.policy.responses))
        });
        self.core.retire_table(table);
        let Some((session, responses)) = found else {
            return self.core.count(Counter::UdpDropped);
        };
        session.due.set(session.due.get().saturating_add(responses.into()));
        session.moved.set(recent_millis());
        if session.socket.try_send(datagram).is_err() {
            self.core.count(Counter::UdpDropped);
        }
        if responses == 0 {
            session.ended.raise();
        }
    }

    /// The session of a client, as long as what it leads to is there; else a new one. `None`: it
    /// would lead nowhere.
    fn session(self: &Rc<Self>, client: SocketAddr, service: &TableStream) -> Option<Rc<Session>> {
        let known = self.sessions.borrow().get(&client).map(Rc::clone);
        if let Some(known) = known {
            if service.backends.has(known.backend) && !known.lease.endpoint.is_removed() {
                return Some(known);
            }
            // What its endpoint owes may be on the way.
            known.is_left.set(true);
            known.ended.raise();
        }
        let backend = service.backends.pick(|below| self.core.random.below(below))?;
        self.begin(client, backend, service.terms.policy.idle_timeout)
    }

    /// A session with an endpoint; `None`: there is none. The most silent one makes room.
    fn begin(
        self: &Rc<Self>,
        client: SocketAddr,
        backend: BackendId,
        idle: Duration,
    ) -> Option<Rc<Session>> {
        if self.sessions.borrow().len() >= UDP_SESSIONS_MAX {
            let mut sessions = self.sessions.borrow_mut();
            let silent = sessions.values().min_by_key(|session| session.moved.get());
            let silent = silent.map(|session| session.client);
            let gone = silent.and_then(|client| sessions.remove(&client));
            gone.inspect(|session| session.ended.raise());
        }
        let lease = self.core.upstreams.backend(backend)?;
        let lease = lease.pick(Balance::RoundRobin, &[], &self.core.random)?;
        let session = Rc::new(Session {
            client,
            socket: Datagrams::connected(lease.endpoint.address).ok()?,
            backend,
            lease,
            due: Cell::new(0),
            moved: Cell::new(recent_millis()),
            is_left: Cell::new(false),
            ended: Signal::default(),
        });
        self.sessions.borrow_mut().insert(client, Rc::clone(&session));
        self.core.count(Counter::UdpSessions);
        let (service, answered) = (Rc::clone(self), Rc::clone(&session));
        self.core.tasks.start(async move {
            service.answer(&answered, idle).await;
            service.forget(&answered);
            if answered.is_left.get() {
                service.answer_late(&answered).await;
            }
        });
        Some(session)
    }

    fn forget(&self, session: &Rc<Session>) {
        let mut sessions = self.sessions.borrow_mut();
        if sessions.get(&session.client).is_some_and(|known| Rc::ptr_eq(known, session)) {
            sessions.remove(&session.client);
        }
    }

    /// Sends what an endpoint says back, until the client has its answers or nothing moves.
    async fn answer(&self, session: &Session, idle: Duration) {
        while !session.ended.is_raised() {
            let silent = recent_millis().saturating_sub(session.moved.get());
            let left = idle.saturating_sub(Duration::from_millis(silent));
            if left.is_zero() {
                return;
            }
            let heard = rt::either(session.socket.readable(), session.ended.raised());
            if rt::within(left, heard).await.is_some() {
                self.take_answers(session);
            }
        }
    }

    /// The same for a moment more, of an endpoint that the client's datagrams no longer go to.
    async fn answer_late(&self, session: &Session) {
        let left_at = recent_millis();
        while session.due.get() > 0 && !self.closing.is_raised() {
            let since = Duration::from_millis(recent_millis().saturating_sub(left_at));
            let left = UDP_LATE_ANSWERS.saturating_sub(since);
            let heard = rt::either(session.socket.readable(), self.closing.raised());
            if left.is_zero() || rt::within(left, heard).await.is_none() {
                return;
            }
            self.take_answers(session);
        }
    }

    fn take_answers(&self, session: &Session) {
        let mut room = self.room.borrow_mut();
        for _ in 0..DATAGRAMS_IN_A_ROW {
            let octets = match session.socket.try_take(&mut room) {
                Ok((octets, _)) => octets,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // Nobody listens there: the client's next datagram may go elsewhere.
                Err(_) => return session.ended.raise(),
            };
            let answer = room.get(..octets).unwrap_or_default();
            if self.socket.try_send_to(answer, session.client).is_err() {
                self.core.count(Counter::UdpDropped);
            }
            session.moved.set(recent_millis());
            session.due.set(session.due.get().saturating_sub(1));
            if session.due.get() == 0 {
                return session.ended.raise();
            }
        }
    }
}
