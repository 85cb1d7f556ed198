//! Rules of a route as they are read: who is served, who is told that a rule is not, and what its
//! owner is told.
//!
//! A rule that cannot be done as it is written does nothing else in its place: its requests get an
//! error, so that no other rule has them by accident.

use std::sync::Arc;

use super::meaning::{Lowering, Meaning, Refused, Traffic};
use super::references::References;
use crate::control::source::report::{Finding, Report};
use crate::filter::Filter;
use crate::limits::{ROUTE_MATCHES_MAX, ROUTE_PARTS_MAX, ROUTE_RULES_MAX};
use crate::model::{Policies, Refusal, RequestMatch, Rule, WeightedBackend};

/// What a rule does with the requests that match.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub filters: Vec<Filter>,
    pub backends: Vec<WeightedBackend>,
    pub policies: Policies,
}

/// Rules of one route, in order.
pub(super) struct Rules<'a> {
    lowering: Lowering<'a>,
    pub references: References,
    report: Report<'a>,
    rules: Vec<Arc<Rule>>,
    /// Of rules that are not served, by their indices.
    faults: Vec<(usize, Refused)>,
    matches: usize,
}

/// Something of a route that is not supported.
pub(super) fn unsupported(field: impl Into<String>, message: impl Into<String>) -> Refused {
    Refused { reason: "UnsupportedValue", field: field.into(), message: message.into() }
}

impl<'a> Rules<'a> {
    pub(super) fn new(lowering: Lowering<'a>) -> Self {
        Self {
            lowering,
            references: References::default(),
            report: Report::new(lowering.reference, lowering.provenance),
            rules: Vec::new(),
            faults: Vec::new(),
            matches: 0,
        }
    }

    /// Takes the next rule: which requests it is about, and what is done with them. `index`: its
    /// place in the route.
    pub(super) fn take(
        &mut self,
        index: usize,
        matches: Result<Vec<RequestMatch>, Refused>,
        work: Result<Work, Refused>,
    ) {
        let matches = matches.and_then(|matches| self.counted(index, matches));
        let (matches, work) = match (matches, work) {
            (Ok(matches), Ok(work)) => (matches, work),
            (Ok(matches), Err(fault)) => {
                self.faults.push((index, fault));
                let refusal = Some(Refusal::NotSupported);
                let policies = Policies { refusal, ..Policies::default() };
                (matches, Work { policies, ..Work::default() })
            }
            (Err(fault), _) => return self.faults.push((index, fault)),
        };
        let Work { filters, backends, policies } = work;
        let (origin, canaries) = (self.lowering.origin(index), Vec::new());
        self.rules.push(Arc::new(Rule { origin, matches, filters, backends, canaries, policies }));
    }

    fn counted(
        &mut self,
        index: usize,
        matches: Vec<RequestMatch>,
    ) -> Result<Vec<RequestMatch>, Refused> {
        self.matches = self.matches.saturating_add(matches.len());
        let text = match () {
            () if index >= ROUTE_RULES_MAX => {
                format!("A route has {ROUTE_RULES_MAX} rules at most; write another route.")
            }
            () if self.matches > ROUTE_MATCHES_MAX => {
                format!("A route has {ROUTE_MATCHES_MAX} matches at most; write another route.")
            }
            () => return Ok(matches),
        };
        Err(unsupported(format!("spec.rules[{index}]"), text))
    }

    /// Says something that has no effect, or another one.
    pub(super) fn warn(&mut self, field: String, message: String, advice: &str) {
        let (reason, advice) = ("UnsupportedValue", advice.into());
        self.report.warning(Finding { reason, field, message, advice });
    }

    /// What all of them come to.
    pub(super) fn finish(self) -> Meaning {
        let Self { references, mut report, rules, faults, lowering: _, matches: _ } = self;
        let is_any_served = rules.iter().any(|rule| rule.policies.refusal.is_none());
        let mut meaning = Meaning { references, ..Meaning::default() };
        if let Some((index, first)) = faults.first() {
            let Refused { field, message, .. } = first;
            if is_any_served {
                let dropped = format!("Dropped Rule {index}: {field}: {message}");
                let others = match faults.len().saturating_sub(1) {
                    0 => String::new(),
                    others => format!(" So are {others} others."),
                };
                meaning.partial = Some(dropped + &others);
                for (_, fault) in &faults {
                    report.error(Finding {
                        reason: fault.reason,
                        field: fault.field.clone(),
                        message: fault.message.clone(),
                        advice: "Until then requests of the rule get an error.".into(),
                    });
                }
            } else {
                meaning.refused = Some(first.clone());
            }
        }
        meaning.problems = report.finish();
        meaning.traffic = Traffic::Rules(rules);
        meaning
    }
}

/// Refuses a list of filters or backends that is too long.
pub(super) fn bounded<T>(list: &[T], field: &str) -> Result<(), Refused> {
    if list.len() <= ROUTE_PARTS_MAX {
        return Ok(());
    }
    Err(unsupported(field, format!("It has {ROUTE_PARTS_MAX} elements at most.")))
}
