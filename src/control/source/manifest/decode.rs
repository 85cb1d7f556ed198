//! A document of a known kind → its object, and what is wrong in words of YAML and Kubernetes.
//! Numbers and truth values where texts belong, which forgotten quotes make, are read as they are
//! written.
//!
//! Values of Secrets never get into a message.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use crate::control::kinds::KindInfo;
use crate::control::source::object::{ForType, Object, Stored, for_type};
use crate::control::source::placeholder::{self, FILL_IN};
use crate::control::source::report::Finding;
use crate::control::source::yaml::Positions;
use crate::limits::{PROBLEMS_PER_OBJECT_MAX, VALUE_SHOWN_CHARACTERS_MAX};
use crate::model::reason;

/// What a document came to.
pub(super) struct Decoded {
    /// The object, or why there is none.
    pub object: Result<Object, Finding>,
    pub unknown_fields: Vec<String>,
    /// What was read as text, which an API server would refuse.
    pub unquoted: Vec<Finding>,
}

/// Decodes as an API server does, strictly but for forgotten quotes; `None`: the store holds no
/// such kind.
pub(super) fn decode(known: &KindInfo, value: &Value, positions: &Positions) -> Option<Decoded> {
    let joined = (!known.base64.is_empty()).then(|| joined(value, known.base64));
    let mut value = Cow::Borrowed(joined.as_ref().unwrap_or(value));
    let mut unquoted = Vec::new();
    loop {
        let Attempt { decoded, number } = for_type(known.kind, Decode(&value))?;
        let text = number.as_ref().and_then(|path| positions.text_of(&tracked_path(path)));
        let place = number.as_ref().zip(text).filter(|_| unquoted.len() < PROBLEMS_PER_OBJECT_MAX);
        let Some((path, text)) = place else { return Some(Decoded { unquoted, ..decoded }) };
        let Err(finding) = decoded.object else { return Some(decoded) };
        unquoted.push(read_as_text(&value, finding, text));
        if let Some(place) = at_mut(value.to_mut(), path) {
            *place = Value::String(text.to_owned());
        }
    }
}

fn read_as_text(root: &Value, finding: Finding, text: &str) -> Finding {
    let privacy = Privacy::of(root, &finding.field);
    let shown = match privacy {
        Privacy::Secret => "text".to_owned(),
        Privacy::Open => format!("{:?}", cut(text)),
    };
    let message = finding.message.trim_end_matches('.');
    let message = format!("{message}; it is read as {shown}, and an API server refuses it.");
    let advice = match privacy {
        Privacy::Secret => finding.advice,
        Privacy::Open => quote(text),
    };
    Finding { message, advice, ..finding }
}

/// What one reading came to.
struct Attempt {
    decoded: Decoded,
    /// Where a number or a truth value stands in the place of a text.
    number: Option<serde_path_to_error::Path>,
}

struct Decode<'a>(&'a Value);

impl ForType for Decode<'_> {
    type Output = Attempt;

    fn run<K: Stored>(self) -> Attempt {
        decode_as::<K>(self.0)
    }
}

fn decode_as<K: Stored>(value: &Value) -> Attempt {
    let mut unknown_fields = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(value, &mut track);
    let result = serde_ignored::deserialize(tracked, |path| {
        // The surplus is counted by the report; this only bounds what is kept until then.
        if unknown_fields.len() < PROBLEMS_PER_OBJECT_MAX.saturating_mul(2) {
            unknown_fields.push(ignored_path(&path));
        }
    });
    let mut number = None;
    let object = result.map(|object: K| K::wrap(Arc::new(object))).map_err(|error| {
        let (path, error) = (track.path(), error.to_string());
        let found = at(value, &path);
        let finding = explain(value, found, tracked_path(&path), &error);
        let is_unquoted = matches!(found, Some(Value::Number(_) | Value::Bool(_)));
        number = Some(path).filter(|_| is_unquoted && Wanted::of(&error) == Wanted::Text);
        finding
    });
    Attempt { decoded: Decoded { object, unknown_fields, unquoted: Vec::new() }, number }
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

fn at<'a>(value: &'a Value, path: &serde_path_to_error::Path) -> Option<&'a Value> {
    use serde_path_to_error::Segment;
    path.iter().try_fold(value, |value, segment| match segment {
        Segment::Seq { index } => value.get(*index),
        Segment::Map { key } => value.get(key),
        Segment::Enum { .. } | Segment::Unknown => None,
    })
}

fn at_mut<'a>(value: &'a mut Value, path: &serde_path_to_error::Path) -> Option<&'a mut Value> {
    use serde_path_to_error::Segment;
    path.iter().try_fold(value, |value, segment| match segment {
        Segment::Seq { index } => value.get_mut(*index),
        Segment::Map { key } => value.get_mut(key),
        Segment::Enum { .. } | Segment::Unknown => None,
    })
}

/// What a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Text,
    Base64,
    WholeNumber,
    Truth,
    List,
    Mapping,
    NumberOrText,
    /// None of these; the decoder's words have to do.
    Other,
}

