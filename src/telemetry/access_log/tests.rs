//! Lines octet by octet, and a writer whose sink is slow, short or broken.

use std::io::Write;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::*;
use crate::filter::{Escaping, NothingKnown, Variable};
use crate::limits::{ACCESS_LOG_ATTEMPTS_MAX, ACCESS_LOG_FIELD_BYTES_MAX};
use crate::model::{BackendKey, PortRef};
use crate::telemetry::samples::{attempt, backend, origin, record};
use crate::telemetry::{Bounds, telemetry};

/// A log of JSON without a writer, and the lines of it that were flushed.
pub(crate) fn collected() -> (CoreLog, impl Fn() -> Vec<String>) {
    let (full, written) = crossbeam_channel::bounded(ACCESS_LOG_BUFFERS_MAX);
    let log = CoreLog::new(AccessLogFormat::Json, full, crossbeam_channel::never());
    let lines = move || {
        let text = |buffer: LogBuffer| String::from_utf8(buffer.bytes).expect("lines are UTF-8");
        let texts: Vec<String> = written.try_iter().map(text).collect();
        texts.iter().flat_map(|text| text.lines().map(str::to_owned)).collect()
    };
    (log, lines)
}

fn line(format: AccessLogFormat, record: &ExchangeRecord<'_>) -> String {
    let mut out = Vec::new();
    LineFormat::new(format).write_line(&mut out, record, &NothingKnown, None);
    String::from_utf8(out).expect("lines are UTF-8")
}

#[track_caller]
fn check(format: AccessLogFormat, record: &ExchangeRecord<'_>, expected: &str) {
    assert_eq!(line(format, record), expected);
}

#[test]
fn nginx_lines_have_the_default_format_of_ingress_nginx() {
    check(
        AccessLogFormat::Nginx,
        &record(),
        "192.0.2.7 - - [02/Jan/2006:15:04:05 +0000] \"GET /a?b=c HTTP/1.1\" 404 19 \"-\" \
         \"curl/8\" 80 0.012 [-] [] - - - - 0123456789abcdef\n",
    );
    let (backend, origin) = (backend(), origin());
    let attempts = [attempt(8080, None, 0, 5_000), attempt(8081, Some(200), 1_234, 7)];
    let routed = ExchangeRecord {
        status: 200,
        backend: Some(&backend),
        canary: Some(&backend),
        origin: Some(&origin),
        attempts: &attempts,
        duration: Duration::from_millis(61_750),
        referer: b"http://shop.example/",
        client: "[2001:db8::1]:1".parse().expect("address"),
        ..record()
    };
    check(
        AccessLogFormat::Nginx,
        &routed,
        "2001:db8::1 - - [02/Jan/2006:15:05:07 +0000] \"GET /a?b=c HTTP/1.1\" 200 19 \
         \"http://shop.example/\" \"curl/8\" 80 61.750 [shop-cart-http] [shop-cart-http] \
         10.0.0.1:8080, 10.0.0.1:8081 0, 1234 5.000, 0.007 -, 200 0123456789abcdef\n",
    );
}

