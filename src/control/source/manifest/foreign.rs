//! Files that are no manifests, and why: values and templates of Helm, inputs of kustomize, files
//! of other programs. Pure.

use std::path::Path;

use serde_json::Value;

use super::kinds;

/// What a text is instead of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    Chart,
    Values,
    Kustomize,
    Compose,
    Template,
    /// Of some other program.
    Other,
}

impl Foreign {
    /// What it is, for `skipped: …`.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Chart => "the description of a Helm chart, no manifest",
            Self::Values => "values of a Helm chart, no manifest",
            Self::Kustomize => "input of kustomize, no manifest",
            Self::Compose => "a file of Docker Compose, no manifest",
            Self::Template => "a template, which has to be rendered first",
            Self::Other => "no manifest, as it has neither apiVersion nor kind",
        }
    }

    /// How to check what is made of it.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::Chart | Self::Values => {
                "Check what the chart makes (helm template CHART | ringway check -)."
            }
            Self::Template => "Check what it makes (helm template CHART | ringway check -).",
            Self::Kustomize => "Check what it makes (kustomize build DIR | ringway check -).",
            Self::Compose | Self::Other => "",
        }
    }
}

/// A document without kind or without apiVersion that is meant for another program. `file`: its
/// name; `None`: it is meant to be an object.
pub(super) fn judge(file: &str, document: &Value) -> Option<Foreign> {
    let has = |name: &str| document.get(name).is_some();
    let (has_kind, has_version) = (has("kind"), has("apiVersion"));
    if has_kind && has_version {
        return None;
    }
    if let Some(foreign) = by_name(file) {
        return Some(foreign);
    }
    if has_version && !has_kind && has("name") && has("version") && !has("metadata") {
        return Some(Foreign::Chart);
    }
    let is_slip = |fields: &serde_json::Map<String, Value>| {
        fields.iter().any(|(key, value)| match &*key.to_ascii_lowercase() {
            "apiversion" | "metadata" | "spec" => true,
            // Others have kinds of their own: `kind: pipeline`.
            "kind" => value.as_str().is_none_or(kinds::is_known_word),
            _ => false,
        })
    };
    let is_object = match document {
        Value::Object(fields) => is_slip(fields),
        Value::Array(items) => {
            items.iter().any(|item| item.get("kind").is_some() || item.get("metadata").is_some())
        }
        _ => false,
    };
    (!is_object).then_some(Foreign::Other)
}

/// Kinds of apiVersion and kind that are inputs of a program, not objects.
pub(super) fn by_kind(version: &str) -> Option<Foreign> {
    version.starts_with("kustomize.config.k8s.io/").then_some(Foreign::Kustomize)
}

fn by_name(file: &str) -> Option<Foreign> {
    let name = Path::new(file).file_name()?.to_str()?.to_ascii_lowercase();
    let stem = name.rsplit_once('.').map_or(&*name, |(stem, _)| stem);
    let is = |word: &str| {
        stem == word
            || stem.strip_prefix(word).is_some_and(|rest| rest.starts_with(['-', '.', '_']))
            || stem.strip_suffix(word).is_some_and(|rest| rest.ends_with(['-', '.', '_']))
    };
    if stem == "chart" {
        Some(Foreign::Chart)
    } else if is("values") {
        Some(Foreign::Values)
    } else if stem == "kustomization" {
        Some(Foreign::Kustomize)
    } else if is("docker-compose") || is("compose") {
        Some(Foreign::Compose)
    } else {
        None
    }
}

/// A text that cannot be parsed: whether it is a template, or does not even speak of an object.
/// The line of a template's first mark, from 1, comes with it.
pub(super) fn judge_unparsed(file: &str, text: &str) -> Option<(Foreign, u32)> {
    if let Some(line) = text.lines().zip(1..).find_map(|(l, n)| is_template_line(l).then_some(n)) {
        return Some((Foreign::Template, line));
    }
    let says = |line: &str, word: &str| {
        let line = line.trim_start_matches(['-', ' ', '\t', '{', ',', '"', '\'', '\u{feff}']);
        let rest = line.get(..word.len()).filter(|head| head.eq_ignore_ascii_case(word));
        rest.and_then(|_| line.get(word.len()..))
            .is_some_and(|rest| rest.trim_start_matches(['"', '\'']).trim_start().starts_with(':'))
    };
    let mentions = |word: &str| text.contains(&format!("\"{word}\"")); // JSON in one line
    let speaks = text.lines().any(|line| says(line, "apiVersion") || says(line, "kind"))
        || mentions("apiVersion")
        || mentions("kind");
    (!speaks).then(|| (by_name(file).unwrap_or(Foreign::Other), 1))
}

