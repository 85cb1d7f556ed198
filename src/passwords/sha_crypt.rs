//! SHA crypt, `$5$` and `$6$`: how its digests are spelled. The digests themselves are the crate's.
//!
//! Source: Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512".

use sha_crypt::{Params, sha256_crypt, sha512_crypt};

use super::base64::put_crypt;

/// Characters of salt that count.
pub(super) const SALT_BYTES: usize = 16;
/// Characters of a digest.
pub(super) const TEXT_BYTES_256: usize = 43;
pub(super) const TEXT_BYTES_512: usize = 86;

/// The digest of `$5$`.
pub(super) fn hash_256(params: Params, salt: &[u8], password: &[u8]) -> Vec<u8> {
    let digest = sha256_crypt(password, salt, params);
    let mut text = Vec::with_capacity(TEXT_BYTES_256);
    let (mut a, mut b, mut c) = (0, 10, 20);
    for _ in 0..10 {
        put_crypt(&mut text, [digest[a], digest[b], digest[c]], 4);
        (a, b, c) = (c + 1, a + 1, b + 1);
    }
    put_crypt(&mut text, [0, digest[31], digest[30]], 3);
    text
}

/// The digest of `$6$`.
pub(super) fn hash_512(params: Params, salt: &[u8], password: &[u8]) -> Vec<u8> {
    let digest = sha512_crypt(password, salt, params);
    let mut text = Vec::with_capacity(TEXT_BYTES_512);
    let (mut a, mut b, mut c) = (0, 21, 42);
    for _ in 0..21 {
        put_crypt(&mut text, [digest[a], digest[b], digest[c]], 4);
        (a, b, c) = (b + 1, c + 1, a + 1);
    }
    put_crypt(&mut text, [0, 0, digest[63]], 2);
    text
}
