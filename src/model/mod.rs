//! What the cluster means, in our words: plain data between lowering and compiling.
//!
//! Shaped like the Gateway API (listener → host → rule{matches, filters, weighted backends,
//! policies}), because Ingress fits into it and not the other way round. Knows neither Kubernetes
//! types nor sockets. Hosts and rules are behind `Arc` so that a change rebuilds only what it
//! touches: an unchanged host is the same pointer in the next model, and the compiler reuses its
//! result.

pub mod backend;
pub mod blocked;
pub mod canary;
pub mod compression;
pub mod defaults;
pub mod downstream;
pub mod host;
pub mod hsts;
pub mod kind;
pub mod listener;
pub mod matches;
pub mod metrics;
pub mod origin;
pub mod policy;
pub mod pools;
pub mod problem;
pub mod reason;
pub mod request_log;
pub mod severity;
pub mod share;
pub mod stream;
pub mod tls;
pub mod traces;
pub mod truth;

use std::sync::Arc;

pub use backend::{
    BackendKey, BackendProtocol, BackendTarget, CertificateName, Dial, DialAuthorities, DialTls,
    PortRef, Reach, TlsVersion, TransportProtocol, WeightedBackend,
};
pub use blocked::Blocked;
pub use canary::{Canary, CanaryCriteria, FieldCriterion, FieldMeaning};
pub use compression::CompressionPolicy;
pub use defaults::Defaults;
pub use downstream::{Downstream, OddNames, ProxyProtocol, RequestIds};
pub use host::{HostName, HostPattern, OnMiss, WildcardDepth};
pub use hsts::Hsts;
pub use kind::Kind;
pub use listener::{EntryPoint, ListenerId};
pub use matches::{FieldMatch, PathMatch, Pattern, PatternError, QueryMatch, RequestMatch};
pub use matches::{TextMatch, ValueMatch};
pub use metrics::{HostLabel, NginxMetrics, SeriesDetail, StatusLabels, UndefinedHosts};
pub use origin::{ObjectRef, Origin, SourcePosition};
pub use policy::{
    AccessLog, Balance, CertificatePolicy, ClientIdentityPolicy, ConnectionOption, ErrorPages,
    Exhausted, ExternalAuthPolicy, MirrorPolicy, Policies, Replaced, RetryCause, RetryCauses,
    RetryPolicy, ServerField, Timeouts, UpstreamVersion,
};
pub use pools::Pools;
pub use problem::Problem;
pub(crate) use reason::reason;
pub use reason::{Code, Reason};
pub use request_log::{LogPlace, LogSeverity, RequestLog};
pub use severity::Severity;
pub use share::Share;
pub use stream::{Introduced, Introduces, StreamPolicy, StreamService, StreamTerms};
pub use tls::{ServerName, ServerTlsId, TlsAction};
pub use traces::{Collector, CollectorChannel, CollectorProtocol, SpanBatches, Traces};
pub use truth::parse_bool;

use crate::filter::Filter;
pub use crate::filter::{Captures, PathPattern, PathPatternError, Refusal, Scheme};

/// Everything the data plane routes by, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// By [`ListenerId::slot`]. Where a listener was taken away stands an empty one of the next
    /// generation, until another takes the place.
    pub listeners: Vec<Listener>,
    /// What rules leave open.
    pub defaults: Defaults,
    /// What holds for all connections of clients.
    pub downstream: Arc<Downstream>,
    /// How connections to backends are kept.
    pub pools: Pools,
    /// Of two that name the same entry point, the first has it.
    pub stream_services: Arc<[StreamService]>,
}

impl Model {
    /// The listener, if it is there.
    #[must_use]
    pub fn listener(&self, id: ListenerId) -> Option<&Listener> {
        let listener = self.listeners.get(usize::from(id.slot))?;
        (listener.generation == id.generation).then_some(listener)
    }
}

/// One set of hosts that answers at some entry points. Listeners of the Gateway API that share an
/// address are one here: hosts tell them apart.
#[derive(Debug, Clone, Default)]
pub struct Listener {
    /// See [`ListenerId`].
    pub generation: u32,
    /// Where its clients come in, in any order. Of two listeners that name the same, the first has
    /// it.
    pub entry_points: Vec<EntryPoint>,
    /// At most one per pattern, in any order.
    pub hosts: Vec<Arc<Host>>,
    /// Serves what no host and no path matched (`--default-backend-service`); `None`: 404.
    pub default_rule: Option<Arc<Rule>>,
    /// At most one per pattern, in any order. A list of the same pointers costs no compilation.
    pub server_names: Vec<Arc<ServerName>>,
    /// For connections that ask for no name or an unknown one; `None`: they are refused.
    pub default_tls: Option<ServerTlsId>,
}

/// One host pattern with its rules.
#[derive(Debug, Clone)]
pub struct Host {
    /// Which request hosts belong to it.
    pub pattern: HostPattern,
    /// What happens to a request that belongs to this host and matches none of its rules.
    pub on_miss: OnMiss,
    /// Oldest owner first: where two matches tie in every other respect, the first rule wins.
    pub rules: Vec<Arc<Rule>>,
    /// Locations as nginx has them, in order, which stand beside the paths of rules.
    pub locations: Vec<Location>,
}

/// A location as nginx has it. Of all that match a request, those of rules included, one counts:
/// the one that is the path; else, if the longest beginning is settled, that; else the first
/// expression; else the longest beginning.
#[derive(Debug, Clone)]
pub struct Location {
    /// Which requests it is about.
    pub requests: LocationMatch,
    /// What is done with them; its matches say nothing.
    pub rule: Arc<Rule>,
}

/// Which requests a location is about, by their paths. Case counts, unless an expression says
/// otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocationMatch {
    /// `=`: those with this path.
    Exact(Box<str>),
    /// Those whose paths begin with these characters.
    Beginning(Box<str>),
    /// `^~`: the same, and no expression is tried.
    Settled(Box<str>),
    /// `~`: those whose paths the expression matches somewhere.
    Matching(PathPattern),
}

/// What to do with the requests that match.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Where it comes from, for `explain`, logs, metrics and conflict reports.
    pub origin: Origin,
    /// Any of them makes the rule apply. Empty never matches; lowering writes prefix `/` instead.
    pub matches: Vec<RequestMatch>,
    /// In order of execution.
    pub filters: Vec<Filter>,
    /// Empty only when a filter answers the request by itself; otherwise an empty list is a 500.
    pub backends: Vec<WeightedBackend>,
    /// Who gets some of their requests instead, the oldest first.
    pub canaries: Vec<Canary>,
    /// What is done with their requests.
    pub policies: Policies,
}

impl Rule {
    /// Whether it stands for paths that nobody claims.
    #[must_use]
    pub fn is_unclaimed(&self) -> bool {
        matches!(&*self.backends, [WeightedBackend { target: BackendTarget::Nobody, .. }])
    }
}
