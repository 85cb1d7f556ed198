//! Why an endpoint gave no response, and whether it is to blame. Pure.

use super::pool::Freshness;

/// How an attempt ended without a response that can be relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The endpoint refused the connection or cannot be reached. The upstream is at fault.
    Connect,
    /// This side has no descriptor, port or memory left for a connection, or no stream of one.
    Local,
    /// TLS with the endpoint failed: protocol, certificate, or no HTTP/2 where it was wanted.
    Tls,
    /// The endpoint said that it did nothing with the request (RFC 9113 section 8.7).
    Refused,
    /// The connection was not there in time.
    ConnectTimeout,
    /// The connection broke before an octet of the request was taken.
    NothingSent,
    /// The connection ended before an octet of a response.
    NoResponse,
    /// The connection ended within the response.
    Truncated,
    /// No response in time.
    Timeout,
    /// The response breaks the protocol.
    Malformed,
}

impl Failure {
    /// All of them, for tests that hold for each.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 10] = [
        Self::Connect,
        Self::Local,
        Self::Tls,
        Self::Refused,
        Self::ConnectTimeout,
        Self::NothingSent,
        Self::NoResponse,
        Self::Truncated,
        Self::Timeout,
        Self::Malformed,
    ];

    /// Name in logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Local => "local",
            Self::Tls => "tls",
            Self::Refused => "refused",
            Self::ConnectTimeout => "connect_timeout",
            Self::NothingSent => "nothing_sent",
            Self::NoResponse => "no_response",
            Self::Truncated => "truncated",
            Self::Timeout => "timeout",
            Self::Malformed => "malformed",
        }
    }

    /// Whether it counts against the endpoint.
    ///
    /// A reused connection that ended is the ordinary race of keep-alive and says nothing.
    #[must_use]
    pub const fn is_endpoint_fault(self, freshness: Freshness) -> bool {
        match self {
            Self::Local | Self::Refused => false,
            Self::NothingSent | Self::NoResponse => {
                matches!(freshness, Freshness::Fresh)
            }
            Self::Connect
            | Self::Tls
            | Self::ConnectTimeout
            | Self::Truncated
            | Self::Timeout
            | Self::Malformed => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Failure::*;
    use super::Freshness;

    #[test]
    fn every_reason_is_explained_to_operators() {
        let page = include_str!("../../../docs/operations.md");
        let explained = page.split_once("and `reason`, which").expect("the access log").1;
        let explained = explained.split_once("\n\n").expect("a paragraph").0;
        for failure in super::Failure::ALL {
            let label = format!("`{}`", failure.label());
            assert_eq!(explained.matches(&label).count(), 1, "{label}");
        }
    }

    #[test]
    fn the_race_of_keep_alive_is_nobodys_fault() {
        assert!(!NoResponse.is_endpoint_fault(Freshness::Reused));
        assert!(NoResponse.is_endpoint_fault(Freshness::Fresh));
        assert!(!Refused.is_endpoint_fault(Freshness::Fresh));
        assert!(Tls.is_endpoint_fault(Freshness::Reused));
        assert!(Timeout.is_endpoint_fault(Freshness::Reused));
        assert!(!Local.is_endpoint_fault(Freshness::Fresh));
    }
}
