//! Takes the steps of a script for one request. Pure; bounded by the number of steps, of rounds and
//! of octets.

use std::net::IpAddr;

use super::super::replacement::encode_part;
use super::super::rewrite::encode;
use super::super::text::{Text, Variable, Variables};
use super::program::{Condition, KeepsQuery, Returned, Rewrite, Script, Step, Then, Wanted};
use super::state::{EndingPlace, Known, ScriptState, TooLong};
use crate::limits::SCRIPT_ROUNDS_MAX;

/// How a request goes on after a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// As it was going.
    Onward,
    /// With the rule of the path that it has now.
    Moved,
    /// It ends; see [`ScriptState::ending`].
    Ended,
    /// It ends in status 500: directives went in a circle, or made too much of it.
    Failed,
}

/// What follows a step.
enum Next {
    Step,
    /// The phase is over.
    Over,
}

impl ScriptState {
    /// Takes the steps of the host, unless it did for this request.
    pub fn begin(&mut self, script: &Script, request: &impl Variables) -> Course {
        if std::mem::replace(&mut self.is_begun, true) || script.host.is_empty() {
            return Course::Onward;
        }
        let mut run = Run { state: self, request, is_moved: false, is_rewritten: false };
        match run.steps(&script.host) {
            Err(TooLong) => Course::Failed,
            Ok(_) if run.state.ending().is_some() => Course::Ended,
            Ok(_) if run.is_rewritten => Course::Moved,
            Ok(_) => Course::Onward,
        }
    }

    /// Takes those of the rule.
    pub fn go_on(&mut self, script: &Script, request: &impl Variables) -> Course {
        self.is_begun = true;
        self.leave_rule();
        if script.rule.is_empty() {
            return Course::Onward;
        }
        let mut run = Run { state: self, request, is_moved: false, is_rewritten: false };
        let ended = run.steps(&script.rule);
        let is_moved = run.is_moved;
        match ended {
            Err(TooLong) => return Course::Failed,
            Ok(Next::Over) => self.is_settled = true,
            Ok(Next::Step) => {}
        }
        if self.ending().is_some() {
            return Course::Ended;
        }
        if !is_moved {
            return Course::Onward;
        }
        self.rounds = self.rounds.saturating_add(1);
        if self.rounds > SCRIPT_ROUNDS_MAX { Course::Failed } else { Course::Moved }
    }

    /// Another rule is the one of the request: what was decided in the old one is nothing there.
    pub fn leave_rule(&mut self) {
        (self.block, self.is_settled) = (0, false);
    }

    /// Puts `text` together and appends it to `out`.
    pub fn put(&self, text: &Text, request: &impl Variables, out: &mut Vec<u8>) {
        text.put(&Known { state: self, request }, out);
    }
}

struct Run<'a, V> {
    state: &'a mut ScriptState,
    request: &'a V,
    /// The last rewrite leads to another rule.
    is_moved: bool,
    /// There was one.
    is_rewritten: bool,
}

