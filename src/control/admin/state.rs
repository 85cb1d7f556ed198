//! What the admin listener looks at.

use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;

use super::nginx_names::NginxNames;
use super::token::TokenFile;
use crate::control::cluster::ClusterState;
use crate::control::explain::ExplainerRequest;
use crate::control::seats::{ControlRoom, PutOff};
use crate::control::state::ControlState;
use crate::control::traces::SpanCounts;
use crate::publish::{CoreState, Explainers};
use crate::telemetry::Scrape;
use crate::telemetry::access_log::LogWriterCounts;

/// What it means to be healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HealthMeaning {
    /// The process is alive.
    #[default]
    Alive,
    /// It is, and traffic may come: what one page says to both probes in ingress-nginx.
    Ready,
}

/// Others write it, the listener only reads.
pub struct AdminState {
    /// In core order, see [`crate::publish::Publisher::states`].
    pub cores: Vec<Arc<CoreState>>,
    /// Sums the shards.
    pub scrape: Arc<Mutex<Scrape>>,
    /// Tables, problems, apply times, drain.
    pub control: Arc<ControlState>,
    /// `None`: objects come from a directory.
    pub cluster: Option<ClusterState>,
    /// Another path of `/healthz`.
    pub health_check_path: Arc<str>,
    /// `None`: no access log.
    pub log_writer: Option<Arc<LogWriterCounts>>,
    /// What is exported by the names of ingress-nginx; `None`: nothing is.
    pub nginx: Option<NginxNames>,
    /// What `/healthz` says.
    pub health: HealthMeaning,
    /// What became of spans.
    pub spans: Arc<SpanCounts>,
    /// The clock of [`CoreState`]: [`crate::publish::process_nanos`].
    pub now_nanos: fn() -> u64,
    /// Connections that had to make room.
    pub put_off: Arc<PutOff>,
    /// How many of them there may be.
    pub room: ControlRoom,
    /// Cores that say what would become of requests.
    pub explainers: Explainers,
    /// Who may look at more than health and metrics; `None`: everybody who comes to the listener.
    pub token: Option<TokenFile>,
    /// Who knows objects.
    pub objects: mpsc::Sender<ExplainerRequest>,
}
