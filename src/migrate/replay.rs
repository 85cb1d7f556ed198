//! Requests of an access log, each through the model of ingress-nginx's locations and through our
//! table: where both disagree, with the reasons of both.
//!
//! Memory is bounded whatever the log: what is known of a host and path is forgotten when there is
//! too much of it, and differences beyond the bound are counted.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::locations::{Goes, Location, Servers};
use super::log_line::{Form, Line};
use super::markdown::code;
use super::report::{Differing, Replayed, Report, Verdict};
use crate::control::lower::Lowered;
use crate::filter::Gate;
use crate::http1::target::{Reading, read_authority, read_path};
use crate::limits::{
    REPLAY_DIFFERENCES_MAX, REPLAY_KEY_BYTES_MAX, REPLAY_KNOWN_MAX, REPLAY_SEGMENTS_MAX,
    REPLAY_SHAPE_BYTES_MAX,
};
use crate::model::{BackendKey, ListenerId, Model, ObjectRef};
use crate::table::{BackendId, Compiler, Match, NoFields, RequestKey, Table};

/// What is known of requests that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Same,
    WithoutHost,
    Elsewhere,
    Unknown,
    Differs(usize),
    NotListed,
}

/// Takes lines, and says what they came to.
pub struct Replay {
    form: Form,
    servers: Servers,
    ours: Ours,
    /// By their upstreams, for logs that name no host.
    hosts_of: BTreeMap<String, Vec<String>>,
    known: HashMap<Box<str>, Known>,
    /// By host, shape of the path, and both reasons.
    listed: HashMap<[String; 4], usize>,
    replayed: Replayed,
    key: String,
}

/// Our side.
struct Ours {
    table: Arc<Table>,
    listener: Option<ListenerId>,
    upstreams: BTreeMap<BackendId, String>,
    /// Ingresses that are served as nobody means it until they are changed.
    unfit: Vec<(String, String)>,
}

impl Replay {
    /// Of what was lowered, and of the Ingresses that it was made of.
    pub(super) fn new(form: &str, servers: Servers, lowered: &Lowered, report: &Report) -> Self {
        let hosts_of = servers.by_upstream();
        Self {
            form: Form::new(form),
            servers,
            ours: Ours::new(lowered, report),
            hosts_of,
            known: HashMap::new(),
            listed: HashMap::new(),
            replayed: Replayed::default(),
            key: String::new(),
        }
    }

    /// Takes a line, without its end.
    pub fn take(&mut self, line: &str) {
        let replayed = &mut self.replayed;
        replayed.lines = replayed.lines.saturating_add(1);
        let Some(line) = self.form.read(line) else {
            replayed.unreadable = replayed.unreadable.saturating_add(1);
            return;
        };
        let known = self.known(&line);
        let replayed = &mut self.replayed;
        let count = match known {
            Known::Same => &mut replayed.compared,
            Known::WithoutHost => &mut replayed.without_host,
            Known::Elsewhere => &mut replayed.elsewhere,
            Known::Unknown => &mut replayed.unknown,
            Known::Differs(at) => {
                if let Some(listed) = replayed.differences.get_mut(at) {
                    listed.requests = listed.requests.saturating_add(1);
                }
                &mut replayed.compared
            }
            Known::NotListed => {
                replayed.compared = replayed.compared.saturating_add(1);
                &mut replayed.not_listed
            }
        };
        *count = count.saturating_add(1);
    }

    /// What all lines came to.
    #[must_use]
    pub fn finish(mut self) -> Replayed {
        let order = |it: &Differing| (it.host.clone(), it.path.clone());
        self.replayed.differences.sort_by_key(|it| (std::cmp::Reverse(it.requests), order(it)));
        self.replayed
    }

    fn known(&mut self, line: &Line<'_>) -> Known {
        let path = line.target.split(['?', '#']).next().unwrap_or_default();
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        for part in [line.host, "\0", line.upstream, "\0", path] {
            key.push_str(part);
        }
        let known = self.known.get(key.as_str()).copied();
        let known = known.unwrap_or_else(|| {
            let known = self.judge(line, path);
            if self.known.len() >= REPLAY_KNOWN_MAX {
                self.known.clear();
            }
            if key.len() <= REPLAY_KEY_BYTES_MAX {
                self.known.insert(key.as_str().into(), known);
            }
            known
        });
        self.key = key;
        known
    }

