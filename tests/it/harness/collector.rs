//! The OTLP receiver of the OpenTelemetry Collector, and the spans that it took.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::Value;

use super::wait_until;

/// A running one. It ends with the test.
pub(crate) struct Collector {
    child: Child,
    /// Where it takes spans by gRPC.
    pub(crate) grpc: SocketAddr,
    /// Where it takes them by HTTP.
    pub(crate) http: SocketAddr,
    spans: Arc<Mutex<Vec<Span>>>,
}

/// A span that it took.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    /// As OTLP has it in JSON.
    span: Value,
    /// Who sent it.
    resource: Value,
}

impl Collector {
    /// Starts one; builds it first where it was never built.
    #[track_caller]
    pub(crate) fn start() -> Self {
        let mut child = Command::new(program())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a collector");
        let mut lines = BufReader::new(child.stdout.take().expect("its output"));
        let mut first = String::new();
        lines.read_line(&mut first).expect("its addresses");
        let mut addresses = first.split_whitespace().map(|text| text.parse().expect("an address"));
        let (grpc, http) = (addresses.next().expect("two"), addresses.next().expect("two"));
        let spans = Arc::default();
        let taking = Arc::clone(&spans);
        std::thread::spawn(move || take(lines, &taking));
        Self { child, grpc, http, spans }
    }

    /// Those of a trace, by their beginning, once it has so many.
    #[track_caller]
    pub(crate) fn wait_for(&self, trace: &str, count: usize) -> Vec<Span> {
        let what = format!("{count} spans of {trace}");
        wait_until(&what, || self.spans(trace).len() >= count);
        let mut spans = self.spans(trace);
        spans.sort_by_key(|span| (span.text("kind") != "2", span.text("startTimeUnixNano")));
        assert_eq!(spans.len(), count, "{spans:?}");
        spans
    }

    /// Those of a trace that it has so far.
    pub(crate) fn spans(&self, trace: &str) -> Vec<Span> {
        let spans = self.spans.lock().expect("no panic");
        spans.iter().filter(|span| span.text("traceId") == trace).cloned().collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // It may be gone.
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

impl Span {
    /// A field of it; empty: it has none.
    pub(crate) fn text(&self, field: &str) -> String {
        plain(&self.span[field])
    }

    /// An attribute of it; empty: it has none.
    pub(crate) fn attribute(&self, key: &str) -> String {
        attribute(&self.span["attributes"], key)
    }

    /// An attribute of who sent it.
    pub(crate) fn resource(&self, key: &str) -> String {
        attribute(&self.resource["attributes"], key)
    }

    /// Whether it says that something went wrong.
    pub(crate) fn is_error(&self) -> bool {
        plain(&self.span["status"]["code"]) == "2"
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn attribute(all: &Value, key: &str) -> String {
    let found = all.as_array().into_iter().flatten().find(|attribute| attribute["key"] == key);
    found.map_or_else(String::new, |found| match &found["value"]["stringValue"] {
        Value::Null => plain(&found["value"]["intValue"]),
        text => plain(text),
    })
}

/// Reads a batch a line.
fn take(lines: BufReader<ChildStdout>, spans: &Mutex<Vec<Span>>) {
    for line in lines.lines().map_while(Result::ok) {
        let batch: Value = serde_json::from_str(&line).expect("JSON");
        for of_resource in batch["resourceSpans"].as_array().into_iter().flatten() {
            for scope in of_resource["scopeSpans"].as_array().into_iter().flatten() {
                let new = scope["spans"].as_array().into_iter().flatten();
                let resource = &of_resource["resource"];
                let new = new.map(|span| Span { span: span.clone(), resource: resource.clone() });
                spans.lock().expect("no panic").extend(new);
            }
        }
    }
}

/// Where it is.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| built("collector"))
}

/// A program of `tests/controlplane`, which builds it where it was never built.
#[track_caller]
pub(crate) fn built(name: &str) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/controlplane/build");
    let output = Command::new(script).arg(name).stderr(Stdio::inherit()).output();
    let output = output.expect("tests/controlplane/build");
    assert!(output.status.success(), "no {name}; the lines above say why");
    let folder = String::from_utf8(output.stdout).expect("a folder");
    Path::new(folder.trim()).join(name)
}
