//! Parses the list of aggregates in `agg`.

use std::ops::RangeInclusive;

use crate::aggregate::Aggregate;
use crate::labels::MAX_NAME_BYTES;
use crate::quantiles::Percent;

use crate::sketches::MAX_DISTINCT;

/// Why a list of aggregates is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AggregateError {
    /// Not an aggregate.
    #[error(
        "unknown aggregate {0:?}; use sum, ratio, rate, count, min, max, p50 (or another number greater than 0 and less than 100, with at most 3 decimal places) or distinct:LABEL"
    )]
    Unknown(String),
    /// More `distinct:` than [`MAX_DISTINCT`].
    #[error("at most {MAX_DISTINCT} different `distinct:` are allowed")]
    TooManyDistinct,
}

/// Parses a comma-separated list of aggregates without duplicates. Labels whose values are counted are numbered in
/// the order of the list.
///
/// # Errors
/// See [`AggregateError`].
pub fn parse_aggregates(text: &str) -> Result<Vec<Aggregate>, AggregateError> {
    let mut aggregates: Vec<Aggregate> = Vec::new();
    let mut labels = 0;
    for name in text.split(',') {
        let aggregate = parse(name, labels).ok_or_else(|| AggregateError::Unknown(name.to_owned()))?;
        if !aggregates.iter().any(|known| known.name() == aggregate.name()) {
            labels += u8::from(aggregate.label().is_some());
            aggregates.push(aggregate);
        }
        if usize::from(labels) > MAX_DISTINCT {
            return Err(AggregateError::TooManyDistinct);
        }
    }
    Ok(aggregates)
}

fn parse(name: &str, number: u8) -> Option<Aggregate> {
    if let Some(label) = name.strip_prefix("distinct:") {
        let is_name = (1..=MAX_NAME_BYTES).contains(&label.len());
        return is_name.then(|| Aggregate::Distinct { label: label.to_owned(), number });
    }
    Some(match name {
        "sum" => Aggregate::Sum,
        "ratio" => Aggregate::Ratio,
        "rate" => Aggregate::Rate,
        "count" => Aggregate::Count,
        "min" => Aggregate::Min,
        "max" => Aggregate::Max,
        _ => Aggregate::Quantile(parse_percent(name.strip_prefix('p')?)?),
    })
}

/// A percentage such as `50`, `99.9` or `0.125`.
fn parse_percent(text: &str) -> Option<Percent> {
    const DECIMALS: u32 = 3;
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let number = |text: &str, digits: RangeInclusive<usize>| -> Option<u32> {
        let is_number = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| is_number)
    };
    let missing = DECIMALS.saturating_sub(u32::try_from(decimals.len()).ok()?);
    Percent::from_thousandths(number(whole, 1..=2)? * 1000 + number(decimals, 1..=3)? * 10u32.pow(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> String {
        let aggregates = parse_aggregates(text).expect("aggregates");
        aggregates.iter().map(|aggregate| aggregate.name().into_owned()).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn each_aggregate_occurs_once_with_its_shortest_name() {
        assert_eq!(names("sum,ratio,rate,count,min,max,sum"), "sum,ratio,rate,count,min,max");
        assert_eq!(names("p50,p50.0,p05,p99.90,p0.001,p99.999,p0.5"), "p50,p5,p99.9,p0.001,p99.999,p0.5");
        assert_eq!(names("distinct:a,sum,distinct:b c,distinct:a"), "distinct:a,sum,distinct:b c");
        let numbers: Vec<_> = parse_aggregates("distinct:b,sum,distinct:b,distinct:a").expect("aggregates");
        assert_eq!(numbers[2], Aggregate::Distinct { label: "a".into(), number: 1 });
    }

    #[test]
    fn an_unknown_aggregate_is_rejected_by_name() {
        for wrong in [
            "",
            "p",
            "p0",
            "p0.000",
            "p100",
            "p-5",
            "p+5",
            "p99.9999",
            "p1e1",
            "p050",
            "p5.",
            "p.5",
            "P50",
            "p5.+1",
            "distinct",
            "distinct:",
            " sum",
            "Sum",
        ] {
            assert_eq!(parse_aggregates(&format!("sum,{wrong}")), Err(AggregateError::Unknown(wrong.into())));
        }
        let long = format!("distinct:{}", "x".repeat(MAX_NAME_BYTES + 1));
        assert_eq!(parse_aggregates(&long), Err(AggregateError::Unknown(long)));
        assert!(parse_aggregates("distinct:a,distinct:b,distinct:c,distinct:d,distinct:a").is_ok());
        let five = "distinct:a,distinct:b,distinct:c,distinct:d,distinct:e";
        assert_eq!(parse_aggregates(five), Err(AggregateError::TooManyDistinct));
    }
}
