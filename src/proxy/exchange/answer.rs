//! Answers of our own to a request under way.

use crate::http1::head::is_grpc;
use crate::proxy::exchange::end::End;
use crate::proxy::exchange::reply::{self, OwnFields, Persistence, Reply};
use crate::proxy::exchange::state::Exchange;
use crate::proxy::rt::buffer::{Buffer, Class};

impl Exchange<'_> {
    /// Answers by ourselves.
    pub async fn answer(&mut self, reply: Reply) -> End {
        let (persistence, end) = self.persistence_of_reply();
        let has_body = !self.head().is_head(self.bytes);
        let mut out = Buffer::new(Class::Small);
        let content_type = self.head().find_name(self.bytes, b"content-type");
        if content_type.is_some_and(is_grpc) && reply.status() >= 400 {
            self.core.with_date(|date| {
                let own = OwnFields { date, hsts: self.hsts };
                reply::put_grpc(out.as_vec(), reply, persistence, &own);
            });
            return self.send_reply(out, 200, 0, end).await;
        }
        let octets = self.core.with_date(|date| {
            let own = OwnFields { date, hsts: self.hsts };
            reply::put(out.as_vec(), reply, persistence, has_body, &own)
        });
        self.send_reply(out, reply.status(), octets as u64, end).await
    }

    async fn send_reply(&mut self, out: Buffer, status: u16, octets: u64, end: End) -> End {
        let (is_sent, _) = self.downstream.write(self.core, out).await;
        self.tally.status = if is_sent { status } else { 499 };
        self.tally.response_bytes = octets;
        if is_sent { end } else { End::Close }
    }

    /// A reply of ours leaves the request's body where it is: the connection goes on only when the
    /// body is here as a whole and can be stepped over.
    fn persistence_of_reply(&self) -> (Persistence, End) {
        match self.whole_body() {
            Some(octets) if !self.ends_connection() => {
                let behind = self.head().head_bytes.saturating_add(octets);
                (self.keep(), End::Behind(behind))
            }
            Some(_) => (Persistence::Close, self.close()),
            None => (Persistence::Close, End::Linger),
        }
    }

    /// Sends the client elsewhere.
    pub async fn send_redirect(&mut self, status: u16, location: &[u8]) -> End {
        let (persistence, end) = self.persistence_of_reply();
        let mut out = Buffer::new(Class::Small);
        self.core.with_date(|date| {
            let own = OwnFields { date, hsts: self.hsts };
            reply::put_redirect(out.as_vec(), status, location, persistence, &own);
        });
        self.send_reply(out, status, 0, end).await
    }
}
