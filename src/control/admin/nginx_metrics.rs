//! What we count by the names of ingress-nginx, so that its dashboards and alerts keep working: the
//! same counts as by our own names, never other ones.
//!
//! Source: its collectors, release 1.12: names, labels, buckets.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use super::exposition::{Exposition, FamilyKind, bound, labels};
use super::nginx_names::NginxNames;
use super::reading::{NginxReading, Reading};
use crate::control::host_certificate::HostCertificate;
use crate::limits::LABEL_BYTES_MAX;
use crate::model::{HostLabel, StatusLabels, UndefinedHosts};
use crate::telemetry::histogram::HistogramTotals;
use crate::telemetry::measures::{Bounds, Kind, MeasureTotals};
use crate::telemetry::scrape::{OVERFLOW, PlaceLabels};
use crate::telemetry::status::StatusLabel;

use FamilyKind::{Counter, Gauge, Histogram};

const PREFIX: &str = "nginx_ingress_controller_";

/// Appends everything to `out`.
pub(super) fn write(reading: &Reading, names: &NginxNames, out: &mut Exposition) {
    let controller = labels([
        ("controller_class", names.class.as_str()),
        ("controller_namespace", names.namespace.as_str()),
        ("controller_pod", names.pod.as_str()),
    ]);
    let mut families = Families { names, controller, out };
    families.requests(reading);
    families.configuration(&reading.nginx);
    families.checks(reading);
    families.cluster(reading);
    families.certificates(&reading.nginx.certificates);
    families.process(reading);
}

struct Families<'a> {
    names: &'a NginxNames,
    /// Labels that most have.
    controller: String,
    out: &'a mut Exposition,
}

/// A histogram of the measures, and how it is shown.
type Shown = (
    &'static str,
    &'static str,
    fn(&MeasureTotals) -> &HistogramTotals,
    fn(&Bounds) -> Option<[&[u64]; 2]>,
    Unit,
);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Seconds,
    Lengths,
    Sizes,
}

/// By what it is counted, and by what it is shown.
fn by_times(bounds: &Bounds) -> Option<[&[u64]; 2]> {
    bounds.nginx.as_ref().map(|nginx| [&*bounds.times, &*nginx.times])
}

fn by_own_times(bounds: &Bounds) -> Option<[&[u64]; 2]> {
    bounds.nginx.as_ref().map(|nginx| [&*nginx.times; 2])
}

fn by_lengths(bounds: &Bounds) -> Option<[&[u64]; 2]> {
    bounds.nginx.as_ref().map(|nginx| [&*nginx.lengths; 2])
}

fn by_sizes(bounds: &Bounds) -> Option<[&[u64]; 2]> {
    bounds.nginx.as_ref().map(|nginx| [&*nginx.sizes; 2])
}

#[rustfmt::skip]
const HISTOGRAMS: [Shown; 7] = [
    ("request_duration_seconds", "First byte of a request to the last byte of its response.",
        |sum| &sum.duration, by_times, Unit::Seconds),
    ("response_duration_seconds", "Connect and response of attempts that an upstream answered.",
        |sum| &sum.upstream_duration, by_times, Unit::Seconds),
    ("connect_duration_seconds", "Until an attempt had a connection to an upstream.",
        |sum| &sum.connect, by_own_times, Unit::Seconds),
    ("header_duration_seconds", "Until an attempt had the head of the answer of an upstream.",
        |sum| &sum.header, by_own_times, Unit::Seconds),
    ("request_size", "Head and body bytes of a request.",
        |sum| &sum.request_length, by_lengths, Unit::Lengths),
    ("response_size", "Bytes sent to the client for a request.",
        |sum| &sum.response_length, by_lengths, Unit::Lengths),
    ("bytes_sent", "The same in other buckets.",
        |sum| &sum.bytes_sent, by_sizes, Unit::Sizes),
];

