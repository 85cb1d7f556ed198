//! Hosts, `spec.tls` and Secrets → what each server name leads to, and what that means for rules.
//!
//! A changed certificate makes new server names and no new host: routes stay as they are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use k8s_openapi::api::core::v1::Secret;

use super::tickets::TicketKeys;
use crate::control::lower::guards;
use crate::control::lower::ingress::annotations::{client_certificates, https};
use crate::control::lower::ingress::spec::{Age, LoweredIngress};
use crate::control::lower::path::RoutePath;
use crate::control::lower::review::Place;
use crate::control::lower::secrets::{Found, SecretDefect, Secrets};
use crate::control::lower::settings::{ClientCertificates, HttpsRedirect, Settings};
use crate::control::source::report::{Finding, Report};
use crate::control::store::Entries;
use crate::limits::REVIEWED_SECRETS_MAX;
use crate::model::{
    BackendKey, BackendTarget, ClientIdentityPolicy, HostPattern, ObjectRef, Policies, Problem,
    Refusal, ServerName, TlsAction, WildcardDepth,
};
use crate::tls::certificate::Certificate;
use crate::tls::client_auth::{ClientAuth, ClientAuthId};
use crate::tls::server::ServerTls;

/// Permanent, and the method stays (RFC 9110 section 15.4.9), as ingress-nginx answers.
const REDIRECT_STATUS: u16 = 308;
/// Solvers of HTTP-01 challenges are asked over plain HTTP (RFC 8555 section 8.3).
const NOT_REDIRECTED: &str = "/.well-known/acme-challenge";

/// What follows from CAs that cannot be used.
const DENIED: &str = "all requests to the hosts of the Ingress get status 403";
/// Why an Ingress cannot have the connections of a host passed through.
const NOT_FIRST: &str = "an older Ingress claims the host first";
/// The same; what is passed through would pass the guard by.
const CLOSED: &str = "an annotation that is not supported yet protects the host";

/// What an Ingress says about TLS.
#[derive(Debug, Default)]
pub(crate) struct IngressTls {
    entries: Vec<TlsEntry>,
    /// The entries that list a host, by index.
    listed: BTreeMap<HostPattern, Vec<usize>>,
}

/// One element of `spec.tls`.
#[derive(Debug)]
pub(crate) struct TlsEntry {
    /// With their index in the element. Never [`HostPattern::Any`].
    pub hosts: Vec<(usize, HostPattern)>,
    /// `None`: the default certificate.
    pub secret: Option<ObjectRef>,
}

impl IngressTls {
    /// Takes the next element of `spec.tls`.
    pub(crate) fn push(&mut self, entry: TlsEntry) {
        for (_, host) in &entry.hosts {
            self.listed.entry(host.clone()).or_default().push(self.entries.len());
        }
        self.entries.push(entry);
    }

    /// The Secrets it uses.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &ObjectRef> {
        self.entries.iter().filter_map(|entry| entry.secret.as_ref())
    }
}

/// The hosts whose handshake or rules the Ingress has a say in. An Ingress with any TLS entry has
/// it for all its hosts, listed or not, as in ingress-nginx.
fn names_of(ingress: &LoweredIngress) -> BTreeSet<HostPattern> {
    let IngressTls { entries, listed } = &ingress.tls;
    let settings = &ingress.settings;
    let has_say = !entries.is_empty() || settings.client_auth.is_some() || settings.passthrough;
    let of_rules = ingress.hosts.keys().filter(|_| has_say);
    listed.keys().chain(of_rules).cloned().collect()
}

/// The Secrets that the Ingress uses for its hosts.
fn secrets_of(ingress: &LoweredIngress) -> impl Iterator<Item = &ObjectRef> {
    ingress.tls.secrets().chain(&ingress.settings.needs)
}

