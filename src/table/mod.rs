//! The compiled form of the model: immutable, index-addressed, shared by all cores.
//!
//! `compile` builds it, `lookup` reads it without allocating, `naive` is the slow obvious matcher
//! that both are tested against. Endpoints are not in it; rules name backends by [`BackendId`].
//!
//! ```text
//! listener ─▶ hosts (shards by hash) ─▶ vhost ─▶ paths (list or tree) ─▶ conditions ─▶ TableRule
//! ```

pub mod compile;
mod conditions;
mod hosts;
pub mod id;
mod index;
mod intern;
pub mod naive;
mod names;
mod paths;
#[cfg(test)]
mod tests;
mod vhost;

use std::sync::Arc;

pub use compile::{Compiled, Compiler, SeriesLabels};
pub use id::{BackendId, SeriesId, TableVersion};

use crate::filter::Filter;
use crate::model::{ListenerId, OnMiss, Origin, Policies};
use crate::tls::client_auth::ClientAuthId;
use crate::tls::server::ServerTls;

/// Everything a core routes by. Never changes once published.
#[derive(Debug, Default)]
pub struct Table {
    /// Counts up with each published table.
    pub version: TableVersion,
    /// By [`ListenerId`].
    listeners: Box<[TableListener]>,
}

/// A listener in compiled form.
#[derive(Debug)]
struct TableListener {
    hosts: hosts::Hosts,
    default_rule: Option<Arc<TableRule>>,
    names: Arc<names::Names>,
    default_tls: Option<Arc<ServerTls>>,
}

/// What a TLS connection is led to.
#[derive(Debug, Clone, Copy)]
pub enum TableTls<'t> {
    /// The handshake is ours.
    Terminate(&'t Arc<ServerTls>),
    /// Its octets go to a backend as they are.
    Passthrough {
        /// The destination.
        backend: BackendId,
        /// A PROXY protocol header goes first.
        send_proxy: bool,
    },
}

/// What a lookup looks at. All slices are as received, except where noted.
pub struct RequestKey<'a> {
    /// Lower case, without port and trailing dot; empty: the request has none.
    pub host: &'a [u8],
    /// Normalised, begins with `/` (or is `*`), without query.
    pub path: &'a [u8],
    /// Without `?`.
    pub query: Option<&'a [u8]>,
    /// As sent.
    pub method: &'a [u8],
    /// Asked only by rules with conditions on fields.
    pub fields: &'a dyn FieldLookup,
}

/// Finds the first field line of a name.
pub trait FieldLookup {
    /// `name` is lower case.
    fn field(&self, name: &[u8]) -> Option<&[u8]>;
}

/// A request without fields, for tests and offline tools.
pub struct NoFields;

impl FieldLookup for NoFields {
    fn field(&self, _name: &[u8]) -> Option<&[u8]> {
        None
    }
}

/// The rule that a request hits.
#[derive(Debug, Clone, Copy)]
pub struct Match<'t> {
    /// The rule.
    pub rule: &'t TableRule,
    /// Bytes of the request path that the rule's prefix covers; the whole path for exact matches
    /// and patterns; for [`crate::filter::PathEdit::Prefix`].
    pub matched_bytes: usize,
    /// False when the listener's default rule answered because nothing matched.
    pub is_routed: bool,
}

/// A rule in compiled form.
#[derive(Debug)]
pub struct TableRule {
    /// Where it comes from.
    pub origin: Origin,
    /// In order of execution.
    pub filters: Box<[Filter]>,
    /// With cumulative weights; entries of weight 0 are left out.
    pub backends: Box<[TableBackend]>,
    /// Sum of the weights; 0: every request gets 500 unless a filter answers.
    pub weight_total: u32,
    /// Treatment.
    pub policies: Policies,
    /// Counts requests that reach no backend (redirects, 500).
    pub series: SeriesId,
}

