//! What texts of several levels come to together: those of a host hold for its rules as far as
//! nginx lets rules inherit them.

use std::num::NonZeroU64;
use std::sync::Arc;

use super::meaning::{Access, Change, Replaced, Returned, Snippet};
use crate::control::lower::configmap::globals::Globals;
use crate::control::lower::ingress::annotations::telemetry;
use crate::control::lower::settings::{Settings, Upstream};
use crate::filter::script::{Block, Intercepts, Script};
use crate::filter::{
    AddressRanges, AddressRules, Believed, ClientLimits, ExternalAuth, ForwardedPolicy, MediaTypes,
    Pace, ReturnedPlaces, Substitutions, Text, Variable,
};
use crate::model::{AccessLog, ExternalAuthPolicy, Policies, ServerField};

/// Puts what annotations could say, too, into the settings of the rules that the text is about.
pub(crate) fn apply(snippet: &Snippet, settings: &mut Settings) {
    apply_changes(snippet, &mut settings.policies);
    apply_tls(snippet, &mut settings.upstream);
    for change in &snippet.changes {
        match change {
            Change::NoPassword => settings.password = None,
            Change::NoExternalAuth => settings.policies.external_auth = None,
            _ => {}
        }
    }
}

/// What it says of policies. Of a rate counts first how much there is of it.
fn apply_changes(snippet: &Snippet, policies: &mut Policies) {
    let (after, others): (Vec<_>, Vec<_>) =
        snippet.changes.iter().partition(|change| matches!(change, Change::RateAfter(_)));
    others.into_iter().chain(after).for_each(|change| change.apply(policies));
}

/// What it says of TLS towards backends.
pub(crate) fn apply_tls(snippet: &Snippet, upstream: &mut Upstream) {
    for change in &snippet.changes {
        match change {
            Change::TlsName(name) => upstream.tls.server_name = Some(Arc::clone(name)),
            Change::SendsTlsName(sends) => upstream.tls.sends_server_name = *sends,
            Change::VerifiesTls(verifies) => upstream.tls.verify = *verifies,
            Change::TlsDepth(depth) => upstream.tls.depth = Some(*depth),
            Change::TlsVersion(version) => upstream.tls.version = *version,
            Change::TlsSuites(suites) => upstream.tls.suites = Some(Arc::clone(suites)),
            _ => {}
        }
    }
}

impl Change {
    fn apply(&self, policies: &mut Policies) {
        let Policies { timeouts, retry, .. } = policies;
        match self {
            Self::ConnectTimeout(time) => timeouts.connect = Some(*time),
            Self::SendTimeout(time) => timeouts.send = Some(*time),
            Self::ReadTimeout(time) => timeouts.read = Some(*time),
            Self::BodyBytesMax(size) => policies.body_bytes_max = Some(*size),
            Self::Version(version) => policies.upstream_version = *version,
            Self::Connection(option) => policies.connection = Some(*option),
            Self::NoAccessLog => policies.access_log = AccessLog::LeftOut,
            Self::LogForm(form) => policies.log_form = Some(Arc::clone(form)),
            Self::Tries(tries) => retry.tries = Some(*tries),
            Self::TriesTime(time) => retry.time = Some(*time),
            Self::Causes(causes, statuses) => {
                retry.causes = Some(*causes);
                retry.statuses.clone_from(statuses);
            }
            Self::RateStatus(status) => policies.rate_status = Some(*status),
            Self::OpenStatus(status) => policies.open_status = Some(*status),
            Self::Rate(rate) => {
                let after_bytes = policies.pace.map_or(0, |pace| pace.after_bytes);
                let pace = NonZeroU64::new(*rate);
                policies.pace = pace.map(|bytes_per_second| Pace { bytes_per_second, after_bytes });
            }
            Self::RateAfter(after_bytes) => {
                let pace = policies.pace;
                policies.pace = pace.map(|pace| Pace { after_bytes: *after_bytes, ..pace });
            }
            Self::Method(method) => policies.method = Some(method.clone()),
            Self::PassesServer => policies.server = Some(ServerField::OfBackend),
            Self::TlsName(_)
            | Self::SendsTlsName(_)
            | Self::VerifiesTls(_)
            | Self::TlsDepth(_)
            | Self::TlsVersion(_)
            | Self::TlsSuites(_)
            | Self::NoExternalAuth
            | Self::NoPassword => {}
        }
    }
}