impl Families<'_> {
    fn family(&mut self, name: &str, help: &str, kind: FamilyKind) -> String {
        let name = format!("{PREFIX}{name}");
        self.out.family(&name, help, kind);
        name
    }

    /// A family of one value.
    fn one(&mut self, name: &str, help: &str, kind: FamilyKind, value: f64) {
        let name = self.family(name, help, kind);
        self.out.sample(&name, &self.controller, value);
    }

    /// `own`: written before the labels of the controller.
    fn with_controller<'a>(&self, own: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
        format!("{},{}", labels(own), self.controller)
    }

    fn requests(&mut self, reading: &Reading) {
        let rows = self.rows(reading);
        let is_wanted = |names: &NginxNames, name: &str| {
            !names.metrics.excluded.iter().any(|excluded| excluded == name)
        };
        if is_wanted(self.names, "requests") {
            let name = self.family("requests", "Requests answered.", Counter);
            for (labels, sum) in &rows {
                self.out.sample(&name, labels, number(sum.duration.count()));
            }
        }
        for (name, help, of, bounds, unit) in HISTOGRAMS {
            let Some([counted, shown]) = bounds(&reading.bounds) else { continue };
            if !is_wanted(self.names, name) {
                continue;
            }
            let name = self.family(name, help, Histogram);
            let metrics = &self.names.metrics;
            let texts = match unit {
                Unit::Seconds => &metrics.times,
                Unit::Lengths => &metrics.lengths,
                Unit::Sizes => &metrics.sizes,
            };
            let texts: Vec<String> = texts.iter().map(|value| bound(*value)).collect();
            for (labels, sum) in &rows {
                let totals = of(sum);
                let sum = match unit {
                    Unit::Seconds => totals.sum_seconds(),
                    Unit::Lengths | Unit::Sizes => number(totals.sum()),
                };
                if totals.count() > 0 {
                    let counts = totals.buckets(counted, shown);
                    self.out.histogram(&name, labels, &texts, &counts, sum);
                }
            }
        }
    }

    /// Measures by all labels of requests.
    fn rows(&self, reading: &Reading) -> BTreeMap<String, MeasureTotals> {
        let mut rows = BTreeMap::<String, MeasureTotals>::new();
        let overflow = PlaceLabels::fixed(OVERFLOW);
        let metrics = &self.names.metrics;
        for (place, totals) in &reading.telemetry.places {
            // Nobody's: no Ingress has the host, or the path.
            let is_undefined = place.labels.ingress.is_empty();
            if is_undefined && metrics.undefined_hosts == UndefinedHosts::LeftOut {
                continue;
            }
            for (kind, totals) in &totals.kinds {
                rows.entry(self.row(place, *kind)).or_default().add(totals);
            }
            if totals.rest.duration.count() > 0 {
                let kind = Kind { method: "other", status: StatusLabel::Unknown };
                rows.entry(self.row(&overflow, kind)).or_default().add(&totals.rest);
            }
        }
        rows
    }

    fn row(&self, place: &PlaceLabels, kind: Kind) -> String {
        let metrics = &self.names.metrics;
        let status = match metrics.statuses {
            StatusLabels::Codes => kind.status.to_string(),
            StatusLabels::Classes => kind.status.class().to_string(),
        };
        let PlaceLabels { labels: of, host, path } = place;
        let host = (metrics.host_label == HostLabel::Shown).then_some(("host", &**host));
        let own = [
            ("canary", &*of.canary),
            ("ingress", &*of.ingress),
            ("method", kind.method),
            ("namespace", &*of.namespace),
            ("path", &path[..path.floor_char_boundary(LABEL_BYTES_MAX)]),
            ("service", &*of.service),
            ("status", &*status),
        ];
        self.with_controller(own.into_iter().chain(host))
    }

    fn configuration(&mut self, nginx: &NginxReading) {
        self.one("success", "Tables published.", Counter, number(nginx.tables));
        self.one("errors", "Tables that could not be published: none.", Counter, 0.0);
        let help = "Version of the last table.";
        self.one("config_hash", help, Gauge, number(nginx.tables));
        let is_in_force = f64::from(u8::from(nginx.in_force_since.is_some()));
        let help = "Every core serves a complete table.";
        self.one("config_last_reload_successful", help, Gauge, is_in_force);
        if let Some(since) = nginx.in_force_since {
            let help = "When the last table came into force, Unix time.";
            let name = "config_last_reload_successful_timestamp_seconds";
            self.one(name, help, Gauge, since.as_secs_f64().floor());
        }
        let name = self.family("build_info", "What runs.", Gauge);
        let version = env!("CARGO_PKG_VERSION");
        let build = [("build", version), ("release", version), ("repository", "ringway")];
        self.out.sample(&name, &self.with_controller(build), 1.0);
    }

    fn checks(&mut self, reading: &Reading) {
        let results = [
            ("check_success", "Reviews that let an Ingress in."),
            ("check_errors", "Reviews that refused an Ingress."),
        ];
        for (index, (name, help)) in results.into_iter().enumerate() {
            let name = self.family(name, help, Counter);
            for (ingress, counts) in &reading.nginx.checks {
                let count = counts.get(index).copied().unwrap_or_default();
                if count > 0 {
                    let own = [("ingress", &*ingress.name), ("namespace", &*ingress.namespace)];
                    self.out.sample(&name, &self.with_controller(own), number(count));
                }
            }
        }
        let Some(last) = reading.last_review() else { return };
        let seconds = last.took.as_secs_f64();
        let help = "Ingresses in force when the last review was made.";
        self.one("admission_tested_ingresses", help, Gauge, number(last.ingresses));
        let help = "Ingresses that the last review made anew.";
        self.one("admission_render_ingresses", help, Gauge, 1.0);
        let help = "Bytes of the last review.";
        self.one("admission_config_size", help, Gauge, number(last.bytes));
        let help = "Time of the last review, seconds.";
        for name in ["tested_duration", "render_duration", "roundtrip_duration"] {
            self.one(&format!("admission_{name}"), help, Gauge, seconds);
        }
    }

    fn cluster(&mut self, reading: &Reading) {
        if let Some(is_leader) = reading.is_leader() {
            let help = "Whether this replica holds the Lease.";
            let name = self.family("leader_election_status", help, Gauge);
            let set = self.with_controller([("name", self.names.lease.as_str())]);
            self.out.sample(&name, &set, f64::from(u8::from(is_leader)));
        }
        let help = "Ingresses with a backend that has no Service, or no endpoint.";
        let name = self.family("orphan_ingress", help, Gauge);
        for (ingress, orphanity) in &reading.nginx.orphans {
            let own = [
                ("ingress", &*ingress.name),
                ("namespace", &*ingress.namespace),
                ("type", orphanity),
            ];
            self.out.sample(&name, &self.with_controller(own), 1.0);
        }
    }

    fn certificates(&mut self, certificates: &[HostCertificate]) {
        let leaves = certificates.iter().filter_map(|served| {
            let leaf = served.certificate.leaf()?;
            let secret = served.secret.as_ref();
            let namespace = secret.map_or("", |secret| &*secret.namespace);
            Some((served, leaf, namespace, secret.map_or("", |secret| &*secret.name)))
        });
        let leaves: Vec<_> = leaves.collect();
        let help = "When the certificate of a host ends, Unix time.";
        let name = self.family("ssl_expire_time_seconds", help, Gauge);
        for (served, leaf, _, secret) in &leaves {
            let set = labels([
                ("class", &*self.names.class),
                ("host", &*served.host),
                ("identifier", &*leaf.identifier()),
                // Of the controller, as in ingress-nginx.
                ("namespace", &*self.names.namespace),
                ("secret_name", secret),
            ]);
            self.out.sample(&name, &set, unix(served.certificate.not_after()));
        }
        let help = "Certificates that are served.";
        let name = self.family("ssl_certificate_info", help, Gauge);
        for (served, leaf, namespace, secret) in &leaves {
            let set = labels([
                ("class", &*self.names.class),
                ("host", &*served.host),
                ("identifier", &*leaf.identifier()),
                ("issuer_common_name", &*leaf.issuer_common_name),
                ("issuer_organization", &*leaf.issuer_organization),
                ("namespace", namespace),
                ("public_key_algorithm", leaf.key_algorithm),
                ("secret_name", secret),
                ("serial_number", &*leaf.serial),
            ]);
            self.out.sample(&name, &set, 1.0);
        }
    }

    fn process(&mut self, reading: &Reading) {
        let connections = reading.connections;
        let help = "Client connections open; those that send a head are waiting.";
        let name = self.family("nginx_process_connections", help, Gauge);
        for (state, count) in connections.states() {
            self.out.sample(&name, &self.with_controller([("state", state)]), number(count));
        }
        let help = "Client connections accepted, and those that were not refused.";
        let name = self.family("nginx_process_connections_total", help, Counter);
        for (state, count) in [
            ("accepted", connections.accepted),
            ("handled", connections.accepted.saturating_sub(connections.refused)),
        ] {
            self.out.sample(&name, &self.with_controller([("state", state)]), number(count));
        }
        let requests = number(connections.requests);
        self.one("nginx_process_requests_total", "Requests received.", Counter, requests);
        self.one("nginx_process_num_procs", "Processes.", Gauge, 1.0);
        let process = &reading.process;
        let bytes = |bytes: Option<u64>| bytes.map(number);
        for (name, help, kind, value) in [
            ("cpu_seconds_total", "User and system time.", Counter, process.cpu_seconds),
            ("oldest_start_time_seconds", "Start, Unix time.", Gauge, process.start_seconds),
            ("read_bytes_total", "Bytes read from disks.", Counter, bytes(process.read_bytes)),
            ("write_bytes_total", "Bytes written to disks.", Counter, bytes(process.written_bytes)),
            ("resident_memory_bytes", "Resident memory.", Gauge, bytes(process.resident_bytes)),
            ("virtual_memory_bytes", "Address space.", Gauge, bytes(process.virtual_bytes)),
        ] {
            if let Some(value) = value {
                self.one(&format!("nginx_process_{name}"), help, kind, value);
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a value of the format is a float")]
fn number(n: u64) -> f64 {
    n as f64
}

fn unix(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
