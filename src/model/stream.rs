//! What is no HTTP: connections and datagrams that are relayed from an entry point to a backend as
//! they are.

use std::time::Duration;

use super::backend::WeightedBackend;
use super::listener::EntryPoint;

/// What comes in at some entry points is relayed to backends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamService {
    /// Where its clients come in, all by TCP or all by UDP.
    pub entry_points: Vec<EntryPoint>,
    /// Where they are relayed to, by their shares. What leads nowhere, and all if there are none,
    /// is closed, or dropped.
    pub backends: Vec<WeightedBackend>,
    /// How they are relayed.
    pub terms: StreamTerms,
}

/// On which terms connections or datagrams are relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamTerms {
    /// Who says who the client is.
    pub introduced: Introduced,
    /// Whether the backend is told who the client is, by version 1 of the PROXY protocol.
    pub introduces: Introduces,
    /// How long they last, and how often an endpoint is tried.
    pub policy: StreamPolicy,
}

/// Who says who the client of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Introduced {
    /// The connection.
    #[default]
    ByConnection,
    /// A PROXY header, without which there is no connection.
    ByHeader,
}

/// Whether a backend is told who the client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Introduces {
    /// Nothing is said.
    #[default]
    Nobody,
    /// By a header of version 1 of the PROXY protocol.
    Client,
}

/// How what is no HTTP is relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamPolicy {
    /// How long nothing may move.
    pub idle_timeout: Duration,
    /// Whether another endpoint is tried.
    pub goes_on: bool,
    /// Endpoints that are tried then, from 1.
    pub tries: u32,
    /// How long after the first try another one may begin; zero: at any time.
    pub tries_time: Duration,
    /// Datagrams that answer one; behind them its session ends. `u32::MAX`: nobody counts them.
    pub responses: u32,
}

impl Default for StreamPolicy {
    /// That of ingress-nginx.
    fn default() -> Self {
        let ten_minutes = Duration::from_secs(600);
        Self {
            idle_timeout: ten_minutes,
            goes_on: true,
            tries: 3,
            tries_time: ten_minutes,
            responses: 1,
        }
    }
}
