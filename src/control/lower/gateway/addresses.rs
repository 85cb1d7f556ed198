//! Addresses of Gateways: those that they name, one of `--gateway-addresses` each, or those of the
//! whole process.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::listeners::Fault;
use crate::control::gateway_api::gateway::AddressSpec;
use crate::limits::GATEWAY_ADDRESS_TRIES;
use crate::model::ObjectRef;

/// Where clients of a Gateway come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// At these addresses, which are nobody else's.
    Own(Vec<IpAddr>),
    /// Where those of Ingresses do.
    Shared,
    /// Nowhere: what is wanted is not possible. Condition Accepted.
    Refused(Fault),
    /// Nowhere: what is wanted cannot be had. Condition Programmed.
    Missing(Fault),
}

/// A range of addresses: the first one, and how many bits all have in common.
pub(crate) type Range = (IpAddr, u32);

/// Who has which address.
#[derive(Debug, Default)]
pub(super) struct Pool {
    taken: BTreeMap<IpAddr, ObjectRef>,
}

impl Pool {
    /// Gives back what Gateways have that are gone.
    pub(super) fn retain(&mut self, is_there: impl Fn(&ObjectRef) -> bool) {
        self.taken.retain(|_, owner| is_there(owner));
    }

    /// Where a Gateway is; an address that it has stays its own for as long as it may have it.
    pub(super) fn place(
        &mut self,
        gateway: &ObjectRef,
        wanted: &[AddressSpec],
        ranges: &[Range],
    ) -> Place {
        let place = self.choose(gateway, wanted, ranges);
        let own = if let Place::Own(own) = &place { &own[..] } else { &[] };
        self.taken.retain(|address, owner| owner != gateway || own.contains(address));
        place
    }

    fn choose(&mut self, gateway: &ObjectRef, wanted: &[AddressSpec], ranges: &[Range]) -> Place {
        let mut own = Vec::new();
        for (index, AddressSpec { type_, value }) in wanted.iter().enumerate() {
            let field = format!("spec.addresses[{index}]");
            let type_ = type_.as_deref().unwrap_or("IPAddress");
            if type_ != "IPAddress" {
                let text =
                    format!("Addresses of type {type_} are not supported; name an IPAddress.");
                return Place::Refused(Fault::new("UnsupportedAddress", field, text));
            }
            match value.as_deref().filter(|value| !value.is_empty()) {
                None => {}
                Some(value) => match self.named(gateway, value, ranges) {
                    Ok(address) => own.push(address),
                    Err(why) => {
                        let text = format!("The address {value} cannot be used: {why}.");
                        let fault = Fault::new("AddressNotUsable", field, text);
                        // What is not possible at all is told first.
                        return match wanted.iter().all(is_address) {
                            true => Place::Missing(fault),
                            false => self.choose(gateway, unusual(wanted), ranges),
                        };
                    }
                },
            }
        }
        if !own.is_empty() {
            return Place::Own(own);
        }
        if ranges.is_empty() {
            return Place::Shared;
        }
        match self.any(gateway, ranges) {
            Some(address) => Place::Own(vec![address]),
            None => {
                let text = "No address of --gateway-addresses is free; add more.";
                Place::Missing(Fault::new("AddressNotAssigned", "", text))
            }
        }
    }

    fn named(
        &mut self,
        gateway: &ObjectRef,
        value: &str,
        ranges: &[Range],
    ) -> Result<IpAddr, String> {
        let address: IpAddr =
            value.parse().map_err(|_no_address| "it is no IP address".to_owned())?;
        if !ranges.iter().any(|range| is_within(address, *range)) {
            return Err("it is none of --gateway-addresses".into());
        }
        match self.taken.get(&address) {
            Some(owner) if owner != gateway => Err(format!("{owner} has it")),
            _ => {
                self.taken.insert(address, gateway.clone());
                Ok(address)
            }
        }
    }

    /// Begins at a place that the name decides, so that replicas, and a process that starts again,
    /// mostly come to the same.
    fn any(&mut self, gateway: &ObjectRef, ranges: &[Range]) -> Option<IpAddr> {
        let has = |(_, owner): &(&IpAddr, &ObjectRef)| *owner == gateway;
        let is_given = |address: &IpAddr| ranges.iter().any(|range| is_within(*address, *range));
        if let Some((address, _)) = self.taken.iter().find(has)
            && is_given(address)
        {
            return Some(*address);
        }
        let sizes = ranges.iter().map(|range| size(*range));
        let total = sizes.fold(0_u128, u128::saturating_add);
        let start = u128::from(hash(gateway)).checked_rem(total)?;
        let tries = u128::from(GATEWAY_ADDRESS_TRIES).min(total);
        let address = (0..tries)
            .filter_map(|step| nth(ranges, start.wrapping_add(step).checked_rem(total)?))
            .find(|address| !self.taken.contains_key(address))?;
        self.taken.insert(address, gateway.clone());
        Some(address)
    }
}

fn is_address(spec: &AddressSpec) -> bool {
    spec.type_.as_deref().is_none_or(|type_| type_ == "IPAddress")
}

