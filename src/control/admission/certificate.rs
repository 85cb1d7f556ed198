//! Keeps CA and certificate of the webhook in a Secret, and tells the API server the CA.
//!
//! Every replica does the same from what it reads; of two that write, one is told that it is late
//! and reads again. The key of a CA signs one certificate and is forgotten, so that none can leak:
//! renewal makes a new CA too. What is served changes only after the API server was told.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingWebhook, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watch_object};
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::state::{AdmissionState, Part};
use crate::control::calls::{CallError, backoff, call, jitter};
use crate::limits::{
    ADMISSION_CALL_TIMEOUT, ADMISSION_CALM, ADMISSION_CERTIFICATE_CHECK, ADMISSION_RETRY_MAX,
    ADMISSION_ROLLOVER_DELAY, API_RETRY_MIN,
};
use crate::model::{Kind, ObjectRef, Problem, Reason, Severity, reason};

mod material;

use material::{CA, CHAIN, KEY, Material, MaterialError};

/// Marks a Secret as made by us: others' are used and never written.
const MANAGED: &str = "ringway.dev/admission-certificate";
/// Of a configuration whose CA cert-manager sets.
const INJECTED: &str = "cert-manager.io/inject-ca-from";

/// Which objects the webhook lives by.
#[derive(Debug, Clone)]
pub struct CertificateOptions {
    /// `--admission-secret`.
    pub secret: ObjectRef,
    /// `--admission-service`.
    pub service: ObjectRef,
    /// `--admission-configuration`.
    pub configuration: String,
}

impl CertificateOptions {
    fn call_problem(&self, part: Part, how: &str, error: &CallError) -> Problem {
        let advice = match error {
            CallError::Refused(_) => "Grant get, list, watch, create, update and patch on it.",
            _ => "It is tried again.",
        };
        self.problem(
            part,
            reason!("AdmissionApiCall"),
            format!("it cannot be {how}: {error}."),
            advice,
        )
    }

    /// The API server asks nobody, or somebody else.
    fn misconfigured(&self, message: &str, advice: &str) -> Problem {
        self.problem(Part::Configuration, reason!("AdmissionConfiguration"), message.into(), advice)
    }

    fn problem(&self, part: Part, reason: Reason, message: String, advice: &str) -> Problem {
        let object = match part {
            Part::Secret | Part::SecretWatch => self.secret.clone(),
            Part::Configuration | Part::ConfigurationWatch => ObjectRef {
                kind: Kind::ValidatingWebhookConfiguration,
                namespace: "".into(),
                name: self.configuration.as_str().into(),
            },
        };
        Problem {
            object: Some(object),
            position: None,
            field: String::new(),
            severity: Severity::Warning,
            reason,
            message,
            advice: advice.into(),
        }
    }
}

/// Keeps certificate and CA for as long as it is polled.
///
/// Shape: returns only if a watch ends, which none does. What goes wrong is a problem of `state`
/// and is tried again. Within a Tokio runtime with I/O and time.
pub async fn keep(
    client: kube::Client,
    options: CertificateOptions,
    tls: watch::Sender<Option<Arc<ServerConfig>>>,
    state: Arc<AdmissionState>,
) {
    let mut keeper = Keeper::new(client, options, tls, state);
    let secret = watch_object(keeper.secrets.clone(), &keeper.options.secret.name);
    let mut secret = pin!(secret.default_backoff());
    let configuration = watch_object(keeper.configurations.clone(), &keeper.options.configuration);
    let mut configuration = pin!(configuration.default_backoff());
    let mut wake = Instant::now() + ADMISSION_CERTIFICATE_CHECK;
    loop {
        tokio::select! {
            seen = secret.next() => {
                let Some(seen) = seen else { return };
                keeper.hear_secret(seen);
            }
            seen = configuration.next() => {
                let Some(seen) = seen else { return };
                keeper.hear_configuration(seen);
            }
            () = sleep_until(wake) => {}
        }
        wake = Instant::now() + keeper.turn().await;
    }
}

