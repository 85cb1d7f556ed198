//! Who answers when a backend cannot, or what it says is not to be heard.

use std::sync::Arc;

use super::group::Group;
use super::reader::Reader;
use super::row::Invalid::Refused;
use super::row::Scope::Location;
use super::row::State::{Partial, Supported};
use super::row::{Row, row};
use crate::control::lower::settings::{Errors, Settings};
use crate::control::source::manifest::is_dns_label;
use crate::model::Kind::Service;
use crate::model::{BackendKey, Dial, PortRef, Replaced};

pub(super) const GROUP: Group = Group { title: "Errors", rows: ROWS, read: Some(read) };

const STATUSES: &str = "custom-http-errors";
const BACKEND: &str = "default-backend";
const PASS_ON: &str = "disable-proxy-intercept-errors";

const ROWS: &[Row] = &[
    row(
        STATUSES,
        Location,
        Partial(
            "gRPC calls get no pages; a body goes along only if it came with the head as a whole; \
             without a default backend, or if it fails, the answer is ours and has the status",
        ),
    )
    .invalid(Refused)
    .doc("Statuses that the default backend answers instead."),
    row(
        BACKEND,
        Location,
        Partial("it gives no error pages to whom the gates of its own Service keep out"),
    )
    .invalid(Refused)
    .names(Service)
    .doc("Service that answers when the backend has no endpoint, and gives error pages."),
    row(PASS_ON, Location, Supported).doc("Errors of backends are passed on as they are."),
];

fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    let replaced = match reader.flag(PASS_ON).unwrap_or(false) {
        true => Replaced::Ours,
        false => Replaced::All,
    };
    settings.errors = Errors { statuses: statuses(reader), replaced, backend: backend(reader) };
}

fn statuses(reader: &mut Reader<'_, '_>) -> Box<[u16]> {
    let Some(text) = reader.text(STATUSES) else { return Box::default() };
    match parse_statuses(text) {
        Ok(statuses) => statuses,
        Err(why) => {
            reader.refuse(STATUSES, &why);
            Box::default()
        }
    }
}

/// As ingress-nginx, which takes blanks and empty entries; ascending, and each once.
fn parse_statuses(text: &str) -> Result<Box<[u16]>, String> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let status = |entry: &str| {
        let is_plain = entry.len() == 3 && entry.bytes().all(|b| b.is_ascii_digit());
        let number = entry.parse().ok().filter(|status| is_plain && (400..600).contains(status));
        number.ok_or_else(|| format!("{entry:?} is no status from 400 to 599."))
    };
    let mut statuses = entries.map(status).collect::<Result<Vec<u16>, _>>()?;
    statuses.sort_unstable();
    statuses.dedup();
    Ok(statuses.into())
}

fn backend(reader: &mut Reader<'_, '_>) -> Option<BackendKey> {
    let text = reader.text(BACKEND)?;
    if !is_dns_label(text) {
        reader.refuse(BACKEND, "it is no name of a Service.");
        return None;
    }
    Some(BackendKey {
        namespace: Arc::clone(&reader.owner.namespace),
        service: text.into(),
        port: PortRef::First,
        dial: Dial::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_a_list_of_errors() {
        let check = |text: &str, expected: Option<&[u16]>| {
            assert_eq!(parse_statuses(text).ok().as_deref(), expected, "{text}");
        };
        check("404", Some(&[404]));
        check("503, 404 ,,500,404,", Some(&[404, 500, 503]));
        check("400,599", Some(&[400, 599]));
        check(",", Some(&[]));
        for text in ["399", "600", "200", "40", "4040", "+404", "404;500", "404 500", "4xx", "٤٠٤"]
        {
            check(text, None);
        }
    }
}
