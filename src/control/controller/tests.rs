//! Order of what is published, and what acknowledgements set free.

use std::time::Duration;

use super::*;
use crate::control::source::{Change, Object, SourceObject, manifest};
use crate::limits::BIND_RETRY;
use crate::model::{EntryPoint, Scheme, reason};
use crate::publish::{Subscriber, Update, channel};

/// A controller and the ends of its cores, which do what the test says.
struct World {
    controller: Controller,
    cores: Vec<Subscriber>,
    /// Read by each core and not acknowledged yet.
    marks: Vec<Sequence>,
    state: Arc<ControlState>,
    start: Instant,
}

impl World {
    fn new(cores: usize) -> Self {
        Self::with_entry_points(cores, Vec::new())
    }

    fn with_entry_points(cores: usize, entry_points: Vec<EntryPoint>) -> Self {
        let (publisher, cores) = channel(cores).expect("a channel");
        let options = LowerOptions::directory("ringway", "ringway.dev/ingress");
        let options = LowerOptions { entry_points, ..options };
        let state = Arc::new(ControlState::default());
        let controller = Controller::new(options, publisher, Arc::clone(&state), Box::new(|_| {}));
        let marks = vec![Sequence::default(); cores.len()];
        Self { controller, cores, marks, state, start: Instant::now() }
    }

    fn apply(&mut self, text: &str) {
        let objects = manifest::read(&"f".into(), text).objects.into_iter();
        let changes = objects.map(|object| Change::Apply(Box::new(object))).collect();
        self.controller.on_changes(Changes { changes, problems: None }, self.start);
    }

    /// What a core has been sent since the last time, in order.
    fn sent(&mut self, core: usize) -> Vec<String> {
        let updates = self.cores[core].drain_updates();
        let text = updates.filter_map(|update| match update {
            Update::Table(table) => Some(format!("table {}", table.version.0)),
            Update::Endpoints { key, set, .. } => Some(format!("{key} {}", set.addresses.len())),
            Update::RemoveBackend(id) => Some(format!("remove {}", id.slot)),
            Update::Open(opening) => Some(format!("open {}", opening.entry_point)),
            Update::Close(_) => Some("close".into()),
            Update::Drain(_) => Some("drain".into()),
            Update::Mark(sequence) => {
                self.marks[core] = sequence;
                None
            }
        });
        text.collect()
    }

    /// `after`: since the change.
    fn acknowledge(&mut self, core: usize, version: u64, after: Duration) {
        self.cores[core].applied(self.marks[core]);
        self.cores[core].acknowledge(TableVersion(version));
        self.controller.on_acknowledged(self.start + after);
    }
}

/// A Service and its only slice.
fn slice(service: &str, addresses: &[&str]) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {service}}}\n\
         spec: {{ports: [{{port: 80}}]}}\n---\n\
         apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{name: {service}-1, labels: {{kubernetes.io/service-name: {service}}}}}\n\
         addressType: IPv4\nports: [{{port: 80}}]\n\
         endpoints: [{{addresses: [{}]}}]\n",
        addresses.join(", ")
    )
}

fn ingress(service: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: a}}\n\
         spec: {{defaultBackend: {{service: {{name: {service}, port: {{number: 80}}}}}}}}\n"
    )
}

#[test]
fn the_first_table_is_published_though_empty_and_readiness_waits_for_every_core() {
    let mut world = World::new(2);
    world.apply("");
    assert_eq!((world.sent(0), world.sent(1)), (vec!["table 1".into()], vec!["table 1".into()]));
    world.acknowledge(0, 1, Duration::from_millis(1));
    assert!(!world.state.snapshot().is_ready());
    world.acknowledge(1, 1, Duration::from_millis(7));
    let snapshot = world.state.snapshot();
    assert!(snapshot.is_ready());
    assert_eq!(snapshot.last_apply_time, Some(Duration::from_millis(7)));
    assert_eq!(world.state.apply_times.totals().count(), 1);
    world.state.begin_drain();
    assert!(!world.state.snapshot().is_ready());
}

#[test]
fn nothing_is_published_when_nothing_changed() {
    let mut world = World::new(1);
    world.apply(&ingress("s"));
    world.sent(0);
    world.apply(&ingress("s"));
    assert!(world.sent(0).is_empty());
    assert_eq!(world.state.snapshot().published, TableVersion(1));
}

#[test]
fn endpoints_go_before_the_table_that_names_them() {
    let mut world = World::new(1);
    world.apply(&ingress("s"));
    assert_eq!(world.sent(0), ["default/s:80 0", "table 1"]);
}

