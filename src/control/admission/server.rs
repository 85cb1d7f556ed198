//! The HTTPS listener of the webhook. Bounded in connections, sizes, time and memory: whoever in
//! the cluster reaches it may talk to it, as there is no client certificate to ask for.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot, watch};
use tokio::task::{LocalSet, spawn_blocking};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

use super::review::{self, Answer, Asked, Malformed, Question};
use super::state::{AdmissionState, ReviewRequest, Verdict};
use crate::control::own_thread::{self, OwnThread};
use crate::control::seats::{ControlRoom, Room, Seat, Seats};
use crate::control::source::kubernetes::SourceState;
use crate::limits::{
    ADMIN_FIELDS_MAX, ADMIN_REQUEST_BYTES_MAX, ADMISSION_ANSWER_PATIENCE, ADMISSION_BODY_BYTES_MAX,
    ADMISSION_BODY_TIMEOUT, ADMISSION_CONNECTION_TIMEOUT, ADMISSION_CONNECTIONS_MAX,
    ADMISSION_CONNECTIONS_PER_ADDRESS_MAX, ADMISSION_CONNECTIONS_PLENTY, ADMISSION_DEADLINE,
    ADMISSION_HANDSHAKE_TIMEOUT, ADMISSION_IDLE_TIMEOUT, ADMISSION_LARGE_BODIES_MAX,
    ADMISSION_SMALL_BODY_BYTES,
};

type Reply = Response<Full<Bytes>>;

/// Where reviews are sent; the second as ingress-nginx names it.
const PATHS: [&str; 2] = ["/validate", "/networking/v1/ingresses"];

struct Server {
    tls: watch::Receiver<Option<Arc<ServerConfig>>>,
    reviews: mpsc::Sender<ReviewRequest>,
    source: Arc<SourceState>,
    state: Arc<AdmissionState>,
    seats: Rc<Seats>,
    large: Semaphore,
}

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
enum BodyError {
    #[error("the body is larger than {ADMISSION_BODY_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the body did not come in time")]
    TooSlow,
    #[error("the body broke off")]
    Cut,
}

impl BodyError {
    fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Cut => StatusCode::BAD_REQUEST,
        }
    }
}

/// What the webhook needs of others.
#[derive(Debug)]
pub struct Asking {
    /// What it answers with; until there is a configuration, connections are closed at once.
    pub tls: watch::Receiver<Option<Arc<ServerConfig>>>,
    /// To the control thread, which judges.
    pub reviews: mpsc::Sender<ReviewRequest>,
    /// Which namespaces are watched.
    pub source: Arc<SourceState>,
    /// What is told about it.
    pub state: Arc<AdmissionState>,
    /// How many connections there may be.
    pub room: ControlRoom,
}

/// Serves on a thread of its own for as long as the process lives: handshakes of strangers hold up
/// neither probes nor tables.
///
/// # Errors
/// No thread, no runtime, or no room for a listener in it.
pub fn start(listeners: Vec<std::net::TcpListener>, asking: Asking) -> io::Result<OwnThread> {
    own_thread::start("ringway-webhook", listeners, |listeners| serve(listeners, asking))
}

/// Serves until it is dropped; then every connection is closed.
///
/// Shape: never returns by itself; errors of one connection end that connection. Needs a Tokio
/// runtime with I/O and time around it; brings its own `LocalSet`, and may run inside another.
async fn serve(listeners: Vec<TcpListener>, asking: Asking) {
    let Asking { tls, reviews, source, state, room } = asking;
    let room = Room {
        seats: room.of(ADMISSION_CONNECTIONS_MAX),
        of_one_address: room.of(ADMISSION_CONNECTIONS_PER_ADDRESS_MAX),
        answer: ADMISSION_ANSWER_PATIENCE,
    };
    let seats = Seats::new(room, Arc::clone(&state.put_off));
    let large = Semaphore::new(ADMISSION_LARGE_BODIES_MAX);
    let server = Rc::new(Server { tls, reviews, source, state, seats, large });
    let accepting = listeners.into_iter().map(|listener| {
        let (seats, server) = (Rc::clone(&server.seats), Rc::clone(&server));
        async move {
            seats.fill(listener, |stream, seat| converse(stream, seat, Rc::clone(&server))).await;
        }
    });
    LocalSet::new().run_until(join_all(accepting)).await;
}

async fn converse(stream: TcpStream, seat: Seat, server: Rc<Server>) {
    let Some(config) = server.tls.borrow().clone() else { return };
    // For as many requests as the client likes, unless there are many of them.
    let stays = server.seats.taken() <= ADMISSION_CONNECTIONS_PLENTY;
    // An answer is one write; without it, it is only later.
    drop(stream.set_nodelay(true));
    let handshake = TlsAcceptor::from(config).accept(stream);
    let Ok(Ok(stream)) = timeout(ADMISSION_HANDSHAKE_TIMEOUT, handshake).await else { return };
    let seat = Rc::new(seat);
    let service = service_fn(move |request| {
        let (server, seat) = (Rc::clone(&server), Rc::clone(&seat));
        async move {
            seat.asks();
            let reply = server.reply(request).await;
            seat.rests();
            Ok::<_, Infallible>(reply)
        }
    });
    let head = if stays { ADMISSION_IDLE_TIMEOUT } else { ADMISSION_HANDSHAKE_TIMEOUT };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(ADMIN_REQUEST_BYTES_MAX)
        .max_headers(ADMIN_FIELDS_MAX)
        .keep_alive(stays)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // Every way to fail here is the client's, and it is told by the closed connection.
    let life = if stays { ADMISSION_CONNECTION_TIMEOUT } else { 2 * ADMISSION_BODY_TIMEOUT };
    if timeout(life, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        drop(timeout(ADMISSION_BODY_TIMEOUT, connection).await);
    }
}

