//! What we write to the API server: a Lease, and while we hold it, the status of Ingresses and
//! Events.

mod addresses;
mod applied;
mod events;
mod gateway_services;
mod lease;
mod rights;
mod state;
mod status;
mod update;
mod writer;

pub use addresses::{AddressSource, NodeAddresses};
pub use applied::FIELD_MANAGER;
pub use events::REPORTING_CONTROLLER;
pub use gateway_services::GatewayServices;
pub use state::{WriterCounts, WriterState};
pub use writer::{WriterOptions, run};
