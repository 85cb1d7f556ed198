//! Statuses of objects: `status.loadBalancer.ingress` of the Ingresses that are served, and
//! conditions of kinds that have them, by server-side apply.
//!
//! The field manager `ringway` owns what it writes and nothing else, so that taking it back (an
//! apply without it) removes what we wrote and leaves what another controller wrote since.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, PartialObjectMeta, Patch, PatchParams};
use serde_json::{Value, json};

use super::addresses::Addresses;
use super::applied::{FIELD_MANAGER, Written, due};
use super::gateway_services::Found;
use super::lease::Leadership;
use super::update;
use crate::control::calls::{Agenda, Bucket, CallError, Next, backoff, call};
use crate::control::conditions::{Content, GatewayAddresses};
use crate::control::kinds::{Place as _, info};
use crate::control::observed::Shown;
use crate::control::outcomes::Outcome;
use crate::control::source::object::{ForType, Stored, for_type};
use crate::limits::{
    API_CALL_TIMEOUT, API_RETRY_MAX, STATUS_CALM, STATUS_WRITES_BURST, STATUS_WRITES_IN_FLIGHT_MAX,
    STATUS_WRITES_PER_SECOND,
};
use crate::model::ObjectRef;

/// One status to write.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Write {
    pub(super) object: ObjectRef,
    pub(super) content: Written,
}

/// Whether statuses are written at all (`--update-status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upkeep {
    Done,
    LeftOut,
}

/// What is wanted of every object, and when to write it.
#[derive(Debug)]
pub(super) struct StatusBook {
    upkeep: Upkeep,
    leadership: Leadership,
    wanted: Addresses,
    /// Of Gateways that have a Service of their own.
    of_services: Found,
    entries: BTreeMap<ObjectRef, Entry>,
    agenda: Agenda<ObjectRef>,
    bucket: Bucket,
    writing: usize,
}

#[derive(Debug)]
struct Entry {
    /// Withdrawn: our addresses may still stand there.
    outcome: Outcome,
    is_writing: bool,
    /// Something changed while it was written.
    again: bool,
    /// Writes in a row, done or failed; two that fight over a status slow each other down.
    tries: u32,
    tried: Option<Instant>,
}

impl Entry {
    fn new(outcome: Outcome) -> Self {
        Self { outcome, is_writing: false, again: false, tries: 0, tried: None }
    }

    fn due(&mut self, now: Instant) -> Instant {
        match self.tried {
            Some(tried) if now.saturating_duration_since(tried) < STATUS_CALM => {
                now.max(tried + backoff(self.tries))
            }
            _ => {
                self.tries = 0;
                now
            }
        }
    }
}

impl StatusBook {
    pub(super) fn new(upkeep: Upkeep, now: Instant) -> Self {
        Self {
            upkeep,
            leadership: Leadership::NotHeld,
            wanted: Arc::new([]),
            of_services: Found::new(),
            entries: BTreeMap::new(),
            agenda: Agenda::default(),
            bucket: Bucket::new(STATUS_WRITES_PER_SECOND, STATUS_WRITES_BURST, now),
            writing: 0,
        }
    }

    pub(super) fn lead(&mut self, leadership: Leadership, now: Instant) {
        self.leadership = leadership;
        self.schedule_all(now);
    }

    pub(super) fn wanted(&mut self, addresses: Addresses, now: Instant) {
        self.wanted = addresses;
        self.schedule_all(now);
    }

    /// Addresses of the Services of Gateways.
    pub(super) fn found(&mut self, found: Found, now: Instant) {
        let changed: BTreeSet<ObjectRef> = {
            let of = |all: &Found, gateway: &ObjectRef| all.get(gateway).cloned();
            let gateways = found.keys().chain(self.of_services.keys());
            let is_other =
                |gateway: &&ObjectRef| of(&found, gateway) != of(&self.of_services, gateway);
            gateways.filter(is_other).cloned().collect()
        };
        self.of_services = found;
        self.observed(changed, now);
    }

