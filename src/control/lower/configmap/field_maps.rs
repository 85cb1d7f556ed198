//! ConfigMaps with fields for all requests and responses, which the controller's own names.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;

use super::globals::{FieldMaps, Globals};
use super::row::field;
use crate::control::source::report::{Finding, Report};
use crate::control::store::Entry;
use crate::filter::{FieldEdits, Text};
use crate::limits::GENERAL_WORDS_MAX;
use crate::model::{ObjectRef, Problem, reason};

/// A line towards backends: name and value.
type Line = (Box<str>, Text);

/// Puts the fields of the ConfigMaps that `map`, the controller's own, names into `globals`. What
/// cannot be used is told on it and left out.
pub(in super::super) fn find(
    reference: &ObjectRef,
    map: Option<&Entry<ConfigMap>>,
    all: &BTreeMap<ObjectRef, Entry<ConfigMap>>,
    globals: &mut Globals,
) -> Vec<Arc<Problem>> {
    let mut report = Report::new(reference, map.and_then(|entry| entry.provenance.as_ref()));
    let FieldMaps { answer, upstream, original_target } = globals.field_maps.clone();
    if let Some(named) = &answer {
        let mut fields = FieldEdits::default();
        for (name, value) in lines("add-headers", named, all, &mut report) {
            match FieldEdits::line(name, value) {
                Ok(edit) => fields.append(&edit),
                Err(why) => report.warning(unusable("add-headers", named, &why.to_string())),
            }
        }
        globals.defaults.answer_fields = Arc::new(fields);
    }
    let target = original_target.then_some(("X-Original-URI", "$request_uri"));
    let mut texts: Vec<Line> = target.into_iter().filter_map(|(n, v)| line(n, v).ok()).collect();
    let mut set = FieldEdits::default();
    if let Some(named) = &upstream {
        for (name, value) in lines("proxy-set-headers", named, all, &mut report) {
            match line(name, value) {
                Ok((name, text)) => {
                    match text.constant().map(|value| FieldEdits::line(&name, value)) {
                        Some(Ok(edit)) => set.append(&edit),
                        Some(Err(why)) => {
                            report.warning(unusable("proxy-set-headers", named, &why.to_string()));
                        }
                        None => texts.push((name, text)),
                    }
                }
                Err(why) => report.warning(unusable("proxy-set-headers", named, &why)),
            }
        }
    }
    globals.defaults.upstream_set = Arc::new(set);
    globals.defaults.upstream_fields = texts.into();
    report.finish()
}

fn line(name: &str, value: &str) -> Result<Line, String> {
    FieldEdits::new([], [], [name]).map_err(|error| error.to_string())?;
    let text = Text::new(value, |_| false).map_err(|why| format!("the value of {name}: {why}"))?;
    Ok((name.into(), text))
}

fn lines<'m>(
    key: &str,
    named: &ObjectRef,
    all: &'m BTreeMap<ObjectRef, Entry<ConfigMap>>,
    report: &mut Report<'_>,
) -> impl Iterator<Item = (&'m str, &'m str)> + use<'m> {
    let map = all.get(named);
    if map.is_none() {
        report.warning(Finding {
            reason: reason!("ConfigMapMissing"),
            field: field(key),
            message: format!("there is no {named}; it is as if the key were not there."),
            advice: "Create it, or correct the name.".into(),
        });
    }
    let data = map.into_iter().flat_map(|entry| entry.object.data.iter().flatten());
    if data.clone().count() > GENERAL_WORDS_MAX {
        let why = format!("only the first {GENERAL_WORDS_MAX} fields are used");
        report.warning(unusable(key, named, &why));
    }
    let lines = data.take(GENERAL_WORDS_MAX);
    lines.map(|(name, value)| (name.as_str(), value.trim()))
}

fn unusable(key: &str, named: &ObjectRef, why: &str) -> Finding {
    Finding {
        reason: reason!("ConfigMapInvalid"),
        field: field(key),
        message: format!("not all of {named} can be used: {why}."),
        advice: "Correct it; the rest counts.".into(),
    }
}
