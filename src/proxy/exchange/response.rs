//! A response as its client gets it, in states that are left by value, so that no client gets two
//! heads, a body before its head, or anything behind its end.
//!
//! ```text
//! Unsaid ─ inform ─▶ Unsaid          1xx
//!   ├───── say_whole ──────────▶     an answer of ours
//!   ├───── switch ─────────────▶     101: the connection is another protocol's
//!   └───── begin ─▶ Begun ─ send ─▶ Begun ─ end ─▶
//!            ▲        │
//!            └────────┘ take_back, while nothing of it was sent
//! ```
//!
//! What stands on the wire is this file's: HTTP/1.1, which a stream of HTTP/2 takes apart again in
//! its own room.

use crate::filter::BodyChange;
use crate::http1::head::{ResponseHead, Version};
use crate::http1::reframe::Framing;
use crate::proxy::exchange::downstream::Gone;
use crate::proxy::exchange::forward::{self, Returned};
use crate::proxy::exchange::own_fields::Answering;
use crate::proxy::exchange::reply::Persistence;
use crate::proxy::exchange::request::Request;
use crate::proxy::exchange::variables::Known;
use crate::proxy::rt::Side;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::transport::Ending;
use crate::proxy::transport::frame::frame;
use crate::proxy::transport::way::Passage;
use crate::table::plan::ResponsePlan;

/// No final head was said. There is one of it for each request.
#[must_use]
pub struct Unsaid(());

/// What a final head says of its message and of what follows it.
#[derive(Debug, Clone, Copy)]
pub struct Saying {
    /// How its body goes on.
    pub framing: Framing,
    /// Whether the connection does.
    pub persistence: Persistence,
    /// What is done to its body.
    pub change: BodyChange,
}

/// A head was said; it is on its way with the first piece of body at the latest.
#[must_use]
pub struct Begun {
    head: Option<Buffer>,
    framing: Framing,
}

impl Unsaid {
    /// INVARIANT: called once a request, where its exchange begins.
    pub(super) const fn new() -> Self {
        Self(())
    }

    /// Passes an informational response on, to clients that know what it is.
    pub async fn inform(&self, request: &Request<'_>, head: &ResponseHead, octets: &[u8]) {
        if request.head.version == Version::Http11 {
            let mut out = Buffer::new(Class::Small);
            forward::put_informational(out.as_vec(), octets, head);
            // A client that is gone is found out by whatever is written or read next.
            drop(request.downstream.write(request.core, out).await);
        }
    }

    /// Sends a response that is `text` as a whole.
    ///
    /// # Errors
    /// The client did not get it.
    pub async fn say_whole(self, request: &Request<'_>, text: Buffer) -> Result<(), Gone> {
        request.noted.sends_whole(text.unread());
        send(request, text).await
    }

    /// Hands the connection over to the protocol that `head` switches to.
    ///
    /// # Errors
    /// The client did not get it.
    pub async fn switch(
        self,
        request: &Request<'_>,
        head: &ResponseHead,
        octets: &[u8],
    ) -> Result<(), Gone> {
        let mut out = Buffer::new(Class::Small);
        request.with_own_fields(Answering::of(head, octets), |own| {
            forward::put_switch(out.as_vec(), octets, head, own);
        });
        request.noted.sends(out.unread());
        send(request, out).await
    }

    /// Says the final head, whose spans lie in `octets`.
    pub fn begin(
        self,
        request: &Request<'_>,
        head: &ResponseHead,
        octets: &[u8],
        saying: Saying,
        plan: &ResponsePlan,
    ) -> Begun {
        // PERF: with room for the body that came along.
        let is_short = octets.len() <= Class::Small.bytes() / 2;
        let mut out = Buffer::new(if is_short { Class::Small } else { Class::Medium });
        // Texts know of the request what it brought along.
        let known = Known { request: *request, request_id: b"", origin: None, backend: None };
        let places = plan.places.as_deref().map(|places| (places, known));
        let Saying { framing, persistence, change } = saying;
        let edits = Returned { fields: &plan.fields, server: plan.server, places, change };
        request.with_own_fields(Answering::of(head, octets), |own| {
            forward::put_response(out.as_vec(), octets, head, framing, persistence, &edits, own);
        });
        request.noted.sends(out.unread());
        Begun { head: Some(out), framing }
    }
}

