//! The gates at work on one request: what it brings to them, what they ask of the table, and what
//! their answers become.

use crate::filter::{
    Answer, Asker, ClientLimits, Excess, Facts, Inquiry, Intent, LimitKey, Place, Question, Raised,
};
use crate::filter::{RedirectParts, Said, Scheme, Statuses, Step, Walk};
use crate::http1::fields::FieldKind;
use crate::http1::framing::BodyLength;
use crate::limits::CLIENT_ROOM_PATIENCE;
use crate::proxy::core::CoreTable;
use crate::proxy::exchange::claimed::Claimed;
use crate::proxy::exchange::downstream::HTTPS_PORT;
use crate::proxy::exchange::reading;
use crate::proxy::exchange::reply::Reply;
use crate::proxy::exchange::response::Unsaid;
use crate::proxy::exchange::state::{Exchange, Served};
use crate::proxy::exchange::variables::Known;
use crate::proxy::rt;
use crate::quota::{Hold, Judged};
use crate::table::{BackendId, Match, TableRule};
use crate::telemetry::Counter;
use crate::tls::{ClientAuthId, ClientIdentity, ClientRefusal};

/// Why a request is not through the gates.
pub(super) enum Held<'t> {
    /// It ends here.
    Answered(Answer<'t>),
    /// Somebody else has to be asked; then it goes on from there.
    Inquiring(Walk<'t>, Inquiry<'t>),
}

/// Whose a request is for some limits.
enum Whose {
    /// They do not concern it.
    Nobodys,
    /// This client's.
    Of(Asker),
    /// The key is missing because too much was searched for it: nobody may pass.
    Unknown,
}

/// What nginx answers where a rewrite leads to a whole URI.
const FOUND: u16 = 302;

