//! What each server name of TLS leads to.

pub(super) mod certificates;
mod tickets;
