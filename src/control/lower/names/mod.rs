//! What each server name of TLS leads to.

pub(super) mod certificates;
mod findings;
pub(super) mod host_tls;
mod passthrough;
mod tickets;
