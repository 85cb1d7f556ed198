//! What becomes of the path of a request that a rule replaces: the text of its owner with what the
//! expression of the rule captured.

use crate::filter::{PathReplacement, Variable, Variables, encode_part, encode_path};
use crate::limits::REQUEST_LINE_BYTES_MAX;
use crate::model::{Captures, Origin, PathPattern};
use crate::proxy::exchange::state::Exchange;
use crate::proxy::exchange::variables::Known;
use crate::table::{Match, Route};

const FORWARDED_PREFIX: &[u8] = b"X-Forwarded-Prefix";

/// A path that became too long.
pub struct TooLong;

/// The values of variables for one request, and of groups.
struct Captured<'a> {
    known: Known<'a>,
    pattern: &'a PathPattern,
    captures: Captures,
    /// What they were captured of.
    path: &'a [u8],
    form: Form,
}

/// How what was captured is put.
#[derive(Clone, Copy)]
enum Form {
    /// As it is: it is encoded later.
    Decoded,
    /// As in a path.
    Encoded,
    /// As it is, but for what no field value holds.
    Value,
}

impl Variables for Captured<'_> {
    fn put(&self, variable: &Variable, out: &mut Vec<u8>) {
        let number = match variable {
            Variable::Capture(number) => Some(usize::from(*number)),
            Variable::NamedCapture(name) => self.pattern.group(name),
            other => return self.known.put(other, out),
        };
        let range = number.and_then(|number| self.captures.get(number));
        let part = range.and_then(|range| self.path.get(range)).unwrap_or_default();
        match self.form {
            Form::Decoded => out.extend_from_slice(part),
            Form::Encoded => encode_part(part, out),
            Form::Value => put_value(part, out),
        }
    }
}

impl Exchange<'_> {
    /// Replaces the path on its way to the backend, if the rule says so.
    pub(super) fn replace_path(
        &mut self,
        route: Route<'_>,
        origin: &Origin,
    ) -> Result<(), TooLong> {
        let Some(replacement) = &route.plan.request.replacement else { return Ok(()) };
        if self.scratch.script.is_settled() {
            return Ok(());
        }
        let mut text = std::mem::take(&mut self.scratch.replaced);
        let mut path = std::mem::take(&mut self.scratch.path);
        text.clear();
        path.clear();
        let found = (route.pattern, origin);
        let Some(captured) = self.captured(found, Form::Decoded) else { return Ok(()) };
        replacement.target.put(&captured, &mut text);
        // Whoever repeats what was captured makes more of a request than it is.
        if text.len() > REQUEST_LINE_BYTES_MAX {
            return Err(TooLong);
        }
        encode_path(&text, &mut path);
        let prefix_at = text.len();
        if let Some(prefix) = &replacement.forwarded_prefix {
            prefix.put(&Captured { form: Form::Value, ..captured }, &mut text);
            let value = text.get(prefix_at..).unwrap_or_default();
            if value.len() > REQUEST_LINE_BYTES_MAX {
                return Err(TooLong);
            }
            self.scratch.overlay.remove(FORWARDED_PREFIX);
            self.scratch.overlay.add(FORWARDED_PREFIX, value.trim_ascii());
        }
        text.truncate(prefix_at);
        (self.scratch.path, self.scratch.replaced) = (path, text);
        self.scratch.is_path_replaced = true;
        self.scratch.script.follow(&self.scratch.replaced);
        Ok(())
    }

    /// Where the rule sends the client with what its path captured.
    pub(super) fn replaced_location(
        &self,
        replacement: &PathReplacement,
        found: &Match<'_>,
    ) -> Vec<u8> {
        let mut location = Vec::new();
        let from = (found.pattern, &found.rule.origin);
        if let Some(captured) = self.captured(from, Form::Encoded) {
            replacement.target.put(&captured, &mut location);
        }
        if let Some(query) = self.head().query.map(|query| query.of(self.bytes)) {
            location.push(b'?');
            location.extend_from_slice(query);
        }
        location
    }

    fn captured<'a>(
        &'a self,
        (pattern, origin): (Option<&'a PathPattern>, &'a Origin),
        form: Form,
    ) -> Option<Captured<'a>> {
        let path = self.scratch.script.path().unwrap_or_else(|| self.head().rule_path());
        let pattern = pattern?;
        let captures = pattern.captures(path)?;
        let known = Known {
            request: self.request(),
            request_id: &self.scratch.request_id,
            origin: Some(origin),
            backend: self.tally.backend.as_ref().map(|backend| &*backend.key),
        };
        Some(Captured { known, pattern, captures, path, form })
    }
}

/// Appends what may be no part of a field value in a form that may.
fn put_value(part: &[u8], out: &mut Vec<u8>) {
    for octet in part {
        match octet.is_ascii_control() {
            true => encode_part(std::slice::from_ref(octet), out),
            false => out.push(*octet),
        }
    }
}
