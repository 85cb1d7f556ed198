//! One exchange to one line: JSON, or the default format of ingress-nginx.
//!
//! Everything a client controls is escaped and cut; a line never holds a raw control character, so
//! nobody can forge a second line or talk to a terminal.

use std::io::Write;
use std::time::Duration;

use crate::config::AccessLogFormat;
use crate::limits::{
    ACCESS_LOG_ATTEMPTS_MAX, ACCESS_LOG_FIELD_BYTES_MAX, ACCESS_LOG_NAME_BYTES_MAX,
};
use crate::model::{BackendKey, Origin, PortRef};
use crate::telemetry::date::{Civil, SecondCache, unix_millis, write_padded};
use crate::telemetry::record::{Attempt, ExchangeRecord};

/// A format with its cached date.
pub(super) struct LineFormat {
    is_json: bool,
    dates: SecondCache,
}

impl LineFormat {
    pub(super) fn new(format: AccessLogFormat) -> Self {
        let is_json = format == AccessLogFormat::Json;
        let write = if is_json { Civil::write_rfc3339 } else { Civil::write_nginx };
        Self { is_json, dates: SecondCache::new(write) }
    }

    /// Appends the line and its end.
    pub(super) fn write_line(&mut self, out: &mut Vec<u8>, record: &ExchangeRecord<'_>) {
        if self.is_json {
            self.write_json(out, record);
        } else {
            self.write_nginx(out, record);
        }
        out.push(b'\n');
    }

    /// `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent
    /// "$http_referer" "$http_user_agent" $request_length $request_time [$proxy_upstream_name]
    /// [$proxy_alternative_upstream_name] $upstream_addr $upstream_response_length
    /// $upstream_response_time $upstream_status $req_id`
    fn write_nginx(&mut self, out: &mut Vec<u8>, record: &ExchangeRecord<'_>) {
        // nginx logs at the end of a request, and takes its time then.
        let ended_at = record.started_at.checked_add(record.duration).unwrap_or(record.started_at);
        write_text(out, format_args!("{} - - [", record.client.ip()));
        out.extend_from_slice(self.dates.text(unix_millis(ended_at).0));
        out.extend_from_slice(b"] \"");
        write_nginx_request(out, record);
        out.extend_from_slice(b"\" ");
        write_padded(out, record.status.into(), 3);
        out.push(b' ');
        write_number(out, record.response_body_bytes);
        out.extend_from_slice(b" \"");
        write_nginx_field(out, record.referer);
        out.extend_from_slice(b"\" \"");
        write_nginx_field(out, record.user_agent);
        out.extend_from_slice(b"\" ");
        write_number(out, record.request_bytes);
        out.push(b' ');
        write_seconds(out, record.duration);
        out.extend_from_slice(b" [");
        match record.backend {
            Some(key) => write_upstream_name(out, key),
            None => out.push(b'-'),
        }
        out.extend_from_slice(b"] [");
        // A variable set to nothing, which nginx logs as nothing.
        if let Some(key) = record.canary {
            write_upstream_name(out, key);
        }
        out.extend_from_slice(b"] ");
        write_nginx_attempts(out, record.attempts);
        out.push(b' ');
        write_nginx_field(out, record.request_id);
    }

    fn write_json(&mut self, out: &mut Vec<u8>, record: &ExchangeRecord<'_>) {
        let (second, millis) = unix_millis(record.started_at);
        out.extend_from_slice(b"{\"time\":\"");
        out.extend_from_slice(self.dates.text(second));
        out.push(b'.');
        write_padded(out, millis.into(), 3);
        write_text(out, format_args!("Z\",\"client\":\"{}\"", record.client));
        write_json_field(out, "method", record.method);
        write_json_field(out, "host", record.host);
        write_json_field(out, "target", record.target);
        write_json_field(out, "protocol", record.protocol.as_bytes());
        write_json_key(out, "status");
        write_number(out, record.status.into());
        write_json_key(out, "duration");
        write_seconds(out, record.duration);
        write_json_key(out, "request_bytes");
        write_number(out, record.request_bytes);
        write_json_key(out, "response_bytes");
        write_number(out, record.response_body_bytes);
        write_json_field(out, "referer", record.referer);
        write_json_field(out, "user_agent", record.user_agent);
        write_json_field(out, "request_id", record.request_id);
        write_json_origin(out, record.origin);
        write_json_backend(out, "backend", record.backend);
        write_json_backend(out, "canary", record.canary);
        write_json_attempts(out, record.attempts);
        out.push(b'}');
    }
}

fn write_text(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a `Vec` cannot fail.
    drop(out.write_fmt(text));
}

