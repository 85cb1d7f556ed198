//! The client's side: requests in HTTP/1.1 octets as streams towards a backend, and the heads of
//! its responses as HTTP/1.1.
//!
//! The octets of a request are our own, written by the proxy from a head that `http1` has checked.
//! So they are read without the limits for strangers: the fields that a proxy adds may take a head
//! above them.
//!
//! Source: RFC 9113 sections 8.1 to 8.3, RFC 9110 section 7.6.1.

use std::ops::Range;

use http::uri::PathAndQuery;

use super::field::{self, FieldFault};
use super::follows::Follows;
use super::hpack::{FieldList, Overrun, RequestTarget};
use super::message::{Message, MessageFault, Piece};
use super::response::line_fields;
use crate::http1::body::Sender;
use crate::http1::encode::{CRLF, put_decimal, put_field, put_status_line, reason_phrase};
use crate::http1::error::BodyError;
use crate::http1::fields::{FieldKind, is_hop_by_hop, is_token, is_value_byte, trim_ows};
use crate::http1::framing::{BodyLength, RequestKind, has_no_body};
use crate::http1::head;
use crate::http1::target::put_percent_encoded;
use crate::limits::RESPONSE_FIELDS_MAX;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Open it with [`RequestReader::target`] and [`RequestReader::fields`].
    Head {
        /// Nothing: with END_STREAM; no event follows.
        follows: Follows,
    },
    /// Send octets.
    Data {
        /// Where they are in the buffer that was given.
        range: Range<usize>,
        /// Nothing: with END_STREAM; no event follows.
        follows: Follows,
    },
    /// End the stream, with [`RequestReader::trailers`] if there are any.
    End,
}

/// Reads one request.
#[derive(Debug)]
pub struct RequestReader {
    scheme: &'static str,
    message: Message,
    head: Places,
}

/// Where parts of the head lie in it.
#[derive(Debug, Default)]
struct Places {
    method: Range<usize>,
    target: Range<usize>,
    /// The field lines.
    fields: Range<usize>,
    accepts_trailers: bool,
    /// The target, where it is not said as it came.
    coded: Option<Vec<u8>>,
}

impl RequestReader {
    /// A reader at the beginning of a request with this `:scheme`.
    #[must_use]
    pub fn new(scheme: &'static str) -> Self {
        Self { scheme, message: Message::new(), head: Places::default() }
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
            Some(Piece::Data { range, follows }) => Some(Event::Data { range, follows }),
            Some(Piece::End) => Some(Event::End),
            None => None,
        })
    }

    /// Whether the whole request was given.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.message.is_done()
    }

    /// What the head asks for, from the buffer that was given with it.
    #[must_use]
    pub fn target<'r>(&'r self, buf: &'r [u8]) -> RequestTarget<'r> {
        let head = self.message.head(buf);
        let part = |range: &Range<usize>| head.get(range.clone()).unwrap_or_default();
        let mut fields = line_fields(part(&self.head.fields));
        let host = fields.find(|(name, _)| FieldKind::of(name) == FieldKind::Host);
        RequestTarget {
            method: part(&self.head.method),
            scheme: self.scheme.as_bytes(),
            authority: host.map(|(_, host)| host).filter(|host| !host.is_empty()),
            path: self.head.coded.as_deref().unwrap_or_else(|| part(&self.head.target)),
        }
    }

    /// The fields of the head, from the buffer that was given with it: names in any case, no
    /// hop-by-hop fields but `te: trailers`.
    pub fn fields<'r>(&'r self, buf: &'r [u8]) -> impl Iterator<Item = (&'r [u8], &'r [u8])> {
        let head = self.message.head(buf);
        let lines = head.get(self.head.fields.clone()).unwrap_or_default();
        let te = self.head.accepts_trailers.then_some((&b"te"[..], &b"trailers"[..]));
        let is_kept = |name: &[u8]| {
            let kind = FieldKind::of(name);
            kind != FieldKind::Host && !is_hop_by_hop(kind)
        };
        line_fields(lines).filter(move |(name, _)| is_kept(name)).chain(te)
    }

    /// The trailers of a request that has ended; what has no business in trailers is gone. `None`
    /// if there are none.
    #[must_use]
    pub fn trailers(&self) -> Option<impl Iterator<Item = (&[u8], &[u8])>> {
        let lines = self.message.trailers();
        (!lines.is_empty()).then(|| line_fields(lines))
    }

    fn parse(&mut self, buf: &[u8]) -> Result<Event, ClientFault> {
        let head = self.message.head(buf);
        let (places, body) = read(head)?;
        self.head = places;
        self.message.begin_body(body, Sender::Client);
        let follows = if self.message.is_done() { Follows::Nothing } else { Follows::More };
        Ok(Event::Head { follows })
    }
}

