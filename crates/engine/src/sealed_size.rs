//! The size of sealed points on disk, over all tiers and with all sketches.

use crate::randomness::Randomness;
use std::rc::Rc;

use ingest::frame::FrameBuilder;
use model::point::Point;
use model::query::{By, Query};
use model::sketches::Wanted;
use model::window::Window;
use store::testing::TestSql;

use super::engine::{Engine, Incoming, Limits};
use super::engine_model::record;

/// A day of counters that are flushed every 10 s and count 20 to 79, without a pattern that compresses: the data of
/// `make bench`.
#[test]
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn a_10_s_counter_point_takes_under_3_bytes_in_all_tiers() {
    const SERIES: usize = 20;
    const START_S: usize = 1_792_540_800;
    const STEPS: usize = 8_640;
    const STEPS_A_BATCH: usize = 80;
    let sql = Rc::new(TestSql::new());
    // As often as with a hundred series.
    let limits = Limits { open_cells: Limits::DEFAULT.open_cells * SERIES / 100, ..Limits::DEFAULT };
    let mut engine = Engine::create(Rc::clone(&sql), limits, Randomness::FIXED, &record(&[])).expect("creates");
    let now_ms = i64::try_from((START_S + 86_400) * 1000).expect("after 1970");
    for batch in 0..STEPS / STEPS_A_BATCH {
        let mut frame = FrameBuilder::new(u64::try_from(now_ms).expect("after 1970"), [0; 16], |_| None);
        for step in batch * STEPS_A_BATCH..(batch + 1) * STEPS_A_BATCH {
            for series in 0..SERIES {
                let n = 20 + (((step * 100 + series) * 2_654_435_761) >> 16) % 60;
                let point = Point { n: n as f64, d: 1.0, p: None, t: (START_S + step * 10) as f64 };
                frame.push(0, Ok((point, &format!("series\u{1f}{series}\u{1e}"))));
            }
        }
        assert!(engine.commit(&[Incoming::of_owner(frame.finish(None).frame)], now_ms).iter().all(Result::is_ok));
    }
    engine.seal(now_ms).expect("seals");
    let by_layer = sql.chunk_bytes();
    let bytes: i64 = by_layer.iter().map(|(_, bytes)| bytes).sum();
    let per_point = |bytes: i64| bytes as f64 / (SERIES * STEPS) as f64;
    let shown: Vec<(i64, f64)> = by_layer.iter().map(|(layer, bytes)| (*layer, per_point(*bytes))).collect();
    println!("{shown:?} {}", per_point(bytes));
    assert!(per_point(bytes) < 2.8, "{} bytes a point: {shown:?}", per_point(bytes));
}

/// Points of about a day that end anywhere within the last day: bodies of 10,000 as an attacker sends them.
struct LongPoints {
    engine: Engine<Rc<TestSql>>,
    sql: Rc<TestSql>,
    random: u64,
    json_bytes: usize,
    n: f64,
}

const LATE_NOW_MS: i64 = 1_792_540_800_000 + 40_000_000;

