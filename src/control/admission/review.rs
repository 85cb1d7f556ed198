//! AdmissionReview in, AdmissionReview out. Total on hostile bytes, and waits for nothing.
//!
//! Source: `admission.k8s.io/v1`, Kubernetes API reference, "Dynamic Admission Control".
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::fmt::Write as _;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::Ingress;
use serde::{Deserialize, Serialize};

use crate::limits::{
    ADMISSION_LINE_BYTES_MAX, ADMISSION_MESSAGE_BYTES_MAX, ADMISSION_VALUES_MAX,
    ADMISSION_WARNING_BYTES_MAX, ADMISSION_WARNINGS_BYTES_MAX,
};
use crate::model::{Kind, ObjectRef, Problem, Severity};

const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";
/// Stands for what was cut.
const CUT: &str = "…";

/// Why a body is no request.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// Neither JSON nor of the shape of a review.
    #[error("the body is not an AdmissionReview: {0}")]
    Shape(#[from] serde_json::Error),
    /// Another version, or another kind.
    #[error("{kind:?} of {api_version:?} is not an {KIND} of {API_VERSION}")]
    Version {
        /// As sent.
        api_version: String,
        /// As sent.
        kind: String,
    },
    /// A review that asks for nothing.
    #[error("the AdmissionReview has no request with a uid")]
    NoRequest,
}

/// A request that could be read.
#[derive(Debug)]
pub enum Asked {
    /// To be judged.
    Judge(Box<Question>),
    /// Let in without a judgement.
    Settled(Answer),
}

/// An Ingress that somebody wants to store.
#[derive(Debug)]
pub struct Question {
    uid: String,
    /// Its namespace and name.
    pub reference: ObjectRef,
    /// As it would be stored.
    pub ingress: Arc<Ingress>,
    /// It says what it said before. Who sets a label or takes a finalizer away is not at fault.
    is_same: bool,
}

/// What the API server is told.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    uid: String,
    /// Why it must not be stored; `None`: it may.
    pub refusal: Option<String>,
    /// For the author, in any case.
    pub warnings: Vec<String>,
}

/// What of a review decides whether its objects are looked at.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "apiVersion", default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    request: Option<HeadRequest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeadRequest {
    #[serde(default)]
    uid: String,
    kind: GroupVersionKind,
    sub_resource: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    operation: String,
}

#[derive(Deserialize)]
struct GroupVersionKind {
    #[serde(default)]
    group: String,
    version: String,
    kind: String,
}

#[derive(Deserialize)]
struct Body {
    request: BodyRequest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BodyRequest {
    object: Ingress,
    old_object: Option<Ingress>,
}

/// Reads a body.
///
/// # Errors
/// The caller is no API server, or its request was cut; it can only be told by HTTP.
pub fn read(body: &[u8]) -> Result<Asked, Malformed> {
    let Head { api_version, kind, request } = serde_json::from_slice(body)?;
    if api_version != API_VERSION || kind != KIND {
        return Err(Malformed::Version { api_version, kind });
    }
    let head = request.filter(|request| !request.uid.is_empty()).ok_or(Malformed::NoRequest)?;
    let HeadRequest { uid, kind: asked, sub_resource, name, namespace, operation } = head;
    if !matches!(operation.as_str(), "CREATE" | "UPDATE")
        || sub_resource.is_some_and(|s| !s.is_empty())
    {
        return Ok(Asked::Settled(Answer::allowed(uid, None)));
    }
    let GroupVersionKind { group, version, kind } = &asked;
    if (group.as_str(), version.as_str(), kind.as_str()) != ("networking.k8s.io", "v1", "Ingress") {
        let warning =
            format!("not judged: {kind:?} of {group:?} {version:?} is none of Ringway's.");
        return Ok(Asked::Settled(Answer::allowed(uid, Some(&warning))));
    }
    if values(body) > ADMISSION_VALUES_MAX {
        let warning = format!("not judged: it has more than {ADMISSION_VALUES_MAX} fields.");
        return Ok(Asked::Settled(Answer::allowed(uid, Some(&warning))));
    }
    let BodyRequest { object, old_object } = match serde_json::from_slice(body) {
        Ok(Body { request }) => request,
        // The API server knows the kind and took the object.
        Err(error) => {
            let warning = format!("not judged: the object cannot be read: {error}.");
            return Ok(Asked::Settled(Answer::allowed(uid, Some(&warning))));
        }
    };
    if object.metadata.deletion_timestamp.is_some() {
        return Ok(Asked::Settled(Answer::allowed(uid, None)));
    }
    let or = |own: &Option<String>, asked: String| own.clone().unwrap_or(asked).into();
    let reference = ObjectRef {
        kind: Kind::Ingress,
        namespace: or(&object.metadata.namespace, namespace),
        name: or(&object.metadata.name, name),
    };
    let is_same = old_object.is_some_and(|old| {
        old.spec == object.spec && old.metadata.annotations == object.metadata.annotations
    });
    let ingress = Arc::new(object);
    Ok(Asked::Judge(Box::new(Question { uid, reference, ingress, is_same })))
}

/// Fields and elements in a JSON text, about. An API server sends what it has validated; whoever
/// else asks may send `{}` by the million, each of which is 200 bytes in memory.
fn values(json: &[u8]) -> usize {
    let (mut count, mut is_text, mut is_escaped) = (0usize, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b'{' | b'[' | b',' if !is_text => count = count.saturating_add(1),
            _ => {}
        }
    }
    count
}

