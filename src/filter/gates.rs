//! What stands between a request and its backend: every question that may keep it back, in one
//! order, whoever asks it.
//!
//! Sans-IO: a [`Walk`] goes from gate to gate. What a gate cannot know it has the driver find out,
//! who comes back with what was said: from tables, at once ([`Step::Ask`]), or from somebody else,
//! who takes his time ([`Step::Inquire`]).

use std::net::IpAddr;
use std::sync::Arc;

use super::addresses::{AddressRules, Admission};
use super::client_limits::{ClientLimits, Excess, LimitStatuses};
use super::external_auth::ExternalAuth;
use super::goto::{Goto, HttpsForm};
use super::password::PasswordDemand;
use super::redirect::Redirect;
use super::replacement::PathReplacement;
use super::scheme::Scheme;
use super::script::Script;

/// Places of gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A listener that is gone: whoever answers there now does it on another connection.
    Listener,
    /// One of whom no request is served.
    Blocked,
    /// A connection made in the host's name without the certificate that the host demands.
    Certificate,
    /// A load balancer that asks for our health, unless the host has rules of its own.
    Probe,
    /// A connection made for another demand than that of the host, or for another listener (RFC
    /// 9110 section 15.5.20).
    Misdirected,
    /// No rule.
    NoRule,
    /// A path that a backend may read so that another rule should have had a say.
    Spelling,
    /// [`Gate::Refusal`].
    Refusal,
    /// [`Gate::Subject`].
    Subject,
    /// [`Gate::HostSteps`].
    HostSteps,
    /// [`Gate::BodySize`].
    BodySize,
    /// [`Gate::Preflight`].
    Preflight,
    /// [`Gate::RuleSteps`].
    RuleSteps,
    /// [`Gate::Redirect`], [`Gate::Goto`], then [`Gate::Replacement`].
    Redirect,
    /// [`Gate::HttpsRedirect`].
    HttpsRedirect,
    /// No TLS, where the host demands certificates.
    ClearText,
    /// [`Gate::Endpoints`].
    Endpoints,
    /// [`Gate::Rate`].
    Rate,
    /// [`Gate::Open`].
    Open,
    /// [`Gate::Addresses`].
    Addresses,
    /// [`Gate::Password`].
    Password,
    /// [`Gate::ExternalAuth`].
    ExternalAuth,
}

/// The order in which requests come to them: that of ingress-nginx, but that refusals come first.
/// There, length and redirects are settled before anyone is asked who he is.
const ORDER: [Place; 22] = [
    Place::Listener,
    Place::Blocked,
    Place::Certificate,
    Place::Probe,
    Place::Misdirected,
    Place::NoRule,
    Place::Spelling,
    Place::Refusal,
    Place::Subject,
    Place::HostSteps,
    Place::BodySize,
    Place::Preflight,
    Place::RuleSteps,
    Place::Redirect,
    Place::HttpsRedirect,
    Place::ClearText,
    Place::Endpoints,
    Place::Rate,
    Place::Open,
    Place::Addresses,
    Place::Password,
    Place::ExternalAuth,
];

/// By place, its index in [`ORDER`].
const RANKS: [u32; ORDER.len()] = {
    let mut ranks = [u32::MAX; ORDER.len()];
    let mut rank = 0;
    while rank < ORDER.len() {
        assert!(ranks[ORDER[rank] as usize] == u32::MAX, "a place stands twice");
        #[expect(clippy::cast_possible_truncation, reason = "a handful")]
        {
            ranks[ORDER[rank] as usize] = rank as u32;
        }
        rank += 1;
    }
    ranks
};

/// A gate that a rule has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Gate {
    /// No request is served, over http and https alike, and none is redirected.
    Refusal(Refusal),
    /// The subject of the client's certificate has to match.
    Subject,
    /// The steps of the host, which come before the rule counts.
    HostSteps(Arc<Script>),
    /// Browsers are told what scripts may ask for, before they ask.
    Preflight,
    /// The steps of the rule.
    RuleSteps(Arc<Script>),
    /// Requests over http are sent to https, with this status.
    HttpsRedirect(u16, HttpsForm),
    /// Requests are sent elsewhere.
    Redirect(Redirect),
    /// The same, to one place.
    Goto(Goto),
    /// Requests are sent to what their path is rewritten to.
    Replacement(Arc<PathReplacement>),
    /// Longest request body.
    BodySize(u64),
    /// Somebody has to be there who can answer, before clients are counted and asked who they are.
    Endpoints,
    /// A client may ask so much in a time.
    Rate(Arc<ClientLimits>, LimitStatuses),
    /// A client may have so many requests under way.
    Open(Arc<ClientLimits>, LimitStatuses),
    /// Clients come in by their addresses.
    Addresses(Arc<AddressRules>),
    /// A password is asked for.
    Password(Arc<PasswordDemand>),
    /// Another server is asked.
    ExternalAuth(Arc<ExternalAuth>),
}

/// Why no request of a rule is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The rule's owner wants what is not supported: a backend that is no Service, a regular
    /// expression.
    NotSupported,
    /// Clients should prove by certificates who they are, and these cannot be checked.
    ClientCertificates,
    /// What should protect the rule is not supported.
    Guard,
}

