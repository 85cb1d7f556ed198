//! Parts of lines, as nginx and JSON write them.

use std::io::Write;
use std::time::Duration;

use crate::limits::{ACCESS_LOG_ATTEMPTS_MAX, ACCESS_LOG_NAME_BYTES_MAX};
use crate::model::{BackendKey, PortRef};
use crate::telemetry::date::write_padded;
use crate::telemetry::record::{Attempt, ExchangeRecord};

pub(super) fn write_text(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a `Vec` cannot fail.
    drop(out.write_fmt(text));
}

pub(super) fn write_number(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// `1.234`, cut after milliseconds.
pub(super) fn write_seconds(out: &mut Vec<u8>, duration: Duration) {
    write_number(out, duration.as_secs());
    out.push(b'.');
    write_padded(out, duration.subsec_millis().into(), 3);
}

/// The request line; nothing of a head that could not be parsed.
pub(super) fn write_request(out: &mut Vec<u8>, record: &ExchangeRecord<'_>) {
    if record.method.is_empty() && record.target.is_empty() {
        return;
    }
    for part in [record.method, b" ", record.target, b" ", record.protocol.as_bytes()] {
        out.extend_from_slice(part);
    }
}

/// `"`, `\`, control characters and everything above 126 as `\xHH`.
pub(super) fn write_nginx_escaped(out: &mut Vec<u8>, value: &[u8], bytes_max: usize) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let end = out.len() + bytes_max;
    for &byte in value {
        let is_plain = matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if out.len() + if is_plain { 1 } else { 4 } > end {
            return;
        }
        if is_plain {
            out.push(byte);
        } else {
            let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[b'\\', b'x', digit(byte >> 4), digit(byte & 0xf)]);
        }
    }
}

/// `namespace-service-port`, ingress-nginx' name of an upstream.
pub(super) fn write_upstream_name(out: &mut Vec<u8>, key: &BackendKey) {
    write_nginx_escaped(out, key.namespace.as_bytes(), ACCESS_LOG_NAME_BYTES_MAX);
    out.push(b'-');
    write_nginx_escaped(out, key.service.as_bytes(), ACCESS_LOG_NAME_BYTES_MAX);
    out.push(b'-');
    match &key.port {
        PortRef::Number(port) => write_number(out, (*port).into()),
        PortRef::Name(name) => write_nginx_escaped(out, name.as_bytes(), ACCESS_LOG_NAME_BYTES_MAX),
        PortRef::First => out.extend_from_slice(b"first"),
    }
}

/// `$upstream_addr`.
pub(super) fn write_addresses(out: &mut Vec<u8>, attempts: &[Attempt]) {
    write_list(out, attempts, |out, attempt| write_text(out, format_args!("{}", attempt.address)));
}

/// `$upstream_response_length`.
pub(super) fn write_lengths(out: &mut Vec<u8>, attempts: &[Attempt]) {
    write_list(out, attempts, |out, attempt| write_number(out, attempt.response_bytes));
}

/// `$upstream_response_time`.
pub(super) fn write_times(out: &mut Vec<u8>, attempts: &[Attempt]) {
    write_list(out, attempts, |out, attempt| write_seconds(out, attempt.duration));
}

/// `$upstream_connect_time`, `$upstream_header_time`.
pub(super) fn write_moments(
    out: &mut Vec<u8>,
    attempts: &[Attempt],
    time: impl Fn(&Attempt) -> Option<Duration>,
) {
    write_list(out, attempts, |out, attempt| match time(attempt) {
        Some(time) => write_seconds(out, time),
        None => out.push(b'-'),
    });
}

/// `$upstream_status`.
pub(super) fn write_statuses(out: &mut Vec<u8>, attempts: &[Attempt]) {
    write_list(out, attempts, |out, attempt| match attempt.status {
        Some(status) => write_number(out, status.into()),
        None => out.push(b'-'),
    });
}

fn write_list(out: &mut Vec<u8>, attempts: &[Attempt], write: impl Fn(&mut Vec<u8>, &Attempt)) {
    for (index, attempt) in attempts.iter().take(ACCESS_LOG_ATTEMPTS_MAX).enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        write(out, attempt);
    }
}

/// Valid UTF-8 stays, invalid bytes become U+FFFD, control characters `\u00hh`.
pub(super) fn write_json_escaped(out: &mut Vec<u8>, value: &[u8], bytes_max: usize) {
    let end = out.len() + bytes_max;
    for chunk in value.utf8_chunks() {
        let invalid = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
        for char in chunk.valid().chars().chain(invalid) {
            // No escape is longer than six bytes.
            if out.len() + 6 > end {
                return;
            }
            write_json_char(out, char);
        }
    }
}

fn write_json_char(out: &mut Vec<u8>, char: char) {
    match char {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        // C1 controls too: terminals obey them.
        char if char.is_control() => write_text(out, format_args!("\\u{:04x}", u32::from(char))),
        char => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}
