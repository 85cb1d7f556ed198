//! Lists of addresses: whether one is in it, in the time that a search takes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::limits::ADDRESS_RANGES_MAX;

/// Addresses of both families, as ranges (first, last) in order that do not overlap.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct AddressRanges {
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
}

/// Why a list cannot be used. Its author is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressRangesError {
    /// An entry is neither `ADDRESS` nor `ADDRESS/PREFIX`.
    #[error("{0:?} is neither an address nor ADDRESS/PREFIX")]
    Entry(String),
    /// More entries than [`ADDRESS_RANGES_MAX`].
    #[error("it has more than {ADDRESS_RANGES_MAX} entries")]
    TooMany,
}

/// What lists say of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is on the list of those that may come in.
    Allowed,
    /// It may not come in.
    Denied,
    /// Nothing: there is no list of those that may.
    Unmentioned,
}

/// Which addresses may come in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct AddressRules {
    /// These may not, whatever `allow` says.
    pub deny: AddressRanges,
    /// No others may; `None`: all.
    pub allow: Option<AddressRanges>,
}

impl AddressRules {
    /// What they say of an address. One of IPv4 in the mapped form, as a dual-stack listener tells
    /// it, is the one of IPv4.
    #[must_use]
    pub fn admission(&self, address: IpAddr) -> Admission {
        match &self.allow {
            _ if self.deny.contains(address) => Admission::Denied,
            None => Admission::Unmentioned,
            Some(allow) if allow.contains(address) => Admission::Allowed,
            Some(_) => Admission::Denied,
        }
    }
}

impl AddressRanges {
    /// Reads entries with commas between, each `ADDRESS` or `ADDRESS/PREFIX`, spaces around it.
    /// Bits behind the prefix are ignored. Ranges within `::ffff:0:0/96` are those of IPv4.
    ///
    /// # Errors
    /// One entry that cannot be understood spoils the list; see [`AddressRangesError`].
    ///
    /// Source: Go `net.ParseCIDR` and `net.ParseIP`, by which ingress-nginx reads them.
    pub fn parse(text: &str) -> Result<Self, AddressRangesError> {
        let mut ranges = Vec::new();
        for (index, entry) in text.split(',').map(str::trim).enumerate() {
            if index == ADDRESS_RANGES_MAX {
                return Err(AddressRangesError::TooMany);
            }
            ranges.push(range(entry).ok_or_else(|| AddressRangesError::Entry(entry.to_owned()))?);
        }
        Ok(ranges.into_iter().collect())
    }

    /// All addresses.
    #[must_use]
    pub fn everybody() -> Self {
        let nowhere = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        nowhere.into_iter().map(|address| (address, 0)).collect()
    }

    /// These and those.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        let v4 = self.v4.iter().chain(&others.v4).copied().collect();
        let v6 = self.v6.iter().chain(&others.v6).copied().collect();
        Self { v4: disjoint(v4), v6: disjoint(v6) }
    }

    /// These, but none of those.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        let v4 = left(&self.v4, &others.v4, |n| n.checked_sub(1), |n| n.checked_add(1));
        let v6 = left(&self.v6, &others.v6, |n| n.checked_sub(1), |n| n.checked_add(1));
        Self { v4, v6 }
    }

    /// Whether no address is in any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether the address is in one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => is_within(&self.v4, address.to_bits()),
            IpAddr::V6(address) => is_within(&self.v6, address.to_bits()),
        }
    }
}

/// Of addresses and how many of their bits count.
impl FromIterator<(IpAddr, u32)> for AddressRanges {
    fn from_iter<T: IntoIterator<Item = (IpAddr, u32)>>(ranges: T) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for range in ranges {
            match range {
                (IpAddr::V4(address), prefix) => {
                    let rest = u32::MAX.checked_shr(prefix).unwrap_or(0);
                    v4.push((address.to_bits() & !rest, address.to_bits() | rest));
                }
                (IpAddr::V6(address), prefix) => {
                    let rest = u128::MAX.checked_shr(prefix).unwrap_or(0);
                    v6.push((address.to_bits() & !rest, address.to_bits() | rest));
                }
            }
        }
        Self { v4: disjoint(v4), v6: disjoint(v6) }
    }
}

fn is_within<T: Copy + Ord>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= address);
    let before = after.checked_sub(1).and_then(|index| ranges.get(index));
    before.is_some_and(|(_, last)| address <= *last)
}

/// What is left of `ranges` without `others`; both in order and without overlaps.
fn left<T: Copy + Ord>(
    ranges: &[(T, T)],
    others: &[(T, T)],
    before: impl Fn(T) -> Option<T>,
    behind: impl Fn(T) -> Option<T>,
) -> Box<[(T, T)]> {
    let mut kept = Vec::new();
    for &(first, last) in ranges {
        let mut start = Some(first);
        for &(from, to) in others.iter().filter(|(from, to)| *from <= last && first <= *to) {
            if let (Some(begin), Some(end)) = (start, before(from))
                && begin <= end
            {
                kept.push((begin, end));
            }
            start = behind(to);
        }
        if let Some(begin) = start.filter(|begin| *begin <= last) {
            kept.push((begin, last));
        }
    }
    kept.into()
}

