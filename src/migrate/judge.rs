//! Judges every object: what the product's own lowering says of it, which deliberate differences it
//! meets, and what its limits come to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use k8s_openapi::api::networking::v1::Ingress;

use super::arithmetic;
use super::change::{self, Edit, Section, To};
use super::controller::{Controller, Replicas};
use super::differences::{self, Difference, Reach};
use super::facts::{DIALECT, Facts, SNIPPETS, World};
use super::fates::{self, Fate};
use super::folder::{self, OutFile};
use super::locations::Servers;
use super::log_line;
use super::replay::Replay;
use super::report::{Finding, Judged, Report, Shown, Verdict};
use crate::control::lower::{
    Classes, LowerOptions, Lowered, Lowerer, is_guard_annotation, is_guard_key, is_ours,
    nearest_annotation,
};
use crate::control::store::{Dirty, Entry, Store};
use crate::model::{Kind, ObjectRef, Problem, SourcePosition};

/// What is judged.
pub struct Input<'a> {
    /// All objects.
    pub store: &'a Store,
    /// All of them.
    pub dirty: &'a Dirty,
    /// What was wrong with the files.
    pub problems: &'a [Arc<Problem>],
    /// As the controller's flags have them.
    pub options: LowerOptions,
    /// Whose place is taken.
    pub controller: Option<&'a Controller>,
    /// Its flags, and those that were added.
    pub flags: &'a [String],
    /// What there is to say of them.
    pub flag_findings: Vec<Finding>,
    /// Pods of Ringway; `None`: as many.
    pub new_replicas: Option<u32>,
    /// Certificates are judged as of then.
    pub now: SystemTime,
}

/// What was judged, and what lowering made of it.
pub struct Judgement {
    /// For people.
    pub report: Report,
    /// For who asks where requests go.
    pub lowered: Lowered,
    /// Ingresses that are ingress-nginx's.
    pub ours: Vec<ObjectRef>,
    world: World,
    options: LowerOptions,
    /// Flags, without dashes, of which there is something to say.
    dropped: Vec<String>,
}

impl Judgement {
    /// What is written for who moves, of what was judged.
    #[must_use]
    pub fn folder(&self, store: &Store, controller: Option<&Controller>) -> Vec<OutFile> {
        let Self { report, lowered, ours, world, options, dropped } = self;
        let problems = &lowered.problems;
        let sources =
            folder::Sources { store, options, controller, world, ours, report, dropped, problems };
        folder::files(&sources)
    }

    /// Takes requests of an access log, in the format that the ConfigMap says.
    #[must_use]
    pub fn replay(&self, store: &Store) -> Replay {
        let Self { report, ours, world, lowered, .. } = self;
        let form = world.keys.get("log-format-upstream").map(|form| form.trim());
        let form = form.filter(|form| !form.is_empty()).unwrap_or(log_line::DEFAULT);
        let entries = ours.iter().filter_map(|reference| store.ingresses.get_key_value(reference));
        let ingresses = entries.map(|(reference, entry)| (reference, &*entry.object));
        Replay::new(form, Servers::new(ingresses), lowered, report)
    }
}

