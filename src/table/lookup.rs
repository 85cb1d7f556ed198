//! The table itself, and the two questions that cores ask it.

use std::sync::Arc;

use super::hosts::Hosts;
use super::id::TableVersion;
use super::key::RequestKey;
use super::names::{Lead, Names, TableTls};
use super::plan::ResponsePlan;
use super::rule::{Match, TableRule};
use super::stream::TableStream;
use crate::model::{Downstream, EntryPoint, HostPattern, ListenerId, OnMiss, Pools};
use crate::tls::client_auth::ClientAuthId;

/// Everything a core routes by. Never changes once published.
#[derive(Debug, Default)]
pub struct Table {
    /// Counts up with each published table.
    pub version: TableVersion,
    /// What holds before a rule is known.
    pub downstream: Arc<Downstream>,
    /// How connections to backends are kept.
    pub pools: Pools,
    /// What answers have for which there is no rule.
    pub no_rule: Arc<ResponsePlan>,
    /// By [`ListenerId::slot`].
    pub(super) listeners: Box<[TableListener]>,
    /// Sorted; each address and scheme once.
    pub(super) entry_points: Arc<[(EntryPoint, ListenerId)]>,
    /// By entry points, sorted.
    pub(super) stream_services: Arc<[(EntryPoint, TableStream)]>,
}

/// A listener in compiled form.
#[derive(Debug)]
pub(super) struct TableListener {
    pub(super) generation: u32,
    pub(super) hosts: Hosts,
    pub(super) default_rule: Option<Arc<TableRule>>,
    pub(super) names: Arc<Names>,
    pub(super) default_tls: Option<Lead>,
}

impl Table {
    /// Finds the rule for a request: listener → host → path → method, fields, query.
    ///
    /// Shape: does not allocate, except that a pattern that a thread matches for the first time may
    /// set up its scratch memory; cost is flat in the number of hosts and routes.
    /// `None`: nothing matches and the listener has no default rule (404).
    #[must_use]
    pub fn lookup<'t>(&'t self, listener: ListenerId, key: &RequestKey<'_>) -> Option<Match<'t>> {
        let listener = self.listener(listener)?;
        let end = listener.hosts.find(key.host, |vhost| match vhost.lookup(key) {
            Some(found) => Some(HostEnd::Hit(found)),
            None if vhost.on_miss == OnMiss::Default => Some(HostEnd::Default),
            None => None,
        });
        match end {
            Some(HostEnd::Hit(found)) => Some(found),
            Some(HostEnd::Default) | None => {
                let rule = listener.default_rule.as_deref()?;
                Some(Match { is_routed: false, ..Match::literal(rule, 0) })
            }
        }
    }
}

impl Table {
    pub(super) fn listener(&self, id: ListenerId) -> Option<&TableListener> {
        let listener = self.listeners.get(usize::from(id.slot))?;
        (listener.generation == id.generation).then_some(listener)
    }

    /// Whether the listener is still there: connections may outlive theirs.
    #[must_use]
    pub fn has_listener(&self, id: ListenerId) -> bool {
        self.listener(id).is_some()
    }

    /// Where clients come in, and to whom; sorted.
    #[must_use]
    pub fn entry_points(&self) -> &[(EntryPoint, ListenerId)] {
        &self.entry_points
    }

    /// Who answers those that come in at `entry_point`. `None`: it is to be closed.
    #[must_use]
    pub fn listener_at(&self, entry_point: &EntryPoint) -> Option<ListenerId> {
        let found =
            self.entry_points.binary_search_by_key(entry_point, |(known, _)| *known).ok()?;
        self.entry_points.get(found).map(|(_, listener)| *listener)
    }

    /// The stream service whose clients come in at `entry_point`.
    #[must_use]
    pub fn stream_at(&self, entry_point: &EntryPoint) -> Option<&TableStream> {
        let services = &self.stream_services;
        let found = services.binary_search_by_key(entry_point, |(known, _)| *known).ok()?;
        services.get(found).map(|(_, service)| service)
    }

    /// Whether rules of a host are asked for `host`, other than those that hold for every host.
    ///
    /// Shape: as [`Self::lookup`].
    #[must_use]
    pub fn has_host(&self, listener: ListenerId, host: &[u8]) -> bool {
        self.listener(listener).is_some_and(|listener| listener.hosts.has_own(host))
    }

    /// What a connection is led to that asks for `sni`: exact name, one-label wildcard, the longest
    /// wildcard of any depth, what has all names, default.
    ///
    /// Shape: `sni` is lower case, without trailing dot; `None`: the client sent none. Does not
    /// allocate; cost is flat in the number of names. `None`: nobody to answer the handshake.
    #[must_use]
    pub fn server_name(&self, listener: ListenerId, sni: Option<&[u8]>) -> Option<TableTls<'_>> {
        self.lead(listener, sni)?.action.lead()
    }

    /// The listener of a Gateway that has such connections, by its hostname; `None`: they are kept
    /// apart from no others.
    ///
    /// Shape: as [`Self::server_name`].
    #[must_use]
    pub fn section(&self, listener: ListenerId, sni: Option<&[u8]>) -> Option<&HostPattern> {
        self.lead(listener, sni)?.section.as_ref()
    }

    fn lead(&self, listener: ListenerId, sni: Option<&[u8]>) -> Option<&Lead> {
        let listener = self.listener(listener)?;
        let named = match sni {
            Some(name) => listener.names.find(name),
            None => listener.names.any(),
        };
        named.or(listener.default_tls.as_ref())
    }

    /// Whether connections are kept apart by listeners of Gateways.
    #[must_use]
    pub fn has_sections(&self, listener: ListenerId) -> bool {
        self.listener(listener).is_some_and(|listener| listener.names.has_sections())
    }

    /// Whether some host demands client certificates; if not, none has to be asked.
    #[must_use]
    pub fn demands_certificates(&self, listener: ListenerId) -> bool {
        self.listener(listener).is_some_and(|listener| {
            let default = listener.default_tls.as_ref().map(|lead| lead.action.client_auth());
            listener.names.has_demand() || default.is_some_and(|id| id != ClientAuthId::default())
        })
    }

    /// What `host` demands of a client, by the lookup of [`Self::server_name`]. A request whose
    /// host demands something else than the connection's handshake did is misdirected: 421
    /// (RFC 9110 section 15.5.20).
    ///
    /// Shape: `host` as in [`RequestKey`].
    #[must_use]
    pub fn client_auth(&self, listener: ListenerId, host: &[u8]) -> ClientAuthId {
        let lead = self.lead(listener, Some(host));
        lead.map(|lead| lead.action.client_auth()).unwrap_or_default()
    }
}

/// What ends the search over hosts.
enum HostEnd<'t> {
    /// A rule matches.
    Hit(Match<'t>),
    /// None does, and less specific hosts are not to be asked.
    Default,
}
