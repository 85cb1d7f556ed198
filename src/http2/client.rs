//! The client's side: requests in HTTP/1.1 octets as streams towards a backend, and the heads of
//! its responses as HTTP/1.1.
//!
//! The octets of a request are our own, written by the proxy from a head that `http1` has checked.
//! So they are read without the limits for strangers: the fields that a proxy adds may take a head
//! above them.
//!
//! Source: RFC 9113 sections 8.1 to 8.3, RFC 9110 section 7.6.1.

use std::ops::Range;

use bytes::Bytes;
use h2::client::Builder;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, StatusCode, Uri, Version, response, uri};

use super::message::{Message, MessageFault, Piece};
use super::response::trailers;
use crate::http1::body::Sender;
use crate::http1::encode::{CRLF, put_field, put_status_line, reason_phrase};
use crate::http1::error::BodyError;
use crate::http1::fields::{FieldKind, is_hop_by_hop, trim_ows};
use crate::http1::framing::{BodyLength, has_no_body};
use crate::http1::head;
use crate::http1::target::put_percent_encoded;
use crate::limits::{
    HTTP2_FRAME_BYTES_MAX, HTTP2_HEADER_TABLE_BYTES_MAX, HTTP2_LOCAL_RESETS_MAX,
    HTTP2_RESET_STREAMS_MAX, HTTP2_RESPONSE_LIST_BYTES_MAX, HTTP2_SEND_BUFFER_BYTES_MAX,
    HTTP2_UPSTREAM_CONNECTION_WINDOW_BYTES, HTTP2_UPSTREAM_STREAM_WINDOW_BYTES,
    RESPONSE_FIELDS_MAX,
};

/// A builder with every bound set. No stream is opened before the backend said how many it takes.
#[must_use]
pub fn client_builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(0)
        .max_header_list_size(HTTP2_RESPONSE_LIST_BYTES_MAX)
        .initial_window_size(HTTP2_UPSTREAM_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(HTTP2_UPSTREAM_CONNECTION_WINDOW_BYTES)
        .max_frame_size(HTTP2_FRAME_BYTES_MAX)
        .header_table_size(HTTP2_HEADER_TABLE_BYTES_MAX)
        .max_concurrent_reset_streams(HTTP2_RESET_STREAMS_MAX)
        .max_local_error_reset_streams(Some(HTTP2_LOCAL_RESETS_MAX))
        .max_send_buffer_size(HTTP2_SEND_BUFFER_BYTES_MAX);
    builder
}

/// Why octets of a request cannot be said in HTTP/2. Nothing of it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientFault {
    /// The head is not one that the proxy writes.
    #[error("the head is malformed")]
    Head,
    /// Method, host or path has characters that HTTP/2 has no place for.
    #[error("method, host or path cannot be said in HTTP/2")]
    Target,
    /// The body is malformed.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// Octets behind the end of the request.
    #[error("octets follow the end of the request")]
    Surplus,
}

impl From<MessageFault> for ClientFault {
    fn from(fault: MessageFault) -> Self {
        match fault {
            MessageFault::Body(error) => Self::Body(error),
            MessageFault::Surplus => Self::Surplus,
        }
    }
}

/// What the stream is to do next.
#[derive(Debug)]
pub enum Event {
    /// Open it.
    Head {
        /// Names in lower case, no hop-by-hop fields but `te: trailers`.
        request: Request<()>,
        /// With END_STREAM; no event follows.
        is_end: bool,
    },
    /// Send octets.
    Data {
        /// Where they are in the buffer that was given.
        range: Range<usize>,
        /// With END_STREAM; no event follows.
        is_end: bool,
    },
    /// End the stream.
    End {
        /// What has no business in trailers is gone.
        trailers: Option<HeaderMap>,
    },
}

/// Reads one request.
#[derive(Debug)]
pub struct RequestReader {
    scheme: Scheme,
    message: Message,
}

impl RequestReader {
    /// A reader at the beginning of a request with this `:scheme`.
    #[must_use]
    pub fn new(scheme: Scheme) -> Self {
        Self { scheme, message: Message::new() }
    }

    /// Reads from `buf[*at..]`, moves `at` behind what was read and gives the next event. `None`:
    /// all was read, more is needed.
    ///
    /// Shape: as [`super::response::ResponseReader::next`].
    ///
    /// # Errors
    /// Ours, or the body is malformed; the reader is of no use afterwards.
    pub fn next(&mut self, buf: &mut [u8], at: &mut usize) -> Result<Option<Event>, ClientFault> {
        Ok(match self.message.next(buf, at)? {
            Some(Piece::Head) => Some(self.parse(buf)?),
            Some(Piece::Data { range, is_end }) => Some(Event::Data { range, is_end }),
            Some(Piece::End) => Some(Event::End { trailers: trailers(self.message.trailers())? }),
            None => None,
        })
    }

