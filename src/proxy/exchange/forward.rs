//! Edits to heads on the way through: pure. The message for the other side is written from the
//! parsed form; nothing that was not understood is copied.
//!
//! Source: RFC 9110 section 7.6, RFC 9112; the fields ingress-nginx sends upstream.

use crate::filter::{BodyChange, FieldEdits, LineChange, RequestOverlay, ReturnedPlaces};
use crate::filter::{SpanId, Trace};
use crate::http1::encode;
use crate::http1::fields::{FieldKind, is_hop_by_hop, kind_as_read};
use crate::http1::framing::BodyLength;
use crate::http1::head::{Field, RequestHead, ResponseHead, Version};
use crate::http1::reframe::Framing;
use crate::limits::RESPONSE_HEAD_BYTES_MAX;
use crate::model::{ConnectionOption, OddNames, ServerField, UpstreamVersion};
use crate::proxy::exchange::claimed::Claimed;
use crate::proxy::exchange::downstream::ListenerFacts;
use crate::proxy::exchange::reply::{OwnFields, Persistence};
use crate::proxy::exchange::request_fields::{self, OfClient};
use crate::proxy::exchange::variables::Known;

/// What the upstream is told about a request beyond its own head.
pub struct RequestFacts<'a> {
    /// The other end of the connection, as text.
    pub peer: &'a [u8],
    /// Where the client came in.
    pub listener: &'a ListenerFacts,
    /// What is believed of proxies in front.
    pub claimed: Option<&'a Claimed<'a>>,
    /// What becomes of fields with odd names.
    pub odd_names: OddNames,
    /// Kept from the client or made.
    pub request_id: &'a [u8],
    /// Method; what answers HEAD has no body, so that no other stands for it, nor it for one.
    pub method: &'a [u8],
    /// Path instead of the request's, from a rewrite.
    pub path: Option<&'a [u8]>,
    /// Behind `?`; `None`: there is none.
    pub query: Option<&'a [u8]>,
    /// Host instead of the request's, from a rewrite.
    pub host: Option<&'a [u8]>,
    /// Field edits.
    pub edits: &'a FieldEdits,
    /// What gates said about fields; edits come behind it.
    pub overlay: &'a RequestOverlay,
    /// Whether `Expect: 100-continue` goes on.
    pub forwards_expect: bool,
    /// What is said of the connection.
    pub connection: Option<ConnectionOption>,
    /// Whole lines that say who the client is by its certificate; empty where nobody asked it.
    pub identity: &'a [u8],
    /// How its body ends.
    pub body: BodyLength,
    /// What the upstream is asked in.
    pub version: UpstreamVersion,
    /// The trace that it belongs to, and what this request is in it; `None`: what clients say of
    /// traces passes.
    pub trace: Option<(&'a Trace, SpanId)>,
}

impl RequestFacts<'_> {
    /// Whether something else is said in the place of a client's field of this name.
    fn drops(&self, name: &[u8]) -> bool {
        self.overlay.is_dropped(name) || self.trace.is_some_and(|(trace, _)| trace.drops(name))
    }
}

/// Appends the head of the upstream request.
pub fn put_request(out: &mut Vec<u8>, bytes: &[u8], head: &RequestHead, facts: &RequestFacts<'_>) {
    put_request_line(out, bytes, head, facts);
    let asked = facts.claimed.and_then(|claimed| claimed.authority);
    let asked = asked.unwrap_or_else(|| head.authority.of(bytes));
    encode::put_field(out, b"Host", facts.host.unwrap_or(asked));
    let own = out.len();
    if !facts.request_id.is_empty() {
        encode::put_field(out, b"X-Request-ID", facts.request_id);
    }
    encode::put_field(out, b"X-Forwarded-Host", asked);
    put_origin(out, bytes, head, facts);
    if let Some((trace, span)) = facts.trace {
        trace.put_fields(span, out);
    }
    if !facts.edits.is_empty() || !facts.overlay.is_empty() {
        // What the rule says of them counts, and is said once.
        remove_lines(out, own, |name| {
            facts.edits.is_dropped(name) || facts.overlay.is_dropped(name)
        });
    }
    out.extend_from_slice(facts.identity);
    for field in &head.fields {
        put_request_field(out, bytes, field, facts);
    }
    out.extend_from_slice(facts.overlay.lines());
    put_edits(out, facts.edits);
    Framing::of_request(facts.body).put_field(out);
    match facts.version {
        UpstreamVersion::Http11 => put_connection(out, bytes, head, facts),
        // RFC 9112 section 9.3: it ends with the response unless both say otherwise.
        UpstreamVersion::Http10 => out.extend_from_slice(b"Connection: close\r\n"),
    }
    out.extend_from_slice(b"\r\n");
}