/// What the texts of a rule and of its host add to its policies.
pub(crate) fn policies(
    policies: Policies,
    own: Option<&Snippet>,
    host: Option<&Snippet>,
    globals: &Globals,
) -> Policies {
    if own.is_none() && host.is_none() {
        return policies;
    }
    let (none, nothing) = (Snippet::default(), Snippet::default());
    let (own, host) = (own.unwrap_or(&none), host.unwrap_or(&nothing));
    // Every rule has fields of its own for the backend, and says itself what becomes of places.
    let mut around = host.clone();
    around.returned =
        Returned { cookie_flags: around.returned.cookie_flags, ..Returned::default() };
    if let Some(first) = around.blocks.first_mut() {
        first.sent = Box::default();
    }
    around.host = None;
    levels(policies, own, &around, globals)
}

/// Of each kind what the innermost says that says any: in nginx each is a module of its own.
fn limits(outer: &[Arc<ClientLimits>], inner: &[Arc<ClientLimits>]) -> Vec<Arc<ClientLimits>> {
    let is_said = |has_rate: bool| inner.iter().any(|own| own.has_rate() == has_rate);
    let kept = outer.iter().filter(|limits| !is_said(limits.has_rate()));
    kept.chain(inner).cloned().collect()
}

/// What the texts of a location or a rule, and what it inherits, add to policies.
fn levels(policies: Policies, own: &Snippet, host: &Snippet, globals: &Globals) -> Policies {
    let script = script(own, host);
    let access = if own.access.is_empty() { &host.access } else { &own.access };
    let addresses = addresses(policies.addresses.clone(), access);
    let has_form = own.changes.iter().any(|change| matches!(change, Change::LogForm(_)));
    let is_unlogged = !has_form && host.changes.contains(&Change::NoAccessLog);
    let access_log = if is_unlogged { AccessLog::LeftOut } else { policies.access_log };
    let external_auth = policies.external_auth.clone().map(|auth| remembering(auth, &script));
    let general = telemetry::general(globals);
    let trace = host.traced.under(policies.trace.as_ref(), &general);
    // What no rule of ingress-nginx says unless its owner does.
    let mut inherited = Policies::default();
    apply_changes(host, &mut inherited);
    Policies {
        rate_status: policies.rate_status.or(inherited.rate_status),
        open_status: policies.open_status.or(inherited.open_status),
        pace: policies.pace.or(inherited.pace),
        log_form: policies.log_form.clone().or(inherited.log_form),
        zone_limits: limits(&host.limits, &own.limits).into(),
        addresses,
        access_log,
        external_auth,
        substitutions: substitutions(own, host).or(policies.substitutions),
        returned_places: returned_places(
            policies.returned_places,
            &host.returned.around(&own.returned),
        ),
        compression: host
            .codings
            .around(&own.codings)
            .over(&globals.defaults.compression)
            .or(policies.compression),
        forwarded: forwarded(own, host, &globals.downstream.forwarded),
        trace: own.traced.over(trace, &general),
        satisfy: own.satisfy.or(host.satisfy).unwrap_or(policies.satisfy),
        upstream_host: own.host.clone().or_else(|| host.host.clone()).or(policies.upstream_host),
        script: (!script.is_empty()).then(|| Arc::new(script)),
        ..policies
    }
}

