//! Annotations of the ingress-nginx dialect: one file a group, one row an annotation.

pub(in super::super) mod access;
mod affinity;
pub(in super::super) mod backend_protocol;
pub(in super::super) mod backend_tls;
mod bodies;
mod canary;
pub(in crate::control::lower) mod cipher_list;
pub(in super::super) mod client_certificates;
mod cors;
mod dropped;
mod errors;
pub(in super::super) mod external_auth;
mod firewall;
mod group;
mod groups;
pub(in super::super) mod headers;
pub(in super::super) mod https;
mod index;
mod limits;
mod mirror;
mod page;
mod paths;
mod reader;
pub(in super::super) mod redirects;
pub(in super::super) mod row;
mod snippets;
pub(in crate::control::lower) mod telemetry;
pub(in super::super) mod timeouts;
mod unread;
pub(in super::super) mod url;

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::control::lower::configmap::globals::{GeneralAuth, Globals};
use crate::control::lower::settings::{Role, Settings};
use crate::control::source::report::{Finding, Report};
use crate::model::{ObjectRef, Problem, Severity, reason};
use group::Group;
use groups::GROUPS;
use reader::{Reader, Said};
use row::DIALECT;

pub use index::{is_guard, nearest};
pub use page::page;

/// Reads all annotations of `owner`.
pub(super) fn read(
    owner: &ObjectRef,
    metadata: &ObjectMeta,
    globals: &Globals,
    report: &mut Report<'_>,
) -> Arc<Settings> {
    let annotations = metadata.annotations.iter().flatten();
    let said: Vec<_> = annotations.map(|(key, value)| said(key, value)).collect();
    let mut guards = globals.nothing.guards.clone();
    if said.iter().all(|said| !said.key.starts_with(DIALECT)) {
        unread::judge(&said, &mut guards, report);
        return match guards == globals.nothing.guards {
            true => Arc::clone(&globals.nothing),
            false => Arc::new(Settings { guards, ..Settings::clone(&globals.nothing) }),
        };
    }
    let uid = metadata.uid.as_deref();
    let mut settings = read_groups(GROUPS, owner, uid, globals, report, &said);
    match settings.role {
        Role::Main => unread::judge(&said, &mut settings.guards, report),
        Role::Canary(_) => settings = settings.of_canary(),
    }
    Arc::new(settings)
}

/// What an Ingress without annotations asks for.
pub(in super::super) fn of_none(owner: &ObjectRef, globals: &Globals) -> Arc<Settings> {
    // What is wrong with their values was told key by key.
    let mut report = Report::new(owner, None);
    Arc::new(read_groups(GROUPS, owner, None, globals, &mut report, &[]))
}

/// Whether what `globals` say in the place of an annotation can be used, and if not, why.
pub(in super::super) fn check(
    name: &str,
    owner: &ObjectRef,
    globals: &Globals,
) -> Result<(), String> {
    let mut report = Report::new(owner, None);
    let is_it = |group: &&Group| group.rows.iter().any(|row| row.name == name);
    let groups = GROUPS.iter().position(|group| is_it(&group));
    let group = groups.and_then(|at| GROUPS.get(at..=at)).unwrap_or_default();
    read_groups(group, owner, None, globals, &mut report, &[]);
    report.finish().first().map_or(Ok(()), |problem| Err(problem.message.clone()))
}

/// Which server is asked about requests of Ingresses that name none.
pub(in super::super) fn general_auth(owner: &ObjectRef, globals: &Globals) -> GeneralAuth {
    // What is wrong with it was told key by key.
    let mut report = Report::new(owner, None);
    let settings = read_auth(owner, globals, &mut report);
    match settings.policies.external_auth {
        _ if settings.guards.is_closed => GeneralAuth::Closed,
        Some(policy) => GeneralAuth::Asked(policy, settings.auth_of_host),
        None => GeneralAuth::Nobody,
    }
}

