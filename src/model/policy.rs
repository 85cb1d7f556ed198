//! How requests of a rule are treated on their way. `None`: what [`super::Defaults`] say holds.

use std::sync::Arc;
use std::time::Duration;

use super::backend::BackendKey;
use super::compression::CompressionPolicy;
use super::matches::Pattern;
use super::share::Share;
use crate::filter::{
    AddressRules, Binding, ClientLimits, Cors, ExternalAuth, FieldEdits, ForwardedPolicy, Goto,
    HttpsForm, LogForm, Mirror, Pace, PasswordDemand, PathReplacement, Refusal, ReturnedPlaces,
    Satisfy, Script, Substitutions, TracePlan,
};

/// Treatment of one rule's requests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policies {
    /// Deadlines.
    pub timeouts: Timeouts,
    /// Repetition of failed attempts.
    pub retry: RetryPolicy,
    /// Choice of an endpoint.
    pub balance: Option<Balance>,
    /// What decides ahead of it.
    pub binding: Option<Arc<Binding>>,
    /// Longest request body, 0: any; longer: 413. What is left open is what Ingresses have; other
    /// kinds say 0.
    pub body_bytes_max: Option<u64>,
    /// How much one client may ask.
    pub limits: Option<Arc<ClientLimits>>,
    /// The same of zones that directives name; each of one kind.
    pub zone_limits: Arc<[Arc<ClientLimits>]>,
    /// How fast a response may go.
    pub pace: Option<Pace>,
    /// Status of the redirect to https that a request over http gets; `None`: it is served.
    pub https_redirect: Option<u16>,
    /// How.
    pub https_form: HttpsForm,
    /// Where all requests are sent.
    pub goto: Option<Goto>,
    /// Value of Strict-Transport-Security (RFC 6797 section 6.1), on answers over https alone.
    pub hsts: Option<Arc<str>>,
    /// Version of HTTP/1 towards the backend.
    pub upstream_version: UpstreamVersion,
    /// Value of Host towards the backend; `None`: the client's.
    pub upstream_host: Option<crate::filter::Text>,
    /// What every answer has set, whoever makes it; `None`: nothing.
    pub answer_fields: Option<Arc<FieldEdits>>,
    /// Places in a backend's answers that are replaced; `None`: none.
    pub returned_places: Option<Arc<ReturnedPlaces>>,
    /// Whether requests are in the access log.
    pub access_log: AccessLog,
    /// How its lines look; `None`: as all.
    pub log_form: Option<Arc<LogForm>>,
    /// Method towards the backend, of requests other than HEAD; `None`: the client's.
    pub method: Option<Box<str>>,
    /// What becomes of the field Server of responses.
    pub server: Option<ServerField>,
    /// Status for clients that ask too much.
    pub rate_status: Option<u16>,
    /// Status for clients with too many requests under way.
    pub open_status: Option<u16>,
    /// Whose word on clients counts.
    pub forwarded: Option<Arc<ForwardedPolicy>>,
    /// What is said of the connection to backends; `None`: nothing, it is kept.
    pub connection: Option<ConnectionOption>,
    /// What scripts of other origins may ask for; `None`: what the backend says.
    pub cors: Option<Arc<Cors>>,
    /// What becomes of the path.
    pub replacement: Option<Arc<PathReplacement>>,
    /// What the backend is told of the client's certificate.
    pub client_identity: ClientIdentityPolicy,
    /// What is asked of the client's certificate besides; `None`: nothing.
    pub certificate: Option<Arc<CertificatePolicy>>,
    /// Which addresses may come in; `None`: all.
    pub addresses: Option<Arc<AddressRules>>,
    /// Whose password is needed; `None`: nobody's.
    pub password: Option<Arc<PasswordDemand>>,
    /// How many of these, and of another server's word, are needed.
    pub satisfy: Satisfy,
    /// No request is served, over http and https alike, and none is redirected.
    pub refusal: Option<Refusal>,
    /// Which answers another backend gives instead.
    pub error_pages: Option<Arc<ErrorPages>>,
    /// Answers in the place of a backend without endpoints.
    pub stand_in: Option<BackendKey>,
    /// Another server says who may come in.
    pub external_auth: Option<ExternalAuthPolicy>,
    /// Other servers get copies of requests; at most [`crate::limits::RULE_MIRRORS_MAX`].
    pub mirrors: Arc<[MirrorPolicy]>,
    /// Which bodies are compressed.
    pub compression: Option<Arc<CompressionPolicy>>,
    /// Texts that are replaced in bodies of responses; `None`: none.
    pub substitutions: Option<Arc<Substitutions>>,
    /// How requests are traced; `None`: they are not.
    pub trace: Option<Arc<TracePlan>>,
    /// What else is done that depends on the request; `None`: nothing.
    pub script: Option<Arc<Script>>,
}

/// Copies of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorPolicy {
    /// What each is.
    pub copy: Arc<Mirror>,
    /// Where it goes.
    pub server: BackendKey,
    /// Of which requests there is one, each by chance.
    pub share: Share,
}

/// Another server that is asked about each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalAuthPolicy {
    /// What it is asked, and what its answer means.
    pub question: Arc<ExternalAuth>,
    /// Where it is.
    pub server: BackendKey,
}

