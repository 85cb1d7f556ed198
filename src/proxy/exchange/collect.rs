//! The body of a request that has to be here as a whole before it goes on, for backends that do not
//! know where it ends otherwise.

use crate::http1::body::{BodyDecoder, Sender};
use crate::http1::error::RequestFault;
use crate::limits::COLLECTED_BODY_BYTES_MAX;
use crate::proxy::exchange::reply::Reply;
use crate::proxy::exchange::request::Body;
use crate::proxy::exchange::response::Unsaid;
use crate::proxy::exchange::state::{Exchange, Served};
use crate::proxy::exchange::uncollected::Uncollected;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::Expiry;
use crate::telemetry::Counter;

impl Exchange<'_> {
    /// Reads the body to its end, at most `most` octets. The connection ends with the request if
    /// something of another one came along.
    ///
    /// # Errors
    /// It is not here.
    pub(super) async fn collect(&mut self, most: Option<u64>) -> Result<(), Uncollected> {
        let was_last = std::mem::replace(&mut self.is_last, true);
        if self.head().expects_continue {
            // Whoever leaves no room for it is found out by the wait for what he sends.
            drop(self.downstream.stream.try_write(b"HTTP/1.1 100 Continue\r\n\r\n"));
        }
        let mut decoder = BodyDecoder::new(self.head().body, Sender::Client);
        let initial = self.bytes.get(self.head().head_bytes..).unwrap_or_default();
        self.collected = Buffer::new(Class::Large);
        let mut piece = Buffer::new(Class::Medium);
        piece.as_vec().extend_from_slice(initial);
        loop {
            let Ok(decoded) = decoder.decode(piece.unread_mut()) else {
                let reply = Reply::Malformed(RequestFault::BadRequest);
                return Err(Uncollected::Refused(Counter::RequestsMalformed, reply));
            };
            let is_alone = decoded.consumed == piece.len();
            piece.truncate(decoded.body);
            let octets = self.collected.len().saturating_add(piece.len());
            self.tally.request_bytes = octets as u64;
            if most.is_some_and(|most| octets as u64 > most) {
                return Err(Uncollected::Refused(Counter::BodiesTooLarge, Reply::BodyTooLarge));
            }
            if octets > COLLECTED_BODY_BYTES_MAX {
                return Err(Uncollected::Refused(Counter::BodiesTooLarge, Reply::LengthRequired));
            }
            self.collected.as_vec().extend_from_slice(piece.unread());
            if decoder.is_done() {
                self.body = Body::Collected;
                self.is_last = was_last || !is_alone;
                return Ok(());
            }
            piece.clear();
            self.read_more(&mut piece).await?;
        }
    }

    /// Ends a request whose body is not here.
    pub(super) fn refuse_uncollected(&mut self, unsaid: Unsaid, why: Uncollected) -> Served {
        match why {
            Uncollected::Left => Served::Over(self.client_left()),
            Uncollected::Refused(counter, reply) => {
                self.core.count(counter);
                self.body = Body::Spent;
                Served::Owed(unsaid, reply)
            }
        }
    }

    async fn read_more(&self, piece: &mut Buffer) -> Result<(), Uncollected> {
        let deadline = self.downstream.stream.deadline();
        deadline.arm(self.policy.body_timeout, Expiry::CloseRead);
        let result = self.downstream.stream.read_when_ready(piece).await;
        match result {
            Ok(1..) => {
                deadline.disarm();
                Ok(())
            }
            _ if deadline.is_expired() => {
                Err(Uncollected::Refused(Counter::ClientTimeouts, Reply::ClientTimeout))
            }
            _ => Err(Uncollected::Left),
        }
    }
}