/// Judges.
#[must_use]
pub fn judge(input: Input<'_>) -> Judgement {
    let Input { store, dirty, problems, options, controller, flags, .. } = input;
    let replicas = controller.map_or(Replicas::Unknown, |controller| controller.replicas);
    let map = options.config_map.as_ref().and_then(|map| store.config_maps.get(map));
    let dropped = input.flag_findings.iter().map(|finding| finding.subject.trim_start_matches('-'));
    let dropped = dropped.filter_map(|flag| flag.split(['=', ' ']).next()).map(str::to_owned);
    let dropped = dropped.collect();
    let world = World {
        keys: map.map(|entry| World::keys_of(&entry.object)).unwrap_or_default(),
        flags: World::flags_of(flags),
        replicas,
        new_replicas: input.new_replicas.map_or(replicas, Replicas::Fixed),
    };
    let mut lowerer = Lowerer::new(options.clone());
    let lowered = lowerer.apply(store, dirty, input.now);
    let known = store.ingress_classes.iter().map(|(class, entry)| (class, &*entry.object));
    let classes = Classes::of(known, &options);
    let mut of_object: BTreeMap<&ObjectRef, Vec<&Problem>> = BTreeMap::new();
    for problem in problems.iter().chain(&*lowered.problems) {
        if let Some(object) = &problem.object {
            of_object.entry(object).or_default().push(problem);
        }
    }
    let judge =
        Judge { store, lowerer: &lowerer, world: &world, of_object: &of_object, now: input.now };
    let is_its = |entry: &Entry<Ingress>| is_ours(&entry.object, &classes, &options);
    let (ours, others): (Vec<_>, Vec<_>) =
        store.ingresses.iter().partition(|(_, entry)| is_its(entry));
    let mut objects: Vec<_> = ours.iter().map(|(it, entry)| judge.ingress(it, entry)).collect();
    let broken = store.broken.iter().filter(|object| object.kind == Kind::Ingress);
    objects.extend(broken.map(|object| judge.broken(object)));
    objects.extend(controller.map(|it| of_controller(it, &world, input.flag_findings.clone())));
    objects.extend(options.config_map.iter().map(|map| judge.config_map(map)));
    let streams = [&options.tcp_services, &options.udp_services];
    objects.extend(streams.into_iter().flatten().map(|map| judge.stream_map(map)));
    objects.extend(store.ingress_classes.keys().filter_map(|class| judge.class(class)));
    objects.sort_by_key(|object| (std::cmp::Reverse(object.verdict), object.title()));
    let report = Report {
        files: 0,
        controller: controller.map(Controller::title),
        totals: Report::totals_of(&objects),
        objects,
        ingress_class: options.ingress_class.clone(),
        controller_class: options.controller_class.clone(),
        other_classes: others.len(),
        notes: notes(controller, input.flag_findings, &judge),
        requests: None,
    };
    let ours = ours.into_iter().map(|(reference, _)| reference.clone()).collect();
    Judgement { report, lowered, ours, world, options, dropped }
}

fn notes(controller: Option<&Controller>, flags: Vec<Finding>, judge: &Judge<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    if controller.is_none() {
        notes.push(
            "No Deployment or DaemonSet was read that runs ingress-nginx: its defaults were \
             assumed. Read it, too, or say its flags behind --, such as -- --configmap=NAMESPACE/\
             NAME."
                .to_owned(),
        );
        notes.extend(flags.into_iter().map(|flag| format!("{}: {}", flag.subject, flag.text)));
    }
    let unseen = |kind: &str, is_none: bool| {
        is_none.then(|| format!("No {kind} was read: what leads to one was not judged by it."))
    };
    notes.extend(unseen("Service", judge.store.services.is_empty()));
    notes.extend(unseen("Secret", judge.store.secrets.is_empty()));
    notes
}

struct Judge<'a> {
    store: &'a Store,
    lowerer: &'a Lowerer,
    world: &'a World,
    of_object: &'a BTreeMap<&'a ObjectRef, Vec<&'a Problem>>,
    now: SystemTime,
}