/// What TLS means for the rules of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct HostTls {
    /// It has a TLS entry, be it one whose Secret is missing, or its one-label wildcard has.
    pub has_entry: bool,
    /// Clients should prove who they are and cannot.
    pub is_denied: bool,
    /// What backends are told of them.
    pub identity: ClientIdentityPolicy,
}

impl HostTls {
    /// The policies of a rule of the host: those of its settings, and what TLS adds.
    pub(crate) fn policies(
        self,
        path: &RoutePath,
        settings: &Settings,
        hsts: Option<&Arc<str>>,
    ) -> Policies {
        let is_wanted = match settings.https_redirect {
            HttpsRedirect::Never => false,
            HttpsRedirect::WithCertificate => self.has_entry,
            HttpsRedirect::Always => true,
        };
        let is_exempt = path.as_str().starts_with(NOT_REDIRECTED);
        Policies {
            https_redirect: (is_wanted && !is_exempt).then_some(REDIRECT_STATUS),
            hsts: hsts.filter(|_| self.has_entry).cloned(),
            client_identity: self.identity,
            refusal: self.is_denied.then_some(Refusal::ClientCertificates),
            ..settings.policies.clone()
        }
    }
}

/// Everything that server names are made of, besides what [`TlsState`] remembers.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub secrets: &'a Entries<Secret>,
    /// Objects that exist and cannot be used.
    pub broken: &'a BTreeSet<ObjectRef>,
    pub ingresses: &'a BTreeMap<ObjectRef, crate::control::lower::InForce>,
    /// Who has rules for a host, the oldest first.
    pub claims: &'a BTreeMap<HostPattern, BTreeMap<Age, ObjectRef>>,
    pub now: SystemTime,
}

impl<'a> Sources<'a> {
    fn ingress(self, reference: &ObjectRef) -> Option<&'a LoweredIngress> {
        self.ingresses.get(reference).map(|in_force| &in_force.lowered)
    }

    fn is_told(self, defect: &SecretDefect) -> bool {
        defect.is_told(self.broken)
    }

    /// The Ingresses with rules for `pattern`, the oldest first.
    fn with_rules(self, pattern: &HostPattern) -> impl Iterator<Item = &'a LoweredIngress> {
        let claims = self.claims.get(pattern).into_iter().flat_map(BTreeMap::values);
        claims.filter_map(move |reference| self.ingress(reference))
    }
}

/// What is to be built again.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// Whose problems with Secrets may be others.
    pub ingresses: BTreeSet<ObjectRef>,
    pub names: BTreeSet<HostPattern>,
}

impl Touched {
    pub(crate) fn is_empty(&self) -> bool {
        self.ingresses.is_empty() && self.names.is_empty()
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Built {
    /// Some name, or the default, leads elsewhere.
    pub is_changed: bool,
    /// Hosts for whose rules TLS means something else now.
    pub hosts: BTreeSet<HostPattern>,
}

/// Server names and what they are made of.
pub(crate) struct TlsState {
    secrets: Secrets,
    ticket_keys: TicketKeys,
    /// `--default-ssl-certificate`.
    default_secret: Option<ObjectRef>,
    self_signed: Option<Arc<Certificate>>,
    no_auth: Arc<ClientAuth>,
    default_certificate: Option<Arc<Certificate>>,
    default_tls: Option<Arc<ServerTls>>,
    default_problems: Vec<Arc<Problem>>,
    /// One for each certificate, by address, and demand on clients; they keep the address.
    settings: HashMap<(usize, ClientAuthId), Arc<ServerTls>>,
    /// Who has a say about a name, the oldest first.
    claims: BTreeMap<HostPattern, BTreeMap<Age, ObjectRef>>,
    names: BTreeMap<HostPattern, BuiltName>,
    /// What each Ingress is told about the Secrets it uses.
    problems: BTreeMap<ObjectRef, Vec<Arc<Problem>>>,
}

impl std::fmt::Debug for TlsState {
    /// Keys and tickets stay out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsState").field("names", &self.names).finish_non_exhaustive()
    }
}

/// One name.
#[derive(Debug, Default)]
struct BuiltName {
    /// `None`: no certificate of its own; wildcard or default serve it.
    name: Option<Arc<ServerName>>,
    certificate: Option<Arc<Certificate>>,
    host: HostTls,
    uses_default: bool,
    /// The oldest Ingress that asks clients for certificates.
    auth_by: Option<ObjectRef>,
    /// The handshake is not a plain one: hosts below a wildcard must not fall to it.
    is_special: bool,
    problems: Vec<Arc<Problem>>,
}

impl TlsState {
    /// Nothing but the default.
    pub(crate) fn new(default_secret: Option<ObjectRef>, ticket_keys: Option<ObjectRef>) -> Self {
        let self_signed = Certificate::self_signed()
            .inspect_err(|error| tracing::error!(%error, "there is no self-signed certificate"))
            .ok();
        let mut secrets = Secrets::default();
        if let Some(secret) = &default_secret {
            secrets.acquire(secret, secret);
        }
        Self {
            secrets,
            ticket_keys: TicketKeys::new(ticket_keys),
            default_secret,
            self_signed,
            no_auth: ClientAuth::none(),
            default_certificate: None,
            default_tls: None,
            default_problems: Vec::new(),
            settings: HashMap::new(),
            claims: BTreeMap::new(),
            names: BTreeMap::new(),
            problems: BTreeMap::new(),
        }
    }

