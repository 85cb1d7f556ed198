//! Problems as Events (events.k8s.io/v1) on the objects they are about, each told once while it
//! stands, however many replicas and restarts there are: its name says what it is.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::control::calls::{Agenda, Bucket, CallError, Next, backoff, call, cut, prefix};
use crate::control::kinds::info;
use crate::limits::{
    API_CALL_TIMEOUT, API_RETRY_MAX, EVENT_INSTANCE_BYTES_MAX, EVENT_NOTE_BYTES_MAX,
    EVENT_PROBLEMS_MAX, EVENT_REPEAT, EVENT_STAND, EVENT_WRITES_BURST, EVENT_WRITES_IN_FLIGHT_MAX,
    EVENT_WRITES_PER_SECOND, OBJECT_NAME_BYTES_MAX,
};
use crate::model::{ObjectRef, Problem};

/// `reportingController` of our Events.
pub const REPORTING_CONTROLLER: &str = "ringway.dev/ingress-controller";

/// Namespace of Events on objects that have none.
const CLUSTER_NAMESPACE: &str = "default";

/// A problem of an object, compared by what an Event says of it.
#[derive(Debug, Clone)]
struct Key(Arc<Problem>);

impl Key {
    fn what(&self) -> (&Option<ObjectRef>, &str, &str, &str) {
        (&self.0.object, self.0.reason, &self.0.field, &self.0.message)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.what() == other.what()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.what().cmp(&other.what())
    }
}

/// One Event to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Telling {
    key: Key,
    uid: Arc<str>,
}

impl Telling {
    /// The object has no namespace.
    pub(super) fn is_of_cluster(&self) -> bool {
        self.key.0.object.as_ref().is_none_or(|object| object.namespace.is_empty())
    }

    /// Namespace of the Event.
    pub(super) fn namespace(&self) -> &str {
        match &self.key.0.object {
            Some(object) if !object.namespace.is_empty() => &object.namespace,
            _ => CLUSTER_NAMESPACE,
        }
    }
}

/// Which problems stand, which of them are told, and when.
#[derive(Debug)]
pub(super) struct EventBook {
    is_leading: bool,
    entries: BTreeMap<Key, Entry>,
    agenda: Agenda<Key>,
    bucket: Bucket,
    writing: usize,
    /// Problems that found no place.
    surplus: usize,
}

#[derive(Debug)]
struct Entry {
    since: Instant,
    due: Instant,
    tries: u32,
    /// Of the object it was told of.
    uid: Option<Arc<str>>,
}

impl Entry {
    fn new(now: Instant) -> Self {
        Self { since: now, due: now + EVENT_STAND, tries: 0, uid: None }
    }
}

