//! Passwords of clients, as a core sees them: remembered, under way to who checks them, or in the
//! queue for that. No hash is made here.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use crate::limits::{PASSWORD_CHECKS_PER_CORE, PASSWORD_WAIT, PASSWORDS_REMEMBERED_MAX};
use crate::passwords::basic::Credentials;
use crate::passwords::check::{Check, Checked, Verdict};
use crate::passwords::fingerprint::{Fingerprint, Remembered};
use crate::passwords::queue::{Queue, Queued};
use crate::passwords::users::{UserIndex, Users};
use crate::proxy::drainable::Drainable;
use crate::publish::PasswordDesk;

/// Those of one core.
pub struct Passwords {
    desk: PasswordDesk,
    right: RefCell<Remembered>,
    /// Questions that have no answer yet.
    open: RefCell<HashMap<Fingerprint, Rc<Open>>>,
    queue: RefCell<Queue<Check>>,
    under_way: Cell<usize>,
}

/// Whether credentials are right, of users of which some have a hash.
pub struct Question<'c> {
    users: &'c Arc<Users>,
    user: UserIndex,
    credentials: Credentials<'c>,
    fingerprint: Fingerprint,
}

/// A question without an answer. Requests with the same credentials share it.
struct Open {
    waiting: Drainable,
    said: Cell<Option<Answer>>,
    /// Milliseconds, as all times here.
    expires_at: u64,
}

/// What a request is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Whether it is the password.
    Checked(Verdict),
    /// There was no room or no time to find out.
    Unchecked,
}

impl Open {
    fn tell(&self, answer: Answer) {
        self.said.set(Some(answer));
        self.waiting.wake();
    }
}

impl Passwords {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(desk: PasswordDesk) -> Self {
        Self {
            desk,
            right: RefCell::new(Remembered::new(PASSWORDS_REMEMBERED_MAX)),
            open: RefCell::default(),
            queue: RefCell::default(),
            under_way: Cell::new(0),
        }
    }

