//! A line by a form of the operator's.

use super::parts::{
    write_addresses, write_json_escaped, write_lengths, write_moments, write_nginx_escaped,
    write_number, write_request, write_seconds, write_statuses, write_text, write_times,
    write_upstream_name,
};
use crate::filter::{Escaping, LogForm, Outcome, Part, Variable, Variables};
use crate::limits::{ACCESS_LOG_FIELD_BYTES_MAX, ACCESS_LOG_LINE_BYTES_MAX};
use crate::telemetry::date::{unix_millis, write_padded};
use crate::telemetry::record::ExchangeRecord;

/// What a line is made of.
pub(super) struct Line<'l, V> {
    pub(super) record: &'l ExchangeRecord<'l>,
    /// What is known of the request.
    pub(super) known: &'l V,
    /// `$time_local`.
    pub(super) local: &'l [u8],
    /// `$time_iso8601`.
    pub(super) iso: &'l [u8],
}

impl<V: Variables> Line<'_, V> {
    /// Appends it, without its end; `value` is memory for one value.
    ///
    /// Shape: at most [`ACCESS_LOG_LINE_BYTES_MAX`]; the rest is cut.
    pub(super) fn write(&self, form: &LogForm, value: &mut Vec<u8>, out: &mut Vec<u8>) {
        let most = out.len() + ACCESS_LOG_LINE_BYTES_MAX - 1;
        for part in form.text.parts() {
            let room = most.saturating_sub(out.len());
            match part {
                Part::Literal(text) => {
                    let mut ends = (0..=room.min(text.len())).rev();
                    let end = ends.find(|end| text.is_char_boundary(*end)).unwrap_or(0);
                    out.extend_from_slice(text.get(..end).unwrap_or_default().as_bytes());
                }
                Part::Variable(variable) => {
                    value.clear();
                    let is_set = self.put(variable, value);
                    let room = room.min(ACCESS_LOG_FIELD_BYTES_MAX);
                    match form.escaping {
                        Escaping::Hex if value.is_empty() && !is_set => {
                            out.extend_from_slice(if room > 0 { b"-" } else { b"" });
                        }
                        Escaping::Hex => write_nginx_escaped(out, value, room),
                        Escaping::Json => write_json_escaped(out, value, room),
                        Escaping::Bare => write_bare(out, value, room),
                    }
                }
            }
        }
    }

    /// Appends the value of a variable. Whether it is one that nginx sets, perhaps to nothing.
    fn put(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        let record = self.record;
        let Variable::Outcome(outcome) = variable else {
            return self.put_known(variable, out);
        };
        match outcome {
            Outcome::Status => write_padded(out, record.status.into(), 3),
            Outcome::BytesSent => write_number(out, record.response_bytes),
            Outcome::BodyBytesSent => write_number(out, record.response_body_bytes),
            Outcome::RequestLength => write_number(out, record.request_bytes),
            Outcome::RequestTime => write_seconds(out, record.duration),
            Outcome::Seconds => {
                let (second, millis) = unix_millis(record.ended_at());
                write_number(out, second);
                out.push(b'.');
                write_padded(out, millis.into(), 3);
            }
            Outcome::TimeLocal => out.extend_from_slice(self.local),
            Outcome::TimeIso => {
                out.extend_from_slice(self.iso);
                out.extend_from_slice(b"+00:00");
            }
            Outcome::RequestLine => write_request(out, record),
            Outcome::UpstreamAddress => write_addresses(out, record.attempts),
            Outcome::UpstreamStatus => write_statuses(out, record.attempts),
            Outcome::UpstreamLength => write_lengths(out, record.attempts),
            Outcome::UpstreamTime => write_times(out, record.attempts),
            Outcome::ConnectTime => write_moments(out, record.attempts, |a| a.connect_time),
            Outcome::HeaderTime => write_moments(out, record.attempts, |a| a.header_time),
            Outcome::UpstreamName => {
                if let Some(key) = record.backend.or(record.named) {
                    write_upstream_name(out, key);
                }
            }
            Outcome::AlternativeName => {
                if let Some(key) = record.canary {
                    write_upstream_name(out, key);
                }
                return true;
            }
            Outcome::Sent(name) => put_field(out, record.sent_head, name),
            Outcome::Upstream(name) => put_field(out, record.upstream_head, name),
            Outcome::Nothing => {}
        }
        false
    }
}

impl<V: Variables> Line<'_, V> {
    /// The same of what was known before the end. Of a head that could not be read the record
    /// knows more than the request.
    fn put_known(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        let record = self.record;
        match variable {
            Variable::ClientAddress => {
                write_text(out, format_args!("{}", record.client.ip().to_canonical()));
            }
            Variable::RequestId => out.extend_from_slice(record.request_id),
            Variable::Field(name) if **name == *"referer" => out.extend_from_slice(record.referer),
            Variable::Field(name) if **name == *"user-agent" => {
                out.extend_from_slice(record.user_agent);
            }
            _ => self.known.put(variable, out),
        }
        matches!(
            variable,
            Variable::Namespace
                | Variable::ObjectName
                | Variable::ServiceName
                | Variable::ServicePort
        )
    }
}

/// Appends the values of the lines of `name`, as nginx puts several together.
fn put_field(out: &mut Vec<u8>, head: &[u8], name: &str) {
    let mut lines = head.split(|&octet| octet == b'\n').skip(1);
    let values = lines.by_ref().filter_map(|line| {
        let (found, rest) = line.split_at_checked(name.len())?;
        let value = rest.strip_prefix(b":")?;
        found.eq_ignore_ascii_case(name.as_bytes()).then(|| value.trim_ascii())
    });
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(value);
    }
}

/// Control characters as `\xHH`, everything else as it is.
fn write_bare(out: &mut Vec<u8>, value: &[u8], bytes_max: usize) {
    let end = out.len() + bytes_max;
    for chunk in value.utf8_chunks() {
        for char in chunk.valid().chars() {
            let mut octets = [0; 4];
            let octets = char.encode_utf8(&mut octets).as_bytes();
            let room = end.saturating_sub(out.len());
            if char.is_control() {
                write_nginx_escaped(out, octets, room);
            } else if octets.len() <= room {
                out.extend_from_slice(octets);
            }
        }
        write_nginx_escaped(out, chunk.invalid(), end.saturating_sub(out.len()));
    }
}
