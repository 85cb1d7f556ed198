//! Datagrams of UDP services: each client has a session, with a socket of its own towards one
//! endpoint, until it has its answers or nothing moves for too long.
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

use crate::limits::{DATAGRAM_BYTES_MAX, DATAGRAMS_IN_A_ROW, UDP_SESSIONS_MAX};
use crate::model::{Balance, EntryPoint, StreamPolicy};
use crate::proxy::core::Core;
use crate::proxy::rt::clock::recent_millis;
use crate::proxy::rt::{self, Datagrams, Signal};
use crate::proxy::upstream::endpoint::Lease;
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
    /// Counts as one request in flight.
    _lease: Lease,
    /// Answers that are due.
    due: Cell<u64>,
    /// Coarse clock when something moved last.
    moved: Cell<u64>,
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
        let StreamPolicy { responses, idle_timeout, .. } = self.policy();
        let known = self.sessions.borrow().get(&client).map(Rc::clone);
        let Some(session) = known.or_else(|| self.begin(client, idle_timeout)) else {
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

    fn policy(&self) -> StreamPolicy {
        let table = self.core.table();
        let policy = table.0.streams;
        self.core.retire_table(table);
        policy
    }

    /// A session with an endpoint; `None`: there is none. The most silent one makes room.
    fn begin(self: &Rc<Self>, client: SocketAddr, idle: Duration) -> Option<Rc<Session>> {
        if self.sessions.borrow().len() >= UDP_SESSIONS_MAX {
            let mut sessions = self.sessions.borrow_mut();
            let silent = sessions.values().min_by_key(|session| session.moved.get());
            let silent = silent.map(|session| session.client);
            let gone = silent.and_then(|client| sessions.remove(&client));
            gone.inspect(|session| session.ended.raise());
        }
        let table = self.core.table();
        let backend = table.0.stream_at(&self.at).map(|service| service.backend);
        self.core.retire_table(table);
        let backend = self.core.upstreams.backend(backend?)?;
        let lease = backend.pick(Balance::RoundRobin, &[], &self.core.random)?;
        let session = Rc::new(Session {
            client,
            socket: Datagrams::connected(lease.endpoint.address).ok()?,
            _lease: lease,
            due: Cell::new(0),
            moved: Cell::new(recent_millis()),
            ended: Signal::default(),
        });
        self.sessions.borrow_mut().insert(client, Rc::clone(&session));
        self.core.count(Counter::UdpSessions);
        let (service, answered) = (Rc::clone(self), Rc::clone(&session));
        self.core.tasks.start(async move {
            service.answer(&answered, idle).await;
            let mut sessions = service.sessions.borrow_mut();
            let is_it = |known: &Rc<Session>| Rc::ptr_eq(known, &answered);
            if sessions.get(&answered.client).is_some_and(is_it) {
                sessions.remove(&answered.client);
            }
        });
        Some(session)
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
