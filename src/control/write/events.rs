//! Problems as Events on the objects they are about, each told once while it stands, however many
//! replicas and restarts there are: its name says what it is.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::core::v1::{self as core, ObjectReference};
use k8s_openapi::api::events::v1 as events;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::lease::Leadership;
use crate::control::calls::{Agenda, Bucket, CallError, Next, backoff, call, cut};
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
        (&self.0.object, self.0.reason.word(), &self.0.field, &self.0.message)
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
    leadership: Leadership,
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
            leadership: Leadership::NotHeld,
            entries: BTreeMap::new(),
            agenda: Agenda::default(),
            bucket: Bucket::new(EVENT_WRITES_PER_SECOND, EVENT_WRITES_BURST, now),
            writing: 0,
            surplus: 0,
        }
    }

    /// A new leader tells everything: what the former one told becomes a repetition of the same
    /// Event.
    pub(super) fn lead(&mut self, leadership: Leadership, now: Instant) {
        self.leadership = leadership;
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
        if self.leadership == Leadership::NotHeld || self.writing == EVENT_WRITES_IN_FLIGHT_MAX {
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
        problem.reason.word(),
        &*problem.field,
        &*problem.message,
    ]);
    let room = OBJECT_NAME_BYTES_MAX - ".0123456789abcdef".len();
    let name = &object.name[..object.name.floor_char_boundary(room)];
    format!("{}.{hash:016x}", name.trim_end_matches(['.', '-']))
}

/// `field: message advice`.
fn note(problem: &Problem) -> String {
    let colon = if problem.field.is_empty() { "" } else { ": " };
    let space = if problem.advice.is_empty() { "" } else { " " };
    let Problem { field, message, advice, .. } = problem;
    cut(&format!("{field}{colon}{message}{space}{advice}"), EVENT_NOTE_BYTES_MAX)
}

/// A group of the API that takes Events: the same objects, some fields by other names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    /// events.k8s.io/v1.
    Events,
    /// v1, which roles made for ingress-nginx know alone.
    Core,
}

impl Group {
    fn resource(self) -> ApiResource {
        match self {
            Self::Events => ApiResource::erase::<events::Event>(&()),
            Self::Core => ApiResource::erase::<core::Event>(&()),
        }
    }

    /// Names of the fields for `regarding`, `note` and `reportingController`.
    fn names(self) -> [&'static str; 3] {
        match self {
            Self::Events => ["regarding", "note", "reportingController"],
            Self::Core => ["involvedObject", "message", "reportingComponent"],
        }
    }
}

/// `None`: not about an object that has Events; [`EventBook`] holds none of these.
fn event(
    group: Group,
    telling: &Telling,
    instance: &str,
    wall: Timestamp,
) -> Option<DynamicObject> {
    let problem = &telling.key.0;
    let object = problem.object.as_ref()?;
    let is_namespaced = !object.namespace.is_empty();
    let regarding = ObjectReference {
        api_version: Some(info(object.kind).api_version.to_owned()),
        kind: Some(object.kind.to_string()),
        name: Some(object.name.to_string()),
        namespace: is_namespaced.then(|| object.namespace.to_string()),
        uid: Some(telling.uid.to_string()),
        ..Default::default()
    };
    let [about, note_field, controller] = group.names();
    let data = json!({
        "action": "Configure",
        "eventTime": MicroTime(wall),
        "reason": problem.reason.word(),
        "reportingInstance": cut(instance, EVENT_INSTANCE_BYTES_MAX),
        "type": "Warning",
        about: regarding,
        note_field: note(problem),
        controller: REPORTING_CONTROLLER,
    });
    let event = DynamicObject::new(&event_name(object, telling), &group.resource());
    Some(event.within(telling.namespace()).data(data))
}