/// Whose word counts on clients' addresses. Nginx takes an address once, as the host and the
/// ConfigMap say; a rule is asked only where neither says anything.
fn forwarded(
    own: &Snippet,
    host: &Snippet,
    base: &ForwardedPolicy,
) -> Option<Arc<ForwardedPolicy>> {
    let is_said = base.believed != Believed::Nothing || host.forwarded.trusted.is_some();
    let said = if is_said { host.forwarded.clone() } else { host.forwarded.around(&own.forwarded) };
    said.over(base)
}

/// The policies of a location. It has no others: what rules of the host ask of clients, it does
/// not.
pub(crate) fn location_policies(
    own: &Snippet,
    host: &Snippet,
    base: Policies,
    globals: &Globals,
) -> Policies {
    let mut around = host.clone();
    // As in nginx, what is sent is sent as one place says it.
    if own.host.is_some() || own.blocks.first().is_some_and(|block| !block.sent.is_empty()) {
        around.host = None;
        around.blocks.iter_mut().for_each(|block| block.sent = Box::default());
    }
    let trace = host.traced.over(base.trace.clone(), &telemetry::general(globals));
    let base = Policies { trace, ..base };
    let mut policies = levels(base, own, &around, globals);
    apply_changes(host, &mut policies);
    apply_changes(own, &mut policies);
    if let Some(pass) = &own.pass {
        policies.upstream_host.get_or_insert_with(|| Text::literal(&pass.authority));
    }
    policies
}

fn script(own: &Snippet, host: &Snippet) -> Script {
    let empty = Block::default();
    let of_host = host.blocks.first().unwrap_or(&empty);
    let (first, ifs) = own.blocks.split_first().unwrap_or((&empty, &[]));
    let first = within(of_host, first);
    let ifs = ifs.iter().map(|block| within(&first, block));
    let mut hidden = host.hidden.clone();
    hidden.append(&own.hidden);
    let media_type = own.media_type.as_deref().or(host.media_type.as_deref());
    Script {
        host: host.steps.clone().into(),
        rule: own.steps.clone().into(),
        of_auth: own.of_auth.clone().into(),
        hidden,
        // As ingress-nginx has it where nothing is said.
        media_type: media_type.unwrap_or("text/html").into(),
        intercepts: own.intercepts.or(host.intercepts).unwrap_or(Intercepts::Ours),
        blocks: std::iter::once(first.clone()).chain(ifs).collect(),
    }
}

/// What becomes of places: of each kind what the innermost says that says anything.
fn returned_places(
    before: Option<Arc<ReturnedPlaces>>,
    said: &Returned,
) -> Option<Arc<ReturnedPlaces>> {
    fn instead<T: Clone>(place: &mut Box<[T]>, said: &Option<Vec<T>>) {
        if let Some(list) = said {
            *place = list.as_slice().into();
        }
    }
    if *said == Returned::default() {
        return before;
    }
    let mut places = before.as_deref().cloned().unwrap_or_default();
    instead(&mut places.location, &said.location);
    instead(&mut places.cookie_domain, &said.cookie_domain);
    instead(&mut places.cookie_path, &said.cookie_path);
    instead(&mut places.cookie_flags, &said.cookie_flags);
    (places != ReturnedPlaces::default()).then(|| Arc::new(places))
}

/// A rule with texts of its own replaces none of its host's.
fn substitutions(own: &Snippet, host: &Snippet) -> Option<Arc<Substitutions>> {
    let said = [own, host].into_iter().find(|text| !text.replaced.pairs.is_empty())?;
    let pairs = said.replaced.pairs.iter().cloned();
    // They were counted before.
    let mut all = Substitutions::new(pairs).ok()?;
    let (own, host) = (&own.replaced, &host.replaced);
    all.times = own.times.or(host.times).unwrap_or(all.times);
    let types = if own.types.is_empty() { &host.types } else { &own.types };
    all.types = MediaTypes::new(types.iter().map(|name| &**name));
    all.keeps_validators = own.keeps_validators || host.keeps_validators;
    Some(Arc::new(all))
}

