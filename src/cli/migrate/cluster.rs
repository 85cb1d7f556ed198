//! The objects of an ingress-nginx, asked of its cluster: first what runs it, as its flags say what
//! else is to be read.

use std::io;
use std::path::Path;

use crate::control::client::{self, Cluster, ConnectError};
use crate::control::inventory::{self, Workloads};
use crate::control::kinds::info;
use crate::control::lower::LowerOptions;
use crate::control::source::manifest::Workload;
use crate::control::source::object::Change;
use crate::control::store::{Dirty, Store};
use crate::control::survey::{Reading, Unanswered, chain};
use crate::limits::DOCTOR_ANSWER_TIMEOUT;
use crate::migrate::is_controller;
use crate::model::Kind;

/// Kinds without which nothing can be judged.
const NEEDED: [Kind; 2] = [Kind::Ingress, Kind::IngressClass];

/// Why a cluster does not say enough. The operator is at fault, or the API server.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no way to an API server.
    #[error("no cluster can be asked: {0}")]
    NoCluster(String),
    /// Without these nothing can be judged.
    #[error("{0} of the cluster cannot be read: {1}")]
    Unread(&'static str, Unanswered),
}

/// A cluster that can be asked.
pub(super) struct Asked {
    runtime: tokio::runtime::Runtime,
    cluster: Cluster,
    /// What could not be read, and where the rest is from: a sentence each.
    pub(super) notes: Vec<String>,
}

impl Asked {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// [`ClusterError::NoCluster`].
    pub(super) fn new(
        kubeconfig: Option<&Path>,
        context: Option<&str>,
    ) -> Result<Self, ClusterError> {
        let refused = |error: io::Error| ClusterError::NoCluster(error.to_string());
        let unreachable = |error: ConnectError| {
            ClusterError::NoCluster(match &error {
                ConnectError::Kubeconfig(cause) => chain(cause),
                ConnectError::Account(_) | ConnectError::Client { .. } => chain(&error),
            })
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(refused)?;
        let located = runtime.block_on(client::locate(kubeconfig, context));
        let mut config = located.map_err(unreachable)?;
        config.connect_timeout = Some(DOCTOR_ANSWER_TIMEOUT);
        let within = runtime.enter();
        let cluster = client::client(config).map_err(unreachable)?;
        drop(within);
        let notes = vec![format!("Read from {}.", cluster.server)];
        Ok(Self { runtime, cluster, notes })
    }

    /// What runs an ingress-nginx.
    pub(super) fn workloads(&mut self) -> Vec<Workload> {
        let asked = inventory::workloads(&self.cluster.client, is_controller);
        let Workloads { all, unread } = self.runtime.block_on(asked);
        let unread = unread.into_iter();
        self.notes.extend(unread.map(|(kind, error)| format!("No {kind} was read: {error}.")));
        all
    }

    /// What it serves.
    ///
    /// # Errors
    /// [`ClusterError::Unread`].
    pub(super) fn objects(
        &mut self,
        options: &LowerOptions,
    ) -> Result<(Store, Dirty), ClusterError> {
        let asked = inventory::objects(&self.cluster.client, options);
        let Reading { objects, unread, unread_named } = self.runtime.block_on(asked);
        for (kind, error) in unread {
            let plural = info(kind).plural;
            if NEEDED.contains(&kind) {
                return Err(ClusterError::Unread(plural, error));
            }
            self.notes.push(format!("{plural} cannot be read: {error}."));
        }
        self.notes.extend(unread_named.into_iter().map(|(object, error)| match error {
            Some(error) => format!("{object} cannot be read: {error}."),
            None => format!("{object} was not read: there are too many."),
        }));
        let mut store = Store::default();
        let objects = objects.into_iter();
        let dirty = store.apply(objects.map(|object| Change::Apply(Box::new(object))));
        Ok((store, dirty))
    }
}
