//! Compares what the engine reports with what the model's points say, by definition.

use super::*;
use store::chunk_read;
use store::sql::StoreError;

/// What a bucket must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Bucket {
    n: f64,
    pub(super) count: u64,
    values: Vec<f64>,
    clients: BTreeSet<u8>,
}

impl Model {
    /// Compares everything that the engine knows with the points.
    pub(super) fn check(&self, step_s: i64, by: By) {
        let now_s = self.now_ms / 1000;
        let (from_ms, to_ms) = ((now_s - 90_000) * 1000, (now_s + 10) * 1000);
        let window = Window::new(from_ms, to_ms, Some(step_s), self.now_ms, &Retention::default()).expect("valid");
        let sketches = Wanted { quantiles: true, distinct: 1 };
        let query = Query { window, matchers: Vec::new(), by, sketches };
        let mut seen: BTreeMap<(Labels, i64), Cell> = BTreeMap::new();
        for (labels, cells) in self.engine.query(&query).expect("answers") {
            for (step, cell) in cells {
                let at_s = window.from_s() + i64::from(step) * step_s;
                seen.insert((labels.clone(), at_s), cell);
            }
        }
        let wanted = self.wanted(&query);
        assert_eq!(seen.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
        for (place, bucket) in wanted {
            bucket.check(&seen[&place], &place);
        }
    }

    /// Compares the wider tiers, which answer few queries: each contains every point once.
    pub(super) fn check_tiers(&mut self) {
        self.engine.seal(self.now_ms).expect("seals");
        self.finish();
        let wanted = self.points.iter().filter(|kept| kept.is_alive()).count() as u64;
        for tier in [Tier::H1, Tier::D1] {
            let mut count = 0;
            let each = &mut |_, _, cell: &Cell| {
                count += cell.count;
                Ok(())
            };
            let (all, none) = (0..i64::MAX / 2, Wanted::default());
            chunk_read::each::<StoreError>(&self.sql, Layer::Total(tier), all.start, all.end, |_| true, none, each)
                .expect("reads");
            assert_eq!(count, wanted, "{tier:?}");
        }
    }

    /// Compares the totals of series since the stream began: individually, or all together if some overflow.
    pub(super) fn check_totals(&self, by: &By) {
        let mut wanted: BTreeMap<Labels, Total> = BTreeMap::new();
        for kept in &self.points {
            let Kept { labels, point, .. } = kept;
            let (share, points) = (kept.share(), u64::from(kept.is_alive()));
            if share == 0.0 && points == 0 {
                continue;
            }
            let group = if *by == By::All { Labels::from_canonical(labels) } else { Labels::default() };
            // Without the code under test.
            let wanted = wanted.entry(group).or_default();
            (wanted.n, wanted.d, wanted.points) =
                (wanted.n + share * point.n, wanted.d + share * point.d, wanted.points + points);
        }
        let window = Window::aligned(0, 10, 10).expect("one step");
        let query = Query { window, matchers: Vec::new(), by: by.clone(), sketches: Wanted::default() };
        let seen: BTreeMap<Labels, Total> = self.engine.shown(&query).expect("few").rows.into_iter().collect();
        assert_eq!(seen.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
        for (labels, wanted) in wanted {
            let seen = &seen[&labels];
            let is_close = (seen.n - wanted.n).abs() <= 1e-6 && (seen.d - wanted.d).abs() <= 1e-6;
            assert!(is_close && seen.points == wanted.points, "{seen:?} is not {wanted:?} of {labels:?}");
        }
    }

    /// By definition, each second of a period has the same share.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "whole seconds since 1970")]
    pub(super) fn wanted(&self, query: &Query) -> BTreeMap<(Labels, i64), Bucket> {
        let window = &query.window;
        let mut wanted: BTreeMap<(Labels, i64), Bucket> = BTreeMap::new();
        for kept in &self.points {
            let Kept { labels, client, point, .. } = kept;
            let group = query.group_of(&Labels::from_canonical(labels)).expect("there are no matchers");
            let (from, to) = (point.t - point.p.unwrap_or_default(), point.t);
            for at_s in window.times() {
                let overlap = kept.alive_s(from.max(at_s as f64), to.min((at_s + window.step_s()) as f64));
                let holds_t = (at_s..at_s + window.step_s()).contains(&(to as i64)) && kept.is_alive();
                let share = match point.p {
                    Some(p) if overlap > 0.0 => Some(point.n * overlap / p),
                    None if holds_t => Some(point.n),
                    _ => None,
                };
                if share.is_some() || holds_t {
                    let bucket = wanted.entry((group.clone(), at_s)).or_default();
                    bucket.n += share.unwrap_or_default();
                    bucket.count += u64::from(holds_t);
                    bucket.values.extend(holds_t.then_some(point.n / point.d));
                    bucket.clients.extend(client.filter(|_| holds_t));
                }
            }
        }
        wanted
    }
}

impl Bucket {
    fn check(mut self, seen: &Cell, place: &(Labels, i64)) {
        let n = seen.cover.map_or(0.0, |cover| cover.n);
        assert!((n - self.n).abs() <= 1e-6, "{n} is not {} at {place:?}", self.n);
        assert_eq!(seen.count, self.count, "count at {place:?}");
        assert_eq!(
            seen.distinct_values(0),
            f64::from(u8::try_from(self.clients.len()).expect("few")),
            "clients at {place:?}"
        );
        self.values.sort_by(f64::total_cmp);
        for thousandths in [1, 50_000, 99_900] {
            let rank = (self.values.len() * thousandths).div_ceil(100_000);
            let percent = Percent::from_thousandths(u32::try_from(thousandths).expect("small")).expect("a share");
            let (seen, wanted) = (seen.quantile(percent), rank.checked_sub(1).map(|at| self.values[at]));
            assert_eq!(seen.is_some(), wanted.is_some(), "p{percent} at {place:?}");
            let (seen, wanted) = (seen.unwrap_or_default(), wanted.unwrap_or_default());
            assert!(
                (seen - wanted).abs() <= 0.010_000_001 * wanted.abs(),
                "p{percent} {seen} is not {wanted} at {place:?}"
            );
        }
    }
}