#[test]
fn json_lines_name_the_rule_and_every_attempt() {
    check(
        AccessLogFormat::Json,
        &record(),
        "{\"time\":\"2006-01-02T15:04:05.250Z\",\"client\":\"192.0.2.7:40000\",\
         \"method\":\"GET\",\"host\":\"shop.example\",\"target\":\"/a?b=c\",\
         \"protocol\":\"HTTP/1.1\",\"status\":404,\"duration\":0.012,\"request_bytes\":80,\
         \"response_bytes\":19,\"referer\":null,\"user_agent\":\"curl/8\",\
         \"request_id\":\"0123456789abcdef\",\"kind\":null,\"namespace\":null,\"name\":null,\
         \"rule\":null,\"path\":null,\"backend\":null,\"canary\":null,\"attempts\":[]}\n",
    );
    let (backend, origin) = (backend(), origin());
    let attempts = [attempt(8080, None, 0, 5_000), attempt(8081, Some(200), 1_234, 7)];
    let routed = ExchangeRecord {
        backend: Some(&backend),
        canary: Some(&backend),
        origin: Some(&origin),
        attempts: &attempts,
        ..record()
    };
    let line = line(AccessLogFormat::Json, &routed);
    let expected = "\"kind\":\"Ingress\",\"namespace\":\"shop\",\"name\":\"front\",\"rule\":0,\
         \"path\":2,\"backend\":{\"namespace\":\"shop\",\"service\":\"cart\",\"port\":\"http\"},\
         \"canary\":{\"namespace\":\"shop\",\"service\":\"cart\",\"port\":\"http\"},\
         \"attempts\":[{\"address\":\"10.0.0.1:8080\",\"status\":null,\
         \"reason\":\"timeout\",\"bytes\":0,\"duration\":5.000},\
         {\"address\":\"10.0.0.1:8081\",\"status\":200,\"reason\":null,\"bytes\":1234,\
         \"duration\":0.007}]}\n";
    assert!(line.ends_with(expected), "{line}");
}

#[test]
fn a_head_that_could_not_be_read_still_gives_a_line() {
    let unread = ExchangeRecord {
        method: b"",
        target: b"",
        host: b"",
        user_agent: b"",
        request_id: b"",
        status: 0,
        ..record()
    };
    check(
        AccessLogFormat::Nginx,
        &unread,
        "192.0.2.7 - - [02/Jan/2006:15:04:05 +0000] \"-\" 000 19 \"-\" \"-\" 80 0.012 [-] [] \
         - - - - -\n",
    );
    let json = line(AccessLogFormat::Json, &unread);
    assert!(json.contains("\"method\":null,\"host\":null,\"target\":null"), "{json}");
}

const HOSTILE: &[u8] = b"a\"b\\c\r\n\x00\x1b[2J\x7f\xc2\x9b\xff\xe4\xb8";

#[test]
fn hostile_fields_cannot_leave_their_place() {
    let hostile = ExchangeRecord { user_agent: HOSTILE, target: b"/\xc3\xa4", ..record() };
    check(
        AccessLogFormat::Nginx,
        &hostile,
        "192.0.2.7 - - [02/Jan/2006:15:04:05 +0000] \"GET /\\xC3\\xA4 HTTP/1.1\" 404 19 \"-\" \
         \"a\\x22b\\x5Cc\\x0D\\x0A\\x00\\x1B[2J\\x7F\\xC2\\x9B\\xFF\\xE4\\xB8\" 80 0.012 [-] [] \
         - - - - 0123456789abcdef\n",
    );
    let json = line(AccessLogFormat::Json, &hostile);
    let expected = "\"user_agent\":\"a\\\"b\\\\c\\u000d\\u000a\\u0000\\u001b[2J\\u007f\\u009b\
         \u{fffd}\u{fffd}\",";
    assert!(json.contains(expected), "{json}");
    assert!(json.contains("\"target\":\"/ä\""), "{json}");
}

#[test]
fn every_byte_in_every_field_gives_one_line_of_valid_json() {
    let bytes: Vec<u8> = (0..=255).collect();
    let text = "\"},{\\\n";
    let port = PortRef::Name(text.into());
    let key = BackendKey {
        namespace: text.into(),
        service: text.into(),
        port,
        dial: crate::model::Dial::default(),
    };
    let mut origin = origin();
    origin.object.name = text.into();
    let hostile = ExchangeRecord {
        method: &bytes,
        target: &bytes,
        host: &bytes,
        referer: &bytes,
        user_agent: &bytes,
        request_id: &bytes,
        backend: Some(&key),
        origin: Some(&origin),
        ..record()
    };
    let json = line(AccessLogFormat::Json, &hostile);
    assert_eq!(json.matches('\n').count(), 1);
    let value: serde_json::Value = serde_json::from_str(&json).expect("valid JSON");
    assert_eq!(value["backend"]["service"], text);
    assert_eq!(value["name"], text);
    assert_eq!(line(AccessLogFormat::Nginx, &hostile).matches('\n').count(), 1);
}

