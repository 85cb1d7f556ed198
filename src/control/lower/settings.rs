//! What an object asks for besides routes, whatever its kind: for its rules, for the whole of its
//! hosts, and for the backends that it names.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::guards::Guards;
use super::path::RoutePath;
use super::snippet::meaning::Snippet;
use crate::filter::{Challenge, NamedPort, Redirect};
use crate::model::{
    BackendKey, BackendProtocol, CanaryCriteria, CertificatePolicy, Dial, DialTls, ErrorPages,
    HostPattern, ObjectRef, Policies, Reach, Replaced,
};
use crate::tls::client_auth::ClientDemand;

/// See the module. By default what an Ingress without annotations asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Settings {
    /// Of its rules; what the host's TLS means for them comes on top.
    pub policies: Policies,
    /// Of its rules.
    pub https_redirect: HttpsRedirect,
    /// The ConfigMap with fields of every answer to its rules.
    pub answer_fields: Option<ObjectRef>,
    /// ConfigMap with further fields of the question to a server of external authentication.
    pub auth_fields: Option<ObjectRef>,
    /// Of its rules: that server is the one of their host. `None`: the one that
    /// [`Policies::external_auth`] names.
    pub auth_of_host: Option<ServerOfHost>,
    /// Of its rules: what all paths of their hosts are as soon as one asks for expressions.
    pub paths: PathStyle,
    /// Of its rules: what paths are rewritten to, as it is written. [`Policies::replacement`] is
    /// what that means.
    pub rewrite_target: Option<Arc<str>>,
    /// Of its rules; `None`: nobody needs a password.
    pub password: Option<PasswordFile>,
    /// Of its hosts: connections go to the backend of the root path as they are.
    pub passthrough: bool,
    /// Of its hosts: cipher suites of TLS 1.2 by their numbers at IANA; `None`: those of all hosts.
    pub suites: Option<Arc<[u16]>>,
    /// Of its hosts; `None`: no client certificate is asked for.
    pub client_auth: Option<ClientCertificates>,
    /// Of its hosts.
    pub answers: Vec<HostAnswer>,
    /// Of its rules: what the redirect to a path with the slash that a request lacks names.
    pub slash_port: NamedPort,
    /// More names of its hosts.
    pub aliases: Vec<HostPattern>,
    /// Its hosts are also reached by their names with or without `www.`.
    pub has_twins: bool,
    /// Nothing of this version may be served.
    pub is_refused: bool,
    /// What keeps clients out and is not supported.
    pub guards: Guards,
    /// Of its rules.
    pub errors: Errors,
    /// Of its backends.
    pub upstream: Upstream,
    pub role: Role,
    /// Of a canary.
    pub canary_sessions: CanarySessions,
    /// Directives of its rules.
    pub snippet: Option<Arc<Snippet>>,
    /// Directives of its hosts; of several objects with some, those of the oldest count.
    pub host_snippet: Option<Arc<Snippet>>,
    /// The objects that are named here.
    pub needs: BTreeSet<ObjectRef>,
}

impl Settings {
    /// Backends besides those of its rules, each with the annotation that names it.
    pub(crate) fn named_backends(&self) -> impl Iterator<Item = (&BackendKey, &'static str)> {
        let auth = self.policies.external_auth.as_ref();
        let auth = auth.filter(|_| self.auth_of_host.is_none());
        let auth = auth.map(|auth| (&auth.server, "auth-url"));
        let mirrors = self.policies.mirrors.iter();
        let mirrors = mirrors.map(|mirror| (&mirror.server, "mirror-target"));
        let locations = self.host_snippet.iter().flat_map(|snippet| &snippet.locations);
        let passes = locations.filter_map(|location| location.snippet.pass.as_ref());
        let passes = passes.flat_map(|pass| &pass.servers);
        let passes = passes.map(|(server, _)| (server, "server-snippet"));
        let errors = self.errors.backend.iter().map(|key| (key, "default-backend"));
        errors.chain(auth).chain(mirrors).chain(passes)
    }

    /// What of them counts for a canary: all else is that of its main Ingress.
    pub(crate) fn of_canary(self) -> Self {
        let policies = Policies::default().balanced_as(&self.policies);
        let Self { role, canary_sessions, is_refused, .. } = self;
        Self { role, canary_sessions, is_refused, policies, ..Self::default() }
    }

    /// Whether not everybody may come in.
    pub(crate) fn is_guarded(&self) -> bool {
        let Policies { addresses, external_auth, .. } = &self.policies;
        let is_kept = addresses.is_some() || external_auth.is_some() || self.password.is_some();
        self.guards.is_closed || is_kept
    }

    pub(crate) fn is_canary(&self) -> bool {
        matches!(self.role, Role::Canary(_))
    }

    /// Whether a path of the object is rewritten. To the same text none is, as in ingress-nginx.
    pub(crate) fn rewrites(&self, path: &str) -> bool {
        self.rewrite_target.as_ref().is_some_and(|target| **target != *path)
    }

    /// Whether any path of the object may do what [`Self::asks_for_expressions`] says.
    pub(crate) fn may_ask_for_expressions(&self) -> bool {
        self.paths == PathStyle::Expressions || self.rewrite_target.is_some()
    }

    /// Whether a path of the object makes all paths of its host expressions.
    pub(crate) fn asks_for_expressions(&self, path: &str) -> bool {
        self.paths == PathStyle::Expressions || self.rewrites(path)
    }
}

/// A server of another name than a Service's, but for its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ServerOfHost {
    pub port: u16,
    pub is_tls: bool,
}