impl Question {
    /// What follows from the problems of the object.
    #[must_use]
    pub fn answer(self, problems: &[Arc<Problem>]) -> Answer {
        let is_error = |problem: &Problem| problem.severity == Severity::Error && !self.is_same;
        let (errors, others): (Vec<_>, Vec<_>) =
            problems.iter().map(|problem| &**problem).partition(|problem| is_error(problem));
        let refusal = (!errors.is_empty()).then(|| message(&errors));
        let mut warnings = Vec::new();
        let more = |number: usize| format!("{number} more problems are not listed.");
        let mut room = ADMISSION_WARNINGS_BYTES_MAX.saturating_sub(more(others.len()).len());
        for (nth, problem) in others.iter().enumerate() {
            let warning = line(problem, ADMISSION_WARNING_BYTES_MAX);
            let Some(rest) = room.checked_sub(warning.len()) else {
                warnings.push(more(others.len().saturating_sub(nth)));
                break;
            };
            room = rest;
            warnings.push(warning);
        }
        Answer { uid: self.uid, refusal, warnings }
    }

    /// Lets it in without a judgement.
    #[must_use]
    pub fn unjudged(self, why: &str) -> Answer {
        Answer::allowed(self.uid, Some(&format!("not judged: {why}.")))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    api_version: &'a str,
    kind: &'a str,
    response: Response<'a>,
}

#[derive(Serialize)]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
}

#[derive(Serialize)]
struct Status<'a> {
    status: &'a str,
    message: &'a str,
    reason: &'a str,
    code: u16,
}

impl Answer {
    fn allowed(uid: String, warning: Option<&str>) -> Self {
        let warnings = warning.map(|text| clean(text, ADMISSION_WARNING_BYTES_MAX));
        Self { uid, refusal: None, warnings: warnings.into_iter().collect() }
    }

    /// The review as JSON.
    ///
    /// # Errors
    /// None that text and numbers could bring about.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let status = self.refusal.as_deref().map(|message| Status {
            status: "Failure",
            message,
            reason: "Invalid",
            code: 422,
        });
        serde_json::to_vec(&Envelope {
            api_version: API_VERSION,
            kind: KIND,
            response: Response {
                uid: &self.uid,
                allowed: status.is_none(),
                status,
                warnings: &self.warnings,
            },
        })
    }
}

/// One problem a line.
fn message(errors: &[&Problem]) -> String {
    let mut message = String::new();
    for (nth, problem) in errors.iter().enumerate() {
        let line = line(problem, ADMISSION_LINE_BYTES_MAX);
        if message.len().saturating_add(line.len()) > ADMISSION_MESSAGE_BYTES_MAX {
            // Writing to a String cannot fail.
            let left = errors.len().saturating_sub(nth);
            _ = write!(message, "\n{left} more problems are not listed.");
            break;
        }
        if !message.is_empty() {
            message.push('\n');
        }
        message.push_str(&line);
    }
    message
}