/// In order, and none within or over another.
fn disjoint<T: Copy + Ord>(mut ranges: Vec<(T, T)>) -> Box<[(T, T)]> {
    ranges.sort_unstable();
    ranges.dedup_by(|next, kept| {
        let overlaps = next.0 <= kept.1;
        kept.1 = if overlaps { kept.1.max(next.1) } else { kept.1 };
        overlaps
    });
    ranges.into()
}

/// An address and how many of its bits count.
fn range(entry: &str) -> Option<(IpAddr, u32)> {
    let (address, prefix) = match entry.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (entry, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let prefix: u32 = match prefix {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        Some(_) => return None,
        None => bits,
    };
    let mapped = match address {
        IpAddr::V6(address) => Ipv6Addr::to_ipv4_mapped(&address),
        IpAddr::V4(_) => None,
    };
    match (mapped, prefix.checked_sub(96)) {
        _ if prefix > bits => None,
        (Some(address), Some(prefix)) => Some((address.into(), prefix)),
        _ => Some((address, prefix)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_a_list_or_not() {
        let rows: [(&str, &[&str], &[&str]); 9] = [
            ("10.0.0.0/8", &["10.0.0.0", "10.255.255.255"], &["9.255.255.255", "11.0.0.0"]),
            // Bits behind the prefix do not count.
            ("10.1.2.3/8", &["10.200.0.1"], &["11.0.0.1"]),
            ("192.0.2.7", &["192.0.2.7", "::ffff:192.0.2.7"], &["192.0.2.6", "192.0.2.8"]),
            ("10.0.0.0/8, 10.1.0.0/16 ,172.16.0.1", &["10.2.0.1", "172.16.0.1"], &["172.16.0.2"]),
            ("0.0.0.0/0", &["0.0.0.0", "255.255.255.255"], &["::1"]),
            ("::/0", &["::1", "ffff::"], &["127.0.0.1", "::ffff:127.0.0.1"]),
            ("2001:db8::/32", &["2001:db8:ffff::1"], &["2001:db9::"]),
            ("::ffff:192.0.2.0/120", &["192.0.2.255", "::ffff:192.0.2.1"], &["192.0.3.0"]),
            ("1.2.3.4/32,::1/128,1.2.3.4", &["1.2.3.4", "::1"], &["1.2.3.5", "::2"]),
        ];
        for (text, within, without) in rows {
            let ranges = AddressRanges::parse(text).expect(text);
            for (addresses, wanted) in [(within, true), (without, false)] {
                for address in addresses {
                    let found = ranges.contains(address.parse().expect("an address"));
                    assert_eq!(found, wanted, "{address} in {text}");
                }
            }
        }
    }

    #[test]
    fn one_entry_that_is_none_spoils_the_list() {
        for entry in [
            "",
            "everybody",
            "10.0.0.0/33",
            "::1/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
            "10.0.0",
            "010.0.0.1",
            "1.2.3.4-1.2.3.9",
            "fe80::1%eth0",
            "[::1]",
            "10.0.0.1:80",
            "10.0.0.0/8;192.0.2.1",
            "10.0.0.0/99999999999",
            "::ffff:1.2.3.4/129",
        ] {
            for text in [entry.to_owned(), format!("10.0.0.0/8,{entry}"), format!("{entry},::1")] {
                let wanted = AddressRangesError::Entry(entry.to_owned());
                assert_eq!(AddressRanges::parse(&text), Err(wanted), "{text}");
            }
        }
        let most = vec!["::1"; ADDRESS_RANGES_MAX].join(",");
        assert!(AddressRanges::parse(&most).is_ok());
        assert_eq!(AddressRanges::parse(&(most + ",::1")), Err(AddressRangesError::TooMany));
    }

    #[test]
    fn denial_comes_before_permission() {
        let ranges = |text| AddressRanges::parse(text).expect(text);
        let both = AddressRules { deny: ranges("10.1.0.0/16"), allow: Some(ranges("10.0.0.0/8")) };
        let deny = AddressRules { allow: None, ..both.clone() };
        for (rules, address, wanted) in [
            (&both, "10.1.0.1", Admission::Denied),
            (&both, "10.2.0.1", Admission::Allowed),
            (&both, "192.0.2.1", Admission::Denied),
            (&both, "::ffff:10.2.0.1", Admission::Allowed),
            (&deny, "10.1.0.1", Admission::Denied),
            (&deny, "192.0.2.1", Admission::Unmentioned),
        ] {
            assert_eq!(rules.admission(address.parse().expect("one")), wanted, "{address}");
        }
    }
}
