//! Text of one file → Kubernetes objects, each with the line of every field.
//!
//! Checks what an API server would check before it stores an object: known fields, types, names.
//! One broken document never harms the others of the file.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::report::{Finding, Report};
use super::yaml::{self, Document, Positions};
use super::{Object, Provenance, SourceObject};
use crate::limits::{PROBLEMS_PER_FILE_MAX, PROBLEMS_PER_OBJECT_MAX};
use crate::model::{ObjectRef, Problem, Severity, SourcePosition};

/// What one file holds.
#[derive(Debug, Default)]
pub struct Manifest {
    /// Usable objects in the order of the file. The same object may stand twice.
    pub objects: Vec<SourceObject>,
    /// Everything that is wrong with the file.
    pub problems: Vec<Arc<Problem>>,
    /// Objects whose new form cannot be used.
    pub broken: Vec<ObjectRef>,
    /// A document could not even be attributed to an object.
    pub has_unreadable: bool,
}

/// Kinds that we know: `kind`, `apiVersion`, whether it lives in a namespace, how it is decoded.
const KINDS: [KnownKind; 6] = [
    KnownKind::new("Ingress", "networking.k8s.io/v1", true, |v| decode(v, Object::Ingress)),
    KnownKind::new("IngressClass", "networking.k8s.io/v1", false, |v| {
        decode(v, Object::IngressClass)
    }),
    KnownKind::new("Service", "v1", true, |v| decode(v, Object::Service)),
    KnownKind::new("EndpointSlice", "discovery.k8s.io/v1", true, |v| {
        decode(v, Object::EndpointSlice)
    }),
    KnownKind::new("Secret", "v1", true, |v| decode(&joined(v, "data"), Object::Secret)),
    KnownKind::new("ConfigMap", "v1", true, |v| {
        decode(&joined(v, "binaryData"), Object::ConfigMap)
    }),
];

/// Versions that Kubernetes itself no longer serves.
const OLD_VERSIONS: [(&str, &str); 4] = [
    ("Ingress", "networking.k8s.io/v1beta1"),
    ("Ingress", "extensions/v1beta1"),
    ("IngressClass", "networking.k8s.io/v1beta1"),
    ("EndpointSlice", "discovery.k8s.io/v1beta1"),
];

struct KnownKind {
    kind: &'static str,
    api_version: &'static str,
    is_namespaced: bool,
    decode: fn(&Value) -> Result<Decoded, DecodeError>,
}

impl KnownKind {
    const fn new(
        kind: &'static str,
        api_version: &'static str,
        is_namespaced: bool,
        decode: fn(&Value) -> Result<Decoded, DecodeError>,
    ) -> Self {
        Self { kind, api_version, is_namespaced, decode }
    }
}

struct Decoded {
    object: Object,
    unknown_fields: Vec<String>,
}

struct DecodeError {
    field: String,
    message: String,
}

/// Reads the text of one file. Never fails: what cannot be used is in [`Manifest::problems`].
///
/// Shape: `file` is the name that positions carry.
#[must_use]
pub fn read(file: &Arc<str>, text: &str) -> Manifest {
    let mut reader = Reader { file, manifest: Manifest::default(), surplus: 0 };
    for chunk in yaml::split(text) {
        match yaml::parse(chunk) {
            Ok(documents) => documents.into_iter().for_each(|d| reader.document(d)),
            Err(error) => reader.unreadable(
                error.line,
                "InvalidYaml",
                format!("{}.", error.kind),
                "Correct this document; until then its objects stay as they were.",
            ),
        }
    }
    reader.finish()
}

struct Reader<'a> {
    file: &'a Arc<str>,
    manifest: Manifest,
    /// Problems beyond the bound.
    surplus: usize,
}

