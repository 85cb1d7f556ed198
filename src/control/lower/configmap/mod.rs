//! The controller's own ConfigMap → what holds for all objects: one row a key.

pub(super) mod globals;
mod keys;

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;

use super::options::LowerOptions;
use crate::control::source::object::Object;
use crate::control::source::report::{Finding, Report};
use crate::control::store::Entry;
use crate::model::{Defaults, ObjectRef, Problem};
use globals::Globals;
use keys::KEYS;

/// What `map` says over `defaults`, which are those of flags, and what is wrong with it. What
/// cannot be understood has no effect.
pub(super) fn read(
    reference: &ObjectRef,
    map: Option<&Entry<ConfigMap>>,
    defaults: &Defaults,
) -> (Globals, Vec<Arc<Problem>>) {
    let mut globals = Globals { defaults: defaults.clone(), ..Globals::default() };
    let mut report = Report::new(reference, map.and_then(|entry| entry.provenance.as_ref()));
    let Some(entry) = map else {
        report.warning(Finding {
            reason: "ConfigMapMissing",
            field: String::new(),
            message: format!(
                "there is no {reference}, which --configmap names: flags alone count."
            ),
            advice: "Create it, or leave the flag out.".into(),
        });
        return (globals, report.finish());
    };
    let ConfigMap { data, binary_data: _, immutable: _, metadata: _ } = &*entry.object;
    for (name, value) in data.iter().flatten() {
        let finding = match KEYS.iter().find(|key| key.name == name) {
            None => Finding {
                reason: "KeyNotSupported",
                field: format!("data.{name}"),
                message: "the key is not supported yet and has no effect.".into(),
                advice: "See whether all is right without it.".into(),
            },
            Some(key) => match (key.read)(value.trim(), &mut globals) {
                Ok(()) => continue,
                Err(why) => Finding {
                    reason: "InvalidValue",
                    field: format!("data.{name}"),
                    message: format!("{value:?} cannot be used: {why}."),
                    advice: "Correct it; until then the default counts.".into(),
                },
            },
        };
        report.warning(finding);
    }
    (globals, report.finish())
}

/// The globals of the ConfigMap that the flag names, if it is among `objects`.
pub fn globals_of<'a>(
    objects: impl IntoIterator<Item = (&'a ObjectRef, &'a Object)>,
    options: &LowerOptions,
) -> Globals {
    let LowerOptions { config_map, defaults, .. } = options;
    let found = objects.into_iter().find_map(|(reference, object)| match object {
        Object::ConfigMap(map) if Some(reference) == config_map.as_ref() => {
            let entry = Entry { object: Arc::clone(map), provenance: None };
            Some(read(reference, Some(&entry), defaults).0)
        }
        _ => None,
    });
    found.unwrap_or_else(|| Globals { defaults: defaults.clone(), ..Globals::default() })
}

#[cfg(test)]
mod tests {
    use super::globals::NamingScope;
    use super::*;
    use crate::control::source::manifest;

    /// The globals, and `Reason field` of each problem.
    fn globals(data: &str) -> (Globals, Vec<String>) {
        let text =
            format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{{data}}}\n");
        let source = manifest::read(&"f".into(), &text).objects.remove(0);
        let Object::ConfigMap(object) = source.object else { panic!("a ConfigMap") };
        let entry = Entry { object, provenance: source.provenance };
        let (globals, problems) = read(&source.reference, Some(&entry), &Defaults::default());
        (globals, problems.iter().map(|p| format!("{} {}", p.reason, p.field)).collect())
    }

    #[test]
    fn keys_are_read_by_their_rows() {
        let none = Globals::default();
        let fields = |names: &[&str]| Globals {
            allowed_answer_fields: names.iter().map(|name| (*name).into()).collect(),
            ..Globals::default()
        };
        let any = Globals { naming: NamingScope::Any, ..Globals::default() };
        let cases: [(&str, Globals, &[&str]); 9] = [
            ("", none.clone(), &[]),
            ("no-such-key: \"1\"", none.clone(), &["KeyNotSupported data.no-such-key"]),
            ("global-allowed-response-headers: \" \"", none.clone(), &[]),
            (
                "global-allowed-response-headers: \"X-A, x-b,,X_C \"",
                fields(&["x-a", "x-b", "x_c"]),
                &[],
            ),
            (
                "global-allowed-response-headers: \"X-A: 1\"",
                none.clone(),
                &["InvalidValue data.global-allowed-response-headers"],
            ),
            ("allow-cross-namespace-resources: \"true\"", any.clone(), &[]),
            ("allow-cross-namespace-resources: \"false\"", none.clone(), &[]),
            (
                "allow-cross-namespace-resources: \"yes\"",
                none,
                &["InvalidValue data.allow-cross-namespace-resources"],
            ),
            (
                "allow-cross-namespace-resources: \" true \", other: \"\"",
                any,
                &["KeyNotSupported data.other"],
            ),
        ];
        for (data, expected, told) in cases {
            assert_eq!(globals(data), (expected, told.iter().map(|t| (*t).to_owned()).collect()));
        }
    }

    #[test]
    fn without_the_object_flags_count_and_it_is_told() {
        let reference = ObjectRef {
            kind: crate::model::Kind::ConfigMap,
            namespace: "a".into(),
            name: "c".into(),
        };
        let defaults = Defaults { tries: 7, ..Defaults::default() };
        let (globals, problems) = read(&reference, None, &defaults);
        assert_eq!(globals, Globals { defaults, ..Globals::default() });
        let told: Vec<_> = problems.iter().map(|problem| problem.reason).collect();
        assert_eq!(told, ["ConfigMapMissing"]);
    }
}
