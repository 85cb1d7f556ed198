//! The loop on real files: what an editor, a deployment and a mounted ConfigMap do to a directory,
//! seen by cores that acknowledge.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tempfile::TempDir;
use tokio::time::{Duration, Instant, sleep};

use super::lower::LowerOptions;
use super::*;
use crate::model::{EntryPoint, Problem, Scheme};
use crate::publish::{Opening, Retired, Subscriber, Update, channel};
use crate::table::{NoFields, RequestKey, Table, TableVersion};

/// What a core holds.
#[derive(Default)]
struct Held {
    table: Arc<Table>,
    endpoints: BTreeMap<String, Vec<String>>,
    open: Vec<Opening>,
    /// A table named a backend that the core knew nothing of.
    is_broken: bool,
}

/// A core that applies what it is told and serves nothing.
struct Core {
    held: Arc<Mutex<Held>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Core {
    fn start(subscriber: Subscriber) -> Self {
        let held = Arc::new(Mutex::new(Held::default()));
        let ended = Arc::new(AtomicBool::new(false));
        let (theirs, their_end) = (Arc::clone(&held), Arc::clone(&ended));
        let thread = std::thread::spawn(move || {
            let mut bell = subscriber.doorbell_reader().expect("a handle");
            while !their_end.load(Ordering::SeqCst) {
                let mut held = theirs.lock().expect("not poisoned");
                for update in subscriber.drain_updates() {
                    held.apply(update, &subscriber);
                }
                subscriber.acknowledge(held.table.version);
                drop(held);
                // Closed, or reset because acknowledgements lay there unread: the control plane is
                // gone.
                let Ok(1..) = bell.read(&mut [0; 64]) else { return };
            }
        });
        Self { held, ended, thread: Some(thread) }
    }
}

impl Held {
    fn apply(&mut self, update: Update, subscriber: &Subscriber) {
        match update {
            Update::Table(table) => {
                let old = std::mem::replace(&mut self.table, table);
                subscriber.retire(Retired::Table(old));
            }
            Update::Endpoints { key, set, .. } => {
                let addresses = set.addresses.iter().map(ToString::to_string).collect();
                self.endpoints.insert(key.to_string(), addresses);
            }
            Update::Mark(sequence) => subscriber.applied(sequence),
            Update::Open(opening) => self.open.push(opening),
            Update::Close(id) => self.open.retain(|opening| opening.id != id),
            Update::RemoveBackend(_) | Update::Drain(_) => {}
        }
    }

    /// The owner of the rule that a request hits.
    fn hit(&mut self, host: &str, path: &str) -> Option<String> {
        let key = RequestKey {
            host: host.as_bytes(),
            path: path.as_bytes(),
            query: None,
            method: b"GET",
            fields: &NoFields,
        };
        let matched = self.table.lookup(crate::model::ListenerId::HTTP, &key)?;
        let object = &matched.rule.origin.object;
        let missing = |backend: &crate::table::TableBackend| backend.backend.is_none();
        self.is_broken |= matched.rule.backends.iter().any(missing);
        Some(object.name.to_string())
    }
}

/// A directory that is served to one core.
struct World {
    dir: TempDir,
    core: Core,
    state: Arc<ControlState>,
}

fn options() -> LowerOptions {
    LowerOptions::directory("ringway", "ringway.dev/ingress")
}

fn ingress(name: &str, path: &str) -> String {
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {name}}}\n\
         spec: {{rules: [{{host: h, http: {{paths: [{{path: {path}, pathType: Prefix, \
         backend: {{service: {{name: s, port: {{number: 80}}}}}}}}]}}}}]}}\n"
    )
}

/// Starts, then runs `test` beside the loop. The directory is a child of the temporary one.
fn with_world<F: Future<Output = ()>>(
    files: &[(&str, String)],
    test: impl FnOnce(Arc<World>) -> F,
) {
    with_options(options(), files, test);
}

fn with_options<F: Future<Output = ()>>(
    options: LowerOptions,
    files: &[(&str, String)],
    test: impl FnOnce(Arc<World>) -> F,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("m")).expect("made");
        for (name, text) in files {
            fs::write(dir.path().join("m").join(name), text).expect("written");
        }
        let (publisher, mut subscribers) = channel(1).expect("a channel");
        let core = Core::start(subscribers.pop().expect("one core"));
        let state = Arc::new(ControlState::default());
        let controller = Controller::new(options, publisher, Arc::clone(&state), Box::new(|_| {}));
        let mut control =
            ControlLoop::directory(controller, &dir.path().join("m")).expect("started");
        let world = Arc::new(World { dir, core, state });
        tokio::select! {
            result = control.run() => panic!("the loop ended: {result:?}"),
            () = test(Arc::clone(&world)) => {}
        }
        assert!(!world.core.held.lock().expect("not poisoned").is_broken);
        world.core.ended.store(true, Ordering::SeqCst);
        drop(control);
        let mut world = Arc::into_inner(world).expect("the only one left");
        let thread = world.core.thread.take().expect("not joined yet");
        thread.join().expect("the core ended well");
    });
}

