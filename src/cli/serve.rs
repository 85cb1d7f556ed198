//! `ringway serve`: start sequence, signals, drain.
//!
//! One thread, one Tokio runtime: control plane and signals. Workers, the admin listener and the
//! webhook have threads of their own.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep_until, timeout};

use super::logs::{Logs, start_log};
use super::signals::{Asked, Signals};
use crate::config::{Args, Bind, Cidr, ClusterArgs, Config, Healthz, Machine};
use crate::control::admin::{self, AdminState, HealthMeaning, NginxNames, TokenError, TokenFile};
use crate::control::admission;
use crate::control::admission::certificate::CertificateOptions;
use crate::control::admission::files::CertificateFiles;
use crate::control::client;
use crate::control::cluster::{
    self, CertificateSource, ClusterOptions, ClusterState, ClusterThread,
};
use crate::control::lower::{CatchAll, ExternalNames, Interest, LowerOptions, OwnServices};
use crate::control::openings::Bound as BoundEntry;
use crate::control::password_threads;
use crate::control::source::kubernetes::KubernetesOptions;
use crate::control::source::reach::Reach;
use crate::control::traces::{self, Identity, SpanOrders, SpanSender};
use crate::control::write::{AddressSource, GatewayServices, NodeAddresses, WriterOptions};
use crate::control::{ControlError, ControlLoop, ControlRoom, ControlState, Controller, OwnThread};
use crate::limits::{
    ACCESS_LOG_END_TIMEOUT, ADMISSION_REVIEWS_MAX, CONTROL_BEAT, DRAIN_END_GRACE, SPANS_END_TIMEOUT,
};
use crate::listen::{ListenError, Listening, listen};
use crate::model::{EntryPoint, Scheme};
use crate::proxy;
use crate::publish::{Drain, Publisher, channel, process_nanos};
use crate::table::Compiled;
use crate::telemetry::access_log::{self, LogWriter, Sink};
use crate::telemetry::{self, Bounds, Outlets, Scrape};

/// Flags of `serve`.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// Directory of Kubernetes manifests (*.yaml, *.yml, *.json); watched for changes
    /// [default: watch the API server of a cluster]
    #[arg(long, env = "RINGWAY_MANIFESTS", value_name = "DIR")]
    pub manifests: Option<PathBuf>,

    /// Everything that matters in a cluster alone.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// Everything that does not depend on the source.
    #[command(flatten)]
    pub common: Args,
}

/// Serves until a signal ends it.
///
/// # Errors
/// Start: unusable flags, missing directory, port in use. Later: a worker is gone.
pub fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    run_with(args, |_bound| Ok(()))
}

/// Addresses that were bound.
#[derive(Debug, Clone)]
pub struct Bound {
    /// In the order of `--http-bind`, IPv4 before IPv6.
    pub http: Vec<SocketAddr>,
    /// In the order of `--https-bind`.
    pub https: Vec<SocketAddr>,
    /// In the order of `--admin-bind`.
    pub admin: Vec<SocketAddr>,
}

