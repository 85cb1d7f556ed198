//! What we write to the API server: a Lease, and while we hold it, the status of Ingresses and
//! Events.

mod addresses;
mod events;
mod lease;
mod status;
mod writer;

pub use addresses::AddressSource;
pub use events::REPORTING_CONTROLLER;
pub use status::FIELD_MANAGER;
pub use writer::{WriterCounts, WriterOptions, WriterState, run};
