//! What a backend's connections speak.

use crate::model::BackendKey;
use crate::table::Wire;
use crate::tls::{CoreClientTls, Sni};

/// What a backend's connections speak, as one core sees it.
pub struct CoreWire {
    is_http2: bool,
    /// With a store of sessions that is this core's alone.
    tls: Option<CoreClientTls>,
}

impl CoreWire {
    pub(super) fn new(key: &BackendKey, wire: &Wire) -> Self {
        let dial = key.dial.tls.as_deref();
        let name = dial.and_then(|dial| dial.server_name.as_ref());
        let sni = match dial.is_some_and(|dial| dial.sends_server_name) {
            true => Sni::Sent,
            false => Sni::Withheld,
        };
        let tls = wire.tls.as_ref().map(|tls| CoreClientTls::new(tls, name, sni));
        Self { is_http2: wire.is_http2, tls }
    }

    /// HTTP/2 and nothing else.
    pub const fn is_http2(&self) -> bool {
        self.is_http2
    }

    /// For requests that say it.
    pub const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// What TLS with its endpoints is made of; `None`: clear text.
    pub const fn tls(&self) -> Option<&CoreClientTls> {
        self.tls.as_ref()
    }
}
