//! One kind in one namespace (or all): list, then watch from there on, for ever.
//!
//! Not `kube::runtime::watcher`: that one says nothing when a watch is taken up again after an
//! outage, so that it stays unknown on a quiet kind whether the server is back; and it waits for
//! ever where the version it has is refused by an HTTP status 410 instead of an event.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use kube::Api;
use kube::api::{ListParams, WatchEvent, WatchParams};
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep, timeout};

use super::failure::Failure;
use super::item::{Item, Watched};
use crate::control::kinds::info;
use crate::limits::{
    KUBE_ANSWER_TIMEOUT, KUBE_BACKOFF_MAX, KUBE_BACKOFF_MIN, KUBE_REFUSED_RETRY, KUBE_WATCH_GRACE,
    KUBE_WATCH_SECONDS,
};
use crate::model::ObjectRef;

/// What happened to a watch.
pub(super) enum Step {
    /// The first page of a list follows.
    Begin,
    /// Objects that exist.
    Page(Vec<Item>),
    /// The list was complete: others do not exist.
    Done,
    /// A watch began.
    Watching,
    /// New or changed.
    Apply(Item),
    /// Gone.
    Delete(ObjectRef),
    /// A watch broke off; it is taken up again.
    Broken,
    /// An event cannot be read; its object is as before.
    Unreadable(Failure),
    /// A list or watch cannot begin; it is tried again.
    Failed(Verb, Failure),
}

/// What we may not be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verb {
    /// `list`.
    List,
    /// `watch`.
    Watch,
}

/// Which objects of a kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Query {
    /// `labelSelector`.
    pub labels: Option<String>,
    /// `fieldSelector`.
    pub fields: Option<String>,
}

/// How a turn ended.
enum Turn {
    /// Everything was listed at this version.
    Listed(String),
    /// The watch came to its end at this version.
    Ended(String),
    /// What was known is too old.
    Expired,
    /// Nobody listens any more.
    Closed,
    /// To be told or not, and where to take up again.
    Failed(Option<String>, Verb, Failure),
    /// The watch broke off; at this version, unless that may be what the server stumbled over.
    Broken(Option<String>),
}

/// Tells every step to `out`, with `id`. Ends when nobody listens.
pub(super) async fn follow<K: Watched>(
    api: Api<K>,
    query: Query,
    id: usize,
    out: Sender<(usize, Step)>,
) {
    let mut backoff = Backoff::default();
    let mut version = None;
    loop {
        let began = Instant::now();
        let is_watch = version.is_some();
        let turn = match version.take() {
            None => list(&api, &query, id, &out).await,
            Some(version) => watch(&api, &query, version, id, &out).await,
        };
        // A list alone proves nothing: a watch that never begins must not have all listed at once.
        let has_lasted = is_watch && began.elapsed() > KUBE_BACKOFF_MAX;
        if has_lasted {
            backoff.reset();
        }
        let (next, step, pause) = match turn {
            Turn::Closed => return,
            Turn::Listed(at) => (Some(at), None, Duration::ZERO),
            Turn::Ended(at) if has_lasted => (Some(at), None, Duration::ZERO),
            Turn::Ended(at) => (Some(at), None, backoff.next()),
            Turn::Expired => (None, None, backoff.next()),
            Turn::Broken(at) => (at, Some(Step::Broken), backoff.next()),
            Turn::Failed(at, verb, failure) => {
                let pause = match &failure {
                    failure if failure.is_refusal() => KUBE_REFUSED_RETRY,
                    Failure::Refused(_, after) | Failure::Busy(_, after) => {
                        backoff.next().max(*after)
                    }
                    _ => backoff.next(),
                };
                (at, Some(Step::Failed(verb, failure)), pause)
            }
        };
        version = next;
        if let Some(step) = step
            && out.send((id, step)).await.is_err()
        {
            return;
        }
        sleep(pause).await;
    }
}