    /// An Ingress came into force.
    pub(crate) fn claim(&mut self, ingress: &LoweredIngress, touched: &mut Touched) {
        for pattern in names_of(ingress) {
            let claims = self.claims.entry(pattern.clone()).or_default();
            claims.insert(ingress.age.clone(), ingress.reference.clone());
            touched.names.insert(pattern);
        }
        for secret in secrets_of(ingress) {
            self.secrets.acquire(secret, &ingress.reference);
        }
        touched.ingresses.insert(ingress.reference.clone());
    }

    /// An Ingress is no longer in force.
    pub(crate) fn release(&mut self, ingress: &LoweredIngress, touched: &mut Touched) {
        for pattern in names_of(ingress) {
            if let Some(claims) = self.claims.get_mut(&pattern) {
                claims.remove(&ingress.age);
            }
            touched.names.insert(pattern);
        }
        for secret in secrets_of(ingress) {
            self.secrets.release(secret, &ingress.reference);
        }
        touched.ingresses.insert(ingress.reference.clone());
    }

    /// Marks what uses a Secret that changed, or of which time made something else.
    pub(crate) fn touch_secrets<'a>(
        &self,
        dirty: impl Iterator<Item = &'a ObjectRef>,
        sources: Sources<'_>,
        touched: &mut Touched,
    ) {
        let due = self.secrets.due(sources.now);
        let secrets = dirty.cloned().chain(due);
        for user in
            secrets.flat_map(|secret| self.secrets.users(&secret).cloned().collect::<Vec<_>>())
        {
            if let Some(ingress) = sources.ingress(&user) {
                touched.names.extend(names_of(ingress));
                touched.ingresses.insert(user);
            }
        }
    }

    /// Server names and default for the model.
    pub(crate) fn server_names(&self) -> (Vec<Arc<ServerName>>, Option<Arc<ServerTls>>) {
        let names = self.names.values().filter_map(|built| built.name.clone()).collect();
        (names, self.default_tls.clone())
    }

    /// What TLS means for the rules of `pattern`.
    pub(crate) fn host(&self, pattern: &HostPattern) -> HostTls {
        let own = self.names.get(pattern).map(|built| built.host).unwrap_or_default();
        let parent = parent_of(pattern).and_then(|parent| self.names.get(&parent));
        let has_entry = own.has_entry || parent.is_some_and(|built| built.host.has_entry);
        HostTls { has_entry, ..own }
    }

