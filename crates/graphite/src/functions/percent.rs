//! Series divided by series: quotients, percentages, weighted averages.

use std::collections::BTreeMap;

use super::combine::aggregate;
use super::nodes::{grouped, key};
use crate::error::{Result, refuse};
use crate::function::{Call, Function, Kind, Param, SERIES, Value};
use crate::series::{Aligned, Series, paths, sort_by_name};

const GROUP: &str = "Combine";
const NODES: Param = Param::new("nodes", Kind::NodeOrTag).multiple();
const DIVIDENDS: Param = Param::new("dividendSeriesList", Kind::SeriesList).required();

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        names: &["divideSeries"],
        group: GROUP,
        params: &[DIVIDENDS, Param::new("divisorSeries", Kind::SeriesList).required()],
        about: "Divides each series by one other.",
        run: divide,
    },
    Function {
        names: &["divideSeriesLists"],
        group: GROUP,
        params: &[DIVIDENDS, Param::new("divisorSeriesList", Kind::SeriesList).required()],
        about: "Divides the first, second, .. series of a list by that of another.",
        run: |call| {
            let (dividends, divisors) = (call.series(0), call.series(1));
            if dividends.len() != divisors.len() {
                let text = "dividendSeriesList and divisorSeriesList argument must have equal length";
                return call.evaluator.missing(text.to_owned()).map(|()| Vec::new());
            }
            dividends
                .into_iter()
                .zip(divisors)
                .map(|(one, other)| quotient(call, "divideSeries", one, other, 1.0))
                .collect()
        },
    },
    Function {
        names: &["asPercent", "pct"],
        group: GROUP,
        params: &[SERIES, Param::new("total", Kind::Any), NODES],
        about: "Each series as a percentage of all, of other series, of a number, or of those with the same nodes or tags.",
        run: as_percent,
    },
    Function {
        names: &["weightedAverage"],
        group: GROUP,
        params: &[
            Param::new("seriesListAvg", Kind::SeriesList).required(),
            Param::new("seriesListWeight", Kind::SeriesList).required(),
            NODES,
        ],
        about: "The average of series, weighted by those with the same nodes or tags.",
        run: weighted,
    },
];

fn divide(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let (mut dividends, mut divisors) = (call.series(0), call.series(1));
    if divisors.len() > 1 {
        let len = divisors.len();
        return refuse(format!("divideSeries second argument must reference exactly 1 series (got {len})"));
    }
    let Some(divisor) = divisors.pop() else {
        for one in &mut dividends {
            one.rename(format!("divideSeries({},MISSING)", one.name));
            one.values.fill(f64::NAN);
        }
        return Ok(dividends);
    };
    dividends.into_iter().map(|one| quotient(call, "divideSeries", one, divisor.clone(), 1.0)).collect()
}

fn quotient(call: &Call<'_, '_>, function: &str, one: Series, other: Series, unit: f64) -> Result<Series> {
    let name = format!("{function}({},{})", one.name, other.name);
    let aligned = Aligned::new(vec![one, other])?;
    let aligned = aligned.expect("two series");
    let values = aligned.rows(&|row| over(row[0], row[1]) * unit);
    Ok(Series::new(&name, aligned.time, values, call.evaluator.x_files_factor))
}

/// A quotient; missing if the divisor is 0.
fn over(dividend: f64, divisor: f64) -> f64 {
    if divisor == 0.0 { f64::NAN } else { dividend / divisor }
}

fn as_percent(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let nodes = call.values(2).to_vec();
    let total = call.value(1).cloned().unwrap_or(Value::None);
    let Some(aligned) = Aligned::new(call.series(0))? else { return Ok(Vec::new()) };
    let series = aligned.series;
    if !nodes.is_empty() {
        return percent_by_nodes(call, series, total, &nodes);
    }
    match total {
        Value::None => {
            let sum = summed(call, series.clone())?;
            series.into_iter().map(|one| quotient(call, "asPercent", one, sum.clone(), 100.0)).collect()
        }
        Value::Series(mut totals) if totals.len() == 1 => {
            let total = totals.remove(0);
            series.into_iter().map(|one| quotient(call, "asPercent", one, total.clone(), 100.0)).collect()
        }
        Value::Series(mut totals) if totals.len() == series.len() => {
            let mut series = series;
            sort_by_name(&mut series);
            sort_by_name(&mut totals);
            series.into_iter().zip(totals).map(|(one, other)| quotient(call, "asPercent", one, other, 100.0)).collect()
        }
        Value::Series(_) => {
            let text = "asPercent second argument must be missing, a single digit, reference exactly 1 series or reference the same number of series as the first argument";
            call.evaluator.missing(text.to_owned()).map(|()| Vec::new())
        }
        total => {
            let (text, number) = (total.text(), call.float(1));
            let percent = |one: Series| {
                let name = format!("asPercent({},{text})", one.name);
                let values = one.values.iter().map(|value| over(*value, number) * 100.0).collect();
                Series::new(&name, one.time(), values, call.evaluator.x_files_factor)
            };
            Ok(series.into_iter().map(percent).collect())
        }
    }
}

