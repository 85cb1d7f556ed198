//! Sends spans to a collector, on a thread of its own: whatever becomes of that holds nobody up.
//!
//! ```text
//! cores ─ batches (bounded channel) ─▶ fill ─▶ queue (bounded) ─▶ send ─▶ collector
//! ```

mod collector;
mod message;
mod queue;

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

pub use message::Identity;

use self::collector::Link;
use self::message::{Verdict, resource};
use self::queue::Queue;
use super::own_thread::{self, OwnThread};
use crate::limits::{API_ANSWER_BYTES_MAX, SPANS_RETRY_MAX, SPANS_RETRY_MIN, SPANS_RETRY_TIME};
use crate::model::{Collector, SpanBatches, Traces};
use crate::telemetry::spans::SpanBatch;

/// What became of spans.
#[derive(Debug, Default)]
pub struct SpanCounts {
    /// Those that a collector took.
    pub exported: AtomicU64,
    /// Those that it did not, and those that waited for it in too great numbers.
    pub lost: AtomicU64,
    /// Tries that failed.
    pub failures: AtomicU64,
}

/// Says where spans go.
pub struct SpanOrders(watch::Sender<Arc<Traces>>);

impl SpanOrders {
    /// Sends what comes from now on as `traces` say.
    pub fn follow(&self, traces: &Arc<Traces>) {
        self.0.send_if_modified(|now| {
            let sent = |traces: &Traces| {
                (traces.collector.clone(), traces.service.clone(), traces.batches)
            };
            let is_new = sent(now) != sent(traces);
            if is_new {
                now.clone_from(traces);
            }
            is_new
        });
    }
}

/// The thread, and what others have of it.
pub struct SpanSender {
    /// For whoever knows where spans go.
    pub orders: SpanOrders,
    /// For the metrics.
    pub counts: Arc<SpanCounts>,
    /// It ends once every core let go of its end of the channel, and what there was is sent, or
    /// cannot be.
    pub thread: OwnThread,
}

/// Starts the thread.
///
/// # Errors
/// It cannot be started; the process is at fault.
pub fn start(batches: mpsc::Receiver<SpanBatch>, identity: Identity) -> io::Result<SpanSender> {
    let (orders, traces) = watch::channel(Arc::default());
    let counts = Arc::<SpanCounts>::default();
    let counting = Arc::clone(&counts);
    let thread = own_thread::start("spans", Vec::new(), |_| async move {
        let shared = Shared { counts: counting, ..Shared::default() };
        let sending = Sending { identity, link: None, is_failing: false, has_told_rejects: false };
        tokio::join!(shared.fill(batches, traces.clone()), sending.run(&shared, traces));
    })?;
    Ok(SpanSender { orders: SpanOrders(orders), counts, thread })
}

/// What both halves of the work share.
#[derive(Default)]
struct Shared {
    queue: RefCell<Queue>,
    /// Something was put into the queue, or nothing will be any more.
    more: Notify,
    is_over: Cell<bool>,
    counts: Arc<SpanCounts>,
}

impl Shared {
    async fn fill(
        &self,
        mut batches: mpsc::Receiver<SpanBatch>,
        traces: watch::Receiver<Arc<Traces>>,
    ) {
        while let Some(batch) = batches.recv().await {
            let most = traces.borrow().batches.queue_spans;
            let lost = self.queue.borrow_mut().push(batch, most);
            self.counts.lost.fetch_add(lost as u64, Relaxed);
            self.more.notify_one();
        }
        self.is_over.set(true);
        self.more.notify_one();
    }

    /// Waits until there are enough spans, or the first has waited long enough. False: there will
    /// be none any more.
    async fn is_due(&self, traces: &watch::Receiver<Arc<Traces>>) -> bool {
        self.wait_for(1).await;
        let SpanBatches { batch_spans, delay, .. } = traces.borrow().batches;
        // However it ends.
        drop(timeout(delay, self.wait_for(batch_spans)).await);
        self.queue.borrow().spans() > 0
    }

    async fn wait_for(&self, spans: usize) {
        while self.queue.borrow().spans() < spans && !self.is_over.get() {
            self.more.notified().await;
        }
    }
}

