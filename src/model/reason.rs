//! Every reason for a problem: its word, its code and its page. The one table that problems,
//! `ringway check --explain` and `docs/problems.md` go by.
//!
//! INVARIANT: codes and words are interface. One that is not told any more is not given again.

mod admission;
mod annotations;
mod backends;
mod certificates;
mod cluster;
mod configmap;
mod files;
mod gateway;
mod ingress;
pub mod page;

use std::fmt;

use self::page::{Group, Page};

/// All of them, in the order of their codes.
pub const GROUPS: &[Group] = &[
    files::GROUP,
    ingress::GROUP,
    annotations::GROUP,
    backends::GROUP,
    certificates::GROUP,
    configmap::GROUP,
    gateway::GROUP,
    cluster::GROUP,
    admission::GROUP,
];

/// A word of the table.
#[derive(Clone, Copy)]
pub struct Reason(&'static Page);

/// The [`Reason`] of a word; a word that the table does not have fails to compile.
macro_rules! reason {
    ($word:literal) => {
        const { $crate::model::Reason::of($word) }
    };
}
pub(crate) use reason;

impl Reason {
    /// For the macro `reason` alone, which calls it while compiling.
    ///
    /// # Panics
    /// The table does not have the word.
    #[expect(clippy::panic, reason = "at compile time")]
    #[must_use]
    pub const fn of(word: &str) -> Self {
        match Self::find(word) {
            Some(reason) => reason,
            None => panic!("no page in model/reason has this word"),
        }
    }

    /// The reason of a word.
    #[must_use]
    pub const fn find(word: &str) -> Option<Self> {
        let mut groups = GROUPS;
        while let [group, more @ ..] = groups {
            let mut pages = group.pages;
            while let [page, others @ ..] = pages {
                if is_equal(page.word.as_bytes(), word.as_bytes()) {
                    return Some(Self(page));
                }
                pages = others;
            }
            groups = more;
        }
        None
    }

    /// The reason of a condition of the Gateway API, whose words the API gives.
    #[must_use]
    pub fn of_condition(word: &str) -> Self {
        let reason = Self::find(word);
        debug_assert!(reason.is_some(), "model/reason/gateway.rs has no page of {word}");
        reason.unwrap_or(reason!("Invalid"))
    }

    /// The reason of a code as people write it: `RW1001`, `rw1001` or `1001`.
    #[must_use]
    pub fn of_code(text: &str) -> Option<Self> {
        let digits = text.trim_start_matches(['R', 'r']).trim_start_matches(['W', 'w']);
        let code: u16 = digits.parse().ok()?;
        Self::all().find(|reason| reason.0.code == code)
    }

    /// All of them, in the order of their codes.
    pub fn all() -> impl Iterator<Item = Self> {
        GROUPS.iter().flat_map(|group| group.pages).map(Self)
    }

    /// CamelCase word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        self.0.word
    }

    /// `RW` and four digits.
    #[must_use]
    pub const fn code(self) -> Code {
        Code(self.0.code)
    }

    /// What people are told of it.
    #[must_use]
    pub const fn page(self) -> &'static Page {
        self.0
    }
}

/// A code, shown as people know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code(u16);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number) = self;
        write!(f, "RW{number:04}")
    }
}

const fn is_equal(mut a: &[u8], mut b: &[u8]) -> bool {
    while let ([x, rest @ ..], [y, others @ ..]) = (a, b) {
        if *x != *y {
            return false;
        }
        (a, b) = (rest, others);
    }
    a.is_empty() && b.is_empty()
}

impl PartialEq for Reason {
    fn eq(&self, other: &Self) -> bool {
        self.0.code == other.0.code
    }
}

impl Eq for Reason {}

impl PartialOrd for Reason {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Reason {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.code.cmp(&other.0.code)
    }
}

impl PartialEq<&str> for Reason {
    fn eq(&self, word: &&str) -> bool {
        self.0.word == *word
    }
}

impl PartialEq<Reason> for &str {
    fn eq(&self, reason: &Reason) -> bool {
        reason == self
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.word)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.word)
    }
}

#[cfg(test)]
mod tests;
