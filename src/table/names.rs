//! The TLS server names of one listener: what a ClientHello's name leads to.
//!
//! Built as a whole when the list changes, which is rare; shared between tables otherwise.

use std::sync::Arc;

use super::hosts::{deep_suffixes, one_label_suffix};
use super::index::{HashIndex, hash_bytes};
use super::stream::StreamBackends;
use crate::model::{HostPattern, WildcardDepth};
use crate::tls::client_auth::ClientAuthId;
use crate::tls::server::ServerTls;

/// What a TLS connection is led to.
#[derive(Debug, Clone, Copy)]
pub enum TableTls<'t> {
    /// The handshake is ours.
    Terminate(&'t Arc<ServerTls>),
    /// The handshake is ours; what is inside goes to one of these backends.
    Relay {
        /// What answers it.
        tls: &'t Arc<ServerTls>,
        /// Where that goes.
        backends: &'t StreamBackends,
    },
    /// Its octets go to a backend as they are.
    Passthrough {
        /// Where they go.
        backends: &'t StreamBackends,
        /// A PROXY protocol header goes first.
        send_proxy: bool,
    },
}

/// Names by pattern.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Numbered as the indices do.
    exact: Box<[Name]>,
    exact_index: HashIndex,
    /// By suffix.
    wildcards: Box<[Name]>,
    wildcard_index: HashIndex,
    /// By suffix, those of any depth.
    deep: Box<[Name]>,
    deep_index: HashIndex,
    /// Labels of the longest of these suffixes; 0: there is none.
    deep_labels_max: usize,
    /// What has all other names.
    any: Option<Lead>,
    /// Some name demands client certificates.
    has_demand: bool,
    /// Names are of several listeners of Gateways.
    has_sections: bool,
}

/// A name, or a suffix, and where it leads.
#[derive(Debug)]
struct Name {
    text: Arc<str>,
    lead: Lead,
}

/// Where a name leads, and whose it is.
#[derive(Debug, Clone)]
pub(super) struct Lead {
    pub(super) action: NameAction,
    /// See [`crate::model::ServerName::section`].
    pub(super) section: Option<HostPattern>,
}

/// Where a name leads.
#[derive(Debug, Clone)]
pub(super) enum NameAction {
    Terminate(Arc<ServerTls>),
    Relay {
        tls: Arc<ServerTls>,
        backends: StreamBackends,
    },
    Passthrough {
        backends: StreamBackends,
        send_proxy: bool,
    },
    /// Nobody answers.
    Nobody,
}

impl NameAction {
    pub(super) fn lead(&self) -> Option<TableTls<'_>> {
        match self {
            Self::Terminate(tls) => Some(TableTls::Terminate(tls)),
            Self::Relay { tls, backends } => Some(TableTls::Relay { tls, backends }),
            Self::Passthrough { backends, send_proxy } => {
                Some(TableTls::Passthrough { backends, send_proxy: *send_proxy })
            }
            Self::Nobody => None,
        }
    }

    /// What is demanded of clients.
    pub(super) fn client_auth(&self) -> ClientAuthId {
        match self {
            Self::Terminate(tls) | Self::Relay { tls, .. } => tls.client_auth(),
            Self::Passthrough { .. } => ClientAuthId::default(),
            // No connection was made for it.
            Self::Nobody => ClientAuthId(u64::MAX),
        }
    }
}

impl Names {
    /// Indexes `names`; of equal patterns the first is found.
    pub(super) fn new<'m>(names: impl Iterator<Item = (&'m HostPattern, Lead)>) -> Self {
        let (mut exact, mut wildcards, mut deep) = (Vec::new(), Vec::new(), Vec::new());
        let mut deep_labels_max = 0;
        let (mut any, mut has_demand, mut has_sections) = (None, false, false);
        let mut section = None;
        for (pattern, lead) in names {
            has_demand |= lead.action.client_auth() != ClientAuthId::default();
            if let Some(own) = &lead.section {
                has_sections |= section.get_or_insert_with(|| own.clone()) != own;
            }
            if *pattern == HostPattern::Any {
                any.get_or_insert(lead);
                continue;
            }
            let name = |text: &str| Name { text: text.into(), lead };
            match pattern {
                HostPattern::Exact(text) => exact.push(name(text.as_str())),
                HostPattern::Wildcard { suffix, depth: WildcardDepth::One } => {
                    wildcards.push(name(suffix.as_str()));
                }
                HostPattern::Wildcard { suffix, depth: WildcardDepth::Any } => {
                    let labels = suffix.as_str().split('.').count();
                    deep_labels_max = deep_labels_max.max(labels);
                    deep.push(name(suffix.as_str()));
                }
                HostPattern::Any => {}
            }
        }
        Self {
            exact_index: index(&exact),
            exact: exact.into(),
            wildcard_index: index(&wildcards),
            wildcards: wildcards.into(),
            deep_index: index(&deep),
            deep: deep.into(),
            deep_labels_max,
            any,
            has_demand,
            has_sections,
        }
    }

    /// What has the connections without a name.
    pub(super) fn any(&self) -> Option<&Lead> {
        self.any.as_ref()
    }

    /// Whether names are of several listeners of Gateways.
    pub(super) fn has_sections(&self) -> bool {
        self.has_sections
    }

    /// Whether some name demands client certificates.
    pub(super) fn has_demand(&self) -> bool {
        self.has_demand
    }

    /// Shape: `name` is lower case, without trailing dot. Does not allocate.
    #[inline]
    pub(super) fn find(&self, name: &[u8]) -> Option<&Lead> {
        let found = get(&self.exact, &self.exact_index, name).or_else(|| {
            // Most listeners have no wildcard, most wildcards no exception.
            let suffix = one_label_suffix(name).filter(|_| !self.wildcards.is_empty())?;
            get(&self.wildcards, &self.wildcard_index, suffix)
        });
        let found = found.or_else(|| {
            let mut suffixes = deep_suffixes(name, self.deep_labels_max);
            suffixes.find_map(|suffix| get(&self.deep, &self.deep_index, suffix))
        });
        found.map(|found| &found.lead).or(self.any.as_ref())
    }
}

fn index(names: &[Name]) -> HashIndex {
    HashIndex::new(names.iter().map(|name| hash_bytes(name.text.as_bytes())))
}

#[inline]
fn get<'t>(names: &'t [Name], index: &HashIndex, text: &[u8]) -> Option<&'t Name> {
    let is_name = |n: usize| names.get(n).is_some_and(|name| name.text.as_bytes() == text);
    names.get(index.find(hash_bytes(text), is_name)?)
}