/// The same; `on_bound` is called once everything listens.
///
/// # Errors
/// As [`run`], or what `on_bound` says.
pub fn run_with(
    args: &ServeArgs,
    on_bound: impl FnOnce(&Bound) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let machine = Machine::look().context("the CPUs of this process cannot be told")?;
    let config = Config::new(&args.common, &machine)?;
    let token = token(&args.common)?;
    let severity = start_log(config.log_level);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("the control plane cannot start")?;
    let source = match &args.manifests {
        Some(directory) => Source::Directory(directory),
        None => {
            let api = runtime.block_on(client::locate(args.cluster.kubeconfig.as_deref(), None))?;
            Source::Cluster(&args.cluster, Box::new(api))
        }
    };
    let plane = DataPlane::start(&config, identity(&args.cluster))?;
    let _within = runtime.enter();
    let signals = Signals::new()?;
    let admin = bind(&config.admin_bind, "--admin-bind")?;
    let bound = Bound {
        http: plane.addresses(Scheme::Http),
        https: plane.addresses(Scheme::Https),
        admin: admin.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?,
    };
    let DataPlane { publisher, scrape, log_writer, spans, entry_points, started } = plane;
    let (state, name) = (Arc::new(ControlState::default()), source.name());
    let (cores, explainers) = (publisher.states(), publisher.explainers());
    let logs = Logs::new(&config, severity, log_writer.as_ref().map(LogWriter::orders));
    let hook = on_compiled(Arc::clone(&scrape), logs, spans.orders);
    let options = LowerOptions {
        entry_points: entry_points.iter().map(|(entry_point, _)| *entry_point).collect(),
        hsts: config.hsts,
        defaults: config.proxy.defaults.clone(),
        downstream: config.downstream.clone(),
        ..lower_options(args)
    };
    let mut controller = Controller::new(options.clone(), publisher, Arc::clone(&state), hook);
    controller.adopt(entry_points);
    let Followed { control, cluster, webhook } =
        follow(source, options, controller, ControlRoom::new(config.control_connections))?;
    let admin_state = AdminState {
        cores,
        scrape,
        control: Arc::clone(&state),
        cluster: cluster.as_ref().map(|(_, state)| state.clone()),
        health_check_path: Arc::clone(&config.proxy.health_check_path),
        log_writer: log_writer.as_ref().map(LogWriter::counts),
        nginx: nginx_names(args, &config),
        health: health(config.healthz),
        spans: spans.counts,
        now_nanos: process_nanos,
        put_off: Arc::default(),
        room: ControlRoom::new(config.control_connections),
        explainers,
        token,
        objects: control.asking(),
    };
    let admin = admin::start(admin, admin_state).context("the admin listener cannot start")?;
    print_start_line(&config, &started, &bound, &name)?;
    on_bound(&bound)?;
    let cluster = cluster.map(|(thread, _)| thread);
    let mut life = Life { control, cluster, signals, log: log_writer.as_ref() };
    let code = runtime.block_on(async {
        tokio::select! {
            () = admin.ended() => anyhow::bail!("the thread of the admin listener is gone"),
            () = ended(webhook) => anyhow::bail!("the thread of the admission webhook is gone"),
            () = beat(&state) => anyhow::bail!("the control thread has no clock"),
            code = life.until_ended(&config, &state) => code,
        }
    });
    runtime.block_on(finish_outlets(spans.thread, log_writer));
    code
}

/// Waits for what cores said of their last requests.
async fn finish_outlets(spans: OwnThread, log: Option<LogWriter>) {
    if timeout(SPANS_END_TIMEOUT, spans.ended()).await.is_err() {
        tracing::warn!("the last spans could not be sent in time");
    }
    if log.is_some_and(|writer| !writer.finish(ACCESS_LOG_END_TIMEOUT)) {
        tracing::warn!("the end of the access log could not be written in time");
    }
}

/// Where objects come from.
enum Source<'a> {
    Directory(&'a std::path::Path),
    Cluster(&'a ClusterArgs, Box<kube::Config>),
}

impl Source<'_> {
    fn name(&self) -> String {
        match self {
            Self::Directory(directory) => format!("manifests={}", directory.display()),
            Self::Cluster(_, config) => format!("cluster={}", config.cluster_url),
        }
    }
}

/// A source that is followed.
struct Followed {
    control: ControlLoop,
    cluster: Option<(ClusterThread, ClusterState)>,
    webhook: Option<OwnThread>,
}

fn follow(
    source: Source<'_>,
    lower: LowerOptions,
    controller: Controller,
    room: ControlRoom,
) -> anyhow::Result<Followed> {
    let (args, api) = match source {
        Source::Directory(directory) => {
            let control = ControlLoop::directory(controller, directory)?;
            return Ok(Followed { control, cluster: None, webhook: None });
        }
        Source::Cluster(args, api) => (args, api),
    };
    let listeners = bind(&args.admission_bind, "--admission-bind")?;
    let state = ClusterState { outcomes: controller.outcomes(), ..ClusterState::default() };
    let options = cluster_options(args, *api, lower, &state);
    let (thread, link, serving) = cluster::start(options, state.clone())?;
    let (reviews, requests) = mpsc::channel(ADMISSION_REVIEWS_MAX);
    let control = ControlLoop::cluster(controller, link, requests)?;
    let (source, told) = (Arc::clone(&state.source), Arc::clone(&state.admission));
    let asking = admission::Asking { tls: serving, reviews, source, state: told, room };
    let webhook = (!listeners.is_empty()).then(|| admission::start(listeners, asking));
    let webhook = webhook.transpose().context("the admission webhook cannot start")?;
    Ok(Followed { control, cluster: Some((thread, state)), webhook })
}