    pub(super) fn became(&mut self, outcomes: BTreeMap<ObjectRef, Outcome>, now: Instant) {
        for (object, outcome) in outcomes {
            match self.entries.entry(object.clone()) {
                Slot::Vacant(slot) => drop(slot.insert(Entry::new(outcome))),
                Slot::Occupied(mut slot) => {
                    // What is new is no quarrel with another controller.
                    if matches!(outcome, Outcome::Status(_)) && slot.get().outcome != outcome {
                        slot.get_mut().tried = None;
                    }
                    slot.get_mut().outcome = outcome;
                }
            }
            self.schedule(&object, now);
        }
    }

    /// What the status of these shows changed.
    pub(super) fn observed(&mut self, changed: BTreeSet<ObjectRef>, now: Instant) {
        for ingress in changed {
            self.schedule(&ingress, now);
        }
    }

    pub(super) fn next(
        &mut self,
        now: Instant,
        time: Timestamp,
        shown: impl Fn(&ObjectRef) -> Option<Shown>,
    ) -> Next<Write> {
        if self.writing == STATUS_WRITES_IN_FLIGHT_MAX {
            return Next::Wait(None);
        }
        while let Some((at, object)) = self.agenda.first() {
            if at > now {
                return Next::Wait(Some(at));
            }
            let Some(entry) = self.entries.get_mut(&object) else {
                self.agenda.remove(&object);
                continue;
            };
            let shown = shown(&object);
            let may_write = self.leadership == Leadership::Held && self.upkeep == Upkeep::Done;
            let content = shown.as_ref().filter(|_| may_write);
            let of_service = self.of_services.get(&object);
            let addresses = match is_of_service(&entry.outcome) {
                true => of_service.cloned().unwrap_or_default(),
                false => Arc::clone(&self.wanted),
            };
            let content = content.and_then(|s| due(&entry.outcome, &addresses, s, time));
            let Some(content) = content else {
                // Whoever leads, or learns an address, looks at all of them.
                self.agenda.remove(&object);
                let is_over = match (&entry.outcome, shown) {
                    (Outcome::Withdrawn, Some(Shown::Addresses(shown))) => shown.is_empty(),
                    (Outcome::Withdrawn, _) => true,
                    _ => false,
                };
                if is_over {
                    self.entries.remove(&object);
                }
                continue;
            };
            if let Err(at) = self.bucket.take(now) {
                return Next::Wait(Some(at));
            }
            entry.is_writing = true;
            self.agenda.remove(&object);
            self.writing += 1;
            return Next::Start(Write { object, content });
        }
        Next::Wait(None)
    }

    pub(super) fn done(&mut self, write: &Write, result: &Result<(), CallError>, now: Instant) {
        self.writing -= 1;
        let ingress = &write.object;
        let Some(entry) = self.entries.get_mut(ingress) else { return };
        entry.is_writing = false;
        entry.tries = entry.tries.saturating_add(1);
        entry.tried = Some(now);
        match result {
            Ok(()) | Err(CallError::Gone(_)) if std::mem::take(&mut entry.again) => {
                self.schedule(ingress, now);
            }
            Ok(()) | Err(CallError::Gone(_)) if entry.outcome != Outcome::Withdrawn => {}
            Ok(()) | Err(CallError::Gone(_)) => {
                self.entries.remove(ingress);
            }
            Err(CallError::Refused(_)) => self.agenda.set(ingress, now + API_RETRY_MAX),
            Err(_) => self.schedule(ingress, now),
        }
    }

    /// What is to be taken back when the last replica ends.
    pub(super) fn withdrawals(&self, shown: impl Fn(&ObjectRef) -> Option<Shown>) -> Vec<Write> {
        let ours = self.entries.keys().filter(|ingress| match shown(ingress) {
            Some(Shown::Addresses(shown)) => !shown.is_empty() && shown == self.wanted,
            _ => false,
        });
        let content = || Written::Addresses(Arc::new([]));
        ours.map(|ingress| Write { object: ingress.clone(), content: content() }).collect()
    }

    pub(super) fn is_leading(&self) -> bool {
        self.leadership == Leadership::Held
    }

    fn schedule_all(&mut self, now: Instant) {
        for (ingress, entry) in &mut self.entries {
            if entry.is_writing {
                entry.again = true;
            } else {
                let due = entry.due(now);
                self.agenda.set(ingress, due);
            }
        }
    }