/// How many of addresses, password and another server's word have to let a request pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Satisfy {
    /// Each that the rule has.
    #[default]
    All,
    /// One.
    Any,
}

/// The gates of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Gates {
    /// In order.
    gates: Box<[Gate]>,
    satisfy: Satisfy,
}

impl FromIterator<Gate> for Gates {
    fn from_iter<T: IntoIterator<Item = Gate>>(gates: T) -> Self {
        let mut gates: Vec<Gate> = gates.into_iter().collect();
        gates.sort_by_key(|gate| gate.place().rank());
        Self { gates: gates.into(), satisfy: Satisfy::All }
    }
}

/// What a request brings to gates.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// How it came.
    pub scheme: Scheme,
    /// Whose it is.
    pub client: IpAddr,
    /// Length of the body; `None`: nobody said it.
    pub body_bytes: Option<u64>,
    /// What it asks for.
    pub intent: Intent,
    /// Gates that no rule sets up.
    pub raised: Raised,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Something of the backend.
    Content,
    /// What its origin may ask for: it has the method OPTIONS, and an origin that CORS lets in.
    Permission,
}

/// Places of gates that the request itself brings along, whatever its rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Raised(u32);

/// What only the driver can find out, from what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question<'g> {
    /// Whether it is one of whom no request is served.
    IsBlocked,
    /// Whether what the host demands of clients is what the connection was made with, and by whom.
    IsDemandMet,
    /// Whether the host has rules of its own that are asked.
    HasOwnRules,
    /// Whether the subject of the client's certificate, which is believed, is as the rule has it.
    IsSubject,
    /// Whether the laxest reading of the path leads past a rule.
    IsEvasive,
    /// Whether steps let the request go on; see [`Course`](super::Course).
    Steps(&'g Script, Phase),
    /// Whether an endpoint may answer.
    HasEndpoint,
    /// Whether the client has not asked too much of late; if so, it has asked once more.
    IsWithinRate(&'g ClientLimits),
    /// Whether not too many requests of the client are under way; if so, there is one more.
    /// Unknown: there are too many as far as one can see.
    HasRoom(&'g ClientLimits),
}

/// Whose steps are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Those of the host.
    Host,
    /// Those of the rule.
    Rule,
}

/// Whether the client may come in, which somebody else has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inquiry<'g> {
    /// Who checks the password of [`Gate::Password`].
    Password(&'g PasswordDemand),
    /// The server of [`Gate::ExternalAuth`].
    ExternalAuth(&'g ExternalAuth),
    /// Whether, a moment later, there is room after all; see [`Question::HasRoom`].
    Room(&'g ClientLimits),
}

/// The answer to a [`Question`] or an [`Inquiry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It is so.
    Yes,
    /// It is not.
    No,
    /// Nobody could say.
    Unknown,
    /// It is another rule's to say.
    Moved,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'g> {
    /// Nothing is in the way.
    Pass,
    /// The request ends here.
    Answer(Answer<'g>),
    /// Find that out and come back.
    Ask(Question<'g>),
    /// The same, from somebody else.
    Inquire(Inquiry<'g>),
}

impl Step<'_> {
    /// Whether the gate is come back to.
    const fn is_open(&self) -> bool {
        matches!(self, Self::Ask(_) | Self::Inquire(_))
    }
}

/// How a request ends that no backend gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'g> {
    /// Of [`Place::Listener`].
    ListenerGone,
    /// Of [`Place::Blocked`].
    Blocked,
    /// Of [`Place::Certificate`].
    Certificate,
    /// Of [`Place::Probe`].
    Healthy,
    /// Of [`Place::NoRule`].
    NotFound,
    /// Of [`Place::Spelling`].
    Ambiguous,
    /// Of [`Place::Misdirected`].
    Misdirected,
    /// Of [`Place::Refusal`].
    Refused(Refusal),
    /// Of [`Place::Subject`].
    OtherSubject,
    /// Of [`Place::HostSteps`] and [`Place::RuleSteps`]: the request goes on with the rule of the
    /// path that it has now.
    Moved,
    /// The same: it ends as they said.
    Ended(&'g Script),
    /// The same: they went in a circle, or made too much of it.
    Astray,
    /// Of [`Place::Preflight`].
    Permission,
    /// Of [`Place::HttpsRedirect`]; the status.
    ToHttps(u16, HttpsForm),
    /// Of [`Place::ClearText`].
    Denied,
    /// Of [`Place::Redirect`].
    Elsewhere(&'g Redirect),
    /// The same.
    To(&'g Goto),
    /// The same, with what the path captured.
    Replaced(&'g PathReplacement),
    /// Of [`Place::BodySize`].
    BodyTooLarge,
    /// Of [`Place::Endpoints`].
    NoEndpoints,
    /// Of [`Place::Rate`] and [`Place::Open`]; the status.
    Limited(Excess, u16),
    /// Of [`Place::Addresses`].
    NotAllowed,
    /// Of [`Place::Password`]: there is none, or it is wrong.
    PasswordNeeded(&'g PasswordDemand),
    /// The same: nobody could say.
    PasswordUnchecked,
    /// Of [`Place::ExternalAuth`]: the server denied.
    NotAdmitted(&'g ExternalAuth),
    /// The same: nobody could say.
    Undecided,
}

impl Answer<'_> {
    /// Whether somebody said that the client may not come in.
    const fn is_denial(self) -> bool {
        matches!(self, Self::NotAllowed | Self::PasswordNeeded(_) | Self::NotAdmitted(_))
    }

    /// Whether of two denials the other one is told: who can do something about it is told what.
    const fn gives_way_to(self, other: Self) -> bool {
        match (self, other) {
            (Self::PasswordNeeded(_), Self::NotAdmitted(auth)) => auth.signin.is_some(),
            _ => true,
        }
    }
}

impl Place {
    fn rank(self) -> u32 {
        RANKS.get(self as usize).copied().unwrap_or(0)
    }

    /// What a gate says here that no rule set up.
    fn pass(self, said: Option<Said>) -> Step<'static> {
        let (question, bad, answer) = match self {
            Self::Blocked => (Question::IsBlocked, Said::Yes, Answer::Blocked),
            Self::Certificate => (Question::IsDemandMet, Said::Yes, Answer::Certificate),
            Self::Probe => (Question::HasOwnRules, Said::No, Answer::Healthy),
            Self::Listener => return Step::Answer(Answer::ListenerGone),
            Self::NoRule => return Step::Answer(Answer::NotFound),
            Self::Spelling => (Question::IsEvasive, Said::Yes, Answer::Ambiguous),
            Self::Misdirected => (Question::IsDemandMet, Said::No, Answer::Misdirected),
            Self::ClearText => (Question::IsDemandMet, Said::No, Answer::Denied),
            // Rules set these up.
            Self::Refusal
            | Self::Subject
            | Self::HostSteps
            | Self::BodySize
            | Self::Preflight
            | Self::RuleSteps
            | Self::Redirect
            | Self::HttpsRedirect
            | Self::Endpoints
            | Self::Rate
            | Self::Open
            | Self::Addresses
            | Self::Password
            | Self::ExternalAuth => return Step::Pass,
        };
        match said {
            None => Step::Ask(question),
            Some(said) if said == bad => Step::Answer(answer),
            Some(_) => Step::Pass,
        }
    }
}

impl Gate {
    fn place(&self) -> Place {
        match self {
            Self::Refusal(_) => Place::Refusal,
            Self::Subject => Place::Subject,
            Self::HostSteps(_) => Place::HostSteps,
            Self::RuleSteps(_) => Place::RuleSteps,
            Self::Preflight => Place::Preflight,
            Self::HttpsRedirect(..) => Place::HttpsRedirect,
            Self::Redirect(_) | Self::Goto(_) | Self::Replacement(_) => Place::Redirect,
            Self::BodySize(_) => Place::BodySize,
            Self::Endpoints => Place::Endpoints,
            Self::Rate(..) => Place::Rate,
            Self::Open(..) => Place::Open,
            Self::Addresses(_) => Place::Addresses,
            Self::Password(_) => Place::Password,
            Self::ExternalAuth(_) => Place::ExternalAuth,
        }
    }

    /// Whether it is one of those of which [`Satisfy`] says how many count.
    const fn is_of_admission(&self) -> bool {
        matches!(self, Self::Addresses(_) | Self::Password(_) | Self::ExternalAuth(_))
    }

    /// Whether it lets pass who has shown something: an address that no list mentions is nothing.
    fn admits(&self, facts: &Facts) -> bool {
        match self {
            Self::Addresses(rules) => rules.admission(facts.client) == Admission::Allowed,
            _ => true,
        }
    }

    /// Whether it keeps some clients from what others get.
    fn is_guard(&self) -> bool {
        match self {
            Self::Refusal(_)
            | Self::Subject
            | Self::Rate(..)
            | Self::Open(..)
            | Self::Addresses(_)
            | Self::Password(_)
            | Self::ExternalAuth(_) => true,
            Self::HostSteps(script) | Self::RuleSteps(script) => script.may_end(),
            Self::Preflight
            | Self::HttpsRedirect(..)
            | Self::Goto(_)
            | Self::Redirect(_)
            | Self::Replacement(_)
            | Self::Endpoints
            | Self::BodySize(_) => false,
        }
    }

    fn pass(&self, facts: &Facts, said: Option<Said>) -> Step<'_> {
        let answer = match self {
            Self::Refusal(refusal) => Some(Answer::Refused(*refusal)),
            Self::Subject => match said {
                None => return Step::Ask(Question::IsSubject),
                Some(Said::Yes) => None,
                Some(_) => Some(Answer::OtherSubject),
            },
            Self::HostSteps(script) => match said {
                None => return Step::Ask(Question::Steps(script, Phase::Host)),
                Some(said) => after_steps(script, said),
            },
            Self::RuleSteps(script) => match said {
                None => return Step::Ask(Question::Steps(script, Phase::Rule)),
                Some(said) => after_steps(script, said),
            },
            Self::Preflight => (facts.intent == Intent::Permission).then_some(Answer::Permission),
            Self::HttpsRedirect(status, form) => {
                (facts.scheme == Scheme::Http).then_some(Answer::ToHttps(*status, *form))
            }
            Self::Goto(goto) => Some(Answer::To(goto)),
            Self::Redirect(redirect) => Some(Answer::Elsewhere(redirect)),
            Self::Replacement(replacement) => Some(Answer::Replaced(replacement)),
            Self::BodySize(most) => {
                let is_more = facts.body_bytes.is_some_and(|bytes| bytes > *most);
                is_more.then_some(Answer::BodyTooLarge)
            }
            Self::Endpoints => match said {
                None => return Step::Ask(Question::HasEndpoint),
                Some(Said::No) => Some(Answer::NoEndpoints),
                Some(_) => None,
            },
            Self::Rate(limits, statuses) => match said {
                None => return Step::Ask(Question::IsWithinRate(limits)),
                Some(Said::Yes) => None,
                Some(_) => Some(Answer::Limited(Excess::Rate, statuses.rate)),
            },
            Self::Open(limits, statuses) => match said {
                None => return Step::Ask(Question::HasRoom(limits)),
                Some(Said::Unknown) => return Step::Inquire(Inquiry::Room(limits)),
                Some(Said::Yes) => None,
                Some(Said::No | Said::Moved) => Some(Answer::Limited(Excess::Open, statuses.open)),
            },
            Self::Addresses(rules) => {
                let is_denied = rules.admission(facts.client) == Admission::Denied;
                is_denied.then_some(Answer::NotAllowed)
            }
            Self::Password(demand) => match said {
                None => return Step::Inquire(Inquiry::Password(demand)),
                Some(Said::Yes) => None,
                Some(Said::No) => Some(Answer::PasswordNeeded(demand)),
                Some(Said::Unknown | Said::Moved) => Some(Answer::PasswordUnchecked),
            },
            Self::ExternalAuth(auth) => match said {
                None => return Step::Inquire(Inquiry::ExternalAuth(auth)),
                Some(Said::Yes) => None,
                Some(Said::No) => Some(Answer::NotAdmitted(auth)),
                Some(Said::Unknown | Said::Moved) => Some(Answer::Undecided),
            },
        };
        answer.map_or(Step::Pass, Step::Answer)
    }
}

/// What steps come to.
fn after_steps(script: &Script, said: Said) -> Option<Answer<'_>> {
    match said {
        Said::Yes => None,
        Said::No => Some(Answer::Ended(script)),
        Said::Moved => Some(Answer::Moved),
        Said::Unknown => Some(Answer::Astray),
    }
}

impl Raised {
    /// The gates of those places of which it is so.
    #[must_use]
    pub fn of<const N: usize>(places: [(Place, bool); N]) -> Self {
        // PERF: a jump for each would be foretold wrong now and then; a shift never is.
        let bit = |(place, is_raised): (Place, bool)| u32::from(is_raised) << place.rank();
        Self(places.into_iter().fold(0, |bits, raised| bits | bit(raised)))
    }

    /// Raises the gate of `place`.
    pub fn raise(&mut self, place: Place) {
        self.0 |= 1 << place.rank();
    }

    /// The first of them in [`ORDER`]; beyond its end: there is none.
    fn first(self) -> u32 {
        self.0.trailing_zeros()
    }

    fn lower(&mut self, rank: u32) {
        self.0 &= !(1 << rank);
    }
}

impl Gates {
    /// The same gates, of which so many have to let a request pass.
    #[must_use]
    pub fn satisfying(self, satisfy: Satisfy) -> Self {
        Self { satisfy, ..self }
    }

    /// Whether not every client may have what is behind them.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        self.gates.iter().any(Gate::is_guard)
    }

    /// In their order.
    pub fn iter(&self) -> impl Iterator<Item = &Gate> {
        self.gates.iter()
    }

    /// How many of those who say who may come in are needed.
    #[must_use]
    pub const fn satisfy(&self) -> Satisfy {
        self.satisfy
    }

    /// Whether all requests are sent to one place.
    #[must_use]
    pub fn has_goto(&self) -> bool {
        self.gates.iter().any(|gate| matches!(gate, Gate::Goto(_)))
    }

    /// What another server is asked, if one may be.
    #[must_use]
    pub fn external_auth(&self) -> Option<&ExternalAuth> {
        self.gates.iter().find_map(|gate| match gate {
            Gate::ExternalAuth(auth) => Some(&**auth),
            _ => None,
        })
    }
}

/// A request on its way through the gates.
#[derive(Debug)]
pub struct Walk<'g> {
    /// In order.
    rest: &'g [Gate],
    facts: Facts,
    satisfy: Satisfy,
    /// What is answered unless another gate lets the request pass, where any may.
    denial: Option<Answer<'g>>,
}

impl<'g> Walk<'g> {
    /// The way through the gates of a rule; `None`: there is no rule.
    #[must_use]
    pub fn new(gates: Option<&'g Gates>, mut facts: Facts) -> Self {
        if gates.is_none() {
            facts.raised.raise(Place::NoRule);
        }
        let (rest, satisfy) =
            gates.map_or((&[][..], Satisfy::All), |gates| (&gates.gates, gates.satisfy));
        Self { rest, facts, satisfy, denial: None }
    }

    /// Goes on. `said` answers what the last step asked; else `None`.
    pub fn next(&mut self, said: Option<Said>) -> Step<'g> {
        let mut said = said;
        loop {
            match self.turn(said.take()) {
                None => return Step::Pass,
                Some(Step::Pass) => {}
                Some(step) => return step,
            }
        }
    }

    /// The same of the next gate alone; `None`: there is none left.
    #[inline]
    pub fn turn(&mut self, said: Option<Said>) -> Option<Step<'g>> {
        let raised = self.facts.raised.first();
        match self.rest.split_first() {
            Some((gate, rest)) if gate.place().rank() < raised => {
                let step = gate.pass(&self.facts, said);
                if !step.is_open() {
                    self.rest = rest;
                }
                Some(match self.satisfy {
                    Satisfy::All => step,
                    Satisfy::Any => self.weigh(gate, step),
                })
            }
            _ => {
                let step = ORDER.get(raised as usize)?.pass(said);
                if !step.is_open() {
                    self.facts.raised.lower(raised);
                }
                Some(step)
            }
        }
    }

    /// The gate that [`Self::turn`] comes to next, of a rule if it is one's.
    #[must_use]
    pub fn ahead(&self) -> Option<(Place, Option<&'g Gate>)> {
        let raised = self.facts.raised.first();
        match self.rest.first() {
            Some(gate) if gate.place().rank() < raised => Some((gate.place(), Some(gate))),
            _ => ORDER.get(raised as usize).map(|place| (*place, None)),
        }
    }

    /// Whether somebody denied, whom another gate may overrule.
    #[must_use]
    pub const fn is_denied(&self) -> bool {
        self.denial.is_some()
    }

    /// What the request brought.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What a step comes to where any gate of who may come in is enough.
    ///
    /// Source: nginx `ngx_http_core_access_phase`.
    fn weigh(&mut self, gate: &'g Gate, step: Step<'g>) -> Step<'g> {
        if !gate.is_of_admission() {
            return step;
        }
        match step {
            Step::Pass if gate.admits(&self.facts) => {
                self.denial = None;
                let others = self.rest.iter().take_while(|gate| gate.is_of_admission()).count();
                self.rest = self.rest.get(others..).unwrap_or_default();
                return Step::Pass;
            }
            Step::Pass => {}
            Step::Answer(answer) if answer.is_denial() => {
                let is_better = self.denial.is_none_or(|denial| denial.gives_way_to(answer));
                self.denial = if is_better { Some(answer) } else { self.denial };
            }
            Step::Answer(_) | Step::Ask(_) | Step::Inquire(_) => return step,
        }
        match self.rest.first() {
            Some(next) if next.is_of_admission() => Step::Pass,
            _ => self.denial.take().map_or(Step::Pass, Step::Answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::addresses::AddressRanges;
    use super::super::client_limits::{LimitKey, Zone};
    use super::super::external_auth::tests::question;
    use super::super::password::tests::demand;
    use super::super::redirect::{NamedPort, RedirectQuery};
    use super::super::script::Step as ScriptStep;
    use super::*;

    const ELSEWHERE: Redirect = Redirect {
        scheme: None,
        hostname: None,
        port: NamedPort::Listener,
        path: None,
        query: RedirectQuery::Kept,
        status: 302,
    };

    const STATUSES: LimitStatuses = LimitStatuses { rate: 429, open: 430 };

    /// What makes the gate of a place shut: what a rule has, or what is said of the request.
    enum Shut {
        Rule(Gate),
        Said(Question<'static>, Said),
        Inquired(Gate),
        Asked(Gate, Question<'static>),
        Raised,
        NoRule,
    }

    fn limits() -> ClientLimits {
        let (zone, exempt) = (Zone::of("a", "b", None), AddressRanges::default());
        let key = LimitKey::Address;
        ClientLimits { zone, key, per_second: None, per_minute: None, open: None, exempt }
    }

    fn steps_of(phase: Phase) -> Arc<Script> {
        let steps = [ScriptStep::Break].into();
        Arc::new(match phase {
            Phase::Host => Script { host: steps, ..Script::default() },
            Phase::Rule => Script { rule: steps, ..Script::default() },
        })
    }

    fn auth() -> Gate {
        Gate::ExternalAuth(Arc::new(question()))
    }

    fn password() -> Gate {
        Gate::Password(Arc::new(demand()))
    }

    /// `10.0.0.0/8` may come in.
    fn addresses() -> Gate {
        let allow = Some(AddressRanges::parse("10.0.0.0/8").expect("a range"));
        Gate::Addresses(Arc::new(AddressRules { allow, ..AddressRules::default() }))
    }

    const NEAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const FAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    /// One in clear text without a body.
    fn request() -> Facts {
        Facts {
            scheme: Scheme::Http,
            client: FAR,
            body_bytes: None,
            intent: Intent::Content,
            raised: Raised::default(),
        }
    }

    fn shut(place: Place) -> Shut {
        match place {
            Place::Blocked => Shut::Said(Question::IsBlocked, Said::Yes),
            Place::Certificate => Shut::Said(Question::IsDemandMet, Said::Yes),
            Place::Probe => Shut::Said(Question::HasOwnRules, Said::No),
            Place::Listener => Shut::Raised,
            Place::NoRule => Shut::NoRule,
            Place::Spelling => Shut::Said(Question::IsEvasive, Said::Yes),
            Place::Misdirected | Place::ClearText => Shut::Said(Question::IsDemandMet, Said::No),
            Place::Refusal => Shut::Rule(Gate::Refusal(Refusal::Guard)),
            Place::Subject => Shut::Asked(Gate::Subject, Question::IsSubject),
            Place::HostSteps => Shut::Inquired(Gate::HostSteps(steps_of(Phase::Host))),
            Place::RuleSteps => Shut::Inquired(Gate::RuleSteps(steps_of(Phase::Rule))),
            Place::Preflight => Shut::Rule(Gate::Preflight),
            Place::HttpsRedirect => Shut::Rule(Gate::HttpsRedirect(308, HttpsForm::default())),
            Place::Redirect => Shut::Rule(Gate::Redirect(ELSEWHERE)),
            Place::BodySize => Shut::Rule(Gate::BodySize(9)),
            Place::Endpoints => Shut::Asked(Gate::Endpoints, Question::HasEndpoint),
            Place::Rate => Shut::Inquired(Gate::Rate(Arc::new(limits()), STATUSES)),
            Place::Open => Shut::Inquired(Gate::Open(Arc::new(limits()), STATUSES)),
            Place::Addresses => Shut::Rule(addresses()),
            Place::Password => Shut::Inquired(password()),
            Place::ExternalAuth => Shut::Inquired(auth()),
        }
    }

    /// Whose answer it is.
    fn place(answer: Answer<'_>) -> Place {
        match answer {
            Answer::Blocked => Place::Blocked,
            Answer::Certificate => Place::Certificate,
            Answer::Healthy => Place::Probe,
            Answer::ListenerGone => Place::Listener,
            Answer::NotFound => Place::NoRule,
            Answer::Ambiguous => Place::Spelling,
            Answer::Misdirected => Place::Misdirected,
            Answer::Refused(_) => Place::Refusal,
            Answer::OtherSubject => Place::Subject,
            Answer::Ended(script) if script.host.is_empty() => Place::RuleSteps,
            Answer::Ended(_) | Answer::Moved | Answer::Astray => Place::HostSteps,
            Answer::Permission => Place::Preflight,
            Answer::ToHttps(..) => Place::HttpsRedirect,
            Answer::Denied => Place::ClearText,
            Answer::Elsewhere(_) | Answer::To(_) | Answer::Replaced(_) => Place::Redirect,
            Answer::BodyTooLarge => Place::BodySize,
            Answer::NoEndpoints => Place::Endpoints,
            Answer::Limited(Excess::Rate, _) => Place::Rate,
            Answer::Limited(Excess::Open, _) => Place::Open,
            Answer::NotAllowed => Place::Addresses,
            Answer::PasswordNeeded(_) | Answer::PasswordUnchecked => Place::Password,
            Answer::NotAdmitted(_) | Answer::Undecided => Place::ExternalAuth,
        }
    }

    /// How a request ends for which the gates of `places` are shut; a place that is named in `open`
    /// is asked and lets it pass.
    #[track_caller]
    fn check(places: &[Place], open: &[Place], wanted: Option<Place>) {
        let (mut raised, mut has_rule) = (Raised::default(), true);
        let (mut gates, mut world) = (Vec::new(), Vec::new());
        let is_open = |place| open.contains(&place);
        let whether = |place| if is_open(place) { Said::Yes } else { Said::No };
        for &place in places {
            match shut(place) {
                Shut::Rule(gate) | Shut::Inquired(gate) => gates.push(gate),
                Shut::Asked(gate, question) => {
                    gates.push(gate);
                    world.push((question, if is_open(place) { Said::Yes } else { Said::No }));
                }
                Shut::Raised => raised.raise(place),
                Shut::NoRule => has_rule = false,
                Shut::Said(question, said) => {
                    raised.raise(place);
                    let said = match (is_open(place), said) {
                        (false, said) => said,
                        (true, Said::Yes) => Said::No,
                        (true, _) => Said::Yes,
                    };
                    world.push((question, said));
                }
            }
        }
        // The order of a list is that of the places, whatever it was made of.
        gates.reverse();
        let gates = Gates::from_iter(gates);
        let intent = Intent::Permission;
        let body_bytes = Some(10);
        let facts = Facts { scheme: Scheme::Http, client: FAR, body_bytes, intent, raised };
        let mut walk = Walk::new(has_rule.then_some(&gates), facts);
        let mut said = None;
        let end = loop {
            match walk.next(said.take()) {
                Step::Pass => break None,
                Step::Answer(answer) => break Some(answer),
                Step::Ask(Question::HasRoom(_)) => said = Some(Said::Unknown),
                Step::Ask(Question::IsWithinRate(_)) => said = Some(whether(Place::Rate)),
                Step::Ask(Question::Steps(_, Phase::Host)) => {
                    said = Some(whether(Place::HostSteps));
                }
                Step::Ask(Question::Steps(_, Phase::Rule)) => {
                    said = Some(whether(Place::RuleSteps));
                }
                Step::Ask(question) => {
                    let known = world.iter().find(|(asked, _)| *asked == question);
                    said = Some(known.expect("a question of a gate that is there").1);
                }
                Step::Inquire(inquiry) => {
                    said = Some(whether(match inquiry {
                        Inquiry::Room(_) => Place::Open,
                        Inquiry::Password(_) => Place::Password,
                        Inquiry::ExternalAuth(_) => Place::ExternalAuth,
                    }));
                }
            }
        };
        assert_eq!(end.map(place), wanted, "{places:?} {open:?}");
    }

    #[test]
    fn of_neighbours_the_first_in_order_answers() {
        for place in ORDER {
            check(&[place], &[], Some(place));
            if let Shut::Said(..) | Shut::Inquired(_) | Shut::Asked(..) = shut(place) {
                check(&[place], &[place], None);
            }
        }
        for pair in ORDER.windows(2) {
            let &[first, second] = pair else { panic!("two") };
            check(&[first, second], &[], Some(first));
            check(&[second, first], &[], Some(first));
            if let Shut::Said(..) | Shut::Inquired(_) | Shut::Asked(..) = shut(first) {
                check(&[first, second], &[first], Some(second));
            }
        }
        check(&[], &[], None);
    }

    /// The order, in words that do not follow from the list.
    #[test]
    fn who_comes_before_whom() {
        for (first, second) in [
            (Place::Listener, Place::NoRule),
            // What the handshake lacks is said before what the request is.
            (Place::Certificate, Place::NoRule),
            (Place::Certificate, Place::Refusal),
            (Place::Probe, Place::NoRule),
            // Whoever is refused is not told where else to go.
            (Place::Refusal, Place::HttpsRedirect),
            (Place::Refusal, Place::Redirect),
            (Place::Refusal, Place::Subject),
            (Place::Subject, Place::BodySize),
            (Place::BodySize, Place::Preflight),
            (Place::Preflight, Place::Redirect),
            (Place::Preflight, Place::HttpsRedirect),
            // Elsewhere may be http again.
            (Place::Redirect, Place::HttpsRedirect),
            // Over https the demand can be met.
            (Place::HttpsRedirect, Place::ClearText),
            // Whoever is sent elsewhere, or knocks at the wrong door, has not asked yet.
            (Place::Preflight, Place::Rate),
            (Place::Redirect, Place::Rate),
            (Place::ClearText, Place::Endpoints),
            // Whom nobody can answer is not counted.
            (Place::Endpoints, Place::Rate),
            (Place::Endpoints, Place::Addresses),
            (Place::Rate, Place::Open),
            // Whoever may not come in has asked all the same.
            (Place::Open, Place::ExternalAuth),
        ] {
            check(&[second, first], &[], Some(first));
        }
    }

    /// Whoever is not answered does not let pass.
    #[test]
    fn an_inquiry_decides_for_its_gate_alone() {
        let facts = Facts { client: FAR, ..request() };
        let gates = Gates::from_iter([auth()]);
        let Gate::ExternalAuth(asked) = auth() else { panic!("another gate") };
        for (said, expected) in [
            (Said::Yes, Step::Pass),
            (Said::No, Step::Answer(Answer::NotAdmitted(&asked))),
            (Said::Unknown, Step::Answer(Answer::Undecided)),
        ] {
            let mut walk = Walk::new(Some(&gates), facts);
            let question = Step::Inquire(Inquiry::ExternalAuth(&asked));
            assert_eq!(walk.next(None), question);
            // Asked again until something is said.
            assert_eq!(walk.next(None), question);
            assert_eq!(walk.next(Some(said)), expected, "{said:?}");
        }
    }

    /// Who is over the limit as far as one can see is looked at again.
    #[test]
    fn room_may_come_a_moment_later() {
        let (gates, limits) =
            (Gates::from_iter([Gate::Open(Arc::new(limits()), STATUSES)]), limits());
        let crowded = Step::Answer(Answer::Limited(Excess::Open, 430));
        let later = Step::Inquire(Inquiry::Room(&limits));
        for (said, expected) in [
            (&[Said::Yes][..], Step::Pass),
            (&[Said::Unknown], later),
            (&[Said::Unknown, Said::Yes], Step::Pass),
            (&[Said::Unknown, Said::No], crowded),
        ] {
            let mut walk = Walk::new(Some(&gates), request());
            assert_eq!(walk.next(None), Step::Ask(Question::HasRoom(&limits)));
            let steps: Vec<_> = said.iter().map(|said| walk.next(Some(*said))).collect();
            assert_eq!(steps.last(), Some(&expected), "{said:?}");
        }
    }

    /// How a request of `client` ends behind these gates, of which any is enough, when this is said
    /// to their inquiries.
    #[track_caller]
    fn check_any(gates: &[Gate], client: IpAddr, said: &[Said], wanted: Option<Answer<'_>>) {
        let gates = Gates::from_iter(gates.iter().cloned()).satisfying(Satisfy::Any);
        let mut walk = Walk::new(Some(&gates), Facts { client, ..request() });
        let mut answers = said.iter().copied();
        let mut told = None;
        let end = loop {
            match walk.next(told.take()) {
                Step::Pass => break None,
                Step::Answer(answer) => break Some(answer),
                Step::Ask(_) => panic!("no gate of the table"),
                Step::Inquire(_) => told = Some(answers.next().expect("an inquiry less")),
            }
        };
        assert_eq!(end, wanted, "{client} {said:?}");
        assert_eq!(answers.next(), None, "an inquiry more");
    }

    #[test]
    fn where_any_gate_is_enough_the_last_denial_that_helps_is_told() {
        let (Gate::Password(demand), Gate::ExternalAuth(asked)) = (password(), auth()) else {
            panic!("other gates")
        };
        let signin = Some(super::super::Text::new("/signin", |_| false).expect("a text"));
        let with_signin = Arc::new(ExternalAuth { signin, ..question() });
        let all = [addresses(), password(), auth()];
        let (needed, unchecked) = (Answer::PasswordNeeded(&demand), Answer::PasswordUnchecked);
        use Said::{No, Unknown, Yes};
        // Nobody is asked who need not be.
        check_any(&all, NEAR, &[], None);
        check_any(&all, FAR, &[Yes], None);
        check_any(&all, FAR, &[No, Yes], None);
        check_any(&all, FAR, &[No, No], Some(needed));
        let signing = [addresses(), password(), Gate::ExternalAuth(Arc::clone(&with_signin))];
        check_any(&signing, FAR, &[No, No], Some(Answer::NotAdmitted(&with_signin)));
        check_any(&[addresses(), auth()], FAR, &[No], Some(Answer::NotAdmitted(&asked)));
        check_any(&[addresses(), password()], FAR, &[No], Some(needed));
        check_any(&[addresses()], FAR, &[], Some(Answer::NotAllowed));
        check_any(&[password()], FAR, &[No], Some(needed));
        // What nobody could find out is no reason to ask others.
        check_any(&all, FAR, &[Unknown], Some(unchecked));
        check_any(&all, FAR, &[No, Unknown], Some(Answer::Undecided));
        // An address that no list mentions has shown nothing.
        let deny = AddressRanges::parse("10.0.0.0/8").expect("a range");
        let deny = Gate::Addresses(Arc::new(AddressRules { deny, allow: None }));
        check_any(&[deny.clone(), password()], FAR, &[No], Some(needed));
        check_any(&[deny.clone(), password()], NEAR, &[Yes], None);
        check_any(std::slice::from_ref(&deny), FAR, &[], None);
        check_any(&[deny], NEAR, &[], Some(Answer::NotAllowed));
        // The other gates stay what they are.
        let redirected = [Gate::Redirect(ELSEWHERE), addresses()];
        check_any(&redirected, NEAR, &[], Some(Answer::Elsewhere(&ELSEWHERE)));
    }

    #[test]
    fn gates_look_at_facts() {
        let request = request();
        let secure = Facts { scheme: Scheme::Https, ..request };
        let with_body = |bytes| Facts { body_bytes: Some(bytes), ..request };
        for (gate, facts, passes) in [
            (Gate::HttpsRedirect(308, HttpsForm::default()), request, false),
            (Gate::HttpsRedirect(308, HttpsForm::default()), secure, true),
            (Gate::Preflight, request, true),
            (Gate::Preflight, Facts { intent: Intent::Permission, ..request }, false),
            (Gate::BodySize(9), with_body(9), true),
            (Gate::BodySize(9), with_body(10), false),
            // Counted as it comes.
            (Gate::BodySize(9), request, true),
            (Gate::Refusal(Refusal::NotSupported), secure, false),
        ] {
            let gates = Gates::from_iter([gate]);
            let is_passed = Walk::new(Some(&gates), facts).next(None) == Step::Pass;
            assert_eq!(is_passed, passes, "{gates:?} {facts:?}");
        }
    }

    #[test]
    fn a_gate_that_keeps_clients_out_is_a_guard() {
        let is_guarded = |gate: Gate| Gates::from_iter([gate]).is_guarded();
        assert!(is_guarded(Gate::Refusal(Refusal::NotSupported)));
        assert!(is_guarded(auth()) && is_guarded(password()) && is_guarded(addresses()));
        assert!(!is_guarded(Gate::Preflight));
        assert!(!is_guarded(Gate::HttpsRedirect(308, HttpsForm::default())));
        assert!(is_guarded(Gate::Rate(Arc::new(limits()), STATUSES)));
        assert!(is_guarded(Gate::Open(Arc::new(limits()), STATUSES)));
        assert!(!is_guarded(Gate::Redirect(ELSEWHERE)));
        assert!(!is_guarded(Gate::BodySize(9)));
        assert!(!Gates::default().is_guarded());
    }
}
