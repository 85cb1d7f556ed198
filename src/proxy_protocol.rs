//! PROXY protocol, versions 1 and 2: who is behind a load balancer that passes TCP on. Sans-IO.
//!
//! Source: <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>; section numbers are
//! its. Whom to believe is the caller's affair: a header from an address not trusted is a lie.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::limits::{PROXY_HEADER_BYTES_MAX, PROXY_LINE_BYTES_MAX};

/// First octets of version 1.
const LINE_SIGNATURE: &[u8] = b"PROXY";
/// First octets of version 2.
const BLOCK_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Octets of version 2 before the addresses.
const BLOCK_HEAD_BYTES: usize = 16;
/// Version 2, command PROXY.
const VERSION_2_PROXY: u8 = 0x21;
/// TCP over IPv4.
const TCP4: u8 = 0x11;
/// TCP over IPv6.
const TCP6: u8 = 0x21;
/// Octets of two IPv4 addresses and two ports.
const TCP4_BYTES: u8 = 12;
/// Octets of two IPv6 addresses and two ports.
const TCP6_BYTES: u8 = 36;
/// Octets of two UNIX socket paths.
const UNIX_BYTES: u8 = 216;

/// What the first octets of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of a header; more octets are needed.
    Incomplete,
    /// No header: these octets belong to the protocol above.
    Absent,
    /// A header.
    Header {
        /// Its octets; the protocol above begins behind them.
        bytes: usize,
        /// The client. `None`: the connection's own addresses hold, as for the health checks of the
        /// load balancer (LOCAL, UNKNOWN) and for what is no TCP.
        source: Option<SocketAddr>,
        /// The address that the client connected to.
        destination: Option<SocketAddr>,
    },
}

/// Why a header was refused. The peer is at fault; the connection must be closed (section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Version 1: no CRLF within the longest line there can be.
    #[error("the PROXY line is too long")]
    LineTooLong,
    /// Version 1: CR without LF, or LF without CR.
    #[error("the PROXY line does not end in CRLF")]
    LineEnd,
    /// Version 1: not family, two addresses and two ports with one blank between.
    #[error("the PROXY line is not family, addresses and ports with one blank between")]
    Line,
    /// A family or a transport that the specification does not know.
    #[error("the PROXY header names an unknown family")]
    Family,
    /// Version 1: no address of the family.
    #[error("the PROXY line has an address that is none of its family")]
    Address,
    /// Version 1: no decimal number up to 65535, or one with zeros in front.
    #[error("the PROXY line has an invalid port")]
    Port,
    /// The signature of version 2, but another version.
    #[error("the PROXY header has an unknown version")]
    Version,
    /// Version 2: neither LOCAL nor PROXY.
    #[error("the PROXY header has an unknown command")]
    Command,
    /// Version 2: longer than the limit.
    #[error("the PROXY header is too long")]
    BlockTooLong,
    /// Version 2: shorter than the addresses of its family.
    #[error("the PROXY header is shorter than its addresses")]
    Addresses,
    /// Version 2: an extension (TLV) goes beyond the end of the header.
    #[error("the PROXY header has an extension that does not end")]
    Extension,
}

/// Looks for a header at the very beginning of a connection.
///
/// Shape: looks at [`PROXY_HEADER_BYTES_MAX`] octets at most, and is never [`Parsed::Incomplete`]
/// when so many are here. Extensions are skipped, a checksum among them too.
///
/// # Errors
/// See [`ProxyError`].
pub fn parse(octets: &[u8]) -> Result<Parsed, ProxyError> {
    if let Some(rest) = octets.strip_prefix(LINE_SIGNATURE) {
        return parse_line(rest);
    }
    if let Some(rest) = octets.strip_prefix(BLOCK_SIGNATURE) {
        return parse_block(rest);
    }
    let can_become = LINE_SIGNATURE.starts_with(octets) || BLOCK_SIGNATURE.starts_with(octets);
    Ok(if can_become { Parsed::Incomplete } else { Parsed::Absent })
}

