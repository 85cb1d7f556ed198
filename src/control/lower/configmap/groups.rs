//! All keys of the controller's ConfigMap, by groups: a file each.

use super::row::Key;
use super::{
    access, answers, auth, backends, bodies, compression, connections, fields, firewall, forwarded,
    logs, objects, process, redirects, snippets, streams, telemetry, tls,
};

/// Keys that belong together.
pub(super) struct Group {
    /// For the documentation.
    pub title: &'static str,
    /// By name.
    pub keys: &'static [Key],
}

/// In the order of the documentation.
pub(super) const GROUPS: &[Group] = &[
    Group { title: "Objects", keys: objects::KEYS },
    Group { title: "Access", keys: access::KEYS },
    Group { title: "External authentication", keys: auth::KEYS },
    Group { title: "Redirects", keys: redirects::KEYS },
    Group { title: "Bodies and buffers", keys: bodies::KEYS },
    Group { title: "Backends", keys: backends::KEYS },
    Group { title: "Fields of requests and responses", keys: fields::KEYS },
    Group { title: "Errors and limits", keys: answers::KEYS },
    Group { title: "Compression", keys: compression::KEYS },
    Group { title: "Connections of clients", keys: connections::KEYS },
    Group { title: "Who the client is", keys: forwarded::KEYS },
    Group { title: "TLS", keys: tls::KEYS },
    Group { title: "Logs", keys: logs::KEYS },
    Group { title: "TCP and UDP services", keys: streams::KEYS },
    Group { title: "Snippets", keys: snippets::KEYS },
    Group { title: "Tracing", keys: telemetry::KEYS },
    Group { title: "Firewall", keys: firewall::KEYS },
    Group { title: "Of nginx alone", keys: process::KEYS },
];

/// The key of this name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    names().find(|key| key.name == name)
}

/// All keys.
pub(super) fn names() -> impl Iterator<Item = &'static Key> {
    GROUPS.iter().flat_map(|group| group.keys)
}
