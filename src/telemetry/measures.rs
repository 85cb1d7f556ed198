//! What a core measures of the exchanges of one series: together, or, where the metrics of
//! ingress-nginx are wanted, apart by method and status.
//!
//! Written by its core alone with plain loads and stores, read by the scraper at any time.

use std::array;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};

use super::histogram::{Histogram, HistogramTotals, TIME_BOUNDS, add_single_writer, nanos_of};
use super::record::ExchangeRecord;
use super::status::{CLASSES, StatusLabel, class_of, place_of};
use crate::limits::KINDS_PER_SERIES_MAX;
use crate::model::NginxMetrics;

/// Upper bounds that a process counts by.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Nanoseconds: [`TIME_BOUNDS`] and those of ingress-nginx.
    pub times: Box<[u64]>,
    /// Of the metrics of ingress-nginx; `None`: they are not wanted.
    pub nginx: Option<NginxBounds>,
}

/// Upper bounds of the metrics of ingress-nginx.
#[derive(Debug, Clone)]
pub struct NginxBounds {
    /// Nanoseconds; each is one of [`Bounds::times`].
    pub times: Box<[u64]>,
    /// Bytes of a request, or of its response.
    pub lengths: Box<[u64]>,
    /// Bytes sent.
    pub sizes: Box<[u64]>,
}

impl NginxBounds {
    /// Lines that one kind of exchanges has, if no family is left out: how many there were, and of
    /// each histogram its buckets, `+Inf`, sum and count.
    pub(super) fn lines(&self) -> usize {
        let of = |bounds: &[u64]| bounds.len() + 3;
        1 + 4 * of(&self.times) + 2 * of(&self.lengths) + of(&self.sizes)
    }
}

impl Default for Bounds {
    /// Ours alone.
    fn default() -> Self {
        Self::new(None)
    }
}

impl Bounds {
    /// Those that `nginx` asks for, and ours.
    #[must_use]
    pub fn new(nginx: Option<&NginxMetrics>) -> Self {
        let nginx = nginx.map(|nginx| NginxBounds {
            times: nginx.times.iter().map(|seconds| whole(seconds * 1e9)).collect(),
            lengths: nginx.lengths.iter().map(|bytes| whole(*bytes)).collect(),
            sizes: nginx.sizes.iter().map(|bytes| whole(*bytes)).collect(),
        });
        let others = nginx.iter().flat_map(|nginx| &nginx.times);
        let mut times: Vec<u64> = TIME_BOUNDS.iter().chain(others).copied().collect();
        times.sort_unstable();
        times.dedup();
        Self { times: times.into(), nginx }
    }
}

/// Amounts are whole: what is below 10.5 is 10 at most.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and flags are positive"
)]
fn whole(bound: f64) -> u64 {
    // The product of a decimal fraction and 1e9 may lie a little below the integer.
    (bound + 1e-3) as u64
}

/// What exchanges have in common that are measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind {
    /// As sent, if it is one of the usual ones; else `other`.
    pub method: &'static str,
    /// Status sent.
    pub status: StatusLabel,
}

const METHODS: [&str; 17] = [
    "other",
    "GET",
    "POST",
    "HEAD",
    "PUT",
    "DELETE",
    "PATCH",
    "OPTIONS",
    "CONNECT",
    "TRACE",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
];

fn method_of(method: &[u8]) -> u32 {
    let found = METHODS.iter().position(|known| known.as_bytes() == method);
    u32::try_from(found.unwrap_or(0)).unwrap_or(0)
}

/// Method and status in one number that is never 0.
fn key_of(record: &ExchangeRecord<'_>) -> u32 {
    (method_of(record.method) << 16 | u32::from(record.status)) + 1
}

fn kind_of(key: u32) -> Kind {
    let number = key - 1;
    let method = usize::try_from(number >> 16).ok().and_then(|method| METHODS.get(method));
    let status = u16::try_from(number & 0xffff).unwrap_or(u16::MAX);
    Kind { method: method.unwrap_or(&METHODS[0]), status: StatusLabel::Code(status) }
}

/// How many kinds of exchanges a core may still measure apart.
pub type Room = Cell<usize>;

/// The measures of one series.
#[derive(Debug, Default)]
pub(super) struct SeriesMeasures {
    /// `None`: nothing is told apart.
    kinds: Option<Box<Kinds>>,
    /// What is not told apart.
    rest: OnceLock<Box<Measures>>,
}

/// Open addressing, as of statuses; then a place for each class of statuses.
#[derive(Debug)]
struct Kinds {
    /// Of [`key_of`]; 0: free.
    keys: [AtomicU32; KINDS_PER_SERIES_MAX],
    measures: [OnceLock<Box<Measures>>; KINDS_PER_SERIES_MAX],
    by_class: [OnceLock<Box<Measures>>; CLASSES],
}

