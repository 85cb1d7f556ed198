//! A response body on its way from endpoint to client: decode ─▶ coder ─▶ frame ─▶ write.

use std::fmt::Display;

use crate::http1::body::{BodyDecoder, EndOfMessage, Sender};
use crate::http1::framing::BodyLength;
use crate::limits::MID_SIZE_BODY_BYTES_MAX;
use crate::proxy::exchange::coder::Coder;
use crate::proxy::exchange::pacing::Pacing;
use crate::proxy::exchange::request::Request;
use crate::proxy::exchange::response::{Begun, Gone, Unsaid};
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::transport::Ending;
use crate::proxy::transport::frame::HEADROOM;
use crate::proxy::upstream::call::{Flow, Read, Reply};
use crate::proxy::upstream::failure::Failure;

/// How much of the response the client got.
pub enum Relayed {
    /// All of it.
    Complete(EndOfMessage),
    /// Nothing, not even the head, because the endpoint failed.
    Unsent(Unsaid, Failure),
    /// A part, because the endpoint failed; the client sees that something is missing.
    Cut(Ending, Failure),
    /// A part, because the client takes or sends no more.
    Gone,
}

/// Relays a body of `length` to its end; `sent` counts its octets.
pub async fn relay(
    request: &Request<'_>,
    reply: &mut Reply<'_>,
    length: BodyLength,
    mut coder: Coder,
    mut pacing: Option<Pacing>,
    mut begun: Begun,
    sent: &mut u64,
) -> Relayed {
    let mut decoder = BodyDecoder::new(length, Sender::Upstream);
    let mut piece = std::mem::replace(&mut reply.octets, Buffer::unallocated());
    loop {
        let decoded = match decoder.decode(piece.unread_mut()) {
            Ok(decoded) => decoded,
            Err(error) => return break_off(request, reply, begun, Failure::Malformed, &error),
        };
        piece.truncate(decoded.body);
        *sent += decoded.body as u64;
        if decoder.is_done() {
            break;
        }
        let mut coded = coder.code(piece);
        if let Some(pacing) = &mut pacing {
            // PERF: in memory of its own, so that others do not carry it.
            let held = Box::pin(pacing.hold_back(request, &mut reply.sending, &mut begun, coded));
            let Ok(due) = held.await else { return Relayed::Gone };
            coded = due;
        }
        if begun.send(request, &mut reply.sending, coded).await.is_err() {
            return Relayed::Gone;
        }
        let class = read_class(&decoder);
        let class = if pacing.is_some() { class.min(Class::Medium) } else { class };
        piece = Buffer::with_headroom(class, HEADROOM);
        match reply.read(&mut piece, Flow::Full).await {
            Read::Octets => {}
            Read::Closed => break,
            Read::BodyFailed => return Relayed::Gone,
            Read::Broken(error) => {
                return break_off(request, reply, begun, Failure::Truncated, &error);
            }
        }
    }
    let end = match decoder.finish() {
        Ok(end) => end,
        Err(error) => return break_off(request, reply, begun, Failure::Truncated, &error),
    };
    let mut last = coder.code(piece);
    if let Some(pacing) = &mut pacing {
        let held = Box::pin(pacing.hold_back(request, &mut reply.sending, &mut begun, last));
        let Ok(due) = held.await else { return Relayed::Gone };
        last = due;
    }
    match begun.end(request, &mut reply.sending, last, end.trailers()).await {
        Ok(()) => Relayed::Complete(end),
        Err(Gone) => Relayed::Gone,
    }
}

fn break_off(
    request: &Request<'_>,
    reply: &Reply<'_>,
    begun: Begun,
    failure: Failure,
    cause: &dyn Display,
) -> Relayed {
    let Some(failure) = reply.blame(failure, cause) else { return Relayed::Gone };
    match begun.break_off(request) {
        Ok(unsaid) => Relayed::Unsent(unsaid, failure),
        Err(ending) => Relayed::Cut(ending, failure),
    }
}

/// How much to read at once, by what is left.
fn read_class(decoder: &BodyDecoder) -> Class {
    match decoder.remaining() {
        Some(left) if left <= Class::Small.bytes() as u64 => Class::Small,
        Some(left) if left <= Class::Medium.bytes() as u64 => Class::Medium,
        Some(left) if left <= MID_SIZE_BODY_BYTES_MAX => Class::Large,
        _ => Class::Medium,
    }
}
