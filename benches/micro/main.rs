//! What a point and a query cost in native code: parse, merge, seal, decode, query. `system` measures the runtime.
//!
//! Chunks are encoded and decoded inside the store, so `seal` and `decode` include an in-memory `SQLite`.

mod day;
mod sql;

use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{Bencher, Divan, black_box};
use ingest::frame::{FrameBuilder, FramedBatch};
use ingest::points::{BodyForm, each_point};
use model::cell::Cell;
use model::open::{OpenBuckets, Owner, SeriesId};
use model::point::{Arrival, Point};
use model::query::{By, Collector, Query};
use model::sketches::{Mark, Wanted};
use model::tier::{Layer, Tier};
use model::window::Window;
use rustc_hash::FxHashMap;
use store::sql::StoreError;
use store::{chunk_read, chunks};

use day::{HOUR_S, HOURS, NOW_S, SERIES};
use sql::Memory;

/// All benches together take some ten seconds.
const TIME: Duration = Duration::from_millis(700);
/// Points per large request.
const BATCH: usize = 1_000;
const S10: Layer = Layer::Total(Tier::S10);
const M1: Layer = Layer::Total(Tier::M1);

fn main() {
    Divan::default().max_time(TIME).config_with_args().main();
}

/// The labels are those of a thousand unknown series.
#[divan::bench]
fn parse_new_labels(bencher: Bencher<'_, '_>) {
    let body = body();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| parse(&body, |_| None));
}

/// The number of each series is known by the spelling of its labels, as in an isolate that wrote them before.
#[divan::bench]
fn parse_known_labels(bencher: Bencher<'_, '_>) {
    let body = body();
    let numbers: FxHashMap<Vec<u8>, SeriesId> =
        (0..).zip(parse(&body, |_| None).new_labels.iter().map(<[u8]>::to_vec)).map(|(id, text)| (text, id)).collect();
    assert_eq!(numbers.len(), BATCH);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| parse(&body, |written| numbers.get(written).copied()));
}

fn parse(body: &str, known: impl Fn(&[u8]) -> Option<SeriesId>) -> FramedBatch {
    let mut builder = FrameBuilder::new(u64::try_from(NOW_S).expect("after 1970") * 1000, [7; 16], known);
    let arrival = Arrival { at: builder.now(), lateness_s: 86_400 };
    each_point(body.as_bytes(), BodyForm::Json, arrival, &mut builder).expect("few");
    let batch = builder.finish(None);
    assert_eq!(batch.outcome.accepted, 1_000);
    batch
}

fn body() -> String {
    let point = |series: usize| {
        let (country, path) = (series % 20, series / 20);
        format!("{{\"n\":{},\"v\":{{\"country\":\"c{country:02}\",\"path\":\"/page/{path}\"}}}}", series % 97)
    };
    format!("[{}]", (0..BATCH).map(point).collect::<Vec<_>>().join(","))
}

/// Points into the open buckets, each of a different series.
#[divan::bench]
fn merge_points(bencher: Bencher<'_, '_>) {
    let points: Vec<(SeriesId, Point)> = (0..1_000).map(|series| (series, day::point(0, series))).collect();
    let mut open = OpenBuckets::default();
    bencher.counter(ItemsCount::new(points.len())).bench_local(|| {
        for (series, point) in black_box(&points) {
            open.add(Owner { series: *series, is_established: true }, point, &[], 10_000, || 0, |_, _, _, _| ());
        }
    });
}

/// Cells of one point each, which need no sketch.
#[divan::bench]
fn merge_plain_cells(bencher: Bencher<'_, '_>) {
    let cell = Cell::of(&day::point(0, 0));
    merge(bencher, &cell, &cell);
}

/// Minutes of six points, merged to hours.
#[divan::bench]
fn merge_cells_with_quantiles(bencher: Bencher<'_, '_>) {
    merge(bencher, &day::cell(0..360), &day::cell(360..366));
}

/// Cells that have seen ten thousand values of a label, and a hundred.
#[divan::bench]
fn merge_cells_with_distinct(bencher: Bencher<'_, '_>) {
    let counted = |values: std::ops::Range<u64>| {
        let mut cell = Cell::of(&day::point(0, 0));
        values.for_each(|value| cell.mark(&[Mark { label: 0, hash: value.wrapping_mul(0x9e37_79b9_7f4a_7c15) }]));
        cell
    };
    merge(bencher, &counted(0..10_000), &counted(10_000..10_100));
}