impl Wanted {
    /// From what serde says was expected: names of Rust types, or phrases of its own.
    fn of(error: &str) -> Self {
        let expected = error.rsplit_once("expected ").map_or("", |(_, expected)| expected);
        let word = expected.split(" at line").next().unwrap_or_default();
        match word {
            "a string" | "a borrowed string" => Self::Text,
            "a base64-encoded string" => Self::Base64,
            "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" => Self::WholeNumber,
            "a boolean" => Self::Truth,
            "a sequence" => Self::List,
            "a map" => Self::Mapping,
            "IntOrString" => Self::NumberOrText,
            word if word.starts_with("struct ") => Self::Mapping,
            word if word.starts_with(|c: char| c.is_ascii_uppercase())
                && word.bytes().all(|b| b.is_ascii_alphanumeric()) =>
            {
                Self::Mapping
            }
            _ => Self::Other,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Base64 => "a text in base64",
            Self::WholeNumber => "a whole number",
            Self::Truth => "true or false",
            Self::List => "a list",
            Self::Mapping => "a mapping (fields with values)",
            Self::NumberOrText => "a whole number or a text",
            Self::Other => "something else",
        }
    }
}

/// Whether a value may be told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Privacy {
    Open,
    /// A value of a Secret.
    Secret,
}

impl Privacy {
    fn of(root: &Value, field: &str) -> Self {
        let is_secret = root.get("kind").and_then(Value::as_str) == Some("Secret")
            && (field.starts_with("data") || field.starts_with("stringData"));
        if is_secret { Self::Secret } else { Self::Open }
    }
}

fn explain(root: &Value, value: Option<&Value>, field: String, error: &str) -> Finding {
    let privacy = Privacy::of(root, &field);
    let wanted = Wanted::of(error);
    let text = value.and_then(Value::as_str);
    let reason = reason!("InvalidField");
    // A placeholder is all there is to such a value, so that nothing else is told of a Secret.
    if let Some(found) = text.and_then(placeholder::find)
        && (privacy == Privacy::Open || text.map(str::trim) == Some(found))
    {
        let message = format!("the placeholder {} was not filled in.", cut(found));
        return Finding { reason, field, message, advice: FILL_IN.into() };
    }
    let is_secret = privacy == Privacy::Secret;
    if text.is_some() && (wanted == Wanted::Base64 || wanted == Wanted::Other && is_secret) {
        let advice = "Encode it (base64 -w0 FILE), or write it as it is below stringData.";
        return Finding {
            reason: reason!("InvalidBase64"),
            field,
            message: "the value is not base64.".into(),
            advice: advice.into(),
        };
    }
    let found = value.map_or_else(|| "what stands here".to_owned(), |v| describe(v, privacy));
    let message = match wanted {
        Wanted::Other => format!("{found} cannot be used here."),
        wanted => format!("{found} stands where {} is wanted.", wanted.name()),
    };
    let advice = value.map_or_else(|| "Correct it.".to_owned(), |v| advice(&field, v, wanted));
    Finding { reason, field, message, advice }
}

fn describe(value: &Value, privacy: Privacy) -> String {
    match (value, privacy) {
        (Value::Null, _) => "nothing".into(),
        (Value::Bool(_) | Value::Number(_), Privacy::Secret) => "a value without quotes".into(),
        (Value::String(_), Privacy::Secret) => "a text".into(),
        (Value::Bool(truth), Privacy::Open) => truth.to_string(),
        (Value::Number(number), Privacy::Open) => format!("the number {number}"),
        (Value::String(text), Privacy::Open) => format!("the text {:?}", cut(text)),
        (Value::Array(_), _) => "a list".into(),
        (Value::Object(_), _) => "a mapping".into(),
    }
}

fn advice(field: &str, value: &Value, wanted: Wanted) -> String {
    let name = field.rsplit('.').next().unwrap_or(field);
    let shown = match value {
        Value::String(text) => cut(text),
        other => cut(&other.to_string()),
    };
    match (wanted, value) {
        (Wanted::Text | Wanted::NumberOrText, Value::Bool(_) | Value::Number(_))
            if !field.starts_with("data") && !field.starts_with("stringData") =>
        {
            quote(&shown)
        }
        (Wanted::Text | Wanted::Base64, Value::Bool(_) | Value::Number(_)) => {
            "Put it in quotes.".into()
        }
        (Wanted::Text, Value::Null) => "Write a text, or \"\" for an empty one.".into(),
        (Wanted::WholeNumber, Value::String(text)) if text.parse::<i64>().is_ok() => {
            format!("Write it without quotes: {shown}.")
        }
        (Wanted::WholeNumber, Value::String(_)) if field.ends_with(".port.number") => {
            format!("Write name: {shown} instead, or the number of the port.")
        }
        (Wanted::WholeNumber, Value::Number(_)) => "Write a number without a fraction, below \
                                                    2147483648."
            .into(),
        (Wanted::Truth, Value::String(text)) if matches!(&**text, "true" | "false") => {
            format!("Write it without quotes: {shown}.")
        }
        (Wanted::Mapping, Value::Number(_)) if name == "port" => {
            format!("Write {name}: {{number: {shown}}}.")
        }
        (Wanted::Mapping, Value::String(_)) if name == "port" => {
            format!("Write {name}: {{name: {shown}}}.")
        }
        (Wanted::Mapping, Value::String(_)) if name == "service" => {
            format!("Write {name}: {{name: {shown}, port: {{number: 80}}}}.")
        }
        (Wanted::List, _) => "Begin each element with \"- \", below the name of the field.".into(),
        (Wanted::Mapping, Value::Array(_)) => "Remove the \"- \" of its elements.".into(),
        (_, Value::Null) => "Write a value, or remove the field.".into(),
        _ => "Correct it.".into(),
    }
}

fn quote(shown: &str) -> String {
    format!("Put it in quotes: \"{}\".", cut(shown))
}

/// The beginning of a text that may be of any length.
pub(super) fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(VALUE_SHOWN_CHARACTERS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
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

pub(super) fn join(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}
