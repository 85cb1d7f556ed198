//! The kinds of hashes that nginx takes: which one a text is, and whether a password is its own.
//!
//! Slow on purpose, but for the oldest: never on a core. Source: nginx `ngx_crypt`, for all that it
//! leaves to the system crypt(3).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA1_OUTPUT_LEN, digest};
use sha_crypt::Params;

use super::base64::{decode, is_crypt};
use super::{des_crypt, md5_crypt, sha_crypt as sha};
use crate::limits::{
    PASSWORD_BCRYPT_COST_MAX, PASSWORD_BYTES_MAX, PASSWORD_HASH_BYTES_MAX, PASSWORD_ROUNDS_MAX,
};

/// A hash that some password may have.
#[derive(Clone, PartialEq, Eq)]
pub struct Hash {
    kind: Kind,
    salt: Box<[u8]>,
    /// What the password has to come to, spelled as in the file.
    digest: Box<[u8]>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The digest is the whole text.
    Bcrypt,
    /// Named so in the text.
    Md5(&'static str),
    Sha256(Params),
    Sha512(Params),
    Des,
    /// `{SHA}` and `{SSHA}`; the digest is no text.
    Sha1,
    Plain,
}

impl std::fmt::Debug for Hash {
    /// It stays out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hash")
    }
}

/// Why no password can match a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Of no kind that is known, or not as it is written.
    #[error("it is no hash of a kind that nginx takes")]
    Unknown,
    /// It would hold up others.
    #[error(
        "it would take too long: bcrypt may cost {PASSWORD_BCRYPT_COST_MAX}, SHA crypt \
             {PASSWORD_ROUNDS_MAX} rounds"
    )]
    TooSlow,
}

impl Hash {
    /// Reads what stands behind the name of a user.
    ///
    /// # Errors
    /// No password matches it.
    pub fn parse(text: &[u8]) -> Result<Self, HashError> {
        let text = std::str::from_utf8(text).ok().filter(|t| t.len() <= PASSWORD_HASH_BYTES_MAX);
        let text = text.ok_or(HashError::Unknown)?;
        let of = |prefix| text.strip_prefix(prefix);
        if ["$2a$", "$2b$", "$2y$"].into_iter().any(|version| text.starts_with(version)) {
            return bcrypt(text);
        }
        if let Some((name, rest)) = ["$apr1$", "$1$"].into_iter().find_map(|n| Some((n, of(n)?))) {
            return md5(name, rest);
        }
        if let Some(rest) = of("$5$") {
            let (params, salt, digest) = sha(rest, sha::TEXT_BYTES_256)?;
            return Ok(Self::new(Kind::Sha256(params), salt, digest));
        }
        if let Some(rest) = of("$6$") {
            let (params, salt, digest) = sha(rest, sha::TEXT_BYTES_512)?;
            return Ok(Self::new(Kind::Sha512(params), salt, digest));
        }
        if let Some(rest) = of("{PLAIN}") {
            return Ok(Self::new(Kind::Plain, b"", rest.as_bytes()));
        }
        match (of("{SHA}"), of("{SSHA}")) {
            (Some(rest), _) => sha1(rest.as_bytes(), 0),
            (None, Some(rest)) => sha1(rest.as_bytes(), PASSWORD_HASH_BYTES_MAX),
            (None, None) => des(text.as_bytes()),
        }
    }