/// From the first address of another type on.
fn unusual(wanted: &[AddressSpec]) -> &[AddressSpec] {
    let first = wanted.iter().position(|spec| !is_address(spec)).unwrap_or_default();
    wanted.get(first..).unwrap_or_default()
}

fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u32::from(address).into(), 32),
        IpAddr::V6(address) => (address.into(), 128),
    }
}

fn is_within(address: IpAddr, (first, prefix): Range) -> bool {
    let ((address, width), (first, other_width)) = (bits(address), bits(first));
    let shift = width.saturating_sub(prefix);
    let part = |bits: u128| bits.checked_shr(shift).unwrap_or(0);
    width == other_width && part(address) == part(first)
}

/// Addresses that may be given away: in a net neither its own nor that for all.
fn size((first, prefix): Range) -> u128 {
    let (_, width) = bits(first);
    let all = 1_u128.checked_shl(width.saturating_sub(prefix)).unwrap_or(u128::MAX);
    if all > 2 { all.saturating_sub(2) } else { all }
}

fn nth(ranges: &[Range], mut n: u128) -> Option<IpAddr> {
    for (first, prefix) in ranges {
        let size = size((*first, *prefix));
        if n >= size {
            n = n.saturating_sub(size);
            continue;
        }
        let (start, width) = bits(*first);
        let is_net = width.saturating_sub(*prefix) > 1;
        let number = start.checked_add(n)?.checked_add(u128::from(is_net))?;
        return match first {
            IpAddr::V4(_) => u32::try_from(number).ok().map(|n| Ipv4Addr::from(n).into()),
            IpAddr::V6(_) => Some(Ipv6Addr::from(number).into()),
        };
    }
    None
}

/// FNV-1a: the same in every process.
fn hash(gateway: &ObjectRef) -> u64 {
    let text = [gateway.namespace.as_bytes(), b"/", gateway.name.as_bytes()].concat();
    text.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Kind;

    fn gateway(name: &str) -> ObjectRef {
        ObjectRef { kind: Kind::Gateway, namespace: "edge".into(), name: name.into() }
    }

    fn address(type_: Option<&str>, value: Option<&str>) -> AddressSpec {
        AddressSpec { type_: type_.map(Into::into), value: value.map(Into::into) }
    }

    fn range(first: &str, prefix: u32) -> Range {
        (first.parse().expect("an address"), prefix)
    }

    /// `own …`, or the word for it.
    fn place(pool: &mut Pool, name: &str, wanted: &[AddressSpec], ranges: &[Range]) -> String {
        match pool.place(&gateway(name), wanted, ranges) {
            Place::Own(own) => own.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            Place::Shared => "shared".into(),
            Place::Refused(fault) | Place::Missing(fault) => fault.reason.into(),
        }
    }

    #[test]
    fn what_a_gateway_wants_is_what_it_gets_or_why_not() {
        let ranges = [range("127.80.0.0", 30), range("::1:0", 127)];
        let ip = |value| address(Some("IPAddress"), Some(value));
        let odd = || address(Some("example.com/odd"), Some("x"));
        for (wanted, ranges, expected) in [
            (vec![], &[][..], "shared"),
            (vec![address(None, None)], &[], "shared"),
            (vec![ip("127.80.0.1")], &[], "AddressNotUsable"),
            (vec![ip("127.80.0.1")], &ranges, "127.80.0.1"),
            (vec![address(None, Some("127.80.0.2"))], &ranges, "127.80.0.2"),
            (vec![ip("127.80.0.2"), ip("::1:1")], &ranges, "127.80.0.2 ::1:1"),
            (vec![ip("192.0.2.1")], &ranges, "AddressNotUsable"),
            (vec![ip("here")], &ranges, "AddressNotUsable"),
            (vec![odd()], &ranges, "UnsupportedAddress"),
            (vec![ip("192.0.2.1"), odd()], &ranges, "UnsupportedAddress"),
            (vec![odd(), ip("192.0.2.1")], &ranges, "UnsupportedAddress"),
        ] {
            assert_eq!(place(&mut Pool::default(), "a", &wanted, ranges), expected, "{wanted:?}");
        }
    }

    #[test]
    fn each_gateway_has_an_address_of_its_own() {
        let ranges = [range("127.80.0.0", 30)];
        let mut pool = Pool::default();
        let (a, b) = (place(&mut pool, "a", &[], &ranges), place(&mut pool, "b", &[], &ranges));
        assert_ne!(a, b);
        for given in [&a, &b] {
            assert!(["127.80.0.1", "127.80.0.2"].contains(&&**given), "{given}");
        }
        assert_eq!(place(&mut pool, "c", &[], &ranges), "AddressNotAssigned");
        assert_eq!(place(&mut pool, "c", &[address(None, Some(&a))], &ranges), "AddressNotUsable");
        assert_eq!(place(&mut pool, "a", &[], &ranges), a);
        pool.retain(|owner| *owner != gateway("a"));
        assert_eq!(place(&mut pool, "c", &[], &ranges), a);
        // Without end, and soon done.
        assert_ne!(place(&mut Pool::default(), "a", &[], &[range("fd00::", 8)]), "shared");
    }
}
