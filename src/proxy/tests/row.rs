//! A row of a table: what both sides do, and what comes of it.
//!
//! | Of | Is told |
//! |---|---|
//! | the client | `200 ok; 502 close \| closed`: status, `close` if it says so, body; the end |
//! | each endpoint | connections, requests, connections still open |
//! | each exchange | `200 a:no_response b:200`: status, then every try |

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use crate::model::Policies;
use crate::proxy::rt;
use crate::proxy::rt::simulated::link::{Close, Peer};
use crate::proxy::rt::simulated::network::Knock;
use crate::proxy::tests::world::World;

/// A step of a client, or of an endpoint on one connection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    /// Sends text.
    Says(&'static str),
    /// Sends so many octets `x`.
    SaysMany(usize),
    /// Waits until this comes behind what it waited for last.
    Hears(&'static str),
    /// Waits until the connection is ended for it.
    HearsEnd,
    /// Does nothing for so many milliseconds.
    Waits(u64),
    /// Sends no more.
    Ends,
    /// Sends and takes no more.
    Closes,
    /// Breaks the connection.
    Resets,
    /// Has room for so many octets more.
    Takes(usize),
    /// First step of an endpoint: no connection.
    Refuses,
    /// First step of an endpoint: our side has no descriptor for it.
    Lacks,
    /// First step of an endpoint: no answer to who wants a connection.
    Ignores,
    /// First step of an endpoint: a connection after so many milliseconds.
    AcceptsAfter(u64),
    /// The process is told to drain.
    Drains,
    /// Begins anew.
    Repeats,
}

use Act::*;

/// What an endpoint does: on each of its connections, and on all that follow as on the last.
pub(super) type Endpoint = &'static [&'static [Act]];

/// A case.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) flags: &'static str,
    pub(super) policies: fn(&mut Policies),
    pub(super) client: &'static [Act],
    /// Clients that are there as well; what they get is in the log.
    pub(super) beside: &'static [&'static [Act]],
    pub(super) endpoints: &'static [Endpoint],
    /// Those of the Service that policies may name: `ns/other`.
    pub(super) others: &'static [Endpoint],
    /// Milliseconds that are looked at.
    pub(super) lasts: u64,
    /// What the client got.
    pub(super) gets: &'static str,
    /// When it got the last octet of it, in tenths of a second.
    pub(super) at: u64,
    /// Of each endpoint: connections, requests, connections still open.
    pub(super) asked: &'static [(usize, usize, usize)],
    /// Of each exchange.
    pub(super) log: &'static [&'static str],
}

