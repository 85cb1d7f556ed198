//! The overview once a second, as server-sent events, for pages that are open.
//!
//! Made once for all of them, and only while somebody listens. Who does not read gets nothing
//! queued: the next event that finds room is the latest.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use hyper::body::Frame;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::api;
use super::replies::{Reply, flow};
use super::state::AdminState;
use crate::control::seats::{ControlRoom, Seat};
use crate::limits::{ADMIN_EVENT_PERIOD, ADMIN_STREAM_LIFETIME, ADMIN_STREAMS_MAX};

/// Both ends of it.
pub(super) struct Events {
    latest: watch::Sender<Bytes>,
    places: Arc<Semaphore>,
}

impl Events {
    pub(super) fn new(room: ControlRoom) -> Self {
        let places = Arc::new(Semaphore::new(room.of(ADMIN_STREAMS_MAX)));
        Self { latest: watch::Sender::default(), places }
    }

    /// Tells for as long as it is awaited.
    pub(super) async fn tell(&self, state: &Arc<AdminState>) {
        let mut turns = interval(ADMIN_EVENT_PERIOD);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            if self.latest.receiver_count() == 0 {
                continue;
            }
            let state = Arc::clone(state);
            // A scrape may hold what is summed: not on the thread that answers probes.
            let overview = spawn_blocking(move || api::overview(&state)).await;
            if let Ok(overview) = overview {
                let event = format!("event: overview\ndata: {overview}\n\n");
                self.latest.send_replace(event.into());
            }
        }
    }

    /// What a page gets; `None`: there are too many. `seat`: its place, which it keeps as long.
    pub(super) fn stream(&self, seat: Rc<Seat>) -> Option<Reply> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let ends = Instant::now() + ADMIN_STREAM_LIFETIME;
        let start = (self.latest.subscribe(), place, seat);
        let events = stream::unfold(start, move |(mut latest, place, seat)| async move {
            seat.streams();
            timeout_at(ends, latest.changed()).await.ok()?.ok()?;
            let event = latest.borrow_and_update().clone();
            Some((event, (latest, place, seat)))
        });
        // How long to wait before the next stream.
        let retry = Bytes::from_static(b"retry: 1000\n\n");
        let events = stream::iter([retry]).chain(events);
        Some(flow("text/event-stream", Box::pin(events.map(|event| Ok(Frame::data(event))))))
    }
}
