//! The ring of consistent hashing: a key is that endpoint's whose point is the next one on it, so
//! that an endpoint that comes or goes moves no keys but its own.
//!
//! Source: `resty.chash` of lua-resty-balancer, by which ingress-nginx finds the endpoints of
//! sessions and hashes: the same key leads to the same address here and there.

use std::io::Write as _;
use std::net::SocketAddr;

use crate::limits::{RING_ENDPOINTS_MAX, RING_POINTS_PER_ENDPOINT};

/// What leads to the endpoints of one set, which it knows by their index there.
///
/// Shape: some 1.3 KiB an endpoint, made by the control plane and shared by all cores.
#[derive(Debug, Default)]
pub struct Ring {
    /// In their order.
    points: Box<[Point]>,
    /// By endpoint.
    names: Box<[u64]>,
    /// Endpoints in the order of their names.
    by_name: Box<[u32]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    hash: u32,
    endpoint: u32,
}

impl Ring {
    /// The ring of `addresses`, which are sorted. `name` is what sessions call an endpoint that
    /// they keep for good. `before`: a ring of other addresses, to take over what stays.
    #[must_use]
    pub fn new(
        addresses: &[SocketAddr],
        before: Option<(&Self, &[SocketAddr])>,
        name: impl FnMut(&SocketAddr) -> u64,
    ) -> Self {
        let addresses = addresses.get(..RING_ENDPOINTS_MAX).unwrap_or(addresses);
        let names: Box<[u64]> = addresses.iter().map(name).collect();
        let mut by_name: Box<[u32]> = (0..).take(names.len()).collect();
        by_name.sort_unstable_by_key(|&endpoint| at(&names, endpoint));
        let empty = Self::default();
        let (old, old_addresses) = before.unwrap_or((&empty, &[]));
        Self { points: points(addresses, &old.points, old_addresses), names, by_name }
    }

    /// Where on the ring a key is.
    #[must_use]
    pub fn hash(key: &[u8]) -> u32 {
        crc32(0, key)
    }

    /// All endpoints in the order in which they are next to `hash`, most of them several times;
    /// once around.
    pub fn from(&self, hash: u32) -> impl Iterator<Item = usize> + Clone + '_ {
        let start = self.points.partition_point(|point| point.hash < hash);
        let (before, behind) = self.points.split_at(start);
        behind.iter().chain(before).map(|point| point.endpoint as usize)
    }

    /// Whether the endpoints are called the same.
    #[must_use]
    pub fn has_names_of(&self, other: &Self) -> bool {
        self.names == other.names
    }

    /// The endpoint of a name.
    #[must_use]
    pub fn named(&self, name: u64) -> Option<usize> {
        let found = self.by_name.binary_search_by_key(&Some(name), |&e| at(&self.names, e)).ok()?;
        self.by_name.get(found).map(|&endpoint| endpoint as usize)
    }

    /// The name of an endpoint.
    #[must_use]
    pub fn name(&self, endpoint: usize) -> Option<u64> {
        self.names.get(endpoint).copied()
    }
}

fn at(names: &[u64], endpoint: u32) -> Option<u64> {
    names.get(endpoint as usize).copied()
}

/// The points of `new` addresses, in order. Sorts those alone that are not among the `old` ones: a
/// ring of ten thousand endpoints has 1.6 million points.
fn points(new: &[SocketAddr], old_points: &[Point], old: &[SocketAddr]) -> Box<[Point]> {
    let index = |address: &SocketAddr| {
        let found = new.binary_search(address).ok();
        found.and_then(|index| u32::try_from(index).ok())
    };
    let now: Vec<Option<u32>> = old.iter().map(index).collect();
    let mut added: Vec<Point> = (0..)
        .zip(new)
        .filter(|(_, address)| old.binary_search(address).is_err())
        .flat_map(|(endpoint, address)| points_of(endpoint, address))
        .collect();
    added.sort_unstable();
    let mut added = added.into_iter().peekable();
    let mut points = Vec::with_capacity(new.len().saturating_mul(RING_POINTS_PER_ENDPOINT));
    // Both lists of addresses are sorted, so that points with the same hash keep their order.
    for point in old_points {
        let Some(&Some(endpoint)) = now.get(point.endpoint as usize) else { continue };
        let kept = Point { endpoint, ..*point };
        while let Some(before) = added.next_if(|point| *point < kept) {
            points.push(before);
        }
        points.push(kept);
    }
    points.extend(added);
    points.into()
}

/// Each is the checksum of the address and of the point before it.
fn points_of(endpoint: u32, address: &SocketAddr) -> impl Iterator<Item = Point> + use<> {
    let mut text = [0_u8; 64];
    let mut rest = &mut text[..];
    // The longest address has 58 octets.
    write!(rest, "{address}").unwrap_or_default();
    let free = rest.len();
    let base = text.split_at_checked(text.len() - free).map_or(0, |(text, _)| crc32(0, text));
    let mut hash = 0_u32;
    std::iter::repeat_with(move || {
        hash = crc32(base, &hash.to_le_bytes());
        Point { hash, endpoint }
    })
    .take(RING_POINTS_PER_ENDPOINT)
}

