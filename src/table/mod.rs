//! The compiled form of the model: immutable, index-addressed, shared by all cores.
//!
//! `compile` builds it, `lookup` reads it without allocating, `naive` is the slow obvious matcher
//! that both are tested against. Endpoints are not in it; rules name backends by [`BackendId`].
//!
//! ```text
//! listener ─▶ hosts (shards by hash) ─▶ vhost ─▶ paths, patterns ─▶ conditions ─▶ TableRule
//! ```

pub mod canary;
pub mod compile;
mod conditions;
pub mod endpoints;
pub mod explain;
mod hosts;
pub mod id;
mod index;
mod intern;
pub mod key;
pub mod lookup;
pub mod naive;
mod names;
mod paths;
mod patterns;
pub mod plan;
pub mod plan_values;
pub mod ring;
pub mod rule;
pub mod server_tls;
mod shared;
pub mod sighting;
pub mod stream;
#[cfg(test)]
mod tests;
mod vhost;

pub use canary::{Canaries, CanaryRequest};
pub use compile::{BackendInfo, Compiled, Compiler, SeriesLabels};
pub use endpoints::{EndpointSet, Wire};
pub use id::{BackendId, SeriesId, TableVersion};
pub use key::{FieldLookup, NoFields, RequestKey};
pub use lookup::Table;
pub use names::TableTls;
pub use plan::Plan;
pub use ring::Ring;
pub use rule::{Match, PageSource, Route, Standing, Substitutes, TableBackend, TableRule};
pub use server_tls::ServerTlsById;
pub use stream::{StreamBackends, TableStream};