/// A block within another one: what is changed is changed behind the outer changes, what is added
/// is added in their place.
fn within(outer: &Block, inner: &Block) -> Block {
    fn behind<T: Clone>(outer: &[T], inner: &[T]) -> Box<[T]> {
        outer.iter().chain(inner).cloned().collect()
    }
    fn instead<T: Clone>(outer: &[T], inner: &[T]) -> Box<[T]> {
        if inner.is_empty() { outer.into() } else { inner.into() }
    }
    Block {
        received: behind(&outer.received, &inner.received),
        sent: behind(&outer.sent, &inner.sent),
        answered: behind(&outer.answered, &inner.answered),
        added: instead(&outer.added, &inner.added),
        errors: instead(&outer.errors, &inner.errors),
        log: inner.log,
    }
}

/// What annotations say comes before `allow` and `deny`, and a list of those who may come in leaves
/// nothing to say.
///
/// Source: nginx, module `ngx_http_access_module`.
fn addresses(
    said: Option<Arc<AddressRules>>,
    access: &[(Access, Box<str>)],
) -> Option<Arc<AddressRules>> {
    if access.is_empty() || said.as_ref().is_some_and(|rules| rules.allow.is_some()) {
        return said;
    }
    let deny = said.map(|rules| rules.deny.clone()).unwrap_or_default();
    Some(Arc::new(AddressRules { deny, allow: Some(admitted(access)) }))
}

/// Who is let in. Of `allow` and `deny` the first that an address is in counts.
pub(super) fn admitted(access: &[(Access, Box<str>)]) -> AddressRanges {
    let mut allow = AddressRanges::everybody();
    for (access, word) in access.iter().rev() {
        let ranges = match &**word {
            "all" => AddressRanges::everybody(),
            // It was read before.
            word => AddressRanges::parse(word).unwrap_or_default(),
        };
        allow = match access {
            Access::Allow => allow.and(&ranges),
            Access::Deny => allow.without(&ranges),
        };
    }
    allow
}

/// The question, with the names of fields whose values variables take.
fn remembering(auth: ExternalAuthPolicy, script: &Script) -> ExternalAuthPolicy {
    let texts = script.of_auth.iter().flat_map(|(_, text)| text.variables());
    let names: Box<[Box<str>]> = texts
        .filter_map(|variable| match variable {
            Variable::Answered(name) => Some(name.clone()),
            _ => None,
        })
        .collect();
    if names.is_empty() {
        return auth;
    }
    let question = ExternalAuth { remembered: names, ..ExternalAuth::clone(&auth.question) };
    ExternalAuthPolicy { question: Arc::new(question), ..auth }
}

/// The text of a host within the one for all hosts.
pub(crate) fn inherit(outer: &Snippet, inner: Snippet) -> Snippet {
    let empty = Block::default();
    let of_outer = outer.blocks.first().unwrap_or(&empty);
    let first = within(of_outer, inner.blocks.first().unwrap_or(&empty));
    let mut hidden = outer.hidden.clone();
    hidden.append(&inner.hidden);
    let replaced =
        if inner.replaced == Replaced::default() { &outer.replaced } else { &inner.replaced };
    Snippet {
        blocks: std::iter::once(first).chain(inner.blocks.into_iter().skip(1)).collect(),
        hidden,
        replaced: replaced.clone(),
        access: if inner.access.is_empty() { outer.access.clone() } else { inner.access },
        limits: limits(&outer.limits, &inner.limits),
        satisfy: inner.satisfy.or(outer.satisfy),
        intercepts: inner.intercepts.or(outer.intercepts),
        media_type: inner.media_type.or_else(|| outer.media_type.clone()),
        returned: outer.returned.around(&inner.returned),
        codings: outer.codings.around(&inner.codings),
        forwarded: outer.forwarded.around(&inner.forwarded),
        traced: outer.traced.around(&inner.traced),
        changes: outer.changes.iter().cloned().chain(inner.changes).collect(),
        host: inner.host.or_else(|| outer.host.clone()),
        ..inner
    }
}
