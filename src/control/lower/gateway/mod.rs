//! Objects of the Gateway API → listeners, hosts and rules of the model, and their states.
//!
//! ```text
//!  GatewayClass ─▶ Gateway, ListenerSet ─▶ Listener ──┐
//!  ReferenceGrant, Namespace, Secret ─────────┘       ├─▶ attachment ─▶ hosts ─▶ Model
//!  HTTPRoute, GRPCRoute, … ─▶ Meaning ────────────────┘        └─▶ states of all of them
//! ```

mod addresses;
mod attachment;
mod durations;
mod filters;
mod grants;
mod grpc_route;
mod hostnames;
mod http_route;
mod listeners;
mod meaning;
mod namespaces;
mod references;
mod rules;
mod sessions;
mod speech;
mod values;

use crate::control::lower::options::LowerOptions;
use crate::control::store::Store;
use grants::Grants;

/// What routes are lowered with. No file of a kind reads more than this.
pub(super) struct World<'a> {
    store: &'a Store,
    options: &'a LowerOptions,
    grants: &'a Grants,
}
