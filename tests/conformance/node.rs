//! A node without a kubelet: what the API server wants to run on it runs as programs.
//!
//! Only as much of a kubelet as the official suite leans on: one container a pod, literal values
//! and names in its environment, Secrets and ConfigMaps as volumes, logs. There are no probes: a
//! pod is ready when it listens, and never again if it ends.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Container, KeyToPath, Pod, Secret, Volume};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::logs::Logs;
use super::program::{Image, Program};
use crate::harness::{ControlPlane, Objects, block_on, pause};

/// Its name.
const NAME: &str = "node";

/// How often it looks what it has to run.
const PERIOD: Duration = Duration::from_millis(100);

/// A running node; it and its pods end when it is dropped.
pub(crate) struct Node {
    is_ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Node {
    /// `programs`: where those of the suite are. The [bridge](crate::harness::network) is there.
    #[track_caller]
    pub(crate) fn start(control_plane: &ControlPlane, programs: PathBuf) -> Self {
        let logs = Logs::serve();
        let nodes = Objects::new(control_plane.client(), "default");
        nodes.apply(json!({ "kind": "Node", "metadata": { "name": NAME } }));
        nodes.merge(
            "Node",
            NAME,
            json!({ "status": {
                "addresses": [{ "type": "InternalIP", "address": logs.address.ip().to_string() }],
                "daemonEndpoints": { "kubeletEndpoint": { "Port": logs.address.port() } },
                "conditions": [condition("Ready")],
            }}),
        );
        let is_ending = Arc::new(AtomicBool::new(false));
        let client = control_plane.client();
        let mut work = Work { client, programs, logs, running: HashMap::new(), count: 0 };
        let ending = Arc::clone(&is_ending);
        let thread = std::thread::spawn(move || {
            while !ending.load(Ordering::Relaxed) {
                work.look();
                pause(PERIOD);
            }
        });
        Self { is_ending, thread: Some(thread) }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.is_ending.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        if ended.is_some_and(|ended| ended.is_err()) && !std::thread::panicking() {
            panic!("the node ended before the suite");
        }
    }
}

/// What the thread of a node has.
struct Work {
    client: Client,
    programs: PathBuf,
    logs: Logs,
    /// By UID: a name may come again.
    running: HashMap<String, Program>,
    count: u16,
}

impl Work {
    fn look(&mut self) {
        let all: Api<Pod> = Api::all(self.client.clone());
        // An API server that does not answer now is asked again.
        let Ok(pods) = block_on(all.list(&ListParams::default().match_any())) else { return };
        for pod in pods {
            let name = pod.name_any();
            if let Err(error) = self.step(&pod) {
                eprintln!("pod {name}: {error}");
            }
        }
    }

    fn step(&mut self, pod: &Pod) -> Result<(), kube::Error> {
        let (name, uid) = (pod.name_any(), pod.uid().unwrap_or_default());
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &pod.namespace().expect("one"));
        let has_failed = pod.status.as_ref().is_some_and(|s| s.phase.as_deref() == Some("Failed"));
        let is_bound = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
        if pod.metadata.deletion_timestamp.is_some() {
            self.running.remove(&uid);
            let only_this = Preconditions { uid: Some(uid), resource_version: None };
            let at_once = DeleteParams::default().grace_period(0).preconditions(only_this);
            return gone_is_as_good(block_on(pods.delete(&name, &at_once)).map(drop));
        }
        if !is_bound {
            let target = json!({ "target": { "kind": "Node", "name": NAME },
                "metadata": { "name": name } });
            let parameters = PostParams::default();
            let bound = pods.create_subresource("binding", &name, &parameters, &target);
            return gone_is_as_good(block_on(bound).map(|_: Value| ()));
        }
        let status = match self.running.get_mut(&uid).map(Program::exit_status) {
            None if has_failed => return Ok(()),
            None => self.run(pod, uid)?,
            Some(None) => return Ok(()),
            Some(Some(status)) => {
                eprintln!("pod {name} ended: {status}");
                self.running.remove(&uid);
                Some(json!({ "phase": "Failed", "message": status.to_string() }))
            }
        };
        let Some(status) = status else { return Ok(()) };
        let patch = Patch::Merge(json!({ "status": status }));
        gone_is_as_good(
            block_on(pods.patch_status(&name, &PatchParams::default(), &patch)).map(drop),
        )
    }