    pub(crate) fn problems(&self) -> impl Iterator<Item = &Arc<Problem>> {
        let of_names = self.names.values().flat_map(|built| &built.problems);
        self.flag_problems().chain(self.problems.values().flatten()).chain(of_names)
    }

    /// Those of Secrets that flags name.
    pub(crate) fn flag_problems(&self) -> impl Iterator<Item = &Arc<Problem>> {
        self.default_problems.iter().chain(self.ticket_keys.problems())
    }

    /// Builds what is touched. Names below a changed wildcard follow it.
    pub(crate) fn build(&mut self, sources: Sources<'_>, mut touched: Touched) -> Built {
        let mut built = Built::default();
        if self.ticket_keys.update(sources.secrets, sources.broken) {
            // Settings hold the keys that they were made with.
            self.settings.clear();
            self.default_certificate = None;
            touched.names.extend(self.names.keys().cloned());
        }
        let is_touched = !touched.is_empty();
        if self.build_default(sources) {
            built.is_changed = true;
            let users = self.names.iter().filter(|(_, name)| name.uses_default);
            touched.names.extend(users.map(|(pattern, _)| pattern.clone()));
        }
        for reference in touched.ingresses {
            self.tell(sources, &reference);
        }
        let is_wildcard = |pattern: &HostPattern| matches!(pattern, HostPattern::Wildcard { .. });
        let (wildcards, mut others): (BTreeSet<_>, BTreeSet<_>) =
            touched.names.into_iter().partition(is_wildcard);
        let mut below = BTreeSet::new();
        for pattern in wildcards {
            if self.build_name(sources, &pattern, &mut built) {
                below.insert(pattern);
            }
        }
        if !below.is_empty() {
            let known = sources.claims.keys().chain(self.claims.keys());
            let follow = known.filter(|p| parent_of(p).is_some_and(|p| below.contains(&p)));
            let follow: BTreeSet<HostPattern> = follow.cloned().collect();
            built.hosts.extend(follow.iter().filter(|p| sources.claims.contains_key(p)).cloned());
            others.extend(follow);
        }
        for pattern in others {
            self.build_name(sources, &pattern, &mut built);
        }
        if is_touched || built.is_changed {
            self.secrets.forget_unused();
            // What no name holds any more is held here alone.
            self.settings.retain(|_, tls| Arc::strong_count(tls) > 1);
        }
        built
    }

    /// Whether the default certificate is another one.
    fn build_default(&mut self, sources: Sources<'_>) -> bool {
        let mut certificate = self.self_signed.clone();
        self.default_problems.clear();
        if let Some(secret) = self.default_secret.clone() {
            let found = self.secrets.certificate(sources.secrets, &secret, sources.now);
            if let Some(defect) = &found.defect
                && !sources.is_told(defect)
            {
                let provenance = sources.secrets.get(&secret).and_then(|e| e.provenance.as_ref());
                let mut report = Report::new(&secret, provenance);
                let instead = "a self-signed certificate is served";
                found_defect(&mut report, String::new(), defect, &found, instead);
                self.default_problems = report.finish();
            }
            certificate = found.certificate.or(certificate);
        }
        if is_same(self.default_certificate.as_ref(), certificate.as_ref()) {
            return false;
        }
        let no_auth = Arc::clone(&self.no_auth);
        self.default_tls = certificate.as_ref().and_then(|c| self.settings(c, &no_auth));
        self.default_certificate = certificate;
        true
    }