impl Server {
    async fn reply(&self, request: Request<Incoming>) -> Reply {
        match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/healthz") => text(StatusCode::OK, "ok"),
            (&Method::POST, path) if PATHS.contains(&path) => {
                let began = Instant::now();
                let (reply, bytes) = self.review(request.into_body()).await;
                self.state.reviewed(began.elapsed(), bytes);
                reply
            }
            (_, path) if PATHS.contains(&path) => {
                let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, "POST only");
                reply.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
                reply
            }
            _ => text(StatusCode::NOT_FOUND, "no such page"),
        }
    }

    /// With the size of the body, if it was read.
    async fn review(&self, body: Incoming) -> (Reply, u64) {
        // A large body is in memory until it is answered.
        let (bytes, room) = match timeout(ADMISSION_BODY_TIMEOUT, self.read(body)).await {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => return (self.malformed(error.status(), &error), 0),
            Err(_) => {
                let error = BodyError::TooSlow;
                return (self.malformed(error.status(), &error), 0);
            }
        };
        let size = bytes.len() as u64;
        let asked = read(bytes).await;
        let (answer, verdict) = match asked {
            Ok(Asked::Judge(question)) => self.judge(*question).await,
            Ok(Asked::Settled(answer)) => (answer, Verdict::Allowed),
            Err(error) => return (self.malformed(StatusCode::BAD_REQUEST, &error), size),
        };
        drop(room);
        self.state.count(verdict);
        let reply = match answer.to_json() {
            Ok(json) => response(StatusCode::OK, "application/json", Bytes::from(json)),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        };
        (reply, size)
    }

    fn malformed(&self, status: StatusCode, error: &dyn std::error::Error) -> Reply {
        self.state.count(Verdict::Malformed);
        text(status, &error.to_string())
    }

    async fn read(
        &self,
        body: Incoming,
    ) -> Result<(Bytes, Option<SemaphorePermit<'_>>), BodyError> {
        let at_most = |bytes: usize| {
            let upper = body.size_hint().upper();
            upper.is_some_and(|upper| usize::try_from(upper).is_ok_and(|upper| upper <= bytes))
        };
        let has_length = body.size_hint().upper().is_some();
        if has_length && !at_most(ADMISSION_BODY_BYTES_MAX) {
            return Err(BodyError::TooLarge);
        }
        let room = match at_most(ADMISSION_SMALL_BODY_BYTES) {
            true => None,
            false => Some(self.large.acquire().await.or(Err(BodyError::Cut))?),
        };
        match Limited::new(body, ADMISSION_BODY_BYTES_MAX).collect().await {
            Ok(collected) => Ok((collected.to_bytes(), room)),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                Err(BodyError::TooLarge)
            }
            Err(_) => Err(BodyError::Cut),
        }
    }

    /// Has the control thread judge it; whatever goes wrong with that, it is let in.
    async fn judge(&self, question: Question) -> (Answer, Verdict) {
        // Another installation's, or nobody's: a webhook cannot ask for namespaces as flags can.
        if !self.source.is_watched(&question.reference.namespace) {
            return (question.answer(&[]), Verdict::Allowed);
        }
        let (reply, problems) = oneshot::channel();
        let (ingress, reference) = (Arc::clone(&question.ingress), question.reference.clone());
        let request = ReviewRequest { ingress, reference, reply };
        let judged = timeout(ADMISSION_DEADLINE, async {
            self.reviews.send(request).await.ok()?;
            problems.await.ok()
        });
        match judged.await {
            Ok(Some(problems)) => {
                let reference = question.reference.clone();
                let answer = question.answer(&problems);
                let is_refused = answer.refusal.is_some();
                let verdict = if is_refused { Verdict::Denied } else { Verdict::Allowed };
                self.state.checked(&reference, verdict);
                (answer, verdict)
            }
            Ok(None) => {
                let why = "the controller has not read the cluster yet";
                (question.unjudged(why), Verdict::Unjudged)
            }
            Err(_) => (question.unjudged("the controller took too long"), Verdict::Unjudged),
        }
    }
}

/// Megabytes of JSON are not read on the thread that publishes tables.
async fn read(bytes: Bytes) -> Result<Asked, Malformed> {
    if bytes.len() <= ADMISSION_SMALL_BODY_BYTES {
        return review::read(&bytes);
    }
    match spawn_blocking(move || review::read(&bytes)).await {
        Ok(asked) => asked,
        Err(_) => Err(Malformed::NoRequest),
    }
}

fn text(status: StatusCode, line: &str) -> Reply {
    response(status, "text/plain; charset=utf-8", Bytes::from(format!("{line}\n")))
}

fn response(status: StatusCode, content_type: &'static str, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

#[cfg(test)]
mod tests;