/// Answers that are replaced by those of another backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorPages {
    /// Who gives them.
    pub backend: BackendKey,
    /// Those with these statuses; ascending, from 400 to 599.
    pub statuses: Box<[u16]>,
    /// Whose they are.
    pub replaced: Replaced,
}

/// Whose answers are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// Those that no backend gave.
    Ours,
    /// Those of the rule's backends, too.
    All,
}

impl Policies {
    /// With the choice of an endpoint that `other` says, if it says any. Sessions go on there as
    /// these say, unless `other` binds requests itself.
    #[must_use]
    pub fn balanced_as(&self, other: &Self) -> Self {
        let session = self.binding.as_ref().filter(|binding| binding.is_session());
        let binding = other.binding.as_ref().or(session).cloned();
        Self { balance: other.balance.or(self.balance), binding, ..self.clone() }
    }
}

/// What is asked of the client's certificate, besides that it is believed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct CertificatePolicy {
    /// Where clients are redirected to that have none that is believed; `None`: they are told.
    pub page: Option<Arc<str>>,
    /// What its subject matches somewhere; `None`: whatever it is.
    pub subject: Option<Pattern>,
}

/// What a backend is told of the client's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum ClientIdentityPolicy {
    /// Nothing: the host checks none.
    #[default]
    Untold,
    /// Whether it is good, its subject and its issuer.
    Told,
    /// The same, and the certificate itself.
    WithCertificate,
}

/// Whether requests of a rule are in the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum AccessLog {
    /// They are, if there is one.
    #[default]
    Written,
    /// They are not.
    LeftOut,
}

/// What a backend is told of its connection (RFC 9112 section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectionOption {
    /// It ends with the response.
    Close,
    /// It is to be kept.
    KeepAlive,
}

impl ConnectionOption {
    /// The field line, CRLF included.
    #[must_use]
    pub const fn field(self) -> &'static [u8] {
        match self {
            Self::Close => b"Connection: close\r\n",
            Self::KeepAlive => b"Connection: keep-alive\r\n",
        }
    }
}

/// Deadlines of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timeouts {
    /// Whole exchange, retries included (Gateway API `timeouts.request`); then 504.
    pub request: Option<Duration>,
    /// One attempt (Gateway API `timeouts.backendRequest`); zero: any time.
    pub backend_request: Option<Duration>,
    /// Connection to an endpoint.
    pub connect: Option<Duration>,
    /// Between two writes to the endpoint.
    pub send: Option<Duration>,
    /// Between two reads from the endpoint.
    pub read: Option<Duration>,
}

/// When an attempt is repeated on another endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetryPolicy {
    /// Tries in all, at most [`crate::limits::TRIES_MAX`].
    pub tries: Option<u32>,
    /// How long after the first try begun another one may begin; zero: at any time.
    pub time: Option<Duration>,
    /// What counts as a failed attempt that another endpoint may make good.
    pub causes: Option<RetryCauses>,
    /// Response status codes that do, too.
    pub statuses: Vec<u16>,
    /// Least pause before a repetition, at most [`crate::limits::RETRY_BACKOFF_MAX`].
    pub backoff: Option<Duration>,
    /// What clients are told when no try came to an answer.
    pub exhausted: Exhausted,
}

/// What clients are told of a backend that failed, and not by taking too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Exhausted {
    /// 502, as nginx.
    #[default]
    BadGateway,
    /// 503, as the Gateway API has it where a rule says how tries are repeated.
    Unavailable,
}

/// Why an attempt may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryCause {
    /// The connection could not be made, or broke before the response.
    Error,
    /// The connection or the response took too long.
    Timeout,
    /// What came is no response.
    InvalidHead,
    /// Requests that may have been processed and do something each time are repeated, too.
    NonIdempotent,
}

/// Some of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RetryCauses(u8);

impl RetryCauses {
    /// Those of ingress-nginx.
    pub const DEFAULT: Self = Self::NONE.with(RetryCause::Error).with(RetryCause::Timeout);
    const NONE: Self = Self(0);

    /// The same and one more.
    #[must_use]
    pub const fn with(self, cause: RetryCause) -> Self {
        Self(self.0 | 1 << cause as u8)
    }

    /// Whether it is one of them.
    #[must_use]
    pub const fn has(self, cause: RetryCause) -> bool {
        self.0 & 1 << cause as u8 != 0
    }
}

/// What becomes of the field Server of responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum ServerField {
    /// There is none: nobody is told what runs here.
    #[default]
    Removed,
    /// It is ours.
    Ours,
    /// That of the backend is passed on.
    OfBackend,
}

/// Version of HTTP/1 in which backends are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum UpstreamVersion {
    #[default]
    /// RFC 9112.
    Http11,
    /// RFC 1945: one request a connection, and its length is known.
    Http10,
}

/// How an endpoint is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Balance {
    /// In turn, from a random start per core.
    #[default]
    RoundRobin,
    /// The less busy of two random ones.
    LeastRequest,
    /// The one of two random ones with the lower peak EWMA of response time × requests in flight.
    PeakEwma,
}