    /// Tells an Ingress what is wrong with the Secrets it uses.
    fn tell(&mut self, sources: Sources<'_>, reference: &ObjectRef) {
        self.problems.remove(reference);
        let Some(ingress) = sources.ingress(reference) else { return };
        let mut report = Report::new(reference, ingress.provenance.as_ref());
        for (index, entry) in ingress.tls.entries.iter().enumerate() {
            let Some(secret) = &entry.secret else { continue };
            let found = self.secrets.certificate(sources.secrets, secret, sources.now);
            if !found.defect.as_ref().is_some_and(|defect| sources.is_told(defect)) {
                tell_found(&mut report, index, entry, secret, &found);
            }
        }
        if let Some(ClientCertificates::Demanded { secret, demand, .. }) =
            &ingress.settings.client_auth
            && let Err(defect) = self.secrets.client_auth(sources.secrets, secret, *demand)
            && !sources.is_told(&defect)
        {
            report.error(defect.finding(client_certificates::secret_field(), DENIED));
        }
        let problems = report.finish();
        if !problems.is_empty() {
            self.problems.insert(reference.clone(), problems);
        }
    }

    /// Tells what is wrong with the TLS of an Ingress that is not in force: on `own` what it is at
    /// fault for alone, on `others` what the cluster has to do with. Changes nothing.
    pub(crate) fn review(
        &self,
        sources: Sources<'_>,
        place: Place<'_>,
        own: &mut Report<'_>,
        others: &mut Report<'_>,
    ) {
        let ingress = place.lowered;
        self.review_secrets(sources, ingress, others);
        let Settings { passthrough, client_auth, .. } = &ingress.settings;
        for pattern in ingress.hosts.keys() {
            if *passthrough {
                match passed_through(ingress, pattern) {
                    _ if !place.is_first(pattern) => {
                        others.error(not_passed_through(pattern, NOT_FIRST));
                    }
                    Err(why) => own.error(not_passed_through(pattern, why)),
                    Ok(_) if place.closed_by(pattern).is_some() => {
                        others.error(not_passed_through(pattern, CLOSED));
                    }
                    Ok(_) => {}
                }
            }
            let Some(wanted) = client_auth else { continue };
            let oldest = self.names.get(pattern).and_then(|built| built.auth_by.as_ref());
            match oldest.and_then(|oldest| place.older(oldest)) {
                Some(oldest) if oldest.settings.client_auth.as_ref() != Some(wanted) => {
                    others.error(auth_conflict(pattern, &oldest.reference));
                }
                Some(_) => {}
                None if *pattern == HostPattern::Any
                    && matches!(wanted, ClientCertificates::Demanded { .. }) =>
                {
                    own.error(auth_without_host());
                }
                None => {}
            }
        }
    }

    fn review_secrets(
        &self,
        sources: Sources<'_>,
        ingress: &LoweredIngress,
        report: &mut Report<'_>,
    ) {
        let entries = ingress.tls.entries.iter().enumerate();
        let with_secret = entries.filter_map(|(index, e)| Some((index, e, e.secret.as_ref()?)));
        for (index, entry, secret) in with_secret.take(REVIEWED_SECRETS_MAX) {
            let found = self.secrets.peek_certificate(sources.secrets, secret, sources.now);
            if let Some(found) = found {
                tell_found(report, index, entry, secret, &found);
            }
        }
        if let Some(ClientCertificates::Demanded { secret, demand, .. }) =
            &ingress.settings.client_auth
            && let Some(Err(defect)) =
                self.secrets.peek_client_auth(sources.secrets, secret, *demand)
        {
            report.error(defect.finding(client_certificates::secret_field(), DENIED));
        }
    }

    /// Builds one name. Whether names below it, if it is a wildcard, must follow.
    fn build_name(
        &mut self,
        sources: Sources<'_>,
        pattern: &HostPattern,
        built: &mut Built,
    ) -> bool {
        if self.claims.get(pattern).is_some_and(BTreeMap::is_empty) {
            self.claims.remove(pattern);
        }
        let mut new = self.lower_name(sources, pattern);
        let old = self.names.remove(pattern).unwrap_or_default();
        if new.name.is_some() && new.name == old.name {
            new.name.clone_from(&old.name);
        } else if new.name.is_some() || old.name.is_some() {
            built.is_changed = true;
        }
        if new.host != old.host && sources.claims.contains_key(pattern) {
            built.hosts.insert(pattern.clone());
        }
        let is_followed = new.host.has_entry != old.host.has_entry
            || new.is_special != old.is_special
            || new.is_special && !is_same(new.certificate.as_ref(), old.certificate.as_ref());
        let is_nothing =
            new.name.is_none() && new.host == HostTls::default() && new.problems.is_empty();
        if !is_nothing {
            self.names.insert(pattern.clone(), new);
        }
        is_followed
    }

