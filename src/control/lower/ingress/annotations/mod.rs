//! Annotations of the ingress-nginx dialect: one file a group, one row an annotation.

pub(in super::super) mod access;
mod affinity;
mod backend_protocol;
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

use std::sync::{Arc, LazyLock};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::control::lower::configmap::globals::Globals;
use crate::control::lower::guards::Guards;
use crate::control::lower::settings::{Role, Settings};
use crate::control::source::report::Report;
use crate::model::ObjectRef;
use groups::GROUPS;
use reader::{Reader, Said};
use row::DIALECT;

pub use page::page;

/// What an Ingress without annotations asks for.
static NOTHING: LazyLock<Arc<Settings>> = LazyLock::new(Arc::default);

/// Reads all annotations of `owner`.
pub(super) fn read(
    owner: &ObjectRef,
    metadata: &ObjectMeta,
    globals: &Globals,
    report: &mut Report<'_>,
) -> Arc<Settings> {
    let mut settings = Settings::default();
    let annotations = metadata.annotations.iter().flatten();
    let said: Vec<_> = annotations.map(|(key, value)| said(key, value)).collect();
    let uid = metadata.uid.as_deref();
    let mut needs = std::mem::take(&mut settings.needs);
    for group in GROUPS {
        let Some(read) = group.read else { continue };
        let rows = group.rows;
        let needs = &mut needs;
        let mut reader = Reader { owner, uid, globals, report, needs, said: &said, rows };
        read(&mut reader, &mut settings);
    }
    settings.needs = needs;
    match settings.role {
        Role::Main => unread::judge(&said, &mut settings.guards, report),
        Role::Canary(_) => settings = settings.of_canary(),
    }
    match said.iter().all(|said| said.row.is_none()) && settings.guards == Guards::default() {
        true => Arc::clone(&NOTHING),
        false => Arc::new(settings),
    }
}

fn said<'a>(key: &'a str, value: &'a str) -> Said<'a> {
    Said { key, value: value.trim(), row: key.strip_prefix(DIALECT).and_then(index::find) }
}

#[cfg(test)]
mod tests;
