//! Hosts, `spec.tls` and Secrets → what each server name leads to, and what that means for rules.
//!
//! A changed certificate makes new server names and no new host: routes stay as they are.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use k8s_openapi::api::core::v1::Secret;

use super::findings::{DENIED, auth_conflict, auth_without_host, found_defect, tell_found};
use super::host_tls::HostTls;
use super::passthrough::{CLOSED, NOT_FIRST, not_passed_through, passed_through, passthrough};
use super::tickets::TicketKeys;
use crate::control::host_certificate::HostCertificate;
use crate::control::lower::candidate::Candidate;
use crate::control::lower::claim::{Age, Claim};
use crate::control::lower::claims::Claims;
use crate::control::lower::ingress::annotations::client_certificates;
use crate::control::lower::secrets::{SecretDefect, Secrets, is_same};
use crate::control::lower::settings::{ClientCertificates, Settings};
use crate::control::source::report::Report;
use crate::control::store::Entries;
use crate::limits::REVIEWED_SECRETS_MAX;
use crate::model::{
    BackendTarget, ClientIdentityPolicy, HostPattern, ObjectRef, Problem, ServerName, ServerTlsId,
    TlsAction, WeightedBackend, WildcardDepth,
};
use crate::table::ServerTlsById;
use crate::tls::certificate::Certificate;
use crate::tls::client_auth::{ClientAuth, ClientAuthId};
use crate::tls::server::ServerTls;
use crate::tls::server_terms::{Application, ServerTerms};

/// The hosts whose handshake or rules the Ingress has a say in. An Ingress with any TLS entry has
/// it for all its hosts, listed or not, as in ingress-nginx.
fn names_of(claim: &Claim) -> BTreeSet<HostPattern> {
    let Claim { certificates, settings, .. } = claim;
    let has_entry = !certificates.entries().is_empty();
    let has_say = has_entry
        || settings.client_auth.is_some()
        || settings.suites.is_some()
        || settings.passthrough;
    let of_rules = claim.routes.keys().filter(|_| has_say).cloned();
    let others = claim.other_names().filter(|_| has_say);
    certificates.hosts().cloned().chain(of_rules).chain(others).collect()
}

/// Everything that server names are made of, besides what [`Names`] remembers.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub secrets: &'a Entries<Secret>,
    /// Objects that exist and cannot be used.
    pub broken: &'a BTreeSet<ObjectRef>,
    pub claims: &'a Claims,
    pub now: SystemTime,
}

impl Sources<'_> {
    fn is_told(self, defect: &SecretDefect) -> bool {
        defect.is_told(self.broken)
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

/// Cipher suites of TLS 1.2 and what is spoken inside, each `None`: as for all hosts.
type OwnTerms = (Option<Arc<[u16]>>, Option<Application>);

/// What a listener of a Gateway wants of its clients.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wish<'a> {
    /// Their certificates; `None`: none.
    pub auth: Option<&'a Arc<ClientAuth>>,
    /// What they speak; `None`: as for all hosts.
    pub application: Option<Application>,
}

/// Server names and what they are made of.
pub(crate) struct Names {
    secrets: Secrets,
    ticket_keys: TicketKeys,
    /// `--default-ssl-certificate`.
    default_secret: Option<ObjectRef>,
    self_signed: Option<Arc<Certificate>>,
    no_auth: Arc<ClientAuth>,
    /// What is offered to clients.
    terms: ServerTerms,
    /// Nothing was built by these terms.
    are_terms_new: bool,
    default_certificate: Option<Arc<Certificate>>,
    default_tls: Option<ServerTlsId>,
    default_problems: Vec<Arc<Problem>>,
    /// One for each certificate, by address, demand on clients and terms of its own; they
    /// keep the address.
    settings: HashMap<(usize, ClientAuthId, OwnTerms), ServerTlsId>,
    /// What they stand for.
    server_tls: Arc<ServerTlsById>,
    /// Of them, in all.
    made: u64,
    /// Settings that listeners of Gateways use.
    of_listeners: HashSet<ServerTlsId>,
    /// Secrets that they name, each with the object that does.
    by_listeners: BTreeSet<(ObjectRef, ObjectRef)>,
    /// Counts up whenever all settings have to be asked for anew.
    edition: u64,
    /// Who has a say about a name, the oldest first.
    claims: BTreeMap<HostPattern, BTreeMap<Age, ObjectRef>>,
    names: BTreeMap<HostPattern, BuiltName>,
    /// What each Ingress is told about the Secrets it uses.
    problems: BTreeMap<ObjectRef, Vec<Arc<Problem>>>,
}

