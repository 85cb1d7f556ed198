//! What a request says of the trace that it belongs to. What is not exactly as it should be was
//! not said: a new trace begins.
//!
//! Source: W3C Trace Context, sections 3.2, 3.3 and 4.3; the B3 propagation of Zipkin.

use super::context::{Flags, Sampling, SpanId, TraceId};
use crate::filter::overlay::is_same_name;
use crate::limits::{TRACE_STATE_BYTES_MAX, TRACE_STATE_MEMBERS_MAX, TRACE_STATE_PART_BYTES_MAX};

/// A field that says something of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContextField {
    TraceParent,
    TraceState,
    B3,
    B3TraceId,
    B3SpanId,
    B3ParentSpanId,
    B3Sampled,
    B3Flags,
}

/// All of them, in the order of the enum.
const FIELDS: [(&str, ContextField); 8] = [
    ("traceparent", ContextField::TraceParent),
    ("tracestate", ContextField::TraceState),
    ("b3", ContextField::B3),
    ("x-b3-traceid", ContextField::B3TraceId),
    ("x-b3-spanid", ContextField::B3SpanId),
    ("x-b3-parentspanid", ContextField::B3ParentSpanId),
    ("x-b3-sampled", ContextField::B3Sampled),
    ("x-b3-flags", ContextField::B3Flags),
];

impl ContextField {
    /// The field of this name, in any case.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        let found = FIELDS.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name));
        found.map(|(_, field)| *field)
    }

    /// The one that a backend of the CGI kind would take it for.
    pub(super) fn as_read(name: &[u8]) -> Option<Self> {
        let found = FIELDS.iter().find(|(known, _)| is_same_name(known.as_bytes(), name));
        found.map(|(_, field)| *field)
    }
}

/// The fields of a request that say something of a trace.
#[derive(Debug, Default)]
pub struct Incoming<'a> {
    /// In the order of [`FIELDS`].
    lines: [Line<'a>; FIELDS.len()],
    state: State,
}

/// The value of a field that stands once or not at all.
#[derive(Debug, Clone, Copy, Default)]
enum Line<'a> {
    #[default]
    Missing,
    Value(&'a [u8]),
    /// Nobody can say which one counts.
    Several,
}

/// What was seen of `tracestate`, of which there may be several lines.
#[derive(Debug, Default)]
struct State {
    octets: usize,
    members: usize,
    is_malformed: bool,
}

/// What becomes of `tracestate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum StateFate {
    /// It goes on as it came.
    Kept,
    /// It ends here.
    #[default]
    Dropped,
}

/// Forms of B3 that a client used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct B3Forms {
    /// One field.
    pub has_single: bool,
    /// A field for each part.
    pub has_multiple: bool,
}

/// What was said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// The client's part of its trace.
    pub parent: Option<(TraceId, SpanId)>,
    /// Whether it is recorded, if the client has decided that.
    pub sampling: Option<Sampling>,
    pub flags: Flags,
    pub state: StateFate,
}

impl<'a> Incoming<'a> {
    /// Looks at all `fields`, names and values.
    #[must_use]
    pub fn of(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut incoming = Self::default();
        for (name, value) in fields {
            match ContextField::named(name) {
                Some(ContextField::TraceState) => incoming.state.take(value),
                Some(field) => {
                    if let Some(line) = incoming.lines.get_mut(field as usize) {
                        *line = match line {
                            Line::Missing => Line::Value(value),
                            Line::Value(_) | Line::Several => Line::Several,
                        };
                    }
                }
                None => {}
            }
        }
        incoming
    }

    fn value(&self, field: ContextField) -> Option<&'a [u8]> {
        match self.lines.get(field as usize) {
            Some(Line::Value(value)) => Some(value),
            _ => None,
        }
    }

    /// The forms of B3 that there are, usable or not.
    pub(super) fn b3_forms(&self) -> B3Forms {
        let has = |field| !matches!(self.lines.get(field as usize), None | Some(Line::Missing));
        B3Forms {
            has_single: has(ContextField::B3),
            has_multiple: has(ContextField::B3TraceId)
                || has(ContextField::B3Sampled)
                || has(ContextField::B3Flags),
        }
    }

    /// What it says. The form of the W3C counts before those of B3.
    pub(super) fn said(&self) -> Said {
        let of_w3c = self.value(ContextField::TraceParent).and_then(trace_parent);
        if let Some((parent, flags)) = of_w3c {
            let (parent, sampling) = (Some(parent), Some(flags.sampling()));
            return Said { parent, sampling, flags, state: self.state.fate() };
        }
        let single = self.value(ContextField::B3).and_then(b3);
        let (parent, sampling) = single.unwrap_or_else(|| self.multiple_b3());
        Said { parent, sampling, ..Said::default() }
    }

    fn multiple_b3(&self) -> B3 {
        let id = |field| self.value(field).unwrap_or_default();
        let trace = b3_trace(id(ContextField::B3TraceId));
        let span = hex(id(ContextField::B3SpanId), 16).and_then(span_id);
        let is_debug = self.value(ContextField::B3Flags) == Some(b"1");
        let sampling = match self.value(ContextField::B3Sampled) {
            _ if is_debug => Some(Sampling::Recorded),
            Some(b"1" | b"true") => Some(Sampling::Recorded),
            Some(b"0" | b"false") => Some(Sampling::Dropped),
            _ => None,
        };
        (trace.zip(span), sampling)
    }
}

