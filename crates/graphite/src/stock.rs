//! The series of a request's leaves: those fetched, and those still wanted. Equal leaves are fetched once, and
//! leaves that differ only in their aggregates share a query.

use std::collections::BTreeMap;

use model::aggregate::Aggregate;
use model::grid::Row;
use model::retention::Retention;
use model::sketches::Wanted;
use model::window::Window;

use super::error::{Result, refuse};
use super::evaluate::{Leaf, Scope, Source, Work};
use super::leaf::Selection;
use super::naming::Naming;
use super::series::Series;
use super::steps::{RetentionNow, Steps};

/// The most values in all leaves of a request: 16 MB.
const MAX_LEAF_VALUES: usize = 2_000_000;
/// The most queries that a request sends to its stream.
const MAX_QUERIES: usize = 64;

/// A query to the stream, and what its answer is for.
pub struct Query {
    /// The window.
    pub window: Window,
    /// Matchers, in the syntax of `where`.
    pub matchers: Vec<String>,
    /// Labels to group by; `None` for all labels.
    pub by: Option<Vec<String>>,
    /// The sketches it needs; the labels whose values are counted are those of [`Naming::distinct`].
    pub sketches: Wanted,
    leaves: Vec<(Key, Selection)>,
}

/// A leaf's source, and from, to and step of its window.
type Key = (String, [i64; 3]);

/// The leaves of a request.
pub struct Stock<'a> {
    naming: &'a Naming,
    kept: RetentionNow<'a>,
    /// The request's current time; nothing is later.
    pub latest_s: i64,
    /// The most points per series.
    pub max_points: Option<i64>,
    /// The steps of each target so far.
    steps: Vec<Steps>,
    /// The index of the target being evaluated.
    target: usize,
    /// What it wants, if its steps don't change until its end.
    wishes: Vec<(Key, Selection, Window)>,
    there: BTreeMap<Key, Vec<Series>>,
    wanted: Vec<Query>,
    asked: usize,
    values: usize,
    bytes: usize,
    work: Work,
}

impl<'a> Stock<'a> {
    /// An empty stock.
    #[must_use]
    pub fn new(naming: &'a Naming, retention: &'a Retention, now_s: i64) -> Self {
        let (there, wanted, steps, wishes) = (BTreeMap::new(), Vec::new(), Vec::new(), Vec::new());
        let (kept, latest_s, work) = (RetentionNow { retention, now_s }, now_s, Work::default());
        let (max_points, target, asked, values, bytes) = (None, 0, 0, 0, 0);
        Self { naming, kept, latest_s, max_points, steps, target, wishes, there, wanted, asked, values, bytes, work }
    }

    /// The queries that must be answered before the targets can be evaluated.
    ///
    /// # Errors
    /// If there are too many.
    pub fn take_wanted(&mut self) -> Result<Vec<Query>> {
        self.asked += self.wanted.len();
        if self.asked > MAX_QUERIES {
            return refuse(format!("the request has more than {MAX_QUERIES} different leaves"));
        }
        Ok(std::mem::take(&mut self.wanted))
    }

    /// Adds the answer to a query.
    ///
    /// # Errors
    /// If all leaves together have too many values.
    pub fn put(&mut self, query: Query, rows: &[Row]) -> Result<()> {
        for (key, selection) in query.leaves {
            let series = selection.series(rows, &query.window)?;
            self.values += series.iter().map(|one| one.values.len()).sum::<usize>();
            if self.values > MAX_LEAF_VALUES {
                return refuse(format!(
                    "the request reads more than {MAX_LEAF_VALUES} values: use a shorter time range, fewer series or a smaller maxDataPoints"
                ));
            }
            self.bytes += series.iter().map(Series::bytes).sum::<usize>();
            self.there.insert(key, series);
        }
        Ok(())
    }

