//! Credentials without the credentials: what they are remembered by.

use std::collections::HashMap;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use aws_lc_rs::rand::SystemRandom;

use super::basic::Credentials;
use super::users::{UserIndex, UsersId};

/// Equal if users, name and password are. Says nothing of them to who does not have the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// The key of this process; it leaves with it.
#[derive(Clone)]
pub struct FingerprintKey(Key);

impl FingerprintKey {
    /// A key that nobody knows.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn generate() -> Result<Self, Unspecified> {
        Key::generate(HMAC_SHA256, &SystemRandom::new()).map(Self)
    }

    /// That of credentials for some users.
    #[must_use]
    pub fn of(&self, users: UsersId, credentials: &Credentials<'_>) -> Fingerprint {
        let Credentials { name, password } = credentials;
        let mut hash = Context::with_key(&self.0);
        hash.update(&users.octets());
        // A name has no colon.
        [*name, b":", *password].iter().for_each(|part| hash.update(part));
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(hash.sign().as_ref());
        Fingerprint(fingerprint)
    }
}

/// The last fingerprint of each user, of so many users that memory is bounded. Who was not asked
/// for in a while is forgotten first.
#[derive(Debug)]
pub struct Remembered {
    recent: HashMap<(UsersId, UserIndex), Fingerprint>,
    older: HashMap<(UsersId, UserIndex), Fingerprint>,
    users_max: usize,
}

impl Remembered {
    /// Nothing, of at most this many users.
    #[must_use]
    pub fn new(users_max: usize) -> Self {
        Self { recent: HashMap::new(), older: HashMap::new(), users_max }
    }

    /// Whether it is the last one of the user.
    pub fn is_last(&mut self, of: UsersId, user: UserIndex, fingerprint: &Fingerprint) -> bool {
        let who = (of, user);
        let is_it = |known: &Fingerprint| verify_slices_are_equal(&known.0, &fingerprint.0).is_ok();
        if self.recent.get(&who).is_some_and(is_it) {
            return true;
        }
        let is_older = self.older.get(&who).is_some_and(is_it) && !self.recent.contains_key(&who);
        if is_older {
            self.put(of, user, *fingerprint);
        }
        is_older
    }

    /// Remembers it as the last one of the user.
    pub fn put(&mut self, of: UsersId, user: UserIndex, fingerprint: Fingerprint) {
        self.recent.insert((of, user), fingerprint);
        if self.recent.len() >= self.users_max.div_ceil(2) {
            self.age();
        }
    }

    /// Forgets who was not asked for since the last time.
    pub fn age(&mut self) {
        self.older = std::mem::take(&mut self.recent);
    }
}

#[cfg(test)]
mod tests {
    use super::super::users::Users;
    use super::*;

    #[test]
    fn a_fingerprint_is_of_users_name_and_password() {
        let key = FingerprintKey::generate().expect("randomness");
        let of = |key: &FingerprintKey, file: &str, name: &str, password: &str| {
            let (name, password) = (name.as_bytes(), password.as_bytes());
            key.of(Users::from_file(file.as_bytes()).0.id(), &Credentials { name, password })
        };
        let first = of(&key, "a:{PLAIN}1", "a", "1");
        assert_eq!(first, of(&key, "a:{PLAIN}1", "a", "1"));
        for (file, name, password) in [
            ("a:{PLAIN}2", "a", "1"),
            ("a:{PLAIN}1", "b", "1"),
            ("a:{PLAIN}1", "a", "2"),
            ("a:{PLAIN}1", "a", "1:"),
        ] {
            assert_ne!(first, of(&key, file, name, password), "{file} {name} {password}");
        }
        let other = FingerprintKey::generate().expect("randomness");
        assert_ne!(first, of(&other, "a:{PLAIN}1", "a", "1"));
    }

    #[test]
    fn the_last_one_of_a_user_is_remembered() {
        let text: String = (0..40).map(|n| format!("u{n:02}:{{PLAIN}}p\n")).collect();
        let (users, _) = Users::from_file(text.as_bytes());
        let index = |n: usize| users.index(format!("u{n:02}").as_bytes()).expect("one");
        let print = |n: u8| Fingerprint([n; 32]);
        let mut remembered = Remembered::new(8);
        assert!(!remembered.is_last(users.id(), index(0), &print(1)));
        remembered.put(users.id(), index(0), print(1));
        assert!(remembered.is_last(users.id(), index(0), &print(1)));
        assert!(!remembered.is_last(users.id(), index(1), &print(1)));
        remembered.put(users.id(), index(0), print(2));
        assert!(!remembered.is_last(users.id(), index(0), &print(1)));
        // Also when it was forgotten half.
        remembered.age();
        remembered.put(users.id(), index(0), print(3));
        assert!(!remembered.is_last(users.id(), index(0), &print(2)));
        // Who is asked for stays, the others go.
        for n in 1..40 {
            assert!(remembered.is_last(users.id(), index(0), &print(3)), "{n}");
            remembered.put(users.id(), index(n), print(9));
            assert!(remembered.recent.len() + remembered.older.len() <= 8);
        }
        assert!(!remembered.is_last(users.id(), index(1), &print(9)));
        remembered.age();
        remembered.age();
        assert!(!remembered.is_last(users.id(), index(0), &print(3)));
    }
}