impl LongPoints {
    fn new() -> Self {
        let sql = Rc::new(TestSql::new());
        let engine =
            Engine::create(Rc::clone(&sql), Limits::DEFAULT, Randomness::FIXED, &record(&[])).expect("creates");
        Self { engine, sql, random: 0x9e37_79b9_7f4a_7c15, json_bytes: 0, n: 0.0 }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % limit
    }

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn body(&mut self, points: usize, series: u64, shortest_s: u64) {
        let mut frame = FrameBuilder::new(LATE_NOW_MS.unsigned_abs(), [0; 16], |_| None);
        for index in 0..points {
            let (n, p) = (self.below(1000), shortest_s + self.below(86_390 - shortest_s));
            let (t, a) = (LATE_NOW_MS.unsigned_abs() / 1000 - self.below(86_390), self.below(series));
            self.json_bytes += format!(r#"{{"n":{n},"p":{p},"t":{t},"v":{{"a":"{a}"}}}},"#).len();
            self.n += n as f64;
            let point = Point { n: n as f64, d: 1.0, p: Some(p as f64), t: t as f64 };
            frame.push(index, Ok((point, &format!("a\u{1f}{a}\u{1e}"))));
        }
        assert!(
            self.engine.commit(&[Incoming::of_owner(frame.finish(None).frame)], LATE_NOW_MS).iter().all(Result::is_ok)
        );
    }

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn stored_ratio(&self) -> f64 {
        println!("layers {:?}", self.sql.chunk_bytes());
        self.sql.disk_bytes() as f64 / self.json_bytes as f64
    }
}

#[test]
fn random_long_points_take_at_most_7_times_their_request() {
    for shortest_s in [86_000, 1] {
        let mut long = LongPoints::new();
        long.body(2_000, 12_000, shortest_s);
        long.engine.seal(LATE_NOW_MS).expect("seals");
        let ratio = long.stored_ratio();
        assert!(ratio < 7.0, "{ratio} times, of p from {shortest_s}");
    }
}

/// Takes minutes without optimisation, and prints its figures.
#[test]
#[ignore = "minutes"]
fn a_long_attack_of_long_points_leaves_few_parts_and_exact_sums() {
    for (bodies, series, shortest_s) in
        [(1, 60_000, 86_000), (1, 10_000_000, 1), (20, 60_000, 86_000), (20, 60_000, 1), (60, 4_000, 86_000)]
    {
        let mut long = LongPoints::new();
        let (mut most_parts, mut steps) = (0, 0);
        for _ in 0..bodies {
            long.body(10_000, series, shortest_s);
            while long.engine.is_crowded() {
                long.engine.compact();
                steps += 1;
            }
            most_parts = most_parts.max(long.engine.fullest_place().expect("reads"));
        }
        long.engine.seal(LATE_NOW_MS).expect("seals");
        assert!(most_parts <= 100, "{most_parts} parts");
        println!(
            "{bodies} bodies, {series} series, p from {shortest_s}: {} times, {most_parts} parts, {steps} steps",
            long.stored_ratio()
        );
        for step_s in [3600, 86_400] {
            let from_s = LATE_NOW_MS / 1000 / 86_400 * 86_400 - 3 * 86_400;
            let window = Window::aligned(from_s, from_s + 4 * 86_400, step_s).expect("valid");
            let by = By::Names(Vec::new());
            let query = Query { window, matchers: Vec::new(), by, sketches: Wanted::default() };
            let rows = long.engine.query(&query).expect("answers");
            let cells = rows.iter().flat_map(|(_, cells)| cells).map(|(_, cell)| cell);
            let n: f64 = cells.clone().filter_map(|cell| cell.cover).map(|cover| cover.n).sum();
            let count: u64 = cells.map(|cell| cell.count).sum();
            assert_eq!(count, bodies * 10_000);
            assert!((n - long.n).abs() < 1e-9 * long.n, "{n} is not {}", long.n);
        }
    }
}

/// Prints what a day of the data of `make bench` writes.
#[test]
#[ignore = "minutes"]
fn the_size_of_a_day_of_counters_is_printed() {
    let sql = Rc::new(TestSql::new());
    let mut engine =
        Engine::create(Rc::clone(&sql), Limits::DEFAULT, Randomness::FIXED, &record(&[])).expect("creates");
    for minutes in (0..1_440i64).step_by(10) {
        let now_ms = 1_792_540_800_000 + minutes * 60_000;
        let mut frame = FrameBuilder::new(now_ms.unsigned_abs(), [0; 16], |_| None);
        for step in 0..60i64 {
            for series in 0..100i64 {
                let n = 20 + ((((minutes * 6 + step) * 100 + series) * 2_654_435_761) >> 16) % 60;
                #[expect(clippy::cast_precision_loss, reason = "small numbers")]
                let point = Point { n: n as f64, d: 1.0, p: None, t: (now_ms / 1000 + step * 10 - 600) as f64 };
                frame.push(0, Ok((point, &format!("series\u{1f}{series}\u{1e}"))));
            }
        }
        assert!(engine.commit(&[Incoming::of_owner(frame.finish(None).frame)], now_ms).iter().all(Result::is_ok));
        engine.tidy(now_ms).expect("tidies");
    }
    println!(
        "chunks {}, layers {:?}, disk {}, written {:?}",
        sql.count("chunks"),
        sql.chunk_bytes(),
        sql.disk_bytes(),
        sql.written()
    );
}
