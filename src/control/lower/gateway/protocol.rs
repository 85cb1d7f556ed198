//! What is spoken at listeners, and which kinds of routes go with it.

use crate::control::kinds::{Serving, info};
use crate::model::Kind;

/// What is spoken at a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http,
    Https,
    /// TLS that is passed through.
    Passthrough,
    Tcp,
    Udp,
}

/// What protocols have to have in common to be at one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Transport {
    Http,
    Tls,
    Tcp,
    Udp,
}

impl Protocol {
    pub(super) const fn transport(self) -> Transport {
        match self {
            Self::Http => Transport::Http,
            Self::Https | Self::Passthrough => Transport::Tls,
            Self::Tcp => Transport::Tcp,
            Self::Udp => Transport::Udp,
        }
    }

    /// Kinds of routes that it may have, and that are served.
    pub(super) fn kinds(self) -> impl Iterator<Item = Kind> {
        let kinds: &[Kind] = match self {
            Self::Http | Self::Https => &[Kind::HTTPRoute, Kind::GRPCRoute],
            Self::Passthrough => &[Kind::TLSRoute],
            Self::Tcp => &[Kind::TCPRoute],
            Self::Udp => &[Kind::UDPRoute],
        };
        kinds.iter().copied().filter(|kind| info(*kind).serving == Serving::Served)
    }

    pub(super) fn is_served(self) -> bool {
        self.kinds().next().is_some()
    }
}
