//! What is done with the requests of a rule, resolved: nothing is left open, nothing is overlaid by
//! a request.
//!
//! A plan is compiled once from filters, policies and defaults; equal ones are one, see
//! `shared`.

use std::sync::Arc;
use std::time::Duration;

use super::canary::part;
use crate::filter::script::Audience;
use crate::filter::{
    Binding, Cors, Edit, FieldEdits, Filter, ForwardedPolicy, Gate, Gates, GoesTo, Pace, PathEdit,
};
use crate::filter::{LimitStatuses, LogForm, Mirror, PathReplacement, ReturnedPlaces, Script};
use crate::filter::{Substitutions, Text, TracePlan};
use crate::limits::{RETRY_BACKOFF_MAX, TRIES_MAX};
use crate::model::{
    AccessLog, Balance, CertificatePolicy, ClientIdentityPolicy, CompressionPolicy,
    ConnectionOption, Defaults, ErrorPages, Exhausted, MirrorPolicy, Policies, Replaced,
    RetryCauses, ServerField, Timeouts, UpstreamVersion,
};

/// What we call ourselves, where operators want it told.
const SERVER: &str = "ringway";

/// What is done with the requests of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Plan {
    /// What may keep them back.
    pub gates: Gates,
    /// On the way to the backend.
    pub request: RequestPlan,
    /// On the way to the client.
    pub response: ResponsePlan,
    /// Between the two.
    pub treatment: Treatment,
    /// What is asked of the client's certificate besides.
    pub certificate: Option<Arc<CertificatePolicy>>,
    /// Whether requests are logged.
    pub access_log: AccessLog,
    /// How the line looks; `None`: as all.
    pub log_form: Option<Arc<LogForm>>,
    /// How they are traced; `None`: they are not.
    pub trace: Option<Arc<TracePlan>>,
    /// Whose word on clients counts; `None`: as for all requests.
    pub forwarded: Option<Arc<ForwardedPolicy>>,
    /// What else depends on the request; `None`: nothing.
    pub script: Option<Arc<Script>>,
}

/// What a request becomes on its way to the backend.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct RequestPlan {
    /// New Host.
    pub host: Option<Text>,
    /// New method, of requests other than HEAD.
    pub method: Option<Box<str>>,
    /// Version of HTTP/1.
    pub version: UpstreamVersion,
    /// New path.
    pub path: Option<PathEdit>,
    /// The same of an expression, of what it captured; comes before it.
    pub replacement: Option<Arc<PathReplacement>>,
    /// Its fields.
    pub fields: FieldEdits,
    /// What is said of the connection.
    pub connection: Option<ConnectionOption>,
    /// Further lines, with variables.
    pub texts: Arc<[(Box<str>, Text)]>,
    /// What is told of the client's certificate.
    pub identity: ClientIdentityPolicy,
    /// What copies of it are.
    pub mirrors: Box<[MirrorPlan]>,
}

/// Copies of requests for one server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MirrorPlan {
    /// What each is.
    pub copy: Arc<Mirror>,
    /// Of how many of 2³² requests there is one.
    pub part: u64,
}

/// What a response becomes on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ResponsePlan {
    /// The fields of what a backend answers.
    pub fields: FieldEdits,
    /// Places in what a backend answers that are replaced.
    pub places: Option<Arc<ReturnedPlaces>>,
    /// Value of Strict-Transport-Security, on every answer over https.
    pub hsts: Option<Arc<str>>,
    /// What is set on every answer, whoever makes it.
    pub set: FieldEdits,
    /// Lines that are added to answers of success.
    pub added: Box<[(Box<str>, Box<str>)]>,
    /// What CORS says, where that depends on the request.
    pub cors: Option<Arc<Cors>>,
    /// What becomes of Server.
    pub server: ServerField,
    /// Statuses of a backend's answers that are not passed on, see `Substitutes`; ascending.
    pub replaced_statuses: Box<[u16]>,
    /// Which bodies are compressed; `None`: none.
    pub compression: Option<Arc<CompressionPolicy>>,
    /// Texts that are replaced in bodies; `None`: none.
    pub substitutions: Option<Arc<Substitutions>>,
}

/// How a backend is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Treatment {
    /// For connections, all tries together.
    pub connect_timeout: Duration,
    /// Between two writes.
    pub send_timeout: Duration,
    /// Between two reads.
    pub read_timeout: Duration,
    /// For the whole exchange, tries included; `None`: any.
    pub exchange_timeout: Option<Duration>,
    /// For one try; `None`: any.
    pub try_timeout: Option<Duration>,
    /// Longest request body; `None`: any.
    pub body_bytes_max: Option<u64>,
    /// Tries in all.
    pub tries_max: u32,
    /// How long after the first try another one may begin; zero: at any time.
    pub tries_time: Duration,
    /// What counts as a failed try.
    pub retry_causes: RetryCauses,
    /// Statuses of responses that do, too.
    pub retried_statuses: Box<[u16]>,
    /// Pause before another try; `None`: none.
    pub backoff: Option<Duration>,
    /// What clients are told when no try came to an answer.
    pub exhausted: Exhausted,
    /// How fast the response may go; `None`: as fast as it can.
    pub pace: Option<Pace>,
    /// Choice of an endpoint.
    pub balance: Balance,
    /// What decides ahead of it.
    pub binding: Option<Arc<Binding>>,
}

