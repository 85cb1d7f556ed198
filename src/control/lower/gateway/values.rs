//! Conditions on fields and parameters, as HTTPRoutes and GRPCRoutes have them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::meaning::{Read, Refused};
use super::rules::unsupported;
use crate::control::gateway_api::http_route::ValueCondition;
use crate::model::{FieldMatch, PathMatch, PathPattern, Pattern, QueryMatch, ValueMatch};

/// Conditions on fields; `field`: where they stand. Names have no case; the first of one counts.
pub(super) fn fields(all: &[ValueCondition], field: &str) -> Read<Vec<FieldMatch>> {
    let (named, fault) = named(all, field, str::to_ascii_lowercase);
    (named.into_iter().map(|(name, value)| FieldMatch { name, value }).collect(), fault)
}

/// Conditions on parameters; the same, but that names have case.
pub(super) fn query(all: &[ValueCondition], field: &str) -> Read<Vec<QueryMatch>> {
    let (named, fault) = named(all, field, str::to_owned);
    (named.into_iter().map(|(name, value)| QueryMatch { name, value }).collect(), fault)
}

fn named(
    all: &[ValueCondition],
    field: &str,
    spelled: fn(&str) -> String,
) -> Read<Vec<(Arc<str>, ValueMatch)>> {
    let (mut found, mut fault) = (Vec::<(Arc<str>, ValueMatch)>::new(), None);
    let mut seen = BTreeSet::new();
    for (index, condition) in all.iter().enumerate() {
        let name: Arc<str> = spelled(&condition.name).into();
        if !seen.insert(Arc::clone(&name)) {
            continue;
        }
        match value(condition, &format!("{field}[{index}]")) {
            Ok(value) => found.push((name, value)),
            Err(why) => {
                fault = fault.or(Some(why));
                // It asks for some value in any case, and has its place among other conditions.
                let is_expression = condition.type_.as_deref() == Some("RegularExpression");
                if let Some(any) = Pattern::new("").ok().filter(|_| is_expression) {
                    found.push((name, ValueMatch::Regex(any)));
                }
            }
        }
    }
    (found, fault)
}

/// An expression matches the whole value.
fn value(condition: &ValueCondition, field: &str) -> Result<ValueMatch, Refused> {
    let ValueCondition { type_, name: _, value } = condition;
    match type_.as_deref().unwrap_or("Exact") {
        "Exact" => Ok(ValueMatch::Exact(value.as_str().into())),
        "RegularExpression" => {
            match Pattern::new(value).and_then(|_| Pattern::new(&whole(value))) {
                Ok(pattern) => Ok(ValueMatch::Regex(pattern)),
                Err(error) => {
                    let text = format!("{value:?} is {error}; correct it.");
                    Err(unsupported(format!("{field}.value"), text))
                }
            }
        }
        other => Err(unsupported(
            format!("{field}.type"),
            format!("{other} is no way to compare; write Exact or RegularExpression."),
        )),
    }
}

/// An expression that matches nothing but the whole. It has to be one by itself: else a parenthesis
/// of it might close ours.
pub(super) fn whole(expression: &str) -> String {
    format!("^(?:{expression})$")
}

/// What takes every path that an expression that cannot be read may have meant, in its place among
/// others. `head`: the octets in front of it, which are plain.
pub(super) fn widest(weight: usize, head: &str, expression: &str) -> PathMatch {
    let head = format!("{head}{}", plain_head(expression));
    let source = format!("^{}(?s:.*)$", Pattern::escape(&head));
    let pattern = PathPattern::weighing(weight, expression, &source);
    pattern.map_or_else(|_| PathMatch::Prefix("/".into()), PathMatch::Regex)
}

/// What everything begins with that an expression matches, as far as it is plain.
fn plain_head(expression: &str) -> &str {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-_~%=&,;:@!'".contains(c);
    let end = expression.find(|c| !is_plain(c)).unwrap_or(expression.len());
    let (head, rest) = expression.split_at(end);
    match rest.chars().next() {
        // One of its branches.
        _ if expression.contains('|') => "",
        // What stands before may be missing.
        Some('?' | '*' | '{') => head.get(..end.saturating_sub(1)).unwrap_or_default(),
        _ => head,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_beginning_of_an_expression_is_that_of_all_it_matches() {
        for (expression, expected) in [
            ("/admin/(", "/admin/"),
            ("/admin/?(", "/admin"),
            ("/admin/*(", "/admin"),
            ("/admin/{0,1}(", "/admin"),
            ("/admin/+(", "/admin/"),
            ("/a|/b(", ""),
            ("(?i)/a", ""),
            ("/a.b(", "/a"),
            (r"/a\.b(", "/a"),
            ("?", ""),
            ("", ""),
            ("/a", "/a"),
        ] {
            assert_eq!(plain_head(expression), expected, "{expression}");
        }
    }
}
