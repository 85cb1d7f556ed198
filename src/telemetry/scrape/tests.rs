//! Sums over cores, and the whole text of a scrape.

use std::fmt::Write;
use std::time::Duration;

use super::*;
use crate::limits::{FLAG_BUCKETS_MAX, KINDS_MAX, KINDS_PER_SERIES_MAX};
use crate::model::NginxMetrics;
use crate::telemetry::samples::{attempt, labels, record, series};
use crate::telemetry::{CoreTelemetry, ExchangeRecord, telemetry};

fn exchange(slot: u32, generation: u32, status: u16) -> ExchangeRecord<'static> {
    ExchangeRecord { series: Some(series(slot, generation)), status, ..record() }
}

/// `ingress/service status=count …` of every label set.
fn rows(snapshot: &Snapshot) -> Vec<String> {
    let row = |(labels, totals): &(MetricLabels, SeriesTotals)| {
        let mut row = format!("{}/{}", labels.ingress, labels.service);
        for (status, count) in &totals.statuses {
            write!(row, " {status}={count}").expect("string");
        }
        row
    };
    snapshot.series.iter().map(row).collect()
}

fn two_cores() -> (Vec<CoreTelemetry>, Scrape) {
    let (shards, mut scrape) = telemetry(2, Bounds::default());
    scrape.series_added(series(0, 0), &labels("a", "x"));
    scrape.series_added(series(1, 0), &labels("b", ""));
    (shards, scrape)
}

#[test]
fn shards_are_summed_by_label() {
    let (shards, mut scrape) = two_cores();
    assert_eq!(rows(&scrape.snapshot()), [""; 0]);
    shards[0].record(&exchange(0, 0, 200));
    shards[1].record(&exchange(0, 0, 200));
    shards[1].record(&exchange(0, 0, 502));
    shards[1].record(&exchange(1, 0, 308));
    shards[0].record(&record());
    assert_eq!(rows(&scrape.snapshot()), ["/ 404=1", "a/x 200=2 502=1", "b/ 308=1"]);
    shards[0].count(Counter::Upgrades);
    shards[1].add(Counter::Upgrades, 4);
    shards[0].set_open_connections(7);
    shards[1].set_open_connections(2);
    assert_eq!(scrape.total(Counter::Upgrades), 5);
    assert_eq!(scrape.amount(Gauge::ConnectionsOpen), 9);
}

#[test]
fn a_series_counts_bytes_latency_and_answered_attempts() {
    let (shards, mut scrape) = two_cores();
    let attempts = [attempt(1, None, 0, 900), attempt(2, Some(200), 9, 40)];
    let twice = ExchangeRecord { attempts: &attempts, ..exchange(0, 0, 200) };
    shards[0].record(&twice);
    let snapshot = scrape.snapshot();
    let (_, totals) = &snapshot.series[0];
    let totals = &totals.measures;
    assert_eq!((totals.request_bytes, totals.response_bytes), (80, 19));
    assert_eq!(totals.duration.count(), 1);
    assert_eq!(totals.upstream_duration.count(), 1);
    let upstream = Duration::from_secs_f64(totals.upstream_duration.sum_seconds());
    assert_eq!(upstream, Duration::from_millis(40));
}

#[test]
fn a_removed_series_is_shown_once_more() {
    let (shards, mut scrape) = two_cores();
    shards[0].record(&exchange(0, 0, 200));
    scrape.series_removed(series(0, 0));
    shards[0].record(&exchange(0, 0, 200));
    assert_eq!(rows(&scrape.snapshot()), ["a/x 200=2"]);
    assert_eq!(rows(&scrape.snapshot()), [""; 0]);
    shards[0].record(&exchange(0, 0, 200));
    assert_eq!(rows(&scrape.snapshot()), [""; 0], "a request that outlived its rule");
}