/// Which namespaces the flags name.
pub(super) fn reach(args: &ClusterArgs) -> Reach {
    match (&args.watch_namespace_selector, &args.watch_namespace[..]) {
        (Some(selector), _) => Reach::Selector(selector.clone()),
        (None, []) => Reach::All,
        (None, namespaces) => Reach::Namespaces(namespaces.to_vec()),
    }
}

fn cluster_options(
    args: &ClusterArgs,
    api: kube::Config,
    lower: LowerOptions,
    state: &ClusterState,
) -> ClusterOptions {
    let reach = reach(args);
    let named = lower.named().cloned().collect();
    let controller = Arc::clone(&lower.gateway_controller);
    let interest = Box::new(Interest::new(lower));
    let certificate = (!args.admission_bind.is_empty()).then(|| certificate_source(args));
    ClusterOptions {
        source: KubernetesOptions { reach, interest, named, state: Arc::clone(&state.source) },
        writer: writer_options(args, &api, &controller),
        config: api,
        certificate,
        zone: args.zone.as_deref().map(Into::into),
        node_name: args.node_name.clone(),
    }
}

fn certificate_source(args: &ClusterArgs) -> CertificateSource {
    match (&args.admission_certificate, &args.admission_key) {
        (Some(chain), Some(key)) => {
            CertificateSource::Files(CertificateFiles { chain: chain.clone(), key: key.clone() })
        }
        _ => CertificateSource::Made(CertificateOptions {
            secret: args.admission_secret.clone(),
            service: args.admission_service.clone(),
            configuration: args.admission_configuration.clone(),
        }),
    }
}

fn writer_options(args: &ClusterArgs, api: &kube::Config, controller: &Arc<str>) -> WriterOptions {
    let addresses = match (&args.publish_status_address[..], &args.publish_service) {
        ([], Some(service)) => AddressSource::Service(service.clone()),
        ([], None) if args.report_node_internal_ip_address => {
            AddressSource::Nodes(NodeAddresses::Internal)
        }
        ([], None) => AddressSource::Nodes(NodeAddresses::ExternalFirst),
        (addresses, _) => AddressSource::Fixed(addresses.to_vec()),
    };
    WriterOptions {
        namespace: args.pod_namespace.clone().unwrap_or_else(|| api.default_namespace.clone()),
        pod: args.pod_name.clone().unwrap_or_else(host_name),
        election_id: args.election_id.clone(),
        addresses,
        services: args.gateway_services.map(|type_| GatewayServices {
            type_: type_.name(),
            controller: Arc::clone(controller),
        }),
        update_status: args.update_status,
        update_status_on_shutdown: args.update_status_on_shutdown,
        reach: reach(args),
    }
}

/// Names of ingress-nginx say who we are.
fn nginx_names(args: &ServeArgs, config: &Config) -> Option<NginxNames> {
    let ServeArgs { cluster, common, .. } = args;
    Some(NginxNames {
        metrics: config.nginx_metrics.clone()?,
        class: common.controller_class.clone(),
        namespace: cluster.pod_namespace.clone().unwrap_or_default(),
        pod: cluster.pod_name.clone().unwrap_or_else(host_name),
        lease: cluster.election_id.clone(),
    })
}

/// Who may look at more than health and metrics.
pub(super) fn token(args: &Args) -> Result<Option<TokenFile>, TokenError> {
    args.admin_token_file.clone().map(TokenFile::new).transpose()
}

fn health(healthz: Healthz) -> HealthMeaning {
    match healthz {
        Healthz::Alive => HealthMeaning::Alive,
        Healthz::Ready => HealthMeaning::Ready,
    }
}

/// What is done with every table before it is published.
fn on_compiled(
    scrape: Arc<Mutex<Scrape>>,
    mut logs: Logs,
    spans: SpanOrders,
) -> Box<dyn FnMut(&Compiled)> {
    Box::new(move |compiled| {
        name_series(&scrape, compiled);
        logs.follow(&compiled.table.downstream.log);
        spans.follow(&compiled.table.downstream.traces);
    })
}

/// Who sends spans.
fn identity(args: &ClusterArgs) -> Identity {
    let host = host_name();
    Identity {
        instance: args.pod_name.clone().unwrap_or_else(|| host.clone()),
        host,
        pod: args.pod_name.clone(),
        namespace: args.pod_namespace.clone(),
        node: args.node_name.clone(),
    }
}

/// Unique among replicas, as the name of a pod is.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

async fn ended(thread: Option<OwnThread>) {
    match thread {
        Some(thread) => thread.ended().await,
        None => std::future::pending().await,
    }
}