    /// Whether it is the hash of the password. Takes its time, which does not depend on how much of
    /// it is right.
    #[must_use]
    pub fn matches(&self, password: &[u8]) -> bool {
        // crypt(3) takes text without zeros, up to this length.
        if password.len() > PASSWORD_BYTES_MAX || password.contains(&0) {
            return false;
        }
        let salt = &*self.salt;
        let digest = match self.kind {
            Kind::Bcrypt => {
                let text = std::str::from_utf8(&self.digest).unwrap_or_default();
                return bcrypt::verify(password, text).unwrap_or(false);
            }
            Kind::Md5(name) => md5_crypt::hash(name.as_bytes(), salt, password),
            Kind::Sha256(params) => sha::hash_256(params, salt, password),
            Kind::Sha512(params) => sha::hash_512(params, salt, password),
            Kind::Des => {
                let salt = salt.try_into().ok();
                salt.and_then(|salt| des_crypt::hash(salt, password)).unwrap_or_default()
            }
            Kind::Sha1 => {
                let salted = [password, salt].concat();
                digest(&SHA1_FOR_LEGACY_USE_ONLY, &salted).as_ref().to_vec()
            }
            Kind::Plain => password.to_vec(),
        };
        verify_slices_are_equal(&digest, &self.digest).is_ok()
    }

    fn new(kind: Kind, salt: &[u8], digest: &[u8]) -> Self {
        Self { kind, salt: salt.into(), digest: digest.into() }
    }
}

fn bcrypt(text: &str) -> Result<Hash, HashError> {
    let parts: bcrypt::HashParts = text.parse().or(Err(HashError::Unknown))?;
    match parts.get_cost() {
        0..4 => Err(HashError::Unknown),
        4..=PASSWORD_BCRYPT_COST_MAX => Ok(Hash::new(Kind::Bcrypt, b"", text.as_bytes())),
        _ => Err(HashError::TooSlow),
    }
}

/// Salt and digest with the dollar between.
fn parts(text: &str, salt_max: usize, digest: usize) -> Result<(&[u8], &[u8]), HashError> {
    let (salt, rest) = text.split_once('$').ok_or(HashError::Unknown)?;
    let is_one = salt.len() <= salt_max && rest.len() == digest && is_crypt(rest.as_bytes());
    if is_one { Ok((salt.as_bytes(), rest.as_bytes())) } else { Err(HashError::Unknown) }
}

fn md5(name: &'static str, rest: &str) -> Result<Hash, HashError> {
    let (salt, digest) = parts(rest, md5_crypt::SALT_BYTES, md5_crypt::TEXT_BYTES)?;
    Ok(Hash::new(Kind::Md5(name), salt, digest))
}

fn sha(rest: &str, digest: usize) -> Result<(Params, &[u8], &[u8]), HashError> {
    let (params, rest) = match rest.strip_prefix("rounds=") {
        None => (Params::RECOMMENDED, rest),
        Some(rest) => {
            let (digits, rest) = rest.split_once('$').ok_or(HashError::Unknown)?;
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            let rounds = digits.parse().ok().filter(|_| is_number).ok_or(HashError::Unknown)?;
            if rounds > PASSWORD_ROUNDS_MAX {
                return Err(HashError::TooSlow);
            }
            (Params::new(rounds).or(Err(HashError::Unknown))?, rest)
        }
    };
    let (salt, digest) = parts(rest, sha::SALT_BYTES, digest)?;
    Ok((params, salt, digest))
}

fn sha1(text: &[u8], salt_max: usize) -> Result<Hash, HashError> {
    let mut room = [0; PASSWORD_HASH_BYTES_MAX];
    let octets = decode(text, &mut room).ok_or(HashError::Unknown)?;
    let (digest, salt) = octets.split_at_checked(SHA1_OUTPUT_LEN).ok_or(HashError::Unknown)?;
    match salt.len() <= salt_max {
        true => Ok(Hash::new(Kind::Sha1, salt, digest)),
        false => Err(HashError::Unknown),
    }
}

