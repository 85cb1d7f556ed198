//! Gateways and their routes, seen from outside, as files of a directory.

mod mistakes;
mod routes;
mod streams;
mod tls;
