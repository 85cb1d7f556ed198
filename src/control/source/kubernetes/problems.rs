//! What stands in the way of the watches → problems of the source, each said once and in words.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::failure::Failure;
use super::named::Named;
use super::stream::Stream;
use super::watch::Verb;
use crate::control::kinds::{KindInfo, Need, Reading, info};
use crate::limits::{KUBERNETES_MINOR_LEAST, NAMED_REFRESH, NAMESPACES_SHOWN_MAX};
use crate::model::{Kind, Problem, Reason, Severity, reason};

/// Who needs the rights.
const ACCOUNT: &str = "the service account of Ringway";

/// What is wrong with the server as a whole: one problem, in the words of the first watch that met
/// it, for as long as any meets it.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    unreachable: Option<String>,
    unauthorized: Option<String>,
    refused: Option<String>,
}

/// All present problems, in a fixed order.
pub(super) fn of(streams: &[Stream], named: &Named, trouble: &mut Trouble) -> Vec<Arc<Problem>> {
    let mut problems = Vec::new();
    let failures = || {
        let of_streams = streams.iter().filter_map(|stream| stream.failure.as_ref());
        of_streams.map(|(_, failure)| failure).chain(named.failures().map(|(_, f)| f))
    };
    keep(
        &mut trouble.unreachable,
        failures().filter_map(|failure| match failure {
            Failure::Unreachable(text) => Some(text),
            _ => None,
        }),
    );
    keep(
        &mut trouble.unauthorized,
        failures().filter_map(|failure| match failure {
            Failure::Unauthorized(text) => Some(text),
            _ => None,
        }),
    );
    keep(
        &mut trouble.refused,
        failures().filter_map(|failure| match failure {
            Failure::Refused(text, _) | Failure::Busy(text, _) => Some(text),
            _ => None,
        }),
    );
    if let Some(text) = &trouble.unreachable {
        problems.push(problem(
            Severity::Error,
            reason!("ApiServerUnreachable"),
            format!("the API server cannot be reached: {text}. What is served stays as it was."),
            "See whether it runs and whether the network and its policies let us reach it.",
        ));
    }
    if let Some(text) = &trouble.unauthorized {
        problems.push(problem(
            Severity::Error,
            reason!("Unauthorized"),
            format!(
                "the API server does not know who we are: {text}. What is served stays as it was."
            ),
            "See whether the token of the service account, or the kubeconfig, is still valid.",
        ));
    }
    if let Some(text) = &trouble.refused {
        problems.push(problem(
            Severity::Error,
            reason!("ApiServerError"),
            format!("the API server cannot answer: {text}. What is served stays as it was."),
            "See its log.",
        ));
    }
    of_kinds(streams, &mut problems);
    of_named(named, &mut problems);
    problems.into_iter().map(Arc::new).collect()
}

/// The first text stays for as long as there is any.
fn keep<'a>(kept: &mut Option<String>, mut present: impl Iterator<Item = &'a String>) {
    let first = present.next();
    match first {
        Some(first) => _ = kept.get_or_insert_with(|| first.clone()),
        None => *kept = None,
    }
}

