//! HTTP/1.1 for a handful of fixed pages. Bounded in connections, request size, time and memory;
//! nobody who is slow keeps others from being answered.

use std::convert::Infallible;
use std::io::Cursor;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::{LocalSet, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::api::unanswered::Unanswered;
use super::api::{OPENAPI, View};
use super::door::Caller;
use super::events::Events;
use super::metrics;
use super::reading::Reading;
use super::rebinding::is_called_privately;
use super::replies::{JSON, Reply, forbidden, other_method, response, text, unauthorized, verdict};
use super::site;
use super::state::AdminState;
use super::token::Kept;
use crate::control::explain::{Explainer, ExplainerRequest, name_certificate};
use crate::control::seats::{Room, Seat, Seats};
use crate::explain::{Place, Question, Words};
use crate::limits::{
    ADMIN_ANSWER_PATIENCE, ADMIN_CONNECTION_TIMEOUT, ADMIN_CONNECTIONS_MAX,
    ADMIN_CONNECTIONS_PER_ADDRESS_MAX, ADMIN_EXPLANATIONS_MAX, ADMIN_FIELDS_MAX,
    ADMIN_HEAD_TIMEOUT, ADMIN_PLACE_PAUSE, ADMIN_REQUEST_BYTES_MAX, ADMIN_SCRAPES_MAX,
    ADMIN_VIEWS_MAX, EXPLANATION_PATIENCE,
};
use crate::publish::Unexplained;

const INDEX: &str = "\
Ringway admin
/          a page for browsers; else this list
/healthz   200 while every core's loop turns (with --healthz ready: and as /readyz)
/readyz    200 while every core serves a complete table and no drain has begun
/metrics   numbers for Prometheus
/explain   what would become of a request: url=…&method=…&header=…&client=…&sni=…
/api/v1/   overview, hosts, routes, endpoints, certificates, problems, objects, events, explain;
           openapi.json describes them
/is-dynamic-lb-initialized, /nginx_status   as in ingress-nginx
";

struct Server {
    state: Arc<AdminState>,
    seats: Rc<Seats>,
    /// Metrics answers in memory.
    scrapes: Arc<Semaphore>,
    /// Explanations under way.
    explanations: Arc<Semaphore>,
    /// Answers with lists in memory.
    views: Arc<Semaphore>,
    events: Events,
}

/// Answers callers until there can be none any more, or it is dropped; then every connection is
/// closed.
///
/// Shape: errors of one connection end that connection. Needs a Tokio runtime with I/O and time
/// around it; brings its own `LocalSet`, and may run inside another.
pub(super) async fn serve(callers: mpsc::Receiver<Caller>, state: Arc<AdminState>) {
    let room = Room {
        seats: state.room.of(ADMIN_CONNECTIONS_MAX),
        of_one_address: state.room.of(ADMIN_CONNECTIONS_PER_ADDRESS_MAX),
        answer: ADMIN_ANSWER_PATIENCE,
    };
    let seats = Seats::new(room, Arc::clone(&state.put_off));
    let scrapes = Arc::new(Semaphore::new(ADMIN_SCRAPES_MAX));
    let explanations = Arc::new(Semaphore::new(ADMIN_EXPLANATIONS_MAX));
    let views = Arc::new(Semaphore::new(ADMIN_VIEWS_MAX));
    let events = Events::new(state.room);
    let server = Rc::new(Server { state, seats, scrapes, explanations, views, events });
    let telling = Rc::clone(&server);
    let work = async {
        tokio::select! {
            () = answer(callers, server) => {}
            () = telling.events.tell(&telling.state) => {}
        }
    };
    LocalSet::new().run_until(work).await;
}

async fn answer(mut callers: mpsc::Receiver<Caller>, server: Rc<Server>) {
    while let Some(Caller { stream, sent, peer }) = callers.recv().await {
        // No room for it in the runtime: it is told by the closed connection.
        let Ok(stream) = TcpStream::from_std(stream) else { continue };
        let seat = loop {
            match server.seats.admit(peer) {
                Some(seat) => break seat,
                None => sleep(ADMIN_PLACE_PAUSE).await,
            }
        };
        // It has asked: nobody takes its place before it was answered, or takes too long to read.
        seat.answers();
        server.seats.start(seat, |seat| converse(stream, sent, seat, Rc::clone(&server)));
    }
}

/// `sent`: what was read of the stream.
async fn converse(stream: TcpStream, sent: Vec<u8>, seat: Seat, server: Rc<Server>) {
    let seat = Rc::new(seat);
    let service = service_fn(move |request| {
        let (server, seat) = (Rc::clone(&server), Rc::clone(&seat));
        async move {
            let reply = server.reply(&request, &seat).await;
            seat.answers();
            Ok::<_, Infallible>(reply)
        }
    });
    let (rest, out) = stream.into_split();
    let stream = tokio::io::join(Cursor::new(sent).chain(rest), out);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ADMIN_HEAD_TIMEOUT)
        .max_buf_size(ADMIN_REQUEST_BYTES_MAX)
        .max_headers(ADMIN_FIELDS_MAX)
        // One request a connection: nobody can sit on one of the few.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // Every way to fail here is the client's, and it is told by the closed connection.
    drop(timeout(ADMIN_CONNECTION_TIMEOUT, connection).await);
}

