//! Sorted, disjoint spans of time, few enough to be kept in a small string.

/// Half-open, in Unix seconds.
pub type Span = (i64, i64);

/// The most spans; beyond it, the two that are closest to each other are joined.
pub const MAX_SPANS: usize = 64;

/// Adds a span. Beyond [`MAX_SPANS`], the gap between two spans is added too.
pub fn add(spans: &mut Vec<Span>, (mut from, mut to): Span) {
    let begin = spans.partition_point(|span| span.1 < from);
    let end = begin + spans[begin..].partition_point(|span| span.0 <= to);
    if let (Some(first), Some(last)) = (spans[begin..end].first(), spans[begin..end].last()) {
        (from, to) = (from.min(first.0), to.max(last.1));
    }
    if spans.get(begin) == Some(&(from, to)) {
        return;
    }
    spans.splice(begin..end, [(from, to)]);
    if spans.len() > MAX_SPANS {
        let gap = |at: &usize| spans[at + 1].0 - spans[*at].1;
        let nearest = (0..spans.len() - 1).min_by_key(gap).unwrap_or_default();
        let (_, to) = spans.remove(nearest + 1);
        spans[nearest].1 = to;
    }
}

/// Removes a span.
pub fn remove(spans: &mut Vec<Span>, (from, to): Span) {
    let mut rest = Vec::with_capacity(spans.len() + 1);
    for span in spans.iter() {
        let parts = [(span.0, span.1.min(from)), (span.0.max(to), span.1)];
        rest.extend(parts.into_iter().filter(|(from, to)| from < to));
    }
    *spans = rest;
}

/// The first part within a span.
#[must_use]
pub fn first(spans: &[Span], (from, to): Span) -> Option<Span> {
    let span = spans.get(spans.partition_point(|span| span.1 <= from))?;
    Some((span.0.max(from), span.1.min(to))).filter(|(from, to)| from < to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    fn seconds(spans: &[Span]) -> BTreeSet<i64> {
        spans.iter().flat_map(|(from, to)| *from..*to).collect()
    }

    proptest! {
        #[test]
        fn spans_have_what_was_added_and_not_removed(
            steps in proptest::collection::vec((any::<bool>(), 0i64..300, 1i64..40), 1..60),
        ) {
            let (mut spans, mut wanted) = (Vec::new(), BTreeSet::new());
            for (adds, from, width) in steps {
                let span = (from, from + width);
                if adds {
                    add(&mut spans, span);
                    wanted.extend(span.0..span.1);
                } else {
                    remove(&mut spans, span);
                    wanted.retain(|at| !(span.0..span.1).contains(at));
                }
                prop_assert_eq!(&seconds(&spans), &wanted);
                prop_assert!(spans.windows(2).all(|pair| pair[0].1 < pair[1].0), "{:?}", spans);
                let seen = first(&spans, (100, 200));
                prop_assert_eq!(seen.map(|span| span.0), wanted.range(100..200).next().copied());
                prop_assert!(seen.is_none_or(|(from, to)| to <= 200 && (from..to).all(|at| wanted.contains(&at))));
            }
        }
    }

    #[test]
    fn beyond_the_limit_the_closest_spans_are_joined() {
        let mut spans = Vec::new();
        (0..=64).for_each(|at| add(&mut spans, (at * 100 + i64::from(at == 7) * 50, at * 100 + 60)));
        assert_eq!(spans.len(), MAX_SPANS);
        assert!(spans.contains(&(0, 160)), "all gaps but one are the same: {spans:?}");
        assert!((0..=64).all(|at| first(&spans, (at * 100 + 55, at * 100 + 60)).is_some()));
    }
}