    fn schedule(&mut self, ingress: &ObjectRef, now: Instant) {
        let Some(entry) = self.entries.get_mut(ingress) else { return };
        if entry.is_writing {
            entry.again = true;
        } else {
            let due = entry.due(now);
            self.agenda.set(ingress, due);
        }
    }
}

/// Whether clients reach it by a Service of its own.
fn is_of_service(outcome: &Outcome) -> bool {
    let Outcome::Status(status) = outcome else { return false };
    matches!(&status.content, Content::Gateway { addresses: GatewayAddresses::OfService, .. })
}

/// The applied object.
fn applied(write: &Write) -> Value {
    let ObjectRef { kind, namespace, name } = &write.object;
    let mut metadata = json!({ "name": &**name });
    if !namespace.is_empty() {
        metadata["namespace"] = json!(&**namespace);
    }
    let mut object = json!({
        "apiVersion": info(*kind).api_version, "kind": kind.name(), "metadata": metadata,
    });
    match &write.content {
        Written::Addresses(addresses) if addresses.is_empty() => {}
        Written::Addresses(addresses) => {
            let entries = update::entries(addresses);
            object["status"] = json!({ "loadBalancer": { "ingress": entries } });
        }
        Written::Status(status, version) => {
            object["status"] = status.clone();
            if let Some(version) = version {
                object["metadata"]["resourceVersion"] = json!(&**version);
            }
        }
    }
    object
}

/// Writes one status. Of the answer, which is the whole object, only the metadata is read.
pub(super) async fn write(client: kube::Client, write: &Write) -> Result<(), CallError> {
    let Some(applying) = for_type(write.object.kind, Apply(client.clone(), write)) else {
        return Ok(());
    };
    let applied = applying.await;
    let (Err(CallError::Refused(said)), Written::Addresses(addresses)) = (&applied, &write.content)
    else {
        return applied;
    };
    match update::addresses(client, &write.object, FIELD_MANAGER, addresses).await {
        Err(CallError::Refused(_)) => Err(CallError::Refused(said.clone())),
        updated => updated,
    }
}

/// Writes it to an object of a type.
struct Apply<'a>(kube::Client, &'a Write);

impl<'a> ForType for Apply<'a> {
    type Output = BoxFuture<'a, Result<(), CallError>>;

