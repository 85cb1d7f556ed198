//! What the fuzz target asserts of answers of external authorization; see `targets.rs`.

#![allow(
    clippy::panic,
    unreachable_pub,
    reason = "part of the fuzz crate and of tests; a target that cannot go on has found something"
)]

use ringway::ext_authz::{Checked, read_answer};

/// An answer never panics, and none that broke off says anything.
pub fn ext_authz(data: &[u8]) {
    let Some(checked) = read_answer(data) else { return };
    for length in 0..data.len() {
        assert_eq!(read_answer(&data[..length]), None);
    }
    let count = match checked {
        Checked::Admitted { fields, removed, answered } => {
            fields.len() + removed.len() + answered.len()
        }
        Checked::Denied { fields, body, .. } => fields.len() + body.len(),
    };
    assert!(count <= data.len());
}