impl Judge<'_> {
    fn problems(&self, object: &ObjectRef) -> &[&Problem] {
        self.of_object.get(object).map_or(&[], |problems| problems)
    }

    fn ingress(&self, reference: &ObjectRef, entry: &Entry<Ingress>) -> Judged {
        let mut facts = Facts::of(&entry.object, self.world);
        facts.has_app_protocol = self.has_app_protocol(reference, &facts);
        let mut findings: Vec<_> =
            self.problems(reference).iter().map(|p| self.finding(p)).collect();
        findings.extend(differences::of_ingress(&facts).into_iter().map(of_difference));
        findings.extend(arithmetic::limits(&facts));
        let asking =
            self.problems(reference).iter().filter(|problem| self.asks_for_change(problem));
        let edits = asking.flat_map(|problem| self.edits(reference, &entry.object, problem));
        let edits: Vec<_> = edits.collect();
        let change = (!edits.is_empty()).then(|| {
            let ObjectRef { namespace, name, .. } = reference;
            change::patch("Ingress", namespace, name, Section::Annotations, &edits)
        });
        let place = entry.provenance.as_ref().map(|it| place(&it.position("")));
        Judged { place, change, ..judged(reference).with(findings) }
    }

    /// One of which no form can be used.
    fn broken(&self, reference: &ObjectRef) -> Judged {
        let findings: Vec<_> = self.problems(reference).iter().map(|p| self.finding(p)).collect();
        let first = self.problems(reference).first().and_then(|problem| problem.position.as_ref());
        Judged { place: first.map(place), ..judged(reference).with(findings) }
    }

    fn config_map(&self, reference: &ObjectRef) -> Judged {
        let problems = self.problems(reference);
        let mut findings: Vec<_> = problems.iter().map(|problem| self.finding(problem)).collect();
        findings.extend(differences::of_config_map(self.world).into_iter().map(of_difference));
        let asking = problems.iter().filter(|problem| self.asks_for_change(problem));
        let edits: Vec<_> = asking
            .map(|problem| {
                let name = problem.field.strip_prefix("data.").unwrap_or_default();
                let is_kept = name.is_empty() || is_guard_key(name) || name.ends_with("-snippet");
                let to = if is_kept { To::Said } else { To::Gone };
                Edit { name: name.to_owned(), to, why: said(problem) }
            })
            .collect();
        let ObjectRef { namespace, name, .. } = reference;
        let change = (!edits.is_empty())
            .then(|| change::patch("ConfigMap", namespace, name, Section::Data, &edits));
        Judged { change, ..self.stored_map(reference).with(findings) }
    }

    /// TCP or UDP services.
    fn stream_map(&self, reference: &ObjectRef) -> Judged {
        let findings = self.problems(reference).iter().map(|problem| self.finding(problem));
        let mut findings: Vec<_> = findings.collect();
        let entry = self.store.config_maps.get(reference);
        let lines = entry.iter().flat_map(|entry| entry.object.data.iter().flatten());
        if lines.into_iter().any(|(_, line)| line.to_ascii_uppercase().ends_with(":PROXY:PROXY")) {
            let row = differences::find("TCP services: `PROXY:PROXY`");
            findings.extend(row.map(|row| of_difference((row, Reach::Ordinary))));
        }
        self.stored_map(reference).with(findings)
    }

    fn stored_map(&self, reference: &ObjectRef) -> Judged {
        let entry = self.store.config_maps.get(reference);
        let provenance = entry.and_then(|entry| entry.provenance.as_ref());
        Judged { place: provenance.map(|it| place(&it.position(""))), ..judged(reference) }
    }

    /// A class that something is wrong with.
    fn class(&self, reference: &ObjectRef) -> Option<Judged> {
        let findings: Vec<_> = self.problems(reference).iter().map(|p| self.finding(p)).collect();
        (!findings.is_empty()).then(|| judged(reference).with(findings))
    }

    fn has_app_protocol(&self, owner: &ObjectRef, facts: &Facts<'_>) -> bool {
        facts.backends().filter_map(|backend| backend.service.as_ref()).any(|service| {
            let namespace = Arc::clone(&owner.namespace);
            let name = service.name.as_str().into();
            let entry =
                self.store.services.get(&ObjectRef { kind: Kind::Service, namespace, name });
            let spec = entry.and_then(|entry| entry.object.spec.as_ref());
            let mut ports = spec.and_then(|spec| spec.ports.as_ref()).into_iter().flatten();
            let asked = service.port.as_ref();
            ports.any(|port| {
                let is_asked = asked.is_some_and(|asked| {
                    asked.number == Some(port.port)
                        || asked.name.is_some() && asked.name == port.name
                });
                is_asked && port.app_protocol.is_some()
            })
        })
    }

    fn finding(&self, problem: &Problem) -> Finding {
        let fate = self.fate(problem);
        let verdict = if let Fate::To(verdict) = fate { verdict } else { Verdict::Works };
        let more = match fate {
            Fate::Unseen => " It was not among what was read, and nothing is judged by it.",
            Fate::Same => " ingress-nginx makes no more of it.",
            Fate::To(_) => "",
        };
        let finding = Finding::new(verdict, problem.field.clone(), said(problem) + more);
        let shown = if fate == Fate::Unseen { Shown::Briefly } else { Shown::Whole };
        Finding { shown, ..finding }
    }

    /// An unknown name that is near a guard's closes its rules here, and says nothing there.
    fn fate(&self, problem: &Problem) -> Fate {
        let is_unknown =
            annotation(problem).is_some_and(|name| nearest_annotation(name) != Some(name));
        match fates::of(problem, self.store) {
            Fate::To(Verdict::CannotWork) if is_unknown => Fate::To(Verdict::NeedsChange),
            fate => fate,
        }
    }

    fn asks_for_change(&self, problem: &Problem) -> bool {
        matches!(self.fate(problem), Fate::To(Verdict::NeedsChange | Verdict::CannotWork))
    }

    /// What is to be written another way: the first value with which nothing is wrong, and the name
    /// that is meant. What keeps clients out is neither taken away nor switched off.
    fn edits(&self, reference: &ObjectRef, ingress: &Ingress, problem: &Problem) -> Vec<Edit> {
        let why = said(problem);
        let Some(name) = annotation(problem) else {
            let why = format!("{}: {why}", problem.field);
            return vec![Edit { name: String::new(), to: To::Said, why }];
        };
        let key = format!("{DIALECT}{name}");
        let all = ingress.metadata.annotations.as_ref();
        let value = all.and_then(|all| all.get(&key)).map(String::as_str).unwrap_or_default();
        if let Some(meant) = nearest_annotation(name).filter(|meant| *meant != name) {
            let gone = Edit { name: name.to_owned(), to: To::Gone, why };
            if all.is_some_and(|all| all.contains_key(&format!("{DIALECT}{meant}"))) {
                return vec![gone];
            }
            let why = format!("if that is meant; ingress-nginx does not read {name}");
            let to = To::Value(value.to_owned());
            return vec![gone, Edit { name: meant.to_owned(), to, why }];
        }
        let is_guard = is_guard_annotation(name) || SNIPPETS.contains(&name);
        let is_taken = |value: &String| {
            if is_guard && change::lets_in(value) {
                return false;
            }
            let mut changed = ingress.clone();
            let annotations = changed.metadata.annotations.get_or_insert_default();
            annotations.insert(key.clone(), value.clone());
            let found = self.lowerer.review(self.store, reference, Arc::new(changed), self.now);
            found.iter().all(|found| found.field != problem.field)
        };
        let to = match change::candidates(value).into_iter().find(is_taken) {
            Some(value) => To::Value(value),
            None if is_guard && !fates::is_gone(problem) => To::Said,
            None => To::Gone,
        };
        vec![Edit { name: name.to_owned(), to, why }]
    }
}

