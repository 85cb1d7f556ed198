//! What directives come to: plain data.

use std::sync::Arc;
use std::time::Duration;

use crate::directives::Position;
use crate::filter::script::{Block, Intercepts, Step};
use crate::filter::{FieldEdits, Satisfy, Substitution, Text, Times};
use crate::model::{BackendKey, ConnectionOption, LocationMatch, UpstreamVersion};

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
    /// What an annotation could say, too.
    pub changes: Vec<Change>,
    /// Locations of the host, in order.
    pub locations: Vec<LocationText>,
    /// Where the requests of a location go.
    pub pass: Option<Pass>,
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
    Tries(u32),
    TriesTime(Duration),
    /// Name of the backend's certificate.
    TlsName(Arc<str>),
    SendsTlsName(bool),
    VerifiesNothing,
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
    pub server: BackendKey,
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
