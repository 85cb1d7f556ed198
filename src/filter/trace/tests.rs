//! What requests say of traces, and what becomes of it.

use std::cell::Cell;

use super::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// 1, 2, 3, …
fn counting() -> impl Fn() -> u64 {
    let next = Cell::new(0);
    move || {
        next.set(next.get() + 1);
        next.get()
    }
}

fn begin(lines: &[(&str, &str)], spans: IncomingSpans, sampler: Sampler) -> Trace {
    let fields = lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    Trace::begin(&Incoming::of(fields), spans, sampler, counting())
}

fn continued(lines: &[(&str, &str)]) -> Trace {
    begin(lines, IncomingSpans::Continued, Sampler::default())
}

fn parent(trace: &Trace) -> String {
    let mut out = Vec::new();
    trace.context.put_parent(&mut out);
    String::from_utf8(out).unwrap()
}

/// Says the trace that goes on, or `new`.
#[track_caller]
fn check(lines: &[(&str, &str)], expected: &str) {
    let trace = continued(lines);
    let found = match trace.parent {
        None => "new".to_owned(),
        Some(span) => {
            let mut out = Vec::new();
            put_hex(&mut out, &trace.context.trace.octets());
            out.push(b'-');
            put_hex(&mut out, &span.octets());
            out.extend_from_slice(&[b'-', trace.context.flags.sampling().digit()]);
            String::from_utf8(out).unwrap()
        }
    };
    assert_eq!(found, expected, "{lines:?}");
}

#[test]
fn contexts_of_the_w3c_are_read_to_the_letter() {
    let sampled = format!("{TRACE}-{SPAN}-1");
    let dropped = format!("{TRACE}-{SPAN}-0");
    for (value, expected) in [
        (format!("00-{TRACE}-{SPAN}-01"), &*sampled),
        (format!("00-{TRACE}-{SPAN}-00"), &dropped),
        // Flags that are not known say nothing.
        (format!("00-{TRACE}-{SPAN}-fe"), &dropped),
        (format!("00-{TRACE}-{SPAN}-ff"), &sampled),
        // Later versions may say more.
        (format!("01-{TRACE}-{SPAN}-01"), &sampled),
        (format!("cc-{TRACE}-{SPAN}-01-what"), &sampled),
        (format!("cc-{TRACE}-{SPAN}-01.what"), "new"),
        (format!("00-{TRACE}-{SPAN}-01-what"), "new"),
        (format!("00-{TRACE}-{SPAN}-01-"), "new"),
        (format!("ff-{TRACE}-{SPAN}-01"), "new"),
        (format!("00-{TRACE}-{SPAN}-1"), "new"),
        (format!("0-{TRACE}-{SPAN}-011"), "new"),
        (format!("00-{}-{SPAN}-01", TRACE.to_uppercase()), "new"),
        (format!("00-{TRACE}-{}-01", SPAN.to_uppercase()), "new"),
        (format!("00-{TRACE}-{SPAN}-0A"), "new"),
        (format!("00-{}-{SPAN}-01", "0".repeat(32)), "new"),
        (format!("00-{TRACE}-{}-01", "0".repeat(16)), "new"),
        (format!("00-{TRACE}{SPAN}--01"), "new"),
        (format!("00_{TRACE}_{SPAN}_01"), "new"),
        (format!("00-{}-{SPAN}-01", "é".repeat(16)), "new"),
        ("x".repeat(9000), "new"),
        (String::new(), "new"),
    ] {
        check(&[("TraceParent", &value)], expected);
    }
    let line = ("traceparent", &*format!("00-{TRACE}-{SPAN}-01"));
    check(&[line, line], "new");
}

#[test]
fn contexts_of_b3_are_read_in_both_forms() {
    let (sampled, dropped) = (format!("{TRACE}-{SPAN}-1"), format!("{TRACE}-{SPAN}-0"));
    let short = format!("{}{SPAN}-{SPAN}-1", "0".repeat(16));
    for (value, expected) in [
        (format!("{TRACE}-{SPAN}-1"), &*sampled),
        (format!("{TRACE}-{SPAN}-d"), &sampled),
        (format!("{TRACE}-{SPAN}-0"), &dropped),
        // Nobody has decided: the sampler does.
        (format!("{TRACE}-{SPAN}"), &sampled),
        (format!("{TRACE}-{SPAN}-1-{SPAN}"), &sampled),
        (format!("{SPAN}-{SPAN}-1"), &short),
        (format!("{TRACE}-{SPAN}-2"), "new"),
        (format!("{TRACE}-{SPAN}-1-x"), "new"),
        (format!("{TRACE}-{SPAN}-1-{SPAN}-1"), "new"),
        (format!("{TRACE}x-{SPAN}-1"), "new"),
        (format!("{}-{SPAN}-1", "0".repeat(32)), "new"),
        ("1".to_owned(), "new"),
        ("-".to_owned(), "new"),
    ] {
        check(&[("b3", &value)], expected);
    }
    let (trace, span) = (("X-B3-TraceId", TRACE), ("x-b3-spanid", SPAN));
    for (lines, expected) in [
        (&[trace, span, ("X-B3-Sampled", "1")][..], &*sampled),
        (&[trace, span, ("X-B3-Sampled", "0")], &dropped),
        (&[trace, span, ("X-B3-Sampled", "false")], &dropped),
        (&[trace, span, ("X-B3-Sampled", "0"), ("X-B3-Flags", "1")], &sampled),
        (&[trace, span], &sampled),
        (&[trace, trace, span], "new"),
        (&[trace], "new"),
        (&[span], "new"),
        (&[trace, ("X-B3-SpanId", "12")], "new"),
    ] {
        check(lines, expected);
    }
    // That of the W3C counts first, where it can be read.
    let other = format!("00-{}-{SPAN}-00", "1".repeat(32));
    let b3 = ("b3", &*sampled);
    check(&[b3, ("traceparent", &other)], &format!("{}-{SPAN}-0", "1".repeat(32)));
    check(&[b3, ("traceparent", "00-x")], &sampled);
}

