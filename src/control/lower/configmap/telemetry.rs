//! Traces.

use std::sync::Arc;
use std::time::Duration;

use super::globals::Globals;
use super::row::{Key, key};
use super::values::{flag, number};
use crate::control::lower::ingress::annotations::row::State::{self, NoEffect, Partial, Supported};
use crate::control::source::manifest::is_dns_subdomain;
use crate::filter::{ParentWord, Ratio, RootSampler};
use crate::limits::{SPAN_SERVICE_BYTES_MAX, SPANS_DELAY_MILLIS_MAX, SPANS_WAITING_MAX};
use crate::model::{Collector, CollectorChannel, CollectorProtocol, Traces};

pub(super) const KEYS: &[Key] = &[
    key("enable-opentelemetry", "false", Supported).of_annotation().doc("Requests are traced."),
    key("opentelemetry-config", "", NoEffect("there is no such file; each value has its own key"))
        .doc("Path of a file with all of them."),
    key("opentelemetry-operation-name", "", Supported)
        .of_annotation()
        .doc("Name of a span, with variables; without it the path of the rule."),
    key("opentelemetry-trust-incoming-span", "true", Supported)
        .of_annotation()
        .doc("Traces of clients are continued."),
    key("otel-max-export-batch-size", "512", Supported)
        .put(batch)
        .doc("How many spans are sent at a time."),
    key("otel-max-queuesize", "2048", Supported)
        .put(queue)
        .doc("How many spans may wait for the collector; the surplus is lost and counted."),
    key("otel-sampler", "AlwaysOn", Supported)
        .put(sampler)
        .doc("Which traces are recorded: AlwaysOn, AlwaysOff or TraceIdRatioBased."),
    key("otel-sampler-parent-based", "true", Supported)
        .put(parent_based)
        .doc("What clients decided of their traces counts first."),
    key("otel-sampler-ratio", "0.01", Supported)
        .put(ratio)
        .doc("The share of traces that TraceIdRatioBased records, from 0 to 1."),
    key("otel-schedule-delay-millis", "5000", Supported)
        .put(delay)
        .doc("How long spans wait for others, in milliseconds."),
    key("otel-service-name", "nginx", Supported).put(service).doc("Our name in traces."),
    key("otlp-collector-host", "", Partial(HOST)).put(host).doc(
        "Who gets the spans, by gRPC; http:// before it: by HTTP; https://, grpcs://: over TLS.",
    ),
    key("otlp-collector-port", "4317", Supported).put(port).doc("Its port."),
    key("datadog-collector-host", "", GONE).doc("Where spans were sent."),
    key("datadog-collector-port", "", GONE).doc("Its port."),
    key("datadog-environment", "", GONE).doc("Name of the environment in traces."),
    key("datadog-operation-name-override", "", GONE).doc("Name of a span."),
    key("datadog-priority-sampling", "", GONE).doc("Whether clients decided first."),
    key("datadog-sample-rate", "", GONE).doc("Which traces were recorded."),
    key("datadog-service-name", "", GONE).doc("Our name in traces."),
    key("enable-opentracing", "false", GONE).doc("Requests were traced."),
    key("jaeger-baggage-header", "", GONE).doc("A field with notes on a trace."),
    key("jaeger-collector-host", "", GONE).doc("Where spans were sent."),
    key("jaeger-collector-port", "", GONE).doc("Its port."),
    key("jaeger-debug-header", "", GONE).doc("A field that had a trace recorded."),
    key("jaeger-endpoint", "", GONE).doc("Where spans were sent by HTTP."),
    key("jaeger-propagation-format", "", GONE).doc("What backends were told of traces in."),
    key("jaeger-sampler-host", "", GONE).doc("Who said which traces were recorded."),
    key("jaeger-sampler-param", "", GONE).doc("Which traces were recorded."),
    key("jaeger-sampler-port", "", GONE).doc("Port of who said so."),
    key("jaeger-sampler-type", "", GONE).doc("How that was decided."),
    key("jaeger-service-name", "", GONE).doc("Our name in traces."),
    key("jaeger-trace-baggage-header-prefix", "", GONE)
        .doc("Beginning of fields with notes on a trace."),
    key("jaeger-trace-context-header-name", "", GONE).doc("The field that named a trace."),
    key("opentracing-location-operation-name", "", GONE).doc("Name of a span of a rule."),
    key("opentracing-operation-name", "", GONE).doc("Name of a span."),
    key("opentracing-trust-incoming-span", "", GONE).doc("Traces of clients were continued."),
    key("zipkin-collector-host", "", GONE).doc("Where spans were sent."),
    key("zipkin-collector-port", "", GONE).doc("Its port."),
    key("zipkin-sample-rate", "", GONE).doc("Which traces were recorded."),
    key("zipkin-service-name", "", GONE).doc("Our name in traces."),
];

