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
    /// Some name demands client certificates.
    has_demand: bool,
}

/// A name, or a suffix, and where it leads.
#[derive(Debug)]
struct Name {
    text: Arc<str>,
    action: NameAction,
}

/// Where a name leads.
#[derive(Debug, Clone)]
pub(super) enum NameAction {
    Terminate(Arc<ServerTls>),
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
            Self::Passthrough { backends, send_proxy } => {
                Some(TableTls::Passthrough { backends, send_proxy: *send_proxy })
            }
            Self::Nobody => None,
        }
    }

    /// What is demanded of clients.
    pub(super) fn client_auth(&self) -> ClientAuthId {
        match self {
            Self::Terminate(tls) => tls.client_auth(),
            Self::Passthrough { .. } => ClientAuthId::default(),
            // No connection was made for it.
            Self::Nobody => ClientAuthId(u64::MAX),
        }
    }
}

impl Names {
    /// Indexes `names`; of equal patterns the first is found, and those that TLS does not know are
    /// left out.
    pub(super) fn new<'m>(names: impl Iterator<Item = (&'m HostPattern, NameAction)>) -> Self {
        let (mut exact, mut wildcards, mut deep) = (Vec::new(), Vec::new(), Vec::new());
        let mut deep_labels_max = 0;
        let mut has_demand = false;
        for (pattern, action) in names {
            has_demand |= action.client_auth() != ClientAuthId::default();
            let name = |text: &str| Name { text: text.into(), action };
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
            has_demand,
        }
    }

    /// Whether some name demands client certificates.
    pub(super) fn has_demand(&self) -> bool {
        self.has_demand
    }

    /// Shape: `name` is lower case, without trailing dot. Does not allocate.
    #[inline]
    pub(super) fn find(&self, name: &[u8]) -> Option<&NameAction> {
        let found = get(&self.exact, &self.exact_index, name).or_else(|| {
            // Most listeners have no wildcard, most wildcards no exception.
            let suffix = one_label_suffix(name).filter(|_| !self.wildcards.is_empty())?;
            get(&self.wildcards, &self.wildcard_index, suffix)
        });
        let found = found.or_else(|| {
            let mut suffixes = deep_suffixes(name, self.deep_labels_max);
            suffixes.find_map(|suffix| get(&self.deep, &self.deep_index, suffix))
        })?;
        Some(&found.action)
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
