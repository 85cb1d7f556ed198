//! The thread that alone talks to the API server: it watches, and it tells the owners of objects
//! what became of them.
//!
//! A thread of its own, because reading ten thousand objects must hold up neither probes nor
//! tables. It lives as long as the process; a panic in it ends the process.

use std::sync::Arc;
use std::thread;

use k8s_openapi::api::core::v1::Node;
use kube::{Api, Client};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

use super::admission::AdmissionState;
use super::admission::certificate::{self, CertificateOptions};
use super::admission::files::{self, CertificateFiles};
use super::client::{self, ConnectError};
use super::observed::Observed;
use super::outcomes::Outcomes;
use super::source::kubernetes::{self, Batch, KubernetesOptions, SourceState};
use super::write::{self, WriterOptions, WriterState};
use crate::limits::{CLUSTER_BATCHES_MAX, CLUSTER_END, KUBE_ANSWER_TIMEOUT, ZONE_RETRY};

/// What the thread is told at its start.
pub struct ClusterOptions {
    /// Where the API server is.
    pub config: kube::Config,
    /// What to watch.
    pub source: KubernetesOptions,
    /// What to write.
    pub writer: WriterOptions,
    /// Of the admission webhook; `None`: there is none.
    pub certificate: Option<CertificateSource>,
    /// `--zone`.
    pub zone: Option<Arc<str>>,
    /// Its zone is ours where no other is named.
    pub node_name: Option<String>,
}

/// Where the webhook has its certificate from.
pub enum CertificateSource {
    /// Made here, and kept in a Secret.
    Made(CertificateOptions),
    /// Somebody else's.
    Files(CertificateFiles),
}

/// What the thread counts and what it is told while it runs.
#[derive(Clone, Default)]
pub struct ClusterState {
    /// Written by the control thread.
    pub outcomes: Arc<Outcomes>,
    /// Watches.
    pub source: Arc<SourceState>,
    /// Lease, status, Events.
    pub writer: Arc<WriterState>,
    /// Webhook.
    pub admission: Arc<AdmissionState>,
}

/// What the webhook answers with; `None`: it has no certificate yet.
pub type Serving = Option<Arc<rustls::ServerConfig>>;

/// The control loop's end of the thread.
pub struct ClusterLink {
    /// Objects, and what is wrong with their source.
    pub batches: mpsc::Receiver<Batch>,
    /// Zone of this process, once it is known.
    pub zone: watch::Receiver<Option<Arc<str>>>,
}

/// The running thread.
pub struct ClusterThread {
    end: watch::Sender<bool>,
    writer_ended: oneshot::Receiver<()>,
}

/// Why the thread cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// See [`ConnectError`].
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No thread, or no runtime for it.
    #[error("the thread that watches the API server cannot start")]
    Thread(#[source] std::io::Error),
}

/// Starts the thread. That the API server cannot be reached is no error: it is waited for.
///
/// # Errors
/// [`ClusterError`].
pub fn start(
    options: ClusterOptions,
    state: ClusterState,
) -> Result<(ClusterThread, ClusterLink, watch::Receiver<Serving>), ClusterError> {
    let (batches_sink, batches) = mpsc::channel(CLUSTER_BATCHES_MAX);
    let (zone_sink, zone) = watch::channel(options.zone.clone());
    let (serving_sink, serving) = watch::channel(None);
    let (end, is_ending) = watch::channel(false);
    let (ended_sink, writer_ended) = oneshot::channel();
    let (started_sink, started) = std::sync::mpsc::sync_channel(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(ClusterError::Thread)?;
    let zone_wanted = options.node_name.filter(|_| options.zone.is_none());
    let ClusterOptions { config, source, writer, certificate, .. } = options;
    let work = move || {
        let work = async move {
            let cluster = match client::client(config) {
                Ok(cluster) => cluster,
                Err(error) => return drop(started_sink.send(Err(error))),
            };
            drop(started_sink.send(Ok(())));
            let client = || cluster.client.clone();
            let ClusterState { outcomes, writer: counts, admission, source: _ } = state;
            let observed = Arc::new(Observed::default());
            let watching = kubernetes::run(client(), source, Arc::clone(&observed), batches_sink);
            let writing = async {
                let end = until(is_ending);
                let written = write::run(client(), writer, outcomes, observed, counts, end);
                Box::pin(written).await;
                // Nobody waits any more where the process was quicker.
                let (Ok(()) | Err(())) = ended_sink.send(());
            };
            let certifying = async {
                match certificate {
                    Some(CertificateSource::Made(options)) => {
                        certificate::keep(client(), options, serving_sink, admission).await;
                    }
                    Some(CertificateSource::Files(files)) => {
                        files::keep(files, serving_sink, admission).await;
                    }
                    None => {}
                }
            };
            let locating = async {
                if let Some(node) = zone_wanted {
                    drop(zone_sink.send(zone_of(client(), &node).await));
                }
            };
            tokio::join!(watching, writing, certifying, locating);
        };
        LocalSet::new().block_on(&runtime, work);
    };
    let thread = thread::Builder::new().name("ringway-kube".into());
    thread.spawn(work).map_err(ClusterError::Thread)?;
    match started.recv() {
        Ok(Ok(())) => {
            let link = ClusterLink { batches, zone };
            Ok((ClusterThread { end, writer_ended }, link, serving))
        }
        Ok(Err(error)) => Err(error.into()),
        Err(gone) => Err(ClusterError::Thread(std::io::Error::other(gone))),
    }
}

impl ClusterThread {
    /// Ends what is written: status, Lease. Watching goes on. Returns when that is done, or at
    /// once when the thread is gone.
    pub async fn finish(self) {
        self.end.send_replace(true);
        // Late or gone: the next holder of the Lease takes over from what it finds.
        drop(timeout(CLUSTER_END, self.writer_ended).await);
    }
}

async fn until(mut is_ending: watch::Receiver<bool>) {
    // An error says that the process is past its end.
    drop(is_ending.wait_for(|is_ending| *is_ending).await);
}

/// Label of a Node, `topology.kubernetes.io/zone` (well-known labels).
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// The zone of a Node. Asks until the API server answers; without leave to ask, or without a zone,
/// endpoints of all zones are alike.
async fn zone_of(client: Client, node: &str) -> Option<Arc<str>> {
    let nodes = Api::<Node>::all(client);
    loop {
        let answer = timeout(KUBE_ANSWER_TIMEOUT, nodes.get_metadata(node)).await;
        let Ok(answer) = answer else { continue };
        match answer {
            Ok(node) => return node.metadata.labels?.remove(ZONE_LABEL).map(Into::into),
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => {
                tracing::warn!(
                    "the zone of this process cannot be told: the Node {node} cannot be read \
                     ({}). Endpoints of all zones are alike; allow get of nodes, or say --zone",
                    status.message
                );
                return None;
            }
            Err(_unreachable) => sleep(ZONE_RETRY).await,
        }
    }
}
