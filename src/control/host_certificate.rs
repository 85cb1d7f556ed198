//! A certificate that is served, for whom, and where it comes from.

use std::sync::Arc;

use crate::model::ObjectRef;
use crate::tls::Certificate;

/// What clients of a host get to see.
#[derive(Debug, Clone)]
pub struct HostCertificate {
    /// As its object has it; `_`: any that has none of its own.
    pub host: String,
    /// Where it comes from; `None`: made by us.
    pub secret: Option<ObjectRef>,
    /// Chain and key.
    pub certificate: Arc<Certificate>,
}
