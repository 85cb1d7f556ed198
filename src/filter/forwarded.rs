//! What proxies in front of this one say of a client, and how far they are believed. Pure.

use std::net::{IpAddr, SocketAddr};

use super::addresses::AddressRanges;

/// Whose word on clients counts, and in what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ForwardedPolicy {
    /// What is believed.
    pub believed: Believed,
    /// Of whom; a proxy is known by its address.
    pub trusted: AddressRanges,
    /// The field that lists addresses, in lower case: the client's first, then each proxy's.
    pub field: Box<str>,
    /// How much of the list counts.
    pub reach: ListReach,
    /// What backends get as X-Forwarded-For.
    pub list: ForwardedList,
}

/// How much of a list of addresses counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ListReach {
    /// As much as those say that are trusted.
    #[default]
    Whole,
    /// The last address.
    Last,
}

/// What is believed of proxies that are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Believed {
    /// Nothing.
    #[default]
    Nothing,
    /// Whose the request is.
    Address,
    /// That, and by which scheme, host and port the client came.
    Everything,
}

/// What backends get as X-Forwarded-For.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ForwardedList {
    /// The client alone.
    #[default]
    Client,
    /// The list that came, and behind it the proxy that sent it.
    Whole,
}

/// The name of the field that lists addresses, where nothing else is said.
pub const FORWARDED_FOR: &str = "x-forwarded-for";

impl Default for ForwardedPolicy {
    fn default() -> Self {
        Self {
            believed: Believed::default(),
            trusted: AddressRanges::everybody(),
            field: FORWARDED_FOR.into(),
            reach: ListReach::default(),
            list: ForwardedList::default(),
        }
    }
}

impl ForwardedPolicy {
    /// Whether anything is believed that `peer` says.
    #[must_use]
    pub fn believes(&self, peer: IpAddr) -> bool {
        self.believed != Believed::Nothing && self.trusted.contains(peer)
    }

    /// Whose a request is: the last address of the list that is not one of those trusted; the first
    /// one where all are, or `peer` where there is none. An entry that is no address ends the
    /// search. The port is 0 where the list has none.
    ///
    /// Shape: `values` are those of the lines of [`Self::field`], in order.
    ///
    /// Source: nginx, `real_ip_recursive` of module `ngx_http_realip_module`.
    #[must_use]
    pub fn client<'v>(
        &self,
        peer: SocketAddr,
        values: impl DoubleEndedIterator<Item = &'v [u8]>,
    ) -> SocketAddr {
        let mut client = peer;
        let entries = values.rev().flat_map(|value| value.rsplit(|octet| b", \t".contains(octet)));
        for entry in entries.filter(|entry| !entry.is_empty()) {
            match address(entry) {
                Some(address) if self.trusted.contains(client.ip()) => client = address,
                _ => break,
            }
            if self.reach == ListReach::Last {
                break;
            }
        }
        client
    }
}

/// `ADDRESS`, `[ADDRESS]` or either with `:PORT`.
fn address(entry: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(address, 0));
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    match bare.map(str::parse) {
        Some(address) => Some(SocketAddr::new(IpAddr::V6(address.ok()?), 0)),
        None => text.parse().ok(),
    }
}

/// The first member of a list of hosts, such as X-Forwarded-Host has.
#[must_use]
pub fn first_host(value: &[u8]) -> &[u8] {
    value.split(|&octet| octet == b',').next().unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(trusted: &str) -> ForwardedPolicy {
        let trusted = AddressRanges::parse(trusted).unwrap();
        ForwardedPolicy { believed: Believed::Address, trusted, ..ForwardedPolicy::default() }
    }

    #[test]
    fn the_client_is_the_last_that_is_not_trusted() {
        const LAN: &str = "10.0.0.0/8,fd00::/8";
        const ALL: &str = "0.0.0.0/0,::/0";
        let rows: [(&str, &str, &[&str], &str); 20] = [
            // Nobody is trusted but a few.
            (LAN, "192.0.2.1:9", &["203.0.113.7"], "192.0.2.1:9"),
            (LAN, "10.0.0.1:9", &["203.0.113.7"], "203.0.113.7:0"),
            (LAN, "10.0.0.1:9", &["198.51.100.1, 203.0.113.7"], "203.0.113.7:0"),
            (LAN, "10.0.0.1:9", &["203.0.113.7, 10.0.0.2"], "203.0.113.7:0"),
            (LAN, "10.0.0.1:9", &["10.0.0.3, 10.0.0.2"], "10.0.0.3:0"),
            (LAN, "[::ffff:10.0.0.1]:9", &["203.0.113.7"], "203.0.113.7:0"),
            (LAN, "[fd00::1]:9", &["2001:db8::7"], "[2001:db8::7]:0"),
            // Lines are one list.
            (LAN, "10.0.0.1:9", &["198.51.100.1", "203.0.113.7", "10.0.0.2"], "203.0.113.7:0"),
            // With everybody trusted the first counts, whoever wrote it.
            (ALL, "192.0.2.1:9", &["198.51.100.1, 203.0.113.7"], "198.51.100.1:0"),
            (ALL, "192.0.2.1:9", &["198.51.100.1", "203.0.113.7"], "198.51.100.1:0"),
            // Spellings.
            (ALL, "192.0.2.1:9", &["203.0.113.7:81"], "203.0.113.7:81"),
            (ALL, "192.0.2.1:9", &["[2001:db8::7]:81"], "[2001:db8::7]:81"),
            (ALL, "192.0.2.1:9", &["[2001:db8::7]"], "[2001:db8::7]:0"),
            (ALL, "192.0.2.1:9", &[" ,\t203.0.113.7\t,, "], "203.0.113.7:0"),
            // What is no address ends the search.
            (ALL, "192.0.2.1:9", &[], "192.0.2.1:9"),
            (ALL, "192.0.2.1:9", &[""], "192.0.2.1:9"),
            (ALL, "192.0.2.1:9", &["unknown"], "192.0.2.1:9"),
            (ALL, "192.0.2.1:9", &["203.0.113.8, _hidden, 203.0.113.7"], "203.0.113.7:0"),
            (ALL, "192.0.2.1:9", &["203.0.113.7, 1.2.3.4.5"], "192.0.2.1:9"),
            (ALL, "192.0.2.1:9", &["[203.0.113.7]"], "192.0.2.1:9"),
        ];
        for (trusted, peer, lines, expected) in rows {
            let values = lines.iter().map(|line| line.as_bytes());
            let client = policy(trusted).client(peer.parse().unwrap(), values);
            assert_eq!(client.to_string(), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn who_is_not_trusted_is_not_believed() {
        let ours = "10.0.0.1".parse().unwrap();
        let other = "192.0.2.1".parse().unwrap();
        let policy = policy("10.0.0.0/8");
        assert!(policy.believes(ours));
        assert!(!policy.believes(other));
        assert!(!ForwardedPolicy { believed: Believed::Nothing, ..policy }.believes(ours));
        let everybody = ForwardedPolicy { believed: Believed::Everything, ..Default::default() };
        assert!(everybody.believes(other) && everybody.believes("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn the_first_host_of_a_list_counts() {
        for (value, expected) in [("a.example", "a.example"), (" a:81 , b", "a:81"), ("", "")] {
            assert_eq!(first_host(value.as_bytes()), expected.as_bytes());
        }
    }
}
