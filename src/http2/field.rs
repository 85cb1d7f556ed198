//! What any field of an HTTP/2 message must look like before HTTP/1.1 text can say the same.
//!
//! Source: RFC 9113 section 8.2.

use crate::http1::fields::{FieldKind, is_tchar, is_value_byte};

/// Why a field makes its message malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldFault {
    /// The name is no token in lower case.
    Name,
    /// The value has a character that no value may have.
    Value,
    /// The field concerns one HTTP/1.1 connection. `te` is not meant: it depends on its value.
    ConnectionSpecific,
}

/// Checks one field that is no pseudo-field; gives what its name means to a proxy.
///
/// # Errors
/// The sender's fault.
pub fn check(name: &[u8], value: &[u8]) -> Result<FieldKind, FieldFault> {
    if name.is_empty() || !name.iter().all(|byte| is_name_byte(*byte)) {
        return Err(FieldFault::Name);
    }
    // Without an early exit the loop becomes vector code.
    if value.iter().fold(false, |is_bad, byte| is_bad | !is_value_byte(*byte)) {
        return Err(FieldFault::Value);
    }
    match FieldKind::of(name) {
        FieldKind::Connection
        | FieldKind::TransferEncoding
        | FieldKind::Upgrade
        | FieldKind::KeepAlive
        | FieldKind::ProxyConnection
        | FieldKind::Http2Settings => Err(FieldFault::ConnectionSpecific),
        kind => Ok(kind),
    }
}

fn is_name_byte(byte: u8) -> bool {
    NAME_BYTES[usize::from(byte)]
}

static NAME_BYTES: [bool; 256] = {
    let mut bytes = [false; 256];
    let mut at = 0;
    while at < 128_u8 {
        bytes[at as usize] = is_tchar(at) && !at.is_ascii_uppercase();
        at += 1;
    }
    bytes
};
