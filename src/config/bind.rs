//! Where to listen, as flags write it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::parse::ParseError;

/// What a listener is asked for; port 0 takes a free port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bind {
    /// `IP:PORT`: this address, or the process does not start.
    At(SocketAddr),
    /// `*:PORT`: every address of both families, of those that the machine has.
    Everywhere(u16),
    /// `localhost:PORT`: loopback of both families, of those that the machine has.
    Loopback(u16),
}

impl Bind {
    /// One socket address of each family that is asked for, IPv4 first. None is `::` for both
    /// families, nor IPv4 in the mapped form.
    #[must_use]
    pub fn addresses(self) -> Vec<SocketAddr> {
        let both = |v4: Ipv4Addr, v6: Ipv6Addr, port| {
            vec![SocketAddr::from((v4, port)), SocketAddr::from((v6, port))]
        };
        match self {
            Self::At(address) => vec![address],
            Self::Everywhere(port) => both(Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED, port),
            Self::Loopback(port) => both(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST, port),
        }
    }

    /// Whether the two ask for one port of one address; never of port 0.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        let clash = |one: &SocketAddr, two: &SocketAddr| {
            let is_any = one.ip().is_unspecified() || two.ip().is_unspecified();
            one.port() != 0
                && one.port() == two.port()
                && one.is_ipv4() == two.is_ipv4()
                && (is_any || one.ip() == two.ip())
        };
        let others = other.addresses();
        self.addresses().iter().any(|one| others.iter().any(|two| clash(one, two)))
    }
}

impl From<SocketAddr> for Bind {
    fn from(address: SocketAddr) -> Self {
        let mut address = address;
        address.set_ip(address.ip().to_canonical());
        Self::At(address)
    }
}

/// `IP:PORT`; brackets may stand around either family, so that a script need not look at it.
impl FromStr for Bind {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let text = text.trim();
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(address.into());
        }
        let (host, port) = text.rsplit_once(':').ok_or(ParseError::Address)?;
        let is_decimal = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| is_decimal).ok_or(ParseError::Address)?;
        match host {
            "*" => return Ok(Self::Everywhere(port)),
            "localhost" => return Ok(Self::Loopback(port)),
            _ => {}
        }
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let ip: Option<IpAddr> = inner.and_then(|inner| inner.parse().ok());
        ip.map(|ip| SocketAddr::from((ip, port)).into()).ok_or(ParseError::Address)
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(address) => address.fmt(f),
            Self::Everywhere(port) => write!(f, "*:{port}"),
            Self::Loopback(port) => write!(f, "localhost:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_and_a_name_is_both_families() {
        for (text, shown, addresses) in [
            ("0.0.0.0:80", "0.0.0.0:80", &["0.0.0.0:80"][..]),
            (" [::]:80", "[::]:80", &["[::]:80"]),
            ("*:80", "*:80", &["0.0.0.0:80", "[::]:80"]),
            ("*:0", "*:0", &["0.0.0.0:0", "[::]:0"]),
            ("localhost:9901", "localhost:9901", &["127.0.0.1:9901", "[::1]:9901"]),
            ("[10.0.0.1]:80", "10.0.0.1:80", &["10.0.0.1:80"]),
            ("[::ffff:10.0.0.1]:80", "10.0.0.1:80", &["10.0.0.1:80"]),
        ] {
            let bind: Bind = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(bind.to_string(), shown);
            let found: Vec<String> = bind.addresses().iter().map(ToString::to_string).collect();
            assert_eq!(found, addresses, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "80",
            ":80",
            "*",
            "*:",
            "*:x",
            "*:+1",
            "*:65536",
            "*:-1",
            "::80",
            "::1:80",
            "[::1]",
            "[]:80",
            "[x]:80",
            "web:80",
            "localhost",
            "10.0.0.1",
            "http://*:80",
        ] {
            assert_eq!(text.parse::<Bind>(), Err(ParseError::Address), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_listened_on_together_overlaps() {
        for (one, two, expected) in [
            ("*:80", "0.0.0.0:80", true),
            ("*:80", "[::1]:80", true),
            ("127.0.0.1:80", "0.0.0.0:80", true),
            ("localhost:80", "*:80", true),
            ("localhost:80", "[::1]:80", true),
            ("0.0.0.0:80", "[::]:80", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("*:80", "*:81", false),
            ("*:0", "*:0", false),
        ] {
            let bind = |text: &str| text.parse::<Bind>().unwrap();
            assert_eq!(bind(one).overlaps(bind(two)), expected, "{one} {two}");
            assert_eq!(bind(two).overlaps(bind(one)), expected, "{two} {one}");
        }
    }
}