/// What is known of one object.
#[derive(Debug)]
struct Seen<K> {
    /// `None`: nothing yet. `Some(None)`: there is none.
    object: Option<Option<K>>,
    /// Nothing newer can be known.
    is_failing: bool,
}

impl<K> Default for Seen<K> {
    fn default() -> Self {
        Self { object: None, is_failing: false }
    }
}

impl<K> Seen<K> {
    fn take(&mut self, seen: Result<Option<K>, ()>) {
        self.is_failing = seen.is_err();
        if let Ok(object) = seen {
            self.object = Some(object);
        }
    }

    /// Something is known, be it that nothing can be.
    fn is_heard(&self) -> bool {
        self.object.is_some() || self.is_failing
    }

    fn object(&self) -> Option<&K> {
        self.object.as_ref()?.as_ref()
    }
}

/// What to do about the Secret.
#[derive(Debug)]
enum Decision {
    /// It is good.
    Use(Arc<Material>),
    /// It is to be written, and serves until then if it can.
    Make(Option<Arc<Material>>),
    /// It is somebody else's and cannot be used.
    Refuse(MaterialError),
}

/// Decides. `names`: the first is what the API server asks for.
fn decide(secret: Option<&Secret>, names: &[String], now: SystemTime) -> Decision {
    let Some(secret) = secret else { return Decision::Make(None) };
    let is_empty = [CHAIN, KEY].iter().all(|key| material::value(secret, key).is_none());
    let annotations = secret.metadata.annotations.as_ref();
    let is_ours = is_empty || annotations.is_some_and(|all| all.contains_key(MANAGED));
    let material = Material::read(secret, names).and_then(|material| {
        material.check(now)?;
        Ok(Arc::new(material))
    });
    match material {
        Ok(material) if !is_ours || material.lasts(names, now) => Decision::Use(material),
        Ok(material) => Decision::Make(Some(material)),
        Err(_) if is_ours => Decision::Make(None),
        Err(error) => Decision::Refuse(error),
    }
}

/// What to do about the configuration.
#[derive(Debug, PartialEq)]
enum Bundle {
    /// Nothing: it has the CA, or somebody else sees to it.
    Settled,
    /// None of its webhooks calls our Service.
    NotOurs,
    /// To be sent as a strategic merge patch: of our entries, the CA and nothing else.
    Patch(serde_json::Value),
}

fn decide_bundle(
    configuration: &ValidatingWebhookConfiguration,
    service: &ObjectRef,
    ca: &[u8],
) -> Bundle {
    let ValidatingWebhookConfiguration { metadata, webhooks } = configuration;
    if metadata.annotations.iter().flatten().any(|(name, _)| name.starts_with(INJECTED)) {
        return Bundle::Settled;
    }
    let mut ours = webhooks.iter().flatten().filter(|webhook| calls(webhook, service)).peekable();
    if ours.peek().is_none() {
        return Bundle::NotOurs;
    }
    let has_it = |held: &ByteString| held.0 == ca;
    let ca = ByteString(ca.to_vec());
    let stale = ours.filter(|w| !w.client_config.ca_bundle.as_ref().is_some_and(has_it));
    let stale = stale.map(
        |webhook| serde_json::json!({ "name": webhook.name, "clientConfig": { "caBundle": ca } }),
    );
    let stale: Vec<_> = stale.collect();
    if stale.is_empty() {
        return Bundle::Settled;
    }
    // With its version: an entry that is gone by now must not come back.
    let version = &metadata.resource_version;
    Bundle::Patch(serde_json::json!({
        "metadata": { "resourceVersion": version },
        "webhooks": stale,
    }))
}

fn calls(webhook: &ValidatingWebhook, service: &ObjectRef) -> bool {
    let called = webhook.client_config.service.as_ref();
    called.is_some_and(|s| *s.name == *service.name && *s.namespace == *service.namespace)
}

