//! Directives at work on one request: what they know of it, and what they come to.

use crate::filter::script::PageStatus;
use crate::filter::{
    Course, EndingPlace, ExternalAuth, Phase, RequestOverlay, Said, Script, Variable, Variables,
    encode_path,
};
use crate::limits::REQUEST_LINE_BYTES_MAX;
use crate::model::Origin;
use crate::proxy::auth_answers::AuthAnswer;
use crate::proxy::exchange::answer::Told;
use crate::proxy::exchange::end::End;
use crate::proxy::exchange::reply::Reply;
use crate::proxy::exchange::response::Unsaid;
use crate::proxy::exchange::state::{Exchange, Served};
use crate::proxy::exchange::variables::Known;
use crate::table::{Match, TableRule};

/// What is known once a server of external authentication answered.
struct WithAuth<'a> {
    request: Known<'a>,
    auth: &'a ExternalAuth,
    answer: &'a AuthAnswer,
}

impl Variables for WithAuth<'_> {
    fn put(&self, variable: &Variable, out: &mut Vec<u8>) {
        match variable {
            Variable::Answered(name) => {
                let place = self.auth.remembered.iter().position(|known| known == name);
                let value = place.and_then(|place| self.answer.remembered.get(place));
                out.extend_from_slice(value.map_or(b"", |value| value));
            }
            Variable::Status => out.extend_from_slice(self.answer.status.to_string().as_bytes()),
            other => self.request.put(other, out),
        }
    }
}

