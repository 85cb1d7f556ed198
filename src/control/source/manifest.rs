//! Text of one file → Kubernetes objects, each with the line of every field.
//!
//! Checks what an API server would check before it stores an object: known fields, types, names.
//! One broken document never harms the others of the file. A file that is no manifest at all is
//! named, and is no error.

mod decode;
mod foreign;
mod kinds;
mod sealed;
mod workload;

use std::sync::Arc;

use serde_json::Value;

use super::object::{Provenance, SourceObject};
use super::placeholder::{self, FILL_IN};
use super::report::{Finding, MORE_PROBLEMS, Report};
use super::yaml::{self, Document, Positions, YamlError};
use crate::control::kinds::{KindInfo, KindScope};
use crate::limits::PROBLEMS_PER_FILE_MAX;
use crate::model::{Kind, ObjectRef, Problem, Reason, Severity, SourcePosition, reason};
use decode::{Decoded, cut};
use foreign::Foreign;
use kinds::Named;

pub use workload::Workload;

/// The reason of the note on a file that is no manifest.
pub const SKIPPED: Reason = reason!("Skipped");

/// What one file holds.
#[derive(Debug, Default)]
pub struct Manifest {
    /// Usable objects in the order of the file. The same object may stand twice.
    pub objects: Vec<SourceObject>,
    /// Everything that is wrong with the file. What follows from an error (whether an older version
    /// of the object stays in force) is left to whoever has older versions.
    pub problems: Vec<Arc<Problem>>,
    /// Objects whose new form cannot be used.
    pub broken: Vec<ObjectRef>,
    /// A document could not even be attributed to an object.
    pub has_unreadable: bool,
    /// Secrets that a controller would make of what stands here.
    pub promised: Vec<ObjectRef>,
    /// Objects that make pods; they are not served.
    pub workloads: Vec<Workload>,
}

/// Reads the text of one file. Never fails: what cannot be used is in [`Manifest::problems`].
///
/// Shape: `file` is the name that positions carry.
#[must_use]
pub fn read(file: &Arc<str>, text: &str) -> Manifest {
    let mut reader = Reader {
        file,
        manifest: Manifest::default(),
        surplus: 0,
        objects: 0,
        foreign: Vec::new(),
        skipped: None,
    };
    for chunk in yaml::split(text) {
        match yaml::parse(chunk) {
            Ok(documents) => documents.into_iter().for_each(|document| reader.root(document)),
            Err(error) => reader.unparsed(chunk, &error),
        }
    }
    reader.finish()
}

struct Reader<'a> {
    file: &'a Arc<str>,
    manifest: Manifest,
    /// Problems beyond the bound.
    surplus: usize,
    /// Documents that are objects, ours or not.
    objects: usize,
    /// Documents that are none, with their lines.
    foreign: Vec<(Foreign, u32)>,
    /// The whole file is no manifest: what it is, from which line, and what the parser said.
    skipped: Option<(Foreign, u32, YamlError)>,
}

