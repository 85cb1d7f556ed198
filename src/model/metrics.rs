//! What metrics tell apart and how: our own names, and those of ingress-nginx beside them.

use std::sync::Arc;

/// Which exchanges have counters of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SeriesDetail {
    /// Those of an object and its backend.
    #[default]
    Backend,
    /// Those of one path of it, and among them those of one method and status.
    Path,
    /// The same of one host.
    HostAndPath,
}

impl SeriesDetail {
    /// Whether paths, methods and statuses are told apart.
    #[must_use]
    pub const fn is_fine(self) -> bool {
        !matches!(self, Self::Backend)
    }
}

/// How the metrics of ingress-nginx are exported, in the words of its flags.
#[derive(Debug, Clone, PartialEq)]
pub struct NginxMetrics {
    /// `--metrics-per-host`.
    pub host_label: HostLabel,
    /// `--metrics-per-undefined-host`.
    pub undefined_hosts: UndefinedHosts,
    /// `--report-status-classes`.
    pub statuses: StatusLabels,
    /// `--time-buckets`: upper bounds in seconds, rising.
    pub times: Arc<[f64]>,
    /// `--length-buckets`: upper bounds in bytes of a request and of its response, rising.
    pub lengths: Arc<[f64]>,
    /// `--size-buckets`: upper bounds in bytes sent, rising.
    pub sizes: Arc<[f64]>,
    /// `--exclude-socket-metrics`: names without `nginx_ingress_controller_`.
    pub excluded: Arc<[String]>,
}

/// Whether metrics of requests name their host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostLabel {
    /// They do.
    #[default]
    Shown,
    /// They do not, and hosts are not told apart.
    LeftOut,
}

/// Whether requests are counted that no Ingress is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UndefinedHosts {
    /// They are not.
    #[default]
    LeftOut,
    /// They are, all as one host.
    Counted,
}

/// How metrics of requests say the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StatusLabels {
    /// `404`.
    #[default]
    Codes,
    /// `4xx`.
    Classes,
}

impl Default for NginxMetrics {
    fn default() -> Self {
        Self {
            host_label: HostLabel::default(),
            undefined_hosts: UndefinedHosts::default(),
            statuses: StatusLabels::default(),
            times: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0].into(),
            lengths: [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0].into(),
            sizes: [10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e7].into(),
            excluded: Arc::default(),
        }
    }
}

impl NginxMetrics {
    /// What has to be told apart for them.
    #[must_use]
    pub const fn detail(&self) -> SeriesDetail {
        match self.host_label {
            HostLabel::Shown => SeriesDetail::HostAndPath,
            HostLabel::LeftOut => SeriesDetail::Path,
        }
    }
}
