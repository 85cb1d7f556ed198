//! What the metrics of ingress-nginx say of us, and how.

use crate::model::NginxMetrics;

/// What they are exported with.
#[derive(Debug, Clone)]
pub struct NginxNames {
    /// Said by flags.
    pub metrics: NginxMetrics,
    /// `controller_class`: the `spec.controller` of our IngressClasses.
    pub class: String,
    /// `controller_namespace`.
    pub namespace: String,
    /// `controller_pod`.
    pub pod: String,
    /// Name of the Lease.
    pub lease: String,
}