/// The sum, named after the function that makes it.
fn summed(call: &Call<'_, '_>, series: Vec<Series>) -> Result<Series> {
    let name = format!("sumSeries({})", paths(&series));
    let aligned = Aligned::new(series)?;
    let aligned = aligned.expect("a group has a series");
    let sum = crate::aggregate::AggFunc::Sum;
    Ok(Series::new(&name, aligned.time, aligned.rows(&|row| sum.of(row)), call.evaluator.x_files_factor))
}

fn percent_by_nodes(call: &Call<'_, '_>, series: Vec<Series>, total: Value, nodes: &[Value]) -> Result<Vec<Series>> {
    let groups = grouped(series, &|one| key(one, nodes));
    let totals = match total {
        Value::None => groups.clone(),
        Value::Series(totals) => grouped(totals, &|one| key(one, nodes)),
        _ => return refuse("total must be None or a seriesList"),
    };
    let mut sums = Vec::new();
    for (name, mut group) in totals {
        sums.push((name, if group.len() == 1 { group.remove(0) } else { summed(call, group)? }));
    }
    let mut made = Vec::new();
    for (name, group) in &groups {
        for one in group {
            match sums.iter().find(|(known, _)| known == name) {
                Some((_, sum)) => made.push(quotient(call, "asPercent", one.clone(), sum.clone(), 100.0)?),
                None => made.push(missing(call, one, &format!("asPercent({},MISSING)", one.name))),
            }
        }
    }
    for (_, sum) in sums.iter().filter(|(name, _)| !groups.iter().any(|(known, _)| known == name)) {
        made.push(missing(call, sum, &format!("asPercent(MISSING,{})", sum.name)));
    }
    Ok(made)
}

fn missing(call: &Call<'_, '_>, series: &Series, name: &str) -> Series {
    Series::new(name, series.time(), vec![f64::NAN; series.values.len()], call.evaluator.x_files_factor)
}

fn weighted(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let (averages, weights, nodes) = (call.series(0), call.series(1), call.values(2).to_vec());
    if averages.len() != weights.len() {
        let (averages, weights) = (averages.len(), weights.len());
        let text = format!(
            "weightedAverage must receive the same number of series for seriesListAvg and seriesListWeight but received respectively {averages} and {weights}"
        );
        return call.evaluator.missing(text).map(|()| Vec::new());
    }
    let sorted = |series: &[Series]| {
        let mut paths: Vec<&str> = series.iter().map(|one| one.path.as_str()).collect();
        paths.sort_unstable();
        paths.dedup();
        paths.join(",")
    };
    let shown: Vec<String> = nodes.iter().map(Value::text).collect();
    let name = format!("weightedAverage({}, {}, {})", sorted(&averages), sorted(&weights), shown.join(","));
    // If several share a key the last one counts, although all weights are summed; so does graphite-web.
    let last = |series: &[Series]| -> BTreeMap<String, Series> {
        series.iter().map(|one| (key(one, &nodes), one.clone())).collect()
    };
    let (mut products, mut weight_of) = (Vec::new(), last(&weights));
    for (key, average) in last(&averages) {
        let Some(aligned) = weight_of.remove(&key).map(|weight| Aligned::new(vec![average, weight])) else { continue };
        let aligned = aligned?.expect("two series");
        let product = aligned.rows(&|row| row[0] * row[1]);
        products.push(Series::new("product", aligned.time, product, call.evaluator.x_files_factor));
    }
    let (sum, weight) = (aggregate(call, products, "sum", None)?, aggregate(call, weights, "sum", None)?);
    let (Some(sum), Some(weight)) = (sum, weight) else { return Ok(Vec::new()) };
    let quotient = quotient(call, "", sum, weight, 1.0)?;
    Ok(vec![Series::new(&name, quotient.time(), quotient.values, call.evaluator.x_files_factor)])
}
