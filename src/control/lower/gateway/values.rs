//! Conditions on fields and parameters, as HTTPRoutes and GRPCRoutes have them.

use std::sync::Arc;

use super::meaning::Refused;
use super::rules::unsupported;
use crate::control::gateway_api::http_route::ValueCondition;
use crate::model::{FieldMatch, Pattern, QueryMatch, ValueMatch};

/// Conditions on fields; `field`: where they stand. Names have no case; the first of one counts.
pub(super) fn fields(all: &[ValueCondition], field: &str) -> Result<Vec<FieldMatch>, Refused> {
    let mut found: Vec<FieldMatch> = Vec::new();
    for (index, condition) in all.iter().enumerate() {
        let name: Arc<str> = condition.name.to_ascii_lowercase().into();
        if found.iter().all(|known| known.name != name) {
            let value = value(condition, &format!("{field}[{index}]"))?;
            found.push(FieldMatch { name, value });
        }
    }
    Ok(found)
}

/// Conditions on parameters; the same, but that names have case.
pub(super) fn query(all: &[ValueCondition], field: &str) -> Result<Vec<QueryMatch>, Refused> {
    let mut found: Vec<QueryMatch> = Vec::new();
    for (index, condition) in all.iter().enumerate() {
        let name: Arc<str> = condition.name.as_str().into();
        if found.iter().all(|known| known.name != name) {
            let value = value(condition, &format!("{field}[{index}]"))?;
            found.push(QueryMatch { name, value });
        }
    }
    Ok(found)
}

/// An expression matches the whole value.
fn value(condition: &ValueCondition, field: &str) -> Result<ValueMatch, Refused> {
    let ValueCondition { type_, name: _, value } = condition;
    match type_.as_deref().unwrap_or("Exact") {
        "Exact" => Ok(ValueMatch::Exact(value.as_str().into())),
        "RegularExpression" => match Pattern::new(&whole(value)) {
            Ok(pattern) => Ok(ValueMatch::Regex(pattern)),
            Err(error) => {
                let text = format!("{value:?} is {error}; correct it.");
                Err(unsupported(format!("{field}.value"), text))
            }
        },
        other => Err(unsupported(
            format!("{field}.type"),
            format!("{other} is no way to compare; write Exact or RegularExpression."),
        )),
    }
}

/// An expression that matches nothing but the whole.
pub(super) fn whole(expression: &str) -> String {
    format!("^(?:{expression})$")
}
