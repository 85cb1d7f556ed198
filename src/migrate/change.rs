//! What is to be written another way, as a merge patch in YAML. A value is proposed only where
//! lowering takes it.

use serde_json::Value;

use super::facts::DIALECT;
use super::verify::word;
use super::yaml::{one_line, scalar};
use crate::model::parse_bool;

/// One field that is to be written another way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    /// Name of an annotation or a key; empty: it is about the object otherwise.
    pub name: String,
    /// What becomes of it.
    pub to: To,
    /// Why.
    pub why: String,
}

/// What becomes of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum To {
    /// It shall be this.
    Value(String),
    /// It goes.
    Gone,
    /// It stays, and whoever applies the patch is told: the patch holds for ingress-nginx, too, and
    /// takes no guard away there.
    Said,
}

/// Where named values stand in an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// `metadata.annotations` of an Ingress.
    Annotations,
    /// `data` of a ConfigMap.
    Data,
}

/// Whether a guard that has this value may keep nobody out.
pub(super) fn lets_in(value: &str) -> bool {
    let is_zero = value.bytes().all(|c| c == b'0');
    is_zero || matches!(value, "off" | "any") || parse_bool(value) == Some(false)
}

/// Values that may be meant by one that cannot be used, the likeliest first.
pub(super) fn candidates(value: &str) -> Vec<String> {
    let mut all = Vec::new();
    let word = value.trim().to_ascii_lowercase();
    match &*word {
        "yes" | "on" | "enabled" | "true" | "enable" => all.push("true".to_owned()),
        "no" | "off" | "disabled" | "false" | "disable" => all.push("false".to_owned()),
        _ => {}
    }
    let end = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
    let (digits, unit) = word.split_at_checked(end).unwrap_or_default();
    if !digits.is_empty() {
        // Of a unit's name the first letter is nginx's: `8 MiB` is `8m`.
        let first = unit.trim_start().chars().next();
        all.extend(first.filter(|c| "kmg".contains(*c)).map(|c| format!("{digits}{c}")));
        // So many in a longer time are fewer.
        if !unit.contains("/m") && !unit.contains("/h") {
            all.push(digits.to_owned());
        }
    }
    all.push(word);
    all.retain(|candidate| candidate != value);
    all.dedup();
    all
}

/// A merge patch of an object.
pub(super) fn patch(
    kind: &str,
    namespace: &str,
    name: &str,
    section: Section,
    edits: &[Edit],
) -> String {
    let version = match section {
        Section::Annotations => "networking.k8s.io/v1",
        Section::Data => "v1",
    };
    let mut text = format!(
        "# kubectl patch {} {} --namespace {} --type merge --patch-file THIS\n\
         apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {}\n  namespace: {}\n",
        kind.to_ascii_lowercase(),
        one_line(&word(name)),
        one_line(&word(namespace)),
        scalar(&name.into()),
        scalar(&namespace.into()),
    );
    let (mut values, mut words) = (String::new(), String::new());
    let (indent, prefix) = match section {
        Section::Annotations => ("    ", DIALECT),
        Section::Data => ("  ", ""),
    };
    for Edit { name, to, why } in edits {
        // A text of JSON is one of YAML, too.
        let value = match to {
            To::Value(value) => Value::from(value.as_str()),
            To::Gone => Value::Null,
            To::Said => {
                let name = if name.is_empty() { String::new() } else { format!("{name}: ") };
                words += &format!("# {}\n", one_line(&format!("{name}{why}")));
                continue;
            }
        };
        let key = scalar(&Value::from(format!("{prefix}{name}")));
        values += &format!("{indent}{key}: {value} # {}\n", one_line(why));
    }
    if !values.is_empty() {
        text += match section {
            Section::Annotations => "  annotations:\n",
            Section::Data => "data:\n",
        };
        text += &values;
    }
    text + &words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_meant_is_proposed() {
        for (value, expected) in [
            ("yes", &["true", "yes"][..]),
            ("True", &["true"]),
            ("60s", &["60", "60s"]),
            ("8 MB", &["8m", "8", "8 mb"]),
            ("10r/s", &["10", "10r/s"]),
            ("-1", &[]),
            ("60", &[]),
        ] {
            let expected: Vec<_> =
                expected.iter().filter(|candidate| **candidate != value).collect();
            assert_eq!(candidates(value).iter().collect::<Vec<_>>(), expected, "{value}");
        }
    }

    #[test]
    fn a_patch_is_yaml_with_reasons() {
        let edit = |name: &str, to: To| Edit {
            name: name.to_owned(),
            to,
            why: "because:\nof this".to_owned(),
        };
        let edits = [
            edit("limit-rps", To::Value("10".to_owned())),
            edit("x", To::Gone),
            edit("y: #\nz", To::Gone),
            edit("server-snippet", To::Said),
            edit("", To::Said),
        ];
        let text = patch("Ingress", "no", "i", Section::Annotations, &edits);
        assert_eq!(
            text,
            "# kubectl patch ingress i --namespace no --type merge --patch-file THIS\n\
             apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: i\n  \
             namespace: \"no\"\n\
             \x20 annotations:\n\
             \x20   nginx.ingress.kubernetes.io/limit-rps: \"10\" # because: of this\n\
             \x20   nginx.ingress.kubernetes.io/x: null # because: of this\n\
             \x20   \"nginx.ingress.kubernetes.io/y: #\\nz\": null # because: of this\n\
             # server-snippet: because: of this\n# because: of this\n"
        );
        let text = patch("ConfigMap", "n", "a; rm -rf x", Section::Data, &[]);
        assert!(
            text.starts_with("# kubectl patch configmap 'a; rm -rf x' --namespace n"),
            "{text}"
        );
        assert!(text.contains("\n  name: \"a; rm -rf x\"\n"), "{text}");
    }
}
