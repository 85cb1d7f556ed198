//! What texts may say of a request that is over.

/// What is known once a request is over.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// `$status`: what the client got.
    Status,
    /// `$bytes_sent`: octets of the answer.
    BytesSent,
    /// `$body_bytes_sent`: those of its body.
    BodyBytesSent,
    /// `$request_length`: octets of the request.
    RequestLength,
    /// `$request_time`: seconds that it took.
    RequestTime,
    /// `$msec`: seconds since 1970.
    Seconds,
    /// `$time_local`.
    TimeLocal,
    /// `$time_iso8601`.
    TimeIso,
    /// `$request`: the request line.
    RequestLine,
    /// `$upstream_addr`: the endpoints that were asked.
    UpstreamAddress,
    /// `$upstream_status`: what they answered.
    UpstreamStatus,
    /// `$upstream_response_length`, `$upstream_bytes_received`: octets of their bodies.
    UpstreamLength,
    /// `$upstream_response_time`: seconds that they took.
    UpstreamTime,
    /// `$upstream_connect_time`: of them, until there was a connection.
    ConnectTime,
    /// `$upstream_header_time`: until the head of the answer was here.
    HeaderTime,
    /// `$proxy_upstream_name`: the backend of the rule.
    UpstreamName,
    /// `$proxy_alternative_upstream_name`: the canary that was asked in its place.
    AlternativeName,
    /// `$sent_http_NAME`: a field of the answer, named as in `Variable::Field`.
    Sent(Box<str>),
    /// `$upstream_http_NAME`: the same of what the last endpoint answered.
    Upstream(Box<str>),
    /// What there is never anything of here, such as `$gzip_ratio`.
    Nothing,
}
