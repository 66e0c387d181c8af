//! Aggregation and arithmetic of series.

use std::collections::BTreeMap;

use model::labels::Labels;

use super::ast::{Aggregation, Aggregator, Grouping, Operation};
use super::error::{Result, refuse};
use super::names::{exported, imported};
use super::parser::NAME;
use super::value::{ABSENT, Series, Value, is_absent};

/// The series of each group, in the order of their labels.
#[inline(never)]
pub(super) fn aggregate(aggregation: &Aggregation, mut series: Vec<Series>, count: usize) -> Vec<Series> {
    let (groups, members) = grouped(&aggregation.grouping, &series);
    let operator = aggregation.operator;
    if matches!(operator, Aggregator::Topk | Aggregator::Bottomk) {
        let mut order = Vec::new();
        for members in &members {
            for at in 0..count {
                order = keep_first(&mut series, members, at, aggregation.count, operator == Aggregator::Topk);
            }
        }
        // At a single time, the series of a single group are sorted by value.
        if count == 1 && members.len() == 1 {
            return order.iter().map(|one| series[*one].clone()).collect();
        }
        return series;
    }
    let mut all = Vec::with_capacity(members.len());
    for (labels, group) in &groups {
        let members = &members[*group as usize];
        let values = (0..count).map(|at| number(operator, &series, members, at)).collect();
        all.push(Series { name: None, labels: labels.clone(), values });
    }
    all
}

/// Groups by their labels, each with the indices of its series.
#[expect(clippy::cast_possible_truncation, reason = "series are bounded")]
fn grouped(grouping: &Grouping, series: &[Series]) -> (BTreeMap<Labels, u32>, Vec<Vec<usize>>) {
    let labels = as_exported(grouping);
    let is_without = grouping.is_without;
    let keeps = |name: &str| labels.iter().any(|label| label == name) != is_without && !(is_without && name == NAME);
    let (mut groups, mut members) = (BTreeMap::new(), Vec::<Vec<usize>>::new());
    for (place, one) in series.iter().enumerate() {
        let group = *groups.entry(one.key(&keeps)).or_insert(members.len() as u32) as usize;
        if group == members.len() {
            members.push(Vec::new());
        }
        members[group].push(place);
    }
    (groups, members)
}

