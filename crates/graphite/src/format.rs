//! Writes responses to `render` in pieces. None contains `NaN` or an infinity: a missing value is null.

use std::ops::Range;
use std::rc::Rc;

use model::pieces::Pieces;
use model::spreadsheet::neutral;

use super::error::{Result, refuse};
use super::request::{Format, Request};
use super::series::Series;
use super::text::repr;
use super::time::csv_text;

/// The most points in a response: 8 MB, and some 30 MB as text.
pub const MAX_POINTS: usize = 1_000_000;

/// How many values are written at a time: some 40 KB of text.
const VALUES_AT_ONCE: usize = 2_000;

/// The content type of a response, and the response.
///
/// # Errors
/// If it would have more than [`MAX_POINTS`].
pub fn render(
    request: &Request,
    mut series: Vec<Series>,
    zone: Rc<dyn Fn(i64) -> i64>,
) -> Result<(&'static str, Pieces)> {
    if let (Format::Json, Some(max)) = (request.format, request.max_points) {
        for one in &mut series {
            consolidate(one, max);
        }
    }
    let points: usize = series.iter().map(|one| one.values.len()).sum();
    if points > MAX_POINTS {
        return refuse(format!(
            "the response would have {points} points, more than {MAX_POINTS}: use a shorter time range, fewer series or a smaller maxDataPoints"
        ));
    }
    let (media_type, open, close) = match &request.jsonp {
        Some(function) => ("text/javascript", format!("{function}("), ")"),
        None => ("application/json", String::new(), ""),
    };
    Ok(match request.format {
        Format::Json => (media_type, points_json(series, request.skips_null, open + "[", ["]", close].concat())),
        Format::Dygraph => (media_type, dygraph(series, open, close)),
        Format::Rickshaw => (media_type, rickshaw(series, open + "[", ["]", close].concat())),
        Format::Csv => ("text/csv", csv(series, zone)),
        Format::Raw => ("text/plain", raw(series)),
        Format::Msgpack => ("application/x-msgpack", msgpack(series)),
    })
}

/// Appends some values of a series, as bytes or as a string.
type Push<T> = Box<dyn FnMut(&mut T, &Series, Range<usize>)>;

/// What comes before the series, the series themselves (some values at a time), and what comes after them. A series
/// is dropped once it is written.
fn walk<T: Append + Default + 'static>(
    series: Vec<Series>,
    mut begin: T,
    mut end: T,
    mut push: Push<T>,
) -> impl FnMut(&mut T) -> bool {
    let (mut rest, mut from, mut is_begun) = (series.into_iter(), 0, false);
    let mut now = rest.next();
    move |out| {
        if !is_begun {
            is_begun = true;
            out.append(std::mem::take(&mut begin));
        }
        let Some(one) = &now else {
            out.append(std::mem::take(&mut end));
            return false;
        };
        let to = one.values.len().min(from + VALUES_AT_ONCE);
        push(out, one, from..to);
        (from, now) = if to < one.values.len() { (to, now.take()) } else { (0, rest.next()) };
        true
    }
}

/// Bytes and strings.
trait Append {
    fn append(&mut self, more: Self);
}

impl Append for String {
    fn append(&mut self, more: Self) {
        self.push_str(&more);
    }
}

impl Append for Vec<u8> {
    fn append(&mut self, more: Self) {
        self.extend(more);
    }
}

/// At most `max` points, whose times are multiples of the new step.
fn consolidate(series: &mut Series, max: i64) {
    let len = i64::try_from(series.values.len()).unwrap_or(i64::MAX);
    if max == 1 {
        series.consolidate(len);
        return;
    }
    let step_s = series.step_s.max(1);
    let span_s = series.end_s - series.start_s;
    if span_s <= max.saturating_mul(step_s) {
        return;
    }
    let per_point = (span_s + step_s * max - 1) / (step_s * max);
    let point_s = per_point * step_s;
    let nudge_s = point_s + series.start_s.rem_euclid(step_s) - series.start_s.rem_euclid(point_s);
    series.start_s += nudge_s;
    let lost = usize::try_from(nudge_s / step_s - 1).unwrap_or(0);
    series.values.drain(..lost.min(series.values.len()));
    series.consolidate(per_point);
}

#[inline(never)]
fn push_text(out: &mut String, text: &str) {
    out.push_str(&json::value::quoted(text));
}

/// Writes a number as JSON: whole numbers without a point; null if it is missing.
#[inline(never)]
fn push_number(out: &mut String, value: f64) {
    const WHOLE_BELOW: f64 = 1e15;
    if !value.is_finite() {
        out.push_str("null");
    } else if value.trunc() == value && value.abs() < WHOLE_BELOW {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 10^15")]
        out.push_str(&(value as i64).to_string());
    } else {
        out.push_str(&json::value::number(value));
    }
}