    fn lower_name(&mut self, sources: Sources<'_>, pattern: &HostPattern) -> BuiltName {
        let mut built = BuiltName::default();
        let claims = self.claims.get(pattern).into_iter().flat_map(BTreeMap::values);
        let claimants: Vec<&LoweredIngress> =
            claims.filter_map(|reference| sources.ingress(reference)).collect();
        built.host.has_entry = claimants.iter().any(|ingress| !ingress.tls.entries.is_empty());
        let passthrough = passthrough(sources, pattern, &mut built.problems);
        let auth = self.auth(sources, pattern, &mut built);
        if *pattern == HostPattern::Any {
            return built;
        }
        if let Some((backend, origin)) = passthrough {
            built.is_special = true;
            let action = TlsAction::Passthrough { backend, send_proxy: false };
            let pattern = pattern.clone();
            built.name = Some(Arc::new(ServerName { pattern, action, origin }));
            return built;
        }
        built.is_special = auth.is_some();
        let parent = parent_of(pattern).and_then(|parent| self.names.get(&parent));
        let special_parent = parent
            .filter(|parent| parent.is_special && sources.claims.contains_key(pattern))
            .map(|parent| (parent.certificate.clone(), parent.name.clone()));
        let (found, origin) = match self.certificate(sources, pattern, &claimants) {
            Choice::Own(certificate, origin) => (Some(certificate), Some(origin)),
            Choice::Default(origin) => (None, Some(origin)),
            Choice::None => match (&auth, special_parent) {
                (None, None) => return built,
                // It may have no demand of its own, and must not fall to the wildcard's.
                (None, Some((certificate, name))) => {
                    (certificate, name.map(|name| name.origin.clone()))
                }
                (Some((_, origin)), _) => (None, Some(origin.clone())),
            },
        };
        built.uses_default = found.is_none();
        let auth = auth.map_or_else(|| Arc::clone(&self.no_auth), |(auth, _)| auth);
        let certificate = found.or_else(|| self.default_certificate.clone());
        let tls = certificate.as_ref().and_then(|certificate| self.settings(certificate, &auth));
        built.host.is_denied |= tls.is_none() && built.is_special;
        if let (Some(tls), Some(origin)) = (tls, origin) {
            let action = TlsAction::Terminate(tls);
            built.name = Some(Arc::new(ServerName { pattern: pattern.clone(), action, origin }));
        }
        built.certificate = certificate;
        built
    }

    /// What clients of the host must prove: the oldest Ingress that says so decides.
    fn auth(
        &mut self,
        sources: Sources<'_>,
        pattern: &HostPattern,
        built: &mut BuiltName,
    ) -> Option<(Arc<ClientAuth>, ObjectRef)> {
        let mut with_auth = sources
            .with_rules(pattern)
            .filter_map(|ingress| Some((ingress, ingress.settings.client_auth.as_ref()?)));
        let (winner, wanted) = with_auth.next()?;
        built.auth_by = Some(winner.reference.clone());
        for (ingress, _) in with_auth.filter(|(_, other)| *other != wanted) {
            let mut report = Report::new(&ingress.reference, ingress.provenance.as_ref());
            report.error(auth_conflict(pattern, &winner.reference));
            built.problems.extend(report.finish());
        }
        let auth = match wanted {
            ClientCertificates::Off => {
                built.host.identity = ClientIdentityPolicy::Told;
                return None;
            }
            ClientCertificates::Invalid => None,
            ClientCertificates::Demanded { .. } if *pattern == HostPattern::Any => {
                let mut report = Report::new(&winner.reference, winner.provenance.as_ref());
                report.error(auth_without_host());
                built.problems.extend(report.finish());
                None
            }
            ClientCertificates::Demanded { secret, demand, passes_certificate } => {
                built.host.identity = match passes_certificate {
                    true => ClientIdentityPolicy::WithCertificate,
                    false => ClientIdentityPolicy::Told,
                };
                self.secrets.client_auth(sources.secrets, secret, *demand).ok()
            }
        };
        built.host.is_denied = auth.is_none();
        auth.map(|auth| (auth, winner.reference.clone()))
    }