/// Whether what `globals` say of one of them can be used, and if not, why.
pub(in super::super) fn check_auth(
    name: &str,
    owner: &ObjectRef,
    globals: &Globals,
) -> Result<(), String> {
    let mut report = Report::new(owner, None);
    let mut globals = globals.clone();
    // Nothing else is looked at without it.
    globals.auth_annotations.entry(external_auth::URL).or_insert_with(|| "http://a".into());
    read_auth(owner, &globals, &mut report);
    let is_it = |problem: &&Arc<Problem>| problem.field == row::field(name);
    let problems = report.finish();
    let found = problems.iter().filter(|problem| problem.severity == Severity::Error).find(is_it);
    found.map_or(Ok(()), |problem| Err(problem.message.clone()))
}

fn read_auth(owner: &ObjectRef, globals: &Globals, report: &mut Report<'_>) -> Settings {
    let annotations = globals.auth_annotations.clone();
    let of_auth = Globals { annotations, ..Globals::default() };
    read_groups(&[external_auth::GROUP], owner, None, &of_auth, report, &[])
}

fn read_groups(
    groups: &[Group],
    owner: &ObjectRef,
    uid: Option<&str>,
    globals: &Globals,
    report: &mut Report<'_>,
    said: &[Said<'_>],
) -> Settings {
    let mut settings = Settings::default();
    let mut needs = std::mem::take(&mut settings.needs);
    for Group { rows, read, .. } in groups {
        let Some(read) = read else { continue };
        let needs = &mut needs;
        let is_refused = false;
        let mut reader = Reader { owner, uid, globals, report, needs, said, rows, is_refused };
        read(&mut reader, &mut settings);
        settings.is_refused |= reader.is_refused;
    }
    settings.needs = needs;
    if globals.is_closed {
        settings.guards.close();
    }
    settings.is_refused |= has_forbidden_word(globals, report, said);
    settings.is_refused |= is_too_risky(globals, report, said);
    if settings.is_guarded() {
        settings.guards.want();
    }
    settings
}

/// Whether more depends on an annotation than may, be it empty; as in ingress-nginx, the object is
/// not taken then. Of directives their group tells.
fn is_too_risky(globals: &Globals, report: &mut Report<'_>, said: &[Said<'_>]) -> bool {
    let risk = |said: &Said<'_>| said.row.filter(|row| row.risk > globals.risk_max);
    let mut is_refused = false;
    for (said, row) in said.iter().filter_map(|said| Some((said, risk(said)?))) {
        is_refused = true;
        if row.is_directives() && !said.value.is_empty() {
            continue;
        }
        let (risk, most) = (row.risk.as_str(), globals.risk_max.as_str());
        report.error(Finding {
            reason: reason!("AnnotationTooRisky"),
            field: row::field_of(said.key),
            message: format!(
                "the annotation has the risk {risk}, and annotations-risk-level of the ConfigMap \
                 permits {most}; nothing of this version of the Ingress is served."
            ),
            advice: "Remove it, or let the operator permit such annotations.".into(),
        });
    }
    is_refused
}

/// Whether there is a word that nobody may say; as in ingress-nginx, the object is not taken then.
fn has_forbidden_word(globals: &Globals, report: &mut Report<'_>, said: &[Said<'_>]) -> bool {
    let found = said.iter().filter(|said| said.key.starts_with(DIALECT)).find_map(|said| {
        let word = globals.forbidden_words.iter().find(|word| said.value.contains(&***word))?;
        Some((said.key, word))
    });
    let Some((key, word)) = found else { return false };
    report.error(Finding {
        reason: reason!("InvalidAnnotation"),
        field: row::field_of(key),
        message: format!("it has the word {word:?}, which the operator forbids."),
        advice: "Remove it; until then nothing of this version is served.".into(),
    });
    true
}

fn said<'a>(key: &'a str, value: &'a str) -> Said<'a> {
    Said { key, value: value.trim(), row: key.strip_prefix(DIALECT).and_then(index::find) }
}

#[cfg(test)]
mod tests;