fn des(text: &[u8]) -> Result<Hash, HashError> {
    let (salt, digest) = text.split_at_checked(des_crypt::SALT_BYTES).ok_or(HashError::Unknown)?;
    match digest.len() == des_crypt::TEXT_BYTES && is_crypt(text) {
        true => Ok(Hash::new(Kind::Des, salt, digest)),
        false => Err(HashError::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each is right for its password and for no other.
    #[test]
    fn hashes_are_those_of_crypt_and_openssl() {
        let lines = include_str!("vectors.txt").lines().filter(|line| !line.starts_with('#'));
        let mut count = 0;
        for (password, text) in lines.filter_map(|line| line.split_once('\t')) {
            let hash = Hash::parse(text.as_bytes()).expect(text);
            assert!(hash.matches(password.as_bytes()), "{password} {text}");
            // The oldest looks at eight characters, bcrypt at 72.
            let other = format!("!{password}");
            assert!(!hash.matches(other.as_bytes()), "{other} {text}");
            count += 1;
        }
        assert!(count > 60);
    }

    #[test]
    fn what_is_no_hash_matches_nothing() {
        let unknown = HashError::Unknown;
        for (text, wanted) in [
            ("", unknown),
            ("secret", unknown),
            ("what is this", unknown),
            ("{MD5}abc", unknown),
            ("{sha}5en6G6MezRroT3XKqkdPOmY/BfQ=", unknown),
            ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=x", unknown),
            ("{SHA}5en6G6MezRroT3XKqkdPOmY/", unknown),
            ("{SHA}XMqZzWMpkySA//kIcAT3t1wh5XZzYWx0", unknown),
            ("{SSHA}5en6", unknown),
            ("$2y$05$16xqsewkNOXGlUEB5E3M9OCJf3V2axfqkpSoM4hyzOymZ/IwYskQ", unknown),
            ("$2x$05$16xqsewkNOXGlUEB5E3M9OCJf3V2axfqkpSoM4hyzOymZ/IwYskQG", unknown),
            ("$2y$03$16xqsewkNOXGlUEB5E3M9OCJf3V2axfqkpSoM4hyzOymZ/IwYskQG", unknown),
            ("$2y$16$16xqsewkNOXGlUEB5E3M9OCJf3V2axfqkpSoM4hyzOymZ/IwYskQG", HashError::TooSlow),
            ("$1$abcdefghi$cHJi5PXp/ki/ktXzqlk6I1", unknown),
            ("$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I", unknown),
            ("$apr1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I!", unknown),
            ("$5$rounds=999$a$IXEKZuCs8AZ/8NFqI65awi6H4w8mSirdN1dLC6OAEM9", unknown),
            ("$5$rounds=$a$IXEKZuCs8AZ/8NFqI65awi6H4w8mSirdN1dLC6OAEM9", unknown),
            ("$5$rounds=+1000$a$IXEKZuCs8AZ/8NFqI65awi6H4w8mSirdN1dLC6OAEM9", unknown),
            ("$5$rounds=1000001$a$IXEKZuCs8AZ/8NFqI65awi6H4w8mSirdN1dLC6OAEM9", HashError::TooSlow),
            ("$6$a$IXEKZuCs8AZ/8NFqI65awi6H4w8mSirdN1dLC6OAEM9", unknown),
            ("$7$a$IXEKZuCs8AZ/8NFqI65awi6H4w8mSirdN1dLC6OAEM9", unknown),
            ("kLvFOyqTdk9U", unknown),
            ("kLvFOyqTdk9UAA", unknown),
            ("k:vFOyqTdk9UA", unknown),
            ("*", unknown),
            ("!", unknown),
        ] {
            assert_eq!(Hash::parse(text.as_bytes()), Err(wanted), "{text}");
        }
        assert_eq!(Hash::parse(b"{PLAIN}\xff"), Err(unknown));
        let long = format!("{{PLAIN}}{}", "a".repeat(PASSWORD_HASH_BYTES_MAX));
        assert_eq!(Hash::parse(long.as_bytes()), Err(unknown));
    }

    #[test]
    fn passwords_are_bounded_and_without_zeros() {
        let check = |password: &[u8], wanted| {
            let hash = Hash::parse(&[b"{PLAIN}", password].concat()).expect("a hash");
            assert_eq!(hash.matches(password), wanted, "{} octets", password.len());
        };
        check(&[b'a'; PASSWORD_BYTES_MAX], true);
        check(&[b'a'; PASSWORD_BYTES_MAX + 1], false);
        check(b"a\0b", false);
    }
}
