//! Requests that are sent elsewhere, and other names of a host.

use super::group::Group;
use super::reader::Reader;
use super::row::Scope::{Host, Location};
use super::row::State::{NotYet, Partial};
use super::row::{Row, field, row};
use crate::control::lower::path::{PathType, RawPath};
use crate::control::lower::settings::{HostAnswer, Settings};
use crate::filter::{PathEdit, Redirect};

pub(super) const GROUP: Group =
    Group { title: "Redirects and names", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    row("app-root", Host, Partial("the query is kept, and the port is that of the listener"))
        .doc("Where requests for / are redirected to."),
    row("from-to-www-redirect", Host, NotYet)
        .doc("The host without www. is redirected to the one with it, or the other way round."),
    row("permanent-redirect", Location, NotYet)
        .doc("Where all requests are redirected to, for good."),
    row("permanent-redirect-code", Location, NotYet).doc("Its status."),
    row("relative-redirects", Location, NotYet).doc("Redirects name no host."),
    row("server-alias", Host, NotYet).doc("More names of the hosts."),
    row("temporal-redirect", Location, NotYet)
        .doc("Where all requests are redirected to, for now."),
    row("temporal-redirect-code", Location, NotYet).doc("Its status."),
    row("use-port-in-redirects", Location, NotYet).doc("Redirects name the port."),
];

const APP_ROOT: &str = "app-root";

/// Before all that rules ask for, as in ingress-nginx, where the server answers it.
fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    let Some(text) = reader.text(APP_ROOT) else { return };
    if let Err(why) = check_path(text) {
        let advice = "Write a path, such as /app; until then requests for / go to their backend.";
        reader.invalid(APP_ROOT, text, why, advice);
        return;
    }
    settings.answers.push(HostAnswer {
        path: RawPath::new("/", PathType::Exact).plain(),
        redirect: Redirect {
            scheme: None,
            hostname: None,
            port: None,
            path: Some(PathEdit::Full(text.into())),
            status: 302,
        },
        field: field(APP_ROOT),
    });
}

/// What ingress-nginx takes for a path, but for its variables.
fn check_path(text: &str) -> Result<(), &'static str> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~:".contains(&b);
    if text == "/" {
        Err("it would be redirected to itself.")
    } else if !text.starts_with('/') {
        Err("it does not begin with /.")
    } else if text.starts_with("//") {
        Err("it would lead to another host.")
    } else if !text.bytes().all(is_plain) {
        Err("only letters, digits and /-._~: are possible.")
    } else {
        Ok(())
    }
}
