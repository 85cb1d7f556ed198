//! HTTP/1.1 for a handful of fixed pages. Bounded in connections, request size, time and memory;
//! nobody who is slow keeps others from being answered.

use std::convert::Infallible;
use std::io::Cursor;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::{LocalSet, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::door::Caller;
use super::metrics;
use super::reading::Reading;
use super::state::AdminState;
use crate::control::explain::{Explainer, ExplainerRequest, name_certificate};
use crate::control::seats::{Room, Seat, Seats};
use crate::explain::{Place, Question, Words};
use crate::limits::{
    ADMIN_ANSWER_PATIENCE, ADMIN_CONNECTION_TIMEOUT, ADMIN_CONNECTIONS_MAX,
    ADMIN_CONNECTIONS_PER_ADDRESS_MAX, ADMIN_EXPLANATIONS_MAX, ADMIN_FIELDS_MAX,
    ADMIN_HEAD_TIMEOUT, ADMIN_PLACE_PAUSE, ADMIN_REQUEST_BYTES_MAX, ADMIN_SCRAPES_MAX,
    EXPLANATION_PATIENCE,
};
use crate::publish::Unexplained;

const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

const INDEX: &str = "\
Ringway admin
/healthz   200 while every core's loop turns (with --healthz ready: and as /readyz)
/readyz    200 while every core serves a complete table and no drain has begun
/metrics   numbers for Prometheus
/explain   what would become of a request: url=…&method=…&header=…&client=…&sni=…
/is-dynamic-lb-initialized, /nginx_status   as in ingress-nginx
";

type Reply = Response<Full<Bytes>>;

struct Server {
    state: Arc<AdminState>,
    seats: Rc<Seats>,
    /// Metrics answers in memory.
    scrapes: Arc<Semaphore>,
    /// Explanations under way.
    explanations: Arc<Semaphore>,
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
    let server = Rc::new(Server { state, seats, scrapes, explanations });
    LocalSet::new().run_until(answer(callers, server)).await;
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
    async fn reply(&self, request: &Request<Incoming>, seat: &Seat) -> Reply {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only");
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return reply;
        }
        match request.uri().path() {
            "/" => text(StatusCode::OK, INDEX.trim_end()),
            "/healthz" => verdict(self.state.healthy()),
            "/readyz" => verdict(self.state.ready()),
            "/metrics" => self.metrics(seat).await,
            "/explain" => self.explain(request.uri().query().unwrap_or_default()).await,
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
            _ => text(StatusCode::NOT_FOUND, "no such page; / lists them"),
        }
    }

    async fn metrics(&self, seat: &Seat) -> Reply {
        // A crowd of scrapes makes room for a probe.
        seat.asks();
        let Some(permit) = self.turn().await else {
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
                let body = Bytes::from_owner(Scraped { text, _permit: permit });
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
            Ok((told, _turn)) => response(StatusCode::OK, "application/json", Bytes::from(told)),
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "it cannot be told"),
        }
    }

    /// What the control thread knows of the rule; `None`: nothing, or not in time.
    async fn objects_of(&self, place: Place) -> Option<Explainer> {
        let (reply, objects) = oneshot::channel();
        self.state.objects.try_send(ExplainerRequest { place, reply }).ok()?;
        timeout(EXPLANATION_PATIENCE, objects).await.ok()?.ok()?
    }

    /// Waits for its turn among the scrapes. Who takes long to read one has to make room for it.
    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        for _ in 0..=ADMIN_SCRAPES_MAX {
            let turn = Arc::clone(&self.scrapes).acquire_owned();
            if let Ok(turn) = timeout(ADMIN_ANSWER_PATIENCE, turn).await {
                return turn.ok();
            }
            self.seats.put_off_slowest();
        }
        None
    }
}

/// A metrics text that counts as in memory until its last byte is sent.
struct Scraped {
    text: String,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Scraped {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

fn verdict(verdict: Result<String, String>) -> Reply {
    match verdict {
        Ok(detail) => text(StatusCode::OK, &detail),
        Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, &reason),
    }
}

fn text(status: StatusCode, line: &str) -> Reply {
    response(status, PLAIN_TEXT, Bytes::from(format!("{line}\n")))
}

fn response(status: StatusCode, content_type: &'static str, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    let fields = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in fields {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply
}
