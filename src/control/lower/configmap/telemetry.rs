//! Traces.

use super::row::{Key, key};
use crate::control::lower::ingress::annotations::row::State::{NotYet, Refused};

pub(super) const KEYS: &[Key] = &[
    key("enable-opentelemetry", "false", NotYet).doc("Requests are traced."),
    key("opentelemetry-operation-name", "", NotYet).doc("Name of a span."),
    key("opentelemetry-trust-incoming-span", "true", NotYet).doc("Traces of clients go on."),
    key("otel-max-export-batch-size", "512", NotYet).doc("Spans sent at a time."),
    key("otel-max-queuesize", "2048", NotYet).doc("Spans that wait."),
    key("otel-sampler", "AlwaysOn", NotYet).doc("Which requests are traced."),
    key("otel-sampler-parent-based", "true", NotYet).doc("Those that clients traced are, too."),
    key("otel-sampler-ratio", "0.01", NotYet).doc("How many are traced."),
    key("otel-schedule-delay-millis", "5000", NotYet).doc("Time between two sendings."),
    key("otel-service-name", "nginx", NotYet).doc("Name of the service in traces."),
    key("otlp-collector-host", "", NotYet).doc("Where spans are sent."),
    key("otlp-collector-port", "4317", NotYet).doc("Its port."),
    key("datadog-collector-host", "", GONE).doc("Where spans were sent."),
    key("enable-opentracing", "false", GONE).doc("Requests were traced."),
    key("jaeger-collector-host", "", GONE).doc("Where spans were sent."),
    key("zipkin-collector-host", "", GONE).doc("Where spans were sent."),
];

const GONE: crate::control::lower::ingress::annotations::row::State =
    Refused("nor has it in ingress-nginx any more");