impl std::fmt::Debug for Names {
    /// Keys and tickets stay out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names").field("names", &self.names).finish_non_exhaustive()
    }
}

/// One name.
#[derive(Debug, Default)]
struct BuiltName {
    /// `None`: no certificate of its own; wildcard or default serve it.
    name: Option<Arc<ServerName>>,
    certificate: Option<Arc<Certificate>>,
    /// Where it comes from; `None`: from nowhere of its own.
    secret: Option<ObjectRef>,
    host: HostTls,
    uses_default: bool,
    /// The oldest Ingress that asks clients for certificates.
    auth_by: Option<ObjectRef>,
    /// The handshake is not a plain one: hosts below a wildcard must not fall to it.
    is_special: bool,
    problems: Vec<Arc<Problem>>,
}

impl Names {
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
            terms: ServerTerms::default(),
            are_terms_new: false,
            default_certificate: None,
            default_tls: None,
            default_problems: Vec::new(),
            settings: HashMap::new(),
            server_tls: Arc::default(),
            made: 0,
            of_listeners: HashSet::new(),
            by_listeners: BTreeSet::new(),
            edition: 0,
            claims: BTreeMap::new(),
            names: BTreeMap::new(),
            problems: BTreeMap::new(),
        }
    }

    /// Says what is offered to clients from now on.
    pub(crate) fn set_terms(&mut self, terms: &ServerTerms) {
        self.are_terms_new |= self.terms != *terms;
        self.terms.clone_from(terms);
    }

    /// An Ingress came into force.
    pub(crate) fn claim(&mut self, claim: &Claim, touched: &mut Touched) {
        for pattern in names_of(claim) {
            let claims = self.claims.entry(pattern.clone()).or_default();
            claims.insert(claim.age.clone(), claim.owner.clone());
            touched.names.insert(pattern);
        }
        for secret in claim.needs() {
            self.secrets.acquire(secret, &claim.owner);
        }
        touched.ingresses.insert(claim.owner.clone());
    }

    /// An Ingress is no longer in force.
    pub(crate) fn release(&mut self, claim: &Claim, touched: &mut Touched) {
        for pattern in names_of(claim) {
            if let Some(claims) = self.claims.get_mut(&pattern) {
                claims.remove(&claim.age);
            }
            touched.names.insert(pattern);
        }
        for secret in claim.needs() {
            self.secrets.release(secret, &claim.owner);
        }
        touched.ingresses.insert(claim.owner.clone());
    }

    /// See [`Self::edition`].
    pub(crate) fn edition(&self) -> u64 {
        self.edition
    }

    /// Settings of a listener that serves the certificate of `secret` as it wants, and what is
    /// wrong with its newest version.
    pub(crate) fn of_secret(
        &mut self,
        secrets: &Entries<Secret>,
        secret: &ObjectRef,
        wish: Wish<'_>,
        now: SystemTime,
    ) -> (Option<ServerTlsId>, Option<SecretDefect>) {
        let found = self.secrets.certificate(secrets, secret, now);
        let no_auth = Arc::clone(&self.no_auth);
        let auth = wish.auth.unwrap_or(&no_auth);
        let certificate = found.certificate.as_ref();
        let tls = certificate.and_then(|c| self.settings(c, auth, (None, wish.application)));
        (tls, found.defect)
    }

    /// Why nobody can be shown the certificate of `secret`; `None`: it can be used.
    pub(crate) fn defect(
        &mut self,
        secrets: &Entries<Secret>,
        secret: &ObjectRef,
        now: SystemTime,
    ) -> Option<SecretDefect> {
        let found = self.secrets.certificate(secrets, secret, now);
        found.defect.filter(|_| found.certificate.is_none())
    }

    /// Says what all listeners of Gateways use from now on: Secrets, each with the object that
    /// names it, and settings.
    pub(crate) fn hold(
        &mut self,
        secrets: BTreeSet<(ObjectRef, ObjectRef)>,
        settings: HashSet<ServerTlsId>,
    ) {
        secrets.iter().for_each(|(secret, user)| self.secrets.acquire(secret, user));
        for (secret, user) in self.by_listeners.difference(&secrets) {
            self.secrets.release(secret, user);
        }
        (self.by_listeners, self.of_listeners) = (secrets, settings);
        self.secrets.forget_unused();
        self.forget_settings();
    }

    /// Marks what uses a Secret that changed, or of which time made something else.
    pub(crate) fn touch_secrets<'a>(
        &mut self,
        dirty: impl Iterator<Item = &'a ObjectRef>,
        sources: Sources<'_>,
        touched: &mut Touched,
    ) {
        let due = self.secrets.due(sources.now);
        let is_of_listener =
            |due: &ObjectRef| self.by_listeners.iter().any(|(held, _)| held == due);
        if due.iter().any(is_of_listener) {
            self.edition = self.edition.wrapping_add(1);
        }
        let secrets = dirty.cloned().chain(due);
        for user in
            secrets.flat_map(|secret| self.secrets.users(&secret).cloned().collect::<Vec<_>>())
        {
            if let Some(claim) = sources.claims.get(&user) {
                touched.names.extend(names_of(claim));
                touched.ingresses.insert(user);
            }
        }
    }

    /// Server names and default for the model.
    pub(crate) fn server_names(&self) -> (Vec<Arc<ServerName>>, Option<ServerTlsId>) {
        let names = self.names.values().filter_map(|built| built.name.clone()).collect();
        (names, self.default_tls)
    }

    /// What clients of each name get to see, then what all others do.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = HostCertificate> {
        let names = self.names.iter().filter_map(|(pattern, built)| {
            let certificate = Arc::clone(built.certificate.as_ref()?);
            let default = self.default_secret.as_ref().filter(|_| built.uses_default);
            let secret = built.secret.as_ref().or(default).cloned();
            Some(HostCertificate { host: pattern.to_string(), secret, certificate })
        });
        let default = self.default_certificate.iter().map(|certificate| {
            let is_own = self.self_signed.as_ref().is_some_and(|own| Arc::ptr_eq(own, certificate));
            let secret = self.default_secret.clone().filter(|_| !is_own);
            HostCertificate { host: "_".into(), secret, certificate: Arc::clone(certificate) }
        });
        names.chain(default)
    }

    /// What the ids stand for that these name.
    pub(crate) fn server_tls(&self) -> &Arc<ServerTlsById> {
        &self.server_tls
    }

    /// What TLS means for the rules of `pattern`.
    pub(crate) fn host(&self, pattern: &HostPattern) -> HostTls {
        let own = self.names.get(pattern).map(|built| built.host.clone()).unwrap_or_default();
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
        let are_keys_new = self.ticket_keys.update(sources.secrets, sources.broken);
        if std::mem::take(&mut self.are_terms_new) | are_keys_new {
            // Settings hold the keys and the terms that they were made with.
            self.settings.clear();
            self.edition = self.edition.wrapping_add(1);
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
            let known = sources.claims.hosts().chain(self.claims.keys());
            let follow = known.filter(|p| parent_of(p).is_some_and(|p| below.contains(&p)));
            let follow: BTreeSet<HostPattern> = follow.cloned().collect();
            built.hosts.extend(follow.iter().filter(|p| sources.claims.is_served(p)).cloned());
            others.extend(follow);
        }
        for pattern in others {
            self.build_name(sources, &pattern, &mut built);
        }
        if is_touched || built.is_changed {
            self.secrets.forget_unused();
        }
        if built.is_changed {
            self.forget_settings();
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
        self.default_tls =
            certificate.as_ref().and_then(|c| self.settings(c, &no_auth, (None, None)));
        self.default_certificate = certificate;
        true
    }

    /// Tells an Ingress what is wrong with the Secrets it uses.
    fn tell(&mut self, sources: Sources<'_>, reference: &ObjectRef) {
        self.problems.remove(reference);
        let Some(claim) = sources.claims.get(reference) else { return };
        let mut report = claim.report();
        for (index, entry) in claim.certificates.entries().iter().enumerate() {
            let Some(secret) = &entry.secret else { continue };
            let found = self.secrets.certificate(sources.secrets, secret, sources.now);
            if !found.defect.as_ref().is_some_and(|defect| sources.is_told(defect)) {
                tell_found(&mut report, index, entry, secret, &found);
            }
        }
        if let Some(ClientCertificates::Demanded { secret, demand, .. }) =
            &claim.settings.client_auth
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
        candidate: Candidate<'_>,
        own: &mut Report<'_>,
        others: &mut Report<'_>,
    ) {
        let claim = candidate.claim;
        self.review_secrets(sources, claim, others);
        let Settings { passthrough, client_auth, .. } = &*claim.settings;
        for pattern in claim.routes.keys() {
            if *passthrough {
                match passed_through(claim, pattern) {
                    _ if !candidate.is_first(pattern) => {
                        others.error(not_passed_through(pattern, NOT_FIRST));
                    }
                    Err(why) => own.error(not_passed_through(pattern, why)),
                    Ok(_) if candidate.closed_by(pattern).is_some() => {
                        others.error(not_passed_through(pattern, CLOSED));
                    }
                    Ok(_) => {}
                }
            }
            let Some(wanted) = client_auth else { continue };
            let oldest = self.names.get(pattern).and_then(|built| built.auth_by.as_ref());
            match oldest.and_then(|oldest| candidate.older(oldest)) {
                Some(oldest) if oldest.settings.client_auth.as_ref() != Some(wanted) => {
                    others.error(auth_conflict(pattern, &oldest.owner));
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

    fn review_secrets(&self, sources: Sources<'_>, claim: &Claim, report: &mut Report<'_>) {
        let entries = claim.certificates.entries().iter().enumerate();
        let with_secret = entries.filter_map(|(index, e)| Some((index, e, e.secret.as_ref()?)));
        for (index, entry, secret) in with_secret.take(REVIEWED_SECRETS_MAX) {
            let found = self.secrets.peek_certificate(sources.secrets, secret, sources.now);
            if let Some(found) = found {
                tell_found(report, index, entry, secret, &found);
            }
        }
        if let Some(ClientCertificates::Demanded { secret, demand, .. }) =
            &claim.settings.client_auth
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
        if new.host != old.host && sources.claims.is_served(pattern) {
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
        let claimants: Vec<&Claim> =
            claims.filter_map(|reference| sources.claims.get(reference)).collect();
        let source = sources.claims.source(pattern);
        let is_behind = |claim: &&Claim| match &source {
            Some(source) => claim.routes.contains_key(source.host()),
            None => true,
        };
        let claimants: Vec<&Claim> = claimants.into_iter().filter(is_behind).collect();
        built.host.has_entry = match &source {
            // As in ingress-nginx, where a certificate of the host counts that covers the name.
            Some(_) => matches!(self.certificate(sources, pattern, &claimants), Choice::Own { .. }),
            None => claimants.iter().any(|claim| !claim.certificates.entries().is_empty()),
        };
        let passthrough = passthrough(sources.claims, pattern, &mut built.problems);
        let auth = self.auth(sources, pattern, &mut built);
        if *pattern == HostPattern::Any {
            return built;
        }
        if let Some((backend, origin)) = passthrough {
            built.is_special = true;
            let backends = vec![WeightedBackend::only(BackendTarget::Service(backend))];
            let action = TlsAction::Passthrough { backends, send_proxy: false };
            let pattern = pattern.clone();
            let section = None;
            built.name = Some(Arc::new(ServerName { pattern, action, section, origin }));
            return built;
        }
        built.is_special = auth.is_some();
        let parent = parent_of(pattern).and_then(|parent| self.names.get(&parent));
        let special_parent = parent
            .filter(|parent| parent.is_special && sources.claims.is_served(pattern))
            .map(|parent| (parent.certificate.clone(), parent.name.clone()));
        let (found, origin) = match self.certificate(sources, pattern, &claimants) {
            Choice::Own { certificate, owner, secret } => {
                built.secret = Some(secret);
                (Some(certificate), Some(owner))
            }
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
        // Of several Ingresses the oldest that names some decides.
        let suites = || sources.claims.behind(pattern).find_map(|c| c.settings.suites.clone());
        let tls = certificate.as_ref().and_then(|c| self.settings(c, &auth, (suites(), None)));
        built.host.is_denied |= tls.is_none() && built.is_special;
        if let (Some(tls), Some(origin)) = (tls, origin) {
            let action = TlsAction::Terminate(tls);
            let (pattern, section) = (pattern.clone(), None);
            built.name = Some(Arc::new(ServerName { pattern, action, section, origin }));
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
            .claims
            .behind(pattern)
            .filter_map(|claim| Some((claim, claim.settings.client_auth.as_ref()?)));
        let (winner, wanted) = with_auth.next()?;
        built.auth_by = Some(winner.owner.clone());
        for (claim, _) in with_auth.filter(|(_, other)| *other != wanted) {
            let mut report = claim.report();
            report.error(auth_conflict(pattern, &winner.owner));
            built.problems.extend(report.finish());
        }
        let auth = match wanted {
            ClientCertificates::Off => {
                built.host.identity = ClientIdentityPolicy::Told;
                return None;
            }
            ClientCertificates::Invalid => None,
            ClientCertificates::Demanded { .. } if *pattern == HostPattern::Any => {
                let mut report = winner.report();
                report.error(auth_without_host());
                built.problems.extend(report.finish());
                None
            }
            ClientCertificates::Demanded { secret, demand, passes_certificate, policy } => {
                built.host.certificate.clone_from(policy);
                built.host.identity = match passes_certificate {
                    true => ClientIdentityPolicy::WithCertificate,
                    false => ClientIdentityPolicy::Told,
                };
                self.secrets.client_auth(sources.secrets, secret, *demand).ok()
            }
        };
        built.host.is_denied = auth.is_none();
        auth.map(|auth| (auth, winner.owner.clone()))
    }

    /// The certificate of a host: the oldest Ingress that yields one decides. Within it, the
    /// entries that list the host do; where none does, any whose certificate covers it.
    fn certificate(
        &mut self,
        sources: Sources<'_>,
        pattern: &HostPattern,
        claimants: &[&Claim],
    ) -> Choice {
        let host = pattern.to_string();
        let mut fallback = Choice::None;
        for claim in claimants {
            let listing = claim.certificates.listing(pattern);
            let is_listed = listing.is_some();
            let all = claim.certificates.entries().iter().filter(|_| !is_listed);
            for entry in listing.into_iter().flatten().chain(all) {
                let Some(secret) = &entry.secret else {
                    if is_listed {
                        return Choice::Default(claim.owner.clone());
                    }
                    continue;
                };
                let found = self.secrets.certificate(sources.secrets, secret, sources.now);
                if let Some(certificate) = found.certificate.filter(|c| c.covers(&host)) {
                    let (owner, secret) = (claim.owner.clone(), secret.clone());
                    return Choice::Own { certificate, owner, secret };
                }
            }
            if is_listed && matches!(fallback, Choice::None) {
                fallback = Choice::Default(claim.owner.clone());
            }
        }
        fallback
    }

    /// Lets go of what no name leads to any more.
    fn forget_settings(&mut self) {
        let names = self.names.values().filter_map(|built| built.name.as_ref());
        let of_names = names.filter_map(|name| match name.action {
            TlsAction::Terminate(id) | TlsAction::Relay { tls: id, .. } => Some(id),
            TlsAction::Passthrough { .. } | TlsAction::Nobody => None,
        });
        let of_listeners = self.of_listeners.iter().copied();
        let used: HashSet<ServerTlsId> =
            of_names.chain(self.default_tls).chain(of_listeners).collect();
        if self.server_tls.keys().any(|id| !used.contains(id)) {
            Arc::make_mut(&mut self.server_tls).retain(|id, _| used.contains(id));
            self.settings.retain(|_, id| used.contains(id));
        }
    }

    /// The one set of settings for all three.
    fn settings(
        &mut self,
        certificate: &Arc<Certificate>,
        auth: &Arc<ClientAuth>,
        own: OwnTerms,
    ) -> Option<ServerTlsId> {
        let key = (Arc::as_ptr(certificate).addr(), auth.id(), own);
        if let Some(id) = self.settings.get(&key) {
            return Some(*id);
        }
        let mut terms = self.terms.clone();
        let (_, _, (suites, application)) = &key;
        if let Some(suites) = suites {
            terms.terms.suites = Some(Arc::clone(suites));
        }
        terms.application = application.unwrap_or(terms.application);
        // A pair that was checked makes settings; if not, the default serves.
        let tls = ServerTls::on(&terms, certificate, auth, self.ticket_keys.tickets())
            .inspect_err(|error| tracing::error!(%error, "a certificate cannot be served"))
            .ok()?;
        let id = ServerTlsId(self.made);
        self.made = self.made.saturating_add(1);
        self.settings.insert(key, id);
        Arc::make_mut(&mut self.server_tls).insert(id, tls);
        Some(id)
    }
}

/// Which certificate a host gets, and whose doing it is.
enum Choice {
    Own {
        certificate: Arc<Certificate>,
        owner: ObjectRef,
        secret: ObjectRef,
    },
    Default(ObjectRef),
    /// None of its own: wildcard, then default.
    None,
}

/// `*.` and what follows the first label.
fn parent_of(pattern: &HostPattern) -> Option<HostPattern> {
    let HostPattern::Exact(name) = pattern else { return None };
    let suffix = name.parent()?;
    Some(HostPattern::Wildcard { suffix, depth: WildcardDepth::One })
}