impl<'a> Exchange<'a> {
    /// The rule, if every gate lets the request pass.
    ///
    /// PERF: nothing here waits, so that requests whose rules have nobody asked pay for no future.
    pub(super) fn pass_gates<'m, 't>(
        &mut self,
        table: &CoreTable,
        matched: Option<&'m Match<'t>>,
    ) -> Result<&'m Match<'t>, Held<'t>> {
        let gates = matched.map(|found| &found.rule.plan.gates);
        let walk = Walk::new(gates, self.gate_facts(table, matched));
        self.pass_rest(walk, None, table, matched)
    }

    /// The same, of a request that somebody else has to be asked about.
    pub(super) async fn pass_inquiries<'m, 't>(
        &mut self,
        mut walk: Walk<'t>,
        mut inquiry: Inquiry<'t>,
        table: &CoreTable,
        matched: Option<&'m Match<'t>>,
    ) -> Result<&'m Match<'t>, Answer<'t>> {
        loop {
            let said = self.inquire(inquiry, matched.map(|found| found.rule)).await;
            match self.pass_rest(walk, Some(said), table, matched) {
                Ok(matched) => return Ok(matched),
                Err(Held::Answered(answer)) => return Err(answer),
                Err(Held::Inquiring(rest, next)) => (walk, inquiry) = (rest, next),
            }
        }
    }

    fn pass_rest<'m, 't>(
        &mut self,
        mut walk: Walk<'t>,
        mut said: Option<Said>,
        table: &CoreTable,
        matched: Option<&'m Match<'t>>,
    ) -> Result<&'m Match<'t>, Held<'t>> {
        loop {
            match walk.next(said) {
                Step::Pass => return matched.ok_or(Held::Answered(Answer::NotFound)),
                Step::Answer(answer) => return Err(Held::Answered(answer)),
                Step::Ask(Question::Steps(script, phase)) => {
                    said = Some(self.take_steps(script, phase, matched));
                }
                Step::Ask(question) => said = Some(self.find_out(question, table, matched)),
                Step::Inquire(inquiry) => match self.foreknown(inquiry) {
                    None => return Err(Held::Inquiring(walk, inquiry)),
                    known => said = known,
                },
            }
        }
    }

    /// What can be said without asking anybody.
    pub(super) fn foreknown(&self, inquiry: Inquiry<'_>) -> Option<Said> {
        match inquiry {
            Inquiry::Password(demand) => self.known_of_password(demand),
            Inquiry::Room(_) | Inquiry::ExternalAuth(_) => None,
        }
    }

    async fn inquire(&mut self, inquiry: Inquiry<'_>, rule: Option<&TableRule>) -> Said {
        // Gates that inquire are those of rules.
        let Some(rule) = rule else { return Said::Unknown };
        match inquiry {
            Inquiry::Password(demand) => self.check_password(demand).await,
            Inquiry::ExternalAuth(auth) => self.ask_auth_server(auth, rule).await,
            Inquiry::Room(limits) => {
                rt::sleep(CLIENT_ROOM_PATIENCE).await;
                if self.has_room(limits) { Said::Yes } else { Said::No }
            }
        }
    }

    /// PERF: says of each gate whether it may be shut as far as that costs next to nothing, so that
    /// an ordinary request comes to no gate at all.
    pub(super) fn gate_facts(&self, table: &CoreTable, matched: Option<&Match<'_>>) -> Facts {
        let (head, listener) = (self.head(), &self.downstream.listener);
        let is_tls = listener.scheme == Scheme::Https;
        let has_demands = table.0.demands_certificates(listener.id);
        let was_asked = self.downstream.client_auth != ClientAuthId::default();
        let is_told_apart = has_demands || was_asked || table.0.has_sections(listener.id);
        let raised = Raised::of([
            (Place::Listener, matched.is_none() && !table.0.has_listener(listener.id)),
            (Place::Blocked, table.0.downstream.blocked.is_some()),
            (Place::Certificate, self.certificate_refusal().is_some()),
            (Place::Probe, self.is_probe(matched)),
            (Place::Spelling, head.has_lax_reading),
            (Place::Misdirected, is_tls && is_told_apart),
            (Place::ClearText, !is_tls && has_demands),
        ]);
        let body_bytes = match head.body {
            BodyLength::Known(length) => Some(length),
            BodyLength::None | BodyLength::Chunked | BodyLength::UntilClose => None,
        };
        let is_asking = head.method.of(self.bytes) == b"OPTIONS";
        let intent = match is_asking && self.is_preflight(matched) {
            true => Intent::Permission,
            false => Intent::Content,
        };
        let client = self.client().ip();
        let claimed = self.claimed.as_ref().and_then(Claimed::came_by);
        let scheme = claimed.unwrap_or(listener.told_scheme);
        Facts { scheme, client, body_bytes, intent, raised }
    }

    pub(super) fn find_out(
        &self,
        question: Question<'_>,
        table: &CoreTable,
        matched: Option<&Match<'_>>,
    ) -> Said {
        let (listener, host) = (self.downstream.listener.id, &self.head().host);
        let is_so = match question {
            Question::IsDemandMet => {
                table.0.client_auth(listener, host) == self.downstream.client_auth
                    && self.is_of_section(table, host)
            }
            Question::IsBlocked => self.is_blocked(table),
            // They change what is known, and were taken before.
            Question::Steps(..) => return Said::Unknown,
            Question::HasEndpoint => matched.is_none_or(|found| self.has_endpoint(found.rule)),
            Question::IsWithinRate(limits) => self.is_within_rate(limits),
            Question::HasRoom(limits) if self.has_room(limits) => true,
            Question::HasRoom(_) => return Said::Unknown,
            Question::IsSubject => matched.is_some_and(|found| self.is_subject(found)),
            Question::HasOwnRules => table.0.has_host(listener, host),
            Question::IsEvasive => matched.is_some_and(|found| {
                reading::is_evasive(self.head().sent_path(self.bytes), found.rule, |path| {
                    self.look_up(table, path).map(|found| found.rule)
                })
            }),
        };
        if is_so { Said::Yes } else { Said::No }
    }

    /// Whether the listener of a Gateway that has the host is that of the connection.
    fn is_of_section(&self, table: &CoreTable, host: &[u8]) -> bool {
        let section = table.0.section(self.downstream.listener.id, Some(host));
        let is_clear = self.downstream.listener.scheme != Scheme::Https;
        is_clear || section.is_none_or(|own| Some(own) == self.downstream.section.as_deref())
    }

    fn is_blocked(&self, table: &CoreTable) -> bool {
        let head = self.head();
        let value = |kind: FieldKind| {
            let found = head.fields.iter().find(|field| field.kind == kind);
            found.map_or(&b""[..], |field| field.value.of(self.bytes))
        };
        let (client, agent) = (self.client().ip(), value(FieldKind::UserAgent));
        let blocked = table.0.downstream.blocked.as_deref();
        blocked.is_some_and(|blocked| blocked.has(client, agent, value(FieldKind::Referer)))
    }

    /// Whether anybody may answer for the rule. What is asked for the rule's canary may be.
    fn has_endpoint(&self, rule: &TableRule) -> bool {
        let scheme = self.downstream.listener.scheme;
        // An entry without backend has an answer of its own.
        let answers = |id: Option<BackendId>| id.is_none_or(|id| self.has_endpoints(id));
        let stand_in = rule.substitutes.as_ref().and_then(|substitutes| substitutes.stand_in);
        rule.backends.is_empty()
            || rule.canaries.is_some()
            || rule.backends.iter().any(|entry| answers(entry.backend_of(scheme)))
            || stand_in.is_some_and(|id| self.has_endpoints(id))
    }

    fn is_within_rate(&self, limits: &ClientLimits) -> bool {
        let client = match self.whose(limits) {
            Whose::Of(client) => client,
            Whose::Nobodys => return true,
            Whose::Unknown => return false,
        };
        let core = self.core;
        let Judged { verdict, evictions } = core.quotas.count(limits, &client, core.now());
        core.telemetry.add(Counter::ClientLimitEvictions, evictions);
        verdict.is_ok()
    }

    /// Whether the request may be under way beside the others of its client; if so it is, until the
    /// exchange is over.
    fn has_room(&self, limits: &ClientLimits) -> bool {
        let client = match self.whose(limits) {
            Whose::Of(client) => client,
            Whose::Nobodys => return true,
            Whose::Unknown => return false,
        };
        let core = self.core;
        let Judged { verdict, evictions } = core.quotas.hold(limits, &client);
        core.telemetry.add(Counter::ClientLimitEvictions, evictions);
        verdict.map(|hold| self.keep(hold)).is_ok()
    }

    /// A rule has no more of them than there are places.
    fn keep(&self, hold: Option<Hold<'a>>) {
        let mut holds = self.holds.take();
        if let Some(free) = holds.iter_mut().find(|held| held.is_none()) {
            *free = hold;
        }
        self.holds.set(holds);
    }

    /// Whose request it is for these limits.
    fn whose(&self, limits: &ClientLimits) -> Whose {
        let client = self.client().ip();
        match &limits.key {
            LimitKey::Address if limits.exempt.contains(client) => Whose::Nobodys,
            LimitKey::Address => Whose::Of(client.into()),
            LimitKey::Text(text) => {
                let mut value = Vec::new();
                let request = self.request();
                if request.scripted.is_some() {
                    request.put_text(text, &mut value);
                } else {
                    // What is searched for a key is counted without directives, too.
                    let known = Known { request, request_id: b"", origin: None, backend: None };
                    self.scratch.script.put(text, &known, &mut value);
                }
                match value.is_empty() {
                    false => Whose::Of(Asker::Text(value.into())),
                    true if self.scratch.script.has_searched_all() => Whose::Unknown,
                    true => Whose::Nobodys,
                }
            }
        }
    }

    /// Whether the client's certificate has a subject that the rule lets in.
    fn is_subject(&self, matched: &Match<'_>) -> bool {
        let policy = matched.rule.plan.certificate.as_ref();
        let pattern = policy.and_then(|policy| policy.subject.as_ref());
        let subject = self.downstream.identity.as_deref().and_then(ClientIdentity::subject);
        pattern.zip(subject).is_some_and(|(pattern, subject)| pattern.is_match(subject))
    }

    /// What the handshake lacks that it asked for.
    fn certificate_refusal(&self) -> Option<ClientRefusal> {
        self.downstream.identity.as_ref()?.admitted().err()
    }

    /// Whether a load balancer may ask for our health: by its path, unless a rule names that. As
    /// the catch-all server of ingress-nginx has it, for every method.
    fn is_probe(&self, matched: Option<&Match<'_>>) -> bool {
        let path = self.core.config.health_check_path.as_bytes();
        self.head().rule_path() == path
            && matched.is_none_or(|found| !found.is_routed || found.matched_bytes < path.len())
    }

    /// What is due to a request that no backend gets.
    pub(super) async fn keep_back(
        &mut self,
        unsaid: Unsaid,
        answer: Answer<'_>,
        matched: Option<&Match<'_>>,
    ) -> Served {
        if matches!(answer, Answer::Certificate) {
            // What is missing comes with another handshake only.
            self.is_last = true;
            self.core.count(Counter::ClientCertificatesRefused);
        }
        if let Some(why) = self.uncollected.take() {
            return self.refuse_uncollected(unsaid, why);
        }
        if let Some((status, location)) = self.location(&answer, matched) {
            return Served::Over(self.send_redirect(unsaid, status, &location).await);
        }
        match answer {
            Answer::Ended(script) => return self.end_as_said(unsaid, script).await,
            Answer::Permission => {
                self.add_permission(matched);
                return Served::Over(self.send_permission(unsaid).await);
            }
            Answer::NotAdmitted(auth) => {
                let pages = matched.and_then(|found| found.rule.substitutes.as_deref());
                return self.deny_as_told(unsaid, auth, pages).await;
            }
            Answer::ListenerGone => self.is_last = true,
            Answer::Healthy => self.tally.is_probe = true,
            Answer::PasswordNeeded(demand) => {
                let challenge = demand.challenge.value().as_bytes();
                self.scratch.added.add("WWW-Authenticate", challenge, Statuses::Any);
            }
            _ => {}
        }
        let (counter, reply) = self.due(&answer);
        if let Some(counter) = counter {
            self.core.count(counter);
        }
        Served::Owed(unsaid, reply)
    }

    /// The answer of ours that is due, and what counts it.
    pub(super) fn due(&self, answer: &Answer<'_>) -> (Option<Counter>, Reply) {
        match *answer {
            Answer::ListenerGone | Answer::Misdirected => {
                (Some(Counter::RequestsMisdirected), Reply::Misdirected)
            }
            Answer::Moved | Answer::Astray => (None, Reply::Astray),
            Answer::Certificate => {
                let reply = self.certificate_refusal().map_or(Reply::Denied, Reply::Certificate);
                (None, reply)
            }
            Answer::Healthy => (None, Reply::Healthy),
            Answer::NotFound => (None, Reply::NotFound),
            Answer::Ambiguous => (Some(Counter::RequestsMalformed), Reply::Ambiguous),
            Answer::Refused(refusal) => (None, Reply::of_refusal(refusal)),
            // Those that have an answer of their own were told it before.
            Answer::ToHttps(..)
            | Answer::Elsewhere(_)
            | Answer::To(_)
            | Answer::Replaced(_)
            | Answer::Ended(_)
            | Answer::Permission
            | Answer::NotAdmitted(_)
            | Answer::Denied
            | Answer::OtherSubject => (None, Reply::Denied),
            Answer::Limited(Excess::Rate, status) => {
                (Some(Counter::ClientRateExceeded), Reply::Limited(status))
            }
            Answer::Limited(Excess::Open, status) => {
                (Some(Counter::ClientRoomExceeded), Reply::Limited(status))
            }
            Answer::Blocked => (None, Reply::Blocked),
            Answer::NotAllowed => (None, Reply::NotAllowed),
            Answer::PasswordNeeded(_) => (None, Reply::Unauthorized),
            Answer::PasswordUnchecked => {
                (Some(Counter::PasswordsUnchecked), Reply::PasswordUnchecked)
            }
            Answer::NoEndpoints => (None, Reply::NoEndpoints),
            Answer::BodyTooLarge => (Some(Counter::BodiesTooLarge), Reply::BodyTooLarge),
            Answer::Undecided => (None, Reply::Undecided),
        }
    }

    /// Where the client is sent instead, and with which status.
    pub(super) fn location(
        &self,
        answer: &Answer<'_>,
        matched: Option<&Match<'_>>,
    ) -> Option<(u16, Vec<u8>)> {
        let mut location = Vec::new();
        let status = match answer {
            Answer::ToHttps(status, form) => {
                form.location(&self.redirect_parts(0), HTTPS_PORT, &mut location);
                *status
            }
            Answer::Elsewhere(redirect) => {
                let matched_bytes = matched.map_or(0, |found| found.matched_bytes);
                redirect.location(&self.redirect_parts(matched_bytes), &mut location);
                redirect.status
            }
            Answer::To(goto) => {
                goto.location(&self.redirect_parts(0), HTTPS_PORT, &mut location);
                goto.status
            }
            Answer::Replaced(replacement) => {
                location = matched.map(|found| self.replaced_location(replacement, found))?;
                FOUND
            }
            Answer::Certificate => {
                let policy = matched?.rule.plan.certificate.as_deref()?;
                location.extend_from_slice(policy.page.as_deref()?.as_bytes());
                FOUND
            }
            _ => return None,
        };
        Some((status, location))
    }

    /// What redirects read of the request.
    fn redirect_parts(&self, matched_bytes: usize) -> RedirectParts<'_> {
        let (head, listener) = (self.head(), &self.downstream.listener);
        let claimed = self.claimed.as_ref();
        let (scheme, port) = claimed.map_or_else(
            || (listener.told_scheme, listener.told_port),
            |claimed| claimed.origin(listener),
        );
        let is_claimed = claimed.is_some_and(|claimed| claimed.authority.is_some());
        RedirectParts {
            scheme: listener.scheme.as_str(),
            told_scheme: scheme.as_str(),
            host: &head.host,
            told_host: if is_claimed { &self.scratch.claimed_host } else { &head.host },
            authority: head.authority.of(self.bytes),
            listener_port: listener.port,
            told_port: port,
            path: head.rule_path(),
            sent_path: head.sent_path(self.bytes),
            query: head.query.map(|query| query.of(self.bytes)),
            matched_bytes,
        }
    }
}
