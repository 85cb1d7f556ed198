//! What annotations do, seen from outside. A file is an area: all its Ingresses are served by one
//! proxy per driver, and tables of requests go over it.
//!
//! An area is made of an [`Area`] (backends, Secrets, Ingresses), then [`Area::start`]ed; its rows
//! ([`row`]) say what is sent, what is answered, and what the backend saw.

mod area;

mod access;
mod affinity;
mod balance;
mod basic_auth;
mod canary;
mod clients;
mod config;
mod cors;
mod directives;
mod errors;
mod external_auth;
mod headers;
mod limits;
mod mirror;
mod paths;
mod redirects;
mod snippets;
mod timeouts;
mod tracing;

pub(crate) use crate::harness::row::{Row, row};
pub(crate) use area::{Area, Served};
