//! Forecasts: Holt-Winters triple exponential smoothing, and lines through all values.

use super::graph::between;
use crate::error::Result;
use crate::evaluate::Scope;
use crate::function::{Call, Function, Kind, Param, SERIES};
use crate::series::{Series, Tags};

const GROUP: &str = "Calculate";
const BOOTSTRAP: Param = Param::new("bootstrapInterval", Kind::Interval).or("\"7d\"");
const SEASON: Param = Param::new("seasonality", Kind::Interval).or("\"1d\"");
const BANDS: &[Param] = &[SERIES, Param::new("delta", Kind::Integer).or("3"), BOOTSTRAP, SEASON];
/// Smoothing factors of level and season, and of slope, as in graphite-web.
const ALPHA: f64 = 0.1;
const BETA: f64 = 0.0035;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        names: &["holtWintersForecast"],
        group: GROUP,
        params: &[SERIES, BOOTSTRAP, SEASON],
        about: "The Holt-Winters forecast.",
        run: |call| {
            let mut made = Vec::new();
            for forecast in forecasts(call, 1, 2)? {
                let Forecast { mut series, predictions, .. } = forecast;
                tagged(&mut series.tags, &["Forecast", "Deviation"]);
                let name = format!("holtWintersForecast({})", series.name);
                made.push(plain(&series, &name, predictions));
            }
            Ok(made)
        },
    },
    Function {
        names: &["holtWintersConfidenceBands"],
        group: GROUP,
        params: BANDS,
        about: "The Holt-Winters confidence bands: the range in which values are expected.",
        run: bands,
    },
    Function {
        names: &["holtWintersConfidenceArea"],
        group: GROUP,
        params: BANDS,
        about: "The Holt-Winters confidence bands as an area.",
        run: |call| {
            let bands = bands(call)?;
            let mut area = between(call, bands)?;
            for series in &mut area {
                series.tags.remove("areaBetween");
                series.tag("holtWintersConfidenceArea", "1");
                series.rename(series.name.replace("areaBetween", "holtWintersConfidenceArea"));
            }
            Ok(area)
        },
    },
    Function {
        names: &["holtWintersAberration"],
        group: GROUP,
        params: BANDS,
        about: "By how much values are outside the Holt-Winters confidence bands.",
        run: aberration,
    },
    Function {
        names: &["linearRegression"],
        group: GROUP,
        params: &[SERIES, Param::new("startSourceAt", Kind::Date), Param::new("endSourceAt", Kind::Date)],
        about: "The least-squares line through the values.",
        run: regression,
    },
];

/// The forecast of a series for the requested time range, from its past.
struct Forecast {
    series: Series,
    predictions: Vec<f64>,
    deviations: Vec<f64>,
}

fn forecasts(call: &mut Call<'_, '_>, bootstrap_at: usize, season_at: usize) -> Result<Vec<Forecast>> {
    let (preview_s, season_s) = (call.interval_s(bootstrap_at)?, call.interval_s(season_at)?);
    call.evaluator.divide_steps(preview_s);
    call.evaluator.divide_steps(season_s);
    let mut made = Vec::new();
    for mut series in call.first_of(call.scope.begun(preview_s))? {
        let (mut predictions, mut deviations) = smoothed(&series, season_s);
        let preview = usize::try_from(preview_s / series.step_s.max(1)).unwrap_or(0).min(predictions.len());
        predictions.drain(..preview);
        deviations.drain(..preview);
        series.start_s += preview_s;
        made.push(Forecast { series, predictions, deviations });
    }
    Ok(made)
}

/// A series with the same times and tags, without its consolidation function.
fn plain(series: &Series, name: &str, values: Vec<f64>) -> Series {
    let made = Series::new(name, series.time(), values, series.x_files_factor);
    Series { tags: series.tags.clone(), ..made }
}

/// Predictions and their deviations.
fn smoothed(series: &Series, season_s: i64) -> (Vec<f64>, Vec<f64>) {
    let season = usize::try_from(season_s / series.step_s.max(1)).unwrap_or(0);
    let len = series.values.len();
    let (mut seasonals, mut predictions, mut deviations) =
        (Vec::with_capacity(len), Vec::with_capacity(len), Vec::with_capacity(len));
    let (mut level, mut slope, mut next) = (f64::NAN, 0.0, f64::NAN);
    let last = |of: &[f64], at: usize| at.checked_sub(season).and_then(|at| of.get(at)).copied().unwrap_or(0.0);
    for (at, value) in series.values.iter().copied().enumerate() {
        if value.is_nan() {
            predictions.push(next);
            (level, slope, next) = (f64::NAN, 0.0, f64::NAN);
            seasonals.push(0.0);
            deviations.push(0.0);
            continue;
        }
        let prediction = if at == 0 { value } else { next };
        let last_level = if level.is_nan() { value } else { level };
        let last_seasonal = last(&seasonals, at);
        let new_level = ALPHA * (value - last_seasonal) + (1.0 - ALPHA) * (last_level + slope);
        slope = BETA * (new_level - last_level) + (1.0 - BETA) * slope;
        level = new_level;
        let next_seasonal = last(&seasonals, at + 1);
        let off = (value - if prediction.is_nan() { 0.0 } else { prediction }).abs();
        deviations.push(ALPHA * off + (1.0 - ALPHA) * last(&deviations, at));
        seasonals.push(ALPHA * (value - level) + (1.0 - ALPHA) * last_seasonal);
        next = level + slope + next_seasonal;
        predictions.push(prediction);
    }
    (predictions, deviations)
}