/// A comma between entries; nothing before the first.
fn separate(out: &mut String, is_first: &mut bool) {
    if !std::mem::take(is_first) {
        out.push(',');
    }
}

/// The points of some values.
fn points(one: &Series, values: &Range<usize>) -> impl Iterator<Item = (i64, f64)> {
    one.points().skip(values.start).take(values.len())
}

fn points_json(mut series: Vec<Series>, skips_null: bool, open: String, close: String) -> Pieces {
    // Without any value there is no output, as in graphite-web.
    if series.iter().all(|one| one.values.is_empty()) {
        series.clear();
    }
    if skips_null {
        series.retain(|one| one.points().any(|(_, value)| !value.is_nan()));
    }
    let (mut is_first_series, mut is_first) = (true, true);
    Pieces::of_text(walk(
        series,
        open,
        close,
        Box::new(move |out, one, values| {
            if values.start == 0 {
                separate(out, &mut is_first_series);
                out.push_str("{\"target\":");
                push_text(out, &one.name);
                out.push_str(",\"tags\":{");
                let mut is_first_tag = true;
                for (tag, value) in &one.tags {
                    separate(out, &mut is_first_tag);
                    push_text(out, tag);
                    out.push(':');
                    push_text(out, value);
                }
                out.push_str("},\"datapoints\":[");
                is_first = true;
            }
            for (at_s, value) in points(one, &values).filter(|(_, value)| !skips_null || !value.is_nan()) {
                separate(out, &mut is_first);
                out.push('[');
                push_number(out, value);
                out.push(',');
                out.push_str(&at_s.to_string());
                out.push(']');
            }
            if values.end == one.values.len() {
                out.push_str("]}");
            }
        }),
    ))
}

fn dygraph(series: Vec<Series>, open: String, close: &'static str) -> Pieces {
    let (mut head, mut at) = (Some(open), 0);
    Pieces::of_text(move |out| {
        if let Some(open) = head.take() {
            out.push_str(&open);
            out.push_str(if series.is_empty() { "{}" } else { "{\"labels\":[\"Time\"" });
            for one in &series {
                out.push(',');
                push_text(out, &one.name);
            }
            if !series.is_empty() {
                out.push_str("],\"data\":[");
            }
            return true;
        }
        let Some(first) = series.first() else {
            out.push_str(close);
            return false;
        };
        let Some((at_s, _)) = first.points().nth(at).filter(|(at_s, _)| *at_s < first.end_s) else {
            out.push_str("]}");
            out.push_str(close);
            return false;
        };
        out.push_str(if at == 0 { "[" } else { ",[" });
        out.push_str(&at_s.to_string());
        out.push_str("000");
        for one in &series {
            out.push(',');
            push_number(out, one.values.get(at).copied().unwrap_or(f64::NAN));
        }
        out.push(']');
        at += 1;
        true
    })
}

fn rickshaw(series: Vec<Series>, open: String, close: String) -> Pieces {
    let (mut is_first_series, mut is_first) = (true, true);
    Pieces::of_text(walk(
        series,
        open,
        close,
        Box::new(move |out, one, values| {
            if values.start == 0 {
                separate(out, &mut is_first_series);
                out.push_str("{\"target\":");
                push_text(out, &one.name);
                out.push_str(",\"datapoints\":[");
                is_first = true;
            }
            for (at_s, value) in points(one, &values).take_while(|(at_s, _)| *at_s < one.end_s) {
                separate(out, &mut is_first);
                out.push_str("{\"x\":");
                out.push_str(&at_s.to_string());
                out.push_str(",\"y\":");
                push_number(out, value);
                out.push('}');
            }
            if values.end == one.values.len() {
                out.push_str("]}");
            }
        }),
    ))
}

fn csv(series: Vec<Series>, zone: Rc<dyn Fn(i64) -> i64>) -> Pieces {
    let push = move |out: &mut String, one: &Series, values: Range<usize>| {
        let name = neutral(&one.name);
        let is_quoted = name.contains([',', '"', '\r', '\n']);
        let name = if is_quoted { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.into_owned() };
        let times = std::iter::successors(Some(one.start_s), |at_s| Some(at_s + one.step_s));
        for (at_s, value) in times.skip(values.start).zip(&one.values[values]) {
            out.extend([name.as_str(), ",", &csv_text(at_s, &*zone), ","]);
            if value.is_finite() {
                out.push_str(&repr(*value));
            }
            out.push_str("\r\n");
        }
    };
    Pieces::of_text(walk(series, String::new(), String::new(), Box::new(push)))
}

