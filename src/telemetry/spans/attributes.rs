//! Attributes of spans.

use std::io::Write as _;
use std::net::SocketAddr;

use crate::limits::SPAN_TEXT_BYTES_MAX;
use crate::protobuf::{put_message, put_number, put_octets, put_text};

/// Appends an attribute as field `field`; `put` appends a field of its value, `AnyValue`.
pub fn put_attribute(out: &mut Vec<u8>, field: u32, key: &str, put: impl FnOnce(&mut Vec<u8>)) {
    put_message(out, field, |out| {
        put_octets(out, 1, key.as_bytes());
        put_message(out, 2, put);
    });
}

/// The field of a span that holds them.
const ATTRIBUTES: u32 = 9;

/// Appends attributes to a span.
pub(super) struct Attributes<'o>(pub &'o mut Vec<u8>);

impl Attributes<'_> {
    /// Text that a client may have made; none if it is empty.
    pub(super) fn text(&mut self, key: &str, value: &[u8]) {
        if value.is_empty() {
            return;
        }
        put_attribute(self.0, ATTRIBUTES, key, |out| put_text(out, 1, value, SPAN_TEXT_BYTES_MAX));
    }

    pub(super) fn number(&mut self, key: &str, number: u64) {
        put_attribute(self.0, ATTRIBUTES, key, |out| put_number(out, 3, number));
    }

    /// An address and its port; port 0 is none.
    pub(super) fn address(&mut self, [key, port_key]: [&str; 2], address: SocketAddr) {
        let text = address.ip().to_canonical();
        put_attribute(self.0, ATTRIBUTES, key, |out| {
            // Writing to a Vec cannot fail.
            put_message(out, 1, |out| write!(out, "{text}").unwrap_or_default());
        });
        if address.port() > 0 {
            self.number(port_key, address.port().into());
        }
    }
}

/// Says what a request asks for. Methods that nobody knows have one name, so that clients cannot
/// make as many series as they like of those that are counted by it.
///
/// Source: OpenTelemetry, "Semantic conventions for HTTP spans", `http.request.method`.
pub(super) fn put_method(attributes: &mut Attributes<'_>, method: &[u8]) {
    const KNOWN: [&[u8]; 9] =
        [b"CONNECT", b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"PATCH", b"POST", b"PUT", b"TRACE"];
    if KNOWN.contains(&method) {
        return attributes.text("http.request.method", method);
    }
    attributes.text("http.request.method", b"_OTHER");
    attributes.text("http.request.method_original", method);
}

/// Says what came of a request; status 0: nothing. `error`: why it failed, if it did.
pub(super) fn put_end(out: &mut Vec<u8>, status: u16, error: Option<&str>) {
    let mut attributes = Attributes(out);
    if status > 0 {
        attributes.number("http.response.status_code", status.into());
    }
    if let Some(error) = error {
        attributes.text("error.type", error.as_bytes());
        put_message(out, STATUS, |out| put_number(out, STATUS_CODE, STATUS_ERROR));
    }
}

/// Fields of a span and of its status; `opentelemetry/proto/trace/v1/trace.proto`.
const STATUS: u32 = 15;
const STATUS_CODE: u32 = 3;
const STATUS_ERROR: u64 = 2;