/// What `ringway check` prints of a problem after the object, which the author has just named.
fn line(problem: &Problem, bytes: usize) -> String {
    let Problem { field, message, advice, .. } = problem;
    let field = if field.is_empty() { String::new() } else { format!("{field}: ") };
    let advice = if advice.is_empty() { String::new() } else { format!(" {advice}") };
    clean(&format!("{field}{message}{advice}"), bytes)
}

/// One line of text of at most so many bytes.
fn clean(text: &str, bytes: usize) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    if text.len() <= bytes {
        return text.chars().map(printable).collect();
    }
    let room = bytes.saturating_sub(CUT.len());
    let within = text.char_indices().take_while(|(at, c)| at.saturating_add(c.len_utf8()) <= room);
    let mut cut: String = within.map(|(_, c)| printable(c)).collect();
    cut.push_str(CUT);
    cut
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may fail")]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::model::reason;

    /// A request about an Ingress; `request` overrides its fields.
    fn body(request: &str) -> Vec<u8> {
        let object = r#"{"apiVersion":"networking.k8s.io/v1","kind":"Ingress",
            "metadata":{"name":"i","namespace":"ns"},"spec":{"rules":[]}}"#;
        let mut all: serde_json::Value = serde_json::from_str(&format!(
            r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{
                "uid":"u","kind":{{"group":"networking.k8s.io","version":"v1","kind":"Ingress"}},
                "operation":"CREATE","name":"i","namespace":"ns","object":{object}}}}}"#
        ))
        .unwrap();
        let fields: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(request).unwrap();
        for (name, value) in fields {
            all["request"][name] = value;
        }
        serde_json::to_vec(&all).unwrap()
    }

    fn question(request: &str) -> Question {
        match read(&body(request)) {
            Ok(Asked::Judge(question)) => *question,
            other => panic!("{other:?}"),
        }
    }

    fn settled(request: &str) -> Answer {
        match read(&body(request)) {
            Ok(Asked::Settled(answer)) => answer,
            other => panic!("{other:?}"),
        }
    }

    fn problem(severity: Severity, message: &str) -> Arc<Problem> {
        Arc::new(Problem {
            object: None,
            position: None,
            field: "spec".into(),
            severity,
            reason: reason!("MoreProblems"),
            message: message.into(),
            advice: "Do it.".into(),
        })
    }

    #[test]
    fn errors_refuse_and_warnings_do_not() {
        let question = question("{}");
        assert_eq!(question.reference.to_string(), "Ingress ns/i");
        let answer = question.answer(&[
            problem(Severity::Error, "one\nis wrong."),
            problem(Severity::Warning, "two is odd."),
            problem(Severity::Error, "three is wrong."),
        ]);
        assert_eq!(
            String::from_utf8(answer.to_json().unwrap()).unwrap(),
            r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u","#
                .to_owned()
                + r#""allowed":false,"status":{"status":"Failure","message":"#
                + r#""spec: one is wrong. Do it.\nspec: three is wrong. Do it.","#
                + r#""reason":"Invalid","code":422},"warnings":["spec: two is odd. Do it."]}}"#
        );
        let answer = self::question("{}").answer(&[]);
        assert_eq!(answer, Answer::allowed("u".into(), None));
    }

    #[test]
    fn a_body_that_would_fill_the_memory_is_not_unfolded() {
        let paths = |count: usize, path: &str| {
            let paths = vec![path; count].join(",");
            format!(r#"{{"object":{{"spec":{{"rules":[{{"http":{{"paths":[{paths}]}}}}]}}}}}}"#)
        };
        let path = r#"{"path":"/{,[\"","pathType":"Prefix","backend":{"service":{"name":"w",
            "port":{"number":80}}}}"#;
        assert_eq!(values(br#"{"a":"\\","b":["{","\"["]}"#), 4);
        assert_eq!(question(&paths(20_000, path)).reference.to_string(), "Ingress ns/i");
        let answer = settled(&paths(ADMISSION_VALUES_MAX, "{}"));
        assert!(answer.refusal.is_none() && answer.warnings[0].contains("more than"), "{answer:?}");
    }

    #[test]
    fn what_says_the_same_as_before_is_not_refused() {
        let old = |annotations: &str| {
            format!(
                r#"{{"operation":"UPDATE","oldObject":{{"apiVersion":"networking.k8s.io/v1",
                "kind":"Ingress","metadata":{{"name":"i","labels":{{"a":"b"}}{annotations}}},
                "spec":{{"rules":[]}}}}}}"#
            )
        };
        let errors = [problem(Severity::Error, "it is wrong.")];
        let same = question(&old("")).answer(&errors);
        assert_eq!((same.refusal, same.warnings.len()), (None, 1));
        let other = question(&old(r#","annotations":{"x":"y"}"#)).answer(&errors);
        assert!(other.refusal.is_some());
    }

    #[test]
    fn what_is_not_ours_to_judge_is_let_in() {
        for request in [
            r#"{"operation":"DELETE","object":null}"#,
            r#"{"operation":"CONNECT"}"#,
            r#"{"operation":"UPDATE","subResource":"status"}"#,
            r#"{"object":{"apiVersion":"networking.k8s.io/v1","kind":"Ingress",
                "metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"}}}"#,
        ] {
            assert_eq!(settled(request), Answer::allowed("u".into(), None), "{request}");
        }
        for request in [
            r#"{"kind":{"group":"apps","version":"v1","kind":"Deployment"}}"#,
            r#"{"kind":{"group":"networking.k8s.io","version":"v2","kind":"Ingress"}}"#,
            r#"{"object":null}"#,
            r#"{"object":{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","spec":7}}"#,
        ] {
            let answer = settled(request);
            assert_eq!((answer.refusal, answer.warnings.len()), (None, 1), "{request}");
        }
    }

    #[test]
    fn bodies_that_are_no_request() {
        for (body, is_expected) in [
            ("", (|e| matches!(e, Malformed::Shape(_))) as fn(&Malformed) -> bool),
            ("[[[[", |e| matches!(e, Malformed::Shape(_))),
            (r#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}"#, |e| {
                matches!(e, Malformed::Version { .. })
            }),
            (r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#, |e| {
                matches!(e, Malformed::NoRequest)
            }),
        ] {
            assert!(is_expected(&read(body.as_bytes()).unwrap_err()), "{body}");
        }
        assert!(matches!(read(&body(r#"{"uid":""}"#)), Err(Malformed::NoRequest)));
        // Deeper than any stack.
        let deep = format!("{{\"request\":{{\"x\":{}", "[".repeat(1_000_000));
        assert!(matches!(read(deep.as_bytes()), Err(Malformed::Shape(_))));
    }

    #[test]
    fn answers_are_bounded() {
        let long = "ü".repeat(3000);
        let many = |severity| vec![problem(severity, &long); 100];
        let answer = question("{}").answer(&many(Severity::Error));
        let message = answer.refusal.unwrap();
        assert!(message.len() <= ADMISSION_MESSAGE_BYTES_MAX + 40, "{}", message.len());
        assert!(message.ends_with("92 more problems are not listed."), "{}", message.len());
        let warnings = question("{}").answer(&many(Severity::Warning)).warnings;
        assert!(warnings.iter().all(|w| w.len() <= ADMISSION_WARNING_BYTES_MAX));
        assert!(warnings.iter().map(String::len).sum::<usize>() <= ADMISSION_WARNINGS_BYTES_MAX);
        assert_eq!((warnings.len(), &*warnings[15]), (16, "85 more problems are not listed."));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(read(&bytes));
        }

        /// Octets of a real request changed or cut.
        #[test]
        fn broken_requests_are_read_or_refused(
            changes in proptest::collection::vec((any::<Index>(), any::<u8>()), 0..4),
            end in any::<Index>(),
        ) {
            let mut bytes = body("{}");
            for (at, byte) in changes {
                *at.get_mut(&mut bytes) = byte;
            }
            if let Ok(Asked::Judge(question)) = read(&bytes) {
                question.answer(&[problem(Severity::Error, "x")]).to_json().unwrap();
            }
            drop(read(&bytes[..end.index(bytes.len())]));
        }

        #[test]
        fn texts_are_cut_between_characters(
            text in "\\PC{0,40}[\\x00-\\x1f]{0,3}",
            bytes in 3_usize..64,
        ) {
            let cut = clean(&text, bytes);
            prop_assert!(cut.len() <= bytes && !cut.contains(char::is_control));
            prop_assert!(text.len() > bytes || cut.len() == text.len());
        }
    }
}
