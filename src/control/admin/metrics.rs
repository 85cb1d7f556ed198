//! One scrape as `OpenMetrics` text; with names of ingress-nginx beside ours, in the older format.
//!
//! [`Reading::take`] copies numbers, [`Reading::render`] makes the text; both take milliseconds at
//! the limit of series, and are no work for a thread that answers probes. Names are interface: they
//! stay.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::exposition::{self, Exposition};
use super::nginx_metrics;
use super::nginx_names::NginxNames;
use super::process::ProcessReading;
use super::reading::{ClusterReading, CoreReading, Reading};
use super::state::AdminState;
use crate::control::source::kubernetes::KindState;
use crate::control::write::WriterCounts;
use crate::model::Severity;
use crate::telemetry::Bounds;
use crate::telemetry::histogram::{HistogramTotals, TIME_BOUNDS};
use crate::telemetry::scrape::MetricLabels;
use crate::telemetry::series::SeriesTotals;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `Content-Type` of the text. That of ingress-nginx is none in `OpenMetrics`, where counters end
/// in `_total`.
pub(super) fn content_type(state: &AdminState) -> &'static str {
    if state.nginx.is_some() { exposition::CONTENT_TYPE } else { OPENMETRICS }
}

impl Reading {
    /// Makes the text, with what the kernel says at this moment.
    ///
    /// # Errors
    /// The encoder refuses a metric; this module is at fault.
    pub(super) fn render(mut self, state: &AdminState) -> Result<String, fmt::Error> {
        self.process = ProcessReading::take();
        self.encode_text(state.nginx.as_ref())
    }

    pub(super) fn encode_text(self, nginx: Option<&NginxNames>) -> Result<String, fmt::Error> {
        let reading = Arc::new(self);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Ours(Arc::clone(&reading))));
        let mut out = String::new();
        text::encode(&mut out, &registry)?;
        let Some(nginx) = nginx else { return Ok(out) };
        let mut exposition = Exposition::of_openmetrics(&out);
        drop(out);
        nginx_metrics::write(&reading, nginx, &mut exposition);
        Ok(exposition.finish())
    }
}

/// What has our own names.
#[derive(Debug)]
struct Ours(Arc<Reading>);

impl Collector for Ours {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Self(reading) = self;
        let mut families = Families(&mut encoder);
        families.series(&reading.telemetry.series, &reading.bounds)?;
        for (name, help, value) in &reading.telemetry.counters {
            families.counter(&format!("ringway_{name}"), help, value)?;
        }
        for (name, help, value) in &reading.telemetry.gauges {
            families.gauge(&format!("ringway_{name}"), help, value)?;
        }
        if let Some((errors, lines)) = reading.log {
            families.log(errors, lines)?;
        }
        families.spans(reading.spans)?;
        families.cores(&reading.cores)?;
        families.config(reading.problems, &reading.apply_times)?;
        families.put_off(&reading.put_off)?;
        if let Some(cluster) = &reading.cluster {
            families.watches(&cluster.kinds)?;
            families.writes(cluster)?;
            families.reviews(&cluster.verdicts, &cluster.review_times)?;
        }
        families.process(&reading.process)
    }
}

/// Writes whole families: descriptor and rows.
struct Families<'a, 'b>(&'a mut DescriptorEncoder<'b>);

type SeriesRow = (MetricLabels, SeriesTotals);

impl Families<'_, '_> {
    fn family(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        rows: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        rows(&mut self.0.encode_descriptor(name, help, None, kind)?)
    }

    fn counter(&mut self, name: &str, help: &str, value: &impl EncodeCounterValue) -> fmt::Result {
        self.family(name, help, MetricType::Counter, |row| encode_counter(row, value))
    }