    /// What has to be asked about credentials. `None`: whatever they are, they are wrong.
    pub fn question<'c>(
        &self,
        users: &'c Arc<Users>,
        credentials: Credentials<'c>,
    ) -> Option<Question<'c>> {
        let user = users.index(credentials.name)?;
        let fingerprint = self.desk.key.of(users.id(), &credentials);
        Some(Question { users, user, credentials, fingerprint })
    }

    /// Whether it was answered with yes before.
    pub fn is_known(&self, question: &Question<'_>) -> bool {
        let Question { users, user, fingerprint, .. } = question;
        self.right.borrow_mut().is_last(users.id(), *user, fingerprint)
    }

    /// Has it answered, for a request of `client` at the time `now`.
    pub async fn ask(&self, question: Question<'_>, client: IpAddr, now: u64) -> Answer {
        let Some(open) = self.open(&question, client, now) else { return Answer::Unchecked };
        // Another one each time, because the task may be another.
        let mut _entered = None;
        poll_fn(|context| match open.said.get() {
            Some(answer) => Poll::Ready(answer),
            None => {
                _entered = Some(open.waiting.enter(context));
                Poll::Pending
            }
        })
        .await
    }

    /// Takes the answers that came, and sends what is next. To be called when the doorbell rang.
    pub fn settle(&self) {
        while let Ok(checked) = self.desk.answers.try_recv() {
            self.under_way.set(self.under_way.get().saturating_sub(1));
            let Checked { fingerprint, users, user, verdict } = checked;
            if verdict == Verdict::Right {
                self.right.borrow_mut().put(users, user, fingerprint);
            }
            self.close(&fingerprint, Answer::Checked(verdict));
        }
        self.send();
    }

    /// Tells those that waited too long; to be called every tick.
    pub fn expire(&self, now: u64) {
        if self.open.borrow().is_empty() {
            return;
        }
        let is_late = |open: &&Rc<Open>| open.expires_at <= now;
        let late: Vec<_> = self.open.borrow().values().filter(is_late).cloned().collect();
        late.iter().for_each(|open| open.tell(Answer::Unchecked));
        self.open.borrow_mut().retain(|_, open| open.expires_at > now);
    }

    /// Forgets who has not come since the last time.
    pub fn age(&self) {
        self.right.borrow_mut().age();
    }

    /// The question, if it is asked already; else it gets in line. `None`: there is no room.
    fn open(&self, question: &Question<'_>, client: IpAddr, now: u64) -> Option<Rc<Open>> {
        let &Question { users, user, credentials, fingerprint } = question;
        if let Some(open) = self.open.borrow().get(&fingerprint) {
            return Some(Rc::clone(open));
        }
        let core = self.desk.core;
        let check = Check::new(core, fingerprint, Arc::clone(users), user, &credentials);
        let queued = self.queue.borrow_mut().push(users.id(), client, check);
        match queued {
            Queued::Refused(_) => return None,
            Queued::InPlaceOf(other) => self.close(&other.fingerprint, Answer::Unchecked),
            Queued::Waits => {}
        }
        let wait = u64::try_from(PASSWORD_WAIT.as_millis()).unwrap_or(u64::MAX);
        let expires_at = now.saturating_add(wait);
        let open =
            Rc::new(Open { waiting: Drainable::default(), said: Cell::default(), expires_at });
        self.open.borrow_mut().insert(fingerprint, Rc::clone(&open));
        self.send();
        Some(open)
    }

    fn close(&self, fingerprint: &Fingerprint, answer: Answer) {
        let open = self.open.borrow_mut().remove(fingerprint);
        if let Some(open) = open {
            open.tell(answer);
        }
    }

    /// Sends what is next in line, if somebody still waits for it.
    fn send(&self) {
        while self.under_way.get() < PASSWORD_CHECKS_PER_CORE {
            let Some(check) = self.queue.borrow_mut().pop() else { return };
            let fingerprint = check.fingerprint;
            let is_awaited = |open: &Rc<Open>| Rc::strong_count(open) > 1;
            if self.open.borrow().get(&fingerprint).is_some_and(is_awaited)
                && self.desk.checks.try_send(check).is_ok()
            {
                self.under_way.set(self.under_way.get() + 1);
            } else {
                self.close(&fingerprint, Answer::Unchecked);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Waker};

    use super::*;
    use crate::limits::PASSWORDS_WAITING_PER_CLIENT_MAX;
    use crate::publish::{PasswordChecks, channel};

    const NOW: u64 = 1_000;
    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn core() -> (Passwords, PasswordChecks, Arc<Users>) {
        let (publisher, mut subscribers) = channel(1).expect("a channel");
        let checks = publisher.password_checks();
        let users = Users::from_file(b"ann:{PLAIN}secret\nben:{PLAIN}secret").0;
        let desk = subscribers.remove(0).passwords;
        (Passwords::new(desk), checks, Arc::new(users))
    }

    fn credentials(password: &str) -> Credentials<'_> {
        Credentials { name: b"ann", password: password.as_bytes() }
    }

    fn poll(future: Pin<&mut impl Future<Output = Answer>>) -> Option<Answer> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }

    /// Does the work of a thread: how many checks there were.
    fn work(checks: &PasswordChecks) -> usize {
        let mut count = 0;
        while let Ok(check) = checks.checks.try_recv() {
            checks.answer(check.core, check.answered(check.carry_out()));
            count += 1;
        }
        count
    }

    #[test]
    fn requests_with_the_same_credentials_wait_for_one_check() {
        let (core, checks, users) = core();
        let question = |password| core.question(&users, credentials(password)).expect("one");
        let mut first = pin!(core.ask(question("secret"), CLIENT, NOW));
        let mut second = pin!(core.ask(question("secret"), CLIENT, NOW));
        let mut wrong = pin!(core.ask(question("guess"), CLIENT, NOW));
        for future in [first.as_mut(), second.as_mut()] {
            assert_eq!(poll(future), None);
        }
        assert_eq!(poll(wrong.as_mut()), None);
        assert_eq!(work(&checks), 2);
        core.settle();
        assert_eq!(poll(first), Some(Answer::Checked(Verdict::Right)));
        assert_eq!(poll(second), Some(Answer::Checked(Verdict::Right)));
        assert_eq!(poll(wrong), Some(Answer::Checked(Verdict::Wrong)));
        // What was right is remembered, until it is not asked for.
        assert!(core.is_known(&question("secret")) && !core.is_known(&question("guess")));
        core.age();
        core.age();
        assert!(!core.is_known(&question("secret")));
        // Of other users the same password is another one.
        core.right.borrow_mut().put(users.id(), question("secret").user, question("x").fingerprint);
        let other = Arc::new(Users::from_file(b"ann:{PLAIN}other").0);
        let asked = core.question(&other, credentials("secret")).expect("one");
        assert!(!core.is_known(&asked));
    }

    #[test]
    fn who_waits_too_long_is_told() {
        let (core, checks, users) = core();
        let question = |password| core.question(&users, credentials(password)).expect("one");
        let mut asked = pin!(core.ask(question("secret"), CLIENT, NOW));
        assert_eq!(poll(asked.as_mut()), None);
        let late = NOW + u64::try_from(PASSWORD_WAIT.as_millis()).expect("years");
        core.expire(late - 1);
        assert_eq!(poll(asked.as_mut()), None);
        core.expire(late);
        assert_eq!(poll(asked), Some(Answer::Unchecked));
        // The answer is good for the next.
        assert_eq!(work(&checks), 1);
        core.settle();
        assert!(core.is_known(&question("secret")));
    }

    #[test]
    fn what_nobody_waits_for_is_not_checked() {
        let (core, checks, users) = core();
        for n in 0..PASSWORDS_WAITING_PER_CLIENT_MAX {
            let password = n.to_string();
            let question = core.question(&users, credentials(&password)).expect("one");
            assert_eq!(poll(pin!(core.ask(question, CLIENT, NOW))), None);
        }
        // Those were under way when their clients left.
        assert_eq!(work(&checks), PASSWORD_CHECKS_PER_CORE);
        core.settle();
        assert_eq!(work(&checks), 0);
        assert!(core.open.borrow().is_empty());
    }

    #[test]
    fn who_asks_too_much_is_told_at_once() {
        let (core, checks, users) = core();
        let most = PASSWORD_CHECKS_PER_CORE + PASSWORDS_WAITING_PER_CLIENT_MAX;
        let passwords: Vec<_> = (0..=most).map(|n| n.to_string()).collect();
        let question = |n: usize| core.question(&users, credentials(&passwords[n])).expect("one");
        let mut asked: Vec<_> =
            (0..most).map(|n| Box::pin(core.ask(question(n), CLIENT, NOW))).collect();
        assert!(asked.iter_mut().all(|asked| poll(asked.as_mut()).is_none()));
        assert_eq!(poll(pin!(core.ask(question(most), CLIENT, NOW))), Some(Answer::Unchecked));
        let other = IpAddr::from([192, 0, 2, 2]);
        let mut patient = pin!(core.ask(question(most), other, NOW));
        assert_eq!(poll(patient.as_mut()), None);
        // Who asks little is soon next.
        let mut turns = 0;
        while poll(patient.as_mut()).is_none() {
            turns += work(&checks);
            core.settle();
        }
        assert!(turns <= 3 * PASSWORD_CHECKS_PER_CORE, "{turns}");
        while work(&checks) > 0 {
            core.settle();
        }
        let wrong = Some(Answer::Checked(Verdict::Wrong));
        assert!(asked.iter_mut().all(|asked| poll(asked.as_mut()) == wrong));
    }
}