/// Reads a head of ours: where its parts are, and how its body is framed.
fn read(head: &[u8]) -> Result<(Places, BodyLength), ClientFault> {
    let line_end = memchr::memchr(b'\n', head).ok_or(ClientFault::Head)?;
    let line = head.get(..line_end).unwrap_or_default();
    let method_end = memchr::memchr(b' ', line).ok_or(ClientFault::Head)?;
    let behind = line.get(method_end + 1..).unwrap_or_default();
    let target_len = memchr::memchr(b' ', behind).ok_or(ClientFault::Head)?;
    let target = method_end + 1..method_end + 1 + target_len;
    let mut places = Places {
        method: 0..method_end,
        coded: coded(head.get(target.clone()).unwrap_or_default()),
        target,
        // Without the blank line.
        fields: line_end + 1..head.len().saturating_sub(CRLF.len()),
        ..Places::default()
    };
    if !is_token(head.get(..method_end).unwrap_or_default()) {
        return Err(ClientFault::Target);
    }
    let mut body = BodyLength::None;
    let lines = head.get(places.fields.clone()).unwrap_or_default();
    for (name, value) in line_fields(lines) {
        let is_value = value.iter().fold(true, |is_value, byte| is_value & is_value_byte(*byte));
        if !is_token(name) || !is_value {
            return Err(ClientFault::Head);
        }
        match FieldKind::of(name) {
            FieldKind::Host if !value.iter().all(is_host_byte) => return Err(ClientFault::Target),
            FieldKind::ContentLength => body = BodyLength::Known(decimal(value)?),
            FieldKind::TransferEncoding => body = BodyLength::Chunked,
            FieldKind::Te => {
                places.accepts_trailers |= value.eq_ignore_ascii_case(b"trailers");
            }
            _ => {}
        }
    }
    Ok((places, body))
}

fn is_host_byte(octet: &u8) -> bool {
    octet.is_ascii_graphic() && !b"/?#\\\"<>`^{|}".contains(octet)
}

/// The target in the form in which it is said; `None`: as it came. What no URI has is
/// percent-encoded: backends are known that would not look at the request at all.
fn coded(target: &[u8]) -> Option<Vec<u8>> {
    let is_usual =
        |octet: &u8| octet.is_ascii_alphanumeric() || b"/?&=-._~%+,:;@!$*()".contains(octet);
    if target.iter().all(is_usual) || PathAndQuery::try_from(target).is_ok() {
        return None;
    }
    let mut coded = Vec::with_capacity(target.len());
    for &octet in target {
        if octet.is_ascii_graphic() && !b"\"<>`".contains(&octet) {
            coded.push(octet);
        } else {
            put_percent_encoded(&mut coded, octet);
        }
    }
    Some(coded)
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
    /// `:status` is missing, repeated or not a number of three digits.
    #[error("the status is missing or malformed")]
    Status,
    /// Content-Length is repeated, not a number, or not 0 where nothing follows.
    #[error("Content-Length is invalid")]
    Length,
    /// More field lines than the limit.
    #[error("too many field lines")]
    TooManyFields,
    /// More octets than the limit.
    #[error("the head is too large")]
    TooLarge,
    /// A pseudo-field other than the status.
    #[error("a pseudo-field is misplaced")]
    PseudoField,
    /// A name or a value is malformed, or concerns one HTTP/1.1 connection.
    #[error("a field is malformed or specific to HTTP/1.1 connections")]
    Field,
}