async fn list<K: Watched>(
    api: &Api<K>,
    query: &Query,
    id: usize,
    out: &Sender<(usize, Step)>,
) -> Turn {
    let mut params = ListParams {
        label_selector: query.labels.clone(),
        field_selector: query.fields.clone(),
        limit: Some(info(K::KIND).page),
        ..ListParams::default()
    };
    let mut is_first = true;
    loop {
        let page = match timeout(KUBE_ANSWER_TIMEOUT, api.list(&params)).await {
            Ok(Ok(page)) => page,
            Ok(Err(error)) => match error.into() {
                Failure::Expired(_) => return Turn::Expired,
                failure => return Turn::Failed(None, Verb::List, failure),
            },
            Err(_) => {
                let failure = Failure::silence(KUBE_ANSWER_TIMEOUT);
                return Turn::Failed(None, Verb::List, failure);
            }
        };
        let items = page.items.into_iter().filter_map(Watched::item).collect();
        if std::mem::take(&mut is_first) && out.send((id, Step::Begin)).await.is_err() {
            return Turn::Closed;
        }
        if out.send((id, Step::Page(items))).await.is_err() {
            return Turn::Closed;
        }
        params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
        if params.continue_token.is_some() {
            continue;
        }
        let Some(version) = page.metadata.resource_version.filter(|v| !v.is_empty()) else {
            let failure = Failure::Unreadable("the list has no resourceVersion".into());
            return Turn::Failed(None, Verb::List, failure);
        };
        return match out.send((id, Step::Done)).await {
            Ok(()) => Turn::Listed(version),
            Err(_) => Turn::Closed,
        };
    }
}

async fn watch<K: Watched>(
    api: &Api<K>,
    query: &Query,
    mut version: String,
    id: usize,
    out: &Sender<(usize, Step)>,
) -> Turn {
    let params = WatchParams {
        label_selector: query.labels.clone(),
        field_selector: query.fields.clone(),
        timeout: Some(KUBE_WATCH_SECONDS),
        bookmarks: true,
        ..WatchParams::default()
    };
    let events = match timeout(KUBE_ANSWER_TIMEOUT, api.watch(&params, &version)).await {
        Ok(Ok(events)) => events,
        Ok(Err(error)) => match error.into() {
            // A version that the server cannot make sense of is as good as none.
            Failure::Expired(_) | Failure::Invalid(_) => return Turn::Expired,
            failure => return Turn::Failed(Some(version), Verb::Watch, failure),
        },
        Err(_) => {
            let failure = Failure::silence(KUBE_ANSWER_TIMEOUT);
            return Turn::Failed(Some(version), Verb::Watch, failure);
        }
    };
    if out.send((id, Step::Watching)).await.is_err() {
        return Turn::Closed;
    }
    let silence = Duration::from_secs(KUBE_WATCH_SECONDS.into()) + KUBE_WATCH_GRACE;
    let mut events = pin!(events);
    loop {
        let step = match timeout(silence, events.next()).await {
            Ok(Some(Ok(event))) => match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    note_version(&object, &mut version);
                    object.item().map(Step::Apply)
                }
                WatchEvent::Deleted(object) => {
                    note_version(&object, &mut version);
                    object.reference().map(Step::Delete)
                }
                WatchEvent::Bookmark(bookmark) => {
                    version = bookmark.metadata.resource_version;
                    None
                }
                WatchEvent::Error(status) if status.code == 410 => return Turn::Expired,
                WatchEvent::Error(_) => return Turn::Broken(None),
            },
            Ok(Some(Err(error))) => match Failure::from(error) {
                Failure::Expired(_) => return Turn::Expired,
                failure @ Failure::Unreadable(_) => Some(Step::Unreadable(failure)),
                _ => return Turn::Broken(Some(version)),
            },
            Ok(None) => return Turn::Ended(version),
            Err(_) => return Turn::Broken(Some(version)),
        };
        if let Some(step) = step
            && out.send((id, step)).await.is_err()
        {
            return Turn::Closed;
        }
    }
}

fn note_version<K: Watched>(object: &K, version: &mut String) {
    if let Some(new) = object.meta().resource_version.as_ref().filter(|new| !new.is_empty()) {
        version.clone_from(new);
    }
}

/// Doubling pauses, each shortened by chance to no less than half.
#[derive(Debug, Default)]
struct Backoff {
    failures: u32,
}

impl Backoff {
    fn reset(&mut self) {
        self.failures = 0;
    }

    fn next(&mut self) -> Duration {
        let pause = KUBE_BACKOFF_MIN.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let pause = pause.min(KUBE_BACKOFF_MAX);
        // Keyed anew by the standard library each time.
        let chance = RandomState::new().hash_one(self.failures) % 1024;
        pause / 2 + (pause / 2).saturating_mul(u32::try_from(chance).unwrap_or(0)) / 1024
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_bound() {
        let mut backoff = Backoff::default();
        let first = backoff.next();
        assert!(first >= KUBE_BACKOFF_MIN / 2 && first <= KUBE_BACKOFF_MIN);
        let last = std::iter::repeat_with(|| backoff.next()).nth(100).unwrap_or_default();
        assert!(last >= KUBE_BACKOFF_MAX / 2 && last <= KUBE_BACKOFF_MAX);
        backoff.reset();
        assert!(backoff.next() <= KUBE_BACKOFF_MIN);
    }
}
