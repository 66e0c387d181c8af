//! Cells for property tests, also used by the crates above.

use proptest::prelude::*;

use crate::cell::{Cell, Cover};
use crate::point::Point;
use crate::sketches::Mark;

/// Merges a cell into an optional one.
pub fn merge_into(place: &mut Option<Cell>, cell: Cell) {
    match place {
        Some(there) => there.merge(&cell),
        None => *place = Some(cell),
    }
}

/// A piece of a point as buckets receive it, with whole numbers, so that f64 adds them exactly: an instant, the end
/// of a period, or part of one; some without a ratio, some with label values.
pub fn any_piece() -> impl Strategy<Value = Cell> {
    let value = prop_oneof![Just(-8i32), Just(0), Just(5), -1000i32..1000, 1_000_000i32..9_000_000];
    let d = prop_oneof![4 => Just(1i32), 1 => Just(0), 1 => Just(8), 1 => Just(-8)];
    let marks = proptest::collection::vec((0u8..3, prop_oneof![0u64..3, any::<u64>()]), 0..3);
    (value, d, 0u8..4, marks).prop_map(|(value, d, kind, marks)| {
        // A negative denominator stands for a numerator of -0.
        let (n, d) = if d < 0 { (-0.0, 8.0) } else { (f64::from(value), f64::from(d)) };
        let point = Point { n, d, p: None, t: 0.0 };
        let mut cell = match kind {
            0 => return Cell::plain(0, Some(Cover::of(&point))),
            1 => Cell::end_of_period(&point),
            _ => Cell::of(&point),
        };
        let marks: Vec<Mark> = marks.into_iter().map(|(label, hash)| Mark { label, hash }).collect();
        cell.mark(&marks);
        cell
    })
}

/// Any cell that pieces can make, whose sums are whole numbers.
pub fn any_cell() -> impl Strategy<Value = Cell> {
    let few = proptest::collection::vec(any_piece(), 1..8);
    let same = (any_piece(), 1usize..40).prop_map(|(piece, count)| vec![piece; count]);
    let many = proptest::collection::vec(any_piece(), 8..80);
    prop_oneof![4 => few, 2 => same, 1 => many].prop_map(|pieces| {
        let mut all: Option<Cell> = None;
        for piece in pieces {
            merge_into(&mut all, piece);
        }
        all.expect("at least one")
    })
}
