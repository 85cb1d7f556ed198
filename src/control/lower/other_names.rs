//! Names of hosts that no rule has and that lead to one all the same: aliases, and the twin with or
//! without `www.`.

use std::sync::Arc;

use super::claim::{Claim, twin};
use super::claims::Claims;
use super::ingress::annotations::redirects;
use crate::control::source::report::Finding;
use crate::filter::{Destination, Goto};
use crate::model::{
    Host, HostPattern, OnMiss, Origin, PathMatch, Policies, Problem, RequestMatch, Rule,
    WildcardDepth, reason,
};

/// What a name leads to that no rule has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// To the rules of this host.
    Alias(HostPattern),
    /// To this host, by a redirect.
    Twin(HostPattern),
}

impl Source {
    /// The host.
    pub(super) fn host(&self) -> &HostPattern {
        match self {
            Self::Alias(host) | Self::Twin(host) => host,
        }
    }
}

/// Of a wildcard that stands for one label, the one that an alias would be.
pub(super) fn of_any_depth(host: &HostPattern) -> Option<HostPattern> {
    let HostPattern::Wildcard { suffix, depth: WildcardDepth::One } = host else { return None };
    Some(HostPattern::Wildcard { suffix: suffix.clone(), depth: WildcardDepth::Any })
}

impl Claim {
    fn is_alias(&self, pattern: &HostPattern) -> bool {
        self.settings.aliases.contains(pattern)
    }
}

impl Claims {
    /// What a name leads to; `None`: to its own rules, or nowhere. An alias comes before a twin, an
    /// older claim before a younger one.
    pub(super) fn source(&self, pattern: &HostPattern) -> Option<Source> {
        if self.has_real_host(pattern) {
            return None;
        }
        let alias = self.wanting(pattern).find_map(|claim| self.aliased(claim, pattern));
        let twin = || {
            let claim = self.wanting(pattern).find(|claim| claim.settings.has_twins)?;
            let is_it = |host: &&HostPattern| twin(host).as_ref() == Some(pattern);
            claim.routes.keys().find(is_it).cloned()
        };
        alias.map(Source::Alias).or_else(|| twin().map(Source::Twin))
    }

    /// The claims by which a name is answered: to its host or to the one that it stands for.
    pub(super) fn behind(&self, pattern: &HostPattern) -> impl Iterator<Item = &Claim> {
        let alias = match self.source(pattern) {
            Some(Source::Alias(host)) => Some(host),
            Some(Source::Twin(_)) | None => None,
        };
        let claims: Vec<&Claim> = self.of_host(alias.as_ref().unwrap_or(pattern)).collect();
        claims.into_iter()
    }

    /// Whether requests for the name are answered otherwise than by less specific hosts.
    pub(super) fn is_served(&self, pattern: &HostPattern) -> bool {
        self.has_host(pattern) || self.source(pattern).is_some()
    }

    /// The names that follow what becomes of a host.
    pub(super) fn following(&self, host: &HostPattern) -> Vec<HostPattern> {
        let names = self.of_host(host).flat_map(Claim::other_names);
        names.chain(of_any_depth(host)).collect()
    }

    /// What is told to those that want the name and do not get it.
    pub(super) fn names_lost(&self, pattern: &HostPattern) -> Vec<Arc<Problem>> {
        let source = self.source(pattern);
        let of = source.as_ref().map(Source::host);
        let lost = self.wanting(pattern).filter_map(|claim| {
            if of.is_some_and(|host| claim.routes.contains_key(host)) {
                return None;
            }
            let mut report = claim.report();
            report.warning(lost(pattern, of, claim));
            Some(report.finish())
        });
        lost.flatten().collect()
    }

    fn has_real_host(&self, pattern: &HostPattern) -> bool {
        let one_label = match pattern {
            HostPattern::Wildcard { suffix, depth: WildcardDepth::Any } => {
                let (suffix, depth) = (suffix.clone(), WildcardDepth::One);
                self.has_host(&HostPattern::Wildcard { suffix, depth })
            }
            _ => false,
        };
        one_label || self.has_host(pattern)
    }

    /// The host of the claim whose alias it is: of a host the oldest Ingress that has any aliases
    /// says which.
    fn aliased(&self, claim: &Claim, pattern: &HostPattern) -> Option<HostPattern> {
        let decides = |host: &&HostPattern| {
            let mut with_any =
                self.of_host(host).filter(|claim| !claim.settings.aliases.is_empty());
            with_any.next().is_some_and(|first| first.owner == claim.owner)
        };
        let mut hosts = claim.routes.keys().filter(|host| **host != HostPattern::Any);
        claim.is_alias(pattern).then(|| hosts.find(decides).cloned()).flatten()
    }
}

fn lost(pattern: &HostPattern, winner: Option<&HostPattern>, claim: &Claim) -> Finding {
    let (reason, field) = match claim.is_alias(pattern) {
        true => (reason!("AliasNotServed"), redirects::alias_field()),
        false => (reason!("TwinNotServed"), redirects::twin_field()),
    };
    let why = match winner {
        Some(host) => format!("it stands for host {host} already"),
        None => {
            "an Ingress has rules for it, or an older one says which aliases the host has".into()
        }
    };
    Finding {
        reason,
        field,
        message: format!("requests for {pattern} do not go to the host of the Ingress: {why}."),
        advice: "Remove one of the two.".into(),
    }
}

/// The twin of a host: all its requests are sent there.
pub(super) fn twin_host(
    pattern: &HostPattern,
    to: &HostPattern,
    claim: &Claim,
    status: u16,
    hsts: Option<Arc<str>>,
) -> Host {
    let field = redirects::twin_field();
    let position = claim.provenance.as_ref().map(|p| p.position(&field));
    let goto = Goto { to: Destination::Host(to.to_string().into()), status };
    let rule = Rule {
        origin: Origin { object: claim.owner.clone(), rule: None, path: None, position },
        matches: vec![RequestMatch::path(PathMatch::Prefix("/".into()))],
        filters: Vec::new(),
        backends: Vec::new(),
        canaries: Vec::new(),
        policies: Policies { goto: Some(goto), hsts, ..Policies::default() },
    };
    Host {
        pattern: pattern.clone(),
        on_miss: OnMiss::Default,
        rules: vec![Arc::new(rule)],
        locations: Vec::new(),
    }
}
