//! Decisions about one request between match and forward: pure, no I/O, no clock.
//!
//! Policy is written once here; protocols only carry the result. Filters that are not built yet
//! (CORS, mirror, access lists, auth, rate limits) are absent, not stubbed: each arrives as a variant
//! with the issue that needs it.

use std::sync::Arc;

/// One step, in the order of the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Edits fields on the way to the upstream.
    RequestFields(FieldEdits),
    /// Edits fields on the way to the client.
    ResponseFields(FieldEdits),
    /// Answers the request; no backend is asked.
    Redirect(Redirect),
    /// Changes host and path on the way to the upstream.
    Rewrite(Rewrite),
}

/// Changes to fields. Names are lower case; a name stands in one list only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldEdits {
    /// Replaces every line of the name.
    pub set: Vec<(Arc<str>, Arc<str>)>,
    /// Adds a line.
    pub add: Vec<(Arc<str>, Arc<str>)>,
    /// Deletes every line of the name.
    pub remove: Vec<Arc<str>>,
}

/// A redirect. `None` keeps what the request had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// `http` or `https`.
    pub scheme: Option<Arc<str>>,
    /// Host name without port.
    pub hostname: Option<Arc<str>>,
    /// Port; `None`: that of the scheme if set, else that of the listener.
    pub port: Option<u16>,
    /// Path.
    pub path: Option<PathEdit>,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
}

/// A rewrite. `None` keeps what the request had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    /// New Host.
    pub hostname: Option<Arc<str>>,
    /// New path; the query string stays.
    pub path: Option<PathEdit>,
}

/// A change to the path, Gateway API `HTTPPathModifier`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathEdit {
    /// The whole path.
    Full(Arc<str>),
    /// The part that the rule's prefix matched.
    Prefix(Arc<str>),
}
