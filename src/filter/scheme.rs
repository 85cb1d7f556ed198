//! How clients come.

/// What clients speak: HTTP in clear text or by TLS, or something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// Clear text.
    Http,
    /// TLS.
    Https,
    /// What a TCP service speaks; no request ever comes so.
    Tcp,
    /// Datagrams of a UDP service.
    Udp,
}

impl Scheme {
    /// As in a URI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}