impl EventBook {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            is_leading: false,
            entries: BTreeMap::new(),
            agenda: Agenda::default(),
            bucket: Bucket::new(EVENT_WRITES_PER_SECOND, EVENT_WRITES_BURST, now),
            writing: 0,
            surplus: 0,
        }
    }

    /// A new leader tells everything: what the former one told becomes a repetition of the same
    /// Event.
    pub(super) fn lead(&mut self, is_leading: bool, now: Instant) {
        self.is_leading = is_leading;
        for (key, entry) in &mut self.entries {
            entry.due = now.max(entry.since + EVENT_STAND);
            self.agenda.set(key, entry.due);
        }
    }

    /// These are all present problems. Returns how many more of them than before find no place.
    pub(super) fn present(
        &mut self,
        problems: Vec<Arc<Problem>>,
        now: Instant,
        uid: impl Fn(&ObjectRef) -> Option<Arc<str>>,
    ) -> usize {
        let mut entries = BTreeMap::new();
        let mut surplus = 0usize;
        let mut agenda = Agenda::default();
        for problem in problems {
            let Some(object) = &problem.object else { continue };
            let uid = uid(object);
            let key = Key(Arc::clone(&problem));
            if entries.contains_key(&key) {
                continue;
            }
            if entries.len() == EVENT_PROBLEMS_MAX {
                surplus += 1;
                continue;
            }
            let entry = match self.entries.remove(&key) {
                Some(entry) if entry.uid.is_none() || entry.uid == uid => entry,
                _ => Entry::new(now),
            };
            agenda.set(&key, entry.due);
            entries.insert(key, entry);
        }
        self.entries = entries;
        self.agenda = agenda;
        surplus.saturating_sub(std::mem::replace(&mut self.surplus, surplus))
    }

    pub(super) fn next(
        &mut self,
        now: Instant,
        uid: impl Fn(&ObjectRef) -> Option<Arc<str>>,
    ) -> Next<Telling> {
        if !self.is_leading || self.writing == EVENT_WRITES_IN_FLIGHT_MAX {
            return Next::Wait(None);
        }
        while let Some((at, key)) = self.agenda.first() {
            if at > now {
                return Next::Wait(Some(at));
            }
            let Some(entry) = self.entries.get_mut(&key) else {
                self.agenda.remove(&key);
                continue;
            };
            let Some(uid) = key.0.object.as_ref().and_then(&uid) else {
                // Nobody would find the Event: kubectl describe looks for the uid.
                entry.tries = entry.tries.saturating_add(1);
                entry.due = now + backoff(entry.tries);
                self.agenda.set(&key, entry.due);
                continue;
            };
            if let Err(at) = self.bucket.take(now) {
                return Next::Wait(Some(at));
            }
            // Until it is done, or for ever when the answer is lost.
            entry.due = now + API_RETRY_MAX;
            entry.uid = Some(Arc::clone(&uid));
            self.agenda.set(&key, entry.due);
            self.writing += 1;
            return Next::Start(Telling { key, uid });
        }
        Next::Wait(None)
    }

    pub(super) fn done(&mut self, telling: &Telling, result: &Result<(), CallError>, now: Instant) {
        self.writing -= 1;
        let key = &telling.key;
        // Solved meanwhile, or of an object made anew meanwhile.
        let Some(entry) =
            self.entries.get_mut(key).filter(|e| e.uid.as_ref() == Some(&telling.uid))
        else {
            return;
        };
        let pause = match result {
            Ok(()) => {
                entry.tries = 0;
                EVENT_REPEAT
            }
            Err(CallError::Refused(_) | CallError::Gone(_)) => API_RETRY_MAX,
            Err(_) => {
                entry.tries = entry.tries.saturating_add(1);
                backoff(entry.tries)
            }
        };
        entry.due = now + pause;
        self.agenda.set(key, entry.due);
    }
}