#[test]
fn a_backend_is_removed_once_every_core_forgot_it() {
    let mut world = World::new(2);
    world.apply(&ingress("s"));
    let (_, _) = (world.sent(0), world.sent(1));
    world.apply(&ingress("t"));
    assert_eq!(world.sent(0), ["default/t:80 0", "table 2"]);
    world.acknowledge(0, 2, Duration::ZERO);
    assert!(world.sent(0).is_empty());
    world.sent(1);
    world.acknowledge(1, 2, Duration::ZERO);
    assert_eq!((world.sent(0), world.sent(1)), (vec!["remove 0".into()], vec!["remove 0".into()]));
}

#[test]
fn a_backend_that_comes_back_at_once_keeps_its_endpoints() {
    let mut world = World::new(1);
    for service in ["s", "t", "s"] {
        world.apply(&ingress(service));
    }
    assert!(world.sent(0).iter().any(|line| line.starts_with("default/s:80")));
    world.acknowledge(0, 3, Duration::ZERO);
    assert_eq!(world.sent(0), ["remove 0", "remove 1"]);
    world.apply(&slice("s", &["127.0.0.1"]));
    assert_eq!(world.sent(0), ["default/s:80 1"]);
}

/// A core does not turn while changes go on: none of them is forgotten.
#[test]
fn publications_above_the_limit_are_made_one_and_lose_nothing() {
    let mut world = World::new(2);
    // Odd: the Ingress is another class's, so that it and its backend go.
    let rounds = PUBLICATIONS_WAITING_MAX + 11;
    for round in 0..rounds {
        let class = ["ringway", "other"][round % 2];
        let text = ingress("s").replace("spec: {", &format!("spec: {{ingressClassName: {class}, "));
        world.apply(&text);
        world.sent(0);
        assert!(world.controller.waiting.len() <= PUBLICATIONS_WAITING_MAX);
    }
    let last = world.state.snapshot().published;
    assert_eq!(last, TableVersion(rounds as u64), "each was a publication");
    world.acknowledge(0, last.0, Duration::ZERO);
    assert_eq!(world.controller.waiting.len(), PUBLICATIONS_WAITING_MAX, "core 1 has none yet");
    // What found its channel full comes behind, merged.
    while !world.sent(1).is_empty() {
        world.acknowledge(1, last.0, Duration::from_millis(5));
    }
    assert!(world.controller.waiting.is_empty());
    assert_eq!(world.state.snapshot().acknowledged, last);
    let served = world.controller.outcomes().take().outcomes;
    assert_eq!(served.into_values().collect::<Vec<_>>(), [Outcome::Served]);
    let mut removed = 0;
    while let sent @ [_, ..] = &*world.sent(0) {
        removed += sent.iter().filter(|line| line.starts_with("remove")).count();
        world.acknowledge(0, last.0, Duration::ZERO);
    }
    assert_eq!(removed, rounds / 2, "each backend that went");
}

#[test]
fn a_change_of_endpoints_alone_has_an_apply_time_and_keeps_the_version() {
    let mut world = World::new(2);
    world.apply(&ingress("s"));
    for core in 0..2 {
        world.sent(core);
        world.acknowledge(core, 1, Duration::from_millis(3));
    }
    world.apply(&slice("s", &["127.0.0.1", "127.0.0.2"]));
    for core in 0..2 {
        assert_eq!(world.sent(core), ["default/s:80 2"]);
    }
    world.acknowledge(0, 1, Duration::from_millis(8));
    assert_eq!(world.state.apply_times.totals().count(), 1, "core 1 has not applied it");
    world.acknowledge(1, 1, Duration::from_millis(9));
    assert_eq!(world.state.apply_times.totals().count(), 2);
    let snapshot = world.state.snapshot();
    assert_eq!(snapshot.last_apply_time, Some(Duration::from_millis(9)));
    assert_eq!((snapshot.published, snapshot.acknowledged), (TableVersion(1), TableVersion(1)));
}

#[test]
fn endpoints_that_no_table_names_are_no_publication() {
    let mut world = World::new(1);
    world.apply("");
    world.sent(0);
    world.acknowledge(0, 1, Duration::ZERO);
    world.apply(&slice("unrouted", &["127.0.0.1"]));
    assert!(world.sent(0).is_empty());
    world.acknowledge(0, 1, Duration::ZERO);
    assert_eq!(world.state.apply_times.totals().count(), 1);
}

#[test]
fn problems_are_told_when_they_come_and_when_they_go() {
    let problem = |message: &str| {
        Arc::new(Problem {
            object: None,
            position: None,
            field: String::new(),
            severity: Severity::Warning,
            reason: reason!("MoreProblems"),
            message: message.into(),
            advice: String::new(),
        })
    };
    let (a, b, c) = (problem("a"), problem("b"), problem("c"));
    let old = [Arc::clone(&a), b];
    // `b` found again is the same problem in another allocation.
    let new = [problem("b"), c, problem("c")];
    let (fresh, gone) = difference(&old, &new);
    let messages = |list: &[&Problem]| list.iter().map(|p| p.message.clone()).collect::<Vec<_>>();
    assert_eq!((messages(&fresh), messages(&gone)), (vec!["c".into()], vec!["a".into()]));
}

