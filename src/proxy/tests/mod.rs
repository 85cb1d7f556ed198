//! One core against clients and endpoints that do as a script says, on a clock that stands still
//! meanwhile: what is decided, when, and what of it is seen from outside.
//!
//! Everything of the data plane runs as it is, from the accepted connection down to what a socket
//! is asked for; the sockets are [`crate::proxy::rt::simulated`].

#![expect(clippy::too_many_lines, reason = "tables")]

mod aborts;
mod bodies;
mod connecting;
mod deadlines;
mod drain;
mod error_pages;
mod health;
mod keep_alive;
mod limits;
mod mirrors;
mod responses;
mod retries;
mod row;
mod world;
