//! Cores → threads that check passwords, and back, by the doorbell that cores have anyway.
//!
//! Never blocks: a core asks for [`PASSWORD_CHECKS_PER_CORE`] checks at a time, for which both
//! channels have room.

use std::io;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::core_state::Bell;
use crate::limits::PASSWORD_CHECKS_PER_CORE;
use crate::passwords::check::{Check, Checked};
use crate::passwords::fingerprint::FingerprintKey;

/// A core's end.
#[derive(Clone)]
pub struct PasswordDesk {
    /// Index of the core.
    pub core: usize,
    /// Of all cores.
    pub key: FingerprintKey,
    /// What is to be checked.
    pub checks: Sender<Check>,
    /// What came of it; there may be something when the doorbell rang.
    pub answers: Receiver<Checked>,
}

/// The other end of all cores, for any number of threads.
#[derive(Clone)]
pub struct PasswordChecks {
    /// What is to be checked, in order.
    pub checks: Receiver<Check>,
    /// By core.
    cores: Arc<[(Sender<Checked>, Bell)]>,
}

impl PasswordChecks {
    /// Tells core `core` what came of a check of its own.
    pub fn answer(&self, core: usize, checked: Checked) {
        if let Some((answers, bell)) = self.cores.get(core) {
            // The core ended: the process ends with it.
            answers.try_send(checked).unwrap_or_default();
            bell.ring();
        }
    }
}

/// Both ends for cores with these bells.
///
/// # Errors
/// The system has no randomness; the process is at fault.
pub(super) fn channel(bells: Vec<Bell>) -> io::Result<(PasswordChecks, Vec<PasswordDesk>)> {
    let key = FingerprintKey::generate().map_err(|_none| io::Error::other("no randomness"))?;
    let (ask, checks) = bounded(PASSWORD_CHECKS_PER_CORE * bells.len().max(1));
    let (mut cores, mut desks) = (Vec::with_capacity(bells.len()), Vec::with_capacity(bells.len()));
    for (core, bell) in bells.into_iter().enumerate() {
        let (answer, answers) = bounded(PASSWORD_CHECKS_PER_CORE);
        cores.push((answer, bell));
        desks.push(PasswordDesk { core, key: key.clone(), checks: ask.clone(), answers });
    }
    Ok((PasswordChecks { checks, cores: cores.into() }, desks))
}