    fn run<K: Stored>(self) -> Self::Output {
        let Self(client, write) = self;
        let ObjectRef { kind: _, namespace, name } = &write.object;
        let objects: Api<PartialObjectMeta<K>> = K::Scope::api(client, Some(namespace));
        let patch = Patch::Apply(applied(write));
        Box::pin(async move {
            let params = PatchParams::apply(FIELD_MANAGER).force();
            let written = objects.patch_status(name, &params, &patch);
            call(API_CALL_TIMEOUT, written).await.map(|_| ())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use super::*;
    use crate::control::observed::Address;
    use crate::model::Kind;

    /// A book and an API server that does what it is told.
    struct World {
        book: StatusBook,
        shown: RefCell<BTreeMap<ObjectRef, Addresses>>,
        now: Instant,
    }

    fn ingress(name: &str) -> ObjectRef {
        ObjectRef { kind: Kind::Ingress, namespace: "a".into(), name: name.into() }
    }

    fn taken_back(name: &str) -> Write {
        Write { object: ingress(name), content: Written::Addresses(Arc::new([])) }
    }

    fn addresses(write: &Write) -> Addresses {
        match &write.content {
            Written::Addresses(addresses) => Arc::clone(addresses),
            Written::Status(..) => panic!("an Ingress has addresses"),
        }
    }

    fn ip(text: &str) -> Addresses {
        Arc::new([Address::Ip(text.parse().unwrap())])
    }

    impl World {
        fn new(names: &[&str]) -> Self {
            let now = Instant::now();
            let mut book = StatusBook::new(Upkeep::Done, now);
            let shown = names.iter().map(|name| (ingress(name), Arc::new([]) as Addresses));
            book.wanted(ip("192.0.2.1"), now);
            Self { book, shown: RefCell::new(shown.collect()), now }
        }

        fn serve(&mut self, name: &str, outcome: Outcome) {
            self.book.became(BTreeMap::from([(ingress(name), outcome)]), self.now);
        }

        fn show(&mut self, name: &str, addresses: Addresses) {
            self.shown.borrow_mut().insert(ingress(name), addresses);
            self.book.observed(BTreeSet::from([ingress(name)]), self.now);
        }

        fn next(&mut self) -> Next<Write> {
            let shown = &self.shown;
            self.book.next(self.now, Timestamp::UNIX_EPOCH, |ingress| {
                shown.borrow().get(ingress).cloned().map(Shown::Addresses)
            })
        }

        fn start(&mut self) -> Write {
            match self.next() {
                Next::Start(write) => write,
                Next::Wait(at) => panic!("nothing to write, {:?}", at.map(|at| at - self.now)),
            }
        }

        /// Writes everything that is due.
        fn settle(&mut self) -> Vec<String> {
            let mut written = Vec::new();
            while let Next::Start(write) = self.next() {
                let name = write.object.name.to_string();
                written.push(name.clone());
                self.book.done(&write, &Ok(()), self.now);
                self.show(&name, addresses(&write));
            }
            written
        }

        fn pass(&mut self, time: Duration) {
            self.now += time;
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn only_the_leader_writes_and_a_new_one_resyncs() {
        let mut world = World::new(&["x", "y"]);
        world.serve("x", Outcome::Served);
        world.serve("y", Outcome::Served);
        assert!(world.settle().is_empty());
        world.show("y", ip("192.0.2.1"));
        world.book.lead(Leadership::Held, world.now);
        assert_eq!(world.settle(), ["x"]);
        world.book.lead(Leadership::NotHeld, world.now);
        world.show("x", ip("192.0.2.9"));
        world.pass(SECOND);
        assert!(world.settle().is_empty());
        world.book.lead(Leadership::Held, world.now);
        assert_eq!(world.settle(), ["x"]);
    }

    #[test]
    fn a_new_address_is_written_everywhere_and_none_nowhere() {
        let mut world = World::new(&["x", "y"]);
        world.book.lead(Leadership::Held, world.now);
        world.serve("x", Outcome::Served);
        world.serve("y", Outcome::Served);
        assert_eq!(world.settle(), ["x", "y"]);
        world.pass(SECOND);
        world.book.wanted(ip("192.0.2.2"), world.now);
        assert_eq!(world.settle(), ["x", "y"]);
        assert_eq!(world.shown.borrow()[&ingress("x")], ip("192.0.2.2"));
        world.pass(SECOND * 60);
        world.book.wanted(Arc::new([]), world.now);
        assert!(world.settle().is_empty());
    }

    #[test]
    fn no_longer_served_is_taken_back_by_the_leader() {
        let mut world = World::new(&["x", "y", "z"]);
        world.book.lead(Leadership::Held, world.now);
        world.serve("x", Outcome::Served);
        world.serve("y", Outcome::Served);
        world.serve("z", Outcome::Served);
        world.settle();
        world.pass(SECOND);
        world.serve("x", Outcome::Withdrawn);
        // Deleted.
        world.shown.borrow_mut().remove(&ingress("y"));
        world.serve("y", Outcome::Withdrawn);
        assert_eq!(world.start(), taken_back("x"));
        // Forgotten on the other replica's watch: the leader took it back.
        let taken = taken_back("x");
        world.book.done(&taken, &Ok(()), world.now);
        assert!(world.settle().is_empty());
        assert_eq!(world.book.entries.len(), 1);

        let mut follower = World::new(&["x", "y"]);
        follower.serve("y", Outcome::Served);
        follower.serve("y", Outcome::Withdrawn);
        assert!(follower.settle().is_empty());
        assert!(follower.book.entries.is_empty());
        follower.serve("x", Outcome::Served);
        follower.show("x", ip("192.0.2.1"));
        follower.serve("x", Outcome::Withdrawn);
        follower.book.lead(Leadership::Held, follower.now);
        assert_eq!(follower.settle(), ["x"]);
    }

    #[test]
    fn two_controllers_that_disagree_slow_down() {
        let mut world = World::new(&["x"]);
        world.book.lead(Leadership::Held, world.now);
        world.serve("x", Outcome::Served);
        let mut writes = 0;
        for _ in 0..3600 {
            writes += world.settle().len();
            world.show("x", ip("198.51.100.1"));
            world.pass(SECOND);
        }
        assert!((10..30).contains(&writes), "{writes} writes in an hour");
        world.pass(STATUS_CALM);
        world.show("x", ip("198.51.100.2"));
        assert_eq!(world.settle(), ["x"]);
    }

    #[test]
    fn a_failed_write_is_tried_again_later_and_a_refused_one_much_later() {
        let mut world = World::new(&["x"]);
        world.book.lead(Leadership::Held, world.now);
        world.serve("x", Outcome::Served);
        let write = world.start();
        world.book.done(&write, &Err(CallError::Slow(SECOND)), world.now);
        assert_eq!(world.next(), Next::Wait(Some(world.now + backoff(1))));
        world.pass(SECOND);
        let write = world.start();
        world.book.done(&write, &Err(CallError::Refused(String::new())), world.now);
        assert_eq!(world.next(), Next::Wait(Some(world.now + API_RETRY_MAX)));
        world.pass(API_RETRY_MAX);
        let write = world.start();
        world.book.done(&write, &Err(CallError::Gone(String::new())), world.now);
        assert_eq!(world.next(), Next::Wait(None));
    }

    #[test]
    fn what_changes_during_a_write_is_looked_at_after_it() {
        let mut world = World::new(&["x"]);
        world.book.lead(Leadership::Held, world.now);
        world.serve("x", Outcome::Served);
        let write = world.start();
        world.serve("x", Outcome::Withdrawn);
        world.show("x", addresses(&write));
        assert_eq!(world.next(), Next::Wait(None));
        world.book.done(&write, &Ok(()), world.now);
        world.pass(SECOND);
        assert_eq!(world.start(), taken_back("x"));
    }

    #[test]
    fn writes_are_paced_and_few_at_a_time() {
        let names: Vec<String> = (0..300).map(|n| format!("x{n:03}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut world = World::new(&names);
        for name in &names {
            world.serve(name, Outcome::Served);
        }
        world.book.lead(Leadership::Held, world.now);
        let started: Vec<Write> = (0..STATUS_WRITES_IN_FLIGHT_MAX).map(|_| world.start()).collect();
        assert_eq!(world.next(), Next::Wait(None));
        for write in &started {
            world.book.done(write, &Ok(()), world.now);
            world.show(&write.object.name, addresses(write));
        }
        let burst = STATUS_WRITES_BURST as usize;
        assert_eq!(started.len() + world.settle().len(), burst);
        world.pass(SECOND);
        assert_eq!(world.settle().len(), STATUS_WRITES_PER_SECOND as usize);
    }

    #[test]
    fn at_the_end_ours_alone_are_taken_back() {
        let mut world = World::new(&["x", "y"]);
        world.serve("x", Outcome::Served);
        world.serve("y", Outcome::Served);
        world.show("x", ip("192.0.2.1"));
        world.show("y", ip("198.51.100.1"));
        let shown = world.shown.borrow();
        let back =
            world.book.withdrawals(|ingress| shown.get(ingress).cloned().map(Shown::Addresses));
        assert_eq!(back.len(), 1);
        assert_eq!(back[0].object, ingress("x"));
        assert_eq!(applied(&back[0]).get("status"), None);
    }

    #[test]
    fn an_applied_status_has_addresses_and_nothing_else() {
        let addresses: Addresses = Arc::new([
            Address::Ip("2001:db8::1".parse().unwrap()),
            Address::Name("lb.test".into()),
        ]);
        let content = Written::Addresses(addresses);
        let object = applied(&Write { object: ingress("x"), content });
        let status = json!({ "loadBalancer": { "ingress": [
            { "ip": "2001:db8::1" }, { "hostname": "lb.test" },
        ]}});
        assert_eq!(object["status"], status);
        assert_eq!(object["metadata"], json!({ "name": "x", "namespace": "a" }));
    }
}