impl Reader<'_> {
    fn unreadable(&mut self, line: u32, reason: Reason, message: String, advice: &str) {
        self.manifest.has_unreadable = true;
        self.file_problem(Severity::Error, line, reason, message, advice);
    }

    fn file_problem(
        &mut self,
        severity: Severity,
        line: u32,
        reason: Reason,
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

    /// A chunk that is no YAML: broken, or part of a file that is meant for another program.
    fn unparsed(&mut self, chunk: yaml::Chunk<'_>, error: &YamlError) {
        match foreign::judge_unparsed(self.file, chunk.text) {
            Some((foreign, line)) => {
                let line = chunk.first_line.saturating_add(line.saturating_sub(1));
                self.skipped.get_or_insert_with(|| (foreign, line, error.clone()));
            }
            None => self.unreadable(
                error.line,
                reason!("InvalidYaml"),
                format!("{}.", error.kind),
                "Correct this document.",
            ),
        }
    }

    fn finish(mut self) -> Manifest {
        let foreign = std::mem::take(&mut self.foreign);
        match (self.skipped.take(), foreign.first()) {
            (Some((foreign, line, error)), _)
                if foreign == Foreign::Template || self.objects == 0 =>
            {
                self.manifest = Manifest::default();
                self.surplus = 0;
                self.skip(foreign, line, Some(&error));
            }
            (Some((_, _, error)), _) => {
                let message = format!("{}.", error.kind);
                self.unreadable(
                    error.line,
                    reason!("InvalidYaml"),
                    message,
                    "Correct this document.",
                );
            }
            (None, Some((foreign, line)))
                if self.objects == 0 && self.manifest.problems.is_empty() =>
            {
                self.skip(*foreign, *line, None);
            }
            (None, _) => {
                for (_, line) in &foreign {
                    self.not_an_object(*line, "Add both fields.");
                }
            }
        }
        if self.surplus > 0 {
            self.manifest.problems.push(Arc::new(Problem {
                object: None,
                position: Some(SourcePosition { file: Arc::clone(self.file), line: 1 }),
                field: String::new(),
                severity: Severity::Error,
                reason: MORE_PROBLEMS,
                message: format!("{} more problems are not listed.", self.surplus),
                advice: "Correct the listed ones first.".into(),
            }));
        }
        self.manifest
    }

    /// Nothing of the file is read.
    fn skip(&mut self, foreign: Foreign, line: u32, error: Option<&YamlError>) {
        self.manifest.has_unreadable = true;
        let why = error.map(|YamlError { line, kind }| format!(" (line {line}: {kind})"));
        let message = format!("skipped: {}{}.", foreign.what(), why.unwrap_or_default());
        self.file_problem(Severity::Note, line, SKIPPED, message, foreign.advice());
    }

    /// A document of the file, not of a list in it.
    fn root(&mut self, document: Document) {
        if document.value.is_null() {
            return;
        }
        match foreign::judge(self.file, &document.value) {
            Some(foreign) => self.foreign.push((foreign, document.positions.line())),
            None => self.document(document),
        }
    }

    fn document(&mut self, document: Document) {
        let Document { value, positions } = document;
        if value.is_null() {
            return;
        }
        self.objects = self.objects.saturating_add(1);
        let text = |name| value.get(name).and_then(Value::as_str).filter(|s: &&str| !s.is_empty());
        let (Some(kind), Some(version)) = (text("kind"), text("apiVersion")) else {
            let advice = missing_identity(&value);
            return self.not_an_object(positions.line(), &advice);
        };
        if let Some(item_kind) = kind.strip_suffix("List") {
            let is_ours =
                item_kind.is_empty() || matches!(kinds::named(item_kind, version), Named::Known(_));
            match value.get("items") {
                Some(Value::Array(_)) => {
                    let (item_kind, version) = (item_kind.to_owned(), version.to_owned());
                    return self.list(value, positions, &item_kind, &version);
                }
                Some(items) if is_ours && !items.is_null() => {
                    let line = positions.line_of("items");
                    let message = format!("{}: items: no list stands there.", cut(kind));
                    let advice = "Begin each object with \"- \", below items.";
                    return self.unreadable(line, reason!("InvalidField"), message, advice);
                }
                _ => {}
            }
        }
        match kinds::named(kind, version) {
            Named::Known(known) => self.object(known, &value, positions),
            Named::Old(known) => self.old_version(known, version, &value, positions),
            Named::Slip(known) => self.slip(known, (kind, version), &value, positions),
            Named::Other => self.other(kind, version, &value, &positions),
        }
    }

    fn not_an_object(&mut self, line: u32, advice: &str) {
        let message = "a document must be one object with apiVersion and kind.".to_owned();
        self.unreadable(line, reason!("NotAnObject"), message, advice);
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

    fn other(&mut self, kind: &str, version: &str, value: &Value, positions: &Positions) {
        let line = positions.line();
        if let Some(foreign) = foreign::by_kind(version) {
            self.objects = self.objects.saturating_sub(1);
            return self.foreign.push((foreign, line));
        }
        self.manifest.promised.extend(sealed::promised(kind, version, value));
        let position = SourcePosition { file: Arc::clone(self.file), line };
        self.manifest.workloads.extend(workload::read(kind, version, value, position));
        tracing::debug!(file = %self.file, line, kind, version, "kind not read");
    }

    fn old_version(
        &mut self,
        known: &KindInfo,
        version: &str,
        value: &Value,
        positions: Positions,
    ) {
        let message = format!("{} of {version} is gone from Kubernetes and not read.", known.kind);
        let fields = match known.kind {
            Kind::Ingress => {
                ": each path needs a pathType, and backend: {service: {name: NAME, port: {number: \
                 PORT}}} takes the place of serviceName and servicePort"
            }
            _ => " and its fields",
        };
        let advice = format!("Write apiVersion: {}{fields}.", known.api_version);
        self.lost(known, value, positions, |_| Finding {
            reason: reason!("OldVersion"),
            field: "apiVersion".into(),
            message,
            advice,
        });
    }

    fn slip(
        &mut self,
        known: &KindInfo,
        (kind, version): (&str, &str),
        value: &Value,
        positions: Positions,
    ) {
        let KindInfo { kind: meant, api_version, .. } = known;
        let field = if kind == meant.name() { "apiVersion" } else { "kind" };
        let message = format!("there is no kind {} of {}.", cut(kind), cut(version));
        let advice =
            format!("Write kind: {meant} and apiVersion: {api_version}, if that is meant.");
        self.lost(known, value, positions, |_| Finding {
            reason: reason!("UnknownKind"),
            field: field.into(),
            message,
            advice,
        });
    }

    /// An object that cannot be used, whatever else it says.
    fn lost(
        &mut self,
        known: &KindInfo,
        value: &Value,
        positions: Positions,
        finding: impl FnOnce(&ObjectRef) -> Finding,
    ) {
        let provenance = Provenance { file: Arc::clone(self.file), positions: Arc::new(positions) };
        let Some(reference) = self.identify(known, value, &provenance) else { return };
        let mut report = Report::new(&reference, Some(&provenance));
        report.error(finding(&reference));
        report.finish().into_iter().for_each(|problem| self.problem(problem));
        self.manifest.broken.push(reference);
    }

    fn object(&mut self, known: &KindInfo, value: &Value, positions: Positions) {
        let unusable = match known.kind {
            Kind::Secret => sealed::encrypted(value),
            Kind::Ingress => unfilled(value),
            _ => None,
        };
        if let Some(finding) = unusable {
            let is_secret = known.kind == Kind::Secret;
            let promised = &mut Vec::new();
            self.lost(known, value, positions, |reference| {
                // It will be there, so that nobody has to miss it.
                promised.extend(is_secret.then(|| reference.clone()));
                finding
            });
            return self.manifest.promised.append(promised);
        }
        let provenance = Provenance { file: Arc::clone(self.file), positions: Arc::new(positions) };
        let Some(reference) = self.identify(known, value, &provenance) else { return };
        let mut report = Report::new(&reference, Some(&provenance));
        let decoded = decode::decode(known, value, &provenance.positions);
        let Some(Decoded { object, unknown_fields, unquoted }) = decoded else { return };
        unquoted.into_iter().for_each(|finding| report.error(finding));
        let object = object.and_then(|object| match old_fields(known, &unknown_fields) {
            Some(finding) => Err(finding),
            None => Ok(object),
        });
        match object {
            Ok(object) => {
                unknown_fields.into_iter().for_each(|field| report.warning(unknown_field(field)));
                report.finish().into_iter().for_each(|problem| self.problem(problem));
                let provenance = Some(provenance.clone());
                self.manifest.objects.push(SourceObject { reference, object, provenance });
            }
            Err(finding) => {
                report.error(finding);
                report.finish().into_iter().for_each(|problem| self.problem(problem));
                self.manifest.broken.push(reference);
            }
        }
    }

    /// Name and namespace, which everything else hangs on, before any other field is looked at.
    fn identify(
        &mut self,
        known: &KindInfo,
        value: &Value,
        provenance: &Provenance,
    ) -> Option<ObjectRef> {
        let text = |pointer| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let name = text("/metadata/name");
        let namespace = match (known.scope, text("/metadata/namespace")) {
            (KindScope::Cluster, _) => "",
            (KindScope::Namespaced, "") => "default",
            (KindScope::Namespaced, namespace) => namespace,
        };
        const NAMES: &str = "Names are lower-case letters, digits, '-' and '.', such as my-app.";
        let wrong = |field, text: &str, what: &str| match placeholder::find(text) {
            Some(found) => {
                let message = format!("the placeholder {} was not filled in.", cut(found));
                (field, reason!("InvalidName"), message, FILL_IN)
            }
            None => {
                let message = format!("{:?} is not a possible {what}.", cut(text));
                (field, reason!("InvalidName"), message, NAMES)
            }
        };
        let found = value.pointer("/metadata/name").filter(|n| !n.is_null() && !n.is_string());
        let (field, reason, message, advice) = if let (Some(_), "") = (found, name) {
            let message = "the name is no text.".to_owned();
            ("metadata.name", reason!("InvalidName"), message, "Put it in quotes.")
        } else if name.is_empty() && value.pointer("/metadata/generateName").is_some() {
            let message = "the object has a generateName, which only an API server can use.";
            (
                "metadata.generateName",
                reason!("MissingName"),
                message.to_owned(),
                "Write metadata.name.",
            )
        } else if name.is_empty() {
            ("metadata.name", reason!("MissingName"), "the object has no name.".to_owned(), NAMES)
        } else if !is_dns_subdomain(name) {
            wrong("metadata.name", name, "name")
        } else if known.scope == KindScope::Namespaced && !is_dns_label(namespace) {
            wrong("metadata.namespace", namespace, "namespace")
        } else {
            let (namespace, name) = (namespace.into(), name.into());
            return Some(ObjectRef { kind: known.kind, namespace, name });
        };
        let line = provenance.position(field).line;
        let message = format!("{}: {field}: {message}", known.kind);
        self.unreadable(line, reason, message, advice);
        None
    }
}

fn unknown_field(field: String) -> Finding {
    Finding {
        reason: reason!("UnknownField"),
        message: "this field does not exist and has no effect.".into(),
        advice: "Look for a slip in its name or its indentation.".into(),
        field,
    }
}

/// Fields that Ingress had before `networking.k8s.io/v1`: one finding for all of them, because the
/// gaps that they leave would be many more.
fn old_fields(known: &KindInfo, unknown: &[String]) -> Option<Finding> {
    let is_old = |field: &&String| {
        let is_backend = field.ends_with(".serviceName") || field.ends_with(".servicePort");
        is_backend || ["spec.backend", "serviceName", "servicePort"].contains(&&***field)
    };
    let first = unknown.iter().find(is_old).filter(|_| known.kind == Kind::Ingress)?;
    Some(Finding {
        reason: reason!("OldFields"),
        field: first.clone(),
        message: "this is a field of networking.k8s.io/v1beta1, which networking.k8s.io/v1 does \
                  not have."
            .into(),
        advice: "Write backend: {service: {name: NAME, port: {number: PORT}}} in place of \
                 serviceName and servicePort, everywhere (spec.defaultBackend in place of \
                 spec.backend), and a pathType for each path."
            .into(),
    })
}

/// What a template left open in the `spec` of an Ingress: one finding, for the first.
fn unfilled(ingress: &Value) -> Option<Finding> {
    let mut found = Vec::new();
    collect_unfilled(ingress.get("spec")?, "spec", &mut found);
    let mut found = found.into_iter();
    let (field, placeholder) = found.next()?;
    let others = match found.count() {
        0 => String::new(),
        1 => " Another field holds one, too.".into(),
        more => format!(" {more} other fields hold some, too."),
    };
    let message = format!("the placeholder {} was not filled in.{others}", cut(placeholder));
    Some(Finding { reason: reason!("Placeholder"), field, message, advice: FILL_IN.into() })
}

/// Recursion ends with the nesting that [`yaml`] allows.
fn collect_unfilled<'a>(value: &'a Value, field: &str, found: &mut Vec<(String, &'a str)>) {
    match value {
        Value::String(text) => {
            let is_path = field.ends_with(".path");
            let find = if is_path { placeholder::find_in_path } else { placeholder::find };
            found.extend(find(text).map(|placeholder| (field.to_owned(), placeholder)));
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| {
            collect_unfilled(item, &format!("{field}[{index}]"), found);
        }),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            collect_unfilled(value, &decode::join(field, name), found);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What to do about a document that lacks what says what it is.
fn missing_identity(document: &Value) -> String {
    if document.is_array() {
        return "Write kind: List and apiVersion: v1, and the objects below items.".into();
    }
    let fields = document.as_object();
    let slip = |wanted: &str| {
        let mut keys = fields.into_iter().flatten().map(|(key, _)| key);
        keys.find(|key| key.eq_ignore_ascii_case(wanted) && *key != wanted).cloned()
    };
    let is_there = |name| document.get(name).is_some_and(|value| !value.is_null());
    for name in ["apiVersion", "kind"] {
        if let Some(slip) = slip(name) {
            return format!("Write {name} in place of {slip}.");
        }
        if is_there(name) && document.get(name).and_then(Value::as_str).is_none() {
            return format!("Write a text as its {name}.");
        }
    }
    match (is_there("apiVersion"), is_there("kind")) {
        (true, false) => "Add kind.".into(),
        (false, true) => "Add apiVersion.".into(),
        _ => "Add both fields.".into(),
    }
}

/// RFC 1123 subdomain, as Kubernetes checks `metadata.name`.
pub(crate) fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label_of_any_length)
}

/// RFC 1123 label, as Kubernetes checks `metadata.namespace`.
pub(crate) fn is_dns_label(text: &str) -> bool {
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
