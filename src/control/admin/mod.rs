//! Admin listener: health, readiness, metrics, and what is served (`api`), also as a page
//! (`site`). Read-only; tells no secret and changes nothing.
//!
//! On a thread of its own, so that neither a long reading of objects keeps a probe waiting nor
//! anybody who talks to it a table. Long texts are made on yet another.

mod api;
mod door;
mod events;
mod exposition;
mod health;
mod metrics;
mod nginx_metrics;
mod nginx_names;
mod process;
mod reading;
mod rebinding;
mod replies;
mod server;
mod site;
mod state;
mod token;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

pub use nginx_names::NginxNames;
use server::serve;
pub use state::{AdminState, HealthMeaning};
pub use token::{TokenError, TokenFile};

use super::own_thread::{self, OwnThread};

/// Serves on a thread of its own for as long as the process lives.
///
/// # Errors
/// No thread, no runtime, or no room for a listener in it.
pub fn start(listeners: Vec<TcpListener>, state: AdminState) -> io::Result<OwnThread> {
    let callers = door::open(listeners, Arc::clone(&state.put_off), state.room)?;
    own_thread::start("ringway-admin", Vec::new(), |_| serve(callers, Arc::new(state)))
}

#[cfg(test)]
mod tests;