impl Default for Kinds {
    fn default() -> Self {
        Self {
            keys: array::from_fn(|_| AtomicU32::new(0)),
            measures: array::from_fn(|_| OnceLock::new()),
            by_class: array::from_fn(|_| OnceLock::new()),
        }
    }
}

impl SeriesMeasures {
    /// Kinds that it tells apart.
    pub(super) fn kinds(&self) -> usize {
        let all = self.kinds.iter().flat_map(|kinds| kinds.measures.iter().chain(&kinds.by_class));
        all.filter(|measures| measures.get().is_some()).count()
    }

    pub(super) fn new(bounds: &Bounds) -> Self {
        Self { kinds: bounds.nginx.is_some().then(Box::default), rest: OnceLock::new() }
    }

    /// Counts one exchange. Only the owning core may call it. Whether it found `room` to be told
    /// apart, where it should be.
    pub(super) fn record(&self, record: &ExchangeRecord<'_>, bounds: &Bounds, room: &Room) -> Told {
        let Some(kinds) = &self.kinds else {
            self.rest(bounds).record(record, bounds);
            return Told::Apart;
        };
        let (measures, told) = match kinds.of(record, bounds, room) {
            Some((measures, told)) => (measures, told),
            None => (self.rest(bounds), Told::Together),
        };
        measures.record(record, bounds);
        told
    }

    fn rest(&self, bounds: &Bounds) -> &Measures {
        self.rest.get_or_init(|| Box::new(Measures::new(bounds)))
    }

    fn all(&self) -> impl Iterator<Item = &Measures> {
        let kinds =
            self.kinds.iter().flat_map(|kinds| kinds.measures.iter().chain(&kinds.by_class));
        kinds.chain(std::iter::once(&self.rest)).filter_map(OnceLock::get).map(|boxed| &**boxed)
    }

    /// Adds what was counted so far, of whatever kind.
    pub(super) fn add_to(&self, totals: &mut MeasureTotals) {
        self.all().for_each(|measures| measures.add_to(totals));
    }

    /// Adds it by kind, and what has none to `rest`.
    pub(super) fn add_kinds_to(&self, totals: &mut KindTotals) {
        let Some(kinds) = &self.kinds else { return };
        for (key, measures) in kinds.keys.iter().zip(&kinds.measures) {
            // A key that is seen before its measures is complete at the next scrape.
            let (key, Some(measures)) = (key.load(Relaxed), measures.get()) else { continue };
            if key > 0 {
                measures.add_to(totals.kinds.entry(kind_of(key)).or_default());
            }
        }
        for (class, measures) in (0..).zip(&kinds.by_class) {
            let kind = Kind { method: METHODS[0], status: StatusLabel::Class(class) };
            if let Some(measures) = measures.get() {
                measures.add_to(totals.kinds.entry(kind).or_default());
            }
        }
        if let Some(rest) = self.rest.get() {
            rest.add_to(&mut totals.rest);
        }
    }
}

/// Whether an exchange was told apart as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It was.
    Apart,
    /// There was no room for it.
    Together,
}

impl Kinds {
    fn of(
        &self,
        record: &ExchangeRecord<'_>,
        bounds: &Bounds,
        room: &Room,
    ) -> Option<(&Measures, Told)> {
        let key = key_of(record);
        if let Some(place) = place_of(&self.keys, usize::from(record.status), key)
            && let (Some(slot), Some(measures)) = (self.keys.get(place), self.measures.get(place))
            && let Some(measures) = made(measures, bounds, room)
        {
            slot.store(key, Relaxed);
            return Some((measures, Told::Apart));
        }
        let measures = self.by_class.get(usize::from(class_of(record.status)))?;
        made(measures, bounds, room).map(|measures| (measures, Told::Together))
    }
}

fn made<'a>(
    place: &'a OnceLock<Box<Measures>>,
    bounds: &Bounds,
    room: &Room,
) -> Option<&'a Measures> {
    if let Some(measures) = place.get() {
        return Some(measures);
    }
    room.set(room.get().checked_sub(1)?);
    Some(place.get_or_init(|| Box::new(Measures::new(bounds))))
}

/// What is measured of exchanges.
#[derive(Debug)]
pub(super) struct Measures {
    duration: Histogram,
    upstream_duration: Histogram,
    request_bytes: AtomicU64,
    response_body_bytes: AtomicU64,
    nginx: Option<NginxMeasures>,
}

/// What ingress-nginx measures besides.
#[derive(Debug)]
struct NginxMeasures {
    connect: Histogram,
    header: Histogram,
    request_length: Histogram,
    response_length: Histogram,
    bytes_sent: Histogram,
}