    /// Whether the whole request was given.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.message.is_done()
    }

    fn parse(&mut self, buf: &[u8]) -> Result<Event, ClientFault> {
        // PERF: one copy of the head, of which all values are parts.
        let octets = Bytes::copy_from_slice(self.message.head(buf));
        let mut lines = octets
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let first = lines.next().ok_or(ClientFault::Head)?;
        let mut words = first.split(|byte| *byte == b' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next());
        let method = Method::from_bytes(method).or(Err(ClientFault::Target))?;
        let target = target.ok_or(ClientFault::Head)?;
        let mut request = Request::new(());
        let mut host: &[u8] = b"";
        let mut body = BodyLength::None;
        let mut accepts_trailers = false;
        let fields = request.headers_mut();
        for line in lines.take_while(|line| !line.is_empty()) {
            let colon = line.iter().position(|byte| *byte == b':').ok_or(ClientFault::Head)?;
            let (name, value) = line.split_at(colon);
            let value = trim_ows(value.get(1..).unwrap_or_default());
            match FieldKind::of(name) {
                FieldKind::Host => {
                    host = value;
                    continue;
                }
                FieldKind::ContentLength => body = BodyLength::Known(decimal(value)?),
                FieldKind::TransferEncoding => body = BodyLength::Chunked,
                FieldKind::Te => accepts_trailers |= value.eq_ignore_ascii_case(b"trailers"),
                _ => {}
            }
            if is_hop_by_hop(FieldKind::of(name)) {
                continue;
            }
            let name = HeaderName::from_bytes(name).or(Err(ClientFault::Head))?;
            let value = HeaderValue::from_maybe_shared(octets.slice_ref(value));
            fields.append(name, value.or(Err(ClientFault::Head))?);
        }
        if accepts_trailers {
            fields.append(header::TE, HeaderValue::from_static("trailers"));
        }
        *request.uri_mut() = self.uri(host, target)?;
        if host.is_empty() {
            // h2 takes a request without authority as one that is forwarded from HTTP/1.
            *request.version_mut() = Version::HTTP_11;
        } else {
            *request.version_mut() = Version::HTTP_2;
        }
        *request.method_mut() = method;
        self.message.begin_body(body, Sender::Client);
        let is_end = self.message.is_done();
        Ok(Event::Head { request, is_end })
    }

    fn uri(&self, host: &[u8], target: &[u8]) -> Result<Uri, ClientFault> {
        let mut parts = uri::Parts::default();
        parts.path_and_query = Some(path_and_query(target)?);
        if !host.is_empty() {
            parts.scheme = Some(self.scheme.clone());
            parts.authority = Some(Authority::try_from(host).or(Err(ClientFault::Target))?);
        }
        Uri::from_parts(parts).or(Err(ClientFault::Target))
    }
}

/// The target as it came. What the h2 crate has no place for is percent-encoded: no URI has it, and
/// the backend would get no request at all.
fn path_and_query(target: &[u8]) -> Result<PathAndQuery, ClientFault> {
    if let Ok(target) = PathAndQuery::try_from(target) {
        return Ok(target);
    }
    let mut coded = Vec::with_capacity(target.len());
    for &octet in target {
        if octet.is_ascii_graphic() && !b"\"<>`".contains(&octet) {
            coded.push(octet);
        } else {
            put_percent_encoded(&mut coded, octet);
        }
    }
    PathAndQuery::try_from(coded).or(Err(ClientFault::Target))
}

fn decimal(text: &[u8]) -> Result<u64, ClientFault> {
    let text = std::str::from_utf8(text).or(Err(ClientFault::Head))?;
    text.parse().or(Err(ClientFault::Head))
}

/// Why the head of a response cannot be passed on. The backend is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseHeadFault {
    /// 101 has no meaning in HTTP/2 (RFC 9113 section 8.6).
    #[error("the response changes the protocol")]
    Switched,
    /// Content-Length is repeated, not a number, or not 0 where nothing follows.
    #[error("Content-Length is invalid")]
    Length,
    /// More field lines than the limit.
    #[error("too many field lines")]
    TooManyFields,
    /// A pseudo-field other than the status, or one in trailers.
    #[error("a pseudo-field is misplaced")]
    PseudoField,
}

/// Appends the head of an informational response.
///
/// # Errors
/// The backend's fault; nothing was appended.
pub fn put_informational(
    out: &mut Vec<u8>,
    status: StatusCode,
    fields: &HeaderMap,
) -> Result<(), ResponseHeadFault> {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(ResponseHeadFault::Switched);
    }
    check_count(fields)?;
    put_status(out, status);
    for (name, value) in fields {
        if name != header::CONTENT_LENGTH {
            put_kept(out, name, value);
        }
    }
    out.extend_from_slice(CRLF);
    Ok(())
}

