//! What gates say to a request that nobody sends, one by one.

use crate::explain::{Explanation, Gate as Told};
use crate::filter::{Answer, Gate, Inquiry, Place, Question, Said, Step, Walk};
use crate::proxy::core::CoreTable;
use crate::proxy::exchange::state::Exchange;
use crate::table::plan_values::gate_value;
use crate::table::{Match, TableRule};

/// What was said, and whether somebody said it.
struct Word {
    said: Said,
    /// Why nobody was asked; `None`: it is so.
    assumed: Option<String>,
}

impl Word {
    const fn known(said: Said) -> Self {
        Self { said, assumed: None }
    }

    fn assumed(why: impl Into<String>) -> Self {
        Self { said: Said::Yes, assumed: Some(why.into()) }
    }
}

impl Exchange<'_> {
    /// The answer of the gate that keeps the request back; `None`: it is through.
    pub(super) fn rehearse_gates<'t>(
        &mut self,
        table: &CoreTable,
        matched: Option<&Match<'t>>,
        told: &mut Explanation,
    ) -> Option<Answer<'t>> {
        let gates = matched.map(|found| &found.rule.plan.gates);
        let mut walk = Walk::new(gates, self.gate_facts(table, matched));
        while let Some((place, gate)) = walk.ahead() {
            let mut assumed = None;
            let mut step = walk.turn(None);
            while let Some(open @ (Step::Ask(_) | Step::Inquire(_))) = step {
                let word = self.word(open, table, matched);
                assumed = word.assumed.or(assumed);
                step = walk.turn(Some(word.said));
            }
            let verdict = match (&step, &assumed) {
                (Some(Step::Answer(_)), _) => "answers",
                (_, Some(_)) => "assumed",
                _ if walk.is_denied() => "denies",
                _ => "passes",
            };
            let (name, value) = name_and_value(place, gate);
            let reason = match (assumed, gate) {
                (Some(why), _) => format!("{value}: {why}"),
                (None, Some(Gate::Addresses(_))) => {
                    format!("{value}; the client is {}", walk.facts().client)
                }
                (None, Some(Gate::HttpsRedirect(..))) => {
                    format!("{value}; it came over {}", walk.facts().scheme.as_str())
                }
                (None, _) => value,
            };
            told.gates.push(Told { name: name.to_owned(), verdict: verdict.to_owned(), reason });
            if let Some(Step::Answer(answer)) = step {
                return Some(answer);
            }
        }
        None
    }

    /// What counts is not counted, and who else would be asked is not.
    fn word(&mut self, step: Step<'_>, table: &CoreTable, matched: Option<&Match<'_>>) -> Word {
        match step {
            Step::Ask(Question::Steps(script, phase)) => {
                Word::known(self.take_steps(script, phase, matched))
            }
            Step::Ask(Question::IsWithinRate(_) | Question::HasRoom(_)) => {
                Word::assumed("it is not counted")
            }
            Step::Ask(question) => Word::known(self.find_out(question, table, matched)),
            Step::Inquire(inquiry) => match (self.foreknown(inquiry), inquiry) {
                (Some(said), _) => Word::known(said),
                (None, Inquiry::Password(_)) => Word::assumed("that it sends is taken for right"),
                (None, Inquiry::ExternalAuth(_)) => {
                    let server = matched.and_then(|found| self.auth_server(found.rule));
                    let server = server.unwrap_or_else(|| "the server".to_owned());
                    Word::assumed(format!("{server} is taken to agree"))
                }
                (None, Inquiry::Room(_)) => Word::assumed("it is not counted"),
            },
            Step::Pass | Step::Answer(_) => Word::known(Said::Yes),
        }
    }

    fn auth_server(&self, rule: &TableRule) -> Option<String> {
        Some(self.core.upstreams.backend(rule.auth_server?)?.key.to_string())
    }
}

fn name_and_value(place: Place, gate: Option<&Gate>) -> (&'static str, String) {
    if let Some(gate) = gate {
        return gate_value(gate);
    }
    let (name, value) = match place {
        Place::Listener => ("listener", "is gone"),
        Place::Blocked => ("blocked clients", "by address, agent or referer"),
        Place::Certificate => ("client certificate", "is demanded"),
        Place::Probe => ("health check", "unless the host has rules"),
        Place::NoRule => ("no rule", "has the host and the path"),
        Place::Spelling => ("spelling of the path", "other readings lead past no rule"),
        Place::Misdirected => ("server name", "demands what the host demands of clients"),
        Place::ClearText => ("clear text", "where the host demands certificates"),
        Place::Refusal
        | Place::Subject
        | Place::HostSteps
        | Place::BodySize
        | Place::Preflight
        | Place::RuleSteps
        | Place::Redirect
        | Place::HttpsRedirect
        | Place::Endpoints
        | Place::Rate
        | Place::Open
        | Place::Addresses
        | Place::Password
        | Place::ExternalAuth => ("gate", "of a rule"),
    };
    (name, value.to_owned())
}
