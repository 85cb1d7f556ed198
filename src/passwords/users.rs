//! Who has which password: htpasswd files as nginx reads them, and Secrets with a key a user.

use aws_lc_rs::digest::{Context, SHA256};

use super::hash::{Hash, HashError};
use crate::limits::{PASSWORD_DEFECTS_TOLD_MAX, PASSWORD_USERS_MAX};

/// Identity of [`Users`]: equal if all names and hashes are, in every process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UsersId([u8; 16]);

impl UsersId {
    /// It, for a digest.
    pub(super) fn octets(self) -> [u8; 16] {
        self.0
    }
}

impl std::fmt::Debug for UsersId {
    /// It is made of hashes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UsersId")
    }
}

/// Users and the hashes of their passwords.
#[derive(Clone)]
pub struct Users {
    id: UsersId,
    /// By name.
    by_name: Box<[User]>,
    /// Indices of those that have a hash.
    with_hash: Box<[u32]>,
}

#[derive(Clone)]
struct User {
    name: Box<[u8]>,
    /// `None`: no password is right.
    hash: Option<Hash>,
}

/// A user of [`Users`], or who stands in for one that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserIndex(u32);

/// What of a file is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsersDefect {
    /// A line that is none of `NAME:HASH`. Lines are counted from 1.
    #[error("line {0} is not NAME:HASH")]
    Line(usize),
    /// Nobody can come in by this name.
    #[error("no password of {0:?} is right: {1}")]
    Hash(String, HashError),
    /// More users than [`PASSWORD_USERS_MAX`].
    #[error("only the first {PASSWORD_USERS_MAX} users count")]
    TooMany,
}

impl std::fmt::Debug for Users {
    /// Hashes stay out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Users").field("users", &self.by_name.len()).finish_non_exhaustive()
    }
}

impl PartialEq for Users {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Users {}

impl std::hash::Hash for Users {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl Users {
    /// Reads lines of `NAME:HASH`; what follows another colon is a comment, as are lines that begin
    /// with `#`. Of two lines of a name the first counts.
    ///
    /// Never fails: whom it has no use for, nobody can be. The first defects are told.
    ///
    /// Source: nginx `ngx_http_auth_basic_module`.
    #[must_use]
    pub fn from_file(text: &[u8]) -> (Self, Vec<UsersDefect>) {
        let mut defects = Vec::new();
        let lines = text.split(|octet| *octet == b'\n').enumerate();
        let users = lines.filter_map(|(index, line)| {
            if line.is_empty() || matches!(line.first(), Some(b'#' | b'\r')) {
                return None;
            }
            let user = line.iter().position(|octet| *octet == b':').filter(|end| *end > 0);
            let Some((name, rest)) = user.and_then(|end| line.split_at_checked(end)) else {
                tell(&mut defects, UsersDefect::Line(index + 1));
                return None;
            };
            Some((name, rest.get(1..).unwrap_or_default()))
        });
        let users: Vec<_> = users.collect();
        Self::new(users, defects)
    }

    /// Takes names and hashes as they stand under the keys of a Secret.
    #[must_use]
    pub fn from_map<'a>(
        users: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> (Self, Vec<UsersDefect>) {
        let users = users.into_iter().map(|(name, hash)| (name.as_bytes(), hash));
        Self::new(users.collect(), Vec::new())
    }

