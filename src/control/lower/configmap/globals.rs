//! What holds for all objects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::control::lower::ingress::annotations::row::Risk;
use crate::control::lower::options::LowerOptions;
use crate::control::lower::settings::{ServerOfHost, Settings};
use crate::control::lower::snippet::meaning::{Names, Snippet};
use crate::model::{
    Defaults, Downstream, ExternalAuthPolicy, Hsts, ObjectRef, Pools, RetryCause, StreamPolicy,
};
use crate::tls::server_terms::ServerTerms;

/// What holds for all objects: what flags say, and over it what the ConfigMap says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Globals {
    /// Where a rule says nothing.
    pub defaults: Defaults,
    /// How clients are treated before it is known what they ask for.
    pub downstream: Downstream,
    /// What hosts with a TLS entry say.
    pub hsts: Hsts,
    /// What clients are offered of TLS.
    pub tls: ServerTerms,
    /// Who asks for a name that no host has.
    pub unknown_names: UnknownNames,
    /// Values of annotations, by their names, where an Ingress says nothing or nothing usable.
    pub(in crate::control::lower) annotations: BTreeMap<&'static str, Box<str>>,
    /// What an Ingress without annotations asks for.
    pub(in crate::control::lower) nothing: Arc<Settings>,
    /// Values of annotations that say which server is asked about requests of Ingresses that name
    /// none.
    pub(in crate::control::lower) auth_annotations: BTreeMap<&'static str, Box<str>>,
    /// What they come to.
    pub(in crate::control::lower) auth: GeneralAuth,
    /// Beginnings of paths that need neither a password nor another server's word; `None`: those of
    /// ACME.
    pub(crate) no_auth: Option<Paths>,
    /// Beginnings of paths that are served over http; `None`: those of ACME.
    pub(crate) no_tls_redirect: Option<Paths>,
    /// Status of the redirect to https, and to the other name of a host; `None`: 308.
    pub redirect_status: Option<u16>,
    /// Words that no annotation may have.
    pub forbidden_words: Box<[Box<str>]>,
    /// What paths may be that are no expressions.
    pub path_check: PathCheck,
    /// How connections to backends are kept.
    pub pools: Pools,
    /// How connections of TCP services are relayed.
    pub streams: StreamPolicy,
    /// ConfigMaps with fields for all.
    pub field_maps: FieldMaps,
    /// Fields that `custom-headers` may set, in lower case.
    pub allowed_answer_fields: BTreeSet<Box<str>>,
    /// Where the objects may be that an Ingress names.
    pub naming: NamingScope,
    /// After which failures requests are repeated besides those that an Ingress names.
    pub extra_retry_cause: Option<RetryCause>,
    /// What keeps clients out of all rules could never be understood.
    pub is_closed: bool,
    /// As much may depend on an annotation.
    pub risk_max: Risk,
    /// Whether directives that Ingresses have are read.
    pub allows_snippets: bool,
    /// Directives that all hosts inherit, and variables that all directives know; `None`: none.
    pub(in crate::control::lower) http_snippet: Option<Arc<Snippet>>,
    /// Directives of all rules.
    pub location_snippet: Box<str>,
    /// Directives of all hosts.
    pub server_snippet: Box<str>,
}

/// What becomes of directives that an Ingress has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnippetPolicy {
    /// Nothing of the Ingress is served.
    Refused,
    /// They are not read.
    Dropped,
    /// They are read.
    Read,
}

impl Globals {
    /// Those of flags alone.
    #[must_use]
    pub fn of_flags(options: &LowerOptions) -> Self {
        let &LowerOptions { ref defaults, ref downstream, hsts, .. } = options;
        let (defaults, downstream) = (defaults.clone(), downstream.clone());
        Self { defaults, downstream, hsts, ..Self::default() }
    }

    /// What becomes of directives that Ingresses have.
    #[must_use]
    pub fn snippets(&self) -> SnippetPolicy {
        match (self.risk_max, self.allows_snippets) {
            (Risk::Critical, true) => SnippetPolicy::Read,
            (Risk::Critical, false) => SnippetPolicy::Dropped,
            _ => SnippetPolicy::Refused,
        }
    }

    /// What all directives may name.
    pub(in crate::control::lower) fn names(&self) -> &Names {
        static NONE: Names = Names {
            maps: BTreeMap::new(),
            rates: BTreeMap::new(),
            opens: BTreeMap::new(),
            upstreams: BTreeMap::new(),
            log_forms: BTreeMap::new(),
        };
        self.http_snippet.as_ref().map_or(&NONE, |snippet| &snippet.names)
    }

    /// Whether objects come to the same by both. The rest is for the model as a whole.
    pub(in crate::control::lower) fn is_same_for_objects(&self, other: &Self) -> bool {
        let of_other = Self {
            // Directives are put over these two.
            defaults: Defaults {
                compression: Arc::clone(&other.defaults.compression),
                ..self.defaults.clone()
            },
            downstream: Downstream {
                forwarded: other.downstream.forwarded.clone(),
                ..self.downstream.clone()
            },
            pools: self.pools,
            streams: self.streams,
            field_maps: self.field_maps.clone(),
            tls: self.tls.clone(),
            unknown_names: self.unknown_names,
            ..other.clone()
        };
        *self == of_other
    }
}

/// What becomes of clients of TLS that ask for a name without a certificate, or for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownNames {
    /// They get the default certificate.
    #[default]
    Served,
    /// They get no connection.
    Rejected,
}

/// Beginnings of paths.
pub(crate) type Paths = Arc<[Box<str>]>;

/// What holds for rules of objects that name no server of external authentication.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::control::lower) enum GeneralAuth {
    /// Nobody is asked.
    #[default]
    Nobody,
    /// This server is; of the second, if it is there, the one of each host.
    Asked(ExternalAuthPolicy, Option<ServerOfHost>),
    /// What is said of it cannot be understood: nobody gets in.
    Closed,
}

/// What texts of paths are checked for that are Exact or Prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PathCheck {
    /// They are letters, digits and `-._/`.
    #[default]
    Strict,
    /// They are what they are.
    Lenient,
}

/// ConfigMaps with fields for all requests and responses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldMaps {
    /// `add-headers`.
    pub answer: Option<ObjectRef>,
    /// `proxy-set-headers`.
    pub upstream: Option<ObjectRef>,
    /// Whether backends are told the target as it was sent.
    pub original_target: bool,
}

impl FieldMaps {
    /// The objects.
    pub fn named(&self) -> impl Iterator<Item = &ObjectRef> {
        self.answer.iter().chain(&self.upstream)
    }
}

/// Where the objects may be that an object names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NamingScope {
    /// In its own namespace.
    #[default]
    Own,
    /// In any.
    Any,
}