/// Tells for as long as it is awaited that the thread turns.
async fn beat(state: &ControlState) {
    let mut beats = interval(CONTROL_BEAT);
    loop {
        beats.tick().await;
        state.beat(process_nanos());
    }
}

/// Metrics get to know a series before any core can count it.
fn name_series(scrape: &Mutex<Scrape>, compiled: &Compiled) {
    let mut scrape = scrape.lock().unwrap_or_else(PoisonError::into_inner);
    for (id, labels) in &compiled.series_added {
        scrape.series_added(*id, labels);
    }
    for id in &compiled.series_removed {
        scrape.series_removed(*id);
    }
}

fn bind(binds: &[Bind], flag: &'static str) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for bind in binds {
        listeners.extend(
            listen(*bind, flag, 1)?.into_iter().flat_map(|Listening { sockets, .. }| sockets),
        );
    }
    Ok(listeners)
}

/// Where clients come in by the flags; with port 0 the one that was free. A socket for each core.
fn bind_entry_points(config: &Config) -> Result<Vec<BoundEntry>, ListenError> {
    let mut all = Vec::new();
    for (binds, flag, scheme) in [
        (&config.http_bind, "--http-bind", Scheme::Http),
        (&config.https_bind, "--https-bind", Scheme::Https),
    ] {
        for bind in binds {
            let listening = listen(*bind, flag, config.proxy.cores)?.into_iter();
            all.extend(
                listening.map(|Listening { address, sockets }| {
                    (EntryPoint { address, scheme }, sockets)
                }),
            );
        }
    }
    Ok(all)
}

/// Workers that run, and the control thread's ends of everything they share with it.
struct DataPlane {
    publisher: Publisher,
    scrape: Arc<Mutex<Scrape>>,
    log_writer: Option<LogWriter>,
    spans: SpanSender,
    entry_points: Vec<BoundEntry>,
    started: proxy::Started,
}

impl DataPlane {
    fn start(config: &Config, identity: Identity) -> anyhow::Result<Self> {
        let cores = config.proxy.cores;
        let (publisher, subscribers) = channel(cores).context("the workers cannot be reached")?;
        let (shards, scrape) =
            telemetry::telemetry(cores, Bounds::new(config.nginx_metrics.as_ref()));
        let sink = match &config.access_log_file {
            None => Sink::output(),
            Some(path) => Sink::file(path).with_context(|| {
                format!("{} (--access-log-file) cannot be opened", path.display())
            })?,
        };
        let (logs, log_writer) = access_log::access_log(config.proxy.access_log, cores, sink)
            .context("the access log cannot start")?;
        let (outlets, batches) = Outlets::of(logs);
        let spans = traces::start(batches, identity).context("no thread to send spans")?;
        let entry_points = bind_entry_points(config)?;
        password_threads::start(&publisher.password_checks(), cores)
            .context("the threads that check passwords cannot start")?;
        let started = proxy::start(&config.proxy, subscribers, shards, outlets)?;
        if let Some(error) = &started.fallback {
            tracing::warn!(
                "io_uring cannot be used here ({error}); serving with epoll, at a little more CPU \
                 per request. Allow io_uring_setup, io_uring_enter and io_uring_register in the \
                 seccomp profile, or say --driver epoll to be silent about it"
            );
        }
        let scrape = Arc::new(Mutex::new(scrape));
        Ok(Self { publisher, scrape, log_writer, spans, entry_points, started })
    }

    fn addresses(&self, scheme: Scheme) -> Vec<SocketAddr> {
        let all = self.entry_points.iter().map(|(entry_point, _)| entry_point);
        all.filter(|at| at.scheme == scheme).map(|at| at.address).collect()
    }
}

/// One line that people and scripts read: version, cores, driver, listeners.
fn print_start_line(
    config: &Config,
    started: &proxy::Started,
    bound: &Bound,
    source: &str,
) -> anyhow::Result<()> {
    let list =
        |bound: &[SocketAddr]| bound.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    writeln!(
        std::io::stderr(),
        "ringway {} ready: cores={} driver={} http={} https={} admin={} {source}",
        env!("CARGO_PKG_VERSION"),
        config.proxy.cores,
        started.driver.name(),
        list(&bound.http),
        list(&bound.https),
        list(&bound.admin),
    )
    .context("standard error is closed")
}

