//! The mergeable value that every bucket, tier, group, shard and delta is made of.

use super::point::Point;

/// What is known of the points that touch a span of time.
///
/// There is no empty cell: absence is `Option<Cell>`, so no infinity ever stands for "nothing yet".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Datapoints whose `t` lies in the span.
    pub count: u64,
    /// What the points that cover a part of the span bring in; `None` when only ends of periods lie here.
    pub cover: Option<Cover>,
}

/// The sums over the parts of points that lie in a span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cover {
    /// Sum of the numerators.
    pub n: f64,
    /// Sum of the denominators.
    pub d: f64,
    /// Least and greatest n/d of the points; `None` when all of them have `d` = 0.
    pub extent: Option<Extent>,
}

/// Least and greatest of one or more numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Cell {
    /// The cell of one instant point.
    #[must_use]
    pub fn of(point: &Point) -> Self {
        Self { count: 1, cover: Some(Cover::of(point)) }
    }

    /// The cell that only counts a point, where its period ends.
    #[must_use]
    pub fn end_of_period() -> Self {
        Self { count: 1, cover: None }
    }

    /// Merges another cell into this one. Commutative and, up to the rounding of f64 sums, associative.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.cover = match (self.cover, other.cover) {
            (Some(one), Some(two)) => Some(one.merged(two)),
            (one, two) => one.or(two),
        };
    }
}

impl Cover {
    /// The whole of a point.
    #[must_use]
    pub fn of(point: &Point) -> Self {
        let ratio = point.n / point.d;
        let extent = ratio.is_finite().then_some(Extent { min: ratio, max: ratio });
        Self { n: point.n, d: point.d, extent }
    }

    /// The part of a cover that falls into `fraction` of its span: sums shrink, n/d does not.
    #[must_use]
    pub fn scaled(self, fraction: f64) -> Self {
        Self { n: self.n * fraction, d: self.d * fraction, extent: self.extent }
    }

    fn merged(self, other: Self) -> Self {
        let extent = match (self.extent, other.extent) {
            (Some(one), Some(two)) => Some(Extent { min: one.min.min(two.min), max: one.max.max(two.max) }),
            (one, two) => one.or(two),
        };
        Self { n: self.n + other.n, d: self.d + other.d, extent }
    }
}

/// Merges a cell into a place that may be empty.
pub fn merge_into(place: &mut Option<Cell>, cell: &Cell) {
    match place {
        Some(there) => there.merge(cell),
        None => *place = Some(*cell),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Any cell whose sums are whole numbers, so that f64 adds them exactly.
    pub(crate) fn any_cell() -> impl Strategy<Value = Cell> {
        let extent = proptest::option::of(
            (-1000i32..1000, 0i32..1000)
                .prop_map(|(min, width)| Extent { min: f64::from(min) / 8.0, max: f64::from(min + width) / 8.0 }),
        );
        let cover = (-1_000_000i32..1_000_000, 0i32..1_000_000, extent).prop_map(|(n, d, extent)| Cover {
            n: f64::from(n),
            d: f64::from(d),
            extent,
        });
        (0u64..1000, proptest::option::of(cover)).prop_map(|(count, cover)| Cell { count, cover })
    }

    fn merged(mut one: Cell, two: &Cell) -> Cell {
        one.merge(two);
        one
    }

    proptest! {
        #[test]
        fn merge_is_commutative(a in any_cell(), b in any_cell()) {
            prop_assert_eq!(merged(a, &b), merged(b, &a));
        }

        #[test]
        fn merge_is_associative(a in any_cell(), b in any_cell(), c in any_cell()) {
            prop_assert_eq!(merged(merged(a, &b), &c), merged(a, &merged(b, &c)));
        }
    }

    #[test]
    fn a_point_without_denominator_mass_has_no_ratio() {
        let point = Point { n: 3.0, d: 0.0, p: None, t: 0.0 };
        assert_eq!(Cell::of(&point).cover.and_then(|cover| cover.extent), None);
    }
}