    /// Starts it and says its status; `None`: not yet, for what it names is not there.
    fn run(&mut self, pod: &Pod, uid: String) -> Result<Option<Value>, kube::Error> {
        let spec = pod.spec.as_ref().expect("spec");
        let container = &spec.containers[0];
        let image = container.image.as_deref().unwrap_or_default();
        let Some(program) = Image::named(image, &self.programs) else { return Ok(None) };
        let folder = tempfile::tempdir().expect("temporary folder");
        let namespace = pod.namespace().unwrap_or_default();
        for volume in spec.volumes.iter().flatten() {
            let files = block_on(files(&self.client, &namespace, volume))?;
            let Some(files) = files else { return Ok(None) };
            let path = folder.path().join(&volume.name);
            fs::create_dir(&path).expect("folder");
            files.iter().for_each(|(name, octets)| {
                fs::write(path.join(name), octets).expect("file");
            });
        }
        let environment = environment(pod, container, folder.path());
        self.count += 1;
        let started = Program::start(&program, &environment, folder, self.count);
        let status = match started {
            Ok(program) => {
                self.logs.add(&namespace, &pod.name_any(), program.log.clone());
                let status = running(container, program.address);
                self.running.insert(uid, program);
                status
            }
            Err(error) => {
                eprintln!("pod {}: {error}", pod.name_any());
                json!({ "phase": "Failed", "message": error.to_string() })
            }
        };
        Ok(Some(status))
    }
}

/// What somebody else has deleted meanwhile needs nothing any more.
fn gone_is_as_good(result: Result<(), kube::Error>) -> Result<(), kube::Error> {
    match result {
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        result => result,
    }
}

/// Files of a volume, by name. `None`: what it names is not there yet.
async fn files(
    client: &Client,
    namespace: &str,
    volume: &Volume,
) -> Result<Option<BTreeMap<String, Vec<u8>>>, kube::Error> {
    let (data, items) = if let Some(source) = &volume.secret {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let secret = secrets.get_opt(source.secret_name.as_deref().unwrap_or_default()).await?;
        let data = secret.map(|secret| secret.data.unwrap_or_default());
        (
            data.map(|data| data.into_iter().map(|(key, value)| (key, value.0)).collect()),
            &source.items,
        )
    } else if let Some(source) = &volume.config_map {
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
        let map = maps.get_opt(&source.name).await?;
        let data = map.map(|map| map.data.unwrap_or_default());
        (
            data.map(|data| data.into_iter().map(|(key, value)| (key, value.into())).collect()),
            &source.items,
        )
    } else {
        return Ok(Some(BTreeMap::new()));
    };
    Ok(data.map(|data| renamed(data, items.as_deref())))
}

/// The keys that a volume wants, by the paths that it gives them; without such a list, all.
fn renamed(
    mut data: BTreeMap<String, Vec<u8>>,
    items: Option<&[KeyToPath]>,
) -> BTreeMap<String, Vec<u8>> {
    let Some(items) = items else { return data };
    let wanted = items.iter().filter_map(|item| Some((item.path.clone(), data.remove(&item.key)?)));
    wanted.collect()
}

/// Paths below a mount lead into `folder`, where a folder a volume is.
fn environment(pod: &Pod, container: &Container, folder: &Path) -> BTreeMap<String, String> {
    let value = |variable: &k8s_openapi::api::core::v1::EnvVar| {
        let source = variable.value_from.as_ref().and_then(|from| from.field_ref.as_ref());
        match source.map(|field| field.field_path.as_str()) {
            Some("metadata.name") => pod.name_any(),
            Some("metadata.namespace") => pod.namespace().unwrap_or_default(),
            Some(path) => panic!("no pod of the suite has named {path} so far"),
            None => variable.value.clone().unwrap_or_default(),
        }
    };
    let placed = |value: String| {
        let mounts = container.volume_mounts.iter().flatten();
        let mut below = mounts.filter_map(|mount| {
            let rest = value.strip_prefix(&mount.mount_path)?.strip_prefix('/')?;
            Some(folder.join(&mount.name).join(rest).display().to_string())
        });
        below.next().unwrap_or_else(|| value.clone())
    };
    let all = container.env.iter().flatten();
    all.map(|variable| (variable.name.clone(), placed(value(variable)))).collect()
}

fn condition(kind: &str) -> Value {
    json!({ "type": kind, "status": "True", "lastTransitionTime": Timestamp::now().to_string() })
}

fn running(container: &Container, address: std::net::Ipv4Addr) -> Value {
    json!({
        "phase": "Running",
        "podIP": address,
        "podIPs": [{ "ip": address }],
        "conditions": (["Initialized", "ContainersReady", "Ready"].map(condition)),
        "containerStatuses": [{
            "name": container.name,
            "image": container.image,
            "imageID": "",
            "restartCount": 0,
            "ready": true,
            "started": true,
            "state": { "running": { "startedAt": Timestamp::now().to_string() } },
        }],
    })
}
