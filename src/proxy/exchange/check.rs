//! Asks a server of external authentication over gRPC, as Envoy does, and reads what it says.

use crate::ext_authz::{CHECK_PATH, Check, Checked, Header, Others, put_check, read_answer};
use crate::filter::is_own_field;
use crate::filter::{AuthProtocol, Call, ExternalAuth, FieldEdits, NothingKnown, Verdict};
use crate::http1::fields::FieldKind;
use crate::http1::framing::BodyLength;
use crate::http1::head::ResponseHead;
use crate::http1::reframe::Framing;
use crate::proxy::auth_answers::{AuthAnswer, ToldField};
use crate::proxy::core::since_1970;
use crate::proxy::exchange::ask::Answered;
use crate::proxy::exchange::request_fields::goes_along;
use crate::proxy::exchange::state::Exchange;

impl Exchange<'_> {
    /// Appends the call, which is `call` in the trace of the request.
    pub(super) fn put_check(&self, auth: &ExternalAuth, call: Option<Call>, out: &mut Vec<u8>) {
        let (request, head, bytes) = (self.request(), self.head(), self.bytes);
        let body = request.whole_body_octets().unwrap_or_default();
        let protocol = self.downstream.protocol.unwrap_or_else(|| head.version.as_str());
        let asked = Check {
            client: self.client(),
            time: since_1970(),
            id: &self.scratch.request_id,
            method: head.method.of(bytes),
            path: head.target.of(bytes),
            host: head.authority.of(bytes),
            scheme: self.downstream.listener.scheme.as_str().as_bytes(),
            protocol: protocol.as_bytes(),
            body_bytes: match request.body_length() {
                BodyLength::None => Some(0),
                BodyLength::Known(octets) => Some(octets),
                BodyLength::Chunked | BodyLength::UntilClose => None,
            },
            body: if auth.body_bytes_max == 0 { b"" } else { body },
        };
        let fields = head.fields.iter().filter(|field| !field.dropped);
        let fields = fields.filter(|field| {
            matches!(field.kind, FieldKind::Host | FieldKind::ContentLength)
                || goes_along(field.kind)
        });
        let fields = fields.map(|field| (field.name.of(bytes), field.value.of(bytes)));
        let mut message = Vec::new();
        put_check(&mut message, &asked, fields.filter(|(name, _)| auth.sent.has(name)));
        out.extend_from_slice(b"POST ");
        out.extend_from_slice(CHECK_PATH.as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\nContent-Type: application/grpc\r\nTE: trailers\r\n");
        for (name, value) in &auth.fields {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            value.put(&NothingKnown, out);
            out.extend_from_slice(b"\r\n");
        }
        if let Some((trace, call)) = self.scratch.trace.as_ref().zip(call) {
            trace.put_fields(call.span, out);
        }
        Framing::of_request(BodyLength::Known(message.len() as u64)).put_field(out);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&message);
    }
}

/// What of an answer somebody gets to know; `None`: it says nothing.
pub(super) fn read_checked(head: &ResponseHead, answered: &Answered) -> Option<AuthAnswer> {
    let is_status = |name: &[u8]| name.eq_ignore_ascii_case(b"grpc-status");
    let mut of_head = head.fields.iter().filter(|field| is_status(field.name.of(&answered.head)));
    let status = of_head.next().map(|field| field.value.of(&answered.head));
    let status = status.or_else(|| trailer(&answered.trailers, is_status))?;
    if head.status != 200 || status != b"0" {
        return None;
    }
    match read_answer(answered.body.as_deref()?)? {
        Checked::Admitted { fields, removed, answered } => admitted(&fields, &removed, &answered),
        Checked::Denied { status, fields, body } => denied(status, &fields, body),
    }
}

fn admitted(fields: &[Header], removed: &[Box<str>], answered: &[Header]) -> Option<AuthAnswer> {
    let mut answer = AuthAnswer { status: 200, ..AuthAnswer::default() };
    for name in removed.iter().filter(|name| !is_own_field(name)) {
        answer.passed.replace(name.as_bytes(), b"");
    }
    for Header { name, value, others } in fields.iter().filter(|field| !is_own_field(&field.name)) {
        let value = line(value)?;
        match others {
            Others::Replaced => answer.passed.replace(name.as_bytes(), value),
            Others::Kept => answer.passed.add(name.as_bytes(), value),
        }
    }
    answer.added = told(answered)?;
    Some(answer)
}

fn denied(status: u64, fields: &[Header], body: Vec<u8>) -> Option<AuthAnswer> {
    let status = match AuthProtocol::Check.verdict(u16::try_from(status).unwrap_or_default()) {
        Verdict::Denied(status) => status,
        Verdict::Admitted | Verdict::Undecided => 403,
    };
    let mut answer = AuthAnswer { status, told: told(fields)?, ..AuthAnswer::default() };
    answer.body = Some(body);
    Some(answer)
}

/// Fields that a client may get.
fn told(fields: &[Header]) -> Option<Vec<ToldField>> {
    let is_free = |field: &&Header| FieldEdits::line(&field.name, "").is_ok();
    let told = fields.iter().filter(is_free);
    told.map(|field| Some((String::from(field.name.clone()).into(), line(&field.value)?.into())))
        .collect()
}

/// A value that stands in one line.
fn line(value: &[u8]) -> Option<&[u8]> {
    let is_line = value.iter().all(|octet| *octet == b'\t' || !octet.is_ascii_control());
    is_line.then(|| value.trim_ascii())
}

/// The value of a trailer. `section`: whole lines.
fn trailer(section: &[u8], is_name: impl Fn(&[u8]) -> bool) -> Option<&[u8]> {
    section.split(|octet| *octet == b'\n').find_map(|line| {
        let colon = line.iter().position(|octet| *octet == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        is_name(name).then(|| value.get(1..))?.map(<[u8]>::trim_ascii)
    })
}
