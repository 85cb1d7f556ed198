//! All numbers of a scrape at one moment, copied from where they are counted.

use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use super::health::since;
use super::process::ProcessReading;
use super::state::AdminState;
use crate::control::cluster::ClusterState;
use crate::control::host_certificate::HostCertificate;
use crate::control::source::kubernetes::KindState;
use crate::control::state::ControlSnapshot;
use crate::control::write::WriterCounts;
use crate::model::{Kind, ObjectRef, Problem, Severity};
use crate::telemetry::histogram::HistogramTotals;
use crate::telemetry::{Bounds, Counter, Gauge, Scrape, Snapshot};

/// Why an Ingress is an orphan, by the reason of its problem.
const ORPHANS: [(&str, &str); 2] =
    [("ServiceMissing", "no-service"), ("NoEndpoints", "no-endpoint")];

/// All numbers at one moment.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) telemetry: Snapshot,
    /// What all of it is counted by.
    pub(super) bounds: Arc<Bounds>,
    /// What the status page of nginx tells.
    pub(super) connections: Connections,
    /// For the names of ingress-nginx.
    pub(super) nginx: NginxReading,
    /// Ingresses that there are.
    pub(super) ingresses: u64,
    pub(super) cores: Vec<CoreReading>,
    pub(super) problems: [(Severity, u64); 2],
    pub(super) apply_times: HistogramTotals,
    /// `None`: objects come from a directory.
    pub(super) cluster: Option<ClusterReading>,
    /// Connections that had to make room, by listener.
    pub(super) put_off: Vec<(&'static str, u64)>,
    /// Failed writes and lost lines of the access log.
    pub(super) log: Option<(u64, u64)>,
    /// Exported and lost spans, failed tries.
    pub(super) spans: [u64; 3],
    pub(super) process: ProcessReading,
}

/// The last review of the webhook.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReviewReading {
    pub(super) took: Duration,
    pub(super) bytes: u64,
    /// In the cluster.
    pub(super) ingresses: u64,
}

#[derive(Debug)]
pub(super) struct CoreReading {
    pub(super) name: String,
    pub(super) version: u64,
    pub(super) age: Duration,
    pub(super) lag: Duration,
}

impl CoreReading {
    /// Of each core, in core order.
    pub(super) fn all(state: &AdminState) -> Vec<Self> {
        let now = (state.now_nanos)();
        let cores = state.cores.iter().enumerate().map(|(core, state)| Self {
            name: core.to_string(),
            version: state.acknowledged.load(Acquire),
            age: since(now, state.acknowledged_at.load(Relaxed)),
            lag: since(now, state.heartbeat.load(Relaxed)),
        });
        cores.collect()
    }
}