#[test]
fn what_a_core_counted_stays_its_own_and_never_goes_down() {
    let (shards, mut scrape) = two_cores();
    shards[0].record(&exchange(0, 0, 200));
    shards[1].record(&exchange(0, 0, 503));
    shards[1].record(&record());
    shards[1].set_open_connections(3);
    scrape.series_removed(series(0, 0));
    let before = scrape.core_sums();
    // The first forgets the series; what is summed of before has it still.
    let after = [(), ()].map(|()| (scrape.snapshot(), scrape.core_sums()).1);
    for sums in std::iter::once(before).chain(after) {
        let cores = sums.totals();
        let statuses = |core: &CoreTotals| {
            let all = core.answered.statuses.iter();
            all.map(|(status, count)| format!("{status}={count}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(cores.iter().map(statuses).collect::<Vec<_>>(), ["200=1", "404=1 503=1"]);
        assert_eq!(cores.iter().map(|core| core.open).collect::<Vec<_>>(), [0, 3]);
    }
}

#[test]
fn the_next_occupant_of_a_slot_starts_at_zero() {
    let (shards, mut scrape) = two_cores();
    shards[0].record(&exchange(0, 0, 200));
    scrape.series_removed(series(0, 0));
    scrape.snapshot();
    scrape.series_added(series(0, 1), &labels("c", "x"));
    shards[0].record(&exchange(0, 1, 201));
    // A request of the old rule that ends late is not counted for the new one.
    shards[0].record(&exchange(0, 0, 200));
    assert_eq!(rows(&scrape.snapshot()), ["_overflow/ 200=1", "c/x 201=1"]);
}

#[test]
fn counts_of_one_label_set_never_go_down_while_a_series_has_it() {
    let (shards, mut scrape) = two_cores();
    scrape.series_added(series(2, 0), &labels("a", "x"));
    shards[0].record(&exchange(0, 0, 200));
    shards[0].record(&exchange(2, 0, 200));
    assert_eq!(rows(&scrape.snapshot()), ["a/x 200=2"]);
    scrape.series_removed(series(0, 0));
    assert_eq!(rows(&scrape.snapshot()), ["a/x 200=2"]);
    shards[1].record(&exchange(2, 0, 200));
    assert_eq!(rows(&scrape.snapshot()), ["a/x 200=3"]);
    scrape.series_removed(series(2, 0));
    assert_eq!(rows(&scrape.snapshot()), ["a/x 200=3"]);
    assert_eq!(rows(&scrape.snapshot()), [""; 0]);
}

#[test]
fn series_above_the_limit_share_one() {
    let (shards, mut scrape) = telemetry(1, Bounds::default());
    let slot = u32::try_from(SERIES_MAX).expect("small");
    shards[0].record(&exchange(slot, 0, 200));
    shards[0].record(&exchange(u32::MAX, 0, 200));
    assert_eq!(rows(&scrape.snapshot()), ["_overflow/ 200=2"]);
}

#[test]
fn a_scraper_that_never_comes_costs_bounded_memory() {
    let (shards, mut scrape) = telemetry(1, Bounds::default());
    let rounds = u32::try_from(SERIES_MAX + 10).expect("small");
    for generation in 0..rounds {
        scrape.series_added(series(0, generation), &labels("a", "x"));
        shards[0].record(&exchange(0, generation, 200));
        scrape.series_removed(series(0, generation));
    }
    assert!(scrape.series.len() <= SERIES_MAX);
    assert!(scrape.removed.len() <= SERIES_MAX);
    assert_eq!(scrape.announced.len(), 0);
}

#[test]
fn blocks_that_nobody_takes_stop_at_the_channel_and_are_counted_elsewhere() {
    let (shards, mut scrape) = telemetry(1, Bounds::default());
    let rounds = u32::try_from(SERIES_MAX).expect("small");
    for generation in 0..=rounds {
        shards[0].record(&exchange(0, generation, 200));
    }
    assert_eq!(scrape.announced.len(), SERIES_MAX);
    assert_eq!(rows(&scrape.snapshot()), ["_overflow/ 200=1"]);
}

#[test]
fn sums_are_right_and_never_go_down_while_cores_count() {
    const PER_CORE: u64 = 100_000;
    let (shards, mut scrape) = two_cores();
    let cores: Vec<_> = shards
        .into_iter()
        .map(|shard| {
            std::thread::spawn(move || {
                for n in 0..PER_CORE {
                    let status = if n % 4 == 0 { 503 } else { 200 };
                    shard.record(&exchange(u32::from(n % 2 == 0), 0, status));
                    shard.count(Counter::Requests);
                }
            })
        })
        .collect();
    let mut before = (0, 0);
    loop {
        let is_last = cores.iter().all(std::thread::JoinHandle::is_finished);
        let snapshot = scrape.snapshot();
        let statuses = snapshot.series.iter().flat_map(|(_, sum)| sum.statuses.values());
        let now = (statuses.sum::<u64>(), scrape.total(Counter::Requests));
        assert!(now.0 >= before.0 && now.1 >= before.1, "{before:?} {now:?}");
        before = now;
        if is_last {
            assert_eq!(now, (2 * PER_CORE, 2 * PER_CORE));
            assert_eq!(rows(&snapshot), ["a/x 200=100000", "b/ 200=50000 503=50000"]);
            break;
        }
    }
    for core in cores {
        core.join().expect("core");
    }
}

const PLACE: [&str; 2] = ["a.example", "/a"];

fn at(ingress: &str, [host, path]: [&str; 2]) -> SeriesLabels {
    SeriesLabels { host: host.into(), path: path.into(), ..labels(ingress, "x") }
}

/// `host path METHOD status=count …` of every place, the rest last.
fn places(snapshot: &Snapshot) -> Vec<String> {
    let row = |(place, totals): &(PlaceLabels, KindTotals)| {
        let mut row = format!("{}{}{}", place.labels.ingress, place.host, place.path);
        for (kind, totals) in &totals.kinds {
            let count = totals.duration.count();
            write!(row, " {} {}={count}", kind.method, kind.status).expect("string");
        }
        let rest = totals.rest.duration.count();
        if rest > 0 {
            write!(row, " rest={rest}").expect("string");
        }
        row
    };
    snapshot.places.iter().map(row).collect()
}

#[test]
fn places_methods_and_statuses_are_told_apart_where_they_shall_be() {
    let (shards, mut scrape) = telemetry(2, Bounds::new(Some(&NginxMetrics::default())));
    scrape.series_added(series(0, 0), &at("a", PLACE));
    scrape.series_added(series(1, 0), &at("a", ["a.example", "/b"]));
    let post = ExchangeRecord { method: b"POST", ..exchange(0, 0, 201) };
    shards[0].record(&exchange(0, 0, 200));
    shards[1].record(&exchange(0, 0, 200));
    shards[1].record(&post);
    shards[1].record(&exchange(1, 0, 404));
    shards[1].record(&ExchangeRecord { method: b"get", ..record() });
    let snapshot = scrape.snapshot();
    assert_eq!(rows(&snapshot), ["/ 404=1", "a/x 200=2 201=1 404=1"]);
    let expected =
        ["_/ other 404=1", "aa.example/a GET 200=2 POST 201=1", "aa.example/b GET 404=1"];
    assert_eq!(places(&snapshot), expected);
    // A path goes; its Ingress has lost no request.
    scrape.series_removed(series(1, 0));
    scrape.snapshot();
    let snapshot = scrape.snapshot();
    assert_eq!(rows(&snapshot), ["/ 404=1", "a/x 200=2 201=1 404=1"]);
    assert_eq!(places(&snapshot), expected[..2]);
}

#[test]
fn kinds_above_the_limit_of_a_series_are_told_apart_by_class_and_counted() {
    let (shards, mut scrape) = telemetry(1, Bounds::new(Some(&NginxMetrics::default())));
    scrape.series_added(series(0, 0), &at("a", PLACE));
    let above = u16::try_from(KINDS_PER_SERIES_MAX).expect("small") + 200;
    (200..above).for_each(|status| shards[0].record(&exchange(0, 0, status)));
    shards[0].record(&exchange(0, 0, 502));
    shards[0].record(&exchange(0, 0, 200));
    let row = places(&scrape.snapshot()).concat();
    assert!(row.starts_with("aa.example/a GET 200=2 GET 201=1 "), "{row}");
    assert!(row.ends_with(" GET 231=1 other 5xx=1"), "{row}");
    assert_eq!(scrape.total(Counter::KindsTogether), 1);
}

#[test]
fn kinds_above_the_limit_of_a_core_are_counted_together() {
    let (shards, mut scrape) = telemetry(1, Bounds::new(Some(&NginxMetrics::default())));
    let count = u32::try_from(KINDS_MAX).expect("small") + 3;
    for slot in 0..count {
        scrape.series_added(series(slot, 0), &at(&format!("i{slot}"), PLACE));
        shards[0].record(&exchange(slot, 0, 200));
    }
    let snapshot = scrape.snapshot();
    let rests = places(&snapshot).iter().filter(|row| row.ends_with(" rest=1")).count();
    assert_eq!((rests, scrape.total(Counter::KindsTogether)), (3, 3));
    assert_eq!(snapshot.series.len(), KINDS_MAX + 3, "our own names have all");
}

#[test]
fn kinds_above_the_limit_of_a_scrape_are_shown_together_and_stay_so() {
    let many: Arc<[f64]> = (1..).map(f64::from).take(FLAG_BUCKETS_MAX).collect();
    let [times, lengths, sizes] = [Arc::clone(&many), Arc::clone(&many), many];
    let metrics = NginxMetrics { times, lengths, sizes, ..NginxMetrics::default() };
    let bounds = Bounds::new(Some(&metrics));
    let room = SAMPLES_SHOWN_MAX / bounds.nginx.as_ref().expect("wanted").lines();
    let (shards, mut scrape) = telemetry(2, bounds);
    let row = |ingress: &str| format!("{ingress}a.example/a GET 200=1");
    let count = u32::try_from(room).expect("small") + 5;
    for slot in 0..count {
        scrape.series_added(series(slot, 0), &at(&format!("i{slot}"), PLACE));
        // Neither core has too many.
        shards[usize::from(slot % 2 == 0)].record(&exchange(slot, 0, 200));
    }
    let full = |snapshot: &Snapshot| {
        let found = snapshot.counters.iter().find(|(name, ..)| *name == PLACES_FULL.0);
        found.map(|(.., count)| *count)
    };
    let check = |snapshot: &Snapshot| {
        let rests = places(snapshot).iter().filter(|row| row.ends_with(" rest=1")).count();
        assert_eq!((snapshot.places.len() - rests, rests, full(snapshot)), (room, 5, Some(5)));
    };
    let first = scrape.snapshot();
    check(&first);
    assert_eq!(scrape.total(Counter::KindsTogether), 0);
    let shown = places(&first);
    assert_eq!(places(&scrape.snapshot()), shown);
    // One that is shown goes. Who comes has its place; who found none stays among the rest.
    let gone = (0..count).find(|slot| shown.contains(&row(&format!("i{slot}")))).expect("a row");
    scrape.series_removed(series(gone, 0));
    scrape.snapshot();
    scrape.series_added(series(gone, 1), &at("new", PLACE));
    shards[0].record(&exchange(gone, 1, 200));
    let last = scrape.snapshot();
    check(&last);
    assert!(places(&last).contains(&row("new")));
}
