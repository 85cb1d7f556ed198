//! What a core sees of rules, backends and heads, as it is told.

use std::net::SocketAddr;

use crate::explain::{self as told, Explanation, Secrets};
use crate::limits::{EXPLAINED_ENDPOINTS_MAX, EXPLAINED_RULES_MAX};
use crate::model::HostPattern;
use crate::proxy::core::CoreTable;
use crate::proxy::exchange::state::Exchange;
use crate::proxy::upstream::backend::{Backend, Sight};
use crate::table::sighting::{Sighting, Verdict};
use crate::table::{Plan, TableBackend, TableRule};

/// Origins are told by who knows objects.
pub(super) fn plan(plan: &Plan) -> Vec<told::Value> {
    let values = plan.values().into_iter();
    let value = |(name, value): (&str, String)| told::Value {
        name: name.to_owned(),
        value,
        origin: String::new(),
    };
    values.map(value).collect()
}

fn rule(sighting: &Sighting<'_>) -> told::Rule {
    let (is_taken, reason) = match &sighting.verdict {
        Verdict::Taken => (true, "has the request".to_owned()),
        Verdict::Unmet(reason) => (false, format!("passed over: {reason}")),
        Verdict::Behind => (false, "matches, behind the one that has it".to_owned()),
        Verdict::OtherPath => (false, "does not match the path".to_owned()),
    };
    told::Rule {
        host: sighting.host.to_string(),
        path: told::shortened(&sighting.path),
        kind: sighting.kind.as_str().to_owned(),
        place: (&sighting.rule.origin).into(),
        is_taken,
        reason,
    }
}

/// A backend's share and endpoints.
pub(super) fn backend(backend: &Backend) -> told::Backend {
    let sights = backend.sights();
    let endpoint = |sight: &Sight| told::Endpoint {
        address: sight.address.to_string(),
        health: match sight {
            Sight { is_ejected: true, .. } => "ejected",
            Sight { is_silent: true, .. } => "silent",
            _ => "ready",
        }
        .to_owned(),
        in_flight: sight.in_flight,
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float beyond the range of the integer becomes its bound"
        )]
        latency_micros: sight.latency.map(|latency| latency as u64),
        is_taken: false,
    };
    told::Backend {
        name: backend.key.to_string(),
        endpoints: sights.iter().take(EXPLAINED_ENDPOINTS_MAX).map(endpoint).collect(),
        endpoints_left_out: sights.len().saturating_sub(EXPLAINED_ENDPOINTS_MAX),
        ..told::Backend::default()
    }
}

/// Notes which backend has the request, and which endpoint is next.
pub(super) fn choose(
    backends: &mut Vec<told::Backend>,
    chosen: &Backend,
    endpoint: Option<SocketAddr>,
) {
    let name = chosen.key.to_string();
    if !backends.iter().any(|known| known.name == name) {
        backends.push(backend(chosen));
    }
    let endpoint = endpoint.map(|address| address.to_string());
    for known in backends.iter_mut() {
        known.is_taken = known.name == name;
        let is_taken = known.is_taken;
        for one in &mut known.endpoints {
            one.is_taken = is_taken && Some(&one.address) == endpoint.as_ref();
        }
    }
}

/// Both heads, line by line.
pub(super) fn upstream(
    backend: &str,
    before: &[u8],
    after: &[u8],
    secrets: &Secrets,
) -> told::Upstream {
    let (line_before, mut sent) = head(before);
    let (line, gone) = head(after);
    let mut fields = Vec::new();
    for (name, value) in gone {
        let same = |(known, _): &(String, String)| known.eq_ignore_ascii_case(&name);
        let before = sent.iter().position(same).map(|at| sent.remove(at).1);
        let shown = |value: &str| secrets.value(&name, value);
        let is_same = before.as_deref() == Some(&*value);
        let after = shown(&value);
        // Two secrets that differ look alike.
        let after = match (is_same, before.as_deref().map(shown)) {
            (false, Some(before)) if before == after => format!("{after}, another one"),
            _ => after,
        };
        let before = before.map(|before| secrets.value(&name, &before));
        fields.push(told::Field { before, after: Some(after), name });
    }
    fields.extend(sent.into_iter().map(|(name, value)| told::Field {
        before: Some(secrets.value(&name, &value)),
        after: None,
        name,
    }));
    told::Upstream {
        backend: backend.to_owned(),
        request_line: line,
        request_line_before: line_before,
        fields,
    }
}

/// The first line of a head, and names and values of the others.
fn head(octets: &[u8]) -> (String, Vec<(String, String)>) {
    let text = String::from_utf8_lossy(octets);
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default().to_owned();
    let lines = lines.take_while(|line| !line.is_empty());
    let pair = |line: &str| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        (name.to_owned(), value.trim_ascii().to_owned())
    };
    (first, lines.map(pair).collect())
}

impl Exchange<'_> {
    /// The rules that the request comes to with this path.
    pub(super) fn tell_rules(&self, table: &CoreTable, path: &[u8], told: &mut Explanation) {
        let seen = self.with_key(path, |key| table.0.sightings(self.downstream.listener.id, key));
        let name = |host: &&HostPattern| match host {
            HostPattern::Any => "* (any)".to_owned(),
            host => host.to_string(),
        };
        told.hosts = seen.hosts.iter().map(name).collect();
        told.rules = seen.rules.iter().take(EXPLAINED_RULES_MAX).map(rule).collect();
        told.rules_left_out = seen.rules.len().saturating_sub(EXPLAINED_RULES_MAX);
        if let Some(found) = seen.found.filter(|found| !found.is_routed) {
            told.notes.push(match found.rule.is_unclaimed {
                true => "no rule of the host has this path".to_owned(),
                false => "no rule has it: it is for the default backend".to_owned(),
            });
        }
    }

    /// The backends of the rule, and its canaries.
    pub(super) fn tell_backends(&self, rule: &TableRule, told: &mut Explanation) {
        let mut from = 0;
        for entry in &rule.backends {
            let weight = entry.weight_end.saturating_sub(from);
            from = entry.weight_end;
            let one = self.backend_of(entry);
            told.backends.push(told::Backend { weight, weight_total: rule.weight_total, ..one });
        }
        for entry in rule.canaries.iter().flat_map(|canaries| canaries.targets()) {
            let one = self.backend_of(entry);
            told.backends.push(told::Backend { is_canary: true, ..one });
        }
    }

    fn backend_of(&self, entry: &TableBackend) -> told::Backend {
        let id = entry.backend_of(self.downstream.listener.scheme);
        match id.map(|id| self.core.upstreams.backend(id)) {
            Some(Some(known)) => backend(&known),
            Some(None) => told::Backend { name: "(none)".to_owned(), ..told::Backend::default() },
            None => {
                let name = match &entry.redirect {
                    Some(_) => "(redirected)",
                    None => "(invalid reference)",
                };
                told::Backend { name: name.to_owned(), ..told::Backend::default() }
            }
        }
    }
}