/// What lowering is told by the flags.
pub(super) fn lower_options(args: &ServeArgs) -> LowerOptions {
    let ServeArgs { manifests, cluster, common } = args;
    let (ingress, controller) = (&common.ingress_class, &common.controller_class);
    let of_source = match manifests {
        Some(_) => LowerOptions::directory(ingress, controller),
        None => LowerOptions {
            zone: cluster.zone.as_deref().map(Into::into),
            node: cluster.node_name.as_deref().map(Into::into),
            ..LowerOptions::cluster(ingress, controller)
        },
    };
    LowerOptions {
        gateway_controller: common.gateway_controller.as_str().into(),
        gateway_addresses: common.gateway_addresses.iter().map(Cidr::parts).collect(),
        gateway_services: match cluster.gateway_services {
            Some(_) => OwnServices::Made,
            None => OwnServices::LeftOut,
        },
        watch_without_class: common.watch_ingress_without_class,
        class_by_name: common.ingress_class_by_name,
        catch_all: if common.disable_catch_all { CatchAll::Ignored } else { CatchAll::Served },
        external_names: match common.disable_svc_external_name {
            true => ExternalNames::Refused,
            false => ExternalNames::Resolved,
        },
        default_backend: common.named.default_backend_service.clone(),
        default_certificate: common.named.default_ssl_certificate.clone(),
        ticket_keys: common.named.tls_ticket_keys.clone(),
        config_map: common.named.configmap.clone(),
        tcp_services: common.named.tcp_services_configmap.clone(),
        udp_services: common.named.udp_services_configmap.clone(),
        ..of_source
    }
}

/// What runs until a signal ends it.
struct Life<'a> {
    control: ControlLoop,
    cluster: Option<ClusterThread>,
    signals: Signals,
    log: Option<&'a LogWriter>,
}

impl Life<'_> {
    /// Runs the control plane until a signal, then drains. A second signal ends everything at once.
    ///
    /// # Errors
    /// A worker is gone.
    async fn until_ended(
        &mut self,
        config: &Config,
        state: &ControlState,
    ) -> anyhow::Result<ExitCode> {
        let Self { control, cluster, signals, log } = self;
        loop {
            let mut asked = Asked::End;
            run_until(control, async { asked = signals.next().await }).await?;
            match asked {
                Asked::End => break,
                Asked::Reread if control.reread() => {
                    tracing::info!("SIGHUP: all manifests are read again");
                }
                Asked::Reread => {
                    tracing::info!("SIGHUP: the API server is watched, nothing is read again");
                }
                Asked::Reopen => reopen(*log),
            }
        }
        tracing::info!(delay = ?config.drain_delay, "ending: no longer ready, still serving");
        state.begin_drain();
        let finish = async {
            if let Some(cluster) = cluster.take() {
                cluster.finish().await;
            }
        };
        let end = async { tokio::join!(drain(control, config), finish).0 };
        tokio::select! {
            drained = end => drained?,
            () = asked_to_end(signals, *log) => tracing::warn!("second signal: ending at once"),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// While it drains: logs are still rotated, manifests are followed anyway.
async fn asked_to_end(signals: &mut Signals, log: Option<&LogWriter>) {
    loop {
        match signals.next().await {
            Asked::End => return,
            Asked::Reopen => reopen(log),
            Asked::Reread => tracing::info!("SIGHUP: ignored, the process is about to end"),
        }
    }
}

fn reopen(log: Option<&LogWriter>) {
    match log {
        Some(log) => log.orders().reopen(),
        None => tracing::info!("SIGUSR1: there is no access log to be opened again"),
    }
}

/// Manifests are followed to the end: a drain may take minutes.
async fn drain(control: &mut ControlLoop, config: &Config) -> Result<(), ControlError> {
    run_until(control, sleep_until(Instant::now() + config.drain_delay)).await?;
    tracing::info!(timeout = ?config.drain_timeout, "draining");
    control.controller_mut().drain(Drain { timeout: config.drain_timeout });
    let latest = Instant::now() + config.drain_timeout + DRAIN_END_GRACE;
    tokio::select! {
        ended = control.run_until_drained() => ended,
        () = sleep_until(latest) => {
            tracing::warn!("workers did not end in time");
            Ok(())
        }
    }
}

async fn run_until(
    control: &mut ControlLoop,
    end: impl Future<Output = ()>,
) -> Result<(), ControlError> {
    tokio::select! {
        failed = control.run() => match failed {
            Err(error) => Err(error),
            Ok(never) => match never {},
        },
        () = end => Ok(()),
    }
}