const GONE: State = State::Refused("nor has it in ingress-nginx any more");
const HOST: &str = "without it no spans are made, and contexts alone are passed on";

fn traces(globals: &mut Globals) -> &mut Traces {
    Arc::make_mut(&mut globals.downstream.traces)
}

fn spans(text: &str) -> Result<usize, String> {
    number(text, 1..=SPANS_WAITING_MAX).map(|spans| spans as usize)
}

fn batch(text: &str, globals: &mut Globals) -> Result<(), String> {
    traces(globals).batches.batch_spans = spans(text)?;
    Ok(())
}

fn queue(text: &str, globals: &mut Globals) -> Result<(), String> {
    traces(globals).batches.queue_spans = spans(text)?;
    Ok(())
}

fn delay(text: &str, globals: &mut Globals) -> Result<(), String> {
    let millis = number(text, 1..=SPANS_DELAY_MILLIS_MAX)?;
    traces(globals).batches.delay = Duration::from_millis(millis.into());
    Ok(())
}

/// The share is that of the key for it, which is read behind this one.
fn sampler(text: &str, globals: &mut Globals) -> Result<(), String> {
    traces(globals).sampler.root = match text {
        "AlwaysOn" => RootSampler::Always,
        "AlwaysOff" => RootSampler::Never,
        "TraceIdRatioBased" => RootSampler::Share(share("0.01")?),
        _ => return Err("it is none of AlwaysOn, AlwaysOff and TraceIdRatioBased".to_owned()),
    };
    Ok(())
}

fn ratio(text: &str, globals: &mut Globals) -> Result<(), String> {
    let share = share(text)?;
    if let RootSampler::Share(ratio) = &mut traces(globals).sampler.root {
        *ratio = share;
    }
    Ok(())
}

fn share(text: &str) -> Result<Ratio, String> {
    let share = text.parse().ok().and_then(Ratio::new);
    share.ok_or_else(|| "it is no number from 0 to 1".to_owned())
}

fn parent_based(text: &str, globals: &mut Globals) -> Result<(), String> {
    let counts = flag(text)?;
    traces(globals).sampler.parents = if counts { ParentWord::Counts } else { ParentWord::Ignored };
    Ok(())
}

fn service(text: &str, globals: &mut Globals) -> Result<(), String> {
    if text.len() > SPAN_SERVICE_BYTES_MAX || text.contains(char::is_control) {
        return Err(format!("it is no text of at most {SPAN_SERVICE_BYTES_MAX} bytes"));
    }
    traces(globals).service = text.into();
    Ok(())
}

/// The port is that of the key for it, which is read behind this one.
fn host(text: &str, globals: &mut Globals) -> Result<(), String> {
    let (scheme, host) = text.split_once("://").unwrap_or(("grpc", text));
    let (protocol, channel) = match scheme {
        "grpc" => (CollectorProtocol::Grpc, CollectorChannel::ClearText),
        "grpcs" => (CollectorProtocol::Grpc, CollectorChannel::Tls),
        "http" => (CollectorProtocol::Http, CollectorChannel::ClearText),
        "https" => (CollectorProtocol::Http, CollectorChannel::Tls),
        _ => return Err("before its host stands none of http, https, grpc and grpcs".to_owned()),
    };
    let host = host.trim_end_matches('/');
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_address = bare.parse::<std::net::IpAddr>().is_ok();
    if !is_address && !is_dns_subdomain(&bare.to_ascii_lowercase()) {
        return Err("it is no name or address of a host".to_owned());
    }
    let (host, port) = (bare.into(), Collector::PORT);
    traces(globals).collector = Some(Collector { protocol, channel, host, port });
    Ok(())
}

fn port(text: &str, globals: &mut Globals) -> Result<(), String> {
    let number = number(text, 1..=u16::MAX.into())?;
    if let Some(collector) = &mut traces(globals).collector {
        collector.port = u16::try_from(number).unwrap_or(collector.port);
    }
    Ok(())
}