/// Version 1 behind the signature, section 2.1.
fn parse_line(rest: &[u8]) -> Result<Parsed, ProxyError> {
    const ROOM: usize = PROXY_LINE_BYTES_MAX - LINE_SIGNATURE.len();
    let window = rest.get(..ROOM).unwrap_or(rest);
    let end = window.iter().position(|octet| matches!(octet, b'\r' | b'\n'));
    let line = match end.map(|end| window.split_at(end)) {
        Some((line, [b'\r', b'\n', ..])) => line,
        Some((_, [b'\r'])) | None if window.len() < ROOM => return Ok(Parsed::Incomplete),
        Some((_, [b'\r'])) | None => return Err(ProxyError::LineTooLong),
        Some(_) => return Err(ProxyError::LineEnd),
    };
    let bytes = LINE_SIGNATURE.len() + line.len() + 2;
    let mut words = line.split(|octet| *octet == b' ');
    let (Some(b""), Some(family)) = (words.next(), words.next()) else {
        return Err(ProxyError::Line);
    };
    let parse_address = match family {
        // Whatever follows is to be ignored.
        b"UNKNOWN" => return Ok(Parsed::Header { bytes, source: None, destination: None }),
        b"TCP4" => |word| text_as::<Ipv4Addr>(word).map(IpAddr::V4),
        b"TCP6" => |word| text_as::<Ipv6Addr>(word).map(IpAddr::V6),
        _ => return Err(ProxyError::Family),
    };
    let [Some(source), Some(destination), Some(source_port), Some(destination_port), None] =
        [(); 5].map(|()| words.next())
    else {
        return Err(ProxyError::Line);
    };
    let endpoint = |address, port| {
        let address = parse_address(address).ok_or(ProxyError::Address)?;
        Ok(SocketAddr::new(address, parse_port(port).ok_or(ProxyError::Port)?))
    };
    Ok(Parsed::Header {
        bytes,
        source: Some(endpoint(source, source_port)?),
        destination: Some(endpoint(destination, destination_port)?),
    })
}

fn text_as<T: std::str::FromStr>(word: &[u8]) -> Option<T> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

fn parse_port(word: &[u8]) -> Option<u16> {
    // The parser of std takes a sign and zeros in front; the specification takes neither.
    let is_canonical = word == b"0" || matches!(word, [b'1'..=b'9', ..]);
    if is_canonical { text_as(word) } else { None }
}

/// Version 2 behind the signature, section 2.2.
fn parse_block(rest: &[u8]) -> Result<Parsed, ProxyError> {
    let is_local = match rest.first() {
        None => return Ok(Parsed::Incomplete),
        Some(octet) if octet >> 4 != 2 => return Err(ProxyError::Version),
        Some(octet) => match octet & 15 {
            0 => true,
            1 => false,
            _ => return Err(ProxyError::Command),
        },
    };
    let Some((&[_, family, high, low], rest)) = rest.split_first_chunk() else {
        return Ok(Parsed::Incomplete);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let bytes = BLOCK_HEAD_BYTES + length;
    if bytes > PROXY_HEADER_BYTES_MAX {
        return Err(ProxyError::BlockTooLong);
    }
    let Some(block) = rest.get(..length) else {
        return Ok(Parsed::Incomplete);
    };
    let own_addresses = Parsed::Header { bytes, source: None, destination: None };
    if is_local {
        // The family is to be ignored, and so is the block.
        return Ok(own_addresses);
    }
    let address_bytes = match family {
        // Nothing is known of the block.
        0x00 => return Ok(own_addresses),
        TCP4 | 0x12 => TCP4_BYTES,
        TCP6 | 0x22 => TCP6_BYTES,
        0x31 | 0x32 => UNIX_BYTES,
        _ => return Err(ProxyError::Family),
    };
    let (addresses, extensions) =
        block.split_at_checked(usize::from(address_bytes)).ok_or(ProxyError::Addresses)?;
    skip_extensions(extensions)?;
    let (source, destination) = match family {
        TCP4 => two_addresses::<4>(addresses),
        TCP6 => two_addresses::<16>(addresses),
        // Datagrams and UNIX sockets are valid and unsupported: treated as unspecified.
        _ => None,
    }
    .unzip();
    Ok(Parsed::Header { bytes, source, destination })
}

/// Type, length of two octets, value; again until the end of the block.
fn skip_extensions(mut rest: &[u8]) -> Result<(), ProxyError> {
    while !rest.is_empty() {
        let (&[_, high, low], behind) = rest.split_first_chunk().ok_or(ProxyError::Extension)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        rest = behind.get(length..).ok_or(ProxyError::Extension)?;
    }
    Ok(())
}

/// Source address, destination address, source port, destination port.
fn two_addresses<const N: usize>(octets: &[u8]) -> Option<(SocketAddr, SocketAddr)>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = octets.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (source_port, rest) = rest.split_first_chunk()?;
    let (destination_port, _) = rest.split_first_chunk()?;
    let endpoint = |address: &[u8; N], port: &[u8; 2]| {
        SocketAddr::new(IpAddr::from(*address), u16::from_be_bytes(*port))
    };
    Some((endpoint(source, source_port), endpoint(destination, destination_port)))
}