impl From<FieldFault> for ResponseHeadFault {
    fn from(_: FieldFault) -> Self {
        Self::Field
    }
}

/// The head of a response, as far as it is not fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Another one follows.
    Informational,
    /// With how its body is to be framed.
    Final(BodyLength),
}

/// Appends the head of a response to `request`, or of an informational one.
///
/// `follows`: behind the head, on its stream. A body whose length was not said is chunked, and so
/// is every gRPC message, because its status comes in trailers.
///
/// # Errors
/// The backend's fault; nothing was appended.
pub fn put_response(
    out: &mut Vec<u8>,
    list: &FieldList,
    request: RequestKind,
    follows: Follows,
) -> Result<Answer, ResponseHeadFault> {
    let before = out.len();
    let result = put(out, list, request, follows);
    if result.is_err() {
        out.truncate(before);
    }
    result
}

fn put(
    out: &mut Vec<u8>,
    list: &FieldList,
    request: RequestKind,
    follows: Follows,
) -> Result<Answer, ResponseHeadFault> {
    let status = status(list)?;
    let is_informational = status < 200;
    put_status_line(out, head::Version::Http11, status, reason_phrase(status).as_bytes());
    let has_no_body = is_informational || request.is_head || has_no_body(status);
    let mut said = None;
    let mut is_grpc = false;
    for (name, value) in list.iter().skip(1) {
        let value = trim_ows(value);
        match field::check(name, value)? {
            FieldKind::ContentLength if is_informational => {}
            FieldKind::ContentLength => {
                if said.replace(length(value)?).is_some() {
                    return Err(ResponseHeadFault::Length);
                }
                if has_no_body {
                    put_field(out, name, value);
                }
            }
            kind if is_hop_by_hop(kind) => {}
            _ => {
                is_grpc |= name == b"content-type" && head::is_grpc(value);
                put_field(out, name, value);
            }
        }
    }
    let body = match said {
        _ if has_no_body => BodyLength::None,
        Some(1..) if follows == Follows::Nothing => return Err(ResponseHeadFault::Length),
        _ if follows == Follows::Nothing => BodyLength::Known(0),
        Some(octets) if !is_grpc => BodyLength::Known(octets),
        _ => BodyLength::Chunked,
    };
    match body {
        BodyLength::Known(octets) => {
            out.extend_from_slice(b"content-length: ");
            put_decimal(out, octets);
            out.extend_from_slice(CRLF);
        }
        BodyLength::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        BodyLength::None | BodyLength::UntilClose => {}
    }
    out.extend_from_slice(CRLF);
    Ok(if is_informational { Answer::Informational } else { Answer::Final(body) })
}

