//! Kinds of the Gateway API, which Kubernetes does not bring along: types of our own, with every
//! field of release 1.6 in both channels, so that what is not known is a slip of its author.

mod resource;

pub mod backend_tls_policy;
pub mod class;
pub mod gateway;
pub mod grpc_route;
pub mod http_route;
pub mod reference;
pub mod reference_grant;
pub mod stream_routes;
