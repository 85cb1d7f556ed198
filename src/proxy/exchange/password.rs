//! The password of a request: taken from its head, known, or checked by who has the time.

use crate::filter::{PasswordDemand, Said};
use crate::limits::PASSWORD_CREDENTIALS_BYTES_MAX;
use crate::passwords::basic::{Credentials, Room};
use crate::passwords::check::Verdict;
use crate::proxy::exchange::state::Exchange;
use crate::proxy::passwords::{Answer, Question};
use crate::proxy::rt::clock::recent_millis;

impl Exchange<'_> {
    /// What can be said at once: of a password that was right before, and of what is none.
    pub(super) fn known_of_password(&self, demand: &PasswordDemand) -> Option<Said> {
        let passwords = &self.core.passwords;
        match self.question(demand, &mut [0; PASSWORD_CREDENTIALS_BYTES_MAX]) {
            None => Some(Said::No),
            Some(question) => passwords.is_known(&question).then_some(Said::Yes),
        }
    }

    /// Has it checked.
    pub(super) async fn check_password(&self, demand: &PasswordDemand) -> Said {
        let mut room = [0; PASSWORD_CREDENTIALS_BYTES_MAX];
        let Some(question) = self.question(demand, &mut room) else { return Said::No };
        match self.core.passwords.ask(question, self.client().ip(), recent_millis()).await {
            Answer::Checked(Verdict::Right) => Said::Yes,
            Answer::Checked(Verdict::Wrong) => Said::No,
            Answer::Unchecked => Said::Unknown,
        }
    }

    /// `None`: nobody has this name, or there is none. Two lines are none: nobody knows which one
    /// counts.
    fn question<'c>(&self, demand: &'c PasswordDemand, room: &'c mut Room) -> Option<Question<'c>> {
        let fields = self.head().fields.iter();
        let mut lines =
            fields.filter(|field| field.name.of(self.bytes).eq_ignore_ascii_case(b"authorization"));
        let (line, None) = (lines.next()?, lines.next()) else { return None };
        let credentials = Credentials::parse(line.value.of(self.bytes), room)?;
        self.core.passwords.question(&demand.users, credentials)
    }
}