impl Plan {
    /// What `filters`, in their order, and `policies` come to over `defaults`.
    #[must_use]
    pub fn new(filters: &[Filter], policies: &Policies, defaults: &Defaults) -> Self {
        let treatment = Treatment::new(policies, defaults);
        let limit_statuses = LimitStatuses {
            rate: policies.rate_status.unwrap_or(defaults.limit_statuses.rate),
            open: policies.open_status.unwrap_or(defaults.limit_statuses.open),
        };
        let mut plan = Self {
            gates: gates(filters, policies, &treatment, limit_statuses),
            request: RequestPlan {
                host: policies.upstream_host.clone(),
                method: policies.method.clone(),
                connection: policies.connection,
                replacement: replacement(policies, GoesTo::Backend),
                version: policies.upstream_version,
                identity: policies.client_identity,
                texts: Arc::clone(&defaults.upstream_fields),
                mirrors: policies.mirrors.iter().map(MirrorPlan::new).collect(),
                ..RequestPlan::default()
            },
            response: ResponsePlan::new(policies, defaults),
            treatment,
            certificate: policies.certificate.clone(),
            access_log: policies.access_log,
            log_form: policies.log_form.clone(),
            trace: policies.trace.clone(),
            forwarded: policies.forwarded.clone(),
            script: None,
        };
        // What the password was for is settled here, whoever was let in by something else.
        if policies.password.is_some()
            && let Ok(edits) = FieldEdits::new([], [], ["Authorization"])
        {
            plan.request.fields.append(&edits);
        }
        plan.request.fields.append(&defaults.upstream_set);
        if let Some(script) = &policies.script {
            plan.follow(script);
        }
        for filter in filters {
            if let Filter::Edit(edit) = filter {
                plan.edit(edit);
            }
        }
        plan
    }

    /// What is the same for all requests becomes a part of the plan's own lists.
    fn follow(&mut self, script: &Script) {
        let audience = match self.gates.external_auth() {
            Some(_) => Audience::AuthServer,
            None => Audience::Backend,
        };
        let (constants, rest) = script.split(audience);
        self.request.fields.append(&constants.request);
        self.response.fields.append(&constants.hidden);
        self.response.set.append(&constants.answer);
        self.response.added = constants.added;
        let mut replaced = std::mem::take(&mut self.response.replaced_statuses).into_vec();
        replaced.extend(script.intercepted());
        replaced.sort_unstable();
        replaced.dedup();
        self.response.replaced_statuses = replaced.into();
        self.script = rest.map(Arc::new);
    }

    /// The plan with `edits` behind its own: what a reference to a backend adds.
    #[must_use]
    pub fn with(&self, edits: &[Edit]) -> Self {
        let mut plan = self.clone();
        edits.iter().for_each(|edit| plan.edit(edit));
        plan
    }

    /// How a backend is asked for an answer in the place of another one: it is told by fields what
    /// it is about, and what it says holds.
    #[must_use]
    pub fn for_pages(&self) -> Self {
        let Self {
            gates: _,
            request: _,
            certificate: _,
            response,
            treatment,
            access_log,
            log_form,
            trace,
            forwarded,
            script,
        } = self.clone();
        let path = Some(PathEdit::Full("/".into()));
        Self {
            gates: Gates::default(),
            request: RequestPlan { path, ..RequestPlan::default() },
            response: ResponsePlan { replaced_statuses: Box::default(), ..response },
            treatment: Treatment { retried_statuses: Box::default(), ..treatment },
            certificate: None,
            access_log,
            log_form,
            trace,
            forwarded,
            script,
        }
    }

    /// Of rewrites the last that says something counts.
    fn edit(&mut self, edit: &Edit) {
        let Self { request, response, .. } = self;
        match edit {
            Edit::RequestFields(edits) => request.fields.append(edits),
            Edit::ResponseFields(edits) => response.fields.append(edits),
            Edit::Rewrite(rewrite) => {
                let host = rewrite.hostname.as_deref().map(Text::literal);
                request.host = host.or_else(|| request.host.take());
                request.path = rewrite.path.clone().or_else(|| request.path.take());
            }
        }
    }
}

impl MirrorPlan {
    fn new(policy: &MirrorPolicy) -> Self {
        Self { copy: Arc::clone(&policy.copy), part: part(policy.share) }
    }
}