fn raw(series: Vec<Series>) -> Pieces {
    let push = |out: &mut String, one: &Series, values: Range<usize>| {
        if values.start == 0 {
            let (start_s, end_s, step_s) = one.time();
            let (start, end, step) = (start_s.to_string(), end_s.to_string(), step_s.to_string());
            out.extend([one.name.as_str(), ",", &start, ",", &end, ",", &step, "|"]);
        }
        let (mut is_first, is_last) = (values.start == 0, values.end == one.values.len());
        for value in &one.values[values] {
            separate(out, &mut is_first);
            out.push_str(&if value.is_finite() { repr(*value) } else { "None".to_owned() });
        }
        if is_last {
            out.push('\n');
        }
    };
    Pieces::of_text(walk(series, String::new(), String::new(), Box::new(push)))
}

fn msgpack(series: Vec<Series>) -> Pieces {
    const MAP_OF_9: u8 = 0x89;
    let mut head = Vec::new();
    put_len(&mut head, 0xdd, series.len());
    let push = |out: &mut Vec<u8>, one: &Series, values: Range<usize>| {
        if values.start == 0 {
            out.push(MAP_OF_9);
            put_text(out, "name", &one.name);
            put_text(out, "pathExpression", &one.path);
            put_text(out, "consolidationFunc", &one.consolidate);
            let numbers = [("start", one.start_s), ("end", one.end_s), ("step", one.step_s), ("valuesPerPoint", 1)];
            for (name, number) in numbers {
                put_short(out, name);
                out.push(0xd3);
                out.extend(number.to_be_bytes());
            }
            put_short(out, "xFilesFactor");
            put_float(out, one.x_files_factor);
            put_short(out, "values");
            put_len(out, 0xdd, one.values.len());
        }
        one.values[values].iter().for_each(|value| put_float(out, *value));
    };
    Pieces::of(walk(series, head, Vec::new(), Box::new(push)))
}

/// A marker and a length in four bytes.
fn put_len(out: &mut Vec<u8>, marker: u8, len: usize) {
    out.push(marker);
    out.extend(u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
}

fn put_short(out: &mut Vec<u8>, text: &str) {
    put_len(out, 0xdb, text.len());
    out.extend(text.as_bytes());
}

fn put_text(out: &mut Vec<u8>, name: &str, text: &str) {
    put_short(out, name);
    put_short(out, text);
}

fn put_float(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        out.push(0xcb);
        out.extend(value.to_be_bytes());
    } else {
        out.push(0xc0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Pair;

    fn rendered(query: &str) -> String {
        let pairs: Vec<Pair> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let request = Request::parse(&pairs, 1_792_540_800, &|_| 0).expect("valid");
        let series = Series::new("a;b=\"c\"", (20, 50, 10), vec![1.5, f64::NAN, 2.0], 0.0);
        String::from_utf8_lossy(&render(&request, vec![series], Rc::new(|_| 0)).expect("small").1.whole()).into_owned()
    }

    #[test]
    fn each_format_is_written_as_its_readers_expect() {
        for (query, wanted) in [
            (
                "",
                r#"[{"target":"a;b=\"c\"","tags":{"b":"\"c\"","name":"a"},"datapoints":[[1.5,20],[null,30],[2,40]]}]"#,
            ),
            (
                "noNullPoints=1",
                r#"[{"target":"a;b=\"c\"","tags":{"b":"\"c\"","name":"a"},"datapoints":[[1.5,20],[2,40]]}]"#,
            ),
            ("maxDataPoints=1", r#"[{"target":"a;b=\"c\"","tags":{"b":"\"c\"","name":"a"},"datapoints":[[1.75,20]]}]"#),
            (
                "format=rickshaw&jsonp=f",
                r#"f([{"target":"a;b=\"c\"","datapoints":[{"x":20,"y":1.5},{"x":30,"y":null},{"x":40,"y":2}]}])"#,
            ),
            ("format=dygraph", r#"{"labels":["Time","a;b=\"c\""],"data":[[20000,1.5],[30000,null],[40000,2]]}"#),
            ("format=raw", "a;b=\"c\",20,50,10|1.5,None,2.0\n"),
            (
                "format=csv",
                "\"a;b=\"\"c\"\"\",1970-01-01 00:00:20,1.5\r\n\"a;b=\"\"c\"\"\",1970-01-01 00:00:30,\r\n\"a;b=\"\"c\"\"\",1970-01-01 00:00:40,2.0\r\n",
            ),
        ] {
            assert_eq!(rendered(query), wanted, "{query}");
        }
    }
}