/// By octet.
const CHECKSUMS: [u32; 256] = {
    let mut table = [0_u32; 256];
    let mut octet = 0;
    while octet < table.len() {
        #[expect(clippy::cast_possible_truncation, reason = "an octet")]
        let mut sum = octet as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
            bit += 1;
        }
        table[octet] = sum;
        octet += 1;
    }
    table
};

/// The checksum of `octets` behind what `before` is the checksum of (CRC-32 of ISO 3309).
fn crc32(before: u32, octets: &[u8]) -> u32 {
    !octets
        .iter()
        .fold(!before, |sum, octet| sum >> 8 ^ CHECKSUMS[usize::from(sum.to_le_bytes()[0] ^ octet)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn addresses(hosts: impl IntoIterator<Item = u16>) -> Vec<SocketAddr> {
        let address = |host: u16| {
            SocketAddr::from(([10, 0, host.to_be_bytes()[0], host.to_be_bytes()[1]], 8080))
        };
        let mut all: Vec<_> = hosts.into_iter().map(address).collect();
        all.sort_unstable();
        all
    }

    fn ring(addresses: &[SocketAddr]) -> Ring {
        Ring::new(addresses, None, |address| u64::from(Ring::hash(address.to_string().as_bytes())))
    }

    fn owner(ring: &Ring, key: &str) -> Option<usize> {
        ring.from(Ring::hash(key.as_bytes())).next()
    }

    /// Made by the formula of the source in another language.
    #[test]
    fn keys_lead_where_ingress_nginx_leads_them() {
        let all = ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080", "[fd00::1]:80"];
        let all: Vec<SocketAddr> = all.iter().map(|text| text.parse().unwrap()).collect();
        let ring = ring(&all);
        for (key, expected) in [
            ("1700000000.123.45.678901", 2),
            ("1764460800.5.31.42", 1),
            ("1764460801.25.31.999999", 2),
            ("a", 2),
            ("/", 3),
            ("session", 2),
            ("0123456789abcdef", 1),
            ("", 0),
        ] {
            assert_eq!(owner(&ring, key), Some(expected), "{key}");
        }
        assert_eq!(ring.points.len(), 640);
        assert_eq!(ring.points[0], Point { hash: 1_390_174, endpoint: 0 });
        assert_eq!(ring.points[639], Point { hash: 4_289_091_063, endpoint: 3 });
        // Behind the last point comes the first.
        assert_eq!(ring.from(u32::MAX).next(), Some(0));
    }

    #[test]
    fn checksums_are_those_of_everyone() {
        assert_eq!(Ring::hash(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(crc32(0, b"1234"), b"56789"), 0xcbf4_3926);
    }

    #[test]
    fn a_ring_leads_to_so_many_endpoints() {
        let all = addresses(0..=u16::try_from(RING_ENDPOINTS_MAX).unwrap());
        let ring = ring(&all);
        assert_eq!(ring.points.len(), RING_ENDPOINTS_MAX * RING_POINTS_PER_ENDPOINT);
        assert_eq!(ring.name(RING_ENDPOINTS_MAX), None);
    }

    #[test]
    fn an_empty_ring_leads_nowhere() {
        assert_eq!(owner(&ring(&[]), "a"), None);
        assert_eq!(ring(&[]).named(0), None);
    }

    #[test]
    fn endpoints_share_the_keys_evenly() {
        let ring = ring(&addresses(0..10));
        let mut shares = [0_u32; 10];
        for key in 0..20_000 {
            shares[owner(&ring, &format!("key{key}")).unwrap()] += 1;
        }
        assert!(shares.iter().all(|share| (1300..2900).contains(share)), "{shares:?}");
    }

    proptest! {
        /// Endpoints that come take keys, endpoints that go leave theirs, and nothing else moves.
        #[test]
        fn a_change_moves_the_keys_of_what_changed(
            before in proptest::collection::btree_set(0_u16..60, 1..40),
            after in proptest::collection::btree_set(0_u16..60, 1..40),
        ) {
            let (old, new) = (addresses(before), addresses(after));
            let (old_ring, fresh) = (ring(&old), ring(&new));
            let name = |address: &SocketAddr| u64::from(Ring::hash(address.to_string().as_bytes()));
            let ring = Ring::new(&new, Some((&old_ring, &old)), name);
            prop_assert_eq!(&ring.points, &fresh.points);
            for key in 0..200 {
                let key = format!("key{key}");
                let was = old[owner(&old_ring, &key).unwrap()];
                let is = new[owner(&ring, &key).unwrap()];
                let moved_for_cause = !new.contains(&was) || !old.contains(&is);
                prop_assert!(was == is || moved_for_cause, "{} left {} for {}", key, was, is);
            }
            for (endpoint, address) in new.iter().enumerate() {
                prop_assert_eq!(ring.name(endpoint), Some(name(address)));
                prop_assert_eq!(ring.named(name(address)), Some(endpoint));
            }
        }
    }

    #[test]
    fn one_of_many_that_goes_moves_its_share() {
        let (old, new) = (addresses(0..50), addresses(1..50));
        let (before, after) = (ring(&old), ring(&new));
        let keys = (0..10_000).map(|key| format!("key{key}"));
        let moved = keys
            .filter(|key| old[owner(&before, key).unwrap()] != new[owner(&after, key).unwrap()]);
        // A fiftieth.
        assert!((100..320).contains(&moved.count()));
    }
}
