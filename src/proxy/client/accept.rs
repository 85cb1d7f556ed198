//! A core's listening sockets: opened and closed as the control plane says, each with loops that
//! accept.

use std::cell::RefCell;
use std::io;
use std::net::UdpSocket;
use std::rc::Rc;
use std::time::Duration;

use crate::limits::{
    ACCEPT_PAUSE, ACCEPTS_IN_FLIGHT, CLOSING_QUEUE_MAX, DRAIN_HANDSHAKE_GRACE, DRAIN_POLL,
    SPARES_PERIOD,
};
use crate::model::{EntryPoint, ListenerId, Scheme};
use crate::proxy::client::arrival::{self, Admitted, Arrived};
use crate::proxy::client::head::Unparsed;
use crate::proxy::client::{tcp, udp};
use crate::proxy::core::Core;
use crate::proxy::exchange::downstream::ListenerFacts;
use crate::proxy::exchange::end::After;
use crate::proxy::rt::{self, Accepted, DriverChoice, Listener, Places};
use crate::publish::{EntrySocket, Opening, OpeningId};
use crate::table::Table;
use crate::telemetry::Counter;

/// The sockets that are open. `F` is the future of one request, for which `places` are.
pub struct Listeners<F, S> {
    core: Rc<Core>,
    driver: DriverChoice,
    open: Vec<(OpeningId, Rc<Socket>)>,
    /// Of UDP services. A drain does not touch them: there is nothing to wait for.
    datagrams: Vec<(OpeningId, Rc<udp::Service>)>,
    places: Rc<Places<F>>,
    /// Makes it.
    serve_one: S,
}

/// A listening socket, and what connections that are accepted next are told of it.
pub struct Socket {
    listener: Listener,
    entry_point: EntryPoint,
    facts: RefCell<Rc<ListenerFacts>>,
}

impl<F, S> Listeners<F, S>
where
    F: Future<Output = After> + 'static,
    S: Fn(Unparsed) -> F + Copy + 'static,
{
    /// None is open yet.
    #[must_use]
    pub fn new(core: &Rc<Core>, driver: DriverChoice, serve_one: S) -> Self {
        let places: Rc<Places<F>> = Rc::default();
        let kept = Rc::clone(&places);
        core.tasks.start(async move {
            loop {
                rt::sleep_in_place(SPARES_PERIOD).await;
                kept.trim();
            }
        });
        Self {
            core: Rc::clone(core),
            driver,
            open: Vec::new(),
            datagrams: Vec::new(),
            places,
            serve_one,
        }
    }

    /// Accepts connections of a socket, unless the table in force has forgotten its entry point:
    /// then its closing is on the way.
    pub fn open(&mut self, opening: Opening) {
        let Opening { id, entry_point, socket } = opening;
        let socket = match socket {
            EntrySocket::Tcp(socket) => socket,
            EntrySocket::Udp(socket) => return self.relay_datagrams(id, socket, entry_point),
        };
        let table = self.core.table();
        let listener = table.0.listener_at(&entry_point);
        self.core.retire_table(table);
        let Some(listener) = listener.filter(|_| !self.core.is_draining.get()) else { return };
        let Ok(socket) = Socket::new(socket, entry_point, listener, self.driver) else {
            // No memory for it in the kernel. The other cores serve what comes there.
            return self.core.count(Counter::AcceptsExhausted);
        };
        self.accept_from(id, Rc::new(socket));
    }

    fn relay_datagrams(&mut self, id: OpeningId, socket: UdpSocket, at: EntryPoint) {
        let Ok(service) = udp::Service::new(&self.core, socket, at) else {
            return self.core.count(Counter::AcceptsExhausted);
        };
        self.core.tasks.start(Rc::clone(&service).serve());
        self.datagrams.push((id, service));
    }

    /// Accepts connections of a socket until it is closed.
    pub fn accept_from(&mut self, id: OpeningId, socket: Rc<Socket>) {
        for _ in 0..ACCEPTS_IN_FLIGHT {
            let (core, socket) = (Rc::clone(&self.core), Rc::clone(&socket));
            let (places, serve_one) = (Rc::clone(&self.places), self.serve_one);
            let counted = Accepting::new(&core);
            self.core.tasks.start(async move {
                let _counted = counted;
                accept(&core, &socket, &places, serve_one).await;
            });
        }
        self.open.push((id, socket));
    }

    /// Closes a socket behind those who were told that they are connected. Its open connections go
    /// on, and know their listener.
    pub fn close(&mut self, id: OpeningId) {
        if let Some(place) = self.datagrams.iter().position(|(open, _)| *open == id) {
            return self.datagrams.swap_remove(place).1.close();
        }
        let Some(place) = self.open.iter().position(|(open, _)| *open == id) else { return };
        let (_, socket) = self.open.swap_remove(place);
        self.core.tasks.start(async move {
            close(&[socket], &mut Waited::at_most(CLOSING_QUEUE_MAX)).await;
        });
    }

    /// Connections that are accepted from now on belong to the listeners of `table`.
    pub fn follow(&self, table: &Table) {
        for (_, socket) in &self.open {
            let known = socket.facts.borrow().id;
            let id = table.listener_at(&socket.entry_point).unwrap_or(known);
            if id != known {
                socket.facts.replace(facts(socket.entry_point, id));
            }
        }
    }

    /// All of them, to be closed.
    pub fn take(&mut self) -> Vec<Rc<Socket>> {
        self.open.drain(..).map(|(_, socket)| socket).collect()
    }
}

