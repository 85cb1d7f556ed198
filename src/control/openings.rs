//! Which entry points are open: what a table names is opened, what it names no more is closed, and
//! what cannot be had is told and tried again.
//!
//! Sockets are bound here and not by the cores: so either each core gets one or none does, nobody
//! shares a port with a stranger in silence, and what keeps us from it is told once, in words.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Instant;

use crate::limits::{BIND_PATIENCE, BIND_PAUSE, BIND_RETRY, ENTRY_POINTS_MAX};
use crate::listen::{self, ListenError};
use crate::model::{EntryPoint, Problem, Scheme, Severity, reason};
use crate::publish::{OpeningId, Publisher};

/// Listening sockets of one entry point, one per core.
pub type Bound = (EntryPoint, Vec<TcpListener>);

/// Entry points that are open, and those that should be.
pub struct Openings {
    /// At most so many are open.
    most: usize,
    /// Bound before there was a table.
    bound: BTreeMap<EntryPoint, Vec<TcpListener>>,
    open: BTreeMap<EntryPoint, OpeningId>,
    /// Named, but not open.
    refused: BTreeMap<EntryPoint, Refused>,
    /// Of `refused`; another allocation whenever they differ.
    problems: Arc<[Arc<Problem>]>,
    is_ended: bool,
}

/// An entry point that could not be opened yet.
struct Refused {
    since: Instant,
    next_try: Instant,
    shut: Shut,
    /// Once it was refused for too long to be a port that is about to become free.
    problem: Option<Arc<Problem>>,
}

/// Why an entry point is not open, as a clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shut {
    /// The machine does not have the address.
    NoAddress(String),
    /// The port cannot be had, or not yet.
    Port(String),
}

/// Why an entry point is not open. Its author is at fault, or whoever has the port.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Too many are.
    #[error("clients come in at {0} addresses already, and more are not opened")]
    TooMany(usize),
    /// The kernel refuses.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// What is to be done so that what is named is what is open.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Named and not known.
    pub open: Vec<EntryPoint>,
    /// Known and not named.
    pub close: Vec<EntryPoint>,
}

/// Compares what is open, or was tried, with what a table names.
#[must_use]
pub fn difference(known: &BTreeSet<EntryPoint>, named: &BTreeSet<EntryPoint>) -> Difference {
    let only = |these: &BTreeSet<EntryPoint>, those| these.difference(those).copied().collect();
    Difference { open: only(named, known), close: only(known, named) }
}

impl Default for Openings {
    fn default() -> Self {
        Self::at_most(ENTRY_POINTS_MAX)
    }
}

impl Openings {
    /// At most `most` entry points will be open.
    fn at_most(most: usize) -> Self {
        Self {
            most,
            bound: BTreeMap::new(),
            open: BTreeMap::new(),
            refused: BTreeMap::new(),
            problems: Arc::default(),
            is_ended: false,
        }
    }

    /// Takes sockets that listen already; they reach the cores with the first table that names
    /// their entry point.
    pub fn adopt(&mut self, bound: Vec<Bound>) {
        self.bound.extend(bound);
    }

    /// Opens and closes the difference to what the table just published names.
    pub fn follow(
        &mut self,
        named: impl Iterator<Item = EntryPoint>,
        publisher: &mut Publisher,
        now: Instant,
    ) {
        if self.is_ended {
            return;
        }
        let known = self.open.keys().chain(self.refused.keys()).copied().collect();
        let Difference { open, close } = difference(&known, &named.collect());
        let is_told = close.iter().filter(|gone| self.refused.remove(gone).is_some()).count() > 0;
        for entry_point in close {
            if let Some(id) = self.open.remove(&entry_point) {
                publisher.close(id);
                tracing::info!("{entry_point}: closed");
            }
        }
        let waiting = |entry_point| {
            (
                entry_point,
                Refused {
                    since: now,
                    next_try: now,
                    shut: Shut::Port("not yet".into()),
                    problem: None,
                },
            )
        };
        self.refused.extend(open.into_iter().map(waiting));
        if is_told {
            self.tell();
        }
        self.retry(publisher, now);
    }

    /// Tries those again whose time has come.
    pub fn retry(&mut self, publisher: &mut Publisher, now: Instant) {
        let due = self.refused.iter().filter(|(_, refused)| refused.next_try <= now);
        let due: Vec<EntryPoint> = due.map(|(entry_point, _)| *entry_point).collect();
        for entry_point in due {
            match self.open(entry_point, publisher) {
                Ok(id) => {
                    self.open.insert(entry_point, id);
                    let refused = self.refused.remove(&entry_point);
                    if refused.is_some_and(|refused| refused.problem.is_some()) {
                        self.tell();
                    }
                }
                Err(error) => self.refuse(entry_point, error, now),
            }
        }
    }

    /// When [`Self::retry`] has something to do.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.refused.values().map(|refused| refused.next_try).min()
    }

    /// Why entry points are not open; the same allocation as long as nothing changes.
    #[must_use]
    pub fn problems(&self) -> Arc<[Arc<Problem>]> {
        Arc::clone(&self.problems)
    }

    /// What is not open, and why.
    pub fn refused(&self) -> impl Iterator<Item = (EntryPoint, Shut)> {
        self.refused.iter().map(|(entry_point, refused)| (*entry_point, refused.shut.clone()))
    }

    /// The process is about to end: nothing is opened any more.
    pub fn end(&mut self) {
        self.is_ended = true;
        self.bound.clear();
        self.refused.clear();
    }

    fn open(
        &mut self,
        entry_point: EntryPoint,
        publisher: &mut Publisher,
    ) -> Result<OpeningId, OpenError> {
        if self.open.len() >= self.most {
            return Err(OpenError::TooMany(self.most));
        }
        if entry_point.scheme == Scheme::Udp {
            let sockets = listen::try_bind(entry_point.address, publisher.cores())?;
            return Ok(publisher.open(entry_point, sockets));
        }
        let sockets = match self.bound.remove(&entry_point) {
            Some(sockets) => sockets,
            None => listen::try_listen(entry_point.address, publisher.cores())?,
        };
        Ok(publisher.open(entry_point, sockets))
    }

    /// A port may be about to become free: ours of another scheme, or that of a process that ends.
    fn refuse(&mut self, entry_point: EntryPoint, error: OpenError, now: Instant) {
        let Some(refused) = self.refused.get_mut(&entry_point) else { return };
        let is_patient = matches!(&error, OpenError::Listen(error) if error.is_in_use())
            && now < refused.since + BIND_PATIENCE;
        refused.shut = match &error {
            OpenError::Listen(listen) if listen.is_no_address() => {
                Shut::NoAddress(error.to_string())
            }
            _ => Shut::Port(error.to_string()),
        };
        refused.next_try = now + if is_patient { BIND_PAUSE } else { BIND_RETRY };
        if !is_patient && refused.problem.is_none() {
            refused.problem = Some(Arc::new(problem(entry_point, error)));
            self.tell();
        }
    }

    fn tell(&mut self) {
        self.problems = self.refused.values().filter_map(|r| r.problem.clone()).collect();
    }
}

fn problem(entry_point: EntryPoint, error: OpenError) -> Problem {
    let why = match error {
        OpenError::Listen(error) => error.in_words(),
        OpenError::TooMany(_) => error.to_string(),
    };
    Problem {
        object: None,
        position: None,
        field: String::new(),
        severity: Severity::Error,
        reason: reason!("NotListening"),
        message: format!("{entry_point} is not open: {why}."),
        advice: format!("It is tried again every {} s.", BIND_RETRY.as_secs()),
    }
}

#[cfg(test)]
mod tests;
