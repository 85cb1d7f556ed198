//! Messages of OTLP: the request around spans, and what answers mean.
//!
//! Source: `opentelemetry/proto/collector/trace/v1/trace_service.proto`; OpenTelemetry Protocol,
//! sections "OTLP/gRPC" and "OTLP/HTTP".

use std::time::Duration;

use crate::limits::SPANS_RETRY_MAX;
use crate::model::CollectorProtocol;
use crate::protobuf::{Value, fields, put_message, put_octets};
use crate::telemetry::spans::put_attribute;

/// Who sends spans.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// Name of the pod, or of the machine.
    pub instance: String,
    /// Name of the machine.
    pub host: String,
    /// The pod, if it is one.
    pub pod: Option<String>,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Where it runs.
    pub node: Option<String>,
}

/// What of an answer says what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Answer<'a> {
    /// Of HTTP.
    pub status: u16,
    /// `grpc-status`; `None`: there is none that can be read.
    pub grpc_status: Option<u32>,
    /// Seconds in `Retry-After`.
    pub retry_after: Option<u64>,
    /// What it says.
    pub message: &'a [u8],
}

/// What became of spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The collector has them, but for some.
    Taken { rejected: u64, why: String },
    /// It does not want them.
    Refused(String),
    /// It may take them another time, after this one at the earliest.
    Again(String, Option<Duration>),
}

/// Attributes of who sends spans.
pub(super) fn resource(identity: &Identity, service: &str) -> Vec<u8> {
    let Identity { instance, host, pod, namespace, node } = identity;
    let mut out = Vec::new();
    for (key, value) in [
        ("service.name", Some(service)),
        ("service.instance.id", Some(&**instance)),
        ("service.version", Some(env!("CARGO_PKG_VERSION"))),
        ("host.name", Some(host)),
        ("k8s.pod.name", pod.as_deref()),
        ("k8s.namespace.name", namespace.as_deref()),
        ("k8s.node.name", node.as_deref()),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            put_attribute(&mut out, 1, key, |out| put_octets(out, 1, value.as_bytes()));
        }
    }
    out
}

/// `ExportTraceServiceRequest` with `spans`, which are fields of `ScopeSpans`.
pub(super) fn request(resource: &[u8], spans: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(resource.len() + spans.len() + 64);
    put_message(&mut out, 1, |out| {
        put_octets(out, 1, resource);
        put_message(out, 2, |out| {
            put_message(out, 1, |out| {
                put_octets(out, 1, b"ringway");
                put_octets(out, 2, env!("CARGO_PKG_VERSION").as_bytes());
            });
            out.extend_from_slice(spans);
        });
    });
    out
}

/// What an answer means.
pub(super) fn verdict(protocol: CollectorProtocol, answer: Answer<'_>) -> Verdict {
    let Answer { status, grpc_status, retry_after, message } = answer;
    let after = retry_after.map(|seconds| Duration::from_secs(seconds).min(SPANS_RETRY_MAX));
    match (protocol, status, grpc_status) {
        (CollectorProtocol::Grpc, 200, Some(0)) => taken(message.get(5..).unwrap_or_default()),
        // CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, OUT_OF_RANGE, UNAVAILABLE,
        // DATA_LOSS.
        (CollectorProtocol::Grpc, 200, Some(code @ (1 | 4 | 8 | 10 | 11 | 14 | 15))) => {
            Verdict::Again(format!("it answered with code {code} of gRPC"), after)
        }
        (CollectorProtocol::Grpc, 200, Some(code)) => {
            Verdict::Refused(format!("it answered with code {code} of gRPC"))
        }
        (CollectorProtocol::Grpc, 200, None) => {
            Verdict::Refused("its answer is none of gRPC".to_owned())
        }
        (CollectorProtocol::Http, 200..=299, _) => taken(message),
        (_, 429 | 502 | 503 | 504, _) => {
            Verdict::Again(format!("it answered with status {status}"), after)
        }
        (..) => Verdict::Refused(format!("it answered with status {status}")),
    }
}

/// Reads `ExportTraceServiceResponse`; what cannot be read says nothing.
fn taken(message: &[u8]) -> Verdict {
    let (mut rejected, mut why) = (0, String::new());
    let partial = fields(message).filter_map(|(field, value)| match value {
        Value::Octets(partial) if field == 1 => Some(partial),
        _ => None,
    });
    for (field, value) in partial.flat_map(fields) {
        match (field, value) {
            (1, Value::Number(spans)) => rejected = spans,
            (2, Value::Octets(text)) => why = String::from_utf8_lossy(text).into_owned(),
            _ => {}
        }
    }
    Verdict::Taken { rejected, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protobuf::put_number;
    use CollectorProtocol::{Grpc, Http};

    #[test]
    fn answers_mean_what_the_protocol_says() {
        let mut partial = Vec::new();
        put_message(&mut partial, 1, |out| {
            put_number(out, 1, 3);
            put_octets(out, 2, b"too old");
        });
        let framed = [&[0, 0, 0, 0, 13][..], &partial].concat();
        let taken = |rejected, why: &str| Verdict::Taken { rejected, why: why.to_owned() };
        let again = |why: &str, seconds: Option<u64>| {
            Verdict::Again(why.to_owned(), seconds.map(Duration::from_secs))
        };
        let refused = |why: &str| Verdict::Refused(why.to_owned());
        for (protocol, status, grpc_status, retry_after, message, expected) in [
            (Grpc, 200, Some(0), None, &[0; 5][..], taken(0, "")),
            (Grpc, 200, Some(0), None, b"", taken(0, "")),
            (Grpc, 200, Some(0), None, &framed, taken(3, "too old")),
            (Grpc, 200, Some(0), None, b"\0\0\0\0\x01\xff", taken(0, "")),
            (Grpc, 200, Some(14), None, b"", again("it answered with code 14 of gRPC", None)),
            (Grpc, 200, Some(8), Some(5), b"", again("it answered with code 8 of gRPC", Some(5))),
            (Grpc, 200, Some(3), None, b"", refused("it answered with code 3 of gRPC")),
            (Grpc, 200, Some(12), None, b"", refused("it answered with code 12 of gRPC")),
            (Grpc, 200, None, None, b"<html>", refused("its answer is none of gRPC")),
            (Grpc, 404, None, None, b"", refused("it answered with status 404")),
            (Grpc, 503, None, None, b"", again("it answered with status 503", None)),
            (Http, 200, None, None, b"", taken(0, "")),
            (Http, 202, None, None, &partial, taken(3, "too old")),
            (Http, 200, None, None, b"<html>not at all</html>", taken(0, "")),
            (Http, 429, None, Some(7), b"", again("it answered with status 429", Some(7))),
            (Http, 503, None, Some(999), b"", again("it answered with status 503", Some(30))),
            (Http, 400, None, None, b"", refused("it answered with status 400")),
            (Http, 500, None, None, b"", refused("it answered with status 500")),
            (Http, 301, None, None, b"", refused("it answered with status 301")),
        ] {
            let answer = Answer { status, grpc_status, retry_after, message };
            assert_eq!(verdict(protocol, answer), expected, "{answer:?}");
        }
    }
}
