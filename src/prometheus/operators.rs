//! Aggregation and arithmetic of series.

use std::collections::BTreeMap;

use super::ast::{Aggregation, Aggregator, Grouping, Operation};
use super::error::{Result, refuse};
use super::names::{exported, imported};
use super::parser::NAME;
use super::value::{ABSENT, Series, Value, is_absent};

/// The series of each group.
pub(super) fn aggregate(aggregation: &Aggregation, series: Vec<Series>, count: usize) -> Vec<Series> {
    let labels = as_exported(&aggregation.grouping);
    let is_without = aggregation.grouping.is_without;
    let keeps = |name: &str| labels.iter().any(|label| label == name) != is_without && !(is_without && name == NAME);
    let mut groups: BTreeMap<String, Vec<Series>> = BTreeMap::new();
    for one in series {
        groups.entry(one.key(&keeps)).or_default().push(one);
    }
    let mut all = Vec::new();
    for (key, members) in groups {
        match aggregation.operator {
            Aggregator::Topk | Aggregator::Bottomk => {
                all.extend(highest(members, aggregation.count, aggregation.operator == Aggregator::Topk, count));
            }
            operator => {
                let values = (0..count).map(|at| number(operator, members.iter().map(|one| one.values[at]))).collect();
                all.push(Series { name: None, labels: Series::pairs(&key), values });
            }
        }
    }
    all
}

/// The number of the values that are there.
#[expect(clippy::cast_precision_loss, reason = "a number of series")]
fn number(operator: Aggregator, values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut number) = (0usize, 0.0);
    for value in values.filter(|value| !is_absent(*value)) {
        count += 1;
        let replaces = match operator {
            _ if count == 1 => true,
            Aggregator::Min => value < number || f64::is_nan(number),
            Aggregator::Max => value > number || f64::is_nan(number),
            _ => false,
        };
        if replaces {
            number = value;
        } else if matches!(operator, Aggregator::Sum | Aggregator::Avg) {
            number += value;
        }
    }
    match operator {
        _ if count == 0 => ABSENT,
        Aggregator::Count => count as f64,
        Aggregator::Avg => number / count as f64,
        _ => number,
    }
}

/// The series, of which each time has the so many with the highest or lowest values; at a single time in their order.
fn highest(mut members: Vec<Series>, wanted: usize, is_top: bool, count: usize) -> Vec<Series> {
    let order = |one: f64, other: f64| {
        let ordered = if is_top { other.total_cmp(&one) } else { one.total_cmp(&other) };
        // What is no number comes last.
        one.is_nan().cmp(&other.is_nan()).then(ordered)
    };
    for at in 0..count {
        let mut there: Vec<usize> = (0..members.len()).filter(|one| !is_absent(members[*one].values[at])).collect();
        there.sort_by(|one, other| order(members[*one].values[at], members[*other].values[at]));
        for one in there.into_iter().skip(wanted) {
            members[one].values[at] = ABSENT;
        }
    }
    if count == 1 {
        members.sort_by(|one, other| order(one.values[0], other.values[0]));
    }
    members
}

/// What is made of two sides.
pub(super) fn binary(operation: &Operation, left: Value, right: Value) -> Result<Value> {
    let of_scalars = |one: f64, other: f64| operation.operator.of_two(one, other);
    Ok(match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => {
            Value::Scalar(left.into_iter().zip(right).map(|(one, other)| of_scalars(one, other)).collect())
        }
        (Value::Vector(series), Value::Scalar(scalar)) => {
            Value::Vector(with_scalar(operation, series, &scalar, |value, scalar| (value, scalar)))
        }
        (Value::Scalar(scalar), Value::Vector(series)) => {
            Value::Vector(with_scalar(operation, series, &scalar, |value, scalar| (scalar, value)))
        }
        (Value::Vector(left), Value::Vector(right)) => Value::Vector(matched(operation, left, right)?),
    })
}

fn with_scalar(
    operation: &Operation,
    mut series: Vec<Series>,
    scalar: &[f64],
    sides: impl Fn(f64, f64) -> (f64, f64),
) -> Vec<Series> {
    for one in &mut series {
        for (value, scalar) in one.values.iter_mut().zip(scalar) {
            let (left, right) = sides(*value, *scalar);
            *value = outcome(operation, *value, left, right);
        }
        name_after(operation, one);
    }
    series
}

/// The value of a pair, of which a comparison keeps `kept` where it holds.
fn outcome(operation: &Operation, kept: f64, left: f64, right: f64) -> f64 {
    if is_absent(left) || is_absent(right) {
        return ABSENT;
    }
    let number = operation.operator.of_two(left, right);
    match (operation.operator.compares() && !operation.is_bool, number > 0.0) {
        (false, _) => number,
        (true, true) => kept,
        (true, false) => ABSENT,
    }
}

fn name_after(operation: &Operation, series: &mut Series) {
    if !operation.operator.compares() || operation.is_bool {
        series.name = None;
    }
}

/// Each series of the left with the one of the right that has the same labels, as far as they matter.
fn matched(operation: &Operation, left: Vec<Series>, right: Vec<Series>) -> Result<Vec<Series>> {
    let labels = operation.matching.as_ref().map(as_exported).unwrap_or_default();
    let is_on = operation.matching.as_ref().is_some_and(|matching| !matching.is_without);
    let keeps = |name: &str| {
        if is_on {
            labels.iter().any(|label| label == name)
        } else {
            name != NAME && !labels.iter().any(|label| label == name)
        }
    };
    let mut of_right: BTreeMap<String, Option<Series>> = BTreeMap::new();
    for one in right {
        let key = one.key(&keeps);
        if of_right.insert(key.clone(), Some(one)).is_some() {
            return duplicate("right", &key);
        }
    }
    let mut all = Vec::new();
    for mut one in left {
        let key = one.key(&keeps);
        let Some(there) = of_right.get_mut(&key) else { continue };
        let Some(other) = there.take() else { return duplicate("left", &key) };
        for (value, right) in one.values.iter_mut().zip(other.values) {
            *value = outcome(operation, *value, *value, right);
        }
        name_after(operation, &mut one);
        if operation.matching.is_some() {
            one.labels = Series::pairs(&key).into_iter().filter(|(name, _)| name != NAME).collect();
        }
        all.push(one);
    }
    Ok(all)
}

fn duplicate<T>(side: &str, key: &str) -> Result<T> {
    let pairs: Vec<String> = Series::pairs(key).into_iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    refuse(format!(
        "found duplicate series for the match group {{{}}} on the {side} hand-side of the operation: only one-to-one matching is supported",
        pairs.join(", ")
    ))
}

/// The other sign of all values.
pub(super) fn negative(value: Value) -> Value {
    match value {
        Value::Scalar(values) => Value::Scalar(values.into_iter().map(|value| -value).collect()),
        Value::Vector(mut series) => {
            for one in &mut series {
                one.name = None;
                for value in one.values.iter_mut().filter(|value| !is_absent(**value)) {
                    *value = -*value;
                }
            }
            Value::Vector(series)
        }
    }
}

/// Names of labels as series have them, also if they were given as the stream has them.
fn as_exported(grouping: &Grouping) -> Vec<String> {
    grouping
        .labels
        .iter()
        .map(|label| if label == NAME { NAME.to_owned() } else { exported(&imported(label)) })
        .collect()
}