    fn new(users: Vec<(&[u8], &[u8])>, mut defects: Vec<UsersDefect>) -> (Self, Vec<UsersDefect>) {
        if users.len() > PASSWORD_USERS_MAX {
            tell(&mut defects, UsersDefect::TooMany);
        }
        let users = users.into_iter().take(PASSWORD_USERS_MAX);
        let mut by_name: Vec<_> = users.map(|(name, rest)| (name, hash_text(rest))).collect();
        // Stable: the first line of a name stays the first.
        by_name.sort_by_key(|(name, _)| *name);
        by_name.dedup_by_key(|(name, _)| *name);
        let mut digest = Context::new(&SHA256);
        let read = by_name.into_iter().map(|(name, text)| {
            for part in [name, text] {
                digest.update(&part.len().to_be_bytes());
                digest.update(part);
            }
            let hash = Hash::parse(text);
            if let Err(error) = hash {
                let name = String::from_utf8_lossy(name).into_owned();
                tell(&mut defects, UsersDefect::Hash(name, error));
            }
            User { name: name.into(), hash: hash.ok() }
        });
        let by_name: Box<[_]> = read.collect();
        let mut id = [0; 16];
        id.copy_from_slice(&digest.finish().as_ref()[..16]);
        let with_hash = (0..).zip(&by_name).filter(|(_, user): &(u32, &User)| user.hash.is_some());
        let with_hash = with_hash.map(|(index, _)| index).collect();
        (Self { id: UsersId(id), by_name, with_hash }, defects)
    }

    /// Identity.
    #[must_use]
    pub fn id(&self) -> UsersId {
        self.id
    }

    /// Whose hash to compare a password of `name` with. For a name that is not there, or has no
    /// hash, somebody's: always the same one's, so that the time it takes says nothing. `None`:
    /// nobody has a hash.
    #[must_use]
    pub fn index(&self, name: &[u8]) -> Option<UserIndex> {
        if let Ok(at) = self.by_name.binary_search_by(|user| (*user.name).cmp(name))
            && self.by_name.get(at).is_some_and(|user| user.hash.is_some())
        {
            return u32::try_from(at).ok().map(UserIndex);
        }
        let seed = self.id.0.iter().chain(name).fold(0xcbf2_9ce4_8422_2325, |seed: u64, octet| {
            // FNV-1a: spread, not secret.
            (seed ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3)
        });
        let count = u64::try_from(self.with_hash.len()).ok().filter(|count| *count > 0)?;
        let nth = usize::try_from(seed % count).ok()?;
        self.with_hash.get(nth).map(|index| UserIndex(*index))
    }

