//! What a rule asks of a request beyond host and path, and which rules of one path come first.

use std::cmp::Reverse;
use std::sync::Arc;

use super::key::RequestKey;
use crate::model::{FieldMatch, PathMatch, QueryMatch, RequestMatch};

/// Conditions on method, fields and query; all hold together.
#[derive(Debug)]
pub(super) struct Conditions {
    method: Option<Arc<str>>,
    fields: Box<[FieldMatch]>,
    query: Box<[QueryMatch]>,
}

/// A rule that is tried once its path matches.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// Index into the host's rules.
    pub(super) rule: u32,
    /// Its path is the whole of a request's, byte for byte.
    pub(super) is_exact: bool,
    /// `None`: the path is enough. Apart, because nearly all have none.
    conditions: Option<Arc<Conditions>>,
}

impl Candidate {
    /// The candidate for one match of a rule.
    pub(super) fn new(rule: u32, from: &RequestMatch) -> Self {
        let is_bare = from.method.is_none() && from.fields.is_empty() && from.query.is_empty();
        let conditions = (!is_bare).then(|| {
            Arc::new(Conditions {
                method: from.method.clone(),
                fields: from.fields.clone().into(),
                query: from.query.clone().into(),
            })
        });
        let is_exact = matches!(from.path, PathMatch::Exact(_));
        Self { rule, is_exact, conditions }
    }

    /// Whether the request meets the conditions.
    #[inline]
    pub(super) fn is_met(&self, key: &RequestKey<'_>) -> bool {
        self.conditions.as_ref().is_none_or(|conditions| conditions.are_met(key))
    }

    /// What of the request is not as the rule asks for it; `None`: nothing. Values are not
    /// repeated: they may be nobody's to see.
    pub(super) fn unmet(&self, key: &RequestKey<'_>) -> Option<String> {
        let conditions = self.conditions.as_ref().filter(|conditions| !conditions.are_met(key))?;
        let Conditions { method, fields, query } = &**conditions;
        if let Some(wanted) = method.as_ref().filter(|wanted| wanted.as_bytes() != key.method) {
            return Some(format!("the method is not {wanted}"));
        }
        let field = fields.iter().find(|wanted| {
            let value = key.fields.field(wanted.name.as_bytes());
            !value.is_some_and(|value| wanted.value.is_match(value))
        });
        if let Some(wanted) = field {
            return Some(format!("the field {} is not as it asks for", wanted.name));
        }
        let names: Vec<&str> = query.iter().map(|wanted| &*wanted.name).collect();
        Some(format!("of the query, {} is not as it asks for", names.join(" or ")))
    }

    /// Rank among candidates of one path, lowest first: with a method, then most field conditions,
    /// then most query conditions. Ties keep the order they came in, which a stable sort preserves.
    ///
    /// Source: Gateway API `HTTPRouteRule.matches`, precedence.
    fn rank(&self) -> (Reverse<bool>, Reverse<usize>, Reverse<usize>) {
        match &self.conditions {
            Some(c) => {
                (Reverse(c.method.is_some()), Reverse(c.fields.len()), Reverse(c.query.len()))
            }
            None => (Reverse(false), Reverse(0), Reverse(0)),
        }
    }
}

/// Puts the candidates of one path into the order they are tried in, and drops those behind the
/// first one without conditions: they can never be reached.
pub(super) fn order(candidates: &mut Vec<Candidate>) {
    candidates.sort_by_key(Candidate::rank);
    if let Some(last) = candidates.iter().position(|c| c.conditions.is_none()) {
        candidates.truncate(last + 1);
    }
}

impl Conditions {
    fn are_met(&self, key: &RequestKey<'_>) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted.as_bytes() == key.method)
            && self.fields.iter().all(|wanted| {
                let value = key.fields.field(wanted.name.as_bytes());
                value.is_some_and(|value| wanted.value.is_match(value))
            })
            && self.query.iter().all(|wanted| {
                let value = key.query.and_then(|query| parameter(query, wanted.name.as_bytes()));
                value.is_some_and(|value| wanted.value.is_match(value))
            })
    }
}

/// Value of the first parameter called `name`, as sent; empty if it has no `=`.
///
/// One pass over `query`, without splitting what cannot be `name`.
fn parameter<'q>(query: &'q [u8], name: &[u8]) -> Option<&'q [u8]> {
    let mut rest = query;
    loop {
        let end = memchr::memchr(b'&', rest).unwrap_or(rest.len());
        let (pair, tail) = rest.split_at(end);
        match pair.strip_prefix(name) {
            Some([]) => return Some(&[]),
            Some([b'=', value @ ..]) => return Some(value),
            _ => {}
        }
        rest = tail.get(1..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, name: &str, value: Option<&str>) {
        assert_eq!(parameter(query.as_bytes(), name.as_bytes()), value.map(str::as_bytes));
    }

    #[test]
    fn the_first_parameter_of_a_name_counts() {
        check("a=1&b=2&a=3", "a", Some("1"));
        check("a=1&b=2&a=3", "b", Some("2"));
        check("aa=1&a=2", "a", Some("2"));
        check("b=1", "a", None);
        check("", "a", None);
    }

    #[test]
    fn a_parameter_without_equals_sign_is_empty() {
        check("a", "a", Some(""));
        check("b&a&c", "a", Some(""));
        check("a=", "a", Some(""));
        check("a==b", "a", Some("=b"));
    }

    #[test]
    fn names_and_values_are_compared_as_sent() {
        check("A=1", "a", None);
        check("%61=1", "a", None);
        check("a=%31", "a", Some("%31"));
    }
}
