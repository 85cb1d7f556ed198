//! Annotations that nothing here reads: each is told, and those that keep clients out close what
//! they protect.

use super::index;
use super::reader::Said;
use super::row::{DIALECT, Guard, Row, Scope, State, field_of};
use crate::control::lower::guards::Guards;
use crate::control::lower::snippet::{self, Verdict};
use crate::control::source::report::{Finding, Report};
use crate::model::reason;

/// Judges every annotation of an object.
pub(super) fn judge(said: &[Said<'_>], guards: &mut Guards, report: &mut Report<'_>) {
    for said in said {
        match said.row {
            Some(row) => known(row, said, guards, report),
            None => unknown(said, guards, report),
        }
    }
}

fn known(row: &'static Row, said: &Said<'_>, guards: &mut Guards, report: &mut Report<'_>) {
    let Said { key, value, .. } = *said;
    if row.scope == Scope::Host && !value.is_empty() {
        guards.set(row.name);
    }
    match (row.state, row.guard) {
        (State::Supported | State::Partial(_), Guard::No | Guard::Snippet) => {}
        (State::Supported | State::Partial(_), guard @ Guard::Unless(_)) => {
            if let Judgement::On(_) = judgement(guard, value) {
                guards.want();
            }
            if value.is_empty() {
                report.warning(no_effect(key, EMPTY, "Check whether the Ingress is right so."));
            }
        }
        (State::NoEffect(why) | State::Refused(why), Guard::No) => {
            let message = format!("the annotation has no effect, {why}.");
            report.warning(no_effect(key, &message, "Remove it."));
        }
        (_, guard) => match judgement(guard, value) {
            Judgement::Off(None) => {}
            Judgement::Off(Some(why)) => {
                report.warning(no_effect(key, why, "Check whether the Ingress is right so."));
            }
            Judgement::On(what) => {
                close_for(row, key, guards);
                report.error(not_supported(row, key, &what));
            }
        },
    }
}

/// Nothing of ingress-nginx has this name. If it is a slip of a guard's, it is one.
fn unknown(said: &Said<'_>, guards: &mut Guards, report: &mut Report<'_>) {
    let Said { key, value, .. } = *said;
    let name = key.strip_prefix(DIALECT);
    if let Some(meant) = index::slip(key)
        && let Judgement::On(_) = judgement(meant.guard, value)
    {
        close_for(meant, key, guards);
        report.error(slip(meant, key));
    } else if name.is_some_and(index::may_be_guard) && !value.is_empty() {
        guards.close();
        report.error(no_such_guard(key));
    } else if name.is_some() {
        report.warning(no_effect(
            key,
            "ingress-nginx has no such annotation; it has no effect.",
            "Correct its name, or remove it.",
        ));
    }
}

fn close_for(row: &Row, key: &str, guards: &mut Guards) {
    match row.scope {
        Scope::Host => guards.close_hosts(row.name, key),
        Scope::Location | Scope::Upstream => guards.close(),
    }
}

const EMPTY: &str = "the annotation is empty and, as in ingress-nginx, protects nothing.";

enum Judgement {
    /// Nobody is kept out. Perhaps something else is not done.
    Off(Option<&'static str>),
    /// What keeps clients out, as a part of a sentence.
    On(String),
}

fn judgement(guard: Guard, value: &str) -> Judgement {
    match guard {
        Guard::No => Judgement::Off(None),
        _ if value.is_empty() => Judgement::Off(Some(EMPTY)),
        Guard::Unless(off) if off.is_off(value) => Judgement::Off(None),
        Guard::Unless(_) => Judgement::On("it protects the Ingress".into()),
        Guard::Snippet => match snippet::judge(value) {
            Verdict::Open => {
                Judgement::Off(Some("configuration text of nginx is not read; it has no effect."))
            }
            Verdict::Guards { directive, at } => {
                Judgement::On(format!("its {at} ({directive}) may turn clients away"))
            }
            Verdict::Unreadable => {
                Judgement::On("it is not readable, so it may turn clients away".into())
            }
        },
    }
}

fn no_effect(key: &str, message: &str, advice: &str) -> Finding {
    Finding {
        reason: reason!("AnnotationNotSupported"),
        field: field_of(key),
        message: message.to_owned(),
        advice: advice.to_owned(),
    }
}

fn not_supported(row: &Row, key: &str, what: &str) -> Finding {
    let whose = match row.scope {
        Scope::Host => "to the hosts of the Ingress",
        Scope::Location | Scope::Upstream => "to the Ingress",
    };
    Finding {
        reason: reason!("GuardNotSupported"),
        field: field_of(key),
        message: format!(
            "the annotation is not supported, and {what}: all requests {whose} get status 503."
        ),
        advice: "Remove it if everybody may come in; if not, leave the Ingress with a controller \
                 that supports it."
            .into(),
    }
}

fn slip(meant: &Row, key: &str) -> Finding {
    Finding {
        reason: reason!("GuardNotSupported"),
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
        reason: reason!("GuardNotSupported"),
        field: field_of(key),
        message: "there is no such annotation, and by its name it protects the Ingress: until it \
                  is clear all requests to the Ingress get status 503."
            .into(),
        advice: "Correct the name, or remove the annotation.".into(),
    }
}