impl World {
    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join("m").join(name)
    }

    fn hit(&self, path: &str) -> Option<String> {
        self.core.held.lock().expect("not poisoned").hit("h", path)
    }

    /// Waits until the core routes `path` to `owner`; gives the time it took.
    #[track_caller]
    fn becomes<'a>(
        &'a self,
        path: &'a str,
        owner: Option<&'a str>,
    ) -> impl Future<Output = Duration> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let start = Instant::now();
            while self.hit(path).as_deref() != owner {
                assert!(start.elapsed() < Duration::from_secs(5), "{caller}: never {owner:?}");
                sleep(Duration::from_millis(1)).await;
            }
            start.elapsed()
        }
    }
}

#[test]
fn a_written_file_is_live_within_50_ms() {
    with_world(&[("a.yaml", ingress("a", "/0"))], async |world| {
        world.becomes("/0", Some("a")).await;
        let mut times = Vec::new();
        for n in 1..10 {
            let path = format!("/{n}");
            fs::write(world.path("a.yaml"), ingress("a", &path)).expect("written");
            times.push(world.becomes(&path, Some("a")).await);
            // Beyond the settling of the change before it.
            sleep(Duration::from_millis(30)).await;
        }
        times.sort_unstable();
        // The median: the machine that runs the tests may be busy.
        assert!(times[4] < Duration::from_millis(50), "{times:?}");
        assert!(world.state.apply_times.totals().count() >= 9);
        assert!(world.state.snapshot().is_ready());
    });
}

#[test]
fn editors_that_rename_are_followed() {
    with_world(&[("a.yaml", ingress("a", "/0"))], async |world| {
        for n in 1..4 {
            let path = format!("/{n}");
            fs::write(world.path(".a.yaml.swp"), ingress("a", &path)).expect("written");
            fs::rename(world.path("a.yaml"), world.path("a.yaml~")).expect("moved aside");
            fs::rename(world.path(".a.yaml.swp"), world.path("a.yaml")).expect("moved in place");
            world.becomes(&path, Some("a")).await;
        }
    });
}

#[test]
fn a_file_that_is_broken_in_between_keeps_its_routes() {
    with_world(&[("a.yaml", ingress("a", "/0"))], async |world| {
        world.becomes("/0", Some("a")).await;
        fs::write(world.path("a.yaml"), "kind: [\n").expect("written");
        fs::write(world.path("b.yaml"), ingress("b", "/b")).expect("written");
        world.becomes("/b", Some("b")).await;
        assert_eq!(world.hit("/0").as_deref(), Some("a"));
        let problems = world.state.snapshot().problems;
        assert!(problems.iter().any(|p| p.reason == "InvalidYaml"), "{problems:?}");
        fs::write(world.path("a.yaml"), ingress("a", "/1")).expect("written");
        world.becomes("/1", Some("a")).await;
        assert_eq!(world.hit("/0"), None);
    });
}

#[test]
fn a_removed_file_takes_its_routes_with_it() {
    with_world(&[("a.yaml", ingress("a", "/0"))], async |world| {
        world.becomes("/0", Some("a")).await;
        fs::remove_file(world.path("a.yaml")).expect("removed");
        world.becomes("/0", None).await;
    });
}

#[test]
fn a_slow_writer_never_costs_a_route() {
    with_world(&[("a.yaml", ingress("a", "/0"))], async |world| {
        world.becomes("/0", Some("a")).await;
        let mut file = fs::File::create(world.path("a.yaml")).expect("truncated");
        for _ in 0..60 {
            sleep(Duration::from_millis(1)).await;
            assert_eq!(world.hit("/0").as_deref(), Some("a"));
        }
        std::io::Write::write_all(&mut file, ingress("a", "/1").as_bytes()).expect("written");
        drop(file);
        world.becomes("/1", Some("a")).await;
    });
}

