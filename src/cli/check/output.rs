//! Findings as programs read them: JSON, SARIF, and the commands of GitHub Actions.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::findings::Findings;
use crate::model::reason::page::Page;
use crate::model::{Problem, Reason, Severity};

/// How problems are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A line each, and one that counts them
    Text,
    /// One object
    Json,
    /// SARIF 2.1.0, which code scanning reads
    Sarif,
    /// Commands of GitHub Actions, which show problems at the lines of a change
    Github,
}

/// Prints all of them.
pub(super) fn print(findings: &Findings, format: Format, out: &mut impl Write) -> io::Result<()> {
    match format {
        Format::Text => {
            for problem in &findings.problems {
                writeln!(out, "{problem} [{}]", problem.reason.code())?;
            }
            writeln!(out, "{}", findings.summary())
        }
        Format::Json => writeln!(out, "{:#}", json(findings)),
        Format::Sarif => writeln!(out, "{:#}", sarif(findings)),
        Format::Github => {
            for problem in &findings.problems {
                writeln!(out, "{}", command(problem))?;
            }
            writeln!(out, "{}", findings.summary())
        }
    }
}

fn json(findings: &Findings) -> Value {
    json!({
        "files": findings.files,
        "files_skipped": findings.skipped,
        "objects": findings.objects,
        "ingresses_checked": findings.checked,
        "ingresses_not_checked": findings.unchecked,
        "problems": findings.problems.iter().map(|problem| object(problem)).collect::<Vec<_>>(),
    })
}

fn object(problem: &Problem) -> Value {
    let Problem { object, position, field, severity, reason, message, advice } = problem;
    let object = object.as_ref().map(|object| {
        json!({
            "kind": object.kind.name(),
            "namespace": *object.namespace,
            "name": *object.name,
        })
    });
    json!({
        "code": reason.code().to_string(),
        "reason": reason.word(),
        "severity": severity.to_string(),
        "object": object,
        "field": field,
        "file": position.as_ref().map(|position| &*position.file),
        "line": position.as_ref().map(|position| position.line),
        "message": message,
        "advice": advice,
    })
}

/// Source: OASIS SARIF 2.1.0, `sarifLog`. A rule is a reason.
fn sarif(findings: &Findings) -> Value {
    let mut reasons: Vec<Reason> = findings.problems.iter().map(|p| p.reason).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let place = |reason| reasons.binary_search(&reason).unwrap_or_default();
    let result = |problem: &Problem, location: Value| {
        json!({
            "ruleId": problem.reason.code().to_string(),
            "ruleIndex": place(problem.reason),
            "level": problem.severity.to_string(),
            "message": {"text": without_place(problem)},
            "locations": [location],
        })
    };
    let (mut results, mut notifications) = (Vec::new(), Vec::new());
    for problem in &findings.problems {
        match location(problem) {
            Some(location) => results.push(result(problem, location)),
            None => notifications.push(notification(problem, place(problem.reason))),
        }
    }
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "ringway",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": reasons.iter().map(|reason| rule(*reason)).collect::<Vec<_>>(),
            }},
            "invocations": [{
                "executionSuccessful": !findings.is_vacuous(),
                "toolConfigurationNotifications": notifications,
            }],
            "results": results,
        }],
    })
}

/// Source: SARIF 2.1.0, `notification`. What no file says is of the flags, and code scanning takes
/// no result without a place.
fn notification(problem: &Problem, rule: usize) -> Value {
    json!({
        "associatedRule": {"id": problem.reason.code().to_string(), "index": rule},
        "level": problem.severity.to_string(),
        "message": {"text": without_place(problem)},
    })
}

/// Source: SARIF 2.1.0, `reportingDescriptor`.
fn rule(reason: Reason) -> Value {
    let Page { word, title, meaning, remedy, severities, .. } = reason.page();
    let worst = severities.iter().max().map(ToString::to_string);
    json!({
        "id": reason.code().to_string(),
        "name": word,
        "shortDescription": {"text": format!("{title}.")},
        "fullDescription": {"text": meaning},
        "help": {"text": remedy},
        "defaultConfiguration": {"level": worst.unwrap_or_else(|| "none".into())},
    })
}

