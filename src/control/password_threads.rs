//! Threads that check passwords for cores: the only place where hashes are made.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use crate::limits::PASSWORD_THREADS_MAX;
use crate::passwords::check::{Check, Findings, Verdict};
use crate::publish::PasswordChecks;

/// How much nicer than cores they are, whose CPUs they use.
const NICENESS: i32 = 5;

/// Starts them, for `cores` cores. They end with the process.
///
/// # Errors
/// A thread could not be started.
pub fn start(checks: &PasswordChecks, cores: usize) -> io::Result<()> {
    let findings = Arc::default();
    for index in 0..cores.div_ceil(2).clamp(1, PASSWORD_THREADS_MAX) {
        let (checks, findings) = (checks.clone(), Arc::clone(&findings));
        let thread = std::thread::Builder::new().name(format!("passwords-{index}"));
        thread.spawn(move || work(&checks, &findings))?;
    }
    Ok(())
}

fn work(checks: &PasswordChecks, findings: &Mutex<Findings>) {
    // On Linux the niceness of the calling thread alone. As it was: so what.
    rustix::process::nice(NICENESS).map(drop).unwrap_or_default();
    while let Ok(check) = checks.checks.recv() {
        let verdict = find_out(&check, findings);
        checks.answer(check.core, check.answered(verdict));
    }
}

/// INVARIANT: nobody waits for the lock while a hash is made.
fn find_out(check: &Check, findings: &Mutex<Findings>) -> Verdict {
    let findings = || findings.lock().unwrap_or_else(PoisonError::into_inner);
    let known = findings().of(check);
    known.unwrap_or_else(|| {
        // What others wrote may panic: then nobody comes in, and the thread goes on.
        let verdict = catch_unwind(AssertUnwindSafe(|| check.carry_out()));
        let verdict = verdict.unwrap_or(Verdict::Wrong);
        findings().keep(check, verdict);
        verdict
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::passwords::basic::Credentials;
    use crate::passwords::users::Users;
    use crate::publish::channel;

    #[test]
    fn checks_are_answered_and_their_core_is_woken() {
        let (publisher, mut subscribers) = channel(2).expect("channels");
        start(&publisher.password_checks(), 2).expect("a thread");
        let core = subscribers.remove(1);
        let mut doorbell = core.doorbell_reader().expect("a handle");
        let users = Arc::new(Users::from_file(b"ann:{PLAIN}secret").0);
        for (name, password, wanted) in [
            ("ann", "secret", Verdict::Right),
            ("ann", "guess", Verdict::Wrong),
            ("ben", "secret", Verdict::Wrong),
            // These were found out before.
            ("ann", "secret", Verdict::Right),
            ("ben", "secret", Verdict::Wrong),
        ] {
            let (name, password) = (name.as_bytes(), password.as_bytes());
            let credentials = Credentials { name, password };
            let fingerprint = core.passwords.key.of(users.id(), &credentials);
            let user = users.index(name).expect("somebody");
            let check = Check::new(1, fingerprint, Arc::clone(&users), user, &credentials);
            core.passwords.checks.send(check).expect("a thread");
            doorbell.read_exact(&mut [0]).expect("a ring");
            assert_eq!(core.drain_updates().count(), 0);
            let checked = core.passwords.answers.try_recv().expect("an answer");
            assert_eq!((checked.fingerprint, checked.verdict), (fingerprint, wanted));
        }
    }
}