/// The half that speaks to the collector.
struct Sending {
    identity: Identity,
    /// To the collector of the last batch.
    link: Option<Link>,
    /// The last try failed, which was told.
    is_failing: bool,
    /// It was told that a collector takes not all spans.
    has_told_rejects: bool,
}

/// What follows from a try.
enum Next {
    /// The batch is done with; so many spans were taken.
    Over(usize),
    /// Another try, after this time.
    Again(Duration),
}

impl Sending {
    async fn run(mut self, shared: &Shared, mut traces: watch::Receiver<Arc<Traces>>) {
        loop {
            if !shared.is_due(&traces).await {
                return;
            }
            let most = traces.borrow().batches.batch_spans;
            let batch = shared.queue.borrow_mut().take(most);
            let taken = self.deliver(&batch, shared, &mut traces).await;
            let lost = batch.spans.saturating_sub(taken);
            shared.counts.exported.fetch_add(taken as u64, Relaxed);
            shared.counts.lost.fetch_add(lost as u64, Relaxed);
        }
    }

    /// Tries until a collector has the batch or refuses it, or time is over. Gives how many spans
    /// it took.
    async fn deliver(
        &mut self,
        batch: &SpanBatch,
        shared: &Shared,
        traces: &mut watch::Receiver<Arc<Traces>>,
    ) -> usize {
        let (latest, mut pause) = (Instant::now() + SPANS_RETRY_TIME, SPANS_RETRY_MIN);
        loop {
            let now = Arc::clone(&traces.borrow_and_update());
            let Some(collector) = &now.collector else { return 0 };
            let request = message::request(&resource(&self.identity, &now.service), &batch.octets);
            let verdict = tokio::select! {
                verdict = self.try_once(collector, Bytes::from(request)) => verdict,
                // Whatever is said now counts for this batch, too.
                Ok(()) = traces.changed() => continue,
            };
            let after = match self.judge(verdict, batch.spans, pause, &shared.counts) {
                Next::Over(taken) => return taken,
                Next::Again(after) if shared.is_over.get() || Instant::now() + after > latest => {
                    return 0;
                }
                Next::Again(after) => after,
            };
            pause = pause.saturating_mul(2).min(SPANS_RETRY_MAX);
            tokio::select! {
                () = sleep(after) => {}
                Ok(()) = traces.changed() => {}
            }
        }
    }

    fn judge(
        &mut self,
        verdict: Verdict,
        spans: usize,
        pause: Duration,
        counts: &SpanCounts,
    ) -> Next {
        let (why, next) = match verdict {
            Verdict::Taken { rejected, why } => {
                if rejected > 0 && !std::mem::replace(&mut self.has_told_rejects, true) {
                    let why = &why[..why.floor_char_boundary(API_ANSWER_BYTES_MAX)];
                    tracing::warn!(rejected, why, "the collector takes not all spans; told once");
                }
                self.recovered();
                let rejected = usize::try_from(rejected).unwrap_or(usize::MAX);
                return Next::Over(spans.saturating_sub(rejected));
            }
            Verdict::Refused(why) => (why, Next::Over(0)),
            Verdict::Again(why, after) => (why, Next::Again(after.map_or(pause, |t| t.max(pause)))),
        };
        counts.failures.fetch_add(1, Relaxed);
        self.failed(&why);
        next
    }

    async fn try_once(&mut self, collector: &Collector, request: Bytes) -> Verdict {
        let kept = self.link.take().filter(|link| link.leads_to(collector));
        let link = match kept {
            Some(link) => Ok(link),
            None => Link::open(collector).await,
        };
        let mut link = match link {
            Ok(link) => link,
            Err(why) => return Verdict::Again(why, None),
        };
        let verdict = link.send(request).await;
        if !matches!(verdict, Verdict::Again(..)) {
            self.link = Some(link);
        }
        verdict
    }

    /// Told once per failure: collectors may be away for days.
    fn failed(&mut self, why: &str) {
        if !self.is_failing {
            tracing::warn!(
                why,
                "spans cannot be sent to the collector; as many as may wait for it"
            );
        }
        self.is_failing = true;
    }

    fn recovered(&mut self) {
        if self.is_failing {
            tracing::info!("the collector takes spans again");
        }
        self.is_failing = false;
    }
}