/// Source: SARIF 2.1.0, `location`. What has no file has no place that a viewer could show.
fn location(problem: &Problem) -> Option<Value> {
    let position = problem.position.as_ref()?;
    let mut location = json!({"physicalLocation": {
        "artifactLocation": {"uri": uri(&position.file)},
        "region": {"startLine": position.line.max(1)},
    }});
    if let Some(object) = &problem.object {
        let name = format!("{object} {}", problem.field);
        location["logicalLocations"] = json!([{"fullyQualifiedName": name.trim_end()}]);
    }
    Some(location)
}

/// A path as a reference that is relative to the folder in which it was named.
///
/// Source: RFC 3986, sections 2.3 and 4.2.
fn uri(path: &str) -> String {
    let mut uri = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(byte)),
            byte => _ = write!(uri, "%{byte:02X}"),
        }
    }
    uri
}

/// What a problem says besides its place and severity.
fn without_place(problem: &Problem) -> String {
    let Problem { object, field, message, advice, .. } = problem;
    let object = object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
    let field = if field.is_empty() { String::new() } else { format!("{field}: ") };
    format!("{object}{field}{message} {advice}").trim_end().to_owned()
}

/// Source: GitHub Actions, "Workflow commands": what is escaped in values, and in properties.
fn command(problem: &Problem) -> String {
    let level = match problem.severity {
        Severity::Note => "notice",
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let value = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| value(text).replace(':', "%3A").replace(',', "%2C");
    let place = problem.position.as_ref().map(|position| {
        format!("file={},line={},", property(&position.file), position.line.max(1))
    });
    let (place, reason) = (place.unwrap_or_default(), problem.reason);
    let title = format!("{} {reason}", reason.code());
    format!("::{level} {place}title={title}::{}", value(&without_place(problem)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kind, ObjectRef, SourcePosition, reason};

    fn problem(file: &str, message: &str) -> Problem {
        Problem {
            object: Some(ObjectRef {
                kind: Kind::Ingress,
                namespace: "a".into(),
                name: "b".into(),
            }),
            position: Some(SourcePosition { file: file.into(), line: 7 }),
            field: "spec".into(),
            severity: Severity::Warning,
            reason: reason!("ServiceMissing"),
            message: message.into(),
            advice: "Do.".into(),
        }
    }

    #[test]
    fn commands_of_github_are_escaped() {
        let bare = Problem {
            object: None,
            position: None,
            field: String::new(),
            severity: Severity::Note,
            advice: String::new(),
            ..problem("", "m.")
        };
        for (problem, expected) in [
            (
                problem("a.yaml", "m."),
                "::warning file=a.yaml,line=7,title=RW1301 ServiceMissing::Ingress a/b: spec: \
                    m. Do.",
            ),
            (
                problem("a:b,c%d\n.yaml", "100%\r\n::error::x"),
                "::warning file=a%3Ab%2Cc%25d%0A.yaml,line=7,title=RW1301 \
                 ServiceMissing::Ingress a/b: spec: 100%25%0D%0A::error::x Do.",
            ),
            (bare, "::notice title=RW1301 ServiceMissing::m."),
        ] {
            assert_eq!(command(&problem), expected);
        }
    }

    #[test]
    fn paths_are_references() {
        for (path, expected) in [
            ("deploy/a.yaml", "deploy/a.yaml"),
            ("a b/c:d%.yaml", "a%20b/c%3Ad%25.yaml"),
            ("/a/b.yaml", "file:///a/b.yaml"),
            ("<stdin>", "%3Cstdin%3E"),
            ("ä", "%C3%A4"),
        ] {
            assert_eq!(uri(path), expected);
        }
    }
}