impl Socket {
    fn new(
        socket: std::net::TcpListener,
        entry_point: EntryPoint,
        listener: ListenerId,
        driver: DriverChoice,
    ) -> io::Result<Self> {
        let facts = RefCell::new(facts(entry_point, listener));
        Ok(Self { listener: Listener::new(socket, driver)?, entry_point, facts })
    }

    /// One of a test.
    #[cfg(test)]
    pub fn simulated(entry_point: EntryPoint) -> Self {
        let facts = RefCell::new(facts(entry_point, ListenerId::HTTP));
        Self { listener: Listener::default(), entry_point, facts }
    }

    /// A client of a test comes.
    #[cfg(test)]
    pub fn come(&self, from: std::net::SocketAddr) -> Option<rt::simulated::link::Peer> {
        self.listener.come(from)
    }
}

fn facts(entry_point: EntryPoint, id: ListenerId) -> Rc<ListenerFacts> {
    Rc::new(ListenerFacts::new(id, entry_point))
}

/// Closes sockets once no handshake can be under way and their queues are empty: what the kernel
/// told a client to be connected is served.
pub async fn close(sockets: &[Rc<Socket>], time: &mut Waited) {
    for socket in sockets {
        // Refused where a sandbox imitates the kernel: then those that come last may be lost.
        socket.listener.refuse_handshakes().unwrap_or_default();
    }
    rt::sleep(DRAIN_HANDSHAKE_GRACE).await;
    time.until(|| sockets.iter().all(|socket| socket.listener.waiting() == 0)).await;
    sockets.iter().for_each(|socket| socket.listener.close());
}

/// Counts a loop that accepts, for as long as it does.
struct Accepting(Rc<Core>);

impl Accepting {
    fn new(core: &Rc<Core>) -> Self {
        core.accepting.set(core.accepting.get() + 1);
        Self(Rc::clone(core))
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.0.accepting.set(self.0.accepting.get().saturating_sub(1));
    }
}

async fn accept<F: Future<Output = After> + 'static>(
    core: &Rc<Core>,
    socket: &Socket,
    places: &Rc<Places<F>>,
    serve_one: impl Fn(Unparsed) -> F + Copy + 'static,
) {
    loop {
        match socket.listener.accept(&core.deadlines).await {
            Accepted::Connection(stream, peer) if core.admit() => {
                if socket.entry_point.scheme == Scheme::Tcp {
                    let (admitted, at) = (Admitted(Rc::clone(core)), socket.entry_point);
                    core.tasks.start(tcp::serve(admitted, stream, peer, at));
                    continue;
                }
                let (listener, places) = (Rc::clone(&socket.facts.borrow()), Rc::clone(places));
                let place = move |request| places.put(|| serve_one(request));
                let admitted = Admitted(Rc::clone(core));
                let arrived = Arrived { admitted, socket: stream, peer, listener };
                core.tasks.start(arrival::serve(arrived, place));
            }
            Accepted::Connection(stream, _) => {
                core.count(Counter::ConnectionsRefused);
                // A client of TLS could not read what is said before a handshake.
                if socket.entry_point.scheme == Scheme::Http {
                    core.tasks.start(arrival::turn_away(Rc::clone(core), stream));
                }
            }
            Accepted::Exhausted => {
                core.count(Counter::AcceptsExhausted);
                rt::sleep(ACCEPT_PAUSE).await;
            }
            Accepted::Passing => {}
            Accepted::Closed => return,
        }
    }
}

/// A wait with an end.
pub struct Waited {
    waited: Duration,
    at_most: Duration,
}

impl Waited {
    /// Nothing yet.
    #[must_use]
    pub const fn at_most(at_most: Duration) -> Self {
        Self { waited: Duration::ZERO, at_most }
    }

    /// Looks again and again, until it holds or the time is over.
    pub async fn until(&mut self, is_so: impl Fn() -> bool) {
        while !is_so() && self.waited < self.at_most {
            rt::sleep(DRAIN_POLL).await;
            self.waited += DRAIN_POLL;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::proxy::rt::simulated::task;

    /// Runs `test` to its end, on a clock of its own.
    fn run(test: impl Future<Output = ()> + 'static) {
        let is_over = Rc::new(Cell::new(false));
        let over = Rc::clone(&is_over);
        task::clear();
        let marked = async move {
            test.await;
            over.set(true);
        };
        task::spawn(marked, |_| {});
        assert!(task::drive(Duration::from_secs(60), |_| {}, || is_over.get()), "it hangs");
    }

    #[test]
    fn a_wait_ends_when_it_holds_or_when_its_time_is_over() {
        run(async {
            let looks = Cell::new(0);
            let mut time = Waited::at_most(3 * DRAIN_POLL);
            let mut all = Vec::new();
            for answer in [true, false, false, true] {
                time.until(|| {
                    looks.set(looks.get() + 1);
                    answer
                })
                .await;
                all.push(looks.take());
            }
            assert_eq!(all, [1, 4, 1, 1]);
        });
    }

    #[test]
    fn a_queue_that_nobody_empties_does_not_keep_a_socket_open() {
        run(async {
            let address = ([127, 0, 0, 1], 80).into();
            let entry_point = EntryPoint { address, scheme: Scheme::Http };
            let socket = Rc::new(Socket::simulated(entry_point));
            let _waits = socket.listener.come(address).unwrap();
            assert_eq!(socket.listener.waiting(), 1);
            close(&[Rc::clone(&socket)], &mut Waited::at_most(2 * DRAIN_POLL)).await;
            assert!(socket.listener.come(address).is_none());
        });
    }
}