impl Reader<'_> {
    fn unreadable(&mut self, line: u32, reason: &'static str, message: String, advice: &str) {
        self.manifest.has_unreadable = true;
        self.file_problem(Severity::Error, line, reason, message, advice);
    }

    fn file_problem(
        &mut self,
        severity: Severity,
        line: u32,
        reason: &'static str,
        message: String,
        advice: &str,
    ) {
        self.problem(Arc::new(Problem {
            object: None,
            position: Some(SourcePosition { file: Arc::clone(self.file), line }),
            field: String::new(),
            severity,
            reason,
            message,
            advice: advice.to_owned(),
        }));
    }

    /// A file of nothing but broken documents must not fill the memory with words about them.
    fn problem(&mut self, problem: Arc<Problem>) {
        if self.manifest.problems.len() < PROBLEMS_PER_FILE_MAX {
            self.manifest.problems.push(problem);
        } else {
            self.surplus = self.surplus.saturating_add(1);
        }
    }

    fn finish(mut self) -> Manifest {
        if self.surplus > 0 {
            self.manifest.problems.push(Arc::new(Problem {
                object: None,
                position: Some(SourcePosition { file: Arc::clone(self.file), line: 1 }),
                field: String::new(),
                severity: Severity::Error,
                reason: "MoreProblems",
                message: format!("{} more problems are not listed.", self.surplus),
                advice: "Correct the listed ones first.".into(),
            }));
        }
        self.manifest
    }

    fn document(&mut self, document: Document) {
        let Document { value, positions } = document;
        if value.is_null() {
            return;
        }
        let text = |name| value.get(name).and_then(Value::as_str).filter(|s: &&str| !s.is_empty());
        let (Some(kind), Some(version)) = (text("kind"), text("apiVersion")) else {
            return self.unreadable(
                positions.line(),
                "NotAnObject",
                "a document must be one object with apiVersion and kind.".into(),
                "Add both fields.",
            );
        };
        if let Some(item_kind) = kind.strip_suffix("List")
            && value.get("items").is_some_and(Value::is_array)
        {
            let (item_kind, version) = (item_kind.to_owned(), version.to_owned());
            return self.list(value, positions, &item_kind, &version);
        }
        match KINDS.iter().find(|known| known.kind == kind && known.api_version == version) {
            Some(known) => self.object(known, &value, positions),
            None => self.other(kind, version, &positions),
        }
    }

    /// `kind: List` holds whole objects; `IngressList` and its like hold objects whose kind and
    /// version may be left out.
    fn list(&mut self, mut value: Value, positions: Positions, item_kind: &str, version: &str) {
        let lines = positions.into_items_of("items");
        let Some(Value::Array(items)) = value.get_mut("items").map(Value::take) else { return };
        for (mut item, positions) in items.into_iter().zip(lines) {
            if let Value::Object(fields) = &mut item
                && !item_kind.is_empty()
            {
                fields.entry("kind").or_insert_with(|| item_kind.into());
                fields.entry("apiVersion").or_insert_with(|| version.into());
            }
            self.document(Document { value: item, positions });
        }
    }

    fn other(&mut self, kind: &str, version: &str, positions: &Positions) {
        if OLD_VERSIONS.contains(&(kind, version))
            && let Some(known) = KINDS.iter().find(|known| known.kind == kind)
        {
            let message = format!("{kind} of {version} is not read.");
            let advice = format!("Write apiVersion: {} and its fields.", known.api_version);
            let line = positions.line_of("apiVersion");
            return self.file_problem(Severity::Warning, line, "OldVersion", message, &advice);
        }
        tracing::debug!(file = %self.file, line = positions.line(), kind, version, "kind not read");
    }

    fn object(&mut self, known: &KnownKind, value: &Value, positions: Positions) {
        let provenance = Provenance { file: Arc::clone(self.file), positions: Arc::new(positions) };
        let Some(reference) = self.identify(known, value, &provenance) else { return };
        let mut report = Report::new(&reference, Some(&provenance));
        let decoded = (known.decode)(value);
        let object = match decoded {
            Ok(Decoded { object, unknown_fields }) => {
                unknown_fields.into_iter().for_each(|field| report.warning(unknown_field(field)));
                Some(object)
            }
            Err(DecodeError { field, message }) => {
                report.error(Finding {
                    reason: "InvalidField",
                    field,
                    message: format!("{message}."),
                    advice: "Correct it; until then the object stays as it was.".into(),
                });
                None
            }
        };
        report.finish().into_iter().for_each(|problem| self.problem(problem));
        match object {
            Some(object) => {
                let provenance = Some(provenance);
                self.manifest.objects.push(SourceObject { reference, object, provenance });
            }
            None => self.manifest.broken.push(reference),
        }
    }

    /// Name and namespace, which everything else hangs on, before any other field is looked at.
    fn identify(
        &mut self,
        known: &KnownKind,
        value: &Value,
        provenance: &Provenance,
    ) -> Option<ObjectRef> {
        let text = |pointer| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let name = text("/metadata/name");
        let namespace = match (known.is_namespaced, text("/metadata/namespace")) {
            (false, _) => "",
            (true, "") => "default",
            (true, namespace) => namespace,
        };
        let problem = if name.is_empty() {
            ("metadata.name", "MissingName", "the object has no name.".to_owned())
        } else if !is_dns_subdomain(name) {
            ("metadata.name", "InvalidName", format!("{name:?} is not a possible name."))
        } else if known.is_namespaced && !is_dns_label(namespace) {
            let message = format!("{namespace:?} is not a possible namespace.");
            ("metadata.namespace", "InvalidName", message)
        } else {
            let (namespace, name) = (namespace.into(), name.into());
            return Some(ObjectRef { kind: known.kind, namespace, name });
        };
        let (field, reason, message) = problem;
        let line = provenance.position(field).line;
        let advice = "Names are lower-case letters, digits, '-' and '.', such as my-app.";
        let message = format!("{}: {field}: {message}", known.kind);
        self.unreadable(line, reason, message, advice);
        None
    }
}