struct Keeper {
    options: CertificateOptions,
    /// The first is what the API server asks for.
    names: [String; 3],
    secrets: Api<Secret>,
    configurations: Api<ValidatingWebhookConfiguration>,
    secret: Seen<Secret>,
    configuration: Seen<ValidatingWebhookConfiguration>,
    serving: Option<Arc<Material>>,
    /// Whose CA the API server was told, and when.
    announced: Option<(Arc<Material>, Instant)>,
    /// Writes that failed in a row.
    failures: u32,
    /// Writes that were needed in a row, and when the last one was.
    writes: u32,
    wrote: Option<Instant>,
    /// Nothing is written before.
    quiet_until: Instant,
    tls: watch::Sender<Option<Arc<ServerConfig>>>,
    state: Arc<AdmissionState>,
}

/// Why a step ended early.
#[derive(Debug)]
enum Failure {
    /// Somebody else wrote first; what they wrote is read.
    Late,
    /// It is too soon for another write.
    Early(Duration),
    /// To be told.
    Problem(Part, Box<Problem>),
}

impl Keeper {
    fn new(
        client: kube::Client,
        options: CertificateOptions,
        tls: watch::Sender<Option<Arc<ServerConfig>>>,
        state: Arc<AdmissionState>,
    ) -> Self {
        let ObjectRef { namespace, name, .. } = &options.service;
        let host = format!("{name}.{namespace}");
        Self {
            names: [format!("{host}.svc"), format!("{host}.svc.cluster.local"), host],
            secrets: Api::namespaced(client.clone(), &options.secret.namespace),
            configurations: Api::all(client),
            options,
            secret: Seen::default(),
            configuration: Seen::default(),
            serving: None,
            announced: None,
            failures: 0,
            writes: 0,
            wrote: None,
            quiet_until: Instant::now(),
            tls,
            state,
        }
    }

    /// Does what is due, and says when to look again unless something changes before.
    async fn turn(&mut self) -> Duration {
        if !self.secret.is_heard() || !self.configuration.is_heard() {
            return ADMISSION_CERTIFICATE_CHECK;
        }
        match self.step(SystemTime::now()).await {
            Ok(next) => {
                self.failures = 0;
                next.unwrap_or_else(|| jitter(ADMISSION_CERTIFICATE_CHECK))
            }
            Err(Failure::Late) => API_RETRY_MIN,
            Err(Failure::Early(rest)) => rest,
            Err(Failure::Problem(part, problem)) => {
                self.state.tell(part, Some(*problem));
                self.failures = self.failures.saturating_add(1);
                let pause = jitter(backoff(self.failures).min(ADMISSION_RETRY_MAX));
                self.quiet_until = self.quiet_until.max(Instant::now() + pause);
                pause
            }
        }
    }

    async fn step(&mut self, now: SystemTime) -> Result<Option<Duration>, Failure> {
        // What cannot be read must not be written.
        let Some(stored) = &self.secret.object else { return Ok(None) };
        let material = match decide(stored.as_ref(), &self.names, now) {
            Decision::Use(material) => material,
            Decision::Refuse(error) => return Err(self.refused(&error)),
            Decision::Make(present) => {
                // What is there is believed until the API server was told of something better.
                if let Some(present) = present {
                    self.serve_first(&present, now)?;
                }
                self.make(now).await?
            }
        };
        self.state.tell(Part::Secret, None);
        self.serve_first(&material, now)?;
        self.announce(&material.ca).await?;
        if self.serving.as_ref().is_some_and(|serving| serving.is_same(&material)) {
            return Ok(None);
        }
        let since = match &self.announced {
            Some((announced, since)) if announced.is_same(&material) => *since,
            _ => Instant::now(),
        };
        self.announced = Some((Arc::clone(&material), since));
        let left = (since + ADMISSION_ROLLOVER_DELAY).saturating_duration_since(Instant::now());
        if left.is_zero() {
            self.serve(&material)?;
            return Ok(None);
        }
        Ok(Some(left))
    }

