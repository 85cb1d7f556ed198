//! The ring of a backend whose users bind requests, and what sessions call its endpoints.

use std::sync::Arc;

use aws_lc_rs::hmac;
use k8s_openapi::api::core::v1::Service;

use crate::model::BackendKey;
use crate::table::{EndpointSet, Ring};

/// Gives `set` a ring; `before` is the set that it replaces.
///
/// Sessions that are bound to one endpoint for good call it by a name that is the same for every
/// replica at any time and that does not tell the address: pods have so few addresses that all
/// could be tried, so that what is hashed with them must be unknown. The Service's uid is, which
/// the API server drew at random and clients never see. A Service from a file has none, and there
/// its name has to do.
pub(super) fn add(
    set: &mut EndpointSet,
    key: &BackendKey,
    service: Option<&Service>,
    before: Option<&EndpointSet>,
) {
    let uid = service.and_then(|service| service.metadata.uid.as_deref()).unwrap_or_default();
    let uid = hmac::Key::new(hmac::HMAC_SHA256, uid.as_bytes());
    let mut of_backend = hmac::Context::with_key(&uid);
    of_backend.update(key.to_string().as_bytes());
    let before = before.and_then(|set| Some((&**set.ring.as_ref()?, &*set.addresses)));
    let ring = Ring::new(&set.addresses, before, |address| {
        let mut name = of_backend.clone();
        name.update(b" ");
        name.update(address.to_string().as_bytes());
        let octets = name.sign();
        let first = octets.as_ref().first_chunk();
        u64::from_be_bytes(first.copied().unwrap_or_default())
    });
    set.ring = Some(Arc::new(ring));
}
