//! Why a message was refused: closed enums, one per boundary. They hold no input, so that printing
//! one can never carry a peer's bytes into a log or a reply.
//!
//! After any of these errors the place where the next message begins is unknown: the connection it
//! came from is closed. Which status a [`RequestFault`] becomes is decided by the reply code alone.

/// Why a head was refused, of a request or a response. Its sender is at fault: 400, if nothing
/// else is said here, or 502.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The head does not end where the caller said.
    #[error("the head is not complete")]
    Incomplete,
    /// The head is larger than the limit. 431.
    #[error("the head is too large")]
    TooLarge,
    /// More field lines than the limit. 431.
    #[error("too many field lines")]
    TooManyFields,
    /// A line ends in something else than CRLF.
    #[error("a line does not end in CRLF")]
    LineEnd,
    /// A field line is continued on the next one (obs-fold), or a blank precedes the first.
    #[error("a field line begins with a blank")]
    FoldedLine,
    /// A field name is not a token followed by a colon.
    #[error("a field name is not a token followed by a colon")]
    FieldName,
    /// A field value has control characters.
    #[error("a field value has control characters")]
    FieldValue,
    /// More `Connection` options than the limit; each costs a look at every field.
    #[error("too many Connection options")]
    TooManyOptions,
    /// Where the body ends is not certain. 501 for a transfer coding that we do not know.
    #[error(transparent)]
    Framing(#[from] FramingError),
}

impl HeadError {
    /// Name for metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::TooLarge => "head_too_large",
            Self::TooManyFields => "too_many_fields",
            Self::LineEnd => "line_end",
            Self::FoldedLine => "folded_line",
            Self::FieldName => "field_name",
            Self::FieldValue => "field_value",
            Self::TooManyOptions => "connection_too_long",
            Self::Framing(error) => error.label(),
        }
    }
}

/// Why a request head was refused. The client is at fault in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// More empty lines before the request line than we accept, or broken ones. 400.
    #[error("too many or broken empty lines before the request line")]
    LeadingLines,
    /// The client speaks HTTP/2 without having been asked. 505.
    #[error("the HTTP/2 connection preface was sent to an HTTP/1.1 listener")]
    Http2Preface,
    /// The method is not a token. 400.
    #[error("the method is not a token")]
    Method,
    /// The line is not `method SP target SP version`. 400.
    #[error("the request line is not method, target and version with one blank between")]
    RequestLine,
    /// The request line is longer than the limit. 414.
    #[error("the request line is too long")]
    RequestLineTooLong,
    /// A version of HTTP other than 1.0 and 1.1. 505.
    #[error("only HTTP/1.0 and HTTP/1.1 are spoken here")]
    Version,
    /// `CONNECT`: this is no forward proxy. 405.
    #[error("CONNECT is not served")]
    Connect,
    /// `TRACE` would show the client the fields that proxies add. 405.
    #[error("TRACE is not served")]
    Trace,
    /// The target has none of the forms that its method allows. 400.
    #[error("the target is neither a path nor an http(s) URI")]
    TargetForm,
    /// A character that no URI has, or a fragment. 400.
    #[error("the target has a character that no request target may have")]
    TargetCharacter,
    /// `%` without two hexadecimal digits, or `%00`. 400.
    #[error("the path has a broken or forbidden percent-encoding")]
    TargetEncoding,
    /// Dot segments lead above the root. 400.
    #[error("the path leads above the root")]
    TargetAboveRoot,
    /// The target has `user@`. 400.
    #[error("the target has user information")]
    UserInfo,
    /// HTTP/1.1 without Host. 400.
    #[error("the Host field is missing")]
    HostMissing,
    /// More than one Host line. 400.
    #[error("more than one Host field")]
    HostRepeated,
    /// Host or the authority of the target is not `host[:port]`. 400.
    #[error("the host is not a valid host name or address with an optional port")]
    HostInvalid,
    /// `Connection` names a field that must not be stripped on the way. 400.
    #[error("Connection names a field that it may not remove")]
    ConnectionNominates,
    /// An expectation other than `100-continue`. 417.
    #[error("the expectation is not supported")]
    Expectation,
    /// As of every head.
    #[error(transparent)]
    Head(#[from] HeadError),
}

/// What kind of refusal a [`RequestError`] is; the reply code maps it to a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestFault {
    /// 400.
    BadRequest,
    /// 405.
    MethodNotAllowed,
    /// 414.
    UriTooLong,
    /// 431.
    FieldsTooLarge,
    /// 417.
    ExpectationFailed,
    /// 501.
    NotImplemented,
    /// 505.
    VersionNotSupported,
}