    fn judge(&mut self, line: &Line<'_>, raw: &str) -> Known {
        let raw = raw
            .split_once("://")
            .map_or(raw, |(_, rest)| rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"));
        let (mut path, mut name) = (Vec::new(), Vec::new());
        // Both answer 400.
        if read_path(raw.as_bytes(), Reading::Rules, &mut path).is_err() {
            return Known::Same;
        }
        let of = |host: &str| (host.to_owned(), self.compare(host, &path, line.upstream));
        let (host, said) = match line.host {
            "" | "-" => {
                // Those that lead where it went; that one differs says nothing of the others.
                let hosts = self.hosts_of.get(line.upstream).into_iter().flatten();
                let all = hosts.map(|host| of(host)).filter(|(_, said)| *said != Said::Elsewhere);
                let all: Vec<_> = all.collect();
                let same = all.iter().find(|(_, said)| *said == Said::Same);
                let Some(found) = same.or_else(|| all.first()).cloned() else {
                    return Known::WithoutHost;
                };
                found
            }
            host => match read_authority(host.as_bytes(), &mut name) {
                Ok(()) => of(&String::from_utf8_lossy(&name)),
                Err(_) => return Known::Same,
            },
        };
        match said {
            Said::Same => Known::Same,
            Said::Elsewhere => Known::Elsewhere,
            Said::Unknown => Known::Unknown,
            Said::Differs(there, here) => self.list([host, shape(raw), there, here]),
        }
    }

    fn compare(&self, host: &str, path: &[u8], upstream: &str) -> Said {
        let there = self.servers.find(host, path);
        let is_known = self.hosts_of.contains_key(upstream);
        match there {
            Goes::Unknown(_) => return Said::Unknown,
            Goes::To(location) if !is_known || location.upstream() == upstream => {}
            _ if is_known => return Said::Elsewhere,
            _ => {}
        }
        let here = self.ours.find(host, path);
        if self.ours.is_same(there, here) {
            return Said::Same;
        }
        Said::Differs(words_of(there), self.ours.words_of(here))
    }

    /// A difference, once for what is alike.
    fn list(&mut self, alike: [String; 4]) -> Known {
        if let Some(at) = self.listed.get(&alike) {
            return Known::Differs(*at);
        }
        let at = self.replayed.differences.len();
        if at >= REPLAY_DIFFERENCES_MAX {
            return Known::NotListed;
        }
        let [host, path, there, here] = alike.clone();
        self.replayed.differences.push(Differing { host, path, requests: 0, there, here });
        self.listed.insert(alike, at);
        Known::Differs(at)
    }
}

/// What both say of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Same,
    Elsewhere,
    Unknown,
    /// What ingress-nginx does, and what Ringway does.
    Differs(String, String),
}

fn words_of(goes: Goes<'_>) -> String {
    let of = |location: &Location| {
        let owner = location.owner.as_ref();
        let ingress = owner.map(|owner| owner.ingress.to_string()).unwrap_or_default();
        format!("{} {} of {ingress}", location.kind_words(), code(&location.path))
    };
    match goes {
        Goes::To(location) => format!("{}: to {}", of(location), location.upstream()),
        Goes::Slash(location) => format!("301 to the same with a slash, for {}", of(location)),
        Goes::Nowhere => "no location has it: the default backend (404)".to_owned(),
        Goes::Unknown(location) => of(location),
    }
}

impl Ours {
    fn new(lowered: &Lowered, report: &Report) -> Self {
        let mut compiler = Compiler::default();
        compiler.set_server_tls(Arc::clone(&lowered.server_tls));
        let empty = Model::default();
        let compiled = compiler.compile(lowered.model.as_ref().unwrap_or(&empty));
        let name = |key: &BackendKey| format!("{}-{}-{}", key.namespace, key.service, key.port);
        let upstreams = compiled.added.iter().map(|backend| (backend.id, name(&backend.key)));
        let unfit = report.objects.iter().filter(|object| object.verdict >= Verdict::NeedsChange);
        let unfit = unfit.map(|object| (object.namespace.clone(), object.name.clone()));
        Self {
            listener: compiled.table.entry_points().first().map(|(_, listener)| *listener),
            upstreams: upstreams.collect(),
            unfit: unfit.collect(),
            table: compiled.table,
        }
    }

