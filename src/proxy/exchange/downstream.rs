//! The client connection as an exchange sees it: its stream, and what is known of its client.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use crate::http1::encode;
use crate::model::{EntryPoint, HostPattern, ListenerId, Scheme};
use crate::proxy::core::Core;
use crate::proxy::rt::buffer::Buffer;
use crate::proxy::rt::clock::Expiry;
use crate::proxy::transport::Transport;
use crate::proxy::transport::way::Passage;
use crate::tls::{ClientAuthId, ClientIdentity, TlsFacts};

/// The client takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// A client connection and what is known of it.
pub struct Downstream {
    /// What it is read from and written to.
    pub stream: Transport,
    /// The client.
    pub peer: SocketAddr,
    /// The client's address as text.
    pub client: ClientText,
    /// The listener it came through.
    pub listener: Rc<ListenerFacts>,
    /// Client certificates that its handshake was about.
    pub client_auth: ClientAuthId,
    /// Listener of a Gateway that its server name led to, by its hostname.
    pub section: Option<Rc<HostPattern>>,
    /// Who the client is by its certificate, if the handshake asked.
    pub identity: Option<Rc<ClientIdentity>>,
    /// What its handshake came to; `None`: it is in clear text.
    pub tls: Option<TlsFacts>,
    /// For the access log, where it is not what the head says.
    pub protocol: Option<&'static str>,
}

/// What all connections of a listener share.
pub struct ListenerFacts {
    /// Index in the table.
    pub id: ListenerId,
    /// Port it is bound to.
    pub port: u16,
    /// What its clients speak.
    pub scheme: Scheme,
    /// What others are told of the way clients came.
    pub told_scheme: Scheme,
    /// The same of the port.
    pub told_port: u16,
    /// Both, as field lines for upstreams.
    pub fields: Vec<u8>,
}

/// Of https, whatever is bound: a Service stands in front.
pub const HTTPS_PORT: u16 = 443;

impl ListenerFacts {
    /// Names of the fields that say the scheme.
    pub const SCHEME_FIELDS: [&str; 3] = ["X-Forwarded-Proto", "X-Forwarded-Scheme", "X-Scheme"];

    /// What clients of an entry point are told to have come by. The port of https is
    /// [`HTTPS_PORT`], as ingress-nginx says it.
    #[must_use]
    pub fn new(id: ListenerId, entry_point: EntryPoint) -> Self {
        let EntryPoint { address, scheme } = entry_point;
        let port = address.port();
        let told = if scheme == Scheme::Https { HTTPS_PORT } else { port };
        Self { id, port, scheme, told_scheme: scheme, told_port: told, fields: Vec::new() }
            .written()
    }

    /// The same of a client that came to `port` of a load balancer, as that says.
    #[must_use]
    pub fn came_to(&self, port: u16) -> Self {
        let &Self { id, port: own, scheme, .. } = self;
        let told_scheme = if port == HTTPS_PORT { Scheme::Https } else { scheme };
        let is_own = scheme == Scheme::Https && port == own;
        let told_port = if is_own { HTTPS_PORT } else { port };
        Self { id, port: own, scheme, told_scheme, told_port, fields: Vec::new() }.written()
    }

    fn written(self) -> Self {
        let mut fields = Vec::new();
        self.put_port_field(&mut fields);
        for name in Self::SCHEME_FIELDS {
            encode::put_field(&mut fields, name.as_bytes(), self.told_scheme.as_str().as_bytes());
        }
        Self { fields, ..self }
    }

    /// Appends the line that says the port.
    pub fn put_port_field(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"X-Forwarded-Port: ");
        encode::put_decimal(out, self.told_port.into());
        out.extend_from_slice(encode::CRLF);
    }
}

/// An IP address as text, without allocation.
#[derive(Clone, Copy)]
pub struct ClientText {
    bytes: [u8; 46],
    length: u8,
}

impl ClientText {
    /// Of an address.
    #[must_use]
    pub fn new(address: IpAddr) -> Self {
        let mut bytes = [0; 46];
        let mut rest = bytes.as_mut_slice();
        // The longest IPv6 text has 45 characters, so the write cannot fall short.
        let written = write!(rest, "{}", address.to_canonical()).is_ok();
        let left = rest.len();
        let length = if written { 46_usize.saturating_sub(left) } else { 0 };
        Self { bytes, length: u8::try_from(length).unwrap_or(0) }
    }

