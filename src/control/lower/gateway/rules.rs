//! Rules of a route as they are read: who is served, who is told that a rule is not, and what its
//! owner is told.
//!
//! A rule that cannot be done as it is written does nothing else in its place: its requests get an
//! error, so that no other rule has them by accident. Those are all that it may have been about,
//! where its matches cannot be read; all that a route may have been about, where it is too long.

use std::sync::Arc;

use super::meaning::{Lowering, Meaning, Read, Refused, Traffic};
use super::references::References;
use crate::control::source::report::{Finding, Report};
use crate::filter::Filter;
use crate::limits::{ROUTE_MATCHES_MAX, ROUTE_PARTS_MAX, ROUTE_RULES_MAX};
use crate::model::{
    PathMatch, Policies, Reason, Refusal, RequestMatch, Rule, WeightedBackend, reason,
};

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
    /// It has more than it may.
    excess: Option<Refused>,
}

/// Which requests a rule is about: all that it may be about, where it says something that cannot be
/// read.
#[derive(Debug, Default)]
pub(super) struct Matches {
    pub all: Vec<RequestMatch>,
    pub fault: Option<Refused>,
}

impl FromIterator<Read<RequestMatch>> for Matches {
    fn from_iter<T: IntoIterator<Item = Read<RequestMatch>>>(matches: T) -> Self {
        let mut found = Self::default();
        for (condition, fault) in matches {
            found.all.push(condition);
            found.fault = found.fault.or(fault);
        }
        found
    }
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
            excess: None,
        }
    }

    /// Takes the next rule: which requests it is about, and what is done with them. `index`: its
    /// place in the route.
    pub(super) fn take(&mut self, index: usize, matches: Matches, work: Result<Work, Refused>) {
        let Matches { all: matches, fault } = matches;
        self.matches = self.matches.saturating_add(matches.len());
        if self.is_too_long(index) {
            return;
        }
        let work = match fault.map_or(work, Err) {
            Ok(work) => work,
            Err(fault) => {
                self.faults.push((index, fault));
                Work { policies: closed(), ..Work::default() }
            }
        };
        let Work { filters, backends, policies } = work;
        let (origin, canaries) = (self.lowering.origin(index), Vec::new());
        self.rules.push(Arc::new(Rule { origin, matches, filters, backends, canaries, policies }));
    }

    fn is_too_long(&mut self, index: usize) -> bool {
        let text = match () {
            () if index >= ROUTE_RULES_MAX => {
                format!("A route has {ROUTE_RULES_MAX} rules at most; write another route.")
            }
            () if self.matches > ROUTE_MATCHES_MAX => {
                format!("A route has {ROUTE_MATCHES_MAX} matches at most; write another route.")
            }
            () => return false,
        };
        let excess = || unsupported(format!("spec.rules[{index}]"), text);
        self.excess.get_or_insert_with(excess);
        true
    }

    /// Closes a route that is too long, as nobody knows what the rest is about.
    fn close(&mut self, excess: Refused) {
        let closed = |origin, matches| {
            let (filters, backends, canaries) = (Vec::new(), Vec::new(), Vec::new());
            Arc::new(Rule { origin, matches, filters, backends, canaries, policies: closed() })
        };
        for rule in &mut self.rules {
            *rule = closed(rule.origin.clone(), rule.matches.clone());
        }
        let all = vec![RequestMatch::path(PathMatch::Prefix("/".into()))];
        self.rules.push(closed(self.lowering.origin(ROUTE_RULES_MAX), all));
        self.faults.insert(0, (ROUTE_RULES_MAX, excess));
    }

    /// Says something that has no effect, or another one.
    pub(super) fn warn(&mut self, field: String, message: String, advice: &str) {
        let (reason, advice) = (reason!("UnsupportedValue"), advice.into());
        self.report.warning(Finding { reason, field, message, advice });
    }

    /// What all of them come to.
    pub(super) fn finish(mut self) -> Meaning {
        if let Some(excess) = self.excess.take() {
            self.close(excess);
        }
        let Self { references, mut report, rules, faults, .. } = self;
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
                        reason: Reason::of_condition(fault.reason),
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

/// What lets no request pass.
fn closed() -> Policies {
    Policies { refusal: Some(Refusal::NotSupported), ..Policies::default() }
}

/// Refuses a list of filters or backends that is too long.
pub(super) fn bounded<T>(list: &[T], field: &str) -> Result<(), Refused> {
    if list.len() <= ROUTE_PARTS_MAX {
        return Ok(());
    }
    Err(unsupported(field, format!("It has {ROUTE_PARTS_MAX} elements at most.")))
}