    /// Whether this is the password of the user of that name. Compares with the hash of `index`,
    /// which is what [`Self::index`] says of the name. For threads that may take their time.
    #[must_use]
    pub fn is_right(&self, index: UserIndex, name: &[u8], password: &[u8]) -> bool {
        let user = usize::try_from(index.0).ok().and_then(|at| self.by_name.get(at));
        let Some(User { name: known, hash: Some(hash) }) = user else { return false };
        let matches = hash.matches(password);
        matches && **known == *name
    }
}

/// What stands before a comment or the end of the line.
fn hash_text(rest: &[u8]) -> &[u8] {
    let end = rest.iter().position(|octet| matches!(octet, b':' | b'\r' | b'\n'));
    end.and_then(|end| rest.get(..end)).unwrap_or(rest)
}

fn tell(defects: &mut Vec<UsersDefect>, defect: UsersDefect) {
    if defects.len() < PASSWORD_DEFECTS_TOLD_MAX {
        defects.push(defect);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

    #[track_caller]
    fn check(users: &Users, name: &str, password: &str, wanted: bool) {
        let is_right = users
            .index(name.as_bytes())
            .is_some_and(|index| users.is_right(index, name.as_bytes(), password.as_bytes()));
        assert_eq!(is_right, wanted, "{name}:{password}");
    }

    #[test]
    fn a_file_is_read_as_nginx_reads_it() {
        let text = format!(
            "# made by hand: {SECRET}\n\nann:{SECRET}\r\n ben:{SECRET}\ncid:{SECRET}:a comment\n\
             dora:{{PLAIN}}one\ndora:{{PLAIN}}two\nwhat is this\n:{SECRET}\neve:garbage\n\
             eve:{SECRET}\nfay:\r\nlast:{SECRET}"
        );
        let (users, defects) = Users::from_file(text.as_bytes());
        for (name, password, wanted) in [
            ("ann", "secret", true),
            ("ann", "Secret", false),
            ("ann", "", false),
            ("Ann", "secret", false),
            ("# made by hand", "secret", false),
            (" ben", "secret", true),
            ("ben", "secret", false),
            ("cid", "secret", true),
            ("dora", "one", true),
            ("dora", "two", false),
            ("", "secret", false),
            ("what is this", "", false),
            ("eve", "secret", false),
            ("eve", "garbage", false),
            ("fay", "", false),
            ("last", "secret", true),
            ("nobody", "secret", false),
        ] {
            check(&users, name, password, wanted);
        }
        let unknown = |name: &str| UsersDefect::Hash(name.into(), HashError::Unknown);
        let wanted = [UsersDefect::Line(8), UsersDefect::Line(9), unknown("eve"), unknown("fay")];
        assert_eq!(defects, wanted);
    }

    #[test]
    fn a_map_has_a_key_for_each_user() {
        let (users, defects) = Users::from_map([
            ("ann", format!("{SECRET}\n").as_bytes()),
            ("ben", format!("{SECRET}\neve:{SECRET}").as_bytes()),
        ]);
        check(&users, "ann", "secret", true);
        check(&users, "ben", "secret", true);
        check(&users, "eve", "secret", false);
        assert_eq!(defects, []);
    }

    #[test]
    fn who_is_unknown_costs_what_somebody_costs() {
        let slow = "$2y$05$16xqsewkNOXGlUEB5E3M9OCJf3V2axfqkpSoM4hyzOymZ/IwYskQG";
        let (users, _) = Users::from_file(format!("ann:{slow}\nben:{SECRET}\neve:-\n").as_bytes());
        let index = |name: &str| users.index(name.as_bytes());
        for name in ["", "nobody", "eve", "Ann"] {
            assert!([index("ann"), index("ben")].contains(&index(name)), "{name}");
            assert_eq!(index(name), index(name));
        }
        let names: Vec<_> = (0..64).map(|n| index(&format!("n{n}"))).collect();
        assert!(names.contains(&index("ann")) && names.contains(&index("ben")));
        // The right password of who stands in is no password of the other name.
        check(&users, "nobody", "secret", false);
        for text in ["", "what is this", "eve:-"] {
            assert_eq!(Users::from_file(text.as_bytes()).0.index(b"eve"), None, "{text}");
        }
    }

    #[test]
    fn files_with_the_same_users_are_one() {
        let id = |text: &str| Users::from_file(text.as_bytes()).0.id();
        assert!(id("a:{PLAIN}1\nb:{PLAIN}2") == id("# x\nb:{PLAIN}2:y\r\na:{PLAIN}1\n"));
        for other in ["a:{PLAIN}1", "a:{PLAIN}2\nb:{PLAIN}1", "a:{PLAIN}1\nb:{PLAIN}3", "", "a:"] {
            assert!(id("a:{PLAIN}1\nb:{PLAIN}2") != id(other), "{other}");
        }
    }

    #[test]
    fn files_are_bounded() {
        let lines = |count: usize| (0..count).map(|n| format!("u{n}:{{PLAIN}}p\n"));
        let (_, defects) =
            Users::from_file(lines(PASSWORD_USERS_MAX).collect::<String>().as_bytes());
        assert_eq!(defects, []);
        let text: String = lines(PASSWORD_USERS_MAX + 1).collect();
        let (users, defects) = Users::from_file(text.as_bytes());
        assert_eq!(defects, [UsersDefect::TooMany]);
        check(&users, &format!("u{PASSWORD_USERS_MAX}"), "p", false);
        let (_, defects) = Users::from_file("garbage\n".repeat(1_000).as_bytes());
        assert_eq!(defects.len(), PASSWORD_DEFECTS_TOLD_MAX);
    }
}
