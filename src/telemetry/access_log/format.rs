//! One exchange to one line: JSON, or a form of nginx.
//!
//! Everything a client controls is escaped and cut; a line never holds a raw control character, so
//! nobody can forge a second line or talk to a terminal.

use super::form::Line;
use super::parts::{write_json_escaped, write_number, write_seconds, write_text};
use crate::config::AccessLogFormat;
use crate::filter::{DEFAULT_LOG_FORM, Escaping, LogForm, Variables};
use crate::limits::{
    ACCESS_LOG_ATTEMPTS_MAX, ACCESS_LOG_FIELD_BYTES_MAX, ACCESS_LOG_NAME_BYTES_MAX,
};
use crate::model::{BackendKey, Origin, PortRef};
use crate::telemetry::date::{Civil, SecondCache, unix_millis, write_padded};
use crate::telemetry::record::{Attempt, ExchangeRecord};

/// The format that the flag says, with dates and memory.
pub(super) struct LineFormat {
    /// `None`: JSON.
    form: Option<LogForm>,
    local: SecondCache,
    rfc3339: SecondCache,
    value: Vec<u8>,
}

impl LineFormat {
    pub(super) fn new(format: AccessLogFormat) -> Self {
        let form = (format != AccessLogFormat::Json).then_some(DEFAULT_LOG_FORM);
        Self {
            // One that is known to be good; a test reads it.
            form: form.and_then(|form| LogForm::new(form, Escaping::Hex).ok()),
            local: SecondCache::new(Civil::write_nginx),
            rfc3339: SecondCache::new(Civil::write_rfc3339),
            value: Vec::new(),
        }
    }

    /// Appends the line and its end; `form` counts before that of the flag.
    pub(super) fn write_line(
        &mut self,
        out: &mut Vec<u8>,
        record: &ExchangeRecord<'_>,
        known: &impl Variables,
        form: Option<&LogForm>,
    ) {
        let Self { form: own, local, rfc3339, value } = self;
        match form.or(own.as_ref()) {
            Some(form) => {
                // nginx logs at the end of a request, and takes its time then.
                let second = unix_millis(record.ended_at()).0;
                let (local, iso) = (local.text(second), rfc3339.text(second));
                Line { record, known, local, iso }.write(form, value, out);
            }
            None => self.write_json(out, record),
        }
        out.push(b'\n');
    }

    fn write_json(&mut self, out: &mut Vec<u8>, record: &ExchangeRecord<'_>) {
        let (second, millis) = unix_millis(record.started_at);
        out.extend_from_slice(b"{\"time\":\"");
        out.extend_from_slice(self.rfc3339.text(second));
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
