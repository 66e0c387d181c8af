//! Tests of merging, however large a place is.

use super::*;
use crate::chunk_read::each;
use crate::chunks::{Sealed, fullest, seal};
use crate::schema;
use crate::testing::TestSql;
use crate::testing::fill;
use model::cell::Cell;
use model::sketches::Wanted;
use model::tier::{Layer, Tier, floor_to};

const LAYER: Layer = Layer::Total(Tier::H1);
/// Buckets of a span.
const BUCKETS: u32 = 96;

type Counts = BTreeMap<(i64, SeriesId), u64>;

/// A place that cells are sealed into, and its expected contents.
struct Full {
    sql: TestSql,
    start_s: i64,
    counts: Counts,
    random: u64,
    most_parts: usize,
}

impl Full {
    fn new() -> Self {
        let sql = TestSql::new();
        schema::migrate(&sql).expect("migrates");
        let start_s = floor_to(1_792_540_800, LAYER.tier().span_s());
        Self { sql, start_s, counts: Counts::new(), random: 0x9e37_79b9_7f4a_7c15, most_parts: 0 }
    }

    fn below(&mut self, limit: u32) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        u32::try_from(self.random % u64::from(limit)).expect("below")
    }

    /// Seals random cells of this many series.
    fn seal(&mut self, cells: u32, series: u32) -> Vec<(Place, usize)> {
        let one = Cell::plain(1, None);
        let cells: Vec<(i64, SeriesId, &Cell)> = (0..cells)
            .map(|_| (self.start_s + i64::from(self.below(BUCKETS)) * 3600, self.below(series), &one))
            .collect();
        for (start_s, series, _) in &cells {
            *self.counts.entry((*start_s, *series)).or_default() += 1;
        }
        let mut sealed = Sealed::default();
        seal(&self.sql, LAYER, cells, &mut sealed).expect("seals");
        sealed.crowded
    }

    fn place(&self) -> Place {
        fullest(&self.sql, 0, 1).expect("reads")[0].1
    }

    /// All cells of the place, and their number with duplicates.
    fn stored(&self) -> (Counts, usize) {
        let (mut counts, mut cells) = (Counts::new(), 0);
        let end_s = self.start_s + LAYER.tier().span_s();
        each::<StoreError>(
            &self.sql,
            LAYER,
            self.start_s,
            end_s,
            |_| true,
            Wanted::ALL,
            |start_s, series, cell| {
                *counts.entry((start_s, series)).or_default() += cell.count;
                cells += 1;
                Ok(())
            },
        )
        .expect("reads");
        (counts, cells)
    }

    /// Merges until there is nothing left to do; returns the number of steps.
    fn merge(&mut self) -> usize {
        let place = self.place();
        let mut steps = 1;
        while step(&self.sql, place).expect("merges").is_some() {
            self.most_parts = self.most_parts.max(place.parts(&self.sql).expect("reads").len());
            steps += 1;
            assert!(steps < 2_000, "does not end");
        }
        steps
    }

    fn check(&self) {
        let (counts, cells) = self.stored();
        assert!(counts == self.counts, "sums differ");
        assert!(cells * 10 <= counts.len() * 13, "{cells} cells of {}", counts.len());
    }
}

#[test]
fn repeatedly_sealed_cells_are_stored_little_more_than_once() {
    let mut full = Full::new();
    let (mut crowded, mut steps) = (0, 0);
    for _ in 0..12 {
        if !full.seal(30_000, 600).is_empty() {
            crowded += 1;
            steps += full.merge();
        }
    }
    full.merge();
    full.check();
    assert!(crowded > 2 && steps < 60, "{crowded} times, {steps} steps");
    let parts = full.place().parts(&full.sql).expect("reads");
    let mut reaches: Vec<Reach> = parts
        .iter()
        .filter(|part| part.is(Kind::Base))
        .map(|part| part.head.and_then(|head| head.reach).expect("must have a reach"))
        .collect();
    reaches.sort_unstable_by_key(|reach| reach.first);
    assert!(reaches.len() > 1 && parts.len() < 16, "{reaches:?}");
    assert!(reaches.windows(2).all(|pair| pair[0].last <= pair[1].first.0));
}