    /// Serves at once where nothing is served that could be believed.
    fn serve_first(&mut self, material: &Arc<Material>, now: SystemTime) -> Result<(), Failure> {
        match &self.serving {
            Some(serving) if serving.check(now).is_ok() => Ok(()),
            _ => self.serve(material),
        }
    }

    fn serve(&mut self, material: &Arc<Material>) -> Result<(), Failure> {
        let config = material.server_config().map_err(|error| self.refused(&error))?;
        self.tls.send_replace(Some(config));
        self.serving = Some(Arc::clone(material));
        Ok(())
    }

    /// Writes a new CA and certificate to the Secret.
    async fn make(&mut self, now: SystemTime) -> Result<Arc<Material>, Failure> {
        self.pace(Instant::now())?;
        let stored = self.secret.object().cloned();
        let previous = self.previous_ca(stored.as_ref());
        let data = material::make(&self.names, now, previous.as_deref());
        let data = data.map_err(|error| self.refused(&error))?;
        let is_new = stored.is_none();
        let mut secret = stored.unwrap_or_else(|| self.empty_secret());
        secret.metadata.annotations.get_or_insert_default().insert(MANAGED.into(), "true".into());
        secret.data.get_or_insert_default().extend(data);
        let (name, how) = (&self.options.secret.name, PostParams::default());
        let written = match is_new {
            true => call(ADMISSION_CALL_TIMEOUT, self.secrets.create(&how, &secret)).await,
            false => call(ADMISSION_CALL_TIMEOUT, self.secrets.replace(name, &how, &secret)).await,
        };
        let written = match written {
            Ok(written) => written,
            Err(CallError::Conflict(_)) => {
                let read: Result<_, CallError> =
                    call(ADMISSION_CALL_TIMEOUT, self.secrets.get_opt(name)).await;
                if let Ok(read) = read {
                    self.secret.take(Ok(read));
                }
                return Err(Failure::Late);
            }
            Err(error) => return Err(self.failed(Part::Secret, "written", &error)),
        };
        let material = Material::read(&written, &self.names);
        self.secret.take(Ok(Some(written)));
        material.map(Arc::new).map_err(|error| self.refused(&error))
    }

    fn empty_secret(&self) -> Secret {
        let ObjectRef { namespace, name, .. } = &self.options.secret;
        let metadata = ObjectMeta {
            name: Some(name.to_string()),
            namespace: Some(namespace.to_string()),
            ..ObjectMeta::default()
        };
        Secret { metadata, type_: Some("kubernetes.io/tls".into()), ..Secret::default() }
    }

    /// Believed until the roll-over is through: replicas serve what it signed. Two, if we do not
    /// serve yet what is stored.
    fn previous_ca(&self, stored: Option<&Secret>) -> Option<String> {
        let stored = stored.and_then(|secret| material::value(secret, CA));
        let stored = stored.and_then(material::first_pem);
        let serving = self.serving.as_ref();
        let serving = serving.and_then(|serving| material::first_pem(&serving.ca));
        let serving = serving.filter(|serving| stored.as_ref() != Some(serving));
        let told = || {
            let ours = self.configuration.object()?.webhooks.iter().flatten();
            let mut ours = ours.filter(|webhook| calls(webhook, &self.options.service));
            Some(ours.next()?.client_config.ca_bundle.as_ref()?.0.as_slice())
        };
        match (stored, serving) {
            (None, None) => told().and_then(material::first_pem),
            (stored, serving) => Some(stored.into_iter().chain(serving).collect()),
        }
    }

