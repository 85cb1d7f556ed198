//! What each server name of TLS leads to.

pub(super) mod certificates;
pub(super) mod host_tls;
mod tickets;