fn tagged(tags: &mut Tags, names: &[&str]) {
    for name in names {
        tags.insert(format!("holtWinters{name}"), "1".to_owned());
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few deviations")]
fn bands(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let delta = call.int(1) as f64;
    let mut made = Vec::new();
    for Forecast { mut series, predictions, deviations } in forecasts(call, 2, 3)? {
        tagged(&mut series.tags, &["Forecast", "Deviation", "ConfidenceUpper", "ConfidenceLower"]);
        for (side, sign) in [("Lower", -1.0), ("Upper", 1.0)] {
            let band = predictions.iter().zip(&deviations).map(|(value, off)| value + sign * delta * off).collect();
            let band = plain(&series, &format!("holtWintersConfidence{side}({})", series.name), band);
            made.push(Series { path: series.path.clone(), ..band });
        }
    }
    Ok(made)
}

fn aberration(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let bands = bands(call)?;
    let mut made = Vec::new();
    for mut series in call.series(0) {
        // If bands have the same name, the last one counts, as in graphite-web.
        let band = |side: &str| {
            let name = format!("holtWintersConfidence{side}({})", series.name);
            bands.iter().rfind(|band| band.name == name).map(|band| band.beside(&series))
        };
        let (Some(lower), Some(upper)) = (band("Lower"), band("Upper")) else { continue };
        let outside = |(value, (lower, upper)): (&f64, (f64, f64))| {
            if *value > upper {
                value - upper
            } else if *value < lower {
                value - lower
            } else {
                0.0
            }
        };
        let values = series.values.iter().zip(lower.into_iter().zip(upper)).map(outside).collect();
        series.tag("holtWintersAberration", "1");
        made.push(plain(&series, &format!("holtWintersAberration({})", series.name), values));
    }
    Ok(made)
}

#[expect(clippy::cast_precision_loss, reason = "seconds and steps")]
fn regression(call: &mut Call<'_, '_>) -> Result<Vec<Series>> {
    let mut scope: Scope = call.scope;
    if call.value(1).is_some() {
        scope.from_s = call.time_s(1)?;
    }
    if call.value(2).is_some() {
        scope.until_s = call.time_s(2)?;
    }
    let sources = call.first_of(scope)?;
    let mut made = Vec::new();
    for (source, mut series) in partners(sources, call.series(0)) {
        let Some((factor, offset)) = line(&source) else { continue };
        series.tag("linearRegressions", &format!("{}, {}", scope.from_s, scope.until_s));
        let name = format!("linearRegression({}, {}, {})", series.name, scope.from_s, scope.until_s);
        let value = |at: usize| offset + (series.start_s as f64 + at as f64 * series.step_s as f64) * factor;
        let values = (0..series.values.len()).map(value).collect();
        made.push(plain(&series, &name, values));
    }
    Ok(made)
}

/// Pairs each series with its counterpart from another time range, which may contain other series: the one with its
/// name, or with its tags if names contain values.
fn partners(sources: Vec<Series>, mut series: Vec<Series>) -> Vec<(Series, Series)> {
    let partner = |source: Series| {
        let named = series.iter().position(|one| one.name == source.name);
        let place = named.or_else(|| series.iter().position(|one| one.tags == source.tags))?;
        Some((source, series.remove(place)))
    };
    sources.into_iter().filter_map(partner).collect()
}

/// Slope per second, and value at the Unix epoch, of the line through the values.
#[expect(clippy::cast_precision_loss, reason = "seconds and steps")]
fn line(series: &Series) -> Option<(f64, f64)> {
    let (mut n, mut sum_i, mut sum_v, mut sum_ii, mut sum_iv) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (at, value) in series.values.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
        let i = at as f64;
        (n, sum_i, sum_v, sum_ii, sum_iv) = (n + 1.0, sum_i + i, sum_v + value, sum_ii + i * i, sum_iv + i * value);
    }
    let denominator = n * sum_ii - sum_i * sum_i;
    let factor = (n * sum_iv - sum_i * sum_v) / denominator / series.step_s as f64;
    let offset = (sum_ii * sum_v - sum_iv * sum_i) / denominator - factor * series.start_s as f64;
    (denominator != 0.0).then_some((factor, offset))
}