    fn gauge(&mut self, name: &str, help: &str, value: &impl EncodeGaugeValue) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, |row| row.encode_gauge(value))
    }

    fn series(&mut self, series: &[SeriesRow], bounds: &Bounds) -> fmt::Result {
        self.family("ringway_requests", "Requests answered.", MetricType::Counter, |rows| {
            for (labels, totals) in series {
                let [namespace, ingress, service, canary] = label_set(labels);
                for (status, count) in &totals.statuses {
                    let status = status.to_string();
                    let set = [namespace, ingress, service, canary, ("status", status.as_str())];
                    encode_counter(&mut rows.encode_family(&set)?, count)?;
                }
            }
            Ok(())
        })?;
        self.series_histogram(
            "ringway_request_duration_seconds",
            "First byte of a request to the last byte of its response.",
            (series, bounds),
            |totals| &totals.measures.duration,
        )?;
        self.series_histogram(
            "ringway_upstream_response_duration_seconds",
            "Connect and response of each attempt that an upstream answered.",
            (series, bounds),
            |totals| &totals.measures.upstream_duration,
        )?;
        let help = "Head and body bytes received from clients.";
        self.series_counter("ringway_request_bytes", help, series, |sum| {
            &sum.measures.request_bytes
        })?;
        let help = "Body bytes sent to clients.";
        self.series_counter("ringway_response_bytes", help, series, |sum| {
            &sum.measures.response_bytes
        })
    }

    fn series_histogram(
        &mut self,
        name: &str,
        help: &str,
        (series, bounds): (&[SeriesRow], &Bounds),
        histogram: fn(&SeriesTotals) -> &HistogramTotals,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Histogram, |rows| {
            for (labels, totals) in series {
                let (set, histogram) = (label_set(labels), histogram(totals));
                // Without a backend there is no upstream to time: no rows of zeros.
                if histogram.count() > 0 {
                    encode_histogram(&mut rows.encode_family(&set)?, histogram, &bounds.times)?;
                }
            }
            Ok(())
        })
    }

    fn series_counter(
        &mut self,
        name: &str,
        help: &str,
        series: &[SeriesRow],
        value: fn(&SeriesTotals) -> &u64,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, |rows| {
            for (labels, totals) in series {
                let set = label_set(labels);
                encode_counter(&mut rows.encode_family(&set)?, value(totals))?;
            }
            Ok(())
        })
    }

    fn log(&mut self, errors: u64, lines: u64) -> fmt::Result {
        let help = "Writes of the access log that failed.";
        self.counter("ringway_access_log_write_errors", help, &errors)?;
        let help = "Access-log lines lost by failed writes.";
        self.counter("ringway_access_log_lines_lost", help, &lines)
    }

    fn spans(&mut self, [exported, lost, failures]: [u64; 3]) -> fmt::Result {
        let help = "Spans that the collector took.";
        self.counter("ringway_spans_exported", help, &exported)?;
        let help = "Spans that it did not, or that waited for it in too great numbers.";
        self.counter("ringway_spans_lost", help, &lost)?;
        let help = "Tries to send spans that failed.";
        self.counter("ringway_span_exports_failed", help, &failures)
    }

    fn cores(&mut self, cores: &[CoreReading]) -> fmt::Result {
        let help = "Version of the table in force.";
        self.core_gauge("ringway_table_version", help, cores, |core| core.version)?;
        let help = "Time since the table in force was acknowledged.";
        self.core_gauge("ringway_table_age_seconds", help, cores, |core| core.age.as_secs_f64())?;
        let help = "Time since the last turn of the core's loop.";
        self.core_gauge("ringway_loop_lag_seconds", help, cores, |core| core.lag.as_secs_f64())
    }

    fn core_gauge<V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        cores: &[CoreReading],
        value: fn(&CoreReading) -> V,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, |rows| {
            for core in cores {
                let set = [("core", core.name.as_str())];
                rows.encode_family(&set)?.encode_gauge(&value(core))?;
            }
            Ok(())
        })
    }

    fn config(
        &mut self,
        problems: [(Severity, u64); 2],
        apply_times: &HistogramTotals,
    ) -> fmt::Result {
        let name = "ringway_config_apply_seconds";
        let help = "From a change to the acknowledgement of the last core.";
        self.family(name, help, MetricType::Histogram, |row| {
            encode_histogram(row, apply_times, &TIME_BOUNDS)
        })?;
        let help = "Problems of the objects in force.";
        self.family("ringway_problems", help, MetricType::Gauge, |rows| {
            for (severity, count) in problems {
                let severity = severity.to_string();
                rows.encode_family(&[("severity", severity)])?.encode_gauge(&count)?;
            }
            Ok(())
        })?;
        let help = "What runs.";
        self.family("ringway_build", help, MetricType::Info, |row| {
            row.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
        })
    }

    fn put_off(&mut self, put_off: &[(&'static str, u64)]) -> fmt::Result {
        let name = "ringway_control_connections_put_off";
        let help = "Connections to a listener of the control plane that had to make room.";
        self.family(name, help, MetricType::Counter, |rows| {
            for (listener, count) in put_off {
                encode_counter(&mut rows.encode_family(&[("listener", *listener)])?, count)?;
            }
            Ok(())
        })
    }

    fn watches(&mut self, kinds: &[KindState]) -> fmt::Result {
        let gauge = MetricType::Gauge;
        let help = "Every object of the kind was listed at least once.";
        self.kinds("ringway_watch_synced", help, gauge, kinds, |row, kind| {
            row.encode_gauge(&u64::from(kind.is_synced))
        })?;
        let help = "Objects that the API server has, as far as they are watched.";
        self.kinds("ringway_watch_objects", help, gauge, kinds, |row, kind| {
            row.encode_gauge(&(kind.objects as u64))
        })?;
        let help = "Complete lists, the first ones included.";
        self.kinds("ringway_watch_lists", help, MetricType::Counter, kinds, |row, kind| {
            encode_counter(row, &kind.lists)
        })?;
        let help = "Requests that failed, watches that broke, events that cannot be read.";
        self.kinds("ringway_watch_errors", help, MetricType::Counter, kinds, |row, kind| {
            encode_counter(row, &kind.errors)
        })
    }

    fn kinds(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        kinds: &[KindState],
        value: fn(&mut MetricEncoder<'_>, &KindState) -> fmt::Result,
    ) -> fmt::Result {
        self.family(name, help, kind, |rows| {
            for kind in kinds {
                value(&mut rows.encode_family(&[("kind", kind.kind.name())])?, kind)?;
            }
            Ok(())
        })
    }

    fn writes(&mut self, cluster: &ClusterReading) -> fmt::Result {
        let WriterCounts {
            status_written,
            status_failed,
            events_written,
            events_failed,
            events_dropped,
        } = cluster.written;
        let help = "This replica holds the Lease: it writes status and Events.";
        self.gauge("ringway_leader", help, &u64::from(cluster.is_leader))?;
        let help = "Writes to the status of objects.";
        self.results(
            "ringway_status_writes",
            help,
            [("written", status_written), ("failed", status_failed)],
        )?;
        let help = "Events on objects with problems.";
        self.results(
            "ringway_events",
            help,
            [("written", events_written), ("failed", events_failed), ("dropped", events_dropped)],
        )
    }

    fn reviews(
        &mut self,
        verdicts: &[(&'static str, u64); 4],
        times: &HistogramTotals,
    ) -> fmt::Result {
        let help = "Reviews of the admission webhook.";
        self.results("ringway_admission_reviews", help, *verdicts)?;
        let help = "Head of a review to its answer.";
        let name = "ringway_admission_review_seconds";
        self.family(name, help, MetricType::Histogram, |row| {
            encode_histogram(row, times, &TIME_BOUNDS)
        })
    }

    fn results<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        results: [(&'static str, u64); N],
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, |rows| {
            for (result, count) in results {
                encode_counter(&mut rows.encode_family(&[("result", result)])?, &count)?;
            }
            Ok(())
        })
    }

    fn process(&mut self, process: &ProcessReading) -> fmt::Result {
        if let Some(seconds) = &process.cpu_seconds {
            self.counter("process_cpu_seconds", "User and system time.", seconds)?;
        }
        if let Some(bytes) = &process.resident_bytes {
            self.gauge("process_resident_memory_bytes", "Resident memory.", bytes)?;
        }
        if let Some(fds) = &process.open_fds {
            self.gauge("process_open_fds", "Open file descriptors.", fds)?;
        }
        if let Some(seconds) = &process.start_seconds {
            self.gauge("process_start_time_seconds", "Start, Unix time.", seconds)?;
        }
        Ok(())
    }
}

fn label_set(labels: &MetricLabels) -> [(&'static str, &str); 4] {
    let MetricLabels { namespace, ingress, service, canary } = labels;
    [("namespace", namespace), ("ingress", ingress), ("service", service), ("canary", canary)]
}

fn encode_counter(row: &mut MetricEncoder<'_>, value: &impl EncodeCounterValue) -> fmt::Result {
    row.encode_counter::<NoLabelSet, _, f64>(value, None)
}

/// `counted`: by which bounds it was.
fn encode_histogram(
    row: &mut MetricEncoder<'_>,
    histogram: &HistogramTotals,
    counted: &[u64],
) -> fmt::Result {
    let (sum, count) = (histogram.sum_seconds(), histogram.count());
    row.encode_histogram::<NoLabelSet>(sum, count, &histogram.seconds(counted), None)
}
