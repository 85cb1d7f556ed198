//! Who may come in: by address and by password.

use std::sync::Arc;

use super::group::Group;
use super::reader::{NameForm, Reader};
use super::row::Guard::Unless;
use super::row::Invalid::Ignored;
use super::row::Off::{Everybody, Never, Words};
use super::row::Risk::Medium;
use super::row::Scope::Location;
use super::row::State::{Partial, Supported};
use super::row::{Row, field, row};
use crate::control::lower::settings::{PasswordFile, Settings, UsersForm};
use crate::filter::{AddressRanges, AddressRules, Challenge, Satisfy};
use crate::model::Kind::Secret;

pub(super) const GROUP: Group = Group { title: "Access", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    row(ALLOW, Location, Supported)
        .risk(Medium)
        .guard(Unless(Everybody))
        .doc("Addresses and ranges that may come in, all others may not (403)."),
    row(REALM, Location, Supported)
        .risk(Medium)
        .doc("Realm that clients are told when they are asked for a password."),
    row(SECRET, Location, Supported)
        .risk(Medium)
        .guard(Unless(Never))
        .names(Secret)
        .doc("[NAMESPACE/]NAME of the Secret with names and hashes of passwords."),
    row(FORM, Location, Supported)
        .guard(Unless(Never))
        .doc("auth-file: htpasswd lines under the key auth; auth-map: a key for each user."),
    row(TYPE, Location, Partial("digest is not supported: all requests get status 503."))
        .guard(Unless(Never))
        .doc("basic: clients need a password."),
    row(DENY, Location, Supported)
        .risk(Medium)
        .guard(Unless(Never))
        .doc("Addresses and ranges that may not come in (403), whatever else says that they may."),
    row(SATISFY, Location, Supported)
        .guard(Unless(Words(&["all"])))
        .invalid(Ignored)
        .doc("any: one of addresses, password and external authentication is enough."),
    row(ALLOW_ALIAS, Location, Supported)
        .risk(Medium)
        .guard(Unless(Everybody))
        .doc("The same as allowlist-source-range, which comes first."),
];

const ALLOW: &str = "allowlist-source-range";
const ALLOW_ALIAS: &str = "whitelist-source-range";
const DENY: &str = "denylist-source-range";
const SATISFY: &str = "satisfy";
const TYPE: &str = "auth-type";
const SECRET: &str = "auth-secret";
const FORM: &str = "auth-secret-type";
const REALM: &str = "auth-realm";
const UNTIL: &str = "until then all requests get status 503";

/// The field that names the users.
pub(crate) fn secret_field() -> String {
    field(SECRET)
}

/// What cannot be understood lets nobody in.
fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    settings.policies.satisfy = satisfy(reader);
    match addresses(reader) {
        Ok(rules) => settings.policies.addresses = rules.map(Arc::new),
        Err(()) => settings.guards.close(),
    }
    match password(reader) {
        Ok(file) => settings.password = file,
        Err(()) => settings.guards.close(),
    }
}

fn satisfy(reader: &mut Reader<'_, '_>) -> Satisfy {
    match reader.text(SATISFY) {
        None | Some("all") => Satisfy::All,
        Some("any") => Satisfy::Any,
        Some(other) => {
            reader.taken_for(SATISFY, other, "all", "Write any or all.");
            Satisfy::All
        }
    }
}

fn addresses(reader: &mut Reader<'_, '_>) -> Result<Option<AddressRules>, ()> {
    let name = if reader.text(ALLOW).is_some() { ALLOW } else { ALLOW_ALIAS };
    // Both are looked at, so that both are told.
    let (allow, deny) = (ranges(reader, name), ranges(reader, DENY));
    match (allow?, deny?) {
        (None, None) => Ok(None),
        (allow, deny) => Ok(Some(AddressRules { deny: deny.unwrap_or_default(), allow })),
    }
}

fn ranges(reader: &mut Reader<'_, '_>, name: &str) -> Result<Option<AddressRanges>, ()> {
    let Some(text) = reader.text(name) else { return Ok(None) };
    AddressRanges::parse(text).map(Some).map_err(|error| {
        let advice = format!("Write addresses and ranges with commas between; {UNTIL}.");
        reader.invalid(name, text, &format!("{error}."), &advice);
    })
}

fn password(reader: &mut Reader<'_, '_>) -> Result<Option<PasswordFile>, ()> {
    let secret = reader.named(SECRET, NameForm::Short, UNTIL);
    let (form, challenge) = (form(reader), challenge(reader));
    let Some(kind) = reader.text(TYPE) else {
        without_type(reader);
        return if secret.is_some() || form.is_err() { Err(()) } else { Ok(None) };
    };
    if kind != "basic" {
        let why = match kind {
            "digest" => "it is not supported.",
            _ => "it is no kind of authentication.",
        };
        reader.invalid(TYPE, kind, why, &format!("Write basic; {UNTIL}."));
        return Err(());
    }
    let Some(secret) = secret else {
        let why = "it needs auth-secret with the users.";
        reader.invalid(TYPE, kind, why, &format!("Name a Secret; {UNTIL}."));
        return Err(());
    };
    Ok(Some(PasswordFile { secret: secret?, form: form?, challenge }))
}

/// Whoever names users wants to keep all others out, also where the word for it is missing.
fn without_type(reader: &mut Reader<'_, '_>) {
    for name in [SECRET, FORM, REALM] {
        let Some(text) = reader.text(name) else { continue };
        let why = "without auth-type nobody is asked for a password.";
        match name {
            SECRET => reader.invalid(name, text, why, &format!("Add auth-type; {UNTIL}.")),
            _ => reader.doubtful(name, text, why, "Add auth-type and auth-secret, or remove it."),
        }
    }
}

fn form(reader: &mut Reader<'_, '_>) -> Result<UsersForm, ()> {
    match reader.text(FORM) {
        None | Some("auth-file") => Ok(UsersForm::File),
        Some("auth-map") => Ok(UsersForm::Map),
        Some(other) => {
            let advice = format!("Write auth-file or auth-map; {UNTIL}.");
            reader.invalid(FORM, other, "it is no form of a Secret.", &advice);
            Err(())
        }
    }
}

/// The question stays one without a realm.
fn challenge(reader: &mut Reader<'_, '_>) -> Challenge {
    let realm = reader.text(REALM).unwrap_or_default();
    Challenge::basic(realm).unwrap_or_else(|| {
        let why = "it holds control characters, and the realm is empty.";
        reader.invalid(REALM, realm, why, "Write text on one line.");
        Challenge::default()
    })
}