#[test]
fn a_step_that_fails_at_any_statement_changes_nothing() {
    let mut full = Full::new();
    full.seal(21_000, 300);
    full.seal(21_000, 300);
    step(&full.sql, full.place()).expect("merges");
    full.seal(21_000, 300);
    let place = full.place();
    let before = full.stored();
    for nth in 0.. {
        full.sql.fail_at(nth);
        let done = step(&full.sql, place);
        full.sql.heal();
        if done.is_ok() {
            assert!(nth >= 5, "the double must have failed at each statement before");
            break;
        }
        assert!(full.stored() == before);
    }
    assert!(full.stored().0 == full.counts);
}

#[test]
fn a_place_filled_by_an_earlier_version_is_merged_down() {
    let mut full = Full::new();
    let series: Vec<u8> = (1..100).collect();
    let place = fill(&full.sql, LAYER, full.start_s, &series);
    full.counts = series.iter().map(|series| ((full.start_s, SeriesId::from(*series)), 512)).collect();
    assert_eq!(place.parts(&full.sql).expect("reads").len(), MAX_PARTS);
    full.merge();
    full.check();
    assert!(place.parts(&full.sql).expect("reads").len() < 4 && full.most_parts < MAX_PARTS);
    // And again with base parts.
    fill(&full.sql, LAYER, full.start_s, &series);
    full.counts.values_mut().for_each(|count| *count = 0);
    full.counts = full.stored().0;
    full.merge();
    full.check();
}

#[test]
fn a_series_larger_than_a_part_is_split_between_buckets() {
    let mut full = Full::new();
    let mut cell = Cell::plain(1, None);
    for k in 0u64..8_000 {
        let marks =
            [0, 1, 2, 3].map(|label| model::sketches::Mark { label, hash: k.wrapping_mul(0x9e37_79b9_7f4a_7c15) });
        cell.mark(&marks);
    }
    let start_s = full.start_s;
    for _ in 0..3 {
        let cells = (0..90).map(|bucket| (start_s + bucket * 3600, 7, &cell)).collect();
        seal(&full.sql, LAYER, cells, &mut Sealed::default()).expect("seals");
    }
    full.counts = (0..90).map(|bucket| ((start_s + bucket * 3600, 7), 3)).collect();
    full.merge();
    full.check();
    let parts = full.place().parts(&full.sql).expect("reads");
    assert!(
        parts.len() > 1 && parts.iter().all(|part| part.weight() < 60_000),
        "{:?}",
        parts.iter().map(Part::weight).collect::<Vec<_>>()
    );
}

#[test]
fn parts_without_common_cells_are_merged_only_if_many() {
    let part = |id, first, last, buckets| {
        let reach = Reach { first: (first, 0), last, buckets };
        Part {
            id,
            head: Some(super::super::chunk_cells::Head { kind: Kind::Fresh, weight: 30_000, reach: Some(reach) }),
        }
    };
    let in_time =
        |parts: u32| (0..parts).map(|at| part(i64::from(at), 0, 4095, (at * 7, at * 7 + 7))).collect::<Vec<_>>();
    assert!(!is_crowded(&in_time(48)) && is_crowded(&in_time(49)));
    let by_series: Vec<Part> = (0..48).map(|at| part(i64::from(at), at * 80, at * 80 + 79, (0, 95))).collect();
    assert!(!is_crowded(&by_series));
    assert!(is_crowded(&[part(1, 0, 99, (0, 9)), part(2, 0, 99, (0, 9))]));
    assert!(!is_crowded(&[part(1, 0, 99, (0, 9)), part(2, 90, 189, (0, 9))]));
}

/// Takes minutes without optimisation, and prints its figures.
#[test]
#[ignore = "minutes"]
fn ten_thousand_seals_of_late_points_leave_few_parts() {
    let mut full = Full::new();
    let (mut steps, mut most) = (0, 0);
    for _ in 0..10_000 {
        if !full.seal(5_000, 4_000).is_empty() {
            steps += full.merge();
        }
        most = most.max(full.place().parts(&full.sql).expect("reads").len()).max(full.most_parts);
    }
    full.merge();
    full.check();
    let (counts, cells) = full.stored();
    println!("most parts {most}, {steps} steps, {cells} cells of {}", counts.len());
    assert!(most <= 100);
}