    /// The text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl Downstream {
    /// A connection just accepted.
    #[must_use]
    pub fn new(stream: Transport, peer: SocketAddr, listener: Rc<ListenerFacts>) -> Self {
        let client = ClientText::new(peer.ip());
        let client_auth = ClientAuthId::default();
        Self {
            stream,
            peer,
            client,
            listener,
            client_auth,
            section: None,
            identity: None,
            tls: None,
            protocol: None,
        }
    }

    /// A stream of HTTP/2 that this connection carries.
    #[must_use]
    pub fn carrying(&self, stream: Transport) -> Self {
        let &Self { peer, client, client_auth, tls, .. } = self;
        let (listener, section) = (Rc::clone(&self.listener), self.section.clone());
        let (identity, protocol) = (self.identity.clone(), Some("HTTP/2.0"));
        Self { stream, peer, client, listener, client_auth, section, identity, tls, protocol }
    }

    /// Writes what is in `buffer` within the send timeout.
    pub async fn write(&self, core: &Core, buffer: Buffer) -> (Result<(), Gone>, Buffer) {
        let wait = core.downstream(|policy| policy.send_timeout);
        self.stream.write_deadline().arm(wait, Expiry::CloseBoth);
        let (result, buffer) = self.stream.write_all(buffer).await;
        self.stream.write_deadline().disarm();
        (result.map_err(|_unsent| Gone), buffer)
    }

    /// The same, of octets that others follow at once.
    ///
    /// # Errors
    /// The client is gone.
    pub async fn write_ahead(&self, core: &Core, mut buffer: Buffer) -> Result<(), Gone> {
        // An error is told again by the next write.
        if let Ok(count) = self.stream.try_write_ahead(buffer.unread()) {
            buffer.consume(count);
        }
        if buffer.is_empty() { Ok(()) } else { self.write(core, buffer).await.0 }
    }

    /// Writes `ahead`, then what `passage` holds, within the send timeout of a buffer each.
    ///
    /// # Errors
    /// The client is gone.
    pub async fn write_past(
        &self,
        core: &Core,
        ahead: Buffer,
        passage: &mut Passage<'_>,
    ) -> Result<(), Gone> {
        self.write_ahead(core, ahead).await?;
        let wait = core.downstream(|policy| policy.send_timeout);
        passage.give(wait).await.map_err(|_unsent| Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, expected: &str) {
        let text = ClientText::new(address.parse().unwrap());
        assert_eq!(text.as_bytes(), expected.as_bytes());
    }

    #[test]
    fn a_load_balancer_says_the_port_that_clients_came_to() {
        let at = |port, scheme| EntryPoint { address: ([127, 0, 0, 1], port).into(), scheme };
        for (entry_point, came_to, expected) in [
            (at(8080, Scheme::Http), None, "8080 http"),
            (at(8443, Scheme::Https), None, "443 https"),
            (at(8080, Scheme::Http), Some(80), "80 http"),
            (at(8080, Scheme::Http), Some(443), "443 https"),
            (at(8443, Scheme::Https), Some(443), "443 https"),
            (at(8443, Scheme::Https), Some(8443), "443 https"),
            (at(8443, Scheme::Https), Some(9000), "9000 https"),
        ] {
            let facts = ListenerFacts::new(ListenerId::HTTP, entry_point);
            let facts = came_to.map_or(facts, |port| {
                ListenerFacts::new(ListenerId::HTTP, entry_point).came_to(port)
            });
            let (port, scheme) = expected.split_once(' ').unwrap();
            let lines = format!(
                "X-Forwarded-Port: {port}\r\nX-Forwarded-Proto: {scheme}\r\n\
                 X-Forwarded-Scheme: {scheme}\r\nX-Scheme: {scheme}\r\n"
            );
            assert_eq!(String::from_utf8(facts.fields).unwrap(), lines);
            assert_eq!(
                (facts.port, facts.scheme),
                (entry_point.address.port(), entry_point.scheme)
            );
        }
    }

    #[test]
    fn client_addresses_are_canonical_text() {
        check("127.0.0.1", "127.0.0.1");
        check("::ffff:10.1.2.3", "10.1.2.3");
        let longest = "1234:1234:1234:1234:1234:1234:1234:1234";
        check(longest, longest);
    }
}