/// Appends the head of a final response; gives how its body is to be framed.
///
/// `is_end`: the stream ended with the head. A body whose length was not said is chunked, and so is
/// every gRPC message, because its status comes in trailers.
///
/// # Errors
/// The backend's fault; nothing was appended.
pub fn put_response(
    out: &mut Vec<u8>,
    parts: &response::Parts,
    is_head: bool,
    is_end: bool,
) -> Result<BodyLength, ResponseHeadFault> {
    let fields = &parts.headers;
    check_count(fields)?;
    let said = length(fields)?;
    let has_no_body = is_head || has_no_body(parts.status.as_u16());
    let body = match said {
        _ if has_no_body => BodyLength::None,
        Some(1..) if is_end => return Err(ResponseHeadFault::Length),
        _ if is_end => BodyLength::Known(0),
        Some(octets) if !is_grpc(fields) => BodyLength::Known(octets),
        _ => BodyLength::Chunked,
    };
    put_status(out, parts.status);
    for (name, value) in fields {
        if name == header::CONTENT_LENGTH && !has_no_body {
            continue;
        }
        put_kept(out, name, value);
    }
    match body {
        BodyLength::Known(octets) => {
            let mut digits = Vec::new();
            crate::http1::encode::put_decimal(&mut digits, octets);
            put_field(out, b"content-length", &digits);
        }
        BodyLength::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        BodyLength::None | BodyLength::UntilClose => {}
    }
    out.extend_from_slice(CRLF);
    Ok(body)
}

fn check_count(fields: &HeaderMap) -> Result<(), ResponseHeadFault> {
    // One line is ours.
    (fields.len() < RESPONSE_FIELDS_MAX).then_some(()).ok_or(ResponseHeadFault::TooManyFields)
}

fn length(fields: &HeaderMap) -> Result<Option<u64>, ResponseHeadFault> {
    let mut lines = fields.get_all(header::CONTENT_LENGTH).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let text = line.as_bytes();
    // 18 digits, as `http1` reads them.
    let is_number = !text.is_empty() && text.len() <= 18 && text.iter().all(u8::is_ascii_digit);
    if !is_number || lines.next().is_some() {
        return Err(ResponseHeadFault::Length);
    }
    decimal(text).map(Some).or(Err(ResponseHeadFault::Length))
}

fn is_grpc(fields: &HeaderMap) -> bool {
    fields.get(header::CONTENT_TYPE).is_some_and(|kind| head::is_grpc(kind.as_bytes()))
}

fn put_status(out: &mut Vec<u8>, status: StatusCode) {
    let reason = reason_phrase(status.as_u16());
    put_status_line(out, head::Version::Http11, status.as_u16(), reason.as_bytes());
}