fn merge(bencher: Bencher<'_, '_>, into: &Cell, other: &Cell) {
    bencher.counter(ItemsCount::new(1_usize)).with_inputs(|| into.clone()).bench_local_values(|mut cell| {
        cell.merge(black_box(other));
        cell
    });
}

/// An hour of a hundred series at 10 s, without sketches.
#[divan::bench]
fn seal_hour_at_10_s(bencher: Bencher<'_, '_>) {
    seal(bencher, S10);
}

/// The same at 1 min, with quantiles.
#[divan::bench]
fn seal_hour_at_1_min(bencher: Bencher<'_, '_>) {
    seal(bencher, M1);
}

fn seal(bencher: Bencher<'_, '_>, layer: Layer) {
    let hour = day::hour(0);
    let cells = hour.layer(layer);
    bencher.counter(ItemsCount::new(cells.len())).with_inputs(|| (Memory::new(), cells.clone())).bench_local_values(
        |(sql, cells)| chunks::seal(&sql, layer, cells, &mut chunks::Sealed::default()).expect("seals"),
    );
}

/// A day of one series of a hundred at 10 s.
#[divan::bench]
fn decode_one_series(bencher: Bencher<'_, '_>) {
    let sql = day::sealed(S10);
    bencher.counter(ItemsCount::new(HOURS * 360)).bench_local(|| decode(&sql, |series| series == 42));
}

/// A day of a hundred series at 10 s.
#[divan::bench]
fn decode_all(bencher: Bencher<'_, '_>) {
    let sql = day::sealed(S10);
    bencher.counter(ItemsCount::new(HOURS * 360 * SERIES as usize)).bench_local(|| decode(&sql, |_| true));
}

fn decode(sql: &Memory, wants: impl Fn(SeriesId) -> bool) -> f64 {
    let mut sum = 0.0;
    let to_s = NOW_S + HOUR_S * 24;
    chunk_read::each::<StoreError>(sql, S10, NOW_S, to_s, wants, Wanted::default(), |_, _, cell| {
        sum += cell.cover.map_or(0.0, |cover| cover.n);
        Ok(())
    })
    .expect("decodes");
    sum
}

/// The cells of a day of a hundred series at 1 min, already in memory, read at 5 min by a label.
#[divan::bench]
fn query_cells(bencher: Bencher<'_, '_>) {
    let (labels, query) = (day::labels(), grouped());
    let mut cells: Vec<(i64, SeriesId, Cell)> = Vec::new();
    let mut take = |start_s: i64, series: SeriesId, cell: &Cell| {
        cells.push((start_s, series, cell.clone()));
        Ok::<(), StoreError>(())
    };
    chunk_read::each(&day::sealed(M1), M1, NOW_S, NOW_S + HOUR_S * 24, |_| true, query.sketches, &mut take)
        .expect("decodes");
    bencher.counter(ItemsCount::new(cells.len())).bench_local(|| {
        let mut collector = Collector::new(&query, (0..).zip(labels.iter()));
        for (start_s, series, cell) in &cells {
            collector.add(M1, *start_s, *series, cell).expect("fits");
        }
        collector.finish().expect("fits").into_rows()
    });
}

/// The same including the decoding of chunks, as in the object.
#[divan::bench]
fn query_chunks(bencher: Bencher<'_, '_>) {
    let (labels, query, sql) = (day::labels(), grouped(), day::sealed(M1));
    bencher.counter(ItemsCount::new(HOURS * 60 * SERIES as usize)).bench_local(|| {
        let mut collector = Collector::new(&query, (0..).zip(labels.iter()));
        let (from_s, to_s) = (query.window.from_s(), query.window.to_s());
        for layer in query.window.layers() {
            chunk_read::each::<StoreError>(
                &sql,
                layer,
                from_s,
                to_s,
                |_| true,
                query.sketches,
                |start_s, series, cell| {
                    collector.add(layer, start_s, series, cell).expect("fits");
                    Ok(())
                },
            )
            .expect("decodes");
        }
        collector.finish().expect("fits").into_rows()
    });
}

fn grouped() -> Query {
    Query {
        window: Window::aligned(NOW_S, NOW_S + HOUR_S * 24, 300).expect("a day of 5 min"),
        matchers: Vec::new(),
        by: By::Names(vec!["country".into()]),
        sketches: Wanted::default(),
    }
}