/// 64-bit FNV-1a: the same on every replica and in every version, which std's hashers are not.
fn fnv1a<'p>(parts: impl IntoIterator<Item = &'p str>) -> u64 {
    let bytes = parts.into_iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Name of the Event: begins with that of the object, so that what somebody makes up for his own
/// object cannot take the name of another's.
fn event_name(object: &ObjectRef, telling: &Telling) -> String {
    let problem = &telling.key.0;
    let hash = fnv1a([
        &*telling.uid,
        object.kind.name(),
        problem.reason,
        &*problem.field,
        &*problem.message,
    ]);
    let room = OBJECT_NAME_BYTES_MAX - ".0123456789abcdef".len();
    let name = prefix(&object.name, room);
    format!("{}.{hash:016x}", name.trim_end_matches(['.', '-']))
}

/// `field: message advice`.
fn note(problem: &Problem) -> String {
    let colon = if problem.field.is_empty() { "" } else { ": " };
    let space = if problem.advice.is_empty() { "" } else { " " };
    let Problem { field, message, advice, .. } = problem;
    cut(&format!("{field}{colon}{message}{space}{advice}"), EVENT_NOTE_BYTES_MAX)
}

/// `None`: not about an object that has Events; [`EventBook`] holds none of these.
fn event(telling: &Telling, instance: &str, wall: Timestamp) -> Option<Event> {
    let problem = &telling.key.0;
    let object = problem.object.as_ref()?;
    let is_namespaced = !object.namespace.is_empty();
    Some(Event {
        metadata: ObjectMeta {
            name: Some(event_name(object, telling)),
            namespace: Some(telling.namespace().to_owned()),
            ..Default::default()
        },
        action: Some("Configure".to_owned()),
        event_time: Some(MicroTime(wall)),
        note: Some(note(problem)),
        reason: Some(problem.reason.to_owned()),
        regarding: Some(ObjectReference {
            api_version: Some(info(object.kind).api_version.to_owned()),
            kind: Some(object.kind.to_string()),
            name: Some(object.name.to_string()),
            namespace: is_namespaced.then(|| object.namespace.to_string()),
            uid: Some(telling.uid.to_string()),
            ..Default::default()
        }),
        reporting_controller: Some(REPORTING_CONTROLLER.to_owned()),
        reporting_instance: Some(cut(instance, EVENT_INSTANCE_BYTES_MAX)),
        type_: Some("Warning".to_owned()),
        ..Default::default()
    })
}

/// Writes one Event; where it exists, its series goes on, which also renews its hour.
pub(super) async fn write(
    client: kube::Client,
    telling: &Telling,
    instance: &str,
) -> Result<(), CallError> {
    let wall = Timestamp::now();
    let Some(event) = event(telling, instance, wall) else { return Ok(()) };
    let name = event.metadata.name.as_deref().unwrap_or_default();
    let events: Api<Event> = Api::namespaced(client, telling.namespace());
    let created = call(API_CALL_TIMEOUT, events.create(&PostParams::default(), &event)).await;
    let Err(CallError::Conflict(_)) = created else { return created.map(|_| ()) };
    let again = async {
        let told = events.get(name).await?;
        let count = told.series.map_or(1, |series| series.count.max(1)).saturating_add(1);
        let series = json!({ "count": count, "lastObservedTime": MicroTime(wall) });
        let patch = Patch::Merge(json!({ "series": series }));
        events.patch(name, &PatchParams::default(), &patch).await
    };
    call(API_CALL_TIMEOUT, again).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::Kind;
    use crate::model::Severity;

    fn problem(name: &str, message: &str) -> Arc<Problem> {
        Arc::new(Problem {
            object: Some(ObjectRef {
                kind: Kind::Ingress,
                namespace: "a".into(),
                name: name.into(),
            }),
            position: None,
            field: "spec.rules[0]".to_owned(),
            severity: Severity::Error,
            reason: "NoService",
            message: message.to_owned(),
            advice: "Make one.".to_owned(),
        })
    }

    #[expect(clippy::unnecessary_wraps, reason = "shape of Observed::uid")]
    fn uid(_: &ObjectRef) -> Option<Arc<str>> {
        Some("u1".into())
    }

    fn book(now: Instant) -> EventBook {
        let mut book = EventBook::new(now);
        book.lead(true, now);
        book
    }

    /// Messages of everything that is due, all of it told.
    fn settle(book: &mut EventBook, now: Instant) -> Vec<String> {
        let mut told = Vec::new();
        while let Next::Start(telling) = book.next(now, uid) {
            told.push(telling.key.0.message.clone());
            book.done(&telling, &Ok(()), now);
        }
        told
    }

    #[test]
    fn a_problem_that_stands_is_told_once_and_repeated_before_it_is_forgotten() {
        let mut now = Instant::now();
        let mut book = book(now);
        let standing = || vec![problem("x", "one"), problem("x", "one"), problem("x", "two")];
        assert_eq!(book.present(standing(), now, uid), 0);
        assert!(settle(&mut book, now).is_empty());
        // Two has gone within its second.
        now += EVENT_STAND / 2;
        book.present(vec![problem("x", "one")], now, uid);
        now += EVENT_STAND / 2;
        assert_eq!(settle(&mut book, now), ["one"]);
        book.present(vec![problem("x", "one")], now, uid);
        assert!(settle(&mut book, now + EVENT_REPEAT / 2).is_empty());
        assert_eq!(settle(&mut book, now + EVENT_REPEAT), ["one"]);
        book.present(Vec::new(), now, uid);
        assert!(settle(&mut book, now + EVENT_REPEAT * 3).is_empty());
        assert!(book.entries.is_empty());
    }

    #[test]
    fn only_the_leader_tells() {
        let now = Instant::now();
        let mut book = EventBook::new(now);
        book.present(vec![problem("x", "one")], now, uid);
        let later = now + EVENT_STAND;
        assert!(settle(&mut book, later).is_empty());
        book.lead(true, later);
        assert_eq!(settle(&mut book, later), ["one"]);
        book.lead(false, later);
        assert!(settle(&mut book, later + EVENT_REPEAT).is_empty());
    }

    #[test]
    fn an_object_made_anew_is_told_anew_and_an_unseen_one_not_at_all() {
        let now = Instant::now();
        let mut book = book(now);
        book.present(vec![problem("x", "one")], now, |_| None);
        let later = now + EVENT_STAND;
        assert!(matches!(book.next(later, |_| None), Next::Wait(Some(_))));
        let later = later + backoff(1);
        assert_eq!(settle(&mut book, later), ["one"]);
        book.present(vec![problem("x", "one")], later, |_| Some("u2".into()));
        assert_eq!(settle(&mut book, later + EVENT_STAND), ["one"]);
    }

    #[test]
    fn failures_are_retried_and_solved_ones_are_not() {
        let mut now = Instant::now();
        let mut book = book(now);
        book.present(vec![problem("x", "one")], now, uid);
        now += EVENT_STAND;
        let Next::Start(telling) = book.next(now, uid) else { panic!("due") };
        book.done(&telling, &Err(CallError::Failed(String::new())), now);
        now += backoff(1);
        let Next::Start(telling) = book.next(now, uid) else { panic!("due") };
        book.done(&telling, &Err(CallError::Refused(String::new())), now);
        assert_eq!(book.next(now, uid), Next::Wait(Some(now + API_RETRY_MAX)));
        now += API_RETRY_MAX;
        let Next::Start(telling) = book.next(now, uid) else { panic!("due") };
        book.present(Vec::new(), now, uid);
        book.done(&telling, &Err(CallError::Failed(String::new())), now);
        assert_eq!(book.next(now + API_RETRY_MAX, uid), Next::Wait(None));
    }

    #[test]
    fn events_are_bounded_and_paced() {
        let now = Instant::now();
        let mut book = book(now);
        let surplus = 7;
        let many: Vec<_> =
            (0..EVENT_PROBLEMS_MAX + surplus).map(|n| problem("x", &format!("{n}"))).collect();
        assert_eq!(book.present(many.clone(), now, uid), surplus);
        assert_eq!(book.present(many, now, uid), 0);
        let later = now + EVENT_STAND;
        assert_eq!(settle(&mut book, later).len(), EVENT_WRITES_BURST as usize);
        let second = Duration::from_secs(1);
        assert_eq!(settle(&mut book, later + second).len(), EVENT_WRITES_PER_SECOND as usize);
        let repeats = EVENT_PROBLEMS_MAX as u64 / EVENT_REPEAT.as_secs();
        assert!(repeats * 3 / 2 < u64::from(EVENT_WRITES_PER_SECOND), "{repeats} a second");
    }

    #[test]
    fn an_event_says_what_where_and_what_to_do() {
        let telling = Telling { key: Key(problem("x", "There is no Service.")), uid: "u1".into() };
        let said = event(&telling, &"p".repeat(300), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(said.note.as_deref(), Some("spec.rules[0]: There is no Service. Make one."));
        let regarding = said.regarding.unwrap();
        assert_eq!(regarding.api_version.as_deref(), Some("networking.k8s.io/v1"));
        assert_eq!(regarding.uid.as_deref(), Some("u1"));
        assert!(said.reporting_instance.unwrap().len() <= EVENT_INSTANCE_BYTES_MAX);
        let again = event(&telling, "q", Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(again.metadata.name, said.metadata.name);
        let remade = Telling { uid: "u2".into(), ..telling };
        let remade = event(&remade, "q", Timestamp::UNIX_EPOCH).unwrap();
        assert_ne!(remade.metadata.name, said.metadata.name);
    }

    #[test]
    fn names_and_notes_of_any_length() {
        let long = problem(&format!("{}-{}", "a".repeat(235), "b".repeat(17)), &"é\n".repeat(2000));
        let telling = Telling { key: Key(long), uid: "u1".into() };
        let said = event(&telling, "p", Timestamp::UNIX_EPOCH).unwrap();
        let name = said.metadata.name.unwrap();
        assert!(name.len() <= OBJECT_NAME_BYTES_MAX && name.starts_with("aaa"), "{name}");
        assert!(!name.contains("-."), "{name}");
        let note = said.note.unwrap();
        assert!(note.len() <= EVENT_NOTE_BYTES_MAX && note.ends_with('…'), "{}", note.len());
        assert!(!note.contains('\n'));
    }

    #[test]
    fn an_object_without_a_namespace_is_told_in_default() {
        let class = Problem {
            object: Some(ObjectRef {
                kind: Kind::IngressClass,
                namespace: "".into(),
                name: "x".into(),
            }),
            field: String::new(),
            advice: String::new(),
            ..Problem::clone(&problem("x", "Two."))
        };
        let telling = Telling { key: Key(Arc::new(class)), uid: "u1".into() };
        let said = event(&telling, "p", Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(said.metadata.namespace.as_deref(), Some("default"));
        assert_eq!(said.regarding.unwrap().namespace, None);
        assert_eq!(said.note.as_deref(), Some("Two."));
    }
}
