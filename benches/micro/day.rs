//! A day of counters of a hundred series flushed every 10 s: the data of `system`.

use std::ops::Range;

use model::cell::Cell;
use model::labels::Labels;
use model::open::{OpenBuckets, Owner, SeriesId};
use model::point::Point;
use model::tier::Layer;
use store::chunks;

use crate::sql::Memory;

pub(crate) const SERIES: SeriesId = 100;
pub(crate) const HOURS: usize = 24;
pub(crate) const HOUR_S: i64 = 3_600;
/// When the day begins: midnight.
pub(crate) const NOW_S: i64 = 1_792_540_800;
const STEPS_AN_HOUR: u32 = 360;

/// What a series counted in a step: 20 to 79, without a pattern that compresses.
#[expect(clippy::cast_precision_loss, reason = "a time in seconds fits 53 bits")]
pub(crate) fn point(step: u32, series: SeriesId) -> Point {
    let n = 20 + ((u64::from(step * SERIES + series) * 2_654_435_761) >> 16) % 60;
    Point { n: n as f64, d: 1.0, p: None, t: (NOW_S + i64::from(step) * 10) as f64 }
}

/// The points of the first series, merged.
pub(crate) fn cell(mut steps: Range<u32>) -> Cell {
    let mut cell = Cell::of(&point(steps.next().expect("a step"), 0));
    steps.for_each(|step| cell.merge(&Cell::of(&point(step, 0))));
    cell
}

/// The open buckets of an hour.
pub(crate) fn hour(hour: u32) -> OpenBuckets {
    let mut open = OpenBuckets::default();
    for step in hour * STEPS_AN_HOUR..(hour + 1) * STEPS_AN_HOUR {
        for series in 0..SERIES {
            open.add(Owner { series, is_established: true }, &point(step, series), &[], 10_000, || 0, |_, _, _, _| ());
        }
    }
    open
}

/// A layer of the whole day, sealed hour by hour.
pub(crate) fn sealed(layer: Layer) -> Memory {
    let sql = Memory::new();
    for number in 0..24 {
        chunks::seal(&sql, layer, hour(number).layer(layer), &mut chunks::Sealed::default()).expect("seals");
    }
    sql
}

/// The labels of each series, by its number: 20 countries with 5 paths each.
pub(crate) fn labels() -> Vec<Labels> {
    let text = |series| format!("country\u{1f}c{:02}\u{1e}path\u{1f}/page/{}\u{1e}", series % 20, series / 20);
    (0..SERIES).map(|series| Labels::from_canonical(&text(series))).collect()
}