/// What B3 says: ids, and a decision. Either may be missing.
type B3 = (Option<(TraceId, SpanId)>, Option<Sampling>);

/// `VERSION-TRACE-SPAN-FLAGS`, and in later versions perhaps more behind it.
fn trace_parent(value: &[u8]) -> Option<((TraceId, SpanId), Flags)> {
    let (known, rest) = value.split_at_checked(55)?;
    let mut parts = known.split(|octet| *octet == b'-');
    let version = hex(parts.next()?, 2)?;
    let trace = hex(parts.next()?, 32).and_then(TraceId::new)?;
    let span = hex(parts.next()?, 16).and_then(span_id)?;
    let flags = hex(parts.next()?, 2)?;
    let is_readable = match (version, rest) {
        (0xff, _) => false,
        (_, []) => true,
        (version, [next, ..]) => version > 0 && *next == b'-',
    };
    let flags = Flags::known(u8::try_from(flags).ok()?);
    (is_readable && parts.next().is_none()).then_some(((trace, span), flags))
}

/// `TRACE-SPAN`, `TRACE-SPAN-DECISION`, `TRACE-SPAN-DECISION-PARENT`, or a decision alone.
fn b3(value: &[u8]) -> Option<B3> {
    let decision = |text: &[u8]| match text {
        b"0" => Some(Sampling::Dropped),
        b"1" | b"d" => Some(Sampling::Recorded),
        _ => None,
    };
    if let Some(sampling) = decision(value) {
        return Some((None, Some(sampling)));
    }
    let mut parts = value.split(|octet| *octet == b'-');
    let trace = b3_trace(parts.next()?)?;
    let span = hex(parts.next()?, 16).and_then(span_id)?;
    let sampling = match parts.next() {
        Some(text) => Some(decision(text)?),
        None => None,
    };
    let is_whole = parts.next().is_none_or(|parent| hex(parent, 16).is_some());
    (is_whole && parts.next().is_none()).then_some((Some((trace, span)), sampling))
}

/// An id of 64 bits is one of 128 that begins with zeros.
fn b3_trace(text: &[u8]) -> Option<TraceId> {
    hex(text, 32).or_else(|| hex(text, 16)).and_then(TraceId::new)
}

fn span_id(id: u128) -> Option<SpanId> {
    u64::try_from(id).ok().and_then(SpanId::new)
}

/// So many hexadecimal digits in lower case.
fn hex(text: &[u8], digits: usize) -> Option<u128> {
    let digit = |octet: &u8| match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'a'..=b'f' => Some(octet - b'a' + 10),
        _ => None,
    };
    let add = |number: u128, octet| Some(number << 4 | u128::from(digit(octet)?));
    (text.len() == digits).then(|| text.iter().try_fold(0, add)).flatten()
}

impl State {
    fn take(&mut self, line: &[u8]) {
        self.octets = self.octets.saturating_add(line.len());
        if self.octets > TRACE_STATE_BYTES_MAX {
            return;
        }
        let members = line.split(|octet| *octet == b',').map(<[u8]>::trim_ascii);
        for member in members.filter(|member| !member.is_empty()) {
            self.members = self.members.saturating_add(1);
            self.is_malformed |= !is_member(member);
        }
    }

    /// What is beyond what everybody has to pass on is dropped as a whole.
    fn fate(&self) -> StateFate {
        let is_too_long =
            self.octets > TRACE_STATE_BYTES_MAX || self.members > TRACE_STATE_MEMBERS_MAX;
        if is_too_long || self.is_malformed { StateFate::Dropped } else { StateFate::Kept }
    }
}

/// `KEY=VALUE`; W3C Trace Context, section 3.3.1.3.
fn is_member(member: &[u8]) -> bool {
    let mut parts = member.splitn(2, |octet| *octet == b'=');
    let (key, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let is_of_key = |octet: &u8| {
        octet.is_ascii_lowercase() || octet.is_ascii_digit() || b"_-*/@".contains(octet)
    };
    let begins = key.first().is_some_and(|f| f.is_ascii_lowercase() || f.is_ascii_digit());
    let is_of_value = |octet: &u8| matches!(octet, b' '..=b'~') && !b",=".contains(octet);
    begins
        && key.len() <= TRACE_STATE_PART_BYTES_MAX
        && key.iter().all(is_of_key)
        && (1..=TRACE_STATE_PART_BYTES_MAX).contains(&value.len())
        && value.iter().all(is_of_value)
}