    fn find(&self, host: &str, path: &[u8]) -> Option<Match<'_>> {
        let key = RequestKey {
            host: host.as_bytes(),
            path,
            query: None,
            method: b"GET",
            fields: &NoFields,
        };
        self.table.lookup(self.listener?, &key).filter(|found| found.is_routed)
    }

    fn is_same(&self, there: Goes<'_>, here: Option<Match<'_>>) -> bool {
        let Some(here) = here else { return matches!(there, Goes::Nowhere) };
        let (location, is_answered) = match there {
            Goes::To(location) => (location, false),
            Goes::Slash(location) => (location, true),
            Goes::Nowhere | Goes::Unknown(_) => return false,
        };
        let owner = location.owner.as_ref().map(|owner| &owner.ingress);
        let upstream = self.upstream(here);
        let leads_there = match upstream {
            Some(upstream) => !is_answered && upstream == location.upstream(),
            None => true,
        };
        owner == Some(&here.rule.origin.object) && leads_there && !self.is_closed(here)
    }

    /// `None`: it is answered by a redirect, or leads to no Service.
    fn upstream(&self, found: Match<'_>) -> Option<&str> {
        let backend = found.rule.backends.first()?.backend?;
        self.upstreams.get(&backend).map(String::as_str)
    }

    /// Nobody gets in until the object is changed.
    fn is_closed(&self, found: Match<'_>) -> bool {
        let ObjectRef { namespace, name, .. } = &found.rule.origin.object;
        let is_unfit = self
            .unfit
            .iter()
            .any(|(in_namespace, unfit)| **in_namespace == **namespace && **unfit == **name);
        is_unfit && found.rule.plan.gates.iter().any(|gate| matches!(gate, Gate::Refusal(_)))
    }

    fn words_of(&self, found: Option<Match<'_>>) -> String {
        let Some(found) = found else { return "no rule has it: 404".to_owned() };
        let rule = found.rule;
        let path = rule.path.as_deref().unwrap_or("/");
        let leads = match self.upstream(found) {
            _ if self.is_closed(found) => "503, as the object needs a change",
            Some(upstream) => upstream,
            None => "answered without a backend",
        };
        let (path, origin) = (code(path), &rule.origin);
        format!("{path} of {} ({}): {leads}", origin.object, origin.field())
    }
}

/// A path without what differs from request to request: numbers, identifiers, and parameters, such
/// as those of sessions.
fn shape(path: &str) -> String {
    let segments = path.split('/').enumerate().map(|(nth, segment)| {
        if nth > REPLAY_SEGMENTS_MAX {
            return "…";
        }
        let segment = segment.split(';').next().unwrap_or_default();
        let is_long = segment.len() >= 8;
        let has_digit = segment.bytes().any(|c| c.is_ascii_digit());
        let is_id = |c: u8| c.is_ascii_hexdigit() || c == b'-';
        match segment {
            "" => "",
            _ if segment.bytes().all(|c| c.is_ascii_digit()) => "{n}",
            _ if is_long && has_digit && segment.bytes().all(is_id) => "{id}",
            // Names of tokens, which are nobody's to see.
            _ if segment.len() > REPLAY_SHAPE_BYTES_MAX => "{id}",
            _ => segment,
        }
    });
    // The first one stands before the first slash, the last one for all that follow.
    let shown = REPLAY_SEGMENTS_MAX.saturating_add(2);
    segments.take(shown).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_are_alike_have_one_shape() {
        for (path, expected) in [
            ("/", "/"),
            ("/a/12/b", "/a/{n}/b"),
            ("/o/0f8fad5b-d9cb-469f-a165-70867728950e", "/o/{id}"),
            ("/feedface/x", "/feedface/x"),
            ("/deadbeef1/", "/{id}/"),
            (&format!("/t/{}", "x".repeat(65)), "/t/{id}"),
            ("/a;jsessionid=9F1C/b;v=1/", "/a/b/"),
            ("/1;x", "/{n}"),
            (&"/a".repeat(REPLAY_SEGMENTS_MAX), &"/a".repeat(REPLAY_SEGMENTS_MAX)),
            (&"/a".repeat(900), &("/a".repeat(REPLAY_SEGMENTS_MAX) + "/…")),
        ] {
            assert_eq!(shape(path), expected, "{path}");
        }
    }
}
