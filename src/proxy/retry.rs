//! May a failed attempt be repeated? Pure.
//!
//! Source: RFC 9110 section 9.2.2, RFC 9112 section 9.3.1; ingress-nginx `proxy_next_upstream`.

use crate::model::RetryPolicy;

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
    /// The connection ended within the response head.
    Truncated,
    /// No response in time.
    Timeout,
    /// The response breaks the protocol.
    Malformed,
}

impl Failure {
    /// Whether it counts against the endpoint.
    ///
    /// A reused connection that ended is the ordinary race of keep-alive and says nothing.
    #[must_use]
    pub const fn is_endpoint_fault(self, is_reused: bool) -> bool {
        match self {
            Self::Local | Self::Refused => false,
            Self::NothingSent | Self::NoResponse => !is_reused,
            Self::Connect
            | Self::Tls
            | Self::ConnectTimeout
            | Self::Truncated
            | Self::Timeout
            | Self::Malformed => true,
        }
    }
}

/// What the decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Tries made, this one included.
    pub tries: u32,
    /// Tries allowed.
    pub tries_max: u32,
    /// The connection had served a request before.
    pub is_reused: bool,
    /// The method may be repeated by definition.
    pub is_idempotent: bool,
    /// Every octet of the request is still here.
    pub is_replayable: bool,
}

/// Whether to try again.
#[must_use]
pub const fn may_repeat(failure: Failure, facts: Facts) -> bool {
    if !facts.is_replayable || facts.tries >= facts.tries_max {
        return false;
    }
    match failure {
        Failure::Connect
        | Failure::Tls
        | Failure::ConnectTimeout
        | Failure::NothingSent
        | Failure::Refused => true,
        Failure::NoResponse => facts.is_reused && facts.is_idempotent,
        Failure::Local | Failure::Truncated | Failure::Timeout | Failure::Malformed => false,
    }
}

/// Whether a response with this status counts as a failed attempt that is to be repeated.
#[must_use]
pub fn is_status_repeated(status: u16, policy: &RetryPolicy, facts: Facts) -> bool {
    facts.is_replayable && facts.tries < facts.tries_max && policy.statuses.contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts = Facts {
        tries: 1,
        tries_max: 3,
        is_reused: false,
        is_idempotent: true,
        is_replayable: true,
    };

    #[track_caller]
    fn check(failure: Failure, facts: Facts, expected: bool) {
        assert_eq!(may_repeat(failure, facts), expected, "{failure:?} {facts:?}");
    }

    #[test]
    fn nothing_was_sent_so_any_method_is_repeated() {
        let post = Facts { is_idempotent: false, ..FACTS };
        check(Failure::Connect, post, true);
        check(Failure::ConnectTimeout, post, true);
        check(Failure::NothingSent, post, true);
        check(Failure::Tls, post, true);
        check(Failure::Refused, post, true);
        check(Failure::Refused, Facts { is_replayable: false, ..post }, false);
    }

    #[test]
    fn a_stale_connection_is_repeated_for_idempotent_methods_only() {
        let reused = Facts { is_reused: true, ..FACTS };
        check(Failure::NoResponse, reused, true);
        check(Failure::NoResponse, Facts { is_idempotent: false, ..reused }, false);
        check(Failure::NoResponse, FACTS, false);
    }

    #[test]
    fn what_reached_the_application_is_never_repeated() {
        assert!(!Failure::Local.is_endpoint_fault(false));
        for failure in [Failure::Local, Failure::Truncated, Failure::Timeout, Failure::Malformed] {
            check(failure, Facts { is_reused: true, ..FACTS }, false);
        }
    }

    #[test]
    fn a_request_that_is_gone_or_tried_enough_is_not_repeated() {
        check(Failure::Connect, Facts { is_replayable: false, ..FACTS }, false);
        check(Failure::Connect, Facts { tries: 3, ..FACTS }, false);
    }

    #[test]
    fn status_codes_are_repeated_by_policy_alone() {
        let policy = RetryPolicy { statuses: vec![503], ..RetryPolicy::default() };
        assert!(is_status_repeated(503, &policy, FACTS));
        assert!(!is_status_repeated(500, &policy, FACTS));
        assert!(!is_status_repeated(503, &RetryPolicy::default(), FACTS));
    }

    #[test]
    fn the_race_of_keep_alive_is_nobodys_fault() {
        assert!(!Failure::NoResponse.is_endpoint_fault(true));
        assert!(Failure::NoResponse.is_endpoint_fault(false));
        assert!(!Failure::Refused.is_endpoint_fault(false));
        assert!(Failure::Tls.is_endpoint_fault(true));
        assert!(Failure::Timeout.is_endpoint_fault(true));
    }
}
