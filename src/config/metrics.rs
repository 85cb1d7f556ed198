//! Flags about metrics; names as ingress-nginx has them where it has them.

use std::sync::Arc;

use super::parse;
use crate::limits::FLAG_BUCKETS_MAX;
use crate::model::{HostLabel, NginxMetrics, StatusLabels, UndefinedHosts};

/// How the metrics of ingress-nginx begin.
const PREFIX: &str = "nginx_ingress_controller_";

/// Flags.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Metrics")]
pub struct MetricsArgs {
    /// Have metrics by the names of ingress-nginx beside ours
    /// [default: true with --configmap or the controller class of ingress-nginx]
    #[arg(
        long, env = "RINGWAY_NGINX_METRICS", value_name = "BOOL",
        action = clap::ArgAction::Set
    )]
    pub nginx_metrics: Option<bool>,

    /// Let those of requests name the host
    #[arg(
        long, env = "RINGWAY_METRICS_PER_HOST", value_name = "BOOL", default_value_t = true,
        action = clap::ArgAction::Set
    )]
    pub metrics_per_host: bool,

    /// Let them count requests for hosts that no Ingress has, too, as those of the host _
    #[arg(
        long, env = "RINGWAY_METRICS_PER_UNDEFINED_HOST", value_name = "BOOL",
        default_value_t = false, action = clap::ArgAction::Set
    )]
    pub metrics_per_undefined_host: bool,

    /// Let them say 2xx in place of 200
    #[arg(
        long, env = "RINGWAY_REPORT_STATUS_CLASSES", value_name = "BOOL",
        default_value_t = false, action = clap::ArgAction::Set
    )]
    pub report_status_classes: bool,

    /// Upper bounds of their histograms of times, in seconds [default: 0.005 to 10]
    #[arg(
        long, env = "RINGWAY_TIME_BUCKETS", value_name = "SECONDS", value_delimiter = ',',
        value_parser = parse::bucket
    )]
    pub time_buckets: Vec<f64>,

    /// The same of requests and responses, in bytes [default: 10 to 100]
    #[arg(
        long, env = "RINGWAY_LENGTH_BUCKETS", value_name = "BYTES", value_delimiter = ',',
        value_parser = parse::bucket
    )]
    pub length_buckets: Vec<f64>,

    /// The same of bytes sent [default: 10 to 10000000]
    #[arg(
        long, env = "RINGWAY_SIZE_BUCKETS", value_name = "BYTES", value_delimiter = ',',
        value_parser = parse::bucket
    )]
    pub size_buckets: Vec<f64>,

    /// Those of requests that are left out, such as bytes_sent; may be repeated
    #[arg(
        long,
        env = "RINGWAY_EXCLUDE_SOCKET_METRICS",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub exclude_socket_metrics: Vec<String>,
}

/// Why flags about metrics are unusable. The operator is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetricsError {
    /// They do not rise, or are more than [`FLAG_BUCKETS_MAX`].
    #[error("{0} must be rising numbers, at most {FLAG_BUCKETS_MAX}")]
    Buckets(&'static str),
    /// Hosts are not told apart.
    #[error("--metrics-per-undefined-host needs --metrics-per-host")]
    UndefinedHost,
}

impl MetricsArgs {
    /// What they mean where there are metrics by the names of ingress-nginx.
    ///
    /// # Errors
    /// See [`MetricsError`].
    pub(super) fn nginx(&self) -> Result<NginxMetrics, MetricsError> {
        if self.metrics_per_undefined_host && !self.metrics_per_host {
            return Err(MetricsError::UndefinedHost);
        }
        let NginxMetrics { times, lengths, sizes, .. } = NginxMetrics::default();
        let bare = |name: &String| name.strip_prefix(PREFIX).unwrap_or(name).to_owned();
        Ok(NginxMetrics {
            host_label: match self.metrics_per_host {
                true => HostLabel::Shown,
                false => HostLabel::LeftOut,
            },
            undefined_hosts: match self.metrics_per_undefined_host || !self.metrics_per_host {
                true => UndefinedHosts::Counted,
                false => UndefinedHosts::LeftOut,
            },
            statuses: match self.report_status_classes {
                true => StatusLabels::Classes,
                false => StatusLabels::Codes,
            },
            times: buckets("--time-buckets", &self.time_buckets, times)?,
            lengths: buckets("--length-buckets", &self.length_buckets, lengths)?,
            sizes: buckets("--size-buckets", &self.size_buckets, sizes)?,
            excluded: self.exclude_socket_metrics.iter().map(bare).collect(),
        })
    }
}

fn buckets(
    flag: &'static str,
    said: &[f64],
    default: Arc<[f64]>,
) -> Result<Arc<[f64]>, MetricsError> {
    let is_rising = said.windows(2).all(|pair| matches!(pair, [low, high] if low < high));
    match said {
        [] => Ok(default),
        _ if is_rising && said.len() <= FLAG_BUCKETS_MAX => Ok(said.into()),
        _ => Err(MetricsError::Buckets(flag)),
    }
}
