//! Ingress and IngressClass, with the annotations of the ingress-nginx dialect.

pub(super) mod annotations;
pub(super) mod class;
mod foreign;
pub(super) mod spec;

pub use annotations::nearest as nearest_annotation;
pub use annotations::page as annotations_page;
