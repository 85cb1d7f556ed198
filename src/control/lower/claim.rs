//! What one object asks for, whatever its kind: routes for hosts, and how they are to be treated.
//!
//! A claim knows nothing of others. Who gets what, and what a path means, is decided where all
//! claimants of a host are known.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::guards::Guards;
use super::ingress::annotations::row::field as annotation_field;
use super::path::RawPath;
use super::settings::{ClientCertificates, HostAnswer, Settings};
use crate::control::source::object::Provenance;
use crate::control::source::report::Report;
use crate::model::{BackendKey, BackendTarget, HostName, HostPattern, ObjectRef, Origin, Problem};

const WWW: &str = "www.";

/// The other one of a host with and without `www.`; `None`: it has none.
pub(super) fn twin(host: &HostPattern) -> Option<HostPattern> {
    let HostPattern::Exact(name) = host else { return None };
    let twin = match name.as_str().strip_prefix(WWW) {
        Some(bare) => HostName::new(bare),
        None => HostName::new(&format!("{WWW}{name}")),
    };
    twin.ok().map(HostPattern::Exact)
}

/// Orders claims: the oldest first, then by namespace and name. An object that the API server never
/// saw has no age and counts as oldest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Age {
    pub created: Option<Time>,
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

/// One object in our words.
#[derive(Debug)]
pub(super) struct Claim {
    pub owner: ObjectRef,
    pub provenance: Option<Provenance>,
    pub age: Age,
    /// For each host that the object names, in the order of the object.
    pub routes: BTreeMap<HostPattern, Vec<Route>>,
    /// For the paths of these hosts that no rule has.
    pub fallback: Option<Route>,
    /// Those of objects that ask for nothing are one.
    pub settings: Arc<Settings>,
    pub certificates: Certificates,
    /// Backends, each with the place that names it first.
    pub uses: BTreeMap<BackendKey, Place>,
    pub problems: Vec<Arc<Problem>>,
    /// What holds instead of its guards, because of a newer version of which nothing else can be
    /// used.
    pub newer_guards: Option<Guards>,
    /// Errors left nothing that could serve a request.
    pub is_unusable: bool,
}

impl Claim {
    /// The names besides those of its rules that it wants.
    pub(super) fn other_names(&self) -> impl Iterator<Item = HostPattern> {
        let twins = self.routes.keys().filter(|_| self.settings.has_twins).filter_map(twin);
        self.settings.aliases.iter().cloned().chain(twins)
    }

    /// The guards that hold for it.
    pub(super) fn guards(&self) -> &Guards {
        self.newer_guards.as_ref().unwrap_or(&self.settings.guards)
    }

    /// What `newer`, of which nothing can be used, asks of the version in force: no request may
    /// come in that its author wants kept out.
    pub(super) fn guards_of_newer(&self, newer: &Self) -> Option<Guards> {
        let (old, new) = (&*self.settings, &*newer.settings);
        let is_unguarded = new.guards.is_closed && new.guards != old.guards;
        let asks_more = !matches!(new.client_auth, None | Some(ClientCertificates::Off))
            && old.client_auth != new.client_auth;
        let has_other_users = new.password.is_some() && new.password != old.password;
        let (before, after) = (&old.policies, &new.policies);
        let has_other_lists = after.addresses.is_some() && after.addresses != before.addresses;
        let asks_another =
            after.external_auth.is_some() && before.external_auth != after.external_auth;
        let has_other_text = new.snippet.is_some() && new.snippet != old.snippet
            || new.host_snippet.is_some() && new.host_snippet != old.host_snippet;
        let asks_more =
            asks_more || has_other_users || has_other_lists || asks_another || has_other_text;
        (is_unguarded || asks_more).then(|| old.guards.closed_with(&new.guards))
    }

    /// The objects that it names besides backends.
    pub(super) fn needs(&self) -> impl Iterator<Item = &ObjectRef> {
        self.certificates.secrets().chain(&self.settings.needs)
    }

