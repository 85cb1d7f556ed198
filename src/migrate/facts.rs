//! What conditions of differences look at: one object in the words of its author.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::networking::v1::{Ingress, IngressBackend, IngressSpec};

use super::controller::Replicas;
use crate::model::parse_bool;

/// What the names of annotations begin with.
pub(super) const DIALECT: &str = "nginx.ingress.kubernetes.io/";
/// Annotations that hold directives of nginx.
pub(super) const SNIPPETS: [&str; 4] =
    ["configuration-snippet", "server-snippet", "auth-snippet", "stream-snippet"];

/// What surrounds all objects.
#[derive(Debug, Clone)]
pub(super) struct World {
    /// Of the controller's ConfigMap.
    pub keys: BTreeMap<String, String>,
    /// Flags of ingress-nginx, without dashes; a switch has an empty value.
    pub flags: BTreeMap<String, String>,
    /// Pods of ingress-nginx.
    pub replicas: Replicas,
    /// Pods of Ringway.
    pub new_replicas: Replicas,
}

/// One Ingress.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    /// Annotations of the dialect, trimmed; empty ones are as good as none.
    annotations: BTreeMap<&'a str, &'a str>,
    spec: Option<&'a IngressSpec>,
    /// Some Service port that it names has an `appProtocol`.
    pub has_app_protocol: bool,
    /// What surrounds it.
    pub world: &'a World,
}

impl<'a> Facts<'a> {
    /// Of an Ingress.
    pub(super) fn of(ingress: &'a Ingress, world: &'a World) -> Self {
        let annotations = ingress.metadata.annotations.iter().flatten();
        let annotations = annotations.filter_map(|(name, value)| {
            let value = value.trim();
            Some((name.strip_prefix(DIALECT)?, value)).filter(|_| !value.is_empty())
        });
        Self {
            annotations: annotations.collect(),
            spec: ingress.spec.as_ref(),
            has_app_protocol: false,
            world,
        }
    }

    /// The value of an annotation; empty: there is none.
    pub(super) fn value(&self, name: &str) -> &'a str {
        self.annotations.get(name).copied().unwrap_or_default()
    }

    /// Whether there is such an annotation.
    pub(super) fn has(&self, name: &str) -> bool {
        !self.value(name).is_empty()
    }

    /// Whether there is one whose name begins so.
    pub(super) fn has_any(&self, prefix: &str) -> bool {
        self.annotations.keys().any(|name| name.starts_with(prefix))
    }

    /// Whether a truth value of it is true.
    pub(super) fn is_on(&self, name: &str) -> bool {
        parse_bool(self.value(name)) == Some(true)
    }

    /// Whether its value is this, or nginx's or Go's other word for it.
    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.value(name).eq_ignore_ascii_case(value)
    }

    /// Whether its value has this in it.
    pub(super) fn contains(&self, name: &str, part: &str) -> bool {
        self.value(name).to_ascii_lowercase().contains(part)
    }

    /// Whether some directive of its snippets begins with this word.
    pub(super) fn has_directive(&self, word: &str) -> bool {
        self.directives().any(|directive| directive.split_whitespace().next() == Some(word))
    }

    /// Its snippets, cut into directives: for conditions, not for meaning.
    pub(super) fn directives(&self) -> impl Iterator<Item = &'a str> {
        let texts = SNIPPETS.into_iter().map(|name| self.value(name));
        texts.flat_map(|text| text.split([';', '{', '}', '\n'])).map(str::trim)
    }

    /// Its paths with their types.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let rules = self.spec.and_then(|spec| spec.rules.as_ref()).into_iter().flatten();
        let paths = rules.flat_map(|rule| rule.http.iter().flat_map(|http| &http.paths));
        paths.map(|path| (&*path.path_type, path.path.as_deref().unwrap_or("/")))
    }

    /// Its paths with their hosts; an empty host: all of them.
    pub(super) fn places(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let rules = self.spec.and_then(|spec| spec.rules.as_ref()).into_iter().flatten();
        rules.flat_map(|rule| {
            let host = rule.host.as_deref().unwrap_or_default();
            let paths = rule.http.iter().flat_map(|http| &http.paths);
            let paths = paths.map(|path| path.path.as_deref().filter(|path| !path.is_empty()));
            paths.map(move |path| (host, path.unwrap_or("/")))
        })
    }

    /// Its backends.
    pub(super) fn backends(&self) -> impl Iterator<Item = &'a IngressBackend> {
        let rules = self.spec.and_then(|spec| spec.rules.as_ref()).into_iter().flatten();
        let paths = rules.flat_map(|rule| rule.http.iter().flat_map(|http| &http.paths));
        let default = self.spec.and_then(|spec| spec.default_backend.as_ref());
        paths.map(|path| &path.backend).chain(default)
    }

    /// Whether all its hosts have an entry in `spec.tls`.
    pub(super) fn has_tls(&self) -> bool {
        let entries = self.spec.and_then(|spec| spec.tls.as_ref()).into_iter().flatten();
        let named: Vec<_> = entries.flat_map(|entry| entry.hosts.iter().flatten()).collect();
        let rules = self.spec.and_then(|spec| spec.rules.as_ref()).into_iter().flatten();
        rules.filter_map(|rule| rule.host.as_ref()).all(|host| named.contains(&host))
    }

    /// The host that a URL of an annotation names.
    pub(super) fn url_host(&self, name: &str) -> &'a str {
        url_parts(self.value(name)).0
    }

    /// The path of such a URL; empty: it has none.
    pub(super) fn url_path(&self, name: &str) -> &'a str {
        url_parts(self.value(name)).1
    }
}

impl World {
    /// The value of a key of the ConfigMap; empty: there is none.
    pub(super) fn key(&self, name: &str) -> &str {
        self.keys.get(name).map(|value| value.trim()).unwrap_or_default()
    }

    /// Whether a truth value of it is true.
    pub(super) fn is_on(&self, name: &str) -> bool {
        parse_bool(self.key(name)) == Some(true)
    }

    /// Whether a flag is given and not switched off.
    pub(super) fn has_flag(&self, name: &str) -> bool {
        self.flags.get(name).is_some_and(|value| parse_bool(value) != Some(false))
    }

    /// The keys of a ConfigMap.
    pub(super) fn keys_of(map: &ConfigMap) -> BTreeMap<String, String> {
        map.data.clone().unwrap_or_default()
    }

    /// Flags by their names, of words as Go's pflag takes them.
    pub(super) fn flags_of(words: &[String]) -> BTreeMap<String, String> {
        let mut flags = BTreeMap::new();
        let mut last: Option<&str> = None;
        for word in words {
            match (flag_in(word), last.take()) {
                (Some(flag), _) => {
                    let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
                    flags.insert(name.to_owned(), value.to_owned());
                    last = (!flag.contains('=')).then_some(name);
                }
                (None, Some(name)) => drop(flags.insert(name.to_owned(), word.clone())),
                (None, None) => {}
            }
        }
        flags
    }
}

/// A word without the dashes of a flag, which has a name; `None`: it is none, such as `-1`.
fn flag_in(word: &str) -> Option<&str> {
    let flag = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    flag.starts_with(|c: char| c.is_ascii_alphabetic()).then_some(flag)
}

/// Host and path of a URL.
fn url_parts(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    rest.split_at_checked(end).unwrap_or((rest, ""))
}