/// The number of values present.
#[inline(never)]
#[expect(clippy::cast_precision_loss, reason = "a number of series")]
fn number(operator: Aggregator, series: &[Series], members: &[usize], at: usize) -> f64 {
    let (mut count, mut number) = (0usize, 0.0);
    for value in members.iter().map(|one| series[*one].values[at]).filter(|value| !is_absent(*value)) {
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

/// Removes, at a time, the values of a group except the `kept` highest or lowest, whose indices it returns in
/// order. NaN sorts last.
fn keep_first(series: &mut [Series], members: &[usize], at: usize, wanted: usize, is_top: bool) -> Vec<usize> {
    let mut first: Vec<usize> = Vec::new();
    for one in members {
        let value = series[*one].values[at];
        if is_absent(value) {
            continue;
        }
        let is_before = |there: &usize| {
            let there = series[*there].values[at];
            value.is_nan() || if is_top { there >= value } else { there <= value }
        };
        first.insert(first.partition_point(is_before), *one);
        if first.len() > wanted {
            first.pop();
        }
    }
    let kept: Vec<f64> = first.iter().map(|one| series[*one].values[at]).collect();
    for one in members {
        series[*one].values[at] = ABSENT;
    }
    for (one, value) in first.iter().zip(kept) {
        series[*one].values[at] = value;
    }
    first
}

/// The result of a binary operation.
#[inline(never)]
pub(super) fn binary(operation: &Operation, left: Value, right: Value) -> Result<Value> {
    Ok(match (left, right) {
        (Value::Scalar(mut left), Value::Scalar(right)) => {
            for (one, other) in left.iter_mut().zip(right) {
                *one = outcome(operation, *one, *one, other);
            }
            Value::Scalar(left)
        }
        (Value::Vector(series), Value::Scalar(scalar)) => {
            Value::Vector(with_scalar(operation, series, &scalar, false)?)
        }
        (Value::Scalar(scalar), Value::Vector(series)) => Value::Vector(with_scalar(operation, series, &scalar, true)?),
        (Value::Vector(left), Value::Vector(right)) => Value::Vector(matched(operation, &left, &right)?),
    })
}

fn with_scalar(operation: &Operation, mut series: Vec<Series>, scalar: &[f64], is_left: bool) -> Result<Vec<Series>> {
    for one in &mut series {
        for (value, scalar) in one.values.iter_mut().zip(scalar) {
            let (left, right) = if is_left { (*scalar, *value) } else { (*value, *scalar) };
            *value = outcome(operation, *value, left, right);
        }
        name_after(operation, one);
    }
    unified(series)
}

/// The value of a pair; a comparison returns `kept` if it holds.
#[inline(never)]
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

/// Pairs each series on the left with the one on the right that has the same matching labels.
fn matched(operation: &Operation, left: &[Series], right: &[Series]) -> Result<Vec<Series>> {
    let default = Grouping { is_without: true, labels: Vec::new() };
    let matching = operation.matching.as_ref().unwrap_or(&default);
    let (of_left, left_members) = grouped(matching, left);
    let (of_right, right_members) = grouped(matching, right);
    let count = left.first().map_or(0, |series| series.values.len());
    let rights = (0..count)
        .map(|at| {
            let is_asked = left.iter().any(|series| !is_absent(series.values[at]));
            right_members.iter().map(|members| if is_asked { only(right, members, at) } else { Ok(ABSENT) }).collect()
        })
        .collect::<Result<Vec<Vec<f64>>>>()?;
    let mut all = Vec::new();
    for (labels, group) in &of_left {
        let Some(other) = of_right.get(labels) else { continue };
        let members = &left_members[*group as usize];
        let mut some: Vec<Series> = members.iter().map(|one| left[*one].clone()).collect();
        for (at, right) in rights.iter().enumerate() {
            let mut kept = 0;
            for value in some.iter_mut().map(|one| &mut one.values[at]) {
                *value = outcome(operation, *value, *value, right[*other as usize]);
                kept += usize::from(!is_absent(*value));
            }
            if kept > 1 {
                return refuse("several series on the left match one on the right: group_left is not supported here");
            }
        }
        all.append(&mut some);
    }
    for one in &mut all {
        name_after(operation, one);
        if let Some(matching) = &operation.matching {
            only_matched(matching, one);
        }
    }
    unified(all)
}

/// The value of the only one among some series that has one at a time.
fn only(series: &[Series], members: &[usize], at: usize) -> Result<f64> {
    let mut values = members.iter().map(|one| series[*one].values[at]).filter(|value| !is_absent(*value));
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => {
            refuse("found duplicate series for a match group on the right: only one-to-one matching is supported")
        }
        (value, _) => Ok(value.unwrap_or(ABSENT)),
    }
}

/// `on` keeps the labels it names, `ignoring` removes them; the metric's name is treated as a label.
fn only_matched(matching: &Grouping, series: &mut Series) {
    let (labels, is_without) = (as_exported(matching), matching.is_without);
    let keeps = |name: &str| labels.iter().any(|label| label == name) != is_without;
    let name = series.name.take().filter(|_| keeps(NAME));
    series.labels = series.key(&keeps);
    series.name = name;
}

/// Merges series with equal labels, of which at most one may have a value at a time.
#[expect(clippy::cast_possible_truncation, reason = "series are bounded")]
fn unified(series: Vec<Series>) -> Result<Vec<Series>> {
    let mut places = BTreeMap::<Labels, u32>::new();
    let mut all: Vec<Series> = Vec::with_capacity(series.len());
    for one in series {
        let place = *places.entry(one.key(&|_| true)).or_insert(all.len() as u32) as usize;
        let Some(there) = all.get_mut(place) else {
            all.push(one);
            continue;
        };
        for (value, other) in there.values.iter_mut().zip(one.values).filter(|(_, other)| !is_absent(*other)) {
            if !is_absent(*value) {
                return refuse("vector cannot contain metrics with the same labelset: name one metric");
            }
            *value = other;
        }
    }
    Ok(all)
}

/// The Prometheus names of labels, which may also be given by the stream's names.
fn as_exported(grouping: &Grouping) -> Vec<String> {
    let name = |label: &String| if label == NAME { label.clone() } else { exported(&imported(label)) };
    grouping.labels.iter().map(name).collect()
}