#[test]
fn a_stream_of_rewrites_never_costs_a_route() {
    let both = |n: usize| format!("{}{}", ingress("a", "/0"), ingress("b", &format!("/{}", n + 1)));
    with_world(&[("a.yaml", both(0))], async |world| {
        world.becomes("/0", Some("a")).await;
        for n in 0..200 {
            fs::write(world.path("a.yaml"), both(n)).expect("written");
            sleep(Duration::from_millis((n % 4) as u64)).await;
            assert_eq!(world.hit("/0").as_deref(), Some("a"), "rewrite {n}");
        }
        world.becomes("/200", Some("b")).await;
    });
}

#[test]
fn a_mounted_config_map_is_followed_when_its_link_swaps() {
    with_world(&[], async |world| {
        for (version, path) in [("..1", "/1"), ("..2", "/2")] {
            fs::create_dir(world.path(version)).expect("made");
            fs::write(world.path(version).join("a.yaml"), ingress("a", path)).expect("written");
        }
        symlink("..1", world.path("..data")).expect("linked");
        symlink("..data/a.yaml", world.path("a.yaml")).expect("linked");
        world.becomes("/1", Some("a")).await;
        symlink("..2", world.path("..data_tmp")).expect("linked");
        fs::rename(world.path("..data_tmp"), world.path("..data")).expect("swapped");
        world.becomes("/2", Some("a")).await;
        assert_eq!(world.hit("/1"), None);
    });
}

#[test]
fn a_directory_that_is_replaced_is_followed() {
    with_world(&[("a.yaml", ingress("a", "/0"))], async |world| {
        world.becomes("/0", Some("a")).await;
        let (directory, aside) = (world.dir.path().join("m"), world.dir.path().join("aside"));
        fs::rename(&directory, &aside).expect("moved");
        sleep(Duration::from_millis(60)).await;
        assert_eq!(world.hit("/0").as_deref(), Some("a"), "kept while there is no directory");
        fs::create_dir(&directory).expect("made");
        fs::write(world.path("b.yaml"), ingress("b", "/b")).expect("written");
        world.becomes("/b", Some("b")).await;
        world.becomes("/0", None).await;
        fs::write(world.path("c.yaml"), ingress("c", "/c")).expect("written");
        world.becomes("/c", Some("c")).await;
    });
}

#[test]
fn links_are_followed_wherever_they_are_swapped() {
    with_world(&[], async |world| {
        let git = world.dir.path().join("git");
        for (revision, path) in [("rev1", "/1"), ("rev2", "/2")] {
            fs::create_dir_all(git.join(revision).join("deploy")).expect("made");
            let file = git.join(revision).join("deploy/a.yaml");
            fs::write(file, ingress("a", path)).expect("written");
        }
        symlink("rev1", git.join("current")).expect("linked");
        symlink("../git/current/deploy", world.path("apps")).expect("linked");
        world.becomes("/1", Some("a")).await;
        // git-sync swaps a link in the middle of the way.
        symlink("rev2", git.join("next")).expect("linked");
        fs::rename(git.join("next"), git.join("current")).expect("swapped");
        world.becomes("/2", Some("a")).await;
        // What is written behind the links counts.
        fs::write(git.join("rev2/deploy/a.yaml"), ingress("a", "/3")).expect("written");
        world.becomes("/3", Some("a")).await;
        fs::create_dir(git.join("rev2/deploy/sub")).expect("made");
        fs::write(git.join("rev2/deploy/sub/b.yaml"), ingress("b", "/b")).expect("written");
        world.becomes("/b", Some("b")).await;
        // No longer watched, no longer read.
        fs::write(git.join("rev1/deploy/a.yaml"), ingress("a", "/4")).expect("written");
        fs::remove_dir_all(git.join("rev2/deploy/sub")).expect("removed");
        world.becomes("/b", None).await;
        assert_eq!(world.hit("/4"), None);
        assert_eq!(world.hit("/3").as_deref(), Some("a"));
    });
}