/// RFC 9113 section 8.3.2: the one pseudo-field, in front.
fn status(list: &FieldList) -> Result<u16, ResponseHeadFault> {
    match list.overrun() {
        Some(Overrun::Bytes) => return Err(ResponseHeadFault::TooLarge),
        Some(Overrun::Count) => return Err(ResponseHeadFault::TooManyFields),
        // One line is ours, one the status.
        None if list.len() > RESPONSE_FIELDS_MAX => return Err(ResponseHeadFault::TooManyFields),
        None => {}
    }
    if list.pseudo().has_others {
        return Err(ResponseHeadFault::PseudoField);
    }
    let mut statuses = list.iter().filter(|(name, _)| *name == b":status");
    let is_first = list.iter().next().is_some_and(|(name, _)| name == b":status");
    let (Some((_, digits)), None) = (statuses.next(), statuses.next()) else {
        return Err(ResponseHeadFault::Status);
    };
    match digits {
        b"101" if is_first => Err(ResponseHeadFault::Switched),
        [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'] if is_first => {
            Ok(digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0')))
        }
        _ => Err(ResponseHeadFault::Status),
    }
}

fn length(text: &[u8]) -> Result<u64, ResponseHeadFault> {
    // 18 digits, as `http1` reads them.
    let is_number = !text.is_empty() && text.len() <= 18 && text.iter().all(u8::is_ascii_digit);
    if !is_number {
        return Err(ResponseHeadFault::Length);
    }
    decimal(text).or(Err(ResponseHeadFault::Length))
}

#[cfg(test)]
mod tests {
    use super::super::hpack::ListKind;
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

    fn line((name, value): (&[u8], &[u8])) -> String {
        let name = name.to_ascii_lowercase();
        format!("{}={}", String::from_utf8_lossy(&name), String::from_utf8_lossy(value))
    }

    fn tell(text: &str, step: usize) -> Result<Vec<String>, ClientFault> {
        let mut reader = RequestReader::new("http");
        let mut lines = Vec::new();
        for piece in text.as_bytes().chunks(step) {
            let mut buf = piece.to_vec();
            let mut at = 0;
            while let Some(event) = reader.next(&mut buf, &mut at)? {
                match event {
                    Event::Head { follows } => {
                        let RequestTarget { method, scheme, authority, path } = reader.target(&buf);
                        let text = |octets| String::from_utf8_lossy(octets).into_owned();
                        let authority = authority.map_or(String::new(), |host| {
                            format!("{}://{}", text(scheme), text(host))
                        });
                        lines.push(format!("{} {authority}{}", text(method), text(path)));
                        lines.extend(reader.fields(&buf).map(line));
                        lines.extend((follows == Follows::Nothing).then(|| "end".to_owned()));
                    }
                    Event::Data { range, follows } => {
                        lines.push(format!("data {}", str::from_utf8(&buf[range]).unwrap()));
                        lines.extend((follows == Follows::Nothing).then(|| "end".to_owned()));
                    }
                    Event::End => {
                        lines.extend(reader.trailers().into_iter().flatten().map(line));
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
        for target in
            ["/%25%32%46", "/a/../b//c?", "/%zz?%", "/a;b|c\"{}?[]{}|\\^`", "/\u{e4}?\u{e4}"]
        {
            assert_eq!(coded(target.as_bytes()), None, "{target}");
        }
        assert_eq!(coded(b"/<`>\xff|?<"), Some(b"/%3C%60%3E%FF|?%3C".to_vec()));
        let told = told("GET /<a> HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(told, ["GET http://a/%3Ca%3E", "end"]);
    }

    #[test]
    fn what_http2_cannot_say_is_an_error() {
        let fault = |text: &str| told(text).unwrap_err();
        assert_eq!(fault("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), ClientFault::Target);
        assert_eq!(fault("G(T / HTTP/1.1\r\nHost: a\r\n\r\n"), ClientFault::Target);
        assert_eq!(fault("GET\r\n\r\n"), ClientFault::Head);
        assert_eq!(fault("GET / HTTP/1.1\r\nx y: a\r\n\r\n"), ClientFault::Head);
        assert_eq!(fault("GET / HTTP/1.1\r\nx: \u{1}\r\n\r\n"), ClientFault::Head);
        assert_eq!(fault("GET / HTTP/1.1\r\nHost: a\r\n\r\nx"), ClientFault::Surplus);
        let text = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n";
        assert_eq!(fault(text), ClientFault::Body(BodyError::ChunkSize));
    }

    fn list(fields: &[(&str, &str)]) -> FieldList {
        let mut list = FieldList::of(ListKind::Response);
        for (name, value) in fields {
            list.push(name.as_bytes(), value.as_bytes());
        }
        list
    }

    fn response(
        fields: &[(&str, &str)],
        request: RequestKind,
        follows: Follows,
    ) -> (String, Answer) {
        let list = list(&[&[(":status", "200")], fields].concat());
        let mut out = Vec::new();
        let answer = put_response(&mut out, &list, request, follows).unwrap();
        (String::from_utf8(out).unwrap(), answer)
    }

    #[test]
    fn responses_are_framed_by_what_they_say() {
        use Answer::Final;
        let head = "HTTP/1.1 200 OK\r\n";
        let known = response(&[("content-length", "3")], RequestKind::default(), Follows::More);
        assert_eq!(
            known,
            (format!("{head}content-length: 3\r\n\r\n"), Final(BodyLength::Known(3)))
        );
        let unknown =
            response(&[("x", " 1\t"), ("te", "x")], RequestKind::default(), Follows::More);
        let text = format!("{head}x: 1\r\ntransfer-encoding: chunked\r\n\r\n");
        assert_eq!(unknown, (text, Final(BodyLength::Chunked)));
        let ended = response(&[], RequestKind::default(), Follows::Nothing);
        assert_eq!(
            ended,
            (format!("{head}content-length: 0\r\n\r\n"), Final(BodyLength::Known(0)))
        );
        let to_head =
            response(&[("content-length", "3")], RequestKind { is_head: true }, Follows::Nothing);
        assert_eq!(to_head, (format!("{head}content-length: 3\r\n\r\n"), Final(BodyLength::None)));
        let grpc = [("content-type", "application/grpc"), ("content-length", "3")];
        assert_eq!(
            response(&grpc, RequestKind::default(), Follows::More).1,
            Final(BodyLength::Chunked)
        );
        let early = list(&[(":status", "103"), ("link", "</a>"), ("content-length", "3")]);
        let mut out = Vec::new();
        assert_eq!(
            put_response(&mut out, &early, RequestKind::default(), Follows::More),
            Ok(Answer::Informational)
        );
        assert_eq!(out, b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
    }

    #[test]
    fn responses_that_cannot_be_passed_on_are_faults() {
        use ResponseHeadFault as Fault;
        let ok = (":status", "200");
        let three = ("content-length", "3");
        let long = "x".repeat(100_000);
        type Fields<'t> = &'t [(&'t str, &'t str)];
        let rows: &[(Fields<'_>, Follows, Fault)] = &[
            (&[ok, three, three], Follows::More, Fault::Length),
            (&[ok, ("content-length", "+3")], Follows::More, Fault::Length),
            (&[ok, three], Follows::Nothing, Fault::Length),
            (
                &[&[ok][..], &[("x", "1"); RESPONSE_FIELDS_MAX]].concat(),
                Follows::More,
                Fault::TooManyFields,
            ),
            (&[&[ok][..], &[("x", "1"); 2000]].concat(), Follows::More, Fault::TooManyFields),
            (&[ok, ("x", &long)], Follows::More, Fault::TooLarge),
            (&[(":status", "101")], Follows::More, Fault::Switched),
            (&[], Follows::More, Fault::Status),
            (&[(":status", "20")], Follows::More, Fault::Status),
            (&[(":status", "2x0")], Follows::More, Fault::Status),
            (&[ok, ok], Follows::More, Fault::Status),
            (&[("x", "1"), ok], Follows::More, Fault::Status),
            (&[ok, (":path", "/")], Follows::More, Fault::PseudoField),
            (&[ok, ("X", "1")], Follows::More, Fault::Field),
            (&[ok, ("x", "1\n2")], Follows::More, Fault::Field),
            (&[ok, ("connection", "close")], Follows::More, Fault::Field),
        ];
        for (fields, follows, expected) in rows {
            let mut out = Vec::new();
            let result = put_response(&mut out, &list(fields), RequestKind::default(), *follows);
            assert_eq!(result, Err(*expected), "{:?}", fields.last());
            assert!(out.is_empty());
        }
    }
}