impl RequestError {
    /// The kind of refusal.
    #[must_use]
    pub fn category(&self) -> RequestFault {
        match self {
            Self::Connect | Self::Trace => RequestFault::MethodNotAllowed,
            Self::RequestLineTooLong => RequestFault::UriTooLong,
            Self::Head(HeadError::TooLarge | HeadError::TooManyFields) => {
                RequestFault::FieldsTooLarge
            }
            Self::Expectation => RequestFault::ExpectationFailed,
            Self::Head(HeadError::Framing(FramingError::CodingUnknown)) => {
                RequestFault::NotImplemented
            }
            Self::Http2Preface | Self::Version => RequestFault::VersionNotSupported,
            Self::LeadingLines
            | Self::Method
            | Self::RequestLine
            | Self::TargetForm
            | Self::TargetCharacter
            | Self::TargetEncoding
            | Self::TargetAboveRoot
            | Self::UserInfo
            | Self::HostMissing
            | Self::HostRepeated
            | Self::HostInvalid
            | Self::ConnectionNominates
            | Self::Head(_) => RequestFault::BadRequest,
        }
    }

    /// Name for metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::LeadingLines => "leading_lines",
            Self::Http2Preface => "http2_preface",
            Self::Method => "method",
            Self::RequestLine => "request_line",
            Self::RequestLineTooLong => "request_line_too_long",
            Self::Version => "version",
            Self::Connect => "connect",
            Self::Trace => "trace",
            Self::TargetForm => "target_form",
            Self::TargetCharacter => "target_character",
            Self::TargetEncoding => "target_encoding",
            Self::TargetAboveRoot => "target_above_root",
            Self::UserInfo => "user_info",
            Self::HostMissing => "host_missing",
            Self::HostRepeated => "host_repeated",
            Self::HostInvalid => "host_invalid",
            Self::ConnectionNominates => "connection_nominates",
            Self::Expectation => "expectation",
            Self::Head(error) => error.label(),
        }
    }
}

/// Why a response head was refused. The upstream is at fault in every case; the client gets 502.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// It does not begin with `HTTP/1.x SP 3DIGIT`, or the line has control characters.
    #[error("the status line is malformed")]
    StatusLine,
    /// A version of HTTP other than 1.0 and 1.1.
    #[error("the upstream speaks a version of HTTP other than 1.0 and 1.1")]
    Version,
    /// A status outside of 100 to 599.
    #[error("the status is not between 100 and 599")]
    Status,
    /// As of every head.
    #[error(transparent)]
    Head(#[from] HeadError),
}

impl ResponseError {
    /// Name for metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::StatusLine => "status_line",
            Self::Version => "version",
            Self::Status => "status",
            Self::Head(error) => error.label(),
        }
    }
}

/// Why the end of a body cannot be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// Content-Length is not 1 to 18 digits.
    #[error("Content-Length is not a plain decimal number of at most 18 digits")]
    LengthInvalid,
    /// Several lengths that are not the same.
    #[error("several Content-Length values differ")]
    LengthsDisagree,
    /// Content-Length beside Transfer-Encoding in a request.
    #[error("both Content-Length and Transfer-Encoding are present")]
    LengthAndCoding,
    /// Transfer-Encoding in an HTTP/1.0 request.
    #[error("Transfer-Encoding does not exist in HTTP/1.0")]
    CodingInHttp10,
    /// `chunked` twice or not last, or an empty list member.
    #[error("Transfer-Encoding is malformed")]
    CodingInvalid,
    /// A transfer coding other than `chunked`.
    #[error("only the transfer coding chunked is supported")]
    CodingUnknown,
}

impl FramingError {
    /// Name for metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::LengthInvalid => "length_invalid",
            Self::LengthsDisagree => "lengths_disagree",
            Self::LengthAndCoding => "length_and_coding",
            Self::CodingInHttp10 => "coding_in_http10",
            Self::CodingInvalid => "coding_invalid",
            Self::CodingUnknown => "coding_unknown",
        }
    }
}

/// Why a body was given up. Its sender is at fault. If nothing was forwarded yet: 400 or 502; else
/// the other side's connection is broken, never ended cleanly (RFC 9112 section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// A chunk size that is not 1 to 16 hexadecimal digits.
    #[error("a chunk size is not a hexadecimal number")]
    ChunkSize,
    /// A chunk size above the limit.
    #[error("a chunk is too large")]
    ChunkTooLarge,
    /// A chunk extension with control characters.
    #[error("a chunk extension has control characters")]
    ChunkExtension,
    /// More octets of chunk extensions than the limit.
    #[error("chunk extensions are too long")]
    ChunkExtensionTooLong,
    /// CRLF is missing after a chunk size or after chunk data.
    #[error("a chunk line does not end in CRLF")]
    ChunkLineEnd,
    /// A trailer line that is no field line.
    #[error("a trailer field is malformed")]
    Trailer,
    /// The trailer section is larger than the limit.
    #[error("the trailer section is too large")]
    TrailerTooLarge,
    /// The connection ended before the body did.
    #[error("the connection ended before the body did")]
    Truncated,
}

impl BodyError {
    /// Name for metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::ChunkSize => "chunk_size",
            Self::ChunkTooLarge => "chunk_too_large",
            Self::ChunkExtension => "chunk_extension",
            Self::ChunkExtensionTooLong => "chunk_extension_too_long",
            Self::ChunkLineEnd => "chunk_line_end",
            Self::Trailer => "trailer",
            Self::TrailerTooLarge => "trailer_too_large",
            Self::Truncated => "truncated",
        }
    }
}
