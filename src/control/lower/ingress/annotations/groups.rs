//! All annotations of the dialect, by groups.

use super::group::Group;
use super::{
    access, affinity, backend_protocol, backend_tls, bodies, canary, client_certificates, cors,
    dropped, errors, external_auth, firewall, headers, https, limits, mirror, paths, redirects,
    snippets, telemetry, timeouts,
};

/// In the order in which they are read, and told of.
pub(crate) const GROUPS: &[Group] = &[
    https::GROUP,
    client_certificates::GROUP,
    canary::GROUP,
    paths::GROUP,
    backend_protocol::GROUP,
    backend_tls::GROUP,
    access::GROUP,
    external_auth::GROUP,
    cors::GROUP,
    limits::GROUP,
    bodies::GROUP,
    timeouts::GROUP,
    affinity::GROUP,
    redirects::GROUP,
    errors::GROUP,
    headers::GROUP,
    mirror::GROUP,
    telemetry::GROUP,
    snippets::GROUP,
    firewall::GROUP,
    dropped::GROUP,
];
