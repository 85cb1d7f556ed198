//! The rules of RFC 9112 that parsing has to keep, one module per section, requests first.

mod s2_message;
mod s3_request_line;
mod s3_target;
mod s4_status_line;
mod s5_fields;
mod s6_body_length;
mod s7_chunked;
mod s9_connection;

use super::error::{RequestError, ResponseError};
use super::head::{
    HeadScan, RequestHead, RequestKind, ResponseHead, check_partial_request, parse_request,
    parse_response,
};

/// Parses all of `bytes` that the scan finds to be the head.
fn parse(bytes: &[u8]) -> Result<RequestHead, RequestError> {
    let mut head = RequestHead::default();
    let end = HeadScan::default().find_end(bytes).unwrap_or(bytes.len());
    parse_request(bytes, end, &mut head).map(|()| head)
}

/// What is said of `bytes` while no end of the head was found in them.
fn check_partial(bytes: &[u8]) -> Result<(), RequestError> {
    let mut scan = HeadScan::default();
    scan.find_end(bytes);
    check_partial_request(bytes, &mut scan)
}

/// A GET with `lines` behind a good Host.
fn get(lines: &str) -> Result<RequestHead, RequestError> {
    parse(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n").as_bytes())
}

/// The same of responses, to GET.
fn respond(bytes: &[u8]) -> Result<ResponseHead, ResponseError> {
    respond_to(RequestKind { is_head: false }, bytes)
}

fn respond_to(request: RequestKind, bytes: &[u8]) -> Result<ResponseHead, ResponseError> {
    let mut head = ResponseHead::default();
    let end = HeadScan::default().find_end(bytes).unwrap_or(bytes.len());
    parse_response(bytes, end, request, &mut head).map(|()| head)
}

#[track_caller]
fn refused(bytes: &[u8], error: impl Into<RequestError>) {
    assert_eq!(parse(bytes).err(), Some(error.into()), "{}", bytes.escape_ascii());
}

#[track_caller]
fn response_refused(bytes: &[u8], error: impl Into<ResponseError>) {
    assert_eq!(respond(bytes).err(), Some(error.into()), "{}", bytes.escape_ascii());
}
