//! How the writer asks the API server: bounded in time, paced, its refusals told apart.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use kube::runtime::watcher;
use tokio::task::JoinError;
use tokio::time::timeout;

use crate::limits::{API_ANSWER_BYTES_MAX, API_RETRY_MAX, API_RETRY_MIN};

/// Why a call did not do what it was to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// No answer in time.
    #[error("the API server did not answer within {0:?}")]
    Slow(Duration),
    /// The object, or its namespace, does not exist (404).
    #[error("not found: {0}")]
    Gone(String),
    /// Changed or made by someone else meanwhile (409).
    #[error("conflict: {0}")]
    Conflict(String),
    /// The account has no right to it (403 by an authorizer, not by a quota or a namespace that
    /// ends).
    #[error("{0}")]
    Refused(String),
    /// Anything else that the API server says, or no connection to it.
    #[error("{0}")]
    Failed(String),
}

impl From<kube::Error> for CallError {
    fn from(error: kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            return Self::Failed(cut(&chain(&error), API_ANSWER_BYTES_MAX));
        };
        let said = cut(&status.message, API_ANSWER_BYTES_MAX);
        match status.code {
            // The words of k8s.io/apiserver, responsewriters.Forbidden.
            403 if status.message.contains(" cannot ") => Self::Refused(said),
            404 => Self::Gone(said),
            409 => Self::Conflict(said),
            code => Self::Failed(format!("{code}: {said}")),
        }
    }
}

impl From<watcher::Error> for CallError {
    fn from(error: watcher::Error) -> Self {
        match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => error.into(),
            watcher::Error::WatchError(status) => kube::Error::Api(status).into(),
            other @ watcher::Error::NoResourceVersion => Self::Failed(other.to_string()),
        }
    }
}

/// Nothing came in time.
pub(super) struct Late(pub Duration);

impl From<Late> for CallError {
    fn from(Late(limit): Late) -> Self {
        Self::Slow(limit)
    }
}

/// An error and its causes, each said once: kube's own text stops at "ServiceError".
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        next = error.source();
    }
    text
}

/// One call, or several that belong together.
pub(super) async fn call<T, E: From<kube::Error> + From<Late>>(
    limit: Duration,
    calls: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, E> {
    match timeout(limit, calls).await {
        Ok(answer) => Ok(answer?),
        Err(_elapsed) => Err(Late(limit).into()),
    }
}

/// At most `bytes` of a text without control characters, cut between characters.
pub(super) fn cut(text: &str, bytes: usize) -> String {
    let mut clean: String =
        text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    if clean.len() > bytes {
        let mark = "…";
        clean.truncate(clean.floor_char_boundary(bytes.saturating_sub(mark.len())));
        clean.push_str(mark);
    }
    clean
}

/// Pause after so many tries in a row.
pub(super) fn backoff(tries: u32) -> Duration {
    let doubled = 1u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX);
    API_RETRY_MIN.saturating_mul(doubled).min(API_RETRY_MAX)
}

/// Once to one and a half times `base`, so that replicas do not ask in step.
pub(super) fn jitter(base: Duration) -> Duration {
    let share = u32::try_from(random() % 1024).unwrap_or_default();
    base + base * share / 2048
}

/// From the keys that std takes of the system for each map.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// What a book has to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<T> {
    /// Start this.
    Start(T),
    /// Nothing before then; `None`: nothing before something changes.
    Wait(Option<Instant>),
}

/// Token bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    per_token: Duration,
    burst: u32,
    /// When it is full again.
    full_at: Instant,
}

impl Bucket {
    pub(super) fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        Self { per_token: Duration::from_secs(1) / per_second, burst, full_at: now }
    }

    /// Takes a token, or says when there is one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let full_at = self.full_at.max(now) + self.per_token;
        let room = self.per_token * self.burst;
        if full_at > now + room {
            return Err(full_at - room);
        }
        self.full_at = full_at;
        Ok(())
    }
}