/// Writes one Event; where it exists, its series goes on, which also renews its hour.
pub(super) async fn write(
    client: kube::Client,
    telling: &Telling,
    instance: &str,
) -> Result<(), CallError> {
    let wall = Timestamp::now();
    let told = write_to(Group::Events, &client, telling, instance, wall).await;
    let Err(CallError::Refused(refused)) = told else { return told };
    match write_to(Group::Core, &client, telling, instance, wall).await {
        Err(CallError::Refused(_)) => Err(CallError::Refused(refused)),
        told => told,
    }
}

async fn write_to(
    group: Group,
    client: &kube::Client,
    telling: &Telling,
    instance: &str,
    wall: Timestamp,
) -> Result<(), CallError> {
    let Some(event) = event(group, telling, instance, wall) else { return Ok(()) };
    let name = event.metadata.name.as_deref().unwrap_or_default();
    let events: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), telling.namespace(), &group.resource());
    let created = call(API_CALL_TIMEOUT, events.create(&PostParams::default(), &event)).await;
    let Err(CallError::Conflict(_)) = created else { return created.map(|_| ()) };
    let again = async {
        let how = PatchParams::default();
        // Reads it with the right to patch, which is needed anyway.
        let told = events.patch(name, &how, &Patch::Merge(json!({}))).await?;
        let count = told.data.pointer("/series/count").and_then(Value::as_i64);
        let count = count.map_or(1, |count| count.max(1)).saturating_add(1);
        let series = json!({ "count": count, "lastObservedTime": MicroTime(wall) });
        events.patch(name, &how, &Patch::Merge(json!({ "series": series }))).await
    };
    call(API_CALL_TIMEOUT, again).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::Severity;
    use crate::model::{Kind, reason};

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
            reason: reason!("NoService"),
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
        book.lead(Leadership::Held, now);
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
        book.lead(Leadership::Held, later);
        assert_eq!(settle(&mut book, later), ["one"]);
        book.lead(Leadership::NotHeld, later);
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

    fn told(telling: &Telling, instance: &str) -> DynamicObject {
        event(Group::Events, telling, instance, Timestamp::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn an_event_says_what_where_and_what_to_do() {
        let telling = Telling { key: Key(problem("x", "There is no Service.")), uid: "u1".into() };
        let said = told(&telling, &"p".repeat(300));
        assert_eq!(said.data["note"], "spec.rules[0]: There is no Service. Make one.");
        assert_eq!(said.data["regarding"]["apiVersion"], "networking.k8s.io/v1");
        assert_eq!(said.data["regarding"]["uid"], "u1");
        let instance = said.data["reportingInstance"].as_str().unwrap();
        assert!(instance.len() <= EVENT_INSTANCE_BYTES_MAX);
        let again = event(Group::Core, &telling, "q", Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(again.metadata.name, said.metadata.name);
        // The same in both groups.
        let core: core::Event = again.try_parse().unwrap();
        assert_eq!(core.message.as_deref(), said.data["note"].as_str());
        assert_eq!(core.involved_object.uid.as_deref(), Some("u1"));
        assert_eq!(core.reporting_component.as_deref(), Some(REPORTING_CONTROLLER));
        let remade = told(&Telling { uid: "u2".into(), ..telling }, "q");
        assert_ne!(remade.metadata.name, said.metadata.name);
    }

    #[test]
    fn names_and_notes_of_any_length() {
        let long = problem(&format!("{}-{}", "a".repeat(235), "b".repeat(17)), &"é\n".repeat(2000));
        let telling = Telling { key: Key(long), uid: "u1".into() };
        let said = told(&telling, "p");
        let name = said.metadata.name.as_deref().unwrap();
        assert!(name.len() <= OBJECT_NAME_BYTES_MAX && name.starts_with("aaa"), "{name}");
        assert!(!name.contains("-."), "{name}");
        let note = said.data["note"].as_str().unwrap();
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
        let said = told(&telling, "p");
        assert_eq!(said.metadata.namespace.as_deref(), Some("default"));
        assert_eq!(said.data["regarding"].get("namespace"), None);
        assert_eq!(said.data["note"], "Two.");
    }
}
