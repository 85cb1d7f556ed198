//! What the fuzz target asserts of contexts of traces; see `targets.rs`.

#![allow(
    clippy::expect_used,
    unreachable_pub,
    reason = "part of the fuzz crate and of tests; a target that cannot go on has found something"
)]

use ringway::filter::{Incoming, IncomingSpans, Sampler, SpanId, Trace};

/// Fields of a request, `NAME: VALUE` each on a line, never panic; what is made of them are whole
/// lines, and whoever reads those is in the same trace.
pub fn trace_context(data: &[u8]) {
    let fields = || lines(data).filter_map(field);
    let incoming = Incoming::of(fields());
    for spans in [IncomingSpans::Continued, IncomingSpans::Ignored] {
        let trace = Trace::begin(&incoming, spans, Sampler::default(), || 7);
        let (call, mut told) = (SpanId::of_random(9), Vec::new());
        trace.put_fields(call, &mut told);
        let is_whole = told.ends_with(b"\r\n")
            && !told.iter().any(|octet| octet.is_ascii_control() && !b"\r\n".contains(octet));
        assert!(is_whole && told.len() < 400);
        let read = || told.split(|octet| *octet == b'\n').filter_map(field);
        for (name, _) in read() {
            assert!(trace.drops(name), "the client's own would stand beside it");
        }
        let again = Incoming::of(read());
        let next = Trace::begin(&again, IncomingSpans::Continued, Sampler::default(), || 11);
        assert_eq!(next.parent, Some(call));
        assert_eq!(next.context.trace, trace.context.trace);
        assert_eq!(next.context.flags, trace.context.flags);
        let has_parent = fields().any(|(name, _)| name.eq_ignore_ascii_case(b"traceparent"));
        assert!(trace.drops(b"tracestate") || has_parent, "it means nothing alone");
        if spans == IncomingSpans::Ignored {
            assert_eq!(trace.parent, None);
        }
    }
}

fn lines(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|octet| *octet == b'\n')
}

/// As a head that was parsed has it.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|octet| *octet == b':')?;
    Some((&line[..colon], line[colon + 1..].trim_ascii()))
}