/// What is wrong with some kinds only.
fn of_kinds(streams: &[Stream], problems: &mut Vec<Problem>) {
    let mut places: BTreeMap<_, (Places, &String)> = BTreeMap::new();
    for stream in streams {
        let kind = (stream.extent.kind, stream.need);
        let found = match &stream.failure {
            Some((verb, Failure::Forbidden(text))) => {
                Some((reason!("Forbidden"), Some(*verb), text))
            }
            Some((_, Failure::NotServed(text))) => Some((reason!("NotServed"), None, text)),
            Some((_, Failure::Invalid(text))) => Some((reason!("InvalidSelector"), None, text)),
            Some((_, Failure::Unreadable(text))) => Some((reason!("UnreadableAnswer"), None, text)),
            _ => None,
        };
        let unreadable = match &stream.unreadable {
            Some(Failure::Unreadable(text)) => Some((reason!("UnreadableAnswer"), None, text)),
            _ => None,
        };
        for (reason, verb, text) in found.into_iter().chain(unreadable) {
            let (places, _) =
                places.entry((kind, reason, verb)).or_insert_with(|| (Places::default(), text));
            places.add(stream.extent.namespace.as_deref());
        }
    }
    for (((kind, need), reason, verb), (places, text)) in places {
        let info = info(kind);
        let (resource, effect) = (info.resource(), effect(info));
        let (message, advice) = match (reason.word(), verb) {
            ("Forbidden", verb) => {
                let verb = if verb == Some(Verb::Watch) { "watch" } else { "list" };
                (
                    format!("we may not {verb} {resource}{places}: {text}. {effect}"),
                    format!(
                        "Bind a role with the verbs get, list and watch on {resource} to {ACCOUNT}."
                    ),
                )
            }
            ("NotServed", _) => (
                format!("the API server does not serve {resource}{places}: {text}. {effect}"),
                format!("Run Kubernetes 1.{KUBERNETES_MINOR_LEAST} or later."),
            ),
            ("InvalidSelector", _) if kind == Kind::Namespace => (
                format!(
                    "--watch-namespace-selector is not understood: {text}. No namespace is \
                     selected."
                ),
                "Write it as kubectl's --selector takes it, such as team=web,tier!=test.".into(),
            ),
            ("InvalidSelector", _) => (
                format!("the API server refuses our question for {resource}{places}: {text}."),
                format!("Run Kubernetes 1.{KUBERNETES_MINOR_LEAST} or later."),
            ),
            _ => (
                format!("an answer about {resource}{places} cannot be read: {text}. {effect}"),
                "See whether something between us and the API server changes answers.".into(),
            ),
        };
        let severity = match need {
            Need::IfServed => Severity::Note,
            Need::Wanted | Need::Optional => Severity::Warning,
            Need::Required => Severity::Error,
        };
        problems.push(problem(severity, reason, message, &advice));
    }
}

fn of_named(named: &Named, problems: &mut Vec<Problem>) {
    let mut forbidden: BTreeMap<Kind, (Places, &String)> = BTreeMap::new();
    let mut unreadable: BTreeMap<Kind, &String> = BTreeMap::new();
    for (object, failure) in named.failures() {
        match failure {
            Failure::Forbidden(text) => {
                let new = || (Places::default(), text);
                let (places, _) = forbidden.entry(object.kind).or_insert_with(new);
                places.add(Some(&object.namespace));
            }
            Failure::Unreadable(text) | Failure::Invalid(text) | Failure::NotServed(text) => {
                unreadable.entry(object.kind).or_insert(text);
            }
            _ => {}
        }
    }
    for (kind, (places, text)) in forbidden {
        let info = info(kind);
        let (resource, unnamed) = (info.resource(), info.unnamed);
        problems.push(problem(
            Severity::Error,
            reason!("Forbidden"),
            format!("we may not get {resource}{places}: {text}. {unnamed}"),
            &format!("Bind a role with the verbs get, list and watch on {resource} to {ACCOUNT}."),
        ));
    }
    for (kind, text) in unreadable {
        problems.push(problem(
            Severity::Error,
            reason!("UnreadableAnswer"),
            format!("a {kind} cannot be read: {text}. What was read before stays in force."),
            "See whether something between us and the API server changes answers.",
        ));
    }
}

/// Where: nothing, or some namespaces.
#[derive(Default)]
struct Places(BTreeSet<String>);

impl Places {
    fn add(&mut self, namespace: Option<&str>) {
        self.0.extend(namespace.map(str::to_owned));
    }
}

impl std::fmt::Display for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(all) = self;
        let listed: Vec<_> = all.iter().take(NAMESPACES_SHOWN_MAX).map(String::as_str).collect();
        match all.len() {
            0 => return Ok(()),
            1 => f.write_str(" in the namespace ")?,
            _ => f.write_str(" in the namespaces ")?,
        }
        f.write_str(&listed.join(", "))?;
        match all.len().saturating_sub(listed.len()) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// What follows if a kind is not watched.
fn effect(info: &KindInfo) -> String {
    match info.reading {
        Reading::Named => format!(
            "Those that Ingresses name are read every {} s instead.",
            NAMED_REFRESH.as_secs()
        ),
        Reading::Whole | Reading::Nothing => info.unseen.into(),
    }
}

fn problem(severity: Severity, reason: Reason, message: String, advice: &str) -> Problem {
    Problem {
        object: None,
        position: None,
        field: String::new(),
        severity,
        reason,
        message,
        advice: advice.to_owned(),
    }
}