/// What a change of endpoints costs does not grow with how many Ingresses there are.
#[test]
fn the_cost_of_an_endpoint_does_not_grow_with_the_ingresses() {
    let [few, many] = [100, 10_000].map(time_of_an_endpoint);
    // A hundred times as many; it would be a hundred times as much.
    assert!(many < few * 20, "{many:?} among 10,000, {few:?} among 100");
}

/// The best of some changes: of each the least that it can cost.
fn time_of_an_endpoint(count: usize) -> Duration {
    let mut world = World::new(1);
    let template = |text: &str| manifest::read(&"f".into(), text).objects;
    let rule = format!(
        "{}  rules: [{{host: a, http: {{paths: [{{path: /, pathType: Prefix, backend: \
         {{service: {{name: x, port: {{number: 80}}}}}}}}]}}}}]\n",
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a}\nspec:\n",
    );
    let templates = template(&format!("{rule}---\n{}", slice("x", &["10.0.0.1"])));
    let named = |object: &SourceObject, i: usize| {
        let mut named = object.clone();
        named.reference.name = format!("{}-{i}", object.reference.name).into();
        match &mut named.object {
            Object::Ingress(ingress) => {
                let ingress = Arc::make_mut(ingress);
                ingress.metadata.name = Some(named.reference.name.to_string());
                let rule = &mut ingress.spec.as_mut().unwrap().rules.as_mut().unwrap()[0];
                rule.host = Some(format!("x-{i}.test"));
                let path = &mut rule.http.as_mut().unwrap().paths[0];
                path.backend.service.as_mut().unwrap().name = format!("x-{i}");
                // A warning on each.
                let annotation = "nginx.ingress.kubernetes.io/no-such".to_owned();
                ingress.metadata.annotations = Some([(annotation, "x".to_owned())].into());
            }
            Object::EndpointSlice(slice) => {
                let labels = Arc::make_mut(slice).metadata.labels.as_mut().unwrap();
                labels.insert("kubernetes.io/service-name".into(), format!("x-{i}"));
            }
            _ => {}
        }
        Change::Apply(Box::new(named))
    };
    let all = (0..count).flat_map(|i| templates.iter().map(move |o| (o, i)));
    let changes = all.map(|(object, i)| named(object, i)).collect();
    world.controller.on_changes(Changes { changes, problems: None }, world.start);
    while !world.sent(0).is_empty() {
        world.controller.on_acknowledged(world.start);
    }
    let mut best = Duration::MAX;
    for round in 0..20 {
        let mut change = named(&templates[2], 77);
        if let Change::Apply(object) = &mut change
            && let Object::EndpointSlice(slice) = &mut object.object
        {
            Arc::make_mut(slice).endpoints[0].addresses =
                [format!("10.0.0.{}", round + 2).into()].into();
        }
        let began = Instant::now();
        let changes = Changes { changes: vec![change], problems: None };
        world.controller.on_changes(changes, world.start);
        best = best.min(began.elapsed());
        assert_eq!(world.sent(0).last().unwrap(), "default/x-77:80 1");
    }
    best
}

/// 192.0.2.0/24 is for documents alone.
#[test]
fn entry_points_are_opened_with_the_first_table_and_what_cannot_be_is_a_problem() {
    let at = |text: &str| EntryPoint { address: text.parse().unwrap(), scheme: Scheme::Http };
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let open = EntryPoint { address: free, scheme: Scheme::Https };
    let mut world = World::with_entry_points(1, vec![at("192.0.2.1:80"), open]);
    assert_eq!(world.controller.opening_due(), None);
    world.apply("");
    assert_eq!(world.sent(0), ["table 1".to_owned(), format!("open {open}")]);
    let told = |world: &World| {
        let problems = world.state.snapshot().problems;
        problems.iter().map(|problem| problem.reason).collect::<Vec<_>>()
    };
    assert_eq!(told(&world), ["NotListening"]);
    let due = world.start + BIND_RETRY;
    assert_eq!(world.controller.opening_due(), Some(due));
    world.controller.on_opening_due(due);
    assert_eq!(told(&world), ["NotListening"]);
    assert_eq!(world.controller.opening_due(), Some(due + BIND_RETRY));
    world.controller.drain(Drain { timeout: Duration::ZERO });
    assert_eq!(world.controller.opening_due(), None);
}
