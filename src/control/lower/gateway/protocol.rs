//! What is spoken at listeners, and which kinds of routes go with it.

use crate::model::Kind;

/// What is spoken at a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http,
    Https,
    /// TLS that ends here; what is inside is relayed.
    Decrypted,
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

impl Transport {
    /// Whether datagrams carry it: their ports are others.
    pub(super) fn is_datagrams(self) -> bool {
        self == Self::Udp
    }

    /// Whether what comes in is relayed as it is, whatever it asks for.
    pub(super) fn is_stream(self) -> bool {
        matches!(self, Self::Tcp | Self::Udp)
    }
}

impl Protocol {
    pub(super) const fn transport(self) -> Transport {
        match self {
            Self::Http => Transport::Http,
            Self::Https | Self::Decrypted | Self::Passthrough => Transport::Tls,
            Self::Tcp => Transport::Tcp,
            Self::Udp => Transport::Udp,
        }
    }

    /// Whether handshakes of TLS are ours.
    pub(super) const fn ends_tls(self) -> bool {
        matches!(self, Self::Https | Self::Decrypted)
    }

    /// Kinds of routes that it may have.
    pub(super) fn kinds(self) -> impl Iterator<Item = Kind> {
        let kinds: &[Kind] = match self {
            Self::Http | Self::Https => &[Kind::HTTPRoute, Kind::GRPCRoute],
            Self::Decrypted | Self::Passthrough => &[Kind::TLSRoute],
            Self::Tcp => &[Kind::TCPRoute],
            Self::Udp => &[Kind::UDPRoute],
        };
        kinds.iter().copied()
    }

    /// Whether hosts tell listeners of a port apart; else it is one's alone.
    pub(super) const fn has_hosts(self) -> bool {
        match self {
            Self::Http | Self::Https | Self::Decrypted | Self::Passthrough => true,
            Self::Tcp | Self::Udp => false,
        }
    }
}
