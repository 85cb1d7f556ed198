//! An API server with its store, and the controllers a test needs: the real programs, which
//! `tests/controlplane/build` makes.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, ResourceExt};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::Process;
use super::{block_on, network, wait_until};

/// Beginning of the name of the folders; see [`sweep`].
const FOLDER_PREFIX: &str = "ringway-cluster-";

/// Token of a user who may do everything.
const ADMIN: &str = "admin";

/// Token of a user who may do nothing.
const STRANGER: &str = "stranger";

/// A folder with kube-apiserver, kube-controller-manager, etcd and helm;
/// `RINGWAY_CLUSTER_SERVER=oldest` asks for the older of the two that the script builds.
static BINARIES: OnceLock<PathBuf> = OnceLock::new();

/// What `build conformance` made: the official suite of the Gateway API and what it needs.
static SUITE: OnceLock<PathBuf> = OnceLock::new();

static SHARED: OnceLock<ControlPlane> = OnceLock::new();

/// What a control plane is to have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// Run the controllers of Deployments, ReplicaSets, EndpointSlices, namespaces and garbage.
    pub(crate) controllers: bool,
    /// Serve watches from memory, as every cluster does. Without, a watch reaches back exactly as
    /// far as the store does: see [`ControlPlane::compact_etcd`].
    pub(crate) watch_cache: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { controllers: false, watch_cache: true }
    }
}

/// Who asks the API server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Identity<'a> {
    /// By a token of the TokenRequest API, as a pod does.
    ServiceAccount {
        /// Its namespace.
        namespace: &'a str,
        /// Its name.
        name: &'a str,
    },
    /// A user who is known and to whom nothing is granted.
    Stranger,
}

/// A running control plane; ended when dropped.
pub(crate) struct ControlPlane {
    // In this order they end: nothing loses what it talks to before it ends itself.
    controllers: Option<Process>,
    apiserver: Option<Process>,
    etcd: Process,
    watch_cache: bool,
    etcd_port: u16,
    port: u16,
    url: String,
    kubeconfig: PathBuf,
    kubeconfigs: AtomicU32,
    _in_use: File,
    folder: TempDir,
}

/// Finds or builds the programs. Needs the machine's network when it builds.
pub(crate) fn find_binaries() -> Result<(), String> {
    let folder = match std::env::var_os("RINGWAY_CONTROLPLANE_BIN") {
        Some(folder) => PathBuf::from(folder),
        None => {
            let server = std::env::var_os("RINGWAY_CLUSTER_SERVER");
            build(server.as_deref().filter(|server| !server.is_empty()))?
        }
    };
    for program in ["kube-apiserver", "kube-controller-manager", "etcd", "helm"] {
        if !folder.join(program).is_file() {
            return Err(format!("{} lacks {program}", folder.display()));
        }
    }
    BINARIES.get_or_init(|| folder);
    Ok(())
}

/// The same for the official suite of the Gateway API, of which [`suite`] then tells.
pub(crate) fn find_suite() -> Result<(), String> {
    let folder = build(Some("conformance".as_ref()))?;
    SUITE.get_or_init(|| folder);
    Ok(())
}

/// The folder of the official suite.
#[track_caller]
pub(crate) fn suite() -> &'static Path {
    SUITE.get().expect("found before the first case")
}

/// Has the script build `what`, and returns the folder that holds it.
fn build(what: Option<&OsStr>) -> Result<PathBuf, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/controlplane/build");
    let output = Command::new(&script)
        .args(what)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{}: {error}", script.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().last() {
        Some(folder) if output.status.success() => Ok(folder.into()),
        _ => Err("tests/controlplane/build failed; the lines above say why".to_owned()),
    }
}

fn program(name: &str) -> Command {
    Command::new(BINARIES.get().expect("found before the first case").join(name))
}

