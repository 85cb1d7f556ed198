//! MD5 crypt, `$1$` and Apache's `$apr1$`: 1,000 rounds, whatever the machine.
//!
//! Source: the algorithm of FreeBSD's crypt (Poul-Henning Kamp), with the name in it as the only
//! difference of Apache's.

use md5::{Digest, Md5};

use super::base64::put_crypt;

/// Characters of salt that count.
pub(super) const SALT_BYTES: usize = 8;
const ROUNDS: usize = 1_000;
/// Characters of a digest.
pub(super) const TEXT_BYTES: usize = 22;

/// The digest as hashes spell it. `name` is `$1$` or `$apr1$`.
pub(super) fn hash(name: &[u8], salt: &[u8], password: &[u8]) -> Vec<u8> {
    let inner = Md5::new_with_prefix(password).chain_update(salt).chain_update(password).finalize();
    let mut outer = Md5::new_with_prefix(password).chain_update(name).chain_update(salt);
    for chunk in password.chunks(inner.len()) {
        outer.update(inner.get(..chunk.len()).unwrap_or_default());
    }
    let mut left = password.len();
    while left > 0 {
        // A slip of the first version, which all others keep.
        outer.update(if left & 1 == 1 { &[0] } else { password.get(..1).unwrap_or_default() });
        left >>= 1;
    }
    let mut digest = outer.finalize();
    for round in 0..ROUNDS {
        let (first, last) = match round % 2 {
            0 => (&*digest, password),
            _ => (password, &*digest),
        };
        let mut turn = Md5::new_with_prefix(first);
        if round % 3 > 0 {
            turn.update(salt);
        }
        if round % 7 > 0 {
            turn.update(password);
        }
        digest = turn.chain_update(last).finalize();
    }
    let mut text = Vec::with_capacity(TEXT_BYTES);
    let groups = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];
    for [a, b, c] in groups {
        put_crypt(&mut text, [digest[a], digest[b], digest[c]], 4);
    }
    put_crypt(&mut text, [0, 0, digest[11]], 2);
    text
}