impl Begun {
    /// Sends a piece of body while `side` goes on.
    ///
    /// # Errors
    /// The client takes no more.
    pub async fn send<T>(
        &mut self,
        request: &Request<'_>,
        side: &mut Side<'_, T>,
        piece: Buffer,
    ) -> Result<(), Gone> {
        self.send_framed(request, side, piece, None).await
    }

    /// Ends the body with its last piece; `trailers` are whole lines.
    ///
    /// # Errors
    /// The client takes no more.
    pub async fn end<T>(
        mut self,
        request: &Request<'_>,
        side: &mut Side<'_, T>,
        piece: Buffer,
        trailers: &[u8],
    ) -> Result<(), Gone> {
        self.send_framed(request, side, piece, Some(trailers)).await
    }

    /// Sends `first`, a piece that was read, and what `passage` holds behind it, while `side` goes
    /// on.
    ///
    /// # Errors
    /// The client takes no more.
    pub async fn send_past<T>(
        &mut self,
        request: &Request<'_>,
        side: &mut Side<'_, T>,
        mut first: Buffer,
        passage: &mut Passage<'_>,
    ) -> Result<(), Gone> {
        let held = passage.held();
        frame(&mut first, self.framing, None);
        let mut ahead = match self.head.take() {
            Some(mut head) => {
                head.as_vec().extend_from_slice(first.unread());
                head
            }
            None => first,
        };
        ahead.as_vec().extend_from_slice(self.framing.before(held).as_bytes());
        let past = request.downstream.write_past(request.core, ahead, passage);
        side.alongside(past, |_| false).await.unwrap_or(Err(Gone))?;
        let mut behind = Buffer::unallocated();
        self.framing.put_behind(behind.as_vec(), held, None);
        if behind.is_empty() { Ok(()) } else { send_beside(request, side, behind).await }
    }

    /// Whether the head was not sent yet.
    pub const fn is_held(&self) -> bool {
        self.head.is_some()
    }

    async fn send_framed<T>(
        &mut self,
        request: &Request<'_>,
        side: &mut Side<'_, T>,
        mut piece: Buffer,
        last: Option<&[u8]>,
    ) -> Result<(), Gone> {
        frame(&mut piece, self.framing, last);
        if let Some(mut head) = self.head.take() {
            if piece.len() <= head.spare() {
                head.as_vec().extend_from_slice(piece.unread());
                return send_beside(request, side, head).await;
            }
            let ahead = request.downstream.write_ahead(request.core, head);
            side.alongside(ahead, |_| false).await.unwrap_or(Err(Gone))?;
        }
        if piece.is_empty() { Ok(()) } else { send_beside(request, side, piece).await }
    }

    /// The response broke off. Nothing was said while nothing was sent. Else the client must not
    /// take what it got for the whole: the length that is missing, or the last chunk, tells it so,
    /// as nginx does; where there is neither, the connection has to.
    ///
    /// # Errors
    /// How it tells.
    pub fn break_off(self, request: &Request<'_>) -> Result<Unsaid, Ending> {
        if self.head.is_some() {
            return Ok(Unsaid(()));
        }
        let ending = if self.framing.is_until_close() { Ending::Untold } else { Ending::Told };
        request.downstream.stream.break_off(ending);
        Err(ending)
    }
}

async fn send(request: &Request<'_>, text: Buffer) -> Result<(), Gone> {
    request.downstream.write(request.core, text).await.0
}

async fn send_beside<T>(
    request: &Request<'_>,
    side: &mut Side<'_, T>,
    text: Buffer,
) -> Result<(), Gone> {
    // A transfer that fails in the meantime does not stop the response.
    let written = side.alongside(request.downstream.write(request.core, text), |_| false).await;
    written.map_or(Err(Gone), |(sent, _)| sent)
}
