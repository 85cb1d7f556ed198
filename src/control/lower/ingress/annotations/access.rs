//! Who may come in: by address and by password.

use super::group::Group;
use super::row::Guard::Unless;
use super::row::Off::{Everybody, Never, Words};
use super::row::Scope::Location;
use super::row::State::NotYet;
use super::row::{Row, row};
use crate::model::Kind::Secret;

pub(super) const GROUP: Group = Group { title: "Access", rows: ROWS, read: None };

const ROWS: &[Row] = &[
    row("allowlist-source-range", Location, NotYet)
        .guard(Unless(Everybody))
        .doc("Addresses that may come in, all others may not."),
    row("auth-realm", Location, NotYet)
        .doc("Realm that clients are told when they are asked for a password."),
    row("auth-secret", Location, NotYet)
        .guard(Unless(Never))
        .names(Secret)
        .doc("Secret with names and hashes of passwords."),
    row("auth-secret-type", Location, NotYet)
        .guard(Unless(Never))
        .doc("How that Secret holds them: auth-file or auth-map."),
    row("auth-type", Location, NotYet)
        .guard(Unless(Never))
        .doc("basic or digest: clients need a password."),
    row("denylist-source-range", Location, NotYet)
        .guard(Unless(Never))
        .doc("Addresses that may not come in."),
    row("satisfy", Location, NotYet)
        .guard(Unless(Words(&["all"])))
        .doc("any: one of addresses, password and external authentication is enough."),
    row("whitelist-source-range", Location, NotYet)
        .guard(Unless(Everybody))
        .doc("The same as allowlist-source-range, which comes first."),
];
