//! The endpoints of one backend, ready to be dialled. Published apart from the table.

use std::net::SocketAddr;
use std::sync::Arc;

use super::ring::Ring;
use crate::tls::client::ClientTls;

/// How the endpoints of a backend are spoken to. By default HTTP/1.1 in clear text.
#[derive(Debug, Clone, Default)]
pub struct Wire {
    /// HTTP/2; in clear text by prior knowledge.
    pub is_http2: bool,
    /// `None`: clear text. Which name is verified and sent: [`crate::model::DialTls`] of the key.
    pub tls: Option<Arc<ClientTls>>,
}

impl PartialEq for Wire {
    /// Settings are the same if they are the same object: keys in them have no equality.
    fn eq(&self, other: &Self) -> bool {
        self.is_http2 == other.is_http2
            && match (&self.tls, &other.tls) {
                (Some(a), Some(b)) => Arc::ptr_eq(a, b),
                (None, None) => true,
                _ => false,
            }
    }
}

impl Eq for Wire {}

/// The usable endpoints of one backend at one moment.
///
/// Sorted by address, no duplicates. Published apart from the table.
#[derive(Debug, Clone, Default)]
pub struct EndpointSet {
    /// Addresses that may get new requests.
    pub addresses: Vec<SocketAddr>,
    /// How they are spoken to.
    pub wire: Wire,
    /// Leads to them; `None`: no rule binds requests.
    pub ring: Option<Arc<Ring>>,
}

impl PartialEq for EndpointSet {
    /// Of the same addresses the ring is the same, as long as it gives them the same names.
    fn eq(&self, other: &Self) -> bool {
        let is_same_ring = match (&self.ring, &other.ring) {
            (Some(a), Some(b)) => a.has_names_of(b),
            (None, None) => true,
            _ => false,
        };
        self.addresses == other.addresses && self.wire == other.wire && is_same_ring
    }
}

impl Eq for EndpointSet {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::client::Verify;

    #[test]
    fn wires_are_the_same_if_their_settings_are_the_same_object() {
        let tls = || ClientTls::new(Verify::Nothing, None, &[]).unwrap();
        let (a, b) = (tls(), tls());
        let wire = |tls: Option<&Arc<ClientTls>>| Wire { is_http2: false, tls: tls.cloned() };
        assert_eq!(wire(Some(&a)), wire(Some(&a)));
        assert_ne!(wire(Some(&a)), wire(Some(&b)));
        assert_ne!(wire(Some(&a)), wire(None));
        assert_eq!(wire(None), Wire::default());
        assert_ne!(Wire { is_http2: true, tls: None }, Wire::default());
    }
}
