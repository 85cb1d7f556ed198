//! Which backend a request reaches: the headings of the Ingress conformance suite.

mod app_root;
mod default_backend;
mod endpoints;
mod guards;
mod host_rules;
mod ingress_class;
mod load_balancing;
mod path_rules;

use crate::harness::{Backend, manifest};

/// Echo backends of these names, each behind a Service of its name.
fn echoes(names: &[&str]) -> (Vec<Backend>, String) {
    let backends: Vec<_> = names.iter().map(|name| Backend::echo(name)).collect();
    let services = names.iter().zip(&backends);
    let text = services.map(|(name, echo)| manifest::backend(name, &[echo.address()])).collect();
    (backends, text)
}