/// Whose the request is, and how it came.
fn put_origin(out: &mut Vec<u8>, bytes: &[u8], head: &RequestHead, facts: &RequestFacts<'_>) {
    let Some(claimed) = facts.claimed else {
        encode::put_field(out, b"X-Real-IP", facts.peer);
        encode::put_field(out, b"X-Forwarded-For", facts.peer);
        return out.extend_from_slice(&facts.listener.fields);
    };
    encode::put_field(out, b"X-Real-IP", claimed.text.as_bytes());
    out.extend_from_slice(b"X-Forwarded-For: ");
    claimed.put_forwarded_for(head, bytes, facts.peer, out);
    out.extend_from_slice(encode::CRLF);
    claimed.put_fields(facts.listener, out);
    claimed.put_original(head, bytes, out);
}

/// Takes lines away, of those that stand behind `start`.
fn remove_lines(out: &mut Vec<u8>, start: usize, is_gone: impl Fn(&[u8]) -> bool) {
    let (mut from, mut to) = (start, start);
    while let Some(line) = out.get(from..).filter(|rest| !rest.is_empty()) {
        let end = line.iter().position(|octet| *octet == b'\n').map_or(line.len(), |end| end + 1);
        let name = line.split(|octet| *octet == b':').next().unwrap_or_default();
        let is_kept = !is_gone(name);
        if is_kept {
            out.copy_within(from..from + end, to);
            to += end;
        }
        from += end;
    }
    out.truncate(to);
}

/// What HTTP/1.0 has no place for.
fn put_connection(out: &mut Vec<u8>, bytes: &[u8], head: &RequestHead, facts: &RequestFacts<'_>) {
    if head.accepts_trailers {
        out.extend_from_slice(b"TE: trailers\r\n");
    }
    if head.is_upgrade {
        put_upgrade(out, bytes, head);
    } else if let Some(connection) = facts.connection {
        out.extend_from_slice(connection.field());
    }
    if facts.forwards_expect {
        out.extend_from_slice(b"Expect: 100-continue\r\n");
    }
}

fn put_upgrade(out: &mut Vec<u8>, bytes: &[u8], head: &RequestHead) {
    let mut before: &[u8] = b"Upgrade: ";
    for protocol in head.protocols(bytes) {
        out.extend_from_slice(before);
        out.extend_from_slice(protocol);
        before = b", ";
    }
    out.extend_from_slice(b"\r\nConnection: upgrade\r\n");
}

fn put_request_line(out: &mut Vec<u8>, bytes: &[u8], head: &RequestHead, facts: &RequestFacts<'_>) {
    out.extend_from_slice(facts.method);
    out.push(b' ');
    // As it came: signatures of applications cover the very octets. See `reading` for what keeps
    // rules from being passed by that.
    out.extend_from_slice(facts.path.unwrap_or_else(|| head.sent_path(bytes)));
    if let Some(query) = facts.query {
        out.push(b'?');
        out.extend_from_slice(query);
    }
    out.extend_from_slice(match facts.version {
        UpstreamVersion::Http11 => b" HTTP/1.1\r\n",
        UpstreamVersion::Http10 => b" HTTP/1.0\r\n",
    });
}

fn put_request_field(out: &mut Vec<u8>, bytes: &[u8], field: &Field, facts: &RequestFacts<'_>) {
    match request_fields::of_client(field.kind) {
        OfClient::Removed if is_passed(field, bytes, facts) => {
            put_kept(out, bytes, field, facts.edits);
        }
        OfClient::Removed => {}
        OfClient::Renamed(_)
            if field.kind == FieldKind::XForwardedFor
                && facts.claimed.is_some_and(Claimed::lists_elsewhere) => {}
        OfClient::Renamed(name) => encode::put_field(out, name.as_bytes(), field.value.of(bytes)),
        OfClient::Kept if field.dropped || facts.drops(field.name.of(bytes)) => {}
        OfClient::Kept => put_kept(out, bytes, field, facts.edits),
    }
}

