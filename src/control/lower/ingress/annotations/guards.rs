//! Annotations that keep clients out and are not supported yet → what must not be served.
//!
//! INVARIANT: a guard that is on and that nothing here sets up closes its rules. What cannot be
//! read counts as on.

use std::collections::{BTreeMap, BTreeSet};

use super::snippet::{self, Verdict};
use super::table::{self, Annotation, Guard, Scope, Support};
use super::{DIALECT, Texts, field_of};
use crate::control::source::report::{Finding, Report};

/// What of an Ingress is closed, and of its hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Guards {
    /// The rules of the Ingress are.
    pub is_closed: bool,
    /// Annotations that it sets for all of its hosts, by the name they have in the table.
    set: BTreeSet<&'static str>,
    /// Those of them that close the hosts, as they are written.
    closing: BTreeMap<&'static str, String>,
}

impl Guards {
    /// These and those of a newer version that is not in force.
    pub(crate) fn with(&self, newer: &Self) -> Self {
        let mut both = self.clone();
        both.is_closed |= newer.is_closed;
        both.set.extend(&newer.set);
        both.closing.extend(newer.closing.clone());
        both
    }

    /// The same, and the rules are closed.
    pub(crate) fn close(self) -> Self {
        Self { is_closed: true, ..self }
    }

    /// Whether it sets the annotation that `key` is, for its hosts.
    pub(crate) fn decides(&self, key: &str) -> bool {
        key.strip_prefix(DIALECT).is_some_and(|name| self.set.contains(name))
    }
}

/// The annotation that closes a host and the claimant whose it is. `claimants` are those with
/// rules for the host, the oldest first: of those that set an annotation the first decides, as in
/// ingress-nginx.
pub(crate) fn closing<'a, T>(
    claimants: impl Iterator<Item = (T, &'a Guards)>,
) -> Option<(T, &'a str)> {
    let mut decided: BTreeSet<&str> = BTreeSet::new();
    for (claimant, guards) in claimants {
        let first = guards.closing.iter().find(|(name, _)| !decided.contains(**name));
        if let Some((_, annotation)) = first {
            return Some((claimant, annotation));
        }
        decided.extend(&guards.set);
    }
    None
}

/// Reads the annotations of an Ingress. Tells of each that has no effect.
pub(crate) fn parse(texts: Texts<'_>, report: &mut Report<'_>) -> Guards {
    let mut guards = Guards::default();
    for (key, value) in texts.0.into_iter().flatten() {
        let known = key.strip_prefix(DIALECT).and_then(table::find);
        match known {
            Some(known) => guards.known(known, key, value.trim(), report),
            None => guards.unknown(key, value.trim(), report),
        }
    }
    guards
}

impl Guards {
    fn known(
        &mut self,
        annotation: &'static Annotation,
        key: &str,
        value: &str,
        report: &mut Report<'_>,
    ) {
        if annotation.scope == Scope::Host && !value.is_empty() {
            self.set.insert(annotation.name);
        }
        match (annotation.support, annotation.guard) {
            (Support::Read, _) => {}
            (Support::Dropped, Guard::No) => report.warning(no_effect(
                key,
                "the annotation has no effect, nor has it in ingress-nginx any more.",
                "Remove it.",
            )),
            (_, Guard::No) => report.warning(no_effect(
                key,
                "the annotation is not supported yet and has no effect.",
                "Check whether the Ingress is right without it.",
            )),
            (_, guard) => match judge(guard, value) {
                Judgement::Off(None) => {}
                Judgement::Off(Some(why)) => {
                    report.warning(no_effect(key, why, "Check whether the Ingress is right so."));
                }
                Judgement::On(what) => {
                    self.close_for(annotation, key);
                    report.error(not_supported(annotation, key, &what));
                }
            },
        }
    }

    /// Nothing of ingress-nginx has this name. If it is a slip of a guard's, it is one.
    fn unknown(&mut self, key: &str, value: &str, report: &mut Report<'_>) {
        let name = key.strip_prefix(DIALECT);
        if let Some(meant) = table::slip(key)
            && let Judgement::On(_) = judge(meant.guard, value)
        {
            self.close_for(meant, key);
            report.error(slip(meant, key));
        } else if name.is_some_and(table::may_be_guard) && !value.is_empty() {
            self.is_closed = true;
            report.error(no_such_guard(key));
        } else if name.is_some() {
            report.warning(no_effect(
                key,
                "ingress-nginx has no such annotation; it has no effect.",
                "Correct its name, or remove it.",
            ));
        }
    }

    fn close_for(&mut self, annotation: &'static Annotation, key: &str) {
        self.is_closed = true;
        if annotation.scope == Scope::Host {
            self.set.insert(annotation.name);
            self.closing.insert(annotation.name, key.to_owned());
        }
    }
}

enum Judgement {
    /// Nobody is kept out. Perhaps something else is not done.
    Off(Option<&'static str>),
    /// What keeps clients out, as a part of a sentence.
    On(String),
}

fn judge(guard: Guard, value: &str) -> Judgement {
    match guard {
        Guard::No => Judgement::Off(None),
        _ if value.is_empty() => Judgement::Off(Some(
            "the annotation is empty and, as in ingress-nginx, protects nothing.",
        )),
        Guard::Unless(off) if off.is_off(value) => Judgement::Off(None),
        Guard::Unless(_) => Judgement::On("it protects the Ingress".into()),
        Guard::Snippet => match snippet::judge(value) {
            Verdict::Open => {
                Judgement::Off(Some("configuration text of nginx is not read; it has no effect."))
            }
            Verdict::Guards { directive, line } => {
                Judgement::On(format!("its line {line} ({directive}) may turn clients away"))
            }
            Verdict::Unreadable => {
                Judgement::On("it is not readable, so it may turn clients away".into())
            }
        },
    }
}

fn no_effect(key: &str, message: &str, advice: &str) -> Finding {
    Finding {
        reason: "AnnotationNotSupported",
        field: field_of(key),
        message: message.to_owned(),
        advice: advice.to_owned(),
    }
}

fn not_supported(annotation: &Annotation, key: &str, what: &str) -> Finding {
    let whose = match annotation.scope {
        Scope::Host => "to the hosts of the Ingress",
        Scope::Location | Scope::Backend => "to the Ingress",
    };
    Finding {
        reason: "GuardNotSupported",
        field: field_of(key),
        message: format!(
            "the annotation is not supported yet, and {what}: all requests {whose} get status 503."
        ),
        advice: "Remove it if everybody may come in; if not, leave the Ingress with a controller \
                 that supports it until this one does."
            .into(),
    }
}

fn slip(meant: &Annotation, key: &str) -> Finding {
    Finding {
        reason: "GuardNotSupported",
        field: field_of(key),
        message: format!(
            "there is no such annotation; did you mean {}, which protects the Ingress? Until it \
             is clear all requests to the Ingress get status 503.",
            meant.name
        ),
        advice: "Correct the name, or remove the annotation.".into(),
    }
}

fn no_such_guard(key: &str) -> Finding {
    Finding {
        reason: "GuardNotSupported",
        field: field_of(key),
        message: "there is no such annotation, and by its name it protects the Ingress: until it \
                  is clear all requests to the Ingress get status 503."
            .into(),
        advice: "Correct the name, or remove the annotation.".into(),
    }
}