impl<V: Variables> Run<'_, V> {
    fn steps(&mut self, steps: &[Step]) -> Result<Next, TooLong> {
        for step in steps {
            let next = self.step(step)?;
            // A value not found because too much was searched lets nobody past a condition.
            self.state.count_searched(0)?;
            if let Next::Over = next {
                return Ok(Next::Over);
            }
        }
        Ok(Next::Step)
    }

    fn step(&mut self, step: &Step) -> Result<Next, TooLong> {
        match step {
            Step::Set(name, text) => {
                self.with_text(text, |state, value| match &**name {
                    "args" => state.set_query(value),
                    name => state.assign(name, value),
                })?;
            }
            Step::If(condition, steps, block) => {
                if self.holds(condition)? {
                    self.state.block = block.unwrap_or(self.state.block);
                    return self.steps(steps);
                }
            }
            Step::Return(status, returned) => {
                match returned {
                    Returned::Nothing => self.state.end(*status, EndingPlace::Nowhere, b"")?,
                    Returned::Text(text) => {
                        self.with_text(text, |state, body| {
                            state.end(*status, EndingPlace::Body, body)
                        })?;
                    }
                    Returned::Location(text) => self.with_text(text, |state, place| {
                        let mut location = Vec::new();
                        put_location(place, &mut location);
                        state.end(*status, EndingPlace::Location, &location)
                    })?,
                }
                return Ok(Next::Over);
            }
            Step::Rewrite(rewrite) => return self.rewrite(rewrite),
            Step::Break => return Ok(Next::Over),
            Step::Internal => {
                if self.state.is_sent() {
                    self.state.end(404, EndingPlace::Nowhere, b"")?;
                    return Ok(Next::Over);
                }
            }
        }
        Ok(Next::Step)
    }

    fn with_text(
        &mut self,
        text: &Text,
        then: impl FnOnce(&mut ScriptState, &[u8]) -> Result<(), TooLong>,
    ) -> Result<(), TooLong> {
        let mut value = self.state.take_text();
        text.put(&Known { state: self.state, request: self.request }, &mut value);
        let done = then(self.state, &value);
        self.state.give_text(value);
        done
    }

    fn value(&self, variable: &Variable) -> Vec<u8> {
        let mut value = Vec::new();
        Known { state: self.state, request: self.request }.put(variable, &mut value);
        value
    }

    fn holds(&mut self, condition: &Condition) -> Result<bool, TooLong> {
        let (is_so, wanted) = match condition {
            Condition::IsSet(variable) => {
                let value = self.value(variable);
                (!value.is_empty() && value != b"0", Wanted::Yes)
            }
            Condition::Is(variable, wanted, text) => {
                let mut other = Vec::new();
                text.put(&Known { state: self.state, request: self.request }, &mut other);
                (self.value(variable) == other, *wanted)
            }
            Condition::IsOutside(ranges) => {
                let client = self.value(&Variable::ClientAddress);
                let client = std::str::from_utf8(&client).ok();
                let client = client.and_then(|text| text.parse::<IpAddr>().ok());
                (client.is_none_or(|client| !ranges.contains(client)), Wanted::Yes)
            }
            Condition::Matches(variable, wanted, pattern) => {
                let value = self.value(variable);
                (self.state.search(pattern, &value)?, *wanted)
            }
        };
        Ok(is_so == (wanted == Wanted::Yes))
    }

    /// Source: nginx `ngx_http_script_regex_start_code` and `_end_code`.
    fn rewrite(&mut self, rewrite: &Rewrite) -> Result<Next, TooLong> {
        let path = self.value(&Variable::Path);
        if !self.state.search(&rewrite.pattern, &path)? {
            return Ok(Next::Step);
        }
        let is_sent = matches!(rewrite.then, Then::Redirect(_));
        let is_coded = self.is_coded();
        let mut target = Vec::new();
        let form = if is_sent { Form::Path } else { Form::Decoded };
        self.put_as(form, &rewrite.path, &mut target);
        let mut query = Vec::new();
        if let Some(text) = &rewrite.query {
            let form = if is_sent || is_coded { Form::Query } else { Form::Decoded };
            self.put_as(form, text, &mut query);
        }
        let old = if rewrite.keeps_query == KeepsQuery::Yes {
            self.value(&Variable::Query)
        } else {
            Vec::new()
        };
        if !query.is_empty() && !old.is_empty() {
            query.push(b'&');
        }
        query.extend_from_slice(&old);
        if let Then::Redirect(status) = rewrite.then {
            let mut location = Vec::new();
            if !query.is_empty() {
                target.push(b'?');
                target.extend_from_slice(&query);
            }
            put_location(&target, &mut location);
            self.state.end(status, EndingPlace::Location, &location)?;
            return Ok(Next::Over);
        }
        self.state.set_path(&target)?;
        if rewrite.query.is_some() || rewrite.keeps_query == KeepsQuery::No {
            self.state.set_query(&query)?;
        }
        self.is_rewritten = true;
        self.is_moved = rewrite.then != Then::Serve;
        let is_over = rewrite.then != Then::Next;
        Ok(if is_over { Next::Over } else { Next::Step })
    }

    /// Whether the path was sent in a form that nginx encodes again what it captures of it.
    fn is_coded(&self) -> bool {
        let target = self.value(&Variable::RequestUri);
        let path = target.split(|octet| *octet == b'?').next().unwrap_or_default();
        path.iter().any(|octet| matches!(octet, b'%' | b'+'))
    }

    fn put_as(&self, form: Form, text: &Text, out: &mut Vec<u8>) {
        let known = Known { state: self.state, request: self.request };
        text.put(&Coded { known, form }, out);
    }
}

/// How what was captured is put.
#[derive(Clone, Copy)]
enum Form {
    Decoded,
    Path,
    Query,
}

/// The same variables, with captures in a form.
struct Coded<'a, V> {
    known: Known<'a, V>,
    form: Form,
}

impl<V: Variables> Variables for Coded<'_, V> {
    fn put(&self, variable: &Variable, out: &mut Vec<u8>) {
        let is_captured = matches!(variable, Variable::Capture(_) | Variable::Path);
        if !is_captured {
            return self.known.put(variable, out);
        }
        let mut part = Vec::new();
        self.known.put(variable, &mut part);
        match self.form {
            Form::Decoded => out.extend_from_slice(&part),
            Form::Path => encode_part(&part, out),
            Form::Query => encode(
                &part,
                |octet| octet.is_ascii_graphic() && !br##""#%&+;?\^`{|}<>"##.contains(&octet),
                out,
            ),
        }
    }
}

/// Appends a place to send clients to. Nothing in it ends the line.
pub fn put_location(text: &[u8], out: &mut Vec<u8>) {
    encode(text, |octet| octet.is_ascii_graphic(), out);
}
