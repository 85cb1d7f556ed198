//! Annotations of the ingress-nginx dialect: one file a group, one row an annotation.

pub(in super::super) mod access;
mod affinity;
pub(in super::super) mod backend_protocol;
pub(in super::super) mod backend_tls;
mod bodies;
mod canary;
mod cipher_list;
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
mod snippet;
mod snippets;
mod telemetry;
mod timeouts;
mod unread;
mod url;

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::control::lower::configmap::globals::Globals;
use crate::control::lower::settings::{Role, Settings};
use crate::control::source::report::Report;
use crate::model::ObjectRef;
use group::Group;
use groups::GROUPS;
use reader::{Reader, Said};
use row::DIALECT;

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
    if said.iter().all(|said| said.row.is_none()) {
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
        let mut reader = Reader { owner, uid, globals, report, needs, said, rows };
        read(&mut reader, &mut settings);
    }
    settings.needs = needs;
    if globals.is_closed {
        settings.guards.close();
    }
    if settings.is_guarded() {
        settings.guards.want();
    }
    settings
}

fn said<'a>(key: &'a str, value: &'a str) -> Said<'a> {
    Said { key, value: value.trim(), row: key.strip_prefix(DIALECT).and_then(index::find) }
}

#[cfg(test)]
mod tests;