#[test]
fn long_fields_are_cut_and_a_line_fits_its_room() {
    let attempts = [attempt(8080, Some(200), u64::MAX, u64::MAX); 4 * ACCESS_LOG_ATTEMPTS_MAX];
    for filler in [b"a", b"\x01", b"\xff", b"\""] {
        let long = filler.repeat(10 * ACCESS_LOG_FIELD_BYTES_MAX);
        let hostile = ExchangeRecord {
            method: &long,
            target: &long,
            host: &long,
            referer: &long,
            user_agent: &long,
            request_id: &long,
            attempts: &attempts,
            ..record()
        };
        for format in [AccessLogFormat::Json, AccessLogFormat::Nginx] {
            let line = line(format, &hostile);
            assert!(line.len() <= ACCESS_LOG_LINE_BYTES_MAX, "{format:?} {}", line.len());
            assert!(line.len() > 4 * ACCESS_LOG_FIELD_BYTES_MAX, "{format:?} {}", line.len());
        }
    }
}

/// A sink that tests can read, make fail and stop.
#[derive(Clone, Default)]
struct Sink(Arc<(Mutex<SinkState>, Condvar)>);

#[derive(Default)]
struct SinkState {
    bytes: Vec<u8>,
    is_blocked: bool,
    /// Takes this many bytes of a write, then fails with this.
    failure: Option<(usize, io::ErrorKind)>,
    writes: usize,
}

impl Sink {
    fn change(&self, change: impl FnOnce(&mut SinkState)) {
        change(&mut self.0.0.lock().expect("sink"));
        self.0.1.notify_all();
    }

