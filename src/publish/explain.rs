//! Questions to cores about requests that nobody sends and about endpoints, and their answers.
//!
//! Bounded: of who asks more than [`EXPLANATIONS_WAITING_MAX`] at a time the last is told so.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::core_state::Bell;
use crate::explain::{Backend, Explanation, Question};
use crate::limits::EXPLANATIONS_WAITING_MAX;
use crate::model::BackendKey;

/// A question and the way back, which has room for the answer.
#[derive(Debug)]
pub enum Asking {
    /// What would become of a request.
    Request(Box<Question>, Sender<Explanation>),
    /// How the endpoints of a backend do; `None`: the core has no such backend.
    Backend(Arc<BackendKey>, Sender<Option<Backend>>),
}

/// The end of those who ask.
#[derive(Clone)]
pub struct Explainers(Arc<[(Sender<Asking>, Bell)]>);

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unexplained {
    /// There is no such core.
    #[error("there is no such core")]
    NoCore,
    /// Others ask at the moment.
    #[error("too many questions at a time")]
    Crowd,
    /// The core did not answer in time.
    #[error("the core did not answer in time")]
    Late,
}

impl Explainers {
    /// What core `core` says by the table that it has in force. Blocks for `patience` at most.
    ///
    /// # Errors
    /// See [`Unexplained`].
    pub fn ask(
        &self,
        core: usize,
        question: Question,
        patience: Duration,
    ) -> Result<Explanation, Unexplained> {
        self.put(core, patience, |reply| Asking::Request(Box::new(question), reply))
    }

    /// How the endpoints of a backend do, as core `core` sees it. Blocks for `patience` at most.
    ///
    /// # Errors
    /// See [`Unexplained`].
    pub fn backend(
        &self,
        core: usize,
        key: Arc<BackendKey>,
        patience: Duration,
    ) -> Result<Option<Backend>, Unexplained> {
        self.put(core, patience, |reply| Asking::Backend(key, reply))
    }

    fn put<T>(
        &self,
        core: usize,
        patience: Duration,
        question: impl FnOnce(Sender<T>) -> Asking,
    ) -> Result<T, Unexplained> {
        let (questions, bell) = self.0.get(core).ok_or(Unexplained::NoCore)?;
        let (reply, answer) = bounded(1);
        questions.try_send(question(reply)).or(Err(Unexplained::Crowd))?;
        bell.ring();
        answer.recv_timeout(patience).or(Err(Unexplained::Late))
    }
}

/// Both ends for cores with these bells.
pub(super) fn channel(bells: Vec<Bell>) -> (Explainers, Vec<Receiver<Asking>>) {
    let ends = bells.into_iter().map(|bell| {
        let (ask, questions) = bounded(EXPLANATIONS_WAITING_MAX);
        ((ask, bell), questions)
    });
    let (askers, questions): (Vec<_>, Vec<_>) = ends.unzip();
    (Explainers(askers.into()), questions)
}