fn unknown_field(field: String) -> Finding {
    Finding {
        reason: "UnknownField",
        message: "this field does not exist and has no effect.".into(),
        advice: "Look for a slip in its name or its indentation.".into(),
        field,
    }
}

fn decode<K: DeserializeOwned>(
    value: &Value,
    wrap: fn(Arc<K>) -> Object,
) -> Result<Decoded, DecodeError> {
    let mut unknown_fields = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(value, &mut track);
    let result = serde_ignored::deserialize(tracked, |path| {
        // The surplus is counted by the report; this only bounds what is kept until then.
        if unknown_fields.len() < PROBLEMS_PER_OBJECT_MAX.saturating_mul(2) {
            unknown_fields.push(ignored_path(&path));
        }
    });
    match result {
        Ok(object) => Ok(Decoded { object: wrap(Arc::new(object)), unknown_fields }),
        Err(error) => {
            Err(DecodeError { field: tracked_path(&track.path()), message: error.to_string() })
        }
    }
}

/// The object with base64 in one line each: an API server decodes with Go, which skips line breaks.
fn joined(value: &Value, field: &str) -> Value {
    let mut value = value.clone();
    let entries = value.get_mut(field).and_then(Value::as_object_mut);
    for text in entries.into_iter().flat_map(|entries| entries.values_mut()) {
        if let Value::String(text) = text {
            text.retain(|character| !matches!(character, '\r' | '\n'));
        }
    }
    value
}

fn ignored_path(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", ignored_path(parent)),
        Path::Map { parent, key } => join(&ignored_path(parent), key),
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => ignored_path(parent),
    }
}

fn tracked_path(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |text, segment| match segment {
        Segment::Seq { index } => format!("{text}[{index}]"),
        Segment::Map { key } => join(&text, key),
        Segment::Enum { .. } | Segment::Unknown => text,
    })
}

fn join(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}

/// RFC 1123 subdomain, as Kubernetes checks `metadata.name`.
pub(in crate::control) fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label_of_any_length)
}

/// RFC 1123 label, as Kubernetes checks `metadata.namespace`.
fn is_dns_label(text: &str) -> bool {
    text.len() <= 63 && is_dns_label_of_any_length(text)
}

fn is_dns_label_of_any_length(label: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !label.is_empty()
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests;
