//! A response that may not go as fast as it can: what would be too early waits, and its backend
//! with it, because nothing more is read meanwhile.

use std::time::Duration;

use crate::filter::{Allowance, Pace};
use crate::limits::{CLIENT_CHECK_INTERVAL, PACE_PAUSE_MIN};
use crate::proxy::exchange::downstream::Gone;
use crate::proxy::exchange::request::Request;
use crate::proxy::exchange::response::Begun;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::{self, Side};
use crate::proxy::transport::frame::HEADROOM;

/// How far such a response is.
#[derive(Debug)]
pub struct Pacing {
    pace: Pace,
    /// Process clock.
    begun: u64,
    sent: u64,
}

impl Pacing {
    /// Of a response that begins at `begun` (process clock).
    #[must_use]
    pub fn new(pace: Pace, begun: u64) -> Self {
        Self { pace, begun, sent: 0 }
    }

    /// Sends what of `piece` may not go in one go, bit by bit while `side` goes on; gives the rest
    /// back, which may go now.
    ///
    /// # Errors
    /// The client takes no more.
    pub async fn hold_back<T>(
        &mut self,
        request: &Request<'_>,
        side: &mut Side<'_, T>,
        begun: &mut Begun,
        mut piece: Buffer,
    ) -> Result<Buffer, Gone> {
        while !piece.is_empty() {
            let elapsed = Duration::from_nanos(request.core.now().saturating_sub(self.begun));
            match self.pace.allowance(elapsed, self.sent) {
                Allowance::Bytes(most) => {
                    let most = usize::try_from(most.get()).unwrap_or(usize::MAX);
                    let octets = most.min(piece.len());
                    self.sent = self.sent.saturating_add(octets as u64);
                    if octets == piece.len() {
                        break;
                    }
                    begun.send(request, side, split(&mut piece, octets)).await?;
                }
                Allowance::After(time) => {
                    let pause = time.clamp(PACE_PAUSE_MIN, CLIENT_CHECK_INTERVAL);
                    side.alongside(rt::sleep(pause), |_| false).await.ok_or(Gone)?;
                    let stream = &request.downstream.stream;
                    if stream.is_given_up() || stream.deadline().is_peer_gone() {
                        return Err(Gone);
                    }
                }
            }
        }
        Ok(piece)
    }
}

/// Takes octets from the front.
fn split(piece: &mut Buffer, octets: usize) -> Buffer {
    let class = match octets.saturating_add(HEADROOM) {
        size if size <= Class::Small.bytes() => Class::Small,
        size if size <= Class::Medium.bytes() => Class::Medium,
        _ => Class::Large,
    };
    let mut part = Buffer::with_headroom(class, HEADROOM);
    part.as_vec().extend_from_slice(piece.unread().get(..octets).unwrap_or_default());
    piece.consume(octets);
    part
}
