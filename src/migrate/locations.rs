//! A model of where ingress-nginx sends a request: its servers, their locations and the order in
//! which they are tried. Pure. Canaries are left out, as chance has a part in them; so are
//! redirects and guards, which do not decide on the location.
//!
//! Source: behaviour of controller-v1.15.1, and of nginx' static and regular-expression locations.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    Ingress, IngressBackend, IngressRule, IngressServiceBackend,
};
use regex::bytes::{Regex, RegexBuilder};

use super::facts::DIALECT;
use crate::limits::PATH_REGEX_BYTES_MAX;
use crate::model::{ObjectRef, parse_bool};

/// The server of hosts that no other one has.
const ANY: &str = "";
/// The path of the location that a server begins with.
const ROOT: &str = "/";

/// All servers.
#[derive(Debug, Default)]
pub(super) struct Servers {
    servers: BTreeMap<String, Server>,
    /// Other names of servers.
    aliases: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Server {
    /// One of its locations asks for it, and so all are regular expressions.
    is_regex: bool,
    locations: Vec<Location>,
}

/// One location, as an Ingress has it.
#[derive(Debug)]
pub(super) struct Location {
    /// Its path.
    pub(super) path: String,
    kind: Kind,
    /// Whose it is; `None`: it leads to the default backend of all.
    pub(super) owner: Option<Owner>,
    /// Nobody wrote it: a server begins with a location `/`, until somebody has a prefix `/`.
    is_made: bool,
    /// Its Ingress asks for regular expressions.
    asks_regex: bool,
    pattern: Option<Regex>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Exact,
    Prefix,
}

/// Whose a location is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) ingress: ObjectRef,
    /// `NAMESPACE-SERVICE-PORT`, as its log has it; empty: the backend is no Service.
    pub(super) upstream: String,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goes<'a> {
    /// To a location.
    To(&'a Location),
    /// To the same path with a slash at its end (301).
    Slash(&'a Location),
    /// To the default backend: no location has it.
    Nowhere,
    /// That takes an expression that cannot be tried in linear time.
    Unknown(&'a Location),
}

impl Servers {
    /// Of Ingresses that are its own.
    pub(super) fn new<'a>(ingresses: impl Iterator<Item = (&'a ObjectRef, &'a Ingress)>) -> Self {
        let mut all: Vec<_> = ingresses.filter(|(_, ingress)| !is_on(ingress, "canary")).collect();
        // The oldest first; of the same age the last by name.
        all.sort_by_key(|(reference, ingress)| {
            let created = ingress.metadata.creation_timestamp.as_ref().map(|time| time.0);
            let name = (reference.namespace.clone(), reference.name.clone());
            (created, Reverse(name))
        });
        let mut servers = Self::default();
        servers.servers.insert(ANY.to_owned(), Server::with_root(None, None));
        for (reference, ingress) in &all {
            servers.make_roots(reference, ingress);
        }
        for (reference, ingress) in &all {
            servers.add(reference, ingress);
        }
        for (_, ingress) in &all {
            servers.add_aliases(ingress);
        }
        for server in servers.servers.values_mut() {
            server.finish();
        }
        servers
    }

    /// A server begins with a location `/` to the default backend of the Ingress that has its host
    /// first, which then has no other say in it. Without rules it is about all hosts, whoever wrote
    /// a path of these before.
    fn make_roots(&mut self, reference: &ObjectRef, ingress: &Ingress) {
        let Some(spec) = &ingress.spec else { return };
        let default = spec.default_backend.as_ref().filter(|default| default.service.is_some());
        let default = default.map(|default| owner(reference, default));
        let rules = spec.rules.as_deref().unwrap_or_default();
        let of_all = self.servers.get_mut(ANY).and_then(|server| server.locations.first_mut());
        if let (Some(default), [], Some(root)) = (&default, rules, of_all)
            && root.is_made
        {
            root.is_made = false;
            root.owner = Some(default.clone());
        }
        for rule in rules {
            let make = || Server::with_root(Some(ingress), default.clone());
            self.servers.entry(host_of(rule)).or_insert_with(make);
        }
    }

    fn add(&mut self, reference: &ObjectRef, ingress: &Ingress) {
        for rule in ingress.spec.iter().flat_map(|spec| spec.rules.iter().flatten()) {
            let server = self.servers.entry(host_of(rule)).or_default();
            for path in rule.http.iter().flat_map(|http| &http.paths) {
                let text = path.path.as_deref().filter(|path| !path.is_empty()).unwrap_or(ROOT);
                server.add(Location {
                    path: text.to_owned(),
                    kind: if path.path_type == "Exact" { Kind::Exact } else { Kind::Prefix },
                    owner: Some(owner(reference, &path.backend)),
                    is_made: false,
                    asks_regex: asks_regex(ingress, text),
                    pattern: None,
                });
            }
        }
    }

    fn add_aliases(&mut self, ingress: &Ingress) {
        let rules = ingress.spec.iter().flat_map(|spec| spec.rules.iter().flatten());
        for host in rules.filter_map(|rule| rule.host.as_ref()) {
            let names = annotation(ingress, "server-alias").split(',').map(str::trim);
            for name in names.filter(|name| !name.is_empty()) {
                if !self.servers.contains_key(name) {
                    self.aliases.entry(name.to_owned()).or_insert_with(|| host.clone());
                }
            }
        }
    }

    /// Where a request goes. `host` is lower case, without port and dot; `path` decoded, without
    /// dots and repeated slashes.
    pub(super) fn find(&self, host: &str, path: &[u8]) -> Goes<'_> {
        self.server(host).map_or(Goes::Nowhere, |server| server.find(path))
    }

    /// Hosts by the upstreams that locations of theirs lead to. That of all hosts, and those with a
    /// star, stand for no name that could be asked for.
    pub(super) fn by_upstream(&self) -> BTreeMap<String, Vec<String>> {
        let mut hosts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (host, server) in &self.servers {
            for location in &server.locations {
                let all = hosts.entry(location.upstream().to_owned()).or_default();
                let is_name = host != ANY && !host.starts_with('*');
                if is_name && all.last() != Some(host) {
                    all.push(host.clone());
                }
            }
        }
        hosts.remove("");
        hosts
    }

    fn server(&self, host: &str) -> Option<&Server> {
        let own = |name: &str| self.servers.get(name);
        let alias = || own(self.aliases.get(host)?);
        let wildcard = || {
            let (label, suffix) = host.split_once('.')?;
            let is_label = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
            let is_one = !label.is_empty() && label.bytes().all(is_label);
            is_one.then(|| own(&format!("*.{suffix}")))?
        };
        own(host).filter(|_| host != ANY).or_else(alias).or_else(wildcard).or_else(|| own(ANY))
    }
}

impl Server {
    /// One with the location that is made, for the sake of an Ingress.
    fn with_root(ingress: Option<&Ingress>, owner: Option<Owner>) -> Self {
        let root = Location {
            path: ROOT.to_owned(),
            kind: Kind::Prefix,
            owner,
            is_made: true,
            asks_regex: ingress.is_some_and(|ingress| asks_regex(ingress, ROOT)),
            pattern: None,
        };
        Self { is_regex: false, locations: vec![root] }
    }

