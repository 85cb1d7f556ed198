//! What is to be written another way, as a merge patch in YAML. A value is proposed only where
//! lowering takes it.

use serde_json::Value;

use super::facts::{DIALECT, SNIPPETS};

/// One field that is to be written another way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    /// Name of an annotation or a key; empty: it is about the object otherwise.
    pub name: String,
    /// What it shall be; `None`: it goes.
    pub value: Option<String>,
    /// Why, in one line.
    pub why: String,
}

/// Where named values stand in an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// `metadata.annotations` of an Ingress.
    Annotations,
    /// `data` of a ConfigMap.
    Data,
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
        all.push(digits.to_owned());
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
        "# kubectl patch {} {name} --namespace {namespace} --type merge --patch-file THIS\n\
         apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}\n  \
         namespace: {namespace}\n",
        kind.to_ascii_lowercase()
    );
    let (mut values, mut words) = (String::new(), String::new());
    let (indent, prefix) = match section {
        Section::Annotations => ("    ", DIALECT),
        Section::Data => ("  ", ""),
    };
    for Edit { name, value, why } in edits {
        let is_text = section == Section::Annotations && SNIPPETS.contains(&&**name);
        if name.is_empty() || is_text {
            words += &format!("# {}\n", one_line(&format!("{name} {why}")));
            continue;
        }
        let key = if name.contains('/') { name.clone() } else { format!("{prefix}{name}") };
        // A text of JSON is one of YAML, too.
        let value = Value::from(value.as_deref());
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

/// A comment ends with its line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
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
        let edit = |name: &str, value: Option<&str>| Edit {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            why: "because:\nof this".to_owned(),
        };
        let edits = [
            edit("limit-rps", Some("10")),
            edit("x", None),
            edit("server-snippet", None),
            edit("", None),
        ];
        let text = patch("Ingress", "n", "i", Section::Annotations, &edits);
        assert_eq!(
            text,
            "# kubectl patch ingress i --namespace n --type merge --patch-file THIS\n\
             apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: i\n  \
             namespace: n\n\
             \x20 annotations:\n\
             \x20   nginx.ingress.kubernetes.io/limit-rps: \"10\" # because: of this\n\
             \x20   nginx.ingress.kubernetes.io/x: null # because: of this\n\
             # server-snippet because: of this\n# because: of this\n"
        );
    }
}