#[derive(Debug)]
pub(super) struct ClusterReading {
    pub(super) kinds: Vec<KindState>,
    pub(super) is_leader: bool,
    pub(super) written: WriterCounts,
    pub(super) verdicts: [(&'static str, u64); 4],
    pub(super) review_times: HistogramTotals,
    pub(super) last_review: Option<(Duration, u64)>,
}

impl ClusterReading {
    fn take(state: &ClusterState) -> Self {
        Self {
            kinds: state.source.snapshot(),
            is_leader: state.writer.is_leader(),
            written: state.writer.counts(),
            verdicts: state.admission.verdicts(),
            review_times: state.admission.latency.totals(),
            last_review: state.admission.last_review(),
        }
    }
}

impl Reading {
    /// Copies the numbers.
    pub(super) fn take(state: &AdminState) -> Self {
        let log = state.log_writer.as_ref();
        let of_webhook = state.cluster.as_ref().map(|cluster| &cluster.admission.put_off);
        let put_off = [("admin", Some(&*state.put_off)), ("admission", of_webhook.map(|p| &**p))];
        let put_off = put_off.into_iter().filter_map(|(name, of)| Some((name, of?.count())));
        let mut scrape = state.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = Connections::take(&scrape);
        let (telemetry, bounds) = (scrape.snapshot(), scrape.bounds());
        drop(scrape);
        let control = state.control.snapshot();
        let of_kind = |kind: Kind| control.objects.iter().find(|(known, _)| *known == kind);
        Self {
            telemetry,
            bounds,
            connections,
            ingresses: of_kind(Kind::Ingress).map_or(0, |(_, count)| *count as u64),
            nginx: match &state.nginx {
                Some(_) => nginx_reading(&control, state.cluster.as_ref()),
                None => NginxReading::default(),
            },
            cores: CoreReading::all(state),
            problems: state.control.problem_counts(),
            apply_times: state.control.apply_times.totals(),
            cluster: state.cluster.as_ref().map(ClusterReading::take),
            log: log.map(|log| (log.errors.load(Relaxed), log.lines_lost.load(Relaxed))),
            spans: [&state.spans.exported, &state.spans.lost, &state.spans.failures]
                .map(|count| count.load(Relaxed)),
            put_off: put_off.collect(),
            process: ProcessReading::default(),
        }
    }

    /// Whether this replica holds the Lease; `None`: there is none.
    pub(super) fn is_leader(&self) -> Option<bool> {
        self.cluster.as_ref().map(|cluster| cluster.is_leader)
    }

    /// The last review of the webhook, if there was one.
    pub(super) fn last_review(&self) -> Option<ReviewReading> {
        let (took, bytes) = self.cluster.as_ref()?.last_review?;
        Some(ReviewReading { took, bytes, ingresses: self.ingresses })
    }
}

impl AdminState {
    /// What the status page of nginx tells.
    pub(super) fn connections(&self) -> Connections {
        Connections::take(&self.scrape.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn nginx_reading(control: &ControlSnapshot, cluster: Option<&ClusterState>) -> NginxReading {
    let ControlSnapshot { published, in_force_since, problems, certificates, .. } = control;
    NginxReading {
        tables: published.0,
        in_force_since: in_force_since.and_then(|at| at.duration_since(UNIX_EPOCH).ok()),
        orphans: orphans(problems.iter().map(|problem| &**problem)),
        checks: cluster.map(|cluster| cluster.admission.checks()).unwrap_or_default(),
        certificates: certificates.to_vec(),
    }
}

/// What is read for the names of ingress-nginx besides.
#[derive(Debug, Default)]
pub(super) struct NginxReading {
    /// Tables that were published.
    pub tables: u64,
    /// When the last of them came into force on every core; `None`: none has.
    pub in_force_since: Option<Duration>,
    /// Who has a problem with a backend, and which.
    pub orphans: Vec<(ObjectRef, &'static str)>,
    /// Reviews of the webhook by Ingress: let in, refused.
    pub checks: Vec<(ObjectRef, [u64; 2])>,
    /// What is served.
    pub certificates: Vec<HostCertificate>,
}

/// The orphans among the owners of these problems.
fn orphans<'a>(problems: impl Iterator<Item = &'a Problem>) -> Vec<(ObjectRef, &'static str)> {
    let mut all: Vec<_> = problems
        .filter_map(|problem| {
            let (_, orphanity) = ORPHANS.iter().find(|(reason, _)| *reason == problem.reason)?;
            Some((problem.object.clone()?, *orphanity))
        })
        .collect();
    all.sort();
    all.dedup();
    all
}

/// How many clients there are, as the status page of nginx tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Connections {
    pub open: u64,
    pub serving: u64,
    pub accepted: u64,
    pub refused: u64,
    pub requests: u64,
}

impl Connections {
    pub(super) fn take(scrape: &Scrape) -> Self {
        Self {
            open: scrape.amount(Gauge::ConnectionsOpen),
            serving: scrape.amount(Gauge::ExchangesActive),
            accepted: scrape.total(Counter::ConnectionsAccepted),
            refused: scrape.total(Counter::ConnectionsRefused),
            requests: scrape.total(Counter::Requests),
        }
    }

    /// The status page of nginx.
    pub(super) fn page(&self) -> String {
        let Self { open, serving, accepted, refused, requests } = self;
        let (handled, waiting) = (accepted.saturating_sub(*refused), open.saturating_sub(*serving));
        format!(
            "Active connections: {open} \nserver accepts handled requests\n {accepted} {handled} \
             {requests} \nReading: 0 Writing: {serving} Waiting: {waiting} "
        )
    }

    pub(super) fn states(&self) -> [(&'static str, u64); 4] {
        let waiting = self.open.saturating_sub(self.serving);
        [("active", self.open), ("reading", 0), ("waiting", waiting), ("writing", self.serving)]
    }
}