    /// Of the same path and type the first counts.
    fn add(&mut self, location: Location) {
        let is_same = |it: &&mut Location| it.path == location.path && it.kind == location.kind;
        match self.locations.iter_mut().find(is_same) {
            Some(made) if made.is_made => *made = location,
            Some(_) => {}
            None => self.locations.push(location),
        }
    }

    fn finish(&mut self) {
        self.is_regex = self.locations.iter().any(|location| location.asks_regex);
        self.locations.sort_by(|a, b| {
            let order = |it: &Location| (it.path.len(), it.path.clone());
            order(b).cmp(&order(a))
        });
        if self.is_regex {
            for location in &mut self.locations {
                let pattern = format!("^{}", location.path);
                let pattern = RegexBuilder::new(&pattern)
                    .case_insensitive(true)
                    .unicode(false)
                    .size_limit(PATH_REGEX_BYTES_MAX)
                    .build();
                location.pattern = pattern.ok();
            }
        }
    }

    fn find(&self, path: &[u8]) -> Goes<'_> {
        if self.is_regex {
            let first = self.locations.iter().find(|location| match &location.pattern {
                Some(pattern) => pattern.is_match(path),
                None => location.may_match(path),
            });
            return match first {
                Some(location) if location.pattern.is_none() => Goes::Unknown(location),
                Some(location) => location.goes(),
                None => Goes::Nowhere,
            };
        }
        let exact =
            |kind| self.locations.iter().find(|it| it.kind == kind && it.path.as_bytes() == path);
        if let Some(location) = exact(Kind::Exact).or_else(|| exact(Kind::Prefix)) {
            return location.goes();
        }
        let slashed = self.locations.iter().find(|location| {
            location.path.len() > 1
                && location.path.strip_suffix('/').is_some_and(|stem| stem.as_bytes() == path)
        });
        if let Some(location) = slashed {
            return Goes::Slash(location);
        }
        let mut prefixes = self.locations.iter().filter(|it| it.kind == Kind::Prefix);
        let longest = prefixes.find(|location| {
            let stem = location.path.strip_suffix('/').unwrap_or(&location.path);
            path.strip_prefix(stem.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'/'))
        });
        longest.map_or(Goes::Nowhere, Location::goes)
    }
}