fn write_number(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// `1.234`, cut after milliseconds.
fn write_seconds(out: &mut Vec<u8>, duration: Duration) {
    write_number(out, duration.as_secs());
    out.push(b'.');
    write_padded(out, duration.subsec_millis().into(), 3);
}

// ---- nginx --------------------------------------------------------------------------------------

/// Absent values print `-`.
fn write_nginx_field(out: &mut Vec<u8>, value: &[u8]) {
    if value.is_empty() {
        out.push(b'-');
    } else {
        write_nginx_escaped(out, value, ACCESS_LOG_FIELD_BYTES_MAX);
    }
}

fn write_nginx_request(out: &mut Vec<u8>, record: &ExchangeRecord<'_>) {
    // A head that could not be parsed has no request line to show.
    if record.method.is_empty() && record.target.is_empty() {
        return out.push(b'-');
    }
    write_nginx_escaped(out, record.method, ACCESS_LOG_FIELD_BYTES_MAX);
    out.push(b' ');
    write_nginx_escaped(out, record.target, ACCESS_LOG_FIELD_BYTES_MAX);
    out.push(b' ');
    out.extend_from_slice(record.protocol.as_bytes());
}

/// `"`, `\`, control characters and everything above 126 as `\xHH`.
fn write_nginx_escaped(out: &mut Vec<u8>, value: &[u8], bytes_max: usize) {
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
fn write_upstream_name(out: &mut Vec<u8>, key: &BackendKey) {
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

/// `$upstream_addr $upstream_response_length $upstream_response_time $upstream_status`
fn write_nginx_attempts(out: &mut Vec<u8>, attempts: &[Attempt]) {
    let address = |out: &mut Vec<u8>, a: &Attempt| write_text(out, format_args!("{}", a.address));
    write_list(out, attempts, address);
    out.push(b' ');
    write_list(out, attempts, |out, attempt| write_number(out, attempt.response_bytes));
    out.push(b' ');
    write_list(out, attempts, |out, attempt| write_seconds(out, attempt.duration));
    out.push(b' ');
    write_list(out, attempts, |out, attempt| match attempt.status {
        Some(status) => write_number(out, status.into()),
        None => out.push(b'-'),
    });
}

fn write_list(out: &mut Vec<u8>, attempts: &[Attempt], write: impl Fn(&mut Vec<u8>, &Attempt)) {
    if attempts.is_empty() {
        return out.push(b'-');
    }
    for (index, attempt) in attempts.iter().take(ACCESS_LOG_ATTEMPTS_MAX).enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        write(out, attempt);
    }
}

// ---- JSON ---------------------------------------------------------------------------------------

fn write_json_key(out: &mut Vec<u8>, key: &str) {
    write_text(out, format_args!(",\"{key}\":"));
}

/// Absent values are `null`.
fn write_json_string(out: &mut Vec<u8>, key: &str, value: &[u8], bytes_max: usize) {
    write_json_key(out, key);
    if value.is_empty() {
        return out.extend_from_slice(b"null");
    }
    out.push(b'"');
    write_json_escaped(out, value, bytes_max);
    out.push(b'"');
}

fn write_json_field(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    write_json_string(out, key, value, ACCESS_LOG_FIELD_BYTES_MAX);
}

fn write_json_name(out: &mut Vec<u8>, key: &str, name: &str) {
    write_json_string(out, key, name.as_bytes(), ACCESS_LOG_NAME_BYTES_MAX);
}

/// Valid UTF-8 stays, invalid bytes become U+FFFD, control characters `\u00hh`.
fn write_json_escaped(out: &mut Vec<u8>, value: &[u8], bytes_max: usize) {
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

fn write_json_origin(out: &mut Vec<u8>, origin: Option<&Origin>) {
    let object = origin.map(|origin| &origin.object);
    let (kind, namespace, name) = object
        .map_or(("", "", ""), |object| (object.kind.name(), &*object.namespace, &*object.name));
    write_json_name(out, "kind", kind);
    write_json_name(out, "namespace", namespace);
    write_json_name(out, "name", name);
    write_json_index(out, "rule", origin.and_then(|origin| origin.rule));
    write_json_index(out, "path", origin.and_then(|origin| origin.path));
}

fn write_json_index(out: &mut Vec<u8>, key: &str, index: Option<u32>) {
    write_json_key(out, key);
    match index {
        Some(index) => write_number(out, index.into()),
        None => out.extend_from_slice(b"null"),
    }
}

fn write_json_backend(out: &mut Vec<u8>, field: &str, backend: Option<&BackendKey>) {
    write_json_key(out, field);
    let Some(key) = backend else { return out.extend_from_slice(b"null") };
    out.extend_from_slice(b"{\"namespace\":\"");
    write_json_escaped(out, key.namespace.as_bytes(), ACCESS_LOG_NAME_BYTES_MAX);
    out.push(b'"');
    write_json_name(out, "service", &key.service);
    match &key.port {
        PortRef::Number(port) => write_json_index(out, "port", Some((*port).into())),
        PortRef::Name(name) => write_json_name(out, "port", name),
        PortRef::First => write_json_name(out, "port", "first"),
    }
    out.push(b'}');
}

fn write_json_attempts(out: &mut Vec<u8>, attempts: &[Attempt]) {
    write_json_key(out, "attempts");
    out.push(b'[');
    for (index, attempt) in attempts.iter().take(ACCESS_LOG_ATTEMPTS_MAX).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_json_attempt(out, attempt);
    }
    out.push(b']');
}

fn write_json_attempt(out: &mut Vec<u8>, attempt: &Attempt) {
    write_text(out, format_args!("{{\"address\":\"{}\"", attempt.address));
    write_json_index(out, "status", attempt.status.map(u32::from));
    write_json_name(out, "reason", attempt.reason.unwrap_or_default());
    write_json_key(out, "bytes");
    write_number(out, attempt.response_bytes);
    write_json_key(out, "duration");
    write_seconds(out, attempt.duration);
    out.push(b'}');
}