/// Whether a field of an odd name is passed on.
fn is_passed(field: &Field, bytes: &[u8], facts: &RequestFacts<'_>) -> bool {
    let name = field.name.of(bytes);
    field.kind == FieldKind::Ambiguous
        && facts.odd_names.pass(name)
        && request_fields::of_client(kind_as_read(name)) == OfClient::Kept
        && !field.dropped
        && !facts.drops(name)
        && !facts.edits.is_dropped_as_read(name)
}

fn put_kept(out: &mut Vec<u8>, bytes: &[u8], field: &Field, edits: &FieldEdits) {
    let name = field.name.of(bytes);
    if edits.is_dropped(name) {
        return;
    }
    encode::put_field(out, name, field.value.of(bytes));
}

fn put_edits(out: &mut Vec<u8>, edits: &FieldEdits) {
    for (name, value) in edits.appended() {
        encode::put_field(out, name.as_bytes(), value.as_bytes());
    }
}

/// What becomes of a backend's fields.
pub struct Returned<'a> {
    /// Edits.
    pub fields: &'a FieldEdits,
    /// What becomes of Server.
    pub server: ServerField,
    /// Places that are replaced, and what their texts know.
    pub places: Option<(&'a ReturnedPlaces, Known<'a>)>,
    /// What is done to its body.
    pub change: BodyChange,
}

impl Returned<'_> {
    fn put(&self, out: &mut Vec<u8>, bytes: &[u8], field: &Field) {
        let (name, value) = (field.name.of(bytes), field.value.of(bytes));
        let prefix = match self.change.line(name, value) {
            LineChange::Kept => "",
            LineChange::Dropped => return,
            LineChange::Prefixed(prefix) => prefix,
        };
        if self.fields.is_dropped(name) {
            return;
        }
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(prefix.as_bytes());
        // What is put together is no longer than a backend's own head may be.
        let places = self.places.as_ref().filter(|_| out.len() <= RESPONSE_HEAD_BYTES_MAX);
        let replaced = places.and_then(|(places, known)| places.put(name, value, known, out));
        if replaced.is_none() {
            out.extend_from_slice(value);
        }
        out.extend_from_slice(encode::CRLF);
    }
}

/// Appends the head of the downstream response.
///
/// Shape: the date is used only when the upstream sent none (RFC 9110 section 6.6.1).
pub fn put_response(
    out: &mut Vec<u8>,
    bytes: &[u8],
    head: &ResponseHead,
    framing: Framing,
    persistence: Persistence,
    edits: &Returned<'_>,
    own: &OwnFields<'_>,
) {
    encode::put_status_line(out, Version::Http11, head.status, head.reason.of(bytes));
    let mut has_date = false;
    let mut has_length = false;
    for field in &head.fields {
        match field.kind {
            FieldKind::ContentLength => {
                if framing.keeps_length() && !has_length {
                    put_kept(out, bytes, field, FieldEdits::NONE);
                    has_length = true;
                }
            }
            // As ingress-nginx, which hides what runs behind it unless it is told otherwise.
            FieldKind::Server if edits.server != ServerField::OfBackend => {}
            kind if field.dropped || is_hop_by_hop(kind) => {}
            _ if own.replaces(field.name.of(bytes)) => {}
            kind => {
                has_date |= kind == FieldKind::Date;
                edits.put(out, bytes, field);
            }
        }
    }
    if !has_date {
        own.put_field(out, "Date", own.date);
    }
    own.put(out, head.status);
    for (name, value) in edits.fields.appended() {
        own.put_field(out, name, value.as_bytes());
    }
    for (name, value) in edits.change.lines() {
        encode::put_field(out, name.as_bytes(), value.as_bytes());
    }
    framing.put_field(out);
    out.extend_from_slice(persistence.field());
    out.extend_from_slice(b"\r\n");
}