/// The annotation that a problem is about, without what all of the dialect begin with.
fn annotation(problem: &Problem) -> Option<&str> {
    problem.field.strip_prefix("metadata.annotations.")?.strip_prefix(DIALECT)
}

fn said(problem: &Problem) -> String {
    format!("{} {}", problem.message, problem.advice).trim_end().to_owned()
}

fn of_difference((row, reach): (&Difference, Reach)) -> Finding {
    let Difference { subject, there, here } = row;
    let (verdict, shown) = match reach {
        Reach::Ordinary => (Verdict::Differs, Shown::Whole),
        Reach::Rare => (Verdict::Works, Shown::Briefly),
    };
    let (there, here) = (Some(there.clone()), Some(here.clone()));
    Finding { there, here, shown, ..Finding::new(verdict, subject.clone(), "") }
}

fn of_controller(controller: &Controller, world: &World, mut findings: Vec<Finding>) -> Judged {
    findings.extend(differences::of_flags(world).into_iter().map(of_difference));
    let Controller { kind, namespace, name, position, .. } = controller;
    let judged = Judged::new(*kind, namespace.clone(), name.clone());
    Judged { place: position.as_ref().map(place), ..judged.with(findings) }
}

impl Controller {
    /// Its kind and name, and how many pods it has.
    #[must_use]
    pub fn title(&self) -> String {
        let Self { kind, namespace, name, replicas, .. } = self;
        format!("{kind} {namespace}/{name}, {}", replicas.words())
    }
}

fn judged(reference: &ObjectRef) -> Judged {
    let ObjectRef { kind, namespace, name } = reference;
    Judged::new(kind.name(), &**namespace, &**name)
}

fn place(position: &SourcePosition) -> String {
    position.to_string()
}