#[test]
fn traces_are_sampled_by_one_word() {
    let share = |share| RootSampler::Share(Ratio::new(share).unwrap());
    let high = format!("00-{}-{SPAN}-", "f".repeat(32));
    let low = format!("00-{}1-{SPAN}-", "0".repeat(31));
    let middle = format!("00-{}80000000000000-{SPAN}-", "1".repeat(18));
    for (root, parents, line, expected) in [
        (RootSampler::Always, ParentWord::Counts, format!("{high}00"), false),
        (RootSampler::Never, ParentWord::Counts, format!("{high}01"), true),
        (RootSampler::Always, ParentWord::Ignored, format!("{high}00"), true),
        (RootSampler::Never, ParentWord::Ignored, format!("{high}01"), false),
        (RootSampler::Always, ParentWord::Counts, String::new(), true),
        (RootSampler::Never, ParentWord::Counts, String::new(), false),
        (share(0.5), ParentWord::Ignored, format!("{high}00"), true),
        (share(0.5), ParentWord::Ignored, format!("{middle}00"), true),
        (share(0.4), ParentWord::Ignored, format!("{middle}00"), false),
        (share(0.5), ParentWord::Ignored, format!("{low}01"), false),
        (share(0.0), ParentWord::Ignored, format!("{high}01"), false),
        (share(1.0), ParentWord::Ignored, format!("{low}00"), true),
    ] {
        let sampler = Sampler { root, parents };
        let trace = begin(&[("traceparent", &line)], IncomingSpans::Continued, sampler);
        assert_eq!(trace.is_sampled(), expected, "{sampler:?} {line}");
    }
    for (b3, expected) in [("0", false), ("1", true), ("d", true)] {
        let never = Sampler { root: RootSampler::Never, ..Sampler::default() };
        let sampler = if expected { never } else { Sampler::default() };
        let trace = begin(&[("b3", b3)], IncomingSpans::Continued, sampler);
        assert_eq!((trace.is_sampled(), trace.parent), (expected, None), "{b3}");
    }
    for share in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        assert_eq!(Ratio::new(share), None, "{share}");
    }
}

#[test]
fn what_clients_say_is_replaced() {
    let line = format!("00-{TRACE}-{SPAN}-03");
    let of_span = SpanId::new(9).unwrap();
    let put = |trace: &Trace| {
        let mut out = Vec::new();
        trace.put_fields(of_span, &mut out);
        String::from_utf8(out).unwrap()
    };
    let trace = continued(&[("traceparent", &line)]);
    assert_eq!(parent(&trace), format!("00-{TRACE}-0000000000000001-03"));
    assert_eq!(put(&trace), format!("traceparent: 00-{TRACE}-0000000000000009-03\r\n"));
    let sampler = Sampler { root: RootSampler::Never, ..Sampler::default() };
    let (single, multiple) = (("b3", "x"), ("X-B3-TraceId", "x"));
    let lines = [("traceparent", &*line), single, multiple];
    let trace = begin(&lines, IncomingSpans::Ignored, sampler);
    let ids = "00000000000000010000000000000002-0000000000000009";
    let (id, span) = ids.split_once('-').unwrap();
    let expected = format!(
        "traceparent: 00-{ids}-00\r\nb3: {ids}-0\r\nX-B3-TraceId: {id}\r\nX-B3-SpanId: {span}\r\n\
         X-B3-ParentSpanId: 0000000000000003\r\nX-B3-Sampled: 0\r\n"
    );
    assert_eq!((put(&trace), trace.parent), (expected, None));
    for (name, is_dropped) in [
        ("traceparent", true),
        ("TraceParent", true),
        ("tracestate", true),
        ("B3", true),
        ("x-b3-flags", true),
        ("X_B3_SpanId", true),
        ("x-b3", false),
        ("trace-parent", false),
        ("baggage", false),
    ] {
        assert_eq!(trace.drops(name.as_bytes()), is_dropped, "{name}");
    }
}

#[test]
fn the_state_of_other_systems_goes_on_as_far_as_it_must() {
    let line = format!("00-{TRACE}-{SPAN}-01");
    let many = |count| vec!["a=b"; count].join(",");
    let long = format!("a={}", "b".repeat(256));
    for (lines, is_kept) in [
        (&["a=b"][..], true),
        (&["a=b", "tenant@system=c d"], true),
        (&["a=b,,  c=d ,"], true),
        (&[""], true),
        (&[&many(32)], true),
        (&[&many(33)], false),
        (&[&many(16), &many(17)], false),
        (&[&long], true),
        (&[&format!("{long}b")], false),
        (&[&long, &long, &long], false),
        (&["a"], false),
        (&["a="], false),
        (&["=b"], false),
        (&["A=b"], false),
        (&["a=b=c"], false),
        (&["a=é"], false),
        (&["a=b", "?"], false),
    ] {
        let mut all = vec![("traceparent", &*line)];
        all.extend(lines.iter().map(|value| ("tracestate", *value)));
        let trace = continued(&all);
        assert_eq!(!trace.drops(b"tracestate"), is_kept, "{lines:?}");
        assert_eq!(trace.is_state(b"TraceState"), is_kept, "{lines:?}");
        // It means nothing without the other field.
        assert!(continued(&all[1..]).drops(b"tracestate"), "{lines:?}");
    }
}