/// Appends an informational response.
pub fn put_informational(out: &mut Vec<u8>, bytes: &[u8], head: &ResponseHead) {
    encode::put_status_line(out, Version::Http11, head.status, head.reason.of(bytes));
    for field in &head.fields {
        match field.kind {
            FieldKind::ContentLength => {}
            kind if field.dropped || is_hop_by_hop(kind) => {}
            _ => put_kept(out, bytes, field, FieldEdits::NONE),
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the 101 that opens a tunnel.
pub fn put_switch(out: &mut Vec<u8>, bytes: &[u8], head: &ResponseHead, own: &OwnFields<'_>) {
    encode::put_status_line(out, Version::Http11, head.status, head.reason.of(bytes));
    for field in &head.fields {
        match field.kind {
            FieldKind::Upgrade => put_kept(out, bytes, field, FieldEdits::NONE),
            FieldKind::ContentLength => {}
            kind if field.dropped || is_hop_by_hop(kind) => {}
            _ if own.replaces(field.name.of(bytes)) => {}
            _ => put_kept(out, bytes, field, FieldEdits::NONE),
        }
    }
    own.put(out, head.status);
    out.extend_from_slice(b"Connection: upgrade\r\n\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{Edit, Filter};
    use crate::http1::head::{HeadScan, RequestKind, parse_request, parse_response};
    use crate::model::{Defaults, EntryPoint, ListenerId, Policies};
    use crate::table::Plan;

    fn request(plan: &Plan) -> String {
        request_with(plan, &RequestOverlay::default())
    }

    fn request_with(plan: &Plan, overlay: &RequestOverlay) -> String {
        let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nX: sent\r\nY: sent\r\nZ: sent\r\n\r\n";
        let mut head = RequestHead::default();
        let end = HeadScan::default().find_end(bytes).unwrap();
        parse_request(bytes, end, &mut head).unwrap();
        let facts = RequestFacts {
            peer: b"",
            listener: &ListenerFacts::new(ListenerId::HTTP, EntryPoint::clear_text(80)),
            claimed: None,
            odd_names: OddNames::Dropped,
            request_id: b"",
            method: b"GET",
            path: None,
            query: None,
            host: None,
            edits: &plan.request.fields,
            overlay,
            forwards_expect: false,
            connection: None,
            identity: b"",
            version: UpstreamVersion::Http11,
            body: head.body,
            trace: None,
        };
        let mut out = Vec::new();
        put_request(&mut out, bytes, &head, &facts);
        String::from_utf8(out).unwrap()
    }

    fn response(plan: &Plan) -> String {
        let bytes = b"HTTP/1.1 200 OK\r\nX: sent\r\nY: sent\r\nZ: sent\r\nDate: d\r\n\r\n";
        let mut head = ResponseHead::default();
        let end = HeadScan::default().find_end(bytes).unwrap();
        parse_response(bytes, end, RequestKind { is_head: false }, &mut head).unwrap();
        let own = OwnFields::dated(b"");
        let mut out = Vec::new();
        let (framing, fields) = (Framing::UntilClose, &plan.response.fields);
        let (server, change) = (ServerField::Removed, BodyChange::NONE);
        let edits = Returned { fields, server, places: None, change };
        put_response(&mut out, bytes, &head, framing, Persistence::Keep, &edits, &own);
        String::from_utf8(out).unwrap()
    }

    /// Those of `x`, `y` and `z`, whatever else is written.
    fn lines(head: &str) -> Vec<String> {
        let lines = head.to_lowercase();
        let ours = lines.lines().filter(|line| {
            line.split_once(':').is_some_and(|(name, _)| matches!(name, "x" | "y" | "z"))
        });
        ours.map(str::to_owned).collect()
    }

    #[test]
    fn gates_replace_what_the_client_says() {
        let plan = Plan::new(&[], &Policies::default(), &Defaults::default());
        let mut overlay = RequestOverlay::default();
        assert_eq!(lines(&request_with(&plan, &overlay)), ["x: sent", "y: sent", "z: sent"]);
        overlay.remove(b"X");
        overlay.remove(b"y");
        overlay.add(b"X", b"ours");
        assert_eq!(lines(&request_with(&plan, &overlay)), ["z: sent", "x: ours"]);
    }

    #[test]
    fn edits_of_a_backend_see_what_those_of_its_rule_left() {
        let edits = |set, add, remove| {
            let edits = FieldEdits::new([set], [add], [remove]).unwrap();
            [Edit::RequestFields(edits.clone()), Edit::ResponseFields(edits)]
        };
        let of_rule = edits(("x", "rule"), ("y", "rule"), "z").map(Filter::Edit);
        let of_backend = edits(("y", "backend"), ("x", "backend"), "w");
        let rule = Plan::new(&of_rule, &Policies::default(), &Defaults::default());
        let backend = rule.with(&of_backend);
        for (plan, expected) in [
            (&rule, &["y: sent", "x: rule", "y: rule"][..]),
            (&backend, &["x: rule", "y: backend", "x: backend"]),
        ] {
            assert_eq!(lines(&request(plan)), expected);
            assert_eq!(lines(&response(plan)), expected);
        }
    }
}
