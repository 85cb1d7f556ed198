//! Service ports that rules name → their endpoints.

pub(super) mod backend;
pub(super) mod dial;
mod service;
pub(super) mod slices;
