//! What directives come to: plain data.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::directives::Position;
use crate::filter::script::{Block, Intercepts, Step};
use crate::filter::{
    AddressRanges, ClientLimits, CookieFlags, FieldEdits, IncomingSpans, LimitKey, ListReach,
    LogForm, MediaTypes, Replacement, Satisfy, Substitution, Text, Times, Variable,
};
use crate::model::{
    BackendKey, ConnectionOption, LocationMatch, Pattern, RetryCauses, TlsVersion, UpstreamVersion,
};

/// What a text comes to.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Snippet {
    /// Rewrites.
    pub steps: Vec<Step>,
    /// What the text itself says of fields, then what its `if`s say.
    pub blocks: Vec<Block>,
    /// Host for the backend.
    pub host: Option<Text>,
    /// Variables that an answer of external authentication sets.
    pub of_auth: Vec<(Box<str>, Text)>,
    /// `allow` and `deny`, in order.
    pub access: Vec<(Access, Box<str>)>,
    pub satisfy: Option<Satisfy>,
    /// Fields of backends that clients do not get.
    pub hidden: FieldEdits,
    /// Whose errors `error_page` is about.
    pub intercepts: Option<Intercepts>,
    /// Texts that are replaced in bodies of answers.
    pub replaced: Replaced,
    /// `default_type`.
    pub media_type: Option<Box<str>>,
    /// What becomes of places in answers.
    pub returned: Returned,
    /// How bodies of answers are compressed.
    pub codings: Codings,
    /// Whose word on clients counts.
    pub forwarded: Forwarded,
    /// Whether requests are traced, and how.
    pub traced: Traced,
    /// What an annotation could say, too.
    pub changes: Vec<Change>,
    /// What it defines for other texts.
    pub names: Names,
    /// `limit_req`, `limit_conn`: each of one kind.
    pub limits: Vec<Arc<ClientLimits>>,
    /// Locations of the host, in order.
    pub locations: Vec<LocationText>,
    /// Where the requests of a location go.
    pub pass: Option<Pass>,
    /// The location without a path whose directives are those of this one: there is no file.
    pub falls_to: Option<Box<str>>,
    /// What `try_files` comes to, behind all other steps.
    pub tried: Option<Step>,
}

/// What a text for all hosts defines for the texts of others.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Names {
    /// Variables of `map` and `geo`.
    pub maps: BTreeMap<Box<str>, Variable>,
    /// `limit_req_zone`: who counts, and how often one may ask.
    pub rates: BTreeMap<Box<str>, (LimitKey, ZoneRate)>,
    /// `limit_conn_zone`.
    pub opens: BTreeMap<Box<str>, LimitKey>,
    /// `upstream`: authorities and weights.
    pub upstreams: BTreeMap<Box<str>, Vec<(Box<str>, u32)>>,
    /// `log_format`.
    pub log_forms: BTreeMap<Box<str>, Arc<LogForm>>,
}

/// The rate of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ZoneRate {
    PerSecond(NonZeroU32),
    PerMinute(NonZeroU32),
}

/// What `allow` and `deny` say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Allow,
    Deny,
}

/// What `sub_filter` and its like say.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Replaced {
    pub pairs: Vec<Substitution>,
    pub times: Option<Times>,
    /// Empty: those of nginx.
    pub types: Vec<Box<str>>,
    pub keeps_validators: bool,
}

/// What `proxy_redirect` and its like say; `None`: nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Returned {
    pub location: Option<Vec<Replacement>>,
    pub cookie_domain: Option<Vec<Replacement>>,
    pub cookie_path: Option<Vec<Replacement>>,
    pub cookie_flags: Option<Vec<CookieFlags>>,
}

/// What `gzip`, `brotli` and their like say.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Codings {
    pub gzip: CodingEdits,
    pub brotli: CodingEdits,
    /// Who gets nothing by gzip.
    pub gzip_refused: Option<Pattern>,
}

/// What is said of a coding; `None`: nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct CodingEdits {
    pub is_on: Option<bool>,
    pub level: Option<u8>,
    pub bytes_min: Option<u64>,
    pub types: Option<MediaTypes>,
}

/// What `real_ip_header` and its like say; `None`: nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Forwarded {
    /// The field that lists addresses, in lower case.
    pub field: Option<Box<str>>,
    /// Whose it is believed.
    pub trusted: Option<AddressRanges>,
    /// How far.
    pub reach: Option<ListReach>,
}

/// What is said of traces; `None`: nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Traced {
    pub is_on: Option<bool>,
    pub incoming: Option<IncomingSpans>,
    /// Of the spans.
    pub name: Option<Text>,
}

/// A directive that an annotation could say, too.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    ConnectTimeout(Duration),
    SendTimeout(Duration),
    ReadTimeout(Duration),
    BodyBytesMax(u64),
    Version(UpstreamVersion),
    Connection(ConnectionOption),
    NoAccessLog,
    /// Form of the line.
    LogForm(Arc<LogForm>),
    Tries(u32),
    TriesTime(Duration),
    /// What counts as a failed try: causes, statuses.
    Causes(RetryCauses, Vec<u16>),
    /// Status for clients that ask too much.
    RateStatus(u16),
    /// Status for clients with too many requests under way.
    OpenStatus(u16),
    /// Octets of a response in a second; zero: any.
    Rate(u64),
    /// Octets before that.
    RateAfter(u64),
    /// Method towards the backend.
    Method(Box<str>),
    /// The backend's Server is passed on.
    PassesServer,
    /// Name of the backend's certificate.
    TlsName(Arc<str>),
    SendsTlsName(bool),
    VerifiesTls(bool),
    TlsDepth(u8),
    TlsVersion(Option<TlsVersion>),
    TlsSuites(Arc<[u16]>),
    /// No server is asked who comes in.
    NoExternalAuth,
    NoPassword,
}

/// A location that a host has besides the paths of Ingresses.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LocationText {
    pub requests: LocationMatch,
    pub snippet: Snippet,
    pub at: Position,
}

/// `proxy_pass`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pass {
    /// Each with its share.
    pub servers: Vec<(BackendKey, u32)>,
    pub is_tls: bool,
    /// As it is written, with its port.
    pub authority: Box<str>,
    /// What stands for the path of the location.
    pub uri: Option<Box<str>>,
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub at: Position,
    /// The directive; empty: the text as a whole.
    pub directive: String,
    /// A part of a sentence.
    pub why: String,
    pub weight: Weight,
}

/// What follows from a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// Nothing is lost: nginx would do nothing either.
    Idle,
    /// The directive has no effect.
    Lost,
    /// It keeps clients out, or may: nothing behind it is served.
    Guard,
}

impl Pass {
    /// Scheme and authority, as a backend says them in a place.
    pub(super) fn origin(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }
}

impl Snippet {
    /// What stands for a location: where it falls to another one that has no path, that one's
    /// directives count, behind its own.
    pub(crate) fn location_of<'s>(&'s self, location: &'s Self) -> Cow<'s, Self> {
        let named = location.falls_to.as_deref().and_then(|name| {
            let is_it = |other: &&LocationText| other.requests == LocationMatch::Exact(name.into());
            self.locations.iter().find(is_it)
        });
        let Some(named) = named else { return Cow::Borrowed(location) };
        let steps = location.steps.iter().chain(&named.snippet.steps).cloned().collect();
        Cow::Owned(Self { steps, ..named.snippet.clone() })
    }
}