    /// Where it names a backend first, however that is spoken to: canaries are spoken to as what
    /// they stand in for.
    pub(super) fn place_of(&self, key: &BackendKey) -> Option<&Place> {
        let is_it = |used: &BackendKey| used.service == key.service && used.port == key.port;
        let alike = || self.uses.iter().find(|(used, _)| is_it(used)).map(|(_, place)| place);
        self.uses.get(key).or_else(alike)
    }

    /// An empty report on the object.
    pub(super) fn report(&self) -> Report<'_> {
        Report::new(&self.owner, self.provenance.as_ref())
    }

    /// Where a rule of it comes from.
    pub(super) fn origin(&self, place: Place) -> Origin {
        let (rule, path) = match place {
            Place::Default | Place::Annotation(_) => (None, None),
            Place::Path { rule, path } => (Some(rule), Some(path)),
        };
        let position = self.provenance.as_ref().map(|p| p.position(&place.field()));
        Origin { object: self.owner.clone(), rule, path, position }
    }

    /// Where an answer of it comes from.
    pub(super) fn origin_of(&self, answer: &HostAnswer) -> Origin {
        let position = self.provenance.as_ref().map(|p| p.position(&answer.field));
        Origin { object: self.owner.clone(), rule: None, path: None, position }
    }
}

/// One path of one host, as it is written.
#[derive(Debug)]
pub(super) struct Route {
    pub path: RawPath,
    pub target: BackendTarget,
    pub place: Place,
}

/// Where a route stands in its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// `spec.defaultBackend`.
    Default,
    /// By indices.
    Path { rule: u32, path: u32 },
    /// An annotation of the dialect, by its name.
    Annotation(&'static str),
}

impl Place {
    /// The field of it.
    pub(super) fn field(self) -> String {
        match self {
            Self::Default => "spec.defaultBackend".into(),
            Self::Path { rule, path } => format!("spec.rules[{rule}].http.paths[{path}]"),
            Self::Annotation(name) => annotation_field(name),
        }
    }

    /// The field of its backend.
    pub(super) fn backend_field(self) -> String {
        match self {
            Self::Default | Self::Annotation(_) => self.field(),
            Self::Path { .. } => self.field() + ".backend",
        }
    }

    /// What follows where its backend has no endpoint.
    pub(super) fn effect(self) -> &'static str {
        match self {
            Self::Default | Self::Path { .. } => "its requests get status 503",
            Self::Annotation(_) => "it answers no request",
        }
    }
}

/// Which certificates an object has for which hosts.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    entries: Vec<CertificateEntry>,
    /// The entries that list a host, by index.
    listed: BTreeMap<HostPattern, Vec<usize>>,
}

/// One element of `spec.tls`.
#[derive(Debug)]
pub(super) struct CertificateEntry {
    /// With their index in the element. Never [`HostPattern::Any`].
    pub hosts: Vec<(usize, HostPattern)>,
    /// `None`: the default certificate.
    pub secret: Option<ObjectRef>,
}

impl Certificates {
    /// Takes the next element.
    pub(super) fn push(&mut self, entry: CertificateEntry) {
        for (_, host) in &entry.hosts {
            self.listed.entry(host.clone()).or_default().push(self.entries.len());
        }
        self.entries.push(entry);
    }

    pub(super) fn entries(&self) -> &[CertificateEntry] {
        &self.entries
    }

    /// The hosts that some element lists.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &HostPattern> {
        self.listed.keys()
    }

    /// The elements that list the host; `None`: none does.
    pub(super) fn listing(
        &self,
        host: &HostPattern,
    ) -> Option<impl Iterator<Item = &CertificateEntry>> {
        let listing = self.listed.get(host)?;
        Some(listing.iter().filter_map(|index| self.entries.get(*index)))
    }

    fn secrets(&self) -> impl Iterator<Item = &ObjectRef> {
        self.entries.iter().filter_map(|entry| entry.secret.as_ref())
    }
}