/// The end of a head without a body.
pub(super) const END: &str = "\r\n\r\n";
/// A request that may be repeated.
pub(super) const GET: Act = Says("GET /get HTTP/1.1\r\nHost: h\r\n\r\n");
/// A request that may not, with its body.
pub(super) const POST: Act =
    Says("POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
/// An answer.
pub(super) const OK: Act = Says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
/// Answers each of its requests.
pub(super) const ANSWERS: &[Act] = &[Hears(END), OK, Repeats];
/// An endpoint that is well.
pub(super) const WELL: Endpoint = &[ANSWERS];
/// An endpoint that refuses connections.
pub(super) const REFUSES: Endpoint = &[&[Refuses]];

/// One request that may be repeated, and one endpoint that answers.
pub(super) const ROW: Row = Row {
    name: "",
    flags: "",
    policies: |_| {},
    client: &[GET],
    beside: &[],
    endpoints: &[WELL],
    others: &[],
    lasts: 1000,
    gets: "200 ok | open",
    at: 0,
    asked: &[(1, 1, 1)],
    log: &["200 a:200"],
};

/// Runs every row; fails with all that came out otherwise than said.
#[track_caller]
pub(super) fn check(rows: &[Row]) {
    let differences: Vec<String> = rows.iter().filter_map(difference).collect();
    assert!(differences.is_empty(), "{} row(s):\n{}", differences.len(), differences.join("\n"));
}

fn difference(row: &Row) -> Option<String> {
    let (gets, at, asked, log) = run(row);
    let is_same = gets == row.gets && at == row.at && asked == row.asked && log == row.log;
    let shown = |gets: &str, at, asked: &[_], log: &[String]| {
        format!("gets: {gets:?}, at: {at}, asked: {asked:?}, log: {log:?}")
    };
    let expected: Vec<String> = row.log.iter().map(|&line| line.to_owned()).collect();
    let expected = shown(row.gets, row.at, row.asked, &expected);
    (!is_same).then(|| {
        format!("{}\n  said {expected}\n  came {}", row.name, shown(&gets, at, &asked, &log))
    })
}

type Outcome = (String, u64, Vec<(usize, usize, usize)>, Vec<String>);

/// Connections of each endpoint.
pub(super) type Connections = Rc<RefCell<Vec<Vec<Option<Peer>>>>>;

fn run(row: &Row) -> Outcome {
    let mut policies = Policies::default();
    (row.policies)(&mut policies);
    let count = |endpoints: &[Endpoint]| u8::try_from(endpoints.len()).expect("a few endpoints");
    let world = World::new(row.flags, policies, count(row.endpoints), count(row.others));
    let connections = serve(&world, [row.endpoints, row.others].concat());
    let client = world.connect();
    world.play(act(client.clone(), row.client, Some(Box::new(world.drain()))));
    for script in row.beside {
        world.play(act(world.connect(), script, None));
    }
    world.pass(Duration::from_millis(row.lasts));
    let asked = connections.borrow().iter().map(|all| tally(all)).collect();
    let log = world.log().iter().map(log_line).collect();
    let at = world.millis_of(client.heard_at()) / 100;
    (seen(&client), at, asked, log)
}

/// Has the endpoints of a world do as they are told.
pub(super) fn serve(world: &World, endpoints: Vec<Endpoint>) -> Connections {
    let connections: Connections = Rc::new(RefCell::new(vec![Vec::new(); endpoints.len()]));
    let known = Rc::clone(&connections);
    world.route(move |number, knock| {
        let place = known.borrow()[number].len();
        known.borrow_mut()[number].push(None);
        let scripts = endpoints[number];
        let script = scripts[place.min(scripts.len() - 1)];
        let known = Rc::clone(&known);
        let accepted = move |peer: &Peer| known.borrow_mut()[number][place] = Some(peer.clone());
        rt::spawn(answer(knock, script, accepted), |_| {});
    });
    connections
}

async fn answer(knock: Knock, script: &'static [Act], accepted: impl FnOnce(&Peer)) {
    match script.first() {
        Some(Refuses) => return knock.refuse(io::ErrorKind::ConnectionRefused.into()),
        Some(Lacks) => return knock.refuse(io::Error::from_raw_os_error(libc::EMFILE)),
        Some(Ignores) => {
            // Kept: nobody answers.
            let _knock = knock;
            return std::future::pending().await;
        }
        Some(AcceptsAfter(millis)) => rt::sleep(Duration::from_millis(*millis)).await,
        _ => {}
    }
    let peer = knock.accept();
    accepted(&peer);
    act(peer, script, None).await;
}

pub(super) async fn act(peer: Peer, script: &'static [Act], drain: Option<Box<dyn Fn()>>) {
    let mut heard = 0;
    let mut steps = script.iter();
    while let Some(step) = steps.next() {
        match *step {
            Says(text) => peer.say(text.as_bytes()),
            SaysMany(octets) => peer.say(&vec![b'x'; octets]),
            Hears(text) => {
                let ends_at = |octets: &[u8]| {
                    let rest = octets.get(heard..)?;
                    let found = rest.windows(text.len()).position(|at| at == text.as_bytes())?;
                    Some(heard + found + text.len())
                };
                if !peer.hear(|octets| ends_at(octets).is_some()).await {
                    return;
                }
                let end = ends_at(&peer.heard()).expect("heard");
                heard = end;
            }
            HearsEnd => peer.hear_end().await,
            Waits(millis) => rt::sleep(Duration::from_millis(millis)).await,
            Ends => peer.end(),
            Closes => return peer.close(),
            Resets => return peer.reset(),
            Takes(room) => peer.take(room),
            Repeats => steps = script.iter(),
            Drains => drain.as_ref().expect("a client")(),
            Refuses | Lacks | Ignores | AcceptsAfter(_) => {}
        }
    }
}

/// Connections, requests, connections still open.
fn tally(connections: &[Option<Peer>]) -> (usize, usize, usize) {
    let peers = || connections.iter().flatten();
    let requests = |peer: &Peer| {
        let mark = b" HTTP/1.1\r\n";
        peer.heard().windows(mark.len()).filter(|at| at == mark).count()
    };
    let open = peers().filter(|peer| peer.closed().is_none() && !peer.is_over()).count();
    (connections.len(), peers().map(requests).sum(), open)
}

/// What a client got, in short.
fn seen(client: &Peer) -> String {
    let text = String::from_utf8_lossy(&client.heard()).into_owned();
    let responses: Vec<String> = text.split("HTTP/1.1 ").skip(1).map(response).collect();
    let end = match client.closed() {
        None => "open",
        Some(Close::Fin) => "closed",
        Some(Close::Reset) => "reset",
    };
    if responses.is_empty() { end.to_owned() } else { responses.join("; ") + " | " + end }
}

fn response(text: &str) -> String {
    let (head, body) = text.split_once(END).unwrap_or((text, "…"));
    let status = head.split(' ').next().unwrap_or_default();
    let mut shown = status.to_owned();
    let fields = head.to_ascii_lowercase();
    for (field, word) in [
        ("\r\nconnection: close", " close"),
        ("\r\nconnection: keep-alive", " keep-alive"),
        ("\r\ntransfer-encoding: chunked", " chunked"),
    ] {
        if fields.contains(field) {
            shown += word;
        }
    }
    // What we say ourselves begins with the status.
    if !body.is_empty() && !body.starts_with(status) {
        let body = body.replace("\r\n", "/");
        let many = body.bytes().filter(|&octet| octet == b'x').count();
        shown += &if many > 9 { format!(" x*{many}") } else { format!(" {body}") };
    }
    shown
}

fn log_line(line: &serde_json::Value) -> String {
    let mut shown = line["status"].to_string();
    for attempt in line["attempts"].as_array().expect("attempts") {
        let address = attempt["address"].as_str().expect("an address");
        let letter = match address {
            "10.0.0.1:80" => 'a',
            "10.0.0.2:80" => 'b',
            _ => 'c',
        };
        let (status, reason) = (attempt["status"].as_u64(), attempt["reason"].as_str());
        let status = status.map(|status| status.to_string());
        let outcome = [status.as_deref(), reason].into_iter().flatten().collect::<Vec<_>>();
        shown += &format!(" {letter}:{}", outcome.join("-"));
    }
    shown
}
