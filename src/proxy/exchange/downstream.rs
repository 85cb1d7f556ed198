//! The client connection as an exchange sees it: its stream, and what is known of its client.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use crate::model::{ListenerId, Scheme};
use crate::proxy::core::Core;
use crate::proxy::rt::buffer::Buffer;
use crate::proxy::rt::clock::Expiry;
use crate::proxy::transport::Transport;
use crate::tls::{ClientAuthId, ClientIdentity};

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
    /// Who the client is by its certificate, if the handshake asked.
    pub identity: Option<Rc<ClientIdentity>>,
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
    /// Field lines for upstreams.
    pub fields: Vec<u8>,
}

/// An IP address as text, without allocation.
pub struct ClientText {
    bytes: [u8; 46],
    length: u8,
}

impl ClientText {
    fn new(address: IpAddr) -> Self {
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
        Self { stream, peer, client, listener, client_auth, identity: None, protocol: None }
    }

    /// Writes what is in `buffer` within the send timeout; false: the client is gone.
    pub async fn write(&self, core: &Core, buffer: Buffer) -> (bool, Buffer) {
        self.stream.write_deadline().arm(core.config.client_send_timeout, Expiry::CloseBoth);
        let (result, buffer) = self.stream.write_all(buffer).await;
        self.stream.write_deadline().disarm();
        (result.is_ok(), buffer)
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
    fn client_addresses_are_canonical_text() {
        check("127.0.0.1", "127.0.0.1");
        check("::ffff:10.1.2.3", "10.1.2.3");
        let longest = "1234:1234:1234:1234:1234:1234:1234:1234";
        check(longest, longest);
    }
}
