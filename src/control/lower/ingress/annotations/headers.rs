//! Fields of responses.

use super::group::Group;
use super::reader::{NameForm, Reader};
use super::row::Invalid::Denied;
use super::row::Scope::Location;
use super::row::State::{NotYet, Supported};
use super::row::{Row, field, row};
use crate::control::lower::settings::Settings;
use crate::model::Kind::ConfigMap;

pub(super) const GROUP: Group = Group { title: "Headers", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    row(CUSTOM_HEADERS, Location, Supported)
        .invalid(Denied)
        .names(ConfigMap)
        .doc("ConfigMap with fields of all responses, each of which --configmap has to allow."),
    row("http2-push-preload", Location, NotYet)
        .doc("Link fields are pushed, which browsers no longer take."),
    row("proxy-cookie-domain", Location, NotYet).doc("What the domain of cookies is replaced by."),
    row("proxy-cookie-path", Location, NotYet).doc("What the path of cookies is replaced by."),
    row("proxy-redirect-from", Location, NotYet).doc("Text in Location that is replaced."),
    row("proxy-redirect-to", Location, NotYet).doc("What it is replaced by."),
];

const CUSTOM_HEADERS: &str = "custom-headers";

/// The field that names the ConfigMap.
pub(crate) fn custom_headers_field() -> String {
    field(CUSTOM_HEADERS)
}

fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    let until = "until then all requests get status 503";
    match reader.named(CUSTOM_HEADERS, NameForm::Short, until) {
        Some(Ok(map)) => settings.answer_fields = Some(map),
        Some(Err(())) => settings.guards.close(),
        None => {}
    }
}