impl Server {
    async fn reply(&self, request: &Request<Incoming>, seat: &Rc<Seat>) -> Reply {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return other_method();
        }
        if let Some(file) = site::file(request.uri().path(), request.headers()) {
            return if self.may_be_another_site(request) { forbidden() } else { file };
        }
        match request.uri().path() {
            "/" => text(StatusCode::OK, INDEX.trim_end()),
            "/healthz" => verdict(self.state.healthy()),
            "/readyz" => verdict(self.state.ready()),
            "/metrics" => self.metrics(seat).await,
            "/is-dynamic-lb-initialized" => verdict(self.state.ready()),
            "/nginx_status" => {
                let state = Arc::clone(&self.state);
                // A scrape may hold what is summed: not on the thread that answers probes.
                match spawn_blocking(move || state.connections().page()).await {
                    Ok(page) => text(StatusCode::OK, &page),
                    Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "cannot be told"),
                }
            }
            path if path == &*self.state.health_check_path => verdict(self.state.healthy()),
            "/explain" => self.api("explain", request, seat).await,
            path => match path.strip_prefix("/api/v1/") {
                Some(path) => self.api(path, request, seat).await,
                None => text(StatusCode::NOT_FOUND, "no such page; / lists them"),
            },
        }
    }

    /// What is for those alone who have the token. `path`: below `/api/v1/`.
    async fn api(&self, path: &str, request: &Request<Incoming>, seat: &Rc<Seat>) -> Reply {
        match self.admits(request).await {
            Ok(()) => {}
            Err(Kept::Stranger) => return unauthorized(),
            Err(Kept::OtherSite) => return forbidden(),
            Err(Kept::NoToken) => {
                let line = "the file of --admin-token-file has no token: nobody is let in";
                return text(StatusCode::SERVICE_UNAVAILABLE, line);
            }
        }
        let query = request.uri().query().unwrap_or_default();
        match (path, View::of(path)) {
            (_, Some(view)) => self.view(view, query, seat).await,
            ("explain", None) => self.explain(query).await,
            ("openapi.json", None) => {
                response(StatusCode::OK, JSON, Bytes::from_static(OPENAPI.as_bytes()))
            }
            ("events", None) => self.events.stream(Rc::clone(seat)).unwrap_or_else(|| {
                text(StatusCode::SERVICE_UNAVAILABLE, "too many streams of events at a time")
            }),
            (_, None) => text(StatusCode::NOT_FOUND, "no such view; openapi.json lists them"),
        }
    }

    /// Nothing but the name that we are called by tells it from one of ours: no token is asked for.
    fn may_be_another_site(&self, request: &Request<Incoming>) -> bool {
        self.state.token.is_none() && !is_called_privately(request)
    }

    async fn admits(&self, request: &Request<Incoming>) -> Result<(), Kept> {
        if self.may_be_another_site(request) {
            return Err(Kept::OtherSite);
        }
        let Some(token) = self.state.token.clone() else { return Ok(()) };
        let sent = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes().to_vec());
        // Reads a file.
        let admitted = spawn_blocking(move || token.admits(sent.as_deref())).await;
        admitted.unwrap_or(Err(Kept::NoToken))
    }

    async fn view(&self, view: View, query: &str, seat: &Seat) -> Reply {
        // Who waits for a list makes room for a probe.
        seat.asks();
        let Some(permit) = self.turn(&self.views, ADMIN_VIEWS_MAX).await else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "too many questions at a time");
        };
        seat.answers();
        let (state, query) = (Arc::clone(&self.state), query.to_owned());
        // Who goes away meanwhile makes no room for another one.
        let answer = spawn_blocking(move || (view.answer(&query, &state), permit)).await;
        let (status, line) = match answer {
            Ok((Ok(text), permit)) => {
                let body = Bytes::from_owner(Held { text, _permit: permit });
                return response(StatusCode::OK, JSON, body);
            }
            Ok((Err(unanswered), _)) => (status_of(&unanswered), unanswered.to_string()),
            Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "it cannot be told".to_owned()),
        };
        text(status, &line)
    }

    async fn metrics(&self, seat: &Seat) -> Reply {
        // A crowd of scrapes makes room for a probe.
        seat.asks();
        let Some(permit) = self.turn(&self.scrapes, ADMIN_SCRAPES_MAX).await else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "too many scrapes at a time");
        };
        seat.answers();
        let state = Arc::clone(&self.state);
        let content_type = metrics::content_type(&state);
        // At the limit of series more than 100 MB: not on the thread that answers probes. Who goes
        // away meanwhile makes no room for another one.
        let render = move || (Reading::take(&state).render(&state), permit);
        match spawn_blocking(render).await {
            Ok((Ok(text), permit)) => {
                let body = Bytes::from_owner(Held { text, _permit: permit });
                response(StatusCode::OK, content_type, body)
            }
            _ => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be encoded"),
        }
    }

    /// By the table that the first core has in force.
    async fn explain(&self, query: &str) -> Reply {
        let question = Words::of_query(query).and_then(|words| Question::new(&words));
        let question = match question {
            Ok(question) => question,
            Err(error) => return text(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        let Ok(turn) = Arc::clone(&self.explanations).try_acquire_owned() else {
            return text(StatusCode::SERVICE_UNAVAILABLE, &Unexplained::Crowd.to_string());
        };
        let explainers = self.state.explainers.clone();
        // A core answers at once; if it hangs, probes are answered all the same. Who goes away
        // meanwhile makes no room for another one.
        let ask = move || (explainers.ask(0, question, EXPLANATION_PATIENCE), turn);
        let (mut told, turn) = match spawn_blocking(ask).await {
            Ok((Ok(told), turn)) => (told, turn),
            Ok((Err(error), _)) => {
                return text(StatusCode::SERVICE_UNAVAILABLE, &error.to_string());
            }
            Err(_) => return text(StatusCode::INTERNAL_SERVER_ERROR, "it cannot be told"),
        };
        let objects = match &told.rule {
            Some(place) => self.objects_of(place.clone()).await,
            None => None,
        };
        let state = Arc::clone(&self.state);
        let completed = spawn_blocking(move || {
            // Reads every certificate: not on the thread that answers probes.
            name_certificate(&mut told, &state.control.snapshot().certificates);
            if let Some(objects) = objects {
                objects.complete(&mut told);
            }
            (told.to_json(), turn)
        });
        match completed.await {
            Ok((told, _turn)) => response(StatusCode::OK, JSON, Bytes::from(told)),
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "it cannot be told"),
        }
    }

    /// What the control thread knows of the rule; `None`: nothing, or not in time.
    async fn objects_of(&self, place: Place) -> Option<Explainer> {
        let (reply, objects) = oneshot::channel();
        self.state.objects.try_send(ExplainerRequest { place, reply }).ok()?;
        timeout(EXPLANATION_PATIENCE, objects).await.ok()?.ok()?
    }

    /// Waits for its turn among the `most` of which `answers` has permits. Who takes long to
    /// read one has to make room for it.
    async fn turn(&self, answers: &Arc<Semaphore>, most: usize) -> Option<OwnedSemaphorePermit> {
        for _ in 0..=most {
            let turn = Arc::clone(answers).acquire_owned();
            if let Ok(turn) = timeout(ADMIN_ANSWER_PATIENCE, turn).await {
                return turn.ok();
            }
            self.seats.put_off_slowest();
        }
        None
    }
}

/// An answer that counts as in memory until its last byte is sent.
struct Held {
    text: String,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

fn status_of(unanswered: &Unanswered) -> StatusCode {
    match unanswered {
        Unanswered::Parameter(_) | Unanswered::Missing(_) => StatusCode::BAD_REQUEST,
        Unanswered::NoBackend | Unanswered::Core(Unexplained::NoCore) => StatusCode::NOT_FOUND,
        Unanswered::Core(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}