/// What is due when.
#[derive(Debug)]
pub(super) struct Agenda<K> {
    due: BTreeMap<K, Instant>,
    order: BTreeSet<(Instant, K)>,
}

impl<K> Default for Agenda<K> {
    fn default() -> Self {
        Self { due: BTreeMap::new(), order: BTreeSet::new() }
    }
}

impl<K: Ord + Clone> Agenda<K> {
    pub(super) fn set(&mut self, key: &K, at: Instant) {
        if let Some(before) = self.due.insert(key.clone(), at) {
            self.order.remove(&(before, key.clone()));
        }
        self.order.insert((at, key.clone()));
    }

    pub(super) fn remove(&mut self, key: &K) {
        if let Some(at) = self.due.remove(key) {
            self.order.remove(&(at, key.clone()));
        }
    }

    pub(super) fn first(&self) -> Option<(Instant, K)> {
        self.order.first().cloned()
    }
}

/// What a task came to. Its panic goes on here: a kind that nobody watches, or a status that nobody
/// writes, would stay as it is for ever.
pub(super) fn alive<T>(ended: Result<T, JoinError>) -> T {
    match ended.map_err(JoinError::try_into_panic) {
        Ok(value) => value,
        Err(Ok(payload)) => std::panic::resume_unwind(payload),
        Err(Err(aborted)) => std::panic::resume_unwind(Box::new(aborted)),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn answer(code: u16, message: &str) -> CallError {
        kube::Error::Api(Status::failure(message, "").with_code(code).boxed()).into()
    }

    #[test]
    fn refusals_are_told_from_quotas_and_ends() {
        let refused = "events.events.k8s.io is forbidden: User \"a\" cannot create resource";
        assert!(matches!(answer(403, refused), CallError::Refused(_)));
        let ends = "unable to create new content in namespace a because it is being terminated";
        assert!(matches!(answer(403, ends), CallError::Failed(_)));
        assert!(matches!(answer(404, ""), CallError::Gone(_)));
        assert!(matches!(answer(409, ""), CallError::Conflict(_)));
        assert!(matches!(answer(422, ""), CallError::Failed(_)));
        let long = answer(500, &"é".repeat(API_ANSWER_BYTES_MAX)).to_string();
        assert!(long.len() <= API_ANSWER_BYTES_MAX + 5 && long.ends_with('…'), "{}", long.len());
    }

    #[tokio::test]
    async fn a_call_ends() {
        let slow = call::<(), CallError>(Duration::from_millis(1), std::future::pending()).await;
        assert!(matches!(slow, Err(CallError::Slow(_))));
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("a\u{1b}[1m\n", 9), "a [1m ");
        assert_eq!(cut("éééé", 7), "éé…");
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        assert_eq!(backoff(0), API_RETRY_MIN);
        assert_eq!(backoff(1), API_RETRY_MIN);
        assert_eq!(backoff(3), API_RETRY_MIN * 4);
        assert_eq!(backoff(u32::MAX), API_RETRY_MAX);
        let pause = jitter(Duration::from_secs(2));
        assert!(pause >= Duration::from_secs(2) && pause <= Duration::from_secs(3), "{pause:?}");
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 3, start);
        let given = (0..5).filter(|_| bucket.take(start).is_ok()).count();
        assert_eq!(given, 3);
        let next = bucket.take(start).expect_err("empty");
        assert_eq!(next - start, Duration::from_millis(100));
        assert!(bucket.take(next).is_ok());
        let later = start + Duration::from_secs(60);
        assert_eq!((0..5).filter(|_| bucket.take(later).is_ok()).count(), 3);
    }

    #[test]
    fn an_agenda_has_one_time_for_each() {
        let start = Instant::now();
        let mut agenda = Agenda::default();
        agenda.set(&'b', start);
        agenda.set(&'a', start + Duration::from_secs(1));
        agenda.set(&'b', start + Duration::from_secs(2));
        assert_eq!(agenda.first(), Some((start + Duration::from_secs(1), 'a')));
        agenda.remove(&'a');
        assert_eq!(agenda.first().map(|(_, key)| key), Some('b'));
    }
}
