//! What cores ask about passwords, and what they are told: by threads that may take their time.

use std::sync::Arc;

use super::basic::Credentials;
use super::fingerprint::{Fingerprint, Remembered};
use super::users::{UserIndex, Users, UsersId};
use crate::limits::PASSWORDS_REMEMBERED_MAX;

/// Whether somebody has this password.
pub struct Check {
    /// Who asks.
    pub core: usize,
    /// Of users, name and password.
    pub fingerprint: Fingerprint,
    users: Arc<Users>,
    user: UserIndex,
    name: Box<[u8]>,
    password: Box<[u8]>,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the password.
    Right,
    /// It is not, or there is no such user.
    Wrong,
}

/// The answer to a [`Check`].
#[derive(Debug, Clone, Copy)]
pub struct Checked {
    /// Of the check.
    pub fingerprint: Fingerprint,
    /// Of the check.
    pub users: UsersId,
    /// Of the check.
    pub user: UserIndex,
    /// What came of it.
    pub verdict: Verdict,
}

/// What was found out before, for threads that share it: of each user the last password that was
/// right and the last that was not.
pub struct Findings {
    right: Remembered,
    wrong: Remembered,
}

impl Check {
    /// For the core of that index; `user` is what the users say of the name.
    #[must_use]
    pub fn new(
        core: usize,
        fingerprint: Fingerprint,
        users: Arc<Users>,
        user: UserIndex,
        credentials: &Credentials<'_>,
    ) -> Self {
        let Credentials { name, password } = *credentials;
        Self { core, fingerprint, users, user, name: name.into(), password: password.into() }
    }

    /// Finds it out; milliseconds to seconds.
    #[must_use]
    pub fn carry_out(&self) -> Verdict {
        match self.users.is_right(self.user, &self.name, &self.password) {
            true => Verdict::Right,
            false => Verdict::Wrong,
        }
    }

    /// The answer.
    #[must_use]
    pub fn answered(&self, verdict: Verdict) -> Checked {
        Checked { fingerprint: self.fingerprint, users: self.users.id(), user: self.user, verdict }
    }
}

impl Drop for Check {
    /// No longer in memory than needed.
    fn drop(&mut self) {
        self.password.fill(0);
    }
}

impl Default for Findings {
    fn default() -> Self {
        let (right, wrong) = (PASSWORDS_REMEMBERED_MAX, PASSWORDS_REMEMBERED_MAX);
        Self { right: Remembered::new(right), wrong: Remembered::new(wrong) }
    }
}

impl Findings {
    /// What is known of the check.
    pub fn of(&mut self, check: &Check) -> Option<Verdict> {
        let (users, user) = (check.users.id(), check.user);
        let is_last = |known: &mut Remembered| known.is_last(users, user, &check.fingerprint);
        if is_last(&mut self.right) {
            return Some(Verdict::Right);
        }
        is_last(&mut self.wrong).then_some(Verdict::Wrong)
    }

    /// Keeps what was found out.
    pub fn keep(&mut self, check: &Check, verdict: Verdict) {
        let known = match verdict {
            Verdict::Right => &mut self.right,
            Verdict::Wrong => &mut self.wrong,
        };
        known.put(check.users.id(), check.user, check.fingerprint);
    }
}