/// Two addresses of one family: IPv4 whenever both are, also in the mapped form that a dual-stack
/// listener tells; else IPv6.
enum Pair {
    V4(Ipv4Addr, Ipv4Addr),
    V6(Ipv6Addr, Ipv6Addr),
}

impl Pair {
    fn new(source: SocketAddr, destination: SocketAddr) -> Self {
        let as_v6 = |address| match address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        match (source.ip().to_canonical(), destination.ip().to_canonical()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Self::V4(source, destination),
            (source, destination) => Self::V6(as_v6(source), as_v6(destination)),
        }
    }
}

/// Appends a header of version 1.
pub fn put_v1(out: &mut Vec<u8>, source: SocketAddr, destination: SocketAddr) {
    let (from, to) = (source.port(), destination.port());
    let written = match Pair::new(source, destination) {
        Pair::V4(source, destination) => {
            write!(out, "PROXY TCP4 {source} {destination} {from} {to}\r\n")
        }
        Pair::V6(source, destination) => {
            write!(out, "PROXY TCP6 {source} {destination} {from} {to}\r\n")
        }
    };
    // Writing to a Vec cannot fail.
    written.unwrap_or_default();
}

/// Appends a header of version 2, without extensions.
pub fn put_v2(out: &mut Vec<u8>, source: SocketAddr, destination: SocketAddr) {
    out.extend_from_slice(BLOCK_SIGNATURE);
    match Pair::new(source, destination) {
        Pair::V4(source, destination) => {
            out.extend_from_slice(&[VERSION_2_PROXY, TCP4, 0, TCP4_BYTES]);
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&destination.octets());
        }
        Pair::V6(source, destination) => {
            out.extend_from_slice(&[VERSION_2_PROXY, TCP6, 0, TCP6_BYTES]);
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&destination.octets());
        }
    }
    out.extend_from_slice(&source.port().to_be_bytes());
    out.extend_from_slice(&destination.port().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(bytes: usize, addresses: Option<(&str, &str)>) -> Parsed {
        let parse = |text: &str| text.parse().unwrap();
        let (source, destination) = addresses.map(|(s, d)| (parse(s), parse(d))).unzip();
        Parsed::Header { bytes, source, destination }
    }

    /// Alone, with more behind it, and cut anywhere.
    #[track_caller]
    fn check(octets: &[u8], addresses: Option<(&str, &str)>) {
        assert_eq!(parse(octets), Ok(header(octets.len(), addresses)));
        let followed = [octets, b"GET / HTTP/1.1\r\n\r\n"].concat();
        assert_eq!(parse(&followed), Ok(header(octets.len(), addresses)));
        for end in 0..octets.len() {
            assert_eq!(parse(&octets[..end]), Ok(Parsed::Incomplete), "cut at {end}");
        }
    }

    fn block(version_command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [&BLOCK_SIGNATURE[..], &[version_command, family], &length, payload].concat()
    }

    const V4_PAYLOAD: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0x30, 0x39, 1, 0xbb];
    const V4_PAIR: (&str, &str) = ("192.0.2.1:12345", "198.51.100.2:443");

    fn v4_with(extensions: &[u8]) -> Vec<u8> {
        block(0x21, 0x11, &[&V4_PAYLOAD[..], extensions].concat())
    }

    #[test]
    fn version_1_tells_both_ends() {
        check(b"PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\n", Some(V4_PAIR));
        check(b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", {
            Some(("0.0.0.0:0", "255.255.255.255:65535"))
        });
        check(b"PROXY TCP6 2001:DB8::1 ::ffff:10.0.0.1 1 2\r\n", {
            Some(("[2001:db8::1]:1", "[::ffff:10.0.0.1]:2"))
        });
        check(b"PROXY UNKNOWN\r\n", None);
        check(b"PROXY UNKNOWN whatever  this is\r\n", None);
        let full = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        let longest = format!("PROXY UNKNOWN {full} {full} 65535 65535\r\n");
        assert_eq!(longest.len(), PROXY_LINE_BYTES_MAX);
        check(longest.as_bytes(), None);
    }

    #[test]
    fn version_2_tells_both_ends() {
        check(&v4_with(b""), Some(V4_PAIR));
        let mut payload = [0; 36];
        payload[15] = 1;
        payload[16] = 0xfe;
        payload[17] = 0x80;
        payload[32..].copy_from_slice(&[0, 80, 0x1f, 0x90]);
        check(&block(0x21, 0x21, &payload), Some(("[::1]:80", "[fe80::]:8080")));
    }

    #[test]
    fn what_is_not_tcp_leaves_the_addresses_of_the_connection() {
        check(&block(0x20, 0x00, b""), None);
        check(&block(0x20, 0x11, &V4_PAYLOAD), None);
        check(&block(0x20, 0xff, b"anything"), None);
        check(&block(0x21, 0x00, b"anything"), None);
        check(&block(0x21, 0x12, &V4_PAYLOAD), None);
        check(&block(0x21, 0x22, &[0; 36]), None);
        check(&block(0x21, 0x31, &[b'a'; 216]), None);
        check(&block(0x21, 0x32, &[b'a'; 216]), None);
    }

    #[test]
    fn extensions_are_skipped() {
        check(&v4_with(b"\x01\x00\x02h2\x04\x00\x00"), Some(V4_PAIR));
        let room = PROXY_HEADER_BYTES_MAX - BLOCK_HEAD_BYTES - V4_PAYLOAD.len();
        let length = u16::try_from(room - 3).unwrap().to_be_bytes();
        let mut largest = vec![0x04, length[0], length[1]];
        largest.resize(room, 0);
        check(&v4_with(&largest), Some(V4_PAIR));
    }

    #[test]
    fn other_protocols_are_no_header() {
        let others: [&[u8]; 7] = [
            b"GET / HTTP/1.1\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"PUT /",
            b"PROX ",
            b"\x16\x03\x01",
            b"\r\nGET /",
            b"\r\n\r\n\0\r\nQUIT\r",
        ];
        for octets in others {
            assert_eq!(parse(octets), Ok(Parsed::Absent), "{octets:?}");
        }
    }

    #[track_caller]
    fn check_line_refused(line: &str, error: ProxyError) {
        assert_eq!(parse(line.as_bytes()), Err(error), "{line:?}");
    }

    #[test]
    fn version_1_is_strict() {
        use ProxyError::{Address, Family, Line, LineEnd, LineTooLong, Port};
        check_line_refused(&format!("PROXY UNKNOWN {}\r\n", "x".repeat(92)), LineTooLong);
        check_line_refused(&"PROXY".repeat(30), LineTooLong);
        check_line_refused(&format!("PROXY UNKNOWN {}\r", "x".repeat(92)), LineTooLong);
        check_line_refused("PROXY UNKNOWN\n", LineEnd);
        check_line_refused("PROXY UNKNOWN\rx", LineEnd);
        check_line_refused("PROXY\r\n", Line);
        check_line_refused("PROXYTCP4 1.2.3.4 1.2.3.4 1 2\r\n", Line);
        check_line_refused("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", Line);
        check_line_refused("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", Line);
        check_line_refused("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", Line);
        check_line_refused("PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", Line);
        check_line_refused("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", Family);
        check_line_refused("PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", Family);
        check_line_refused("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", Family);
        check_line_refused("PROXY UNKNOWN\0\r\n", Family);
        for address in ["::1", "01.2.3.4", "1.2.3", "1.2.3.256", "a", "", "1.2.3.4\0", "é"] {
            check_line_refused(&format!("PROXY TCP4 {address} 1.2.3.4 1 2\r\n"), Address);
            check_line_refused(&format!("PROXY TCP4 1.2.3.4 {address} 1 2\r\n"), Address);
        }
        for address in ["1.2.3.4", "[::1]", "fe80::1%1", "1::2::3", "::12345"] {
            check_line_refused(&format!("PROXY TCP6 {address} ::1 1 2\r\n"), Address);
        }
        for port in ["", "+1", "-1", "00", "01", "65536", "1x", "\t1"] {
            check_line_refused(&format!("PROXY TCP4 1.2.3.4 1.2.3.4 {port} 2\r\n"), Port);
            check_line_refused(&format!("PROXY TCP4 1.2.3.4 1.2.3.4 1 {port}\r\n"), Port);
        }
    }

    #[test]
    fn version_2_is_strict() {
        use ProxyError::{Addresses, BlockTooLong, Command, Extension, Family, Version};
        assert_eq!(parse(&block(0x11, 0x11, &V4_PAYLOAD)), Err(Version));
        assert_eq!(parse(&block(0x31, 0x11, &V4_PAYLOAD)), Err(Version));
        assert_eq!(parse(&block(0x22, 0x11, &V4_PAYLOAD)), Err(Command));
        assert_eq!(parse(&block(0x20, 0x00, &[0; 4097])), Err(BlockTooLong));
        assert_eq!(parse(&block(0x21, 0x11, &[0; 65_535])[..16]), Err(BlockTooLong));
        for family in [0x01, 0x02, 0x10, 0x13, 0x20, 0x30, 0x33, 0x41, 0xff] {
            assert_eq!(parse(&block(0x21, family, &[0; 216])), Err(Family), "{family:x}");
        }
        for (family, bytes) in [(0x11, 12), (0x12, 12), (0x21, 36), (0x22, 36), (0x31, 216)] {
            let short = vec![0; bytes - 1];
            assert_eq!(parse(&block(0x21, family, &short)), Err(Addresses), "{family:x}");
        }
        for extension in [&b"\x01"[..], b"\x01\x00", b"\x01\x00\x01", b"\x01\x00\x00\x02"] {
            assert_eq!(parse(&v4_with(extension)), Err(Extension), "{extension:?}");
        }
    }

    #[test]
    fn addresses_of_a_dual_stack_listener_are_told_as_ipv4() {
        let (source, destination) = ("[::ffff:192.0.2.1]:12345", "198.51.100.2:443");
        let (mut line, mut octets) = (Vec::new(), Vec::new());
        put_v1(&mut line, source.parse().unwrap(), destination.parse().unwrap());
        put_v2(&mut octets, source.parse().unwrap(), destination.parse().unwrap());
        assert_eq!(line, b"PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\n");
        assert_eq!(octets, v4_with(b""));
    }

    /// What an address reads as once it went through a header beside another one.
    fn expected(address: SocketAddr, other: SocketAddr) -> SocketAddr {
        let ip = address.ip().to_canonical();
        let ip = match ip {
            IpAddr::V4(v4) if other.ip().to_canonical().is_ipv6() => v4.to_ipv6_mapped().into(),
            _ => ip,
        };
        SocketAddr::new(ip, address.port())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_every_part_of_it_is_incomplete(
            source: SocketAddr, destination: SocketAddr, behind: Vec<u8>,
        ) {
            for put in [put_v1, put_v2] {
                let mut octets = Vec::new();
                put(&mut octets, source, destination);
                let bytes = octets.len();
                prop_assert!(bytes <= PROXY_HEADER_BYTES_MAX);
                for end in 0..bytes {
                    prop_assert_eq!(parse(&octets[..end]), Ok(Parsed::Incomplete));
                }
                octets.extend_from_slice(&behind);
                let header = Parsed::Header {
                    bytes,
                    source: Some(expected(source, destination)),
                    destination: Some(expected(destination, source)),
                };
                prop_assert_eq!(parse(&octets), Ok(header));
            }
        }

        /// No panic, and never more octets than there are.
        #[test]
        fn garbage_behind_a_signature_is_survived(
            signature in prop_oneof![
                Just(&b""[..]), Just(&b"PROXY "[..]), Just(&b"PROXY TCP4 "[..]),
                Just(&BLOCK_SIGNATURE[..]), Just(&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0"[..]),
            ],
            garbage in proptest::collection::vec(any::<u8>(), 0..700),
        ) {
            let octets = [signature, &garbage].concat();
            if let Ok(Parsed::Header { bytes, .. }) = parse(&octets) {
                prop_assert!(bytes <= octets.len() && bytes <= PROXY_HEADER_BYTES_MAX);
            }
        }
    }
}