#[test]
fn a_file_outside_is_followed_by_its_link() {
    with_world(&[], async |world| {
        let outside = world.dir.path().join("outside");
        symlink(outside.join("real.txt"), world.path("a.yaml")).expect("linked");
        // Nothing is there yet, not even the folder.
        fs::write(world.path("b.yaml"), ingress("b", "/b")).expect("written");
        world.becomes("/b", Some("b")).await;
        fs::create_dir(&outside).expect("made");
        fs::write(outside.join("real.txt"), ingress("a", "/1")).expect("written");
        world.becomes("/1", Some("a")).await;
        fs::write(outside.join("real.txt"), ingress("a", "/2")).expect("written");
        world.becomes("/2", Some("a")).await;
        fs::write(outside.join("new"), ingress("a", "/3")).expect("written");
        fs::rename(outside.join("new"), outside.join("real.txt")).expect("renamed");
        world.becomes("/3", Some("a")).await;
        // Removed and made again: kept in between.
        fs::remove_dir_all(&outside).expect("removed");
        sleep(Duration::from_millis(60)).await;
        assert_eq!(world.hit("/3").as_deref(), Some("a"));
        fs::create_dir(&outside).expect("made");
        fs::write(outside.join("real.txt"), ingress("a", "/4")).expect("written");
        world.becomes("/4", Some("a")).await;
        fs::remove_file(world.path("a.yaml")).expect("removed");
        world.becomes("/4", None).await;
    });
}

#[test]
fn a_directory_is_followed_when_a_folder_above_it_is_replaced() {
    with_world(&[("a.yaml", ingress("a", "/0"))], async |world| {
        world.becomes("/0", Some("a")).await;
        for n in 1..4 {
            let path = format!("/{n}");
            fs::create_dir_all(world.dir.path().join("new")).expect("made");
            fs::write(world.dir.path().join("new/a.yaml"), ingress("a", &path)).expect("written");
            let (directory, old) = (world.dir.path().join("m"), world.dir.path().join("old"));
            fs::rename(&directory, &old).expect("moved aside");
            fs::rename(world.dir.path().join("new"), &directory).expect("moved in place");
            world.becomes(&path, Some("a")).await;
            fs::remove_dir_all(&old).expect("removed");
        }
    });
}

#[test]
fn endpoints_reach_the_core_without_a_new_table() {
    let slice = |address: &str| {
        format!(
            "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {{name: s-1, labels: {{kubernetes.io/service-name: s}}}}\n\
             addressType: IPv4\nports: [{{port: 80}}]\nendpoints: [{{addresses: [{address}]}}]\n"
        )
    };
    let service =
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n";
    let files =
        [("a.yaml", format!("{}{service}", ingress("a", "/0"))), ("s.yaml", slice("10.0.0.1"))];
    with_world(&files, async |world| {
        world.becomes("/0", Some("a")).await;
        let known = |world: &World| {
            let held = world.core.held.lock().expect("not poisoned");
            (held.table.version, held.endpoints.get("default/s:80").cloned())
        };
        let first = (TableVersion(1), Some(vec!["10.0.0.1:80".to_owned()]));
        assert_eq!(known(&world), first);
        fs::write(world.path("s.yaml"), slice("10.0.0.2")).expect("written");
        let start = Instant::now();
        let second = (TableVersion(1), Some(vec!["10.0.0.2:80".to_owned()]));
        while known(&world) != second {
            assert!(start.elapsed() < Duration::from_secs(5), "{:?}", known(&world));
            sleep(Duration::from_millis(1)).await;
        }
        while world.state.apply_times.totals().count() < 2 {
            assert!(start.elapsed() < Duration::from_secs(5), "the change has no apply time");
            sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn a_missing_directory_is_an_error_at_start() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let (publisher, _subscribers) = channel(1).expect("a channel");
        let state = Arc::new(ControlState::default());
        let controller = Controller::new(options(), publisher, state, Box::new(|_| {}));
        let started = ControlLoop::directory(controller, std::path::Path::new("/nowhere/at/all"));
        let error = started.err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("the directory /nowhere/at/all cannot be read"));
    });
}

#[test]
fn an_entry_point_is_opened_once_its_port_is_free() {
    let theirs = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = theirs.local_addr().expect("an address");
    let entry_points = vec![EntryPoint { address, scheme: Scheme::Http }];
    let options = LowerOptions { entry_points, ..options() };
    with_options(options, &[("a.yaml", ingress("a", "/0"))], async move |world| {
        world.becomes("/0", Some("a")).await;
        let is_open = || !world.core.held.lock().expect("not poisoned").open.is_empty();
        assert!(!is_open());
        drop(theirs);
        let is_told = |problem: &Arc<Problem>| problem.reason == "NotListening";
        let start = Instant::now();
        while !is_open() || world.state.snapshot().problems.iter().any(is_told) {
            assert!(start.elapsed() < Duration::from_secs(20), "never opened");
            sleep(Duration::from_millis(1)).await;
        }
        let held = world.core.held.lock().expect("not poisoned");
        assert_eq!(held.open[0].socket.local_addr().expect("an address"), address);
    });
}