    /// Tells the API server the CA.
    async fn announce(&mut self, ca: &[u8]) -> Result<(), Failure> {
        let problem = match &self.configuration.object {
            // Told already that it cannot be read.
            None => None,
            Some(None) => Some((
                "there is no such object; the API server does not ask the admission webhook.",
                "Create it, or leave --admission-bind out.",
            )),
            Some(Some(configuration)) => {
                match decide_bundle(configuration, &self.options.service, ca) {
                    Bundle::Settled => None,
                    Bundle::Patch(patch) => {
                        self.patch(patch).await?;
                        None
                    }
                    Bundle::NotOurs => Some((
                        "none of its webhooks calls the Service of the admission webhook.",
                        "Correct its clientConfig.service, or --admission-service.",
                    )),
                }
            }
        };
        let problem = problem.map(|(message, advice)| self.options.misconfigured(message, advice));
        self.state.tell(Part::Configuration, problem);
        Ok(())
    }

    /// Who undoes our writes (a GitOps controller, a replica with another clock) is answered ever
    /// more slowly.
    fn pace(&mut self, now: Instant) -> Result<(), Failure> {
        let rest = self.quiet_until.saturating_duration_since(now);
        if !rest.is_zero() {
            return Err(Failure::Early(rest));
        }
        let is_calm = self.wrote.is_none_or(|wrote| now - wrote > ADMISSION_CALM);
        self.writes = if is_calm { 1 } else { self.writes.saturating_add(1) };
        self.wrote = Some(now);
        // The first two are those of a first start: Secret, then CA.
        let pause = backoff(self.writes.saturating_sub(1)).min(ADMISSION_RETRY_MAX);
        self.quiet_until = if self.writes == 1 { now } else { now + pause };
        Ok(())
    }

    async fn patch(&mut self, patch: serde_json::Value) -> Result<(), Failure> {
        self.pace(Instant::now())?;
        let name = &self.options.configuration;
        let (how, patch) = (PatchParams::default(), Patch::Strategic(patch));
        match call(ADMISSION_CALL_TIMEOUT, self.configurations.patch(name, &how, &patch)).await {
            Ok(configuration) => self.configuration.take(Ok(Some(configuration))),
            Err(CallError::Conflict(_)) => {
                let read: Result<_, CallError> =
                    call(ADMISSION_CALL_TIMEOUT, self.configurations.get_opt(name)).await;
                if let Ok(read) = read {
                    self.configuration.take(Ok(read));
                }
                return Err(Failure::Late);
            }
            Err(error) => return Err(self.failed(Part::Configuration, "written", &error)),
        }
        Ok(())
    }

    fn refused(&self, error: &MaterialError) -> Failure {
        let message = format!("the admission webhook cannot use it: {error}.");
        let advice = "Correct it, or delete it: then a new one is made.";
        let reason = reason!("AdmissionCertificate");
        Failure::Problem(
            Part::Secret,
            Box::new(self.options.problem(Part::Secret, reason, message, advice)),
        )
    }

    fn failed(&self, part: Part, how: &str, error: &CallError) -> Failure {
        Failure::Problem(part, Box::new(self.options.call_problem(part, how, error)))
    }

    /// Takes what a watch said.
    fn hear_secret(&mut self, seen: Result<Option<Secret>, watcher::Error>) {
        let part = Part::SecretWatch;
        let seen = seen.map_err(|error| self.options.call_problem(part, "read", &error.into()));
        self.state.tell(part, seen.as_ref().err().cloned());
        self.secret.take(seen.map_err(drop));
    }

    /// The same of the other.
    fn hear_configuration(
        &mut self,
        seen: Result<Option<ValidatingWebhookConfiguration>, watcher::Error>,
    ) {
        let part = Part::ConfigurationWatch;
        let seen = seen.map_err(|error| self.options.call_problem(part, "read", &error.into()));
        self.state.tell(part, seen.as_ref().err().cloned());
        self.configuration.take(seen.map_err(drop));
    }
}

#[cfg(test)]
mod tests;
