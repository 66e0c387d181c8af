//! Evaluates a query: first collects what it needs from the stream, then, once that is fetched, computes its value.

use super::ast::Expr;
use super::error::{Result, refuse};
use super::leaf::{Leaf, StreamData, StreamRead};
use super::names::imported;
use super::operators::{aggregate, binary};
use super::plan::{RetentionNow, Times};
use super::value::Value;

/// The most different reads in a query, each of a window of all shards.
const MAX_READS: usize = 48;
/// The most values in all series of a query, at 8 bytes each.
const MAX_VALUES: usize = 1_000_000;
/// The most labels by which sums are read already grouped.
const MAX_LABELS: usize = 16;

/// Evaluates a query at its times.
pub struct Evaluator<'a> {
    times: Times,
    kept: RetentionNow<'a>,
    wants: Vec<StreamRead>,
    found: Vec<StreamData>,
    values: usize,
}

impl<'a> Evaluator<'a> {
    /// An evaluator for these times.
    #[must_use]
    pub fn new(times: Times, kept: RetentionNow<'a>) -> Self {
        Self { times, kept, wants: Vec::new(), found: Vec::new(), values: 0 }
    }

    /// Collects what an expression needs.
    ///
    /// # Errors
    /// If a matcher is invalid, or the expression needs too many reads.
    pub fn wants(&mut self, expr: &Expr) -> Result<&[StreamRead]> {
        self.collect(expr, None)?;
        let reads: usize = self.wants.iter().map(|want| want.windows.len() + usize::from(want.has_totals)).sum();
        if reads > MAX_READS {
            return refuse(format!("the query needs {reads} reads of the stream, more than {MAX_READS}"));
        }
        Ok(&self.wants)
    }

    fn collect(&mut self, expr: &Expr, by: Option<&[String]>) -> Result<()> {
        match expr {
            Expr::Number(_) => Ok(()),
            Expr::Instant(_) | Expr::Range(..) => {
                let leaf = self.leaf(expr, by)?;
                if !leaf.is_empty() && !self.wants.contains(&leaf.want) {
                    self.wants.push(leaf.want);
                }
                Ok(())
            }
            Expr::Aggregate(_, inner) => self.collect(inner, pushed(expr)),
            Expr::Binary(_, left, right) => {
                self.collect(left, None)?;
                self.collect(right, None)
            }
        }
    }

    fn leaf(&self, expr: &Expr, by: Option<&[String]>) -> Result<Leaf> {
        let by = by.map(|labels| labels.iter().map(|label| imported(label)).collect());
        match expr {
            Expr::Range(function, selector, range_ms) => {
                Leaf::of(selector, Some((*function, *range_ms)), by, &self.times, self.kept)
            }
            Expr::Instant(selector) => Leaf::of(selector, None, by, &self.times, self.kept),
            _ => refuse("not a selector"),
        }
    }

    /// The collected reads.
    #[must_use]
    pub fn wanted(&self) -> &[StreamRead] {
        &self.wants
    }

    /// Provides the results of the reads, in the same order.
    pub fn give(&mut self, found: Vec<StreamData>) {
        self.found = found;
    }

    /// The value of an expression, once everything that it needs is provided.
    ///
    /// # Errors
    /// If operands don't fit together, or there are too many values.
    pub fn value(&mut self, expr: &Expr) -> Result<Value> {
        self.evaluate(expr, None)
    }

    fn evaluate(&mut self, expr: &Expr, by: Option<&[String]>) -> Result<Value> {
        Ok(match expr {
            Expr::Number(number) => Value::Scalar(vec![*number; self.times.count]),
            Expr::Instant(_) | Expr::Range(..) => {
                let leaf = self.leaf(expr, by)?;
                let place = self.wants.iter().position(|want| *want == leaf.want);
                let Some(found) = place.and_then(|place| self.found.get(place)) else {
                    return Ok(Value::Vector(Vec::new()));
                };
                self.values += leaf.values(found);
                if self.values > MAX_VALUES {
                    return refuse(format!(
                        "the query has more than {MAX_VALUES} values: use a wider step, a shorter time range or fewer series"
                    ));
                }
                Value::Vector(leaf.series(found))
            }
            Expr::Aggregate(aggregation, inner) => {
                let Value::Vector(series) = self.evaluate(inner, pushed(expr))? else {
                    return refuse("only series can be aggregated");
                };
                Value::Vector(aggregate(aggregation, series, self.times.count))
            }
            Expr::Binary(operation, left, right) => {
                let (left, right) = (self.evaluate(left, None)?, self.evaluate(right, None)?);
                binary(operation, left, right)?
            }
        })
    }
}

/// The labels by which a selector can be read, as its series are only summed by them.
fn pushed(expr: &Expr) -> Option<&[String]> {
    use super::ast::Aggregator::Sum;
    let Expr::Aggregate(aggregation, inner) = expr else { return None };
    let is_leaf = matches!(**inner, Expr::Instant(_) | Expr::Range(..));
    let grouping = &aggregation.grouping;
    let is_by = aggregation.operator == Sum && !grouping.is_without && grouping.labels.len() <= MAX_LABELS;
    (is_leaf && is_by).then_some(&grouping.labels)
}