impl Exchange<'_> {
    /// Takes steps of the rule, or of its host.
    pub(super) fn take_steps(
        &mut self,
        script: &Script,
        phase: Phase,
        matched: Option<&Match<'_>>,
    ) -> Said {
        let Some(found) = matched else { return Said::Yes };
        let mut state = std::mem::take(&mut self.scratch.script);
        if phase == Phase::Rule
            && let Some(pattern) = found.pattern
        {
            let path = state.path().unwrap_or_else(|| self.head().rule_path()).to_vec();
            state.capture(pattern, &path);
        }
        let known = self.known_of_request(&found.rule.origin);
        let course = match phase {
            Phase::Host => state.begin(script, &known),
            Phase::Rule => state.go_on(script, &known),
        };
        let plan = &found.rule.plan;
        // What rewrites the path besides comes behind the steps, unless they end with one.
        let goes_on = phase == Phase::Rule && !state.is_settled();
        let is_rewritten = goes_on && (plan.request.replacement.is_some() || plan.gates.has_goto());
        self.scratch.script = state;
        match course {
            Course::Onward => Said::Yes,
            Course::Moved if is_rewritten => Said::Yes,
            Course::Moved => Said::Moved,
            Course::Ended => Said::No,
            Course::Failed => Said::Unknown,
        }
    }

    /// Ends a request as its directives say.
    pub(super) async fn end_as_said(&mut self, unsaid: Unsaid, script: &Script) -> Served {
        let Some((status, place, text)) = self.ending() else {
            return Served::Owed(unsaid, Reply::Undecided);
        };
        let told = |fields, body| Told { status, fields, body };
        match place {
            // As in nginx, where nothing is said at all.
            _ if status == 444 => {
                self.tally.status = status;
                Served::Over(End::Close)
            }
            EndingPlace::Location => {
                let location = self.absolute(&text);
                Served::Over(self.send_redirect(unsaid, status, &location).await)
            }
            EndingPlace::Nowhere if status >= 400 => Served::Owed(unsaid, Reply::Replaced(status)),
            EndingPlace::Nowhere => Served::Over(self.send_told(unsaid, told(&[], b"")).await),
            EndingPlace::Body => {
                let fields = [("Content-Type".into(), script.media_type.as_bytes().into())];
                Served::Over(self.send_told(unsaid, told(&fields, &text)).await)
            }
        }
    }

    /// How directives end the request: status, and what the text is.
    pub(super) fn ending(&self) -> Option<(u16, EndingPlace, Vec<u8>)> {
        let ending = self.scratch.script.ending()?;
        let status = match self.page {
            Some(PageStatus::Fixed(fixed)) => fixed,
            _ => ending.status,
        };
        Some((status, ending.place, ending.text.to_vec()))
    }

    /// A path as an address of the host that was asked for.
    pub(super) fn absolute(&self, text: &[u8]) -> Vec<u8> {
        let mut location = Vec::new();
        if text.starts_with(b"/") {
            location.extend_from_slice(self.downstream.listener.scheme.as_str().as_bytes());
            location.extend_from_slice(b"://");
            location.extend_from_slice(&self.head().host);
        }
        location.extend_from_slice(text);
        location
    }

    /// Sets the variables that take their values from what a server of external authentication
    /// answered.
    pub(super) fn remember(
        &mut self,
        script: &Script,
        rule: &TableRule,
        auth: &ExternalAuth,
        answer: &AuthAnswer,
    ) {
        let mut state = std::mem::take(&mut self.scratch.script);
        for (name, text) in &script.of_auth {
            let request = self.known_of_request(&rule.origin);
            let mut value = Vec::new();
            state.put(text, &WithAuth { request, auth, answer }, &mut value);
            state.set(name, &value);
        }
        self.scratch.script = state;
    }

    /// What the directives say of the request on its way to the backend.
    pub(super) fn follow_script(&mut self) -> Result<(), TooLong> {
        let Some((script, origin)) = self.script else { return Ok(()) };
        if let Some(rewritten) = self.scratch.script.path() {
            if rewritten.len() > REQUEST_LINE_BYTES_MAX {
                return Err(TooLong);
            }
            self.scratch.path.clear();
            encode_path(rewritten, &mut self.scratch.path);
            self.scratch.is_path_replaced = true;
        }
        let of_gates = std::mem::take(&mut self.scratch.overlay);
        let (state, known) = (&self.scratch.script, self.known_of_request(origin));
        let mut overlay = self.received(script, origin);
        let received = Received { request: known, overlay: &overlay };
        let mut sent = RequestOverlay::default();
        state.send(script, &received, &mut sent);
        // As in nginx, in which gates come behind what directives made of the request.
        overlay.take_over(&of_gates);
        overlay.take_over(&sent);
        self.scratch.overlay = overlay;
        Ok(())
    }

    /// What the directives made of the fields that the client sent.
    pub(super) fn received(&self, script: &Script, origin: &Origin) -> RequestOverlay {
        let mut overlay = RequestOverlay::default();
        let (head, bytes) = (self.head(), self.bytes);
        let media_type = head.find_name(bytes, b"content-type").unwrap_or_default();
        let has = |name: &[u8]| head.find_name(bytes, name).is_some();
        let known = self.known_of_request(origin);
        self.scratch.script.receive(script, &known, media_type, has, &mut overlay);
        overlay
    }

    /// What the backend is asked behind `?`.
    pub(super) fn query(&self) -> Option<&[u8]> {
        match self.scratch.script.query() {
            Some(b"") => None,
            Some(query) => Some(query),
            None => self.head().query.map(|query| query.of(self.bytes)),
        }
    }
}

/// More than a request line holds.
pub struct TooLong;

/// The request with what directives made of what the client sent.
#[derive(Clone, Copy)]
pub(super) struct Received<'a> {
    pub request: Known<'a>,
    pub overlay: &'a RequestOverlay,
}

impl Variables for Received<'_> {
    fn put(&self, variable: &Variable, out: &mut Vec<u8>) {
        match variable {
            Variable::Field(name) if self.overlay.is_dropped(name.as_bytes()) => {
                let value = self.overlay.added(name.as_bytes());
                out.extend_from_slice(value.unwrap_or_default());
            }
            other => self.request.put(other, out),
        }
    }
}
