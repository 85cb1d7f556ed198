//! Traces.

use super::row::{Key, key};
use crate::control::lower::ingress::annotations::row::State;

pub(super) const KEYS: &[Key] = &[
    key("enable-opentelemetry", "false", UNTRACED).doc("Requests are traced."),
    key("opentelemetry-operation-name", "", UNTRACED).doc("Name of a span."),
    key("opentelemetry-trust-incoming-span", "true", UNTRACED).doc("Traces of clients go on."),
    key("otel-max-export-batch-size", "512", UNTRACED).doc("Spans sent at a time."),
    key("otel-max-queuesize", "2048", UNTRACED).doc("Spans that wait."),
    key("otel-sampler", "AlwaysOn", UNTRACED).doc("Which requests are traced."),
    key("otel-sampler-parent-based", "true", UNTRACED).doc("Those that clients traced are, too."),
    key("otel-sampler-ratio", "0.01", UNTRACED).doc("How many are traced."),
    key("otel-schedule-delay-millis", "5000", UNTRACED).doc("Time between two sendings."),
    key("otel-service-name", "nginx", UNTRACED).doc("Name of the service in traces."),
    key("otlp-collector-host", "", UNTRACED).doc("Where spans are sent."),
    key("otlp-collector-port", "4317", UNTRACED).doc("Its port."),
    key("datadog-collector-host", "", GONE).doc("Where spans were sent."),
    key("enable-opentracing", "false", GONE).doc("Requests were traced."),
    key("jaeger-collector-host", "", GONE).doc("Where spans were sent."),
    key("zipkin-collector-host", "", GONE).doc("Where spans were sent."),
];

const GONE: State = State::Refused("nor has it in ingress-nginx any more");
const UNTRACED: State =
    State::Refused("and no spans are sent; contexts of traces pass as they come");
