//! How idle connections to backends are kept.

use std::time::Duration;

/// What the ConfigMap of the controller says of them. `None`: what flags say holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pools {
    /// Idle connections of a core, as far as flags allow that many; zero: none.
    pub connections: Option<u32>,
    /// How long one of them may be idle.
    pub idle_time: Option<Duration>,
    /// How old one of them may become.
    pub age: Option<Duration>,
    /// How many requests may go over one of them.
    pub requests: Option<u32>,
}