    /// The certificate of a host: the oldest Ingress that yields one decides. Within it, the
    /// entries that list the host do; where none does, any whose certificate covers it.
    fn certificate(
        &mut self,
        sources: Sources<'_>,
        pattern: &HostPattern,
        claimants: &[&LoweredIngress],
    ) -> Choice {
        let host = pattern.to_string();
        let mut fallback = Choice::None;
        for ingress in claimants {
            let IngressTls { entries, listed, .. } = &ingress.tls;
            let listing = listed.get(pattern);
            let is_listed = listing.is_some();
            let asked: Box<dyn Iterator<Item = &TlsEntry>> = match listing {
                Some(listing) => Box::new(listing.iter().filter_map(|index| entries.get(*index))),
                None => Box::new(entries.iter()),
            };
            for entry in asked {
                let Some(secret) = &entry.secret else {
                    if is_listed {
                        return Choice::Default(ingress.reference.clone());
                    }
                    continue;
                };
                let found = self.secrets.certificate(sources.secrets, secret, sources.now);
                if let Some(certificate) = found.certificate.filter(|c| c.covers(&host)) {
                    return Choice::Own(certificate, ingress.reference.clone());
                }
            }
            if is_listed && matches!(fallback, Choice::None) {
                fallback = Choice::Default(ingress.reference.clone());
            }
        }
        fallback
    }

    /// The one set of settings for the pair.
    fn settings(
        &mut self,
        certificate: &Arc<Certificate>,
        auth: &Arc<ClientAuth>,
    ) -> Option<Arc<ServerTls>> {
        let key = (Arc::as_ptr(certificate).addr(), auth.id());
        if let Some(tls) = self.settings.get(&key) {
            return Some(Arc::clone(tls));
        }
        // A pair that was checked makes settings; if not, the default serves.
        let tls = ServerTls::new(certificate, auth, self.ticket_keys.tickets())
            .inspect_err(|error| tracing::error!(%error, "a certificate cannot be served"))
            .ok()?;
        self.settings.insert(key, Arc::clone(&tls));
        Some(tls)
    }
}

/// Which certificate a host gets, and whose doing it is.
enum Choice {
    Own(Arc<Certificate>, ObjectRef),
    Default(ObjectRef),
    /// None of its own: wildcard, then default.
    None,
}

/// Where the host's connections go as they are: its oldest Ingress alone may say so, because it
/// takes the host's whole traffic away from all others.
fn passthrough(
    sources: Sources<'_>,
    pattern: &HostPattern,
    problems: &mut Vec<Arc<Problem>>,
) -> Option<(BackendKey, ObjectRef)> {
    let mut found = None;
    let all = || sources.with_rules(pattern);
    let is_closed = guards::closing(all().map(|ingress| ((), ingress.guards()))).is_some();
    for (nth, ingress) in all().enumerate() {
        if !ingress.settings.passthrough {
            continue;
        }
        let backend = match passed_through(ingress, pattern) {
            _ if nth > 0 => Err(NOT_FIRST),
            _ if is_closed => Err(CLOSED),
            backend => backend,
        };
        match backend {
            Ok(backend) => found = Some((backend.clone(), ingress.reference.clone())),
            Err(why) => {
                let mut report = Report::new(&ingress.reference, ingress.provenance.as_ref());
                report.error(not_passed_through(pattern, why));
                problems.extend(report.finish());
            }
        }
    }
    found
}