/// Expressions of Go templates, Jinja and their like, outside comments and quotes.
fn is_template_line(line: &str) -> bool {
    let line = line.trim_start();
    if line.starts_with('#') {
        return false;
    }
    let begins = ["{{", "{%", "%{", "<%"].iter().any(|mark| line.starts_with(mark));
    let within = [": {{", "- {{", "-{{", ": {%", ": <%"].iter().any(|mark| line.contains(mark));
    // `name: a-{{ .x }}` is no YAML only where something follows that breaks it; it counts, too.
    let plain = line.find("{{").is_some_and(|at| {
        let before = line.get(..at).unwrap_or_default();
        before.matches(['"', '\'']).count() % 2 == 0
    });
    begins || within || plain
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_for_other_programs_are_told_from_broken_objects() {
        use Foreign::{Chart, Compose, Kustomize, Other, Values};
        for (file, document, expected) in [
            ("a/Chart.yaml", json!({"apiVersion": "v2", "name": "a", "version": "1"}), Some(Chart)),
            ("a/x.yaml", json!({"apiVersion": "v2", "name": "a", "version": "1"}), Some(Chart)),
            ("values.yaml", json!({"kind": "DaemonSet", "spec": {}}), Some(Values)),
            ("values-prod.yaml", json!({"a": 1}), Some(Values)),
            ("prod.values.yml", json!({"a": 1}), Some(Values)),
            ("kustomization.yml", json!({"resources": ["a.yaml"]}), Some(Kustomize)),
            ("docker-compose.dev.yml", json!({"services": {}}), Some(Compose)),
            ("compose.yaml", json!({"services": {}}), Some(Compose)),
            ("package.json", json!({"name": "a", "version": "1"}), Some(Other)),
            ("ci.yml", json!({"on": "push", "jobs": {}}), Some(Other)),
            ("hosts.yaml", json!(["a", "b"]), Some(Other)),
            ("hosts.yaml", json!("text"), Some(Other)),
            ("a.yaml", json!({"kind": "Ingress"}), None),
            ("a.yaml", json!({"Kind": "Ingress", "x": 1}), None),
            ("a.yaml", json!({"kind": "pipeline", "type": "docker"}), Some(Other)),
            ("a.yaml", json!({"kind": "Deployment", "metadata": {}}), None),
            ("a.yaml", json!({"apiversion": "v1", "x": 1}), None),
            ("a.yaml", json!({"metadata": {"name": "a"}}), None),
            ("a.yaml", json!({"spec": {}}), None),
            ("a.yaml", json!([{"kind": "Service"}]), None),
            ("values.yaml", json!({"kind": "Service", "apiVersion": "v1"}), None),
        ] {
            assert_eq!(judge(file, &document), expected, "{file} {document}");
        }
    }

    #[test]
    fn templates_and_foreign_texts_are_told_from_broken_manifests() {
        use Foreign::{Other, Template, Values};
        for (file, text, expected) in [
            ("a.yaml", "{{- if .Values.a }}\nkind: Ingress\n", Some((Template, 1))),
            ("a.yaml", "kind: Ingress\nmetadata:\n  name: {{ .x }}-a\n", Some((Template, 3))),
            ("a.yaml", "kind: Ingress\n{% if a %}\n", Some((Template, 2))),
            ("a.yaml", "kind: Ingress\n  - host: app.{{ .x }}\n", Some((Template, 2))),
            ("a.yaml", "# {{ no }}\nkind: [\n", None),
            ("a.yaml", "kind: [\na: \"{{ quoted }}\"\n", None),
            ("a.yaml", "kind: [\n", None),
            ("a.yaml", "  \"apiVersion\" : [\n", None),
            ("a.json", "{\"a\": 1, \"kind\": \"Ingress\"", None),
            ("a.yaml", "a: !reference [x]\nb: [\n", Some((Other, 1))),
            ("values.yaml", "a: [\n", Some((Values, 1))),
            ("a.yaml", "\u{0}\u{1}", Some((Other, 1))),
        ] {
            assert_eq!(judge_unparsed(file, text), expected, "{text:?}");
        }
    }
}
