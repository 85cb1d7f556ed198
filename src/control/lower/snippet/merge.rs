//! What texts of several levels come to together: those of a host hold for its rules as far as
//! nginx lets rules inherit them.

use std::sync::Arc;

use super::meaning::{Access, Change, Snippet};
use crate::control::lower::settings::{Settings, Upstream};
use crate::filter::script::{Block, Intercepts, Script};
use crate::filter::{
    AddressRanges, AddressRules, ExternalAuth, MediaTypes, Substitutions, Text, Variable,
};
use crate::model::{AccessLog, ExternalAuthPolicy, Policies};

/// Puts what annotations could say, too, into the settings of the rules that the text is about.
pub(crate) fn apply(snippet: &Snippet, settings: &mut Settings) {
    snippet.changes.iter().for_each(|change| change.apply(&mut settings.policies));
    apply_tls(snippet, &mut settings.upstream);
    for change in &snippet.changes {
        match change {
            Change::NoPassword => settings.password = None,
            Change::NoExternalAuth => settings.policies.external_auth = None,
            _ => {}
        }
    }
}

/// What it says of TLS towards backends.
pub(crate) fn apply_tls(snippet: &Snippet, upstream: &mut Upstream) {
    for change in &snippet.changes {
        match change {
            Change::TlsName(name) => upstream.tls.server_name = Some(Arc::clone(name)),
            Change::SendsTlsName(sends) => upstream.tls.sends_server_name = *sends,
            Change::VerifiesNothing => upstream.tls.verify = false,
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
            Self::Tries(tries) => retry.tries = Some(*tries),
            Self::TriesTime(time) => retry.time = Some(*time),
            Self::TlsName(_)
            | Self::SendsTlsName(_)
            | Self::VerifiesNothing
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
) -> Policies {
    if own.is_none() && host.is_none() {
        return policies;
    }
    let (none, nothing) = (Snippet::default(), Snippet::default());
    let (own, host) = (own.unwrap_or(&none), host.unwrap_or(&nothing));
    let script = script(own, host);
    let access = if own.access.is_empty() { &host.access } else { &own.access };
    let addresses = addresses(policies.addresses.clone(), access);
    let is_unlogged = host.changes.contains(&Change::NoAccessLog);
    let access_log = if is_unlogged { AccessLog::LeftOut } else { policies.access_log };
    let external_auth = policies.external_auth.clone().map(|auth| remembering(auth, &script));
    Policies {
        addresses,
        access_log,
        external_auth,
        substitutions: substitutions(own, host).or(policies.substitutions),
        satisfy: own.satisfy.or(host.satisfy).unwrap_or(policies.satisfy),
        upstream_host: own.host.clone().or(policies.upstream_host),
        script: (!script.is_empty()).then(|| Arc::new(script)),
        ..policies
    }
}

/// The policies of a location. It has no others: what rules of the host ask of clients, it does
/// not.
pub(crate) fn location_policies(own: &Snippet, host: &Snippet, base: Policies) -> Policies {
    let mut policies = policies(base, Some(own), Some(host));
    own.changes.iter().for_each(|change| change.apply(&mut policies));
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
    }
}

/// Of `allow` and `deny` the first that an address is in counts. What annotations say comes before
/// them, and a list of those who may come in leaves nothing to say.
///
/// Source: nginx, module `ngx_http_access_module`.
fn addresses(
    said: Option<Arc<AddressRules>>,
    access: &[(Access, Box<str>)],
) -> Option<Arc<AddressRules>> {
    if access.is_empty() || said.as_ref().is_some_and(|rules| rules.allow.is_some()) {
        return said;
    }
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
    let deny = said.map(|rules| rules.deny.clone()).unwrap_or_default();
    Some(Arc::new(AddressRules { deny, allow: Some(allow) }))
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
