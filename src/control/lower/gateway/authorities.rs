//! ConfigMaps with certificates of authorities, as objects of the Gateway API name them.

use std::fmt::Display;

use crate::control::lower::secrets::CA;
use crate::control::store::Store;
use crate::model::ObjectRef;

/// Something says how TLS is to be spoken with a backend, and cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed;

/// What `read` makes of the certificates of a ConfigMap.
///
/// # Errors
/// A sentence: what is wrong, and what to do.
pub(super) fn read<T, E: Display>(
    store: &Store,
    map: &ObjectRef,
    read: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Result<T, String> {
    let entry = store.config_maps.get(map);
    let entry = entry.ok_or_else(|| format!("There is no {map}; create it."))?;
    let text = entry.object.data.as_ref().and_then(|data| data.get(CA));
    let text = text.map(String::as_str).unwrap_or_default();
    read(text.as_bytes())
        .map_err(|error| format!("ca.crt of {map}: {error}; store certificates in PEM."))
}
