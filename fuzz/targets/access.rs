//! Who may come in: htpasswd files with the value of Authorization, and lists of addresses.

#![allow(unreachable_pub, reason = "part of the fuzz crate and of tests")]

use std::net::IpAddr;

use ringway::filter::{AddressRanges, AddressRules, Admission, Challenge};
use ringway::limits::PASSWORD_CREDENTIALS_BYTES_MAX;
use ringway::passwords::basic::Credentials;
use ringway::passwords::users::Users;

/// A file, a zero, a value. Neither panics; a file means the same when read again, and what is no
/// password of a file's own lets nobody in.
pub fn passwords(data: &[u8]) {
    let zero = data.iter().position(|octet| *octet == 0).unwrap_or(data.len());
    let (file, value) = (&data[..zero], data.get(zero + 1..).unwrap_or_default());
    let (users, _) = Users::from_file(file);
    assert!(users == Users::from_file(file).0);
    let mut room = [0; PASSWORD_CREDENTIALS_BYTES_MAX];
    let Some(credentials) = Credentials::parse(value, &mut room) else { return };
    assert!(!credentials.name.is_empty() && !credentials.name.contains(&b':'));
    let Some(user) = users.index(credentials.name) else { return };
    assert_eq!(users.index(credentials.name), Some(user));
    // Hashes that take their time are for the tests.
    if !file.contains(&b'$') && users.is_right(user, credentials.name, credentials.password) {
        let lines = file.split(|octet| *octet == b'\n');
        let of_user = |line: &[u8]| {
            line.strip_prefix(credentials.name).is_some_and(|rest| rest.starts_with(b":"))
        };
        assert!(lines.into_iter().any(of_user), "of nobody");
    }
}

/// A list that is read has the first and the last address of each of its entries and none that no
/// entry has.
pub fn addresses(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(challenge) = Challenge::basic(text) {
        assert!(!challenge.value().chars().any(char::is_control));
    }
    let Ok(list) = AddressRanges::parse(text) else { return };
    let entries = text.split(',').map(|entry| AddressRanges::parse(entry).expect("one of a list"));
    let entries: Vec<_> = entries.collect();
    let written = text.split([',', '/']).filter_map(|part| part.trim().parse::<IpAddr>().ok());
    let others = ["0.0.0.0", "255.255.255.255", "10.0.0.1", "::", "::1", "ffff::"];
    let others = others.iter().map(|text| text.parse().expect("an address"));
    for address in written.chain(others) {
        let is_within = entries.iter().any(|entry| entry.contains(address));
        assert_eq!(list.contains(address), is_within, "{address}");
        let allow = AddressRules { allow: Some(list.clone()), ..AddressRules::default() };
        assert_eq!(allow.admission(address) == Admission::Allowed, is_within);
        let deny = AddressRules { deny: list.clone(), allow: None };
        assert_eq!(deny.admission(address) == Admission::Denied, is_within);
    }
}