impl ServerOfHost {
    /// As nginx speaks to it: TLS with the name of the server, and nothing verified. A Service says
    /// by itself whether it speaks HTTP/2.
    pub(crate) fn at(self, host: &str) -> BackendKey {
        let Self { port, is_tls } = self;
        let is_address = host.parse::<IpAddr>().is_ok();
        let named = DialTls {
            server_name: Some(host.into()),
            sends_server_name: true,
            ..DialTls::default()
        };
        let dial = Dial {
            protocol: is_tls.then_some(BackendProtocol::Https),
            tls: (is_tls && !is_address).then(|| Arc::new(named)),
            ..Dial::default()
        };
        BackendKey::host(host, port, dial)
    }

    /// The one of a host. A client that may choose the name could have itself believed by a server
    /// of its own: those of wildcards have none.
    pub(crate) fn of(self, pattern: &HostPattern) -> Option<BackendKey> {
        match pattern {
            HostPattern::Exact(name) => Some(self.at(name.as_str())),
            HostPattern::Wildcard { .. } | HostPattern::Any => None,
        }
    }
}

/// Where the users are whose passwords are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PasswordFile {
    pub secret: ObjectRef,
    pub form: UsersForm,
    /// How they are asked.
    pub challenge: Challenge,
}

/// How a Secret holds users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum UsersForm {
    /// An htpasswd file under one key.
    File,
    /// A key for each.
    Map,
}

/// What the hosts of an object answer at one path by themselves, whatever rules say; of several
/// objects with an answer there, the oldest one's counts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HostAnswer {
    pub path: RoutePath,
    pub redirect: Redirect,
    /// The field that asks for it.
    pub field: String,
}

/// When requests over http are redirected to https.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum HttpsRedirect {
    Never,
    /// Where the host has a certificate.
    #[default]
    WithCertificate,
    Always,
}

/// What the texts of paths are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum PathStyle {
    #[default]
    Plain,
    /// Regular expressions.
    Expressions,
}

/// Whether an object has hosts of its own.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Role {
    #[default]
    Main,
    /// It repeats hosts and paths of another one, has none of its own, and gets some of its
    /// requests.
    Canary(Arc<CanaryCriteria>),
}

/// Who answers in the place of a rule's backends, and when.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Errors {
    /// Ascending; empty: nothing is replaced.
    pub statuses: Box<[u16]>,
    pub replaced: Replaced,
    /// `None`: the default backend of the process, and for error pages alone.
    pub backend: Option<BackendKey>,
}

impl Default for Errors {
    fn default() -> Self {
        Self { statuses: Box::default(), replaced: Replaced::All, backend: None }
    }
}

impl Errors {
    /// Error pages, if there are to be any and somebody has them.
    pub(crate) fn pages(&self, default: Option<&BackendKey>) -> Option<Arc<ErrorPages>> {
        if self.statuses.is_empty() {
            return None;
        }
        let backend = self.backend.as_ref().or(default)?.clone();
        let (statuses, replaced) = (self.statuses.clone(), self.replaced);
        Some(Arc::new(ErrorPages { backend, statuses, replaced }))
    }
}

/// Whether the sessions of a canary's main Ingress are its own, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum CanarySessions {
    /// They are: who was served by either stays there, whatever else would choose.
    #[default]
    Sticky,
    /// The canary binds nobody.
    Legacy,
}

/// What clients must prove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ClientCertificates {
    /// A certificate issued by a CA of the Secret.
    Demanded {
        /// With `ca.crt`.
        secret: ObjectRef,
        /// Whether they may do without, and how long their chains may be.
        demand: ClientDemand,
        /// The backend gets the certificate itself.
        passes_certificate: bool,
        /// What else is asked of it.
        policy: Option<Arc<CertificatePolicy>>,
    },
    /// Nothing, in so many words.
    Off,
    /// The author wanted something that cannot be understood: nobody gets in.
    Invalid,
}

/// How backends are spoken to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Upstream {
    pub spoken: Spoken,
    pub tls: DialTls,
    pub reach: Reach,
}

/// What backends are spoken to in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// What the Service port says.
    #[default]
    AsPort,
    As(BackendProtocol),
    /// HTTP, over TLS for clients that came over TLS.
    AsClient,
}

impl Upstream {
    /// What that means for one Service. Two that come to the same are equal, and share a pool.
    pub(crate) fn dial(&self, namespace: &str, service: &str) -> Dial {
        let protocol = match self.spoken {
            Spoken::AsPort => None,
            Spoken::As(protocol) => Some(protocol),
            Spoken::AsClient => Some(BackendProtocol::Http),
        };
        self.dial_in(protocol, namespace, service)
    }

    /// The same for clients that came over TLS; `None`: there is no difference.
    pub(crate) fn dial_over_tls(&self, namespace: &str, service: &str) -> Option<Dial> {
        let is_other = self.spoken == Spoken::AsClient;
        is_other.then(|| self.dial_in(Some(BackendProtocol::Https), namespace, service))
    }

    fn dial_in(&self, protocol: Option<BackendProtocol>, namespace: &str, service: &str) -> Dial {
        let is_clear = protocol.is_some_and(|protocol| !protocol.is_tls());
        let mut tls = self.tls.clone();
        if !tls.verify && !tls.sends_server_name {
            tls.server_name = None;
        } else if tls.server_name.is_none() {
            tls.server_name = Some(format!("{service}.{namespace}.svc").into());
        }
        let says_nothing = is_clear || tls == DialTls::default();
        let tls = (!says_nothing).then(|| Arc::new(tls));
        Dial { protocol, tls, reach: self.reach, ..Dial::default() }
    }
}