/// A weighted destination in compiled form.
#[derive(Debug)]
pub struct TableBackend {
    /// `None`: an invalid reference, answered with 500.
    pub backend: Option<BackendId>,
    /// This entry is chosen by `n` with `previous end <= n < weight_end`, `0 <= n < weight_total`.
    pub weight_end: u32,
    /// Counts its requests.
    pub series: SeriesId,
}

impl TableRule {
    /// Whether not every client may have what is behind the rule. Every guard that a rule can have
    /// must be named here: a spelling of the path must not lead past it.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        self.policies.refusal.is_some()
    }

    /// The destination for a random number below `weight_total`; `None`: the rule has none.
    #[must_use]
    pub fn backend(&self, n: u32) -> Option<&TableBackend> {
        self.backends.iter().find(|entry| n < entry.weight_end)
    }
}

impl Table {
    /// Finds the rule for a request: listener → host → path → method, fields, query.
    ///
    /// Shape: does not allocate, except that a pattern that a thread matches for the first time may
    /// set up its scratch memory; cost is flat in the number of hosts and routes.
    /// `None`: nothing matches and the listener has no default rule (404).
    #[must_use]
    pub fn lookup<'t>(&'t self, listener: ListenerId, key: &RequestKey<'_>) -> Option<Match<'t>> {
        let listener = self.listeners.get(usize::from(listener.0))?;
        let end = listener.hosts.find(key.host, |vhost| match vhost.lookup(key) {
            Some(found) => Some(HostEnd::Hit(found)),
            None if vhost.on_miss == OnMiss::Default => Some(HostEnd::Default),
            None => None,
        });
        match end {
            Some(HostEnd::Hit(found)) => Some(found),
            Some(HostEnd::Default) | None => {
                let rule = listener.default_rule.as_deref()?;
                Some(Match { rule, matched_bytes: 0, is_routed: false })
            }
        }
    }
}

impl Table {
    /// Whether rules of a host are asked for `host`, other than those that hold for every host.
    ///
    /// Shape: as [`Self::lookup`].
    #[must_use]
    pub fn has_host(&self, listener: ListenerId, host: &[u8]) -> bool {
        let listener = self.listeners.get(usize::from(listener.0));
        listener.is_some_and(|listener| listener.hosts.has_own(host))
    }

    /// What a connection is led to that asks for `sni`: exact name, one-label wildcard, default.
    ///
    /// Shape: `sni` is lower case, without trailing dot; `None`: the client sent none. Does not
    /// allocate; cost is flat in the number of names. `None`: nobody to answer the handshake.
    #[must_use]
    pub fn server_name(&self, listener: ListenerId, sni: Option<&[u8]>) -> Option<TableTls<'_>> {
        let listener = self.listeners.get(usize::from(listener.0))?;
        sni.and_then(|name| listener.names.find(name))
            .or_else(|| listener.default_tls.as_ref().map(TableTls::Terminate))
    }

    /// What `host` demands of a client, by the lookup of [`Self::server_name`]. A request whose
    /// host demands something else than the connection's handshake did is misdirected: 421
    /// (RFC 9110 section 15.5.20).
    ///
    /// Shape: `host` as in [`RequestKey`].
    #[must_use]
    pub fn client_auth(&self, listener: ListenerId, host: &[u8]) -> ClientAuthId {
        match self.server_name(listener, Some(host)) {
            Some(TableTls::Terminate(tls)) => tls.client_auth(),
            Some(TableTls::Passthrough { .. }) | None => ClientAuthId(0),
        }
    }
}

/// What ends the search over hosts.
enum HostEnd<'t> {
    /// A rule matches.
    Hit(Match<'t>),
    /// None does, and less specific hosts are not to be asked.
    Default,
}

/// What a backend id stands for; kept by the control plane and sent along with endpoints.
#[derive(Debug, Clone)]
pub struct BackendInfo {
    /// Id in tables.
    pub id: BackendId,
    /// The Service port.
    pub key: Arc<crate::model::BackendKey>,
}
