//! The process and its cores, in numbers.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::routes::count;
use crate::control::admin::reading::CoreReading;
use crate::control::admin::state::AdminState;
use crate::model::Severity;
use crate::telemetry::CoreTotals;
use crate::telemetry::histogram::HistogramTotals;

/// Counts are since the start of the process.
#[derive(Debug, Serialize)]
pub(super) struct Overview {
    version: &'static str,
    is_ready: bool,
    is_draining: bool,
    /// As `/readyz` says it.
    readiness: String,
    table: Table,
    hosts: usize,
    routes: usize,
    /// In the store, by kind.
    objects: BTreeMap<&'static str, usize>,
    problems: Problems,
    latency: Latency,
    cores: Vec<Core>,
}

#[derive(Debug, Serialize)]
struct Table {
    /// Last version that was handed to the cores; 0: none yet.
    published: u64,
    /// Last one that all have.
    acknowledged: u64,
    /// Unix time, seconds.
    in_force_since: Option<u64>,
    /// From the last change to all cores.
    last_apply_seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Problems {
    errors: usize,
    warnings: usize,
    notes: usize,
}

/// From the first octet of a request to the last of its answer.
#[derive(Debug, Serialize)]
struct Latency {
    /// Upper bounds of buckets, seconds.
    bounds: Vec<f64>,
    /// Requests in each bucket; the last is of those above all bounds.
    counts: Vec<u64>,
}

#[derive(Debug, Serialize)]
struct Core {
    core: usize,
    table_version: u64,
    table_age_seconds: f64,
    /// Since its loop turned last.
    turned_seconds_ago: f64,
    /// Begun.
    requests: u64,
    /// Ended, by class of their status; `0xx`: the connection broke before.
    answered: BTreeMap<String, u64>,
    /// What they took in all.
    seconds: f64,
    connections_accepted: u64,
    connections_open: u64,
    requests_under_way: u64,
}

pub(super) fn of(state: &AdminState) -> Overview {
    let control = state.control.snapshot();
    let (sums, bounds) = {
        let mut scrape = state.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        (scrape.core_sums(), scrape.bounds())
    };
    // Once a second for each process: not while a table waits for the lock.
    let totals = sums.totals();
    let mut latency = HistogramTotals::default();
    for core in &totals {
        latency.add(&core.answered.measures.duration);
    }
    let latency = latency.seconds(&bounds.times);
    let cores = CoreReading::all(state).into_iter().zip(totals).enumerate();
    let ready = state.ready();
    let (hosts, routes) = count(&state.control.served.model());
    let severe = |severity| control.problems.iter().filter(|p| p.severity == severity).count();
    Overview {
        version: env!("CARGO_PKG_VERSION"),
        is_ready: ready.is_ok(),
        is_draining: control.is_draining,
        readiness: ready.unwrap_or_else(|reason| reason),
        table: Table {
            published: control.published.0,
            acknowledged: control.acknowledged.0,
            in_force_since: control.in_force_since.map(unix),
            last_apply_seconds: control.last_apply_time.map(|time| time.as_secs_f64()),
        },
        hosts,
        routes,
        objects: control.objects.iter().map(|(kind, count)| (kind.name(), *count)).collect(),
        problems: Problems {
            errors: severe(Severity::Error),
            warnings: severe(Severity::Warning),
            notes: severe(Severity::Note),
        },
        latency: Latency {
            bounds: latency.iter().map(|(bound, _)| *bound).filter(|b| b.is_finite()).collect(),
            counts: latency.iter().map(|(_, count)| *count).collect(),
        },
        cores: cores.map(|(core, (reading, totals))| Core::of(core, &reading, &totals)).collect(),
    }
}

impl Core {
    fn of(core: usize, reading: &CoreReading, totals: &CoreTotals) -> Self {
        let mut answered = BTreeMap::new();
        for (status, count) in &totals.answered.statuses {
            *answered.entry(status.class().to_string()).or_default() += count;
        }
        Self {
            core,
            table_version: reading.version,
            table_age_seconds: tenths(reading.age),
            turned_seconds_ago: tenths(reading.lag),
            requests: totals.requests,
            answered,
            seconds: totals.answered.measures.duration.sum_seconds(),
            connections_accepted: totals.accepted,
            connections_open: totals.open,
            requests_under_way: totals.serving,
        }
    }
}

fn tenths(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}

/// Seconds; 0: before 1970.
pub(super) fn unix(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