impl Measures {
    /// Bytes of one with [`Bounds::default`], buckets included.
    pub(super) const BYTES: usize =
        size_of::<Self>() + 2 * (TIME_BOUNDS.len() + 1) * size_of::<AtomicU64>();

    fn new(bounds: &Bounds) -> Self {
        let nginx = bounds.nginx.as_ref().map(|nginx| NginxMeasures {
            connect: Histogram::new(&nginx.times),
            header: Histogram::new(&nginx.times),
            request_length: Histogram::new(&nginx.lengths),
            response_length: Histogram::new(&nginx.lengths),
            bytes_sent: Histogram::new(&nginx.sizes),
        });
        Self {
            duration: Histogram::new(&bounds.times),
            upstream_duration: Histogram::new(&bounds.times),
            request_bytes: AtomicU64::new(0),
            response_body_bytes: AtomicU64::new(0),
            nginx,
        }
    }

    fn record(&self, record: &ExchangeRecord<'_>, bounds: &Bounds) {
        self.duration.record(&bounds.times, nanos_of(record.duration));
        add_single_writer(&self.request_bytes, record.request_bytes);
        add_single_writer(&self.response_body_bytes, record.response_body_bytes);
        for attempt in record.attempts.iter().filter(|attempt| attempt.status.is_some()) {
            self.upstream_duration.record(&bounds.times, nanos_of(attempt.duration));
        }
        if let (Some(nginx), Some(bounds)) = (&self.nginx, &bounds.nginx) {
            nginx.record(record, bounds);
        }
    }

    fn add_to(&self, totals: &mut MeasureTotals) {
        self.duration.add_to(&mut totals.duration);
        self.upstream_duration.add_to(&mut totals.upstream_duration);
        let add = |total: &mut u64, count: &AtomicU64| {
            *total = total.wrapping_add(count.load(Relaxed));
        };
        add(&mut totals.request_bytes, &self.request_bytes);
        add(&mut totals.response_bytes, &self.response_body_bytes);
        if let Some(nginx) = &self.nginx {
            nginx.connect.add_to(&mut totals.connect);
            nginx.header.add_to(&mut totals.header);
            nginx.request_length.add_to(&mut totals.request_length);
            nginx.response_length.add_to(&mut totals.response_length);
            nginx.bytes_sent.add_to(&mut totals.bytes_sent);
        }
    }
}

impl NginxMeasures {
    fn record(&self, record: &ExchangeRecord<'_>, bounds: &NginxBounds) {
        for attempt in record.attempts {
            let record = |histogram: &Histogram, time: Option<_>| {
                time.into_iter().for_each(|time| histogram.record(&bounds.times, nanos_of(time)));
            };
            record(&self.connect, attempt.connect_time);
            record(&self.header, attempt.header_time);
        }
        self.request_length.record(&bounds.lengths, record.request_bytes);
        self.response_length.record(&bounds.lengths, record.response_bytes);
        self.bytes_sent.record(&bounds.sizes, record.response_bytes);
    }
}

/// A sum of measures at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MeasureTotals {
    /// First byte of the request to last byte of the response.
    pub duration: HistogramTotals,
    /// Connect and response of every attempt that was answered.
    pub upstream_duration: HistogramTotals,
    /// Until it was connected.
    pub connect: HistogramTotals,
    /// Until the head of its answer was there.
    pub header: HistogramTotals,
    /// Head and body bytes received from clients.
    pub request_bytes: u64,
    /// Body bytes sent to clients.
    pub response_bytes: u64,
    /// The former, by request.
    pub request_length: HistogramTotals,
    /// Bytes sent to clients, by request.
    pub response_length: HistogramTotals,
    /// The same.
    pub bytes_sent: HistogramTotals,
}

impl MeasureTotals {
    /// Adds another sum.
    pub fn add(&mut self, other: &Self) {
        self.duration.add(&other.duration);
        self.upstream_duration.add(&other.upstream_duration);
        self.connect.add(&other.connect);
        self.header.add(&other.header);
        self.request_bytes = self.request_bytes.wrapping_add(other.request_bytes);
        self.response_bytes = self.response_bytes.wrapping_add(other.response_bytes);
        self.request_length.add(&other.request_length);
        self.response_length.add(&other.response_length);
        self.bytes_sent.add(&other.bytes_sent);
    }
}

/// Sums by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KindTotals {
    /// Of each.
    pub kinds: BTreeMap<Kind, MeasureTotals>,
    /// Of exchanges for whose kind there was no room.
    pub rest: MeasureTotals,
}

impl KindTotals {
    /// True when nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty() && self.rest.duration.count() == 0
    }
}