impl Location {
    /// Of an expression that cannot be tried: whether a path begins with its plain text. Of
    /// alternatives nobody knows how any but the first begins, nor where in a path.
    fn may_match(&self, path: &[u8]) -> bool {
        let text = self.path.as_bytes();
        if text.contains(&b'|') {
            return true;
        }
        let is_plain = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'/' | b'-' | b'_');
        let mut end = text.iter().position(|c| !is_plain(c)).unwrap_or(text.len());
        // What may be repeated may be missing.
        if matches!(text.get(end), Some(b'?' | b'*' | b'{')) {
            end = end.saturating_sub(1);
        }
        let (start, wanted) = (path.get(..end), text.get(..end).unwrap_or_default());
        start.is_some_and(|start| start.eq_ignore_ascii_case(wanted))
    }

    /// Where it leads, as its log has it; empty: to no Service.
    pub(super) fn upstream(&self) -> &str {
        self.owner.as_ref().map_or("", |owner| owner.upstream.as_str())
    }

    /// As its author wrote it.
    pub(super) const fn kind_words(&self) -> &'static str {
        match (&self.pattern, self.kind) {
            (Some(_), _) => "expression",
            (None, Kind::Exact) => "exact path",
            (None, Kind::Prefix) => "prefix",
        }
    }

    fn goes(&self) -> Goes<'_> {
        if self.owner.is_some() { Goes::To(self) } else { Goes::Nowhere }
    }
}

fn owner(reference: &ObjectRef, backend: &IngressBackend) -> Owner {
    let upstream = backend.service.as_ref().map(|service| upstream(reference, service));
    Owner { ingress: reference.clone(), upstream: upstream.unwrap_or_default() }
}

fn host_of(rule: &IngressRule) -> String {
    rule.host.as_deref().unwrap_or(ANY).to_ascii_lowercase()
}

/// Whether a location of the Ingress makes all of its server expressions: by `use-regex`, or by a
/// rewrite to another path than its own.
fn asks_regex(ingress: &Ingress, path: &str) -> bool {
    let target = annotation(ingress, "rewrite-target");
    is_on(ingress, "use-regex") || !target.is_empty() && target != path
}

/// As its log names it.
fn upstream(reference: &ObjectRef, service: &IngressServiceBackend) -> String {
    let port = service.port.as_ref();
    let number = port.and_then(|port| port.number).map(|number| number.to_string());
    let port = number.or_else(|| port.and_then(|port| port.name.clone())).unwrap_or_default();
    format!("{}-{}-{port}", reference.namespace, service.name)
}

fn annotation<'a>(ingress: &'a Ingress, name: &str) -> &'a str {
    let all = ingress.metadata.annotations.as_ref();
    all.and_then(|all| all.get(&format!("{DIALECT}{name}"))).map_or("", |value| value.trim())
}