    fn wait_for_writes(&self, writes: usize) {
        let state = self.0.0.lock().expect("sink");
        let limit = Duration::from_secs(10);
        let waited = self.0.1.wait_timeout_while(state, limit, |state| state.writes < writes);
        assert!(!waited.expect("sink").1.timed_out());
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().expect("sink").bytes.clone()).expect("UTF-8")
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.0.lock().expect("sink");
        state.writes += 1;
        self.0.1.notify_all();
        let mut state = self.0.1.wait_while(state, |state| state.is_blocked).expect("sink");
        match state.failure {
            Some((0, kind)) => return Err(kind.into()),
            Some((taken, kind)) => {
                state.failure = Some((0, kind));
                state.bytes.extend_from_slice(&bytes[..taken]);
                return Ok(taken);
            }
            None => state.bytes.extend_from_slice(bytes),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn start(sink: &Sink) -> (CoreLog, LogWriter, CoreTelemetry) {
    let (mut logs, writer) =
        access_log(AccessLogFormat::Nginx, 1, super::Sink::new(Box::new(sink.clone())))
            .expect("log");
    let (mut shards, _) = telemetry(1, Bounds::default());
    (logs.remove(0), writer.expect("writer"), shards.remove(0))
}

fn dropped(telemetry: &CoreTelemetry) -> u64 {
    telemetry.counters().counter(Counter::AccessLogDropped)
}

const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn every_line_arrives_once_and_in_order() {
    let sink = Sink::default();
    let (mut log, writer, telemetry) = start(&sink);
    let total = 5_000;
    for n in 0..total {
        let target = format!("/{n}");
        let record = ExchangeRecord { target: target.as_bytes(), ..record() };
        log.write(&record, &NothingKnown, None, &telemetry);
        if n % 1_000 == 0 {
            log.flush(&telemetry);
        }
    }
    log.flush(&telemetry);
    drop(log);
    assert!(writer.finish(PATIENCE));
    let text = sink.text();
    assert_eq!(text.lines().count(), total);
    for (n, line) in text.lines().enumerate() {
        assert!(line.contains(&format!("\"GET /{n} HTTP/1.1\"")), "{n}: {line}");
    }
    assert_eq!(dropped(&telemetry), 0);
}

#[test]
fn a_blocked_sink_blocks_no_core_and_costs_bounded_memory() {
    let sink = Sink::default();
    sink.change(|state| state.is_blocked = true);
    let (mut log, writer, telemetry) = start(&sink);
    let flushes = 3 * ACCESS_LOG_BUFFERS_MAX;
    for _ in 0..flushes {
        log.write(&record(), &NothingKnown, None, &telemetry);
        log.flush(&telemetry);
    }
    let lost = dropped(&telemetry);
    // The writer holds one buffer, or none if it has not woken up yet.
    let held = u64::try_from(flushes - ACCESS_LOG_BUFFERS_MAX).expect("small");
    assert!(lost == held || lost == held - 1, "{lost}");
    sink.change(|state| state.is_blocked = false);
    drop(log);
    assert!(writer.finish(PATIENCE));
    let written = u64::try_from(sink.text().lines().count()).expect("small");
    assert_eq!(written + lost, u64::try_from(flushes).expect("small"));
}

#[test]
fn a_failing_sink_is_counted_and_lines_after_it_are_whole() {
    for kind in [io::ErrorKind::BrokenPipe, io::ErrorKind::StorageFull] {
        let sink = Sink::default();
        sink.change(|state| state.failure = Some((10, kind)));
        let (mut log, writer, telemetry) = start(&sink);
        let counts = writer.counts();
        log.write(&record(), &NothingKnown, None, &telemetry);
        log.flush(&telemetry);
        sink.wait_for_writes(2);
        while counts.errors.load(Relaxed) == 0 {
            std::thread::yield_now();
        }
        sink.change(|state| state.failure = None);
        log.write(&record(), &NothingKnown, None, &telemetry);
        log.flush(&telemetry);
        drop(log);
        assert!(writer.finish(PATIENCE));
        assert_eq!(counts.lines_lost.load(Relaxed), 1);
        let whole = line(AccessLogFormat::Nginx, &record());
        assert_eq!(sink.text(), format!("{}\n{whole}", &whole[..10]));
    }
}

#[test]
fn the_end_waits_no_longer_than_it_is_told() {
    let sink = Sink::default();
    sink.change(|state| state.is_blocked = true);
    let (mut log, writer, telemetry) = start(&sink);
    log.write(&record(), &NothingKnown, None, &telemetry);
    log.flush(&telemetry);
    drop(log);
    assert!(!writer.finish(Duration::from_millis(20)));
    sink.change(|state| state.is_blocked = false);
}

#[test]
fn no_access_log_means_no_thread_and_no_work() {
    let sink = Sink::default();
    let (mut logs, writer) =
        access_log(AccessLogFormat::Off, 2, super::Sink::new(Box::new(sink.clone()))).expect("log");
    assert!(writer.is_none());
    assert_eq!(logs.len(), 2);
    assert!(!logs[0].is_active());
    let (shards, _) = telemetry(1, Bounds::default());
    logs[0].write(&record(), &NothingKnown, None, &shards[0]);
    logs[0].flush(&shards[0]);
    assert_eq!(sink.text(), "");
}

/// A request with a host and a field.
struct Request;

impl Variables for Request {
    fn put(&self, variable: &Variable, out: &mut Vec<u8>) {
        out.extend_from_slice(match variable {
            Variable::Host => b"shop.example",
            Variable::Field(name) if **name == *"x-hostile" => HOSTILE,
            _ => b"",
        });
    }
}

fn formed(form: &str, escaping: Escaping, record: &ExchangeRecord<'_>) -> String {
    let form = LogForm::new(form, escaping).expect("a form");
    let (mut out, mut lines) = (Vec::new(), LineFormat::new(AccessLogFormat::Json));
    lines.write_line(&mut out, record, &Request, Some(&form));
    String::from_utf8(out).expect("lines are UTF-8")
}

#[test]
fn forms_of_the_operator_have_what_is_known() {
    let (backend, origin) = (backend(), origin());
    let attempts = [attempt(8080, None, 0, 5_000), attempt(8081, Some(200), 1_234, 7)];
    let routed = ExchangeRecord {
        backend: Some(&backend),
        origin: Some(&origin),
        attempts: &attempts,
        sent_head: b"HTTP/1.1 200 OK\r\nX-Kind: a\r\nServer-Timing: 1\r\nx-kind:b\r\n\r\n",
        upstream_head: b"HTTP/1.1 200 OK\r\nETag: \"1\"\r\n\r\n",
        ..record()
    };
    let rows: [(&str, &ExchangeRecord<'_>, &str); 14] = [
        ("own $host end", &routed, "own shop.example end"),
        ("$remote_addr $req_id", &routed, "192.0.2.7 0123456789abcdef"),
        ("$status $bytes_sent $body_bytes_sent $request_length", &routed, "404 150 19 80"),
        ("$msec $request_time", &routed, "1136214245.262 0.012"),
        ("$time_iso8601", &routed, "2006-01-02T15:04:05+00:00"),
        ("[$time_local]", &routed, "[02/Jan/2006:15:04:05 +0000]"),
        ("$request", &routed, "GET /a?b=c HTTP/1.1"),
        ("$upstream_addr|$upstream_status", &routed, "10.0.0.1:8080, 10.0.0.1:8081|-, 200"),
        ("$upstream_response_length $upstream_response_time", &routed, "0, 1234 5.000, 0.007"),
        ("$upstream_connect_time|$upstream_header_time", &routed, "0.001, 0.001|-, 0.003"),
        ("$proxy_upstream_name $proxy_alternative_upstream_name.", &routed, "shop-cart-http ."),
        ("$sent_http_x_kind $sent_http_server", &routed, "a, b -"),
        ("$upstream_http_etag", &routed, "\\x221\\x22"),
        // What is absent is a dash, what nginx sets to nothing is nothing.
        ("$upstream_addr $args $geoip2_city $namespace.", &record(), "- - - ."),
    ];
    for (form, record, expected) in rows {
        assert_eq!(formed(form, Escaping::Hex, record), format!("{expected}\n"), "{form}");
    }
}

#[test]
fn no_value_gets_out_of_its_place_in_a_form() {
    let form = "{\"a\": \"$http_x_hostile\", \"b\": \"$args\"}";
    for (escaping, expected) in [
        (
            Escaping::Hex,
            "{\"a\": \"a\\x22b\\x5Cc\\x0D\\x0A\\x00\\x1B[2J\\x7F\\xC2\\x9B\\xFF\\xE4\\xB8\", \
             \"b\": \"-\"}\n",
        ),
        (
            Escaping::Json,
            "{\"a\": \"a\\\"b\\\\c\\u000d\\u000a\\u0000\\u001b[2J\\u007f\\u009b\u{fffd}\u{fffd}\", \
             \"b\": \"\"}\n",
        ),
    ] {
        assert_eq!(formed(form, escaping, &record()), expected);
    }
    let form = LogForm::new(form, Escaping::Bare).expect("a form");
    let mut out = Vec::new();
    LineFormat::new(AccessLogFormat::Json).write_line(&mut out, &record(), &Request, Some(&form));
    let controls = out.iter().filter(|octet| octet.is_ascii_control()).count();
    assert_eq!((controls, out.last()), (1, Some(&b'\n')), "{}", out.escape_ascii());
    let text = String::from_utf8_lossy(&out);
    assert_eq!(text.chars().filter(|char| char.is_control()).count(), 1, "C1 is one, too: {text}");
}

#[test]
fn a_line_of_a_form_is_bounded() {
    let long = vec![b'"'; 2 * ACCESS_LOG_FIELD_BYTES_MAX];
    let record = ExchangeRecord { target: &long, sent_head: &long, ..record() };
    for form in ["$request".repeat(60), "x".repeat(4096), "$request_uri$request".repeat(30)] {
        let line = formed(&form, Escaping::Hex, &record);
        assert!(line.len() <= ACCESS_LOG_LINE_BYTES_MAX, "{}", line.len());
    }
}