impl ResponsePlan {
    /// What CORS says counts before what else is set, as in ingress-nginx.
    #[must_use]
    pub fn new(policies: &Policies, defaults: &Defaults) -> Self {
        let compression = policies.compression.as_ref().unwrap_or(&defaults.compression);
        let mut set = FieldEdits::clone(&defaults.answer_fields);
        let server = policies.server.unwrap_or(defaults.server);
        if server == ServerField::Ours
            && let Ok(ours) = FieldEdits::new([("Server", SERVER)], [], [])
        {
            set.append(&ours);
        }
        if let Some(own) = &policies.answer_fields {
            set.append(own);
        }
        let cors = match policies.cors.as_ref().map(|cors| (cors, &**cors)) {
            Some((_, Cors::Any(fields))) => {
                set.append(fields);
                None
            }
            Some((cors, Cors::Listed { .. } | Cors::Route(_))) => Some(Arc::clone(cors)),
            None => None,
        };
        Self {
            fields: FieldEdits::clone(&defaults.hidden_fields),
            server,
            places: policies.returned_places.clone(),
            hsts: policies.hsts.clone(),
            set,
            added: Box::default(),
            cors,
            replaced_statuses: replaced_statuses(policies.error_pages.as_deref()),
            compression: compression.codings.is_on().then(|| Arc::clone(compression)),
            substitutions: policies.substitutions.clone(),
        }
    }
}

impl Treatment {
    fn new(policies: &Policies, defaults: &Defaults) -> Self {
        let Timeouts { request, backend_request, connect, send, read } = policies.timeouts;
        let body_bytes_max = policies.body_bytes_max.or(defaults.body_bytes_max);
        Self {
            connect_timeout: connect.unwrap_or(defaults.connect_timeout),
            send_timeout: send.unwrap_or(defaults.send_timeout),
            read_timeout: read.unwrap_or(defaults.read_timeout),
            exchange_timeout: request.filter(|time| !time.is_zero()),
            try_timeout: backend_request.filter(|time| !time.is_zero()),
            body_bytes_max: body_bytes_max.filter(|&most| most > 0),
            tries_max: policies.retry.tries.unwrap_or(defaults.tries).min(TRIES_MAX),
            tries_time: policies.retry.time.unwrap_or(defaults.tries_time),
            retry_causes: policies.retry.causes.unwrap_or(defaults.retry_causes),
            retried_statuses: policies.retry.statuses.as_slice().into(),
            backoff: policies.retry.backoff.map(|pause| pause.min(RETRY_BACKOFF_MAX)),
            exhausted: policies.retry.exhausted,
            pace: policies.pace,
            balance: policies.balance.unwrap_or(defaults.balance),
            binding: policies.binding.clone(),
        }
    }
}

fn replaced_statuses(pages: Option<&ErrorPages>) -> Box<[u16]> {
    let of_backend = pages.filter(|pages| pages.replaced == Replaced::All);
    of_backend.map(|pages| pages.statuses.clone()).unwrap_or_default()
}

fn replacement(policies: &Policies, goes_to: GoesTo) -> Option<Arc<PathReplacement>> {
    policies.replacement.clone().filter(|replacement| replacement.goes_to == goes_to)
}

/// Of redirects the first counts.
fn gates(
    filters: &[Filter],
    policies: &Policies,
    treatment: &Treatment,
    statuses: LimitStatuses,
) -> Gates {
    let redirect = filters.iter().find_map(|filter| match filter {
        Filter::Redirect(redirect) => Some(Gate::Redirect(redirect.clone())),
        Filter::Edit(_) => None,
    });
    let limits = || policies.limits.iter().chain(&*policies.zone_limits);
    let rate = limits().filter(|limits| limits.has_rate());
    let rate = rate.map(|limits| Gate::Rate(Arc::clone(limits), statuses));
    let open = limits().filter(|limits| limits.open.is_some());
    let open = open.map(|limits| Gate::Open(Arc::clone(limits), statuses));
    let external_auth = policies.external_auth.as_ref().map(|auth| Arc::clone(&auth.question));
    let has_subject = policies.certificate.as_ref().is_some_and(|of| of.subject.is_some());
    let script = || policies.script.as_ref();
    let host_steps = script().filter(|script| !script.host.is_empty()).cloned();
    let rule_steps = script().filter(|script| script.has_rule_phase()).cloned();
    let are_counted = limits().next().is_some() || external_auth.is_some();
    let are_asked = are_counted || policies.addresses.is_some() || policies.password.is_some();
    let gates = [
        has_subject.then_some(Gate::Subject),
        host_steps.map(Gate::HostSteps),
        rule_steps.map(Gate::RuleSteps),
        policies.refusal.map(Gate::Refusal),
        policies.https_redirect.map(|status| Gate::HttpsRedirect(status, policies.https_form)),
        treatment.body_bytes_max.map(Gate::BodySize),
        are_asked.then_some(Gate::Endpoints),
        policies.cors.as_ref().map(|_| Gate::Preflight),
        external_auth.map(Gate::ExternalAuth),
        redirect,
        policies.goto.clone().map(Gate::Goto),
        replacement(policies, GoesTo::Client).map(Gate::Replacement),
        policies.addresses.clone().map(Gate::Addresses),
        policies.password.clone().map(Gate::Password),
    ];
    gates
        .into_iter()
        .flatten()
        .chain(rate)
        .chain(open)
        .collect::<Gates>()
        .satisfying(policies.satisfy)
}
