//! A range of addresses, as flags and annotations write it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

use super::parse::ParseError;

/// Addresses with a common prefix. Two ranges are equal when they hold the same addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr(IpNet);

impl Cidr {
    /// Its first address, and how many of its bits all of them have.
    #[must_use]
    pub fn parts(&self) -> (IpAddr, u32) {
        (self.0.network(), self.0.prefix_len().into())
    }
}

/// Bits of `::ffff:0:0/96`, before the IPv4 address.
const MAPPED_BITS: u8 = 96;

fn canonical(address: IpAddr, prefix: u8) -> (IpAddr, u8) {
    let mapped = match address {
        IpAddr::V6(address) => Ipv6Addr::to_ipv4_mapped(&address),
        IpAddr::V4(_) => None,
    };
    match (mapped, prefix.checked_sub(MAPPED_BITS)) {
        (Some(address), Some(prefix)) => (IpAddr::V4(address), prefix),
        _ => (address, prefix),
    }
}

/// `ADDRESS/PREFIX`, or `ADDRESS` for that address alone. Bits behind the prefix are ignored, as
/// nginx and Go do.
impl FromStr for Cidr {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        // IpNet's own parser takes zeros in front of numbers, which others read as octal.
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_no_address| ParseError::Cidr)?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(whole), decimal).ok_or(ParseError::Cidr)?;
        let (address, prefix) = canonical(address, prefix);
        let range = IpNet::new(address, prefix).map_err(|_too_long| ParseError::Cidr)?;
        Ok(Self(range.trunc()))
    }
}

fn decimal(text: &str) -> Option<u8> {
    let is_canonical = text == "0" || text.starts_with(|first| matches!(first, '1'..='9'));
    if is_canonical { text.parse().ok() } else { None }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, range: &str, within: &[&str], outside: &[&str]) {
        let cidr: Cidr = text.parse().unwrap();
        assert_eq!(cidr.to_string(), range);
        assert_eq!(range.parse(), Ok(cidr));
        let address = |text: &str| text.parse::<IpAddr>().unwrap().to_canonical();
        let contains = |text: &&str| cidr.0.contains(&address(text));
        assert!(within.iter().all(contains), "{text}");
        assert!(!outside.iter().any(contains), "{text}");
    }

    #[test]
    fn a_range_holds_the_addresses_of_its_prefix() {
        let ends = ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"];
        check("10.0.0.0/8", "10.0.0.0/8", &ends, &["9.255.255.255", "11.0.0.0", "a00::"]);
        check("10.1.2.3/8", "10.0.0.0/8", &ends, &["11.0.0.0"]);
        check("10.1.2.3", "10.1.2.3/32", &["10.1.2.3"], &["10.1.2.2", "10.1.2.4"]);
        check("0.0.0.0/0", "0.0.0.0/0", &["0.0.0.0", "255.255.255.255"], &["::", "::1"]);
        check("FD00::1/8", "fd00::/8", &["fd00::", "fdff::1"], &["fc00::", "fe00::", "253.0.0.0"]);
        check("::1", "::1/128", &["::1"], &["::2", "0.0.0.1"]);
        check("::/0", "::/0", &["::", "ffff::"], &["10.0.0.1", "::ffff:10.0.0.1"]);
    }

    #[test]
    fn a_mapped_range_is_the_range_of_ipv4() {
        check("::ffff:10.0.0.0/104", "10.0.0.0/8", &["10.1.1.1"], &["11.0.0.0"]);
        check("::ffff:10.0.0.1", "10.0.0.1/32", &["10.0.0.1", "::ffff:10.0.0.1"], &["10.0.0.2"]);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "/",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10.0.0.0/00",
            "010.0.0.0/8",
            "10.0.0/8",
            "10.0.0.0/8/8",
            " 10.0.0.0/8",
            "10.0.0.0/ 8",
            "10.0.0.0/-1",
            "10.0.0.0/256",
            "a.example",
            "10.0.0.0-10.0.0.9",
            "::ffff:1.2.3.4/129",
            "fe80::1%1/64",
            "[::1]/128",
        ] {
            assert_eq!(text.parse::<Cidr>(), Err(ParseError::Cidr), "{text:?}");
        }
    }
}
