//! The read-only API of the admin listener: what is served and what is wrong with it, as JSON.
//!
//! Made of what is shared and never changes, by whoever asks: the control thread does nothing for
//! it. No content of a Secret and no value of a field that may be one gets in here. Its JSON is
//! interface: fields are only added, and `openapi.json` has every one of them.

mod certificates;
mod objects;
mod overview;
mod problems;
mod routes;
pub(super) mod unanswered;
mod window;

use serde::Serialize;

use super::state::AdminState;
use unanswered::Unanswered;
use window::Window;

/// The description of all of it.
pub(super) const OPENAPI: &str = include_str!("openapi.json");

/// What can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// The process and its cores.
    Overview,
    /// Hosts that are served.
    Hosts,
    /// Their routes, with backends.
    Routes,
    /// The endpoints of a backend, as a core sees them.
    Endpoints,
    /// What clients of hosts get to see.
    Certificates,
    /// What is wrong with objects.
    Problems,
    /// Objects whose status is made of conditions.
    Objects,
}

impl View {
    /// Of a path below `/api/v1/`.
    pub(super) fn of(path: &str) -> Option<Self> {
        Some(match path {
            "overview" => Self::Overview,
            "hosts" => Self::Hosts,
            "routes" => Self::Routes,
            "endpoints" => Self::Endpoints,
            "certificates" => Self::Certificates,
            "problems" => Self::Problems,
            "objects" => Self::Objects,
            _ => return None,
        })
    }

    /// Parameters besides those of a window.
    const fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Overview | Self::Hosts | Self::Certificates => &[],
            Self::Routes => &["host"],
            Self::Endpoints => &["backend", "core"],
            Self::Problems => &["severity"],
            Self::Objects => &["kind"],
        }
    }

    /// The JSON of it. Blocks for a core's answer at most.
    ///
    /// # Errors
    /// See [`Unanswered`].
    pub(super) fn answer(self, query: &str, state: &AdminState) -> Result<String, Unanswered> {
        let window = Window::of_query(query, self.parameters())?;
        match self {
            Self::Overview => json(&overview::of(state)),
            Self::Hosts => json(&routes::hosts(state, &window)),
            Self::Routes => json(&routes::routes(state, &window)),
            Self::Endpoints => json(&routes::endpoints(state, &window)?),
            Self::Certificates => json(&certificates::of(state, &window)),
            Self::Problems => json(&problems::of(state, &window)),
            Self::Objects => json(&objects::of(state, &window)),
        }
    }
}

/// In one line: events have lines.
fn json(view: &impl Serialize) -> Result<String, Unanswered> {
    // Text keys and values: there is nothing that could fail.
    Ok(serde_json::to_string(view).unwrap_or_default())
}

/// The overview, as events have it.
pub(super) fn overview(state: &AdminState) -> String {
    serde_json::to_string(&overview::of(state)).unwrap_or_default()
}
