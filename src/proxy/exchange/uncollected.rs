//! Why the body of a request is not here as a whole.

use crate::proxy::exchange::reply::Reply;
use crate::telemetry::Counter;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub enum Uncollected {
    /// The client is gone.
    Left,
    /// It will not be, and the client is told.
    Refused(Counter, Reply),
}