/// Where the Ingress alone would have the host's connections go, or why it cannot.
fn passed_through<'a>(
    ingress: &'a LoweredIngress,
    pattern: &HostPattern,
) -> Result<&'a BackendKey, &'static str> {
    if *pattern == HostPattern::Any {
        return Err("a rule without a host has no server name");
    }
    if ingress.guards().is_closed {
        return Err(CLOSED);
    }
    root_backend(ingress, pattern).ok_or("no rule of the Ingress leads path / to a Service")
}

fn not_passed_through(pattern: &HostPattern, why: &str) -> Finding {
    Finding {
        reason: "PassthroughNotUsed",
        field: https::passthrough_field(),
        message: format!("connections for host {pattern} are not passed through: {why}."),
        advice: "Give the host one Ingress with path /.".into(),
    }
}

fn auth_conflict(pattern: &HostPattern, winner: &ObjectRef) -> Finding {
    Finding {
        reason: "ClientAuthConflict",
        field: client_certificates::secret_field(),
        message: format!("for host {pattern} that of {winner} counts, which is older."),
        advice: "Demand the same in both.".into(),
    }
}

fn auth_without_host() -> Finding {
    Finding {
        reason: "ClientAuthWithoutHost",
        field: client_certificates::secret_field(),
        message: "a rule without a host has no handshake of its own; its requests get status 403."
            .into(),
        advice: "Write the host.".into(),
    }
}

/// The Service behind the root path of the host.
fn root_backend<'a>(ingress: &'a LoweredIngress, pattern: &HostPattern) -> Option<&'a BackendKey> {
    let routes = ingress.hosts.get(pattern)?;
    let root = routes.iter().find(|route| route.path.as_str() == "/")?;
    match &root.rule.backends.first()?.target {
        BackendTarget::Service(key) => Some(key),
        BackendTarget::Invalid => None,
    }
}

/// `*.` and what follows the first label.
fn parent_of(pattern: &HostPattern) -> Option<HostPattern> {
    let HostPattern::Exact(name) = pattern else { return None };
    let suffix = name.parent()?;
    Some(HostPattern::Wildcard { suffix, depth: WildcardDepth::One })
}

/// Tells what is wrong with the certificate of one element of `spec.tls`.
fn tell_found(
    report: &mut Report<'_>,
    index: usize,
    entry: &TlsEntry,
    secret: &ObjectRef,
    found: &Found,
) {
    if let Some(defect) = &found.defect {
        let field = format!("spec.tls[{index}].secretName");
        found_defect(report, field, defect, found, "the default certificate is served");
    }
    let Some(certificate) = &found.certificate else { return };
    for (nth, host) in &entry.hosts {
        if !certificate.covers(&host.to_string()) {
            report.error(not_covered(index, *nth, host, secret));
        }
    }
}

fn not_covered(index: usize, nth: usize, host: &HostPattern, secret: &ObjectRef) -> Finding {
    Finding {
        reason: "CertificateHost",
        field: format!("spec.tls[{index}].hosts[{nth}]"),
        message: format!(
            "the certificate of the Secret {}/{} is not for {host}; another one is served.",
            secret.namespace, secret.name
        ),
        advice: "Store a certificate that names the host.".into(),
    }
}

/// Says a defect of a certificate and what follows from it; `instead`: if nothing serves.
fn found_defect(
    report: &mut Report<'_>,
    field: String,
    defect: &SecretDefect,
    found: &Found,
    instead: &str,
) {
    match (&found.certificate, found.is_last_good) {
        (_, true) => report.error(defect.finding(field, "the last good one stays in force")),
        (Some(_), false) => report.warning(defect.finding(field, "it is served all the same")),
        (None, false) => report.error(defect.finding(field, instead)),
    }
}

pub(crate) fn is_same<T>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}