    /// The memory of all fetched leaves.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn want(&mut self, key: Key, selection: Selection, window: Window) {
        let aggregates: Vec<Aggregate> = selection.aggregates().cloned().collect();
        let sketches = Aggregate::sketches(&aggregates);
        let is_same = |query: &&mut Query| {
            query.window == window && query.matchers == selection.matchers && query.by == selection.by
        };
        let Some(query) = self.wanted.iter_mut().find(is_same) else {
            let (matchers, by) = (selection.matchers.clone(), selection.by.clone());
            self.wanted.push(Query { window, matchers, by, sketches, leaves: vec![(key, selection)] });
            return;
        };
        query.sketches.quantiles |= sketches.quantiles;
        query.sketches.distinct |= sketches.distinct;
        if !query.leaves.iter().any(|(known, _)| *known == key) {
            query.leaves.push((key, selection));
        }
    }
}

impl Source for Stock<'_> {
    fn fetch(&mut self, leaf: &Leaf<'_>, scope: Scope) -> Result<Vec<Series>> {
        let Some(selection) = Selection::of(leaf, self.naming, &self.work.steps)? else { return Ok(Vec::new()) };
        let scope = Scope { until_s: scope.until_s.min(self.latest_s), ..scope };
        let steps = self.steps.get_mut(self.target);
        let Some(window) = steps.and_then(|steps| steps.window(scope, self.kept)) else { return Ok(Vec::new()) };
        let text = match leaf {
            Leaf::Path(path) => (*path).to_owned(),
            // Separates them with a character that no path contains.
            Leaf::Tags(expressions) => format!("\n{}", expressions.join("\n")),
            Leaf::Grouped(expressions, tags, callback) => {
                format!("\n{callback}\n{}\n\n{}", tags.join("\n"), expressions.join("\n"))
            }
        };
        let key = (text, [window.from_s(), window.to_s(), window.step_s()]);
        if let Some(series) = self.there.get(&key) {
            return Ok(series.clone());
        }
        self.wishes.push((key, selection, window));
        Ok(Vec::new())
    }

    fn work(&self) -> Work {
        self.work.clone()
    }

    fn is_waiting(&self) -> bool {
        let is_held = self.steps.get(self.target).is_none_or(Steps::is_held);
        !is_held || !self.wishes.is_empty() || !self.wanted.is_empty()
    }

    fn begin(&mut self, target: usize, scope: Scope) {
        self.target = target;
        self.wishes.clear();
        if self.steps.len() <= target {
            self.steps.resize(target + 1, Steps::new(scope, self.max_points));
        }
        self.steps[target].begin();
    }

    fn divide_steps(&mut self, interval_s: i64) {
        if let Some(steps) = self.steps.get_mut(self.target) {
            steps.divide(interval_s, self.kept);
        }
    }

    fn keep_points(&mut self) {
        if let Some(steps) = self.steps.get_mut(self.target) {
            steps.keep_points(self.kept);
        }
    }

    fn end(&mut self) -> bool {
        let is_held = self.steps.get(self.target).is_none_or(Steps::is_held);
        for (key, selection, window) in std::mem::take(&mut self.wishes) {
            if is_held {
                self.want(key, selection, window);
            }
        }
        is_held
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Evaluator;
    use crate::naming::tests::visits;
    use crate::target::{MAX_TARGET_BYTES, parse};
    use model::budget::Budget;
    use model::labels::Labels;

    const NOW: i64 = 1_792_540_800;

    #[test]
    fn all_evaluations_share_the_allowance_of_a_request() {
        let (naming, retention) = (visits(), Retention::default());
        let scope = Scope { from_s: NOW - 3600, until_s: NOW };
        for (target, steps, values, wanted) in [
            ("exclude(constantLine(1),'(?:a?){200}b')", 5_000_000, 1_000, "(?:a?){200}b"),
            ("aliasSub(constantLine(1),'(?:a?){200}b','x')", 5_000_000, 1_000, "(?:a?){200}b"),
            ("constantLine(1)", 5_000_000, 20, "is too expensive"),
        ] {
            let mut stock = Stock::new(&naming, &retention, NOW);
            stock.work = Work { steps: Budget::new(steps), values: Budget::new(values) };
            let targets = [parse(target).expect("a target")];
            let refused = (0..20)
                .find_map(|at| Some((at, Evaluator::new(&mut stock, NOW, &|_| 0).targets(&targets, scope).err()?.0)));
            assert!(
                refused.as_ref().is_some_and(|(at, text)| *at > 0 && text.contains(wanted)),
                "{target} {refused:?}"
            );
        }
    }

    #[test]
    fn equal_leaves_and_aggregates_of_one_leaf_share_a_query() {
        let (naming, retention) = (visits(), Retention::default());
        let mut stock = Stock::new(&naming, &retention, NOW);
        let scope = Scope { from_s: NOW - 3600, until_s: NOW };
        let target = "group(divideSeries(visits.sum,visits.count),visits.p99_9,visits.sum,timeShift(visits.sum,'1h'))";
        let targets = [parse(target).expect("a target")];
        Evaluator::new(&mut stock, NOW, &|_| 0).targets(&targets, scope).expect("evaluates");
        assert!(stock.is_waiting());
        let queries = stock.take_wanted().expect("few");
        let seen: Vec<(i64, bool, usize)> =
            queries.iter().map(|query| (query.window.from_s(), query.sketches.quantiles, query.leaves.len())).collect();
        assert_eq!(seen, [(NOW - 3590, true, 3), (NOW - 7190, false, 1)]);
        for query in queries {
            stock.put(query, &[]).expect("fits");
        }
        let targets = [parse(target).expect("a target")];
        Evaluator::new(&mut stock, NOW, &|_| 0).targets(&targets, scope).expect("evaluates");
        assert!(!stock.is_waiting());
    }

    #[test]
    fn leaves_with_too_many_values_together_are_refused() {
        let (naming, retention) = (visits(), Retention::default());
        let mut stock = Stock::new(&naming, &retention, NOW);
        let mut put = |target: &str, rows: &dyn Fn(usize) -> usize| {
            let targets = [parse(target).expect("a target")];
            let scope = Scope { from_s: NOW - 6 * 3600, until_s: NOW };
            Evaluator::new(&mut stock, NOW, &|_| 0).targets(&targets, scope).expect("evaluates");
            let query = stock.take_wanted().expect("few").pop().expect("one");
            let rows = rows(usize::try_from(query.window.steps()).expect("positive"));
            let labels = |row: usize| Labels::from_canonical(&format!("a\u{1f}{row}\u{1e}"));
            stock.put(query, &(0..rows).map(|row| (labels(row), Vec::new())).collect::<Vec<Row>>())
        };
        // The first has as many as allowed, or a few less, so that the second has too many.
        assert_eq!(put("seriesByTag('name=visits.sum')", &|steps| MAX_LEAF_VALUES / steps), Ok(()));
        let refused = put("seriesByTag('name=visits.count')", &|_| 2).expect_err("too many").0;
        assert!(refused.starts_with("the request reads more than 2000000 values"), "{refused}");
    }

    #[test]
    fn a_template_cannot_expand_to_a_path_longer_than_a_target() {
        let (naming, retention) = (visits(), Retention::default());
        let mut stock = Stock::new(&naming, &retention, NOW);
        let scope = Scope { from_s: NOW - 3600, until_s: NOW };
        let mut expanded = |bytes: usize| {
            let target = format!("template(visits.$a$a, a='{}')", "x".repeat((bytes - "visits.".len()) / 2));
            let targets = [parse(&target).expect("a target")];
            Evaluator::new(&mut stock, NOW, &|_| 0).targets(&targets, scope).map(|_| ())
        };
        assert_eq!(expanded(MAX_TARGET_BYTES - 1), Ok(()));
        for bytes in [MAX_TARGET_BYTES + 1, MAX_TARGET_BYTES + 3] {
            let refused = expanded(bytes).expect_err("too long").0;
            assert_eq!(refused, "the path that a template makes can have at most 16384 bytes");
        }
    }
}
