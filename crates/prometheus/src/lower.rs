//! Lowers a parsed query to the subset that a stream answers; an error names the first unsupported part of the
//! query.

use super::ast::{Aggregation, Aggregator, Expr, Grouping, LabelMatcher, Operation, Operator, RangeFunction, Selector};
use super::error::{Result, refuse};
use super::parser::Parser;
use super::syntax::{AnyOperator, Binary, Kind, Node, When};

/// The most series that `topk` keeps.
const MAX_KEPT: f64 = 500.0;
/// The longest range or offset.
const LONGEST_MS: i64 = 100 * 365 * 86_400_000;

/// Lowers a query to an expression.
///
/// # Errors
/// Reports what is not supported, and where.
pub(super) fn lower(query: &Parser<'_>, node: &Node) -> Result<Expr> {
    match &node.kind {
        Kind::Number(number) => Ok(Expr::Number(*number)),
        Kind::Text => query.unsupported("a string as an expression", node.at),
        Kind::Selector(matchers, when) => Ok(Expr::Instant(selector(query, matchers, when)?)),
        Kind::Range(..) | Kind::Subquery(_) => {
            query.unsupported("a range outside rate, increase and sum_over_time, or a subquery", node.at)
        }
        Kind::Parentheses(inner) => lower(query, inner),
        Kind::Negative(inner) => {
            let operation = Operation { operator: Operator::Multiply, is_bool: false, matching: None };
            Ok(Expr::Binary(operation, Box::new(Expr::Number(-1.0)), Box::new(lower(query, inner)?)))
        }
        Kind::Call(function, arguments) => call(query, function.name, arguments, node.at),
        Kind::Aggregation { name, grouping, arguments } => aggregation(query, name, grouping, arguments, node.at),
        Kind::Binary(two) => binary(query, two, node.at),
    }
}

fn selector(query: &Parser<'_>, matchers: &[LabelMatcher], when: &When) -> Result<Selector> {
    if let Some(at) = when.at {
        return query.unsupported("the modifier @", at);
    }
    let offset_ms = when.offset_ms.unwrap_or_default();
    not_too_long(offset_ms.abs())?;
    Ok(Selector { matchers: matchers.to_vec(), offset_ms })
}

fn not_too_long(ms: i64) -> Result<()> {
    if ms > LONGEST_MS { refuse("not supported here: ranges and offsets of more than 100 years") } else { Ok(()) }
}

fn call(query: &Parser<'_>, name: &str, arguments: &[Node], at: usize) -> Result<Expr> {
    let function = match name {
        "rate" => RangeFunction::Rate,
        "increase" => RangeFunction::Increase,
        "sum_over_time" => RangeFunction::SumOverTime,
        _ => return query.unsupported("this function", at),
    };
    match arguments.first().map(|argument| &argument.inner().kind) {
        Some(Kind::Range(matchers, range_ms, when)) => {
            not_too_long(*range_ms)?;
            Ok(Expr::Range(function, selector(query, matchers, when)?, *range_ms))
        }
        _ => query.unsupported("a subquery", at),
    }
}

fn aggregation(query: &Parser<'_>, name: &str, grouping: &Grouping, arguments: &[Node], at: usize) -> Result<Expr> {
    let operator = match name {
        "sum" => Aggregator::Sum,
        "avg" => Aggregator::Avg,
        "min" => Aggregator::Min,
        "max" => Aggregator::Max,
        "count" => Aggregator::Count,
        "topk" => Aggregator::Topk,
        "bottomk" => Aggregator::Bottomk,
        _ => return query.unsupported("this aggregation", at),
    };
    let [parameter @ .., series] = arguments else { return query.unsupported("this aggregation", at) };
    let count = parameter.first().map_or(Ok(0), |parameter| kept(query, parameter))?;
    let mut grouping = grouping.clone();
    grouping.labels.sort();
    grouping.labels.dedup();
    Ok(Expr::Aggregate(Aggregation { operator, count, grouping }, Box::new(lower(query, series)?)))
}

/// The number of series to keep; 0 if the parameter is less than one.
fn kept(query: &Parser<'_>, parameter: &Node) -> Result<usize> {
    let Kind::Number(number) = parameter.inner().kind else {
        return query.unsupported("anything but a number of series to keep", parameter.at);
    };
    if !number.is_finite() || number > MAX_KEPT {
        return refuse(format!("topk and bottomk can keep at most {MAX_KEPT} series"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 500, and 0 below")]
    Ok(number as usize)
}

fn binary(query: &Parser<'_>, two: &Binary, at: usize) -> Result<Expr> {
    let operator = match two.operator {
        AnyOperator::Plain(operator) => operator,
        AnyOperator::Atan2 => return query.unsupported("atan2", at),
        AnyOperator::Set(name) => return query.unsupported(name, at),
    };
    if let Some((name, at)) = two.group {
        return query.unsupported(name, at);
    }
    let operation = Operation { operator, is_bool: two.is_bool, matching: two.matching.clone() };
    Ok(Expr::Binary(operation, Box::new(lower(query, &two.left)?), Box::new(lower(query, &two.right)?)))
}