fn put_kept(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    let name = name.as_str().as_bytes();
    if !is_hop_by_hop(FieldKind::of(name)) {
        put_field(out, name, trim_ows(value.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a request in one piece and octet by octet; tells what the stream does.
    fn told(text: &str) -> Result<Vec<String>, ClientFault> {
        let whole = tell(text, text.len())?;
        assert_eq!(
            tell(text, 1)?.concat().replace("data ", ""),
            whole.concat().replace("data ", "")
        );
        Ok(whole)
    }

    fn tell(text: &str, step: usize) -> Result<Vec<String>, ClientFault> {
        let mut reader = RequestReader::new(Scheme::HTTP);
        let mut lines = Vec::new();
        for piece in text.as_bytes().chunks(step) {
            let mut buf = piece.to_vec();
            let mut at = 0;
            while let Some(event) = reader.next(&mut buf, &mut at)? {
                match event {
                    Event::Head { request, is_end } => {
                        lines.push(format!("{} {}", request.method(), request.uri()));
                        for (name, value) in request.headers() {
                            lines.push(format!("{name}={}", value.to_str().unwrap()));
                        }
                        lines.extend(is_end.then(|| "end".to_owned()));
                    }
                    Event::Data { range, is_end } => {
                        lines.push(format!("data {}", str::from_utf8(&buf[range]).unwrap()));
                        lines.extend(is_end.then(|| "end".to_owned()));
                    }
                    Event::End { trailers } => {
                        for (name, value) in &trailers.unwrap_or_default() {
                            lines.push(format!("{name}={}", value.to_str().unwrap()));
                        }
                        lines.push("end".to_owned());
                    }
                }
            }
        }
        assert!(reader.is_done());
        Ok(lines)
    }

    #[test]
    fn host_becomes_the_authority_and_hop_by_hop_fields_go() {
        let told = told(
            "GET /a?b HTTP/1.1\r\nHost: a.example:81\r\nX-A: 1\r\nConnection: upgrade\r\n\
             Upgrade: websocket\r\nTE: trailers\r\n\r\n",
        );
        assert_eq!(told.unwrap(), ["GET http://a.example:81/a?b", "x-a=1", "te=trailers", "end"]);
    }

    #[test]
    fn bodies_lose_their_framing_and_keep_their_trailers() {
        let known = told("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").unwrap();
        assert_eq!(known, ["POST http://a/", "content-length=2", "data hi", "end"]);
        let chunked = told(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\
             X-T: 1\r\n\r\n",
        );
        assert_eq!(chunked.unwrap(), ["POST http://a/", "data hi", "x-t=1", "end"]);
    }

    #[test]
    fn a_request_without_host_has_no_authority() {
        assert_eq!(told("GET / HTTP/1.1\r\nHost: \r\n\r\n").unwrap(), ["GET /", "end"]);
    }

    #[test]
    fn targets_go_on_as_they_came() {
        let uri = |target: &[u8]| {
            let reader = RequestReader::new(Scheme::HTTP);
            reader.uri(b"a", target).map(|uri| uri.to_string())
        };
        for target in
            ["/%25%32%46", "/a/../b//c?", "/%zz?%", "/a;b|c\"{}?[]{}|\\^`", "/\u{e4}?\u{e4}"]
        {
            assert_eq!(uri(target.as_bytes()), Ok(format!("http://a{target}")));
        }
        assert_eq!(uri(b"/<`>\xff|?<"), Ok("http://a/%3C%60%3E%FF|?%3C".to_owned()));
    }

    #[test]
    fn what_http2_cannot_say_is_an_error() {
        let fault = |text: &str| told(text).unwrap_err();
        assert_eq!(fault("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), ClientFault::Target);
        assert_eq!(fault("GET\r\n\r\n"), ClientFault::Head);
        assert_eq!(fault("GET / HTTP/1.1\r\nHost: a\r\n\r\nx"), ClientFault::Surplus);
        let text = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n";
        assert_eq!(fault(text), ClientFault::Body(BodyError::ChunkSize));
    }

    fn response(fields: &[(&str, &str)], is_head: bool, is_end: bool) -> (String, BodyLength) {
        let mut builder = http::Response::builder().status(200);
        for (name, value) in fields {
            builder = builder.header(*name, *value);
        }
        let (parts, ()) = builder.body(()).unwrap().into_parts();
        let mut out = Vec::new();
        let body = put_response(&mut out, &parts, is_head, is_end).unwrap();
        (String::from_utf8(out).unwrap(), body)
    }

    #[test]
    fn responses_are_framed_by_what_they_say() {
        let head = "HTTP/1.1 200 OK\r\n";
        let known = response(&[("content-length", "3")], false, false);
        assert_eq!(known, (format!("{head}content-length: 3\r\n\r\n"), BodyLength::Known(3)));
        let unknown = response(&[("x", "1"), ("connection", "x")], false, false);
        let text = format!("{head}x: 1\r\ntransfer-encoding: chunked\r\n\r\n");
        assert_eq!(unknown, (text, BodyLength::Chunked));
        let ended = response(&[], false, true);
        assert_eq!(ended, (format!("{head}content-length: 0\r\n\r\n"), BodyLength::Known(0)));
        let to_head = response(&[("content-length", "3")], true, true);
        assert_eq!(to_head, (format!("{head}content-length: 3\r\n\r\n"), BodyLength::None));
        let grpc = [("content-type", "application/grpc"), ("content-length", "3")];
        assert_eq!(response(&grpc, false, false).1, BodyLength::Chunked);
    }

    #[test]
    fn responses_that_cannot_be_passed_on_are_faults() {
        let check = |fields: &[(&str, &str)], is_end, expected| {
            let mut builder = http::Response::builder();
            for (name, value) in fields {
                builder = builder.header(*name, *value);
            }
            let (parts, ()) = builder.body(()).unwrap().into_parts();
            let mut out = Vec::new();
            assert_eq!(put_response(&mut out, &parts, false, is_end), Err(expected));
            assert!(out.is_empty());
        };
        let twice = [("content-length", "3"), ("content-length", "3")];
        check(&twice, false, ResponseHeadFault::Length);
        check(&[("content-length", "+3")], false, ResponseHeadFault::Length);
        check(&[("content-length", "3")], true, ResponseHeadFault::Length);
        check(&[("x", "1"); RESPONSE_FIELDS_MAX], false, ResponseHeadFault::TooManyFields);
        let none = HeaderMap::new();
        let switched = put_informational(&mut Vec::new(), StatusCode::SWITCHING_PROTOCOLS, &none);
        assert_eq!(switched, Err(ResponseHeadFault::Switched));
    }
}
