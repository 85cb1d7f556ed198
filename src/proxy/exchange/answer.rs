//! Answers of our own to a request under way.

use std::borrow::Cow;

use crate::http1::framing::{RequestKind, has_no_body};
use crate::proxy::exchange::end::End;
use crate::proxy::exchange::own_fields::Answering;
use crate::proxy::exchange::reply::{self, Persistence, Reply};
use crate::proxy::exchange::request::Request;
use crate::proxy::exchange::response::Unsaid;
use crate::proxy::exchange::state::Exchange;
use crate::proxy::rt::buffer::{Buffer, Class};

/// What another server told a client that it does not let in.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The status.
    pub status: u16,
    /// Its fields.
    pub fields: &'a [(Cow<'static, str>, Box<[u8]>)],
    /// The body.
    pub body: &'a [u8],
}

impl Exchange<'_> {
    /// Answers by ourselves.
    pub async fn answer(&mut self, unsaid: Unsaid, reply: Reply) -> End {
        if let Some((status, location)) = self.error_redirect(reply) {
            return self.send_redirect(unsaid, status, &location).await;
        }
        let request = self.request();
        let (persistence, end) = persistence_of_reply(&request);
        let kind = RequestKind { is_head: request.head.is_head(request.bytes) };
        let mut out = Buffer::new(Class::Small);
        if request.is_grpc() && reply.status() >= 400 {
            let answering = Answering::ours(reply.status(), b"application/grpc");
            request.with_own_fields(answering, |own| {
                reply::put_grpc(out.as_vec(), reply, persistence, own);
            });
            return self.send_reply(unsaid, out, 200, 0, end).await;
        }
        let octets = request
            .with_own_fields(Answering::ours(reply.status(), b"text/plain"), |own| {
                reply::put(out.as_vec(), reply, persistence, kind, own)
            });
        self.send_reply(unsaid, out, reply.status(), octets as u64, end).await
    }

    /// Sends the client elsewhere.
    pub async fn send_redirect(&mut self, unsaid: Unsaid, status: u16, location: &[u8]) -> End {
        let request = self.request();
        let (persistence, end) = persistence_of_reply(&request);
        let mut out = Buffer::new(Class::Small);
        request.with_own_fields(Answering::ours(status, b""), |own| {
            reply::put_redirect(out.as_vec(), status, location, persistence, own);
        });
        self.send_reply(unsaid, out, status, 0, end).await
    }

    /// Tells a browser what scripts may ask for, which stands in the fields of the rule.
    pub async fn send_permission(&mut self, unsaid: Unsaid) -> End {
        let request = self.request();
        let (persistence, end) = persistence_of_reply(&request);
        let mut out = Buffer::new(Class::Small);
        request.with_own_fields(Answering::ours(204, b"text/plain"), |own| {
            reply::put_permission(out.as_vec(), persistence, own);
        });
        self.send_reply(unsaid, out, 204, 0, end).await
    }

    /// Passes on what another server says.
    pub async fn send_told(&mut self, unsaid: Unsaid, told: Told<'_>) -> End {
        let request = self.request();
        let (persistence, end) = persistence_of_reply(&request);
        let Told { status, fields, mut body } = told;
        let mut out = Buffer::new(Class::Small);
        let octets = body.len();
        if request.head.is_head(request.bytes) || has_no_body(status) {
            body = b"";
        }
        let media_type = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let media_type = media_type.map_or(&b""[..], |(_, value)| value);
        request.with_own_fields(Answering::ours(status, media_type), |own| {
            let out = out.as_vec();
            reply::put_told(out, status, fields, octets, persistence, own);
            out.extend_from_slice(body);
        });
        let octets = body.len() as u64;
        self.send_reply(unsaid, out, status, octets, end).await
    }

    async fn send_reply(
        &mut self,
        unsaid: Unsaid,
        out: Buffer,
        status: u16,
        octets: u64,
        end: End,
    ) -> End {
        let is_sent = unsaid.say_whole(&self.request(), out).await.is_ok();
        self.tally.status = if is_sent { status } else { 499 };
        self.tally.response_bytes = octets;
        // What an attempt before it took is not all.
        self.tally.finished = 0;
        if is_sent { end } else { End::Close }
    }
}

/// A reply of ours leaves the request's body where it is: the connection goes on only when the body
/// is here as a whole and can be stepped over.
fn persistence_of_reply(request: &Request<'_>) -> (Persistence, End) {
    match request.whole_body() {
        Some(octets) if !request.ends_connection() => {
            (request.keep(), End::Behind(request.head.head_bytes.saturating_add(octets)))
        }
        Some(_) => (Persistence::Close, request.close()),
        None => (Persistence::Close, End::Linger),
    }
}
