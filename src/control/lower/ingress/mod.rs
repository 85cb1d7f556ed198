//! Ingress and IngressClass, with the annotations of the ingress-nginx dialect.

pub(super) mod annotations;
pub(super) mod class;
mod foreign;
pub(super) mod spec;

pub use annotations::page as annotations_page;
pub use annotations::{is_guard as is_guard_annotation, nearest as nearest_annotation};