/// Removes what killed test processes left: folders whose lock nobody holds any more.
fn sweep() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(FOLDER_PREFIX);
        let Some(lock) = is_ours.then(|| File::open(entry.path().join("lock")).ok()).flatten()
        else {
            continue;
        };
        if lock.try_lock().is_ok() {
            // Another process may be at it, too.
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

/// `POST` of JSON to etcd's gateway. HTTP/1.0: the answer ends with the connection.
#[track_caller]
fn ask_etcd(port: u16, path: &str, question: &Value) -> Value {
    let body = question.to_string();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("etcd");
    let length = body.len();
    write!(stream, "POST {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}").expect("etcd");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("etcd");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a response");
    assert!(head.split(' ').nth(1) == Some("200"), "{path} {question}: {answer}");
    serde_json::from_str(body).expect("JSON")
}

impl ControlPlane {
    /// The one that all cases share, controllers included. It cannot be stopped.
    #[track_caller]
    pub(crate) fn shared() -> &'static Self {
        SHARED.get_or_init(|| Self::start(Options { controllers: true, ..Options::default() }))
    }

    /// Ends the shared one and removes its folder: nobody drops a static.
    pub(crate) fn end_shared() {
        if let Some(shared) = SHARED.get() {
            let first = shared.controllers.iter().chain(&shared.apiserver);
            first.chain([&shared.etcd]).for_each(Process::kill);
            fs::remove_dir_all(shared.folder.path()).ok();
        }
    }

    /// Starts one and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(options: Options) -> Self {
        static SWEPT: OnceLock<()> = OnceLock::new();
        SWEPT.get_or_init(sweep);
        let folder = tempfile::Builder::new().prefix(FOLDER_PREFIX).tempdir().expect("folder");
        let in_use = File::create(folder.path().join("lock")).expect("lock");
        in_use.lock().expect("lock");
        let users = format!("{ADMIN},{ADMIN},1,system:masters\n{STRANGER},{STRANGER},2\n");
        fs::write(folder.path().join("tokens"), users).expect("tokens");
        let key = rcgen::KeyPair::generate().expect("key");
        fs::write(folder.path().join("service-accounts.key"), key.serialize_pem()).expect("key");
        fs::write(folder.path().join("service-accounts.pub"), key.public_key_pem()).expect("key");

        let etcd_port = network::free_port();
        let etcd = start_etcd(etcd_port, folder.path());
        let port = network::free_port();
        let mut control_plane = Self {
            controllers: None,
            apiserver: None,
            etcd,
            watch_cache: options.watch_cache,
            etcd_port,
            port,
            url: format!("https://127.0.0.1:{port}"),
            kubeconfig: PathBuf::new(),
            kubeconfigs: AtomicU32::new(0),
            _in_use: in_use,
            folder,
        };
        control_plane.kubeconfig = control_plane.write_kubeconfig(ADMIN);
        control_plane.start_apiserver();
        if options.controllers {
            control_plane.controllers = Some(control_plane.start_controllers());
        }
        control_plane
    }

    /// Where the API server listens: `https://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The file with the certificates that the API server's is checked against.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("certificates/apiserver.crt")
    }

    /// The kubeconfig of a user who may do everything.
    pub(crate) fn admin_kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A new kubeconfig of somebody who may do what RBAC grants. A ServiceAccount must exist.
    #[track_caller]
    pub(crate) fn kubeconfig_for(&self, identity: Identity<'_>) -> PathBuf {
        match identity {
            Identity::ServiceAccount { namespace, name } => {
                self.write_kubeconfig(&self.service_account_token(namespace, name))
            }
            Identity::Stranger => self.write_kubeconfig(STRANGER),
        }
    }

    /// A token of a ServiceAccount, good for an hour.
    #[track_caller]
    pub(crate) fn service_account_token(&self, namespace: &str, name: &str) -> String {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), namespace);
        let parameters = PostParams::default();
        let request = TokenRequest::default();
        let answer = block_on(accounts.create_token_request(name, &parameters, &request));
        answer.expect("a token").status.expect("a token").token
    }

    /// Asks as the user who may do everything.
    #[track_caller]
    pub(crate) fn client(&self) -> Client {
        self.client_with(&self.kubeconfig)
    }

    /// Asks as the user of a kubeconfig.
    #[track_caller]
    pub(crate) fn client_with(&self, kubeconfig: &Path) -> Client {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("kubeconfig");
        block_on(async {
            let options = KubeConfigOptions::default();
            let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
            let mut config = config.expect("configuration");
            // Whatever the environment says: no proxy is reachable from here.
            config.proxy_url = None;
            Client::try_from(config).expect("client")
        })
    }

    /// Creates a namespace that no other test has, named after `prefix`.
    #[track_caller]
    pub(crate) fn namespace(&self, prefix: &str) -> String {
        let namespaces: Api<Namespace> = Api::all(self.client());
        let wanted = json!({ "metadata": { "generateName": format!("{prefix}-") } });
        let wanted = serde_json::from_value(wanted).expect("namespace");
        block_on(namespaces.create(&PostParams::default(), &wanted)).expect("namespace").name_any()
    }

    /// A `helm` that may do everything, and that knows no settings or plugins of whoever runs this.
    pub(crate) fn helm(&self) -> Command {
        let mut command = program("helm");
        command.env("KUBECONFIG", &self.kubeconfig).stdin(Stdio::null());
        for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(variable, self.folder.path().join("helm"));
        }
        command
    }

    /// Ends the API server at once, as a crash does. Its data stays.
    pub(crate) fn stop_apiserver(&mut self) {
        self.apiserver = None;
    }

    /// Stops the API server in its tracks, connections open, or lets it go on.
    pub(crate) fn freeze_apiserver(&self, is_frozen: bool) {
        let signal = if is_frozen { Signal::STOP } else { Signal::CONT };
        self.apiserver.as_ref().expect("started").signal(signal);
    }

    /// Starts the API server on its old port with its old data, and waits until it is ready.
    #[track_caller]
    pub(crate) fn start_apiserver(&mut self) {
        let folder = self.folder.path();
        let file = |flag: &str, name: &str| format!("--{flag}={}", folder.join(name).display());
        let mut command = program("kube-apiserver");
        command
            .arg(format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port))
            .arg("--bind-address=127.0.0.1")
            .arg(format!("--secure-port={}", self.port))
            .arg(format!("--advertise-address={}", network::ADVERTISED))
            .arg("--endpoint-reconciler-type=none")
            .arg(file("cert-dir", "certificates"))
            .arg(file("token-auth-file", "tokens"))
            .arg("--authorization-mode=RBAC")
            .arg(format!("--service-cluster-ip-range={}", network::SERVICES))
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg(file("service-account-key-file", "service-accounts.pub"))
            .arg(file("service-account-signing-key-file", "service-accounts.key"))
            .arg("--disable-admission-plugins=ServiceAccount")
            .arg(format!("--watch-cache={}", self.watch_cache))
            .arg("--profiling=false");
        let log = folder.join("kube-apiserver.log");
        self.apiserver = Some(Process::spawn("kube-apiserver", command, log));
        self.wait_until_ready();
    }

    /// Makes the store forget all history, so that a watch is told 410 unless nothing, or the last
    /// change of all, happened since its version. An API server with a watch cache remembers what
    /// happened since its own start; start it anew to make it forget.
    #[track_caller]
    pub(crate) fn compact_etcd(&self) {
        // Any key will do: each answer tells the present revision.
        let answer = ask_etcd(self.etcd_port, "/v3/kv/range", &json!({ "key": "AA==" }));
        let revision = answer["header"]["revision"].as_str().expect("a revision");
        let question = json!({ "revision": revision, "physical": true });
        ask_etcd(self.etcd_port, "/v3/kv/compaction", &question);
    }

    /// Everything the three programs said last.
    fn log_tails(&self) -> String {
        let processes = self.controllers.iter().chain(&self.apiserver).chain([&self.etcd]);
        processes.map(Process::log_tail).collect()
    }

    #[track_caller]
    fn wait_until_ready(&self) {
        let apiserver = self.apiserver.as_ref().expect("started");
        wait_until("the API server to be ready", || {
            if let Some(status) = apiserver.exit_status() {
                panic!("kube-apiserver ended with {status}");
            }
            self.is_ready()
        });
    }

    fn is_ready(&self) -> bool {
        // The API server makes its certificate at its first start.
        let is_listening = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok();
        if !is_listening || !self.ca().is_file() {
            return false;
        }
        let client = self.client();
        let request = http::Request::get("/readyz").body(Vec::new()).expect("request");
        let namespaces: Api<Namespace> = Api::all(client.clone());
        block_on(async {
            client.request_text(request).await.is_ok_and(|answer| answer == "ok")
                && namespaces.get("default").await.is_ok()
        })
    }

    fn start_controllers(&self) -> Process {
        let mut command = program("kube-controller-manager");
        command
            .arg(format!("--kubeconfig={}", self.kubeconfig.display()))
            .arg("--controllers=deployment,replicaset,endpointslice,namespace,garbagecollector")
            .args(["--leader-elect=false", "--secure-port=0", "--profiling=false"]);
        let log = self.folder.path().join("kube-controller-manager.log");
        Process::spawn("kube-controller-manager", command, log)
    }

    fn write_kubeconfig(&self, token: &str) -> PathBuf {
        let number = self.kubeconfigs.fetch_add(1, Ordering::Relaxed);
        let cluster = json!({ "server": self.url, "certificate-authority": self.ca() });
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "test", "cluster": cluster }],
            "users": [{ "name": "test", "user": { "token": token } }],
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
            "current-context": "test",
        });
        let path = self.folder.path().join(format!("kubeconfig-{number}"));
        fs::write(&path, kubeconfig.to_string()).expect("kubeconfig");
        path
    }
}

fn start_etcd(port: u16, folder: &Path) -> Process {
    let clients = format!("http://127.0.0.1:{port}");
    let peers = format!("http://127.0.0.1:{}", network::free_port());
    let mut command = program("etcd");
    command
        .arg("--unsafe-no-fsync")
        .arg(format!("--data-dir={}", folder.join("etcd").display()))
        .args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients])
        .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
        .arg(format!("--initial-cluster=default={peers}"))
        .arg("--log-level=warn");
    let etcd = Process::spawn("etcd", command, folder.join("etcd.log"));
    wait_until("etcd to listen", || {
        if let Some(status) = etcd.exit_status() {
            panic!("etcd ended with {status}");
        }
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
    });
    etcd
}

/// Prints what the shared control plane said last when a case panics.
pub(crate) struct SharedLogs;

impl Drop for SharedLogs {
    fn drop(&mut self) {
        if let Some(shared) = SHARED.get().filter(|_| std::thread::panicking()) {
            eprint!("{}", shared.log_tails());
        }
    }
}