fn is_on(ingress: &Ingress, name: &str) -> bool {
    parse_bool(annotation(ingress, name)) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::source::manifest;
    use crate::control::source::object::Object;

    /// Ingresses: name, host (`-`: there are no rules), annotations, paths (`D:`: there is a
    /// default backend); each at its place in time.
    fn servers(ingresses: &[(&str, &str, &str, &str)]) -> Servers {
        let mut text = String::new();
        for (nth, (name, host, annotations, paths_of)) in ingresses.iter().enumerate() {
            let annotations: String = annotations
                .split('|')
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| format!("    {DIALECT}{name}: {value:?}\n"))
                .collect();
            let paths: String = paths_of
                .split(' ')
                .filter_map(|path| path.split_once(':'))
                .filter(|(kind, _)| *kind != "D")
                .map(|(kind, path)| {
                    let kind = match kind {
                        "E" => "Exact",
                        "P" => "Prefix",
                        _ => "ImplementationSpecific",
                    };
                    format!(
                        "      - {{path: {path:?}, pathType: {kind}, backend: {{service: {{name: \
                         {name}, port: {{number: 80}}}}}}}}\n"
                    )
                })
                .collect();
            let paths = paths.replace("- {", "{").replace("}}}\n", "}}},\n");
            let has_default = paths_of.split(' ').any(|path| path == "D:");
            let default = match has_default {
                true => format!(
                    "  defaultBackend: {{service: {{name: {name}, port: {{number: 80}}}}}}\n"
                ),
                false => String::new(),
            };
            let rule = match *host {
                "-" => String::new(),
                "" => format!("  rules:\n  - {{http: {{paths: [\n{paths}      ]}}}}\n"),
                host => format!(
                    "  rules:\n  - {{host: {host:?}, http: {{paths: [\n{paths}      ]}}}}\n"
                ),
            };
            text += &format!(
                "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: {name}\n\
                 \u{20} \
                 creationTimestamp: \"2020-01-01T00:00:{nth:02}Z\"\n  annotations:\n    a: b\n\
                 {annotations}spec:\n{default}{rule}",
            );
        }
        let objects = manifest::read(&"f.yaml".into(), &text).objects;
        assert_eq!(objects.len(), ingresses.len(), "{text}");
        let ingresses = objects.iter().filter_map(|source| match &source.object {
            Object::Ingress(ingress) => Some((&source.reference, &**ingress)),
            _ => None,
        });
        Servers::new(ingresses)
    }

    fn shown(goes: Goes<'_>) -> String {
        let name = |location: &Location| {
            let owner = location.owner.as_ref().map(|owner| &*owner.ingress.name);
            owner.unwrap_or("-").to_owned()
        };
        match goes {
            Goes::To(location) => name(location),
            Goes::Slash(location) => format!("{} 301", name(location)),
            Goes::Nowhere => "404".to_owned(),
            Goes::Unknown(location) => format!("{} ?", name(location)),
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn locations_are_chosen_as_ingress_nginx_does() {
        type Case<'a> =
            (&'a [(&'a str, &'a str, &'a str, &'a str)], &'a [(&'a str, &'a str, &'a str)]);
        let cases: &[Case<'_>] = &[
            // Prefixes end at slashes; exact paths come first, and case counts.
            (
                &[("a", "h", "", "P:/foo E:/bar"), ("b", "h", "", "E:/foo P:/foo/bar")],
                &[
                    ("h", "/foo", "b"),
                    ("h", "/foo/", "a"),
                    ("h", "/foo/x", "a"),
                    ("h", "/foo/bar", "b"),
                    ("h", "/foo/bar/x", "b"),
                    ("h", "/foobar", "404"),
                    ("h", "/FOO", "404"),
                    ("h", "/bar", "a"),
                    ("h", "/bar/", "404"),
                ],
            ),
            // A path with a slash at its end has those without redirected.
            (
                &[("a", "h", "", "P:/x/ E:/y/"), ("b", "h", "", "P:/")],
                &[
                    ("h", "/x", "a 301"),
                    ("h", "/x/", "a"),
                    ("h", "/x/z", "a"),
                    ("h", "/y", "a 301"),
                    ("h", "/y/", "a"),
                    ("h", "/y/z", "b"),
                    ("h", "/xz", "b"),
                ],
            ),
            // One expression makes all paths of the host expressions: without case, anchored at the
            // start alone, the longest text first.
            (
                &[
                    ("a", "h", "use-regex=true", "I:/foo/bar/[a-z]{3}"),
                    ("b", "h", "", "P:/foo/bar/bar E:/exact I:/d.t"),
                ],
                &[
                    ("h", "/foo/bar/bar", "a"),
                    ("h", "/foo/bar/bars", "a"),
                    ("h", "/EXACTLY", "b"),
                    ("h", "/dotty", "b"),
                    ("h", "/foo", "404"),
                ],
            ),
            // An effective rewrite does, too; one to its own path does not.
            (
                &[
                    ("a", "one", "rewrite-target=/", "P:/api"),
                    ("b", "two", "rewrite-target=/same", "P:/same"),
                    ("c", "two", "", "P:/"),
                ],
                &[("one", "/apis", "a"), ("two", "/same/x", "b"), ("two", "/samex", "c")],
            ),
            // The location that is made for a host is rewritten as well, unless somebody has it.
            (
                &[("a", "h", "rewrite-target=/same", "P:/same")],
                &[("h", "/samex", "a"), ("h", "/x", "404")],
            ),
            // It leads to the default backend of who has the host first, until somebody has `/`.
            (
                &[
                    ("a", "h", "", "P:/a D:"),
                    ("b", "h", "", "P:/b D:"),
                    ("c", "other", "", "P:/c D:"),
                    ("d", "other", "", "P:/"),
                ],
                &[("h", "/x", "a"), ("h", "/b", "b"), ("other", "/x", "d"), ("none", "/", "404")],
            ),
            // Of all hosts it is who has no rules, whoever wrote the path before.
            (
                &[("a", "", "", "P:/ P:/a"), ("b", "-", "", "D:"), ("c", "-", "", "D:")],
                &[("h", "/x", "b"), ("h", "/a", "a")],
            ),
            // Of the same path and type the oldest has it; without a type it is a prefix.
            (
                &[("a", "h", "", "I:/p"), ("b", "h", "", "P:/p E:/p"), ("c", "h", "", "P:/p")],
                &[("h", "/p/x", "a"), ("h", "/p", "b")],
            ),
            // Exact names, one label of a wildcard, then all the rest.
            (
                &[
                    ("a", "h.example", "", "P:/"),
                    ("w", "*.example", "", "P:/"),
                    ("n", "", "", "P:/n"),
                ],
                &[
                    ("h.example", "/", "a"),
                    ("x.example", "/", "w"),
                    ("x.y.example", "/n", "n"),
                    ("x.y.example", "/m", "404"),
                    ("example", "/n", "n"),
                ],
            ),
            // Other names, which hosts of their own outdo; canaries are no locations.
            (
                &[
                    ("a", "h", "server-alias=other, taken", "P:/"),
                    ("b", "taken", "", "P:/"),
                    ("c", "h", "canary=true", "P:/c"),
                ],
                &[("other", "/", "a"), ("taken", "/", "b"), ("h", "/c", "a")],
            ),
            // What takes more than linear time is not guessed; what is longer is tried before it.
            (
                &[("a", "h", "use-regex=true", "I:/a(?!b) I:/longer/path P:/")],
                &[("h", "/longer/path", "a"), ("h", "/ac", "a ?"), ("h", "/x", "a")],
            ),
            // Nor do alternatives begin with one text.
            (
                &[("a", "h", "use-regex=true", "I:/a(?!b)|/c P:/")],
                &[("h", "/ac", "a ?"), ("h", "/x/c", "a ?")],
            ),
        ];
        for (ingresses, requests) in cases {
            let servers = servers(ingresses);
            for (host, path, expected) in *requests {
                let found = shown(servers.find(host, path.as_bytes()));
                assert_eq!(found, *expected, "{host}{path} of {ingresses:?}");
            }
        }
    }
}
