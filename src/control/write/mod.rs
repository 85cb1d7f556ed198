//! What we write to the API server: a Lease, and while we hold it, statuses, Events, Services of
//! Gateways and finalizers of their classes.

mod addresses;
mod applied;
mod classes;
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
