//! Answers to `render`. None of them has `NaN` or an infinity: what has no value is null.

use crate::domain::spreadsheet::neutral;

use super::error::{Result, refuse};
use super::request::{Format, Request};
use super::series::Series;
use super::text::repr;
use super::time::{Zone, csv_text};

/// An answer has at most so many points: some 30 MB of text.
pub const MAX_POINTS: usize = 1_000_000;

/// The content type and the bytes of an answer.
///
/// # Errors
/// When there are more than [`MAX_POINTS`].
pub fn render(request: &Request, mut series: Vec<Series>, zone: Zone<'_>) -> Result<(&'static str, Vec<u8>)> {
    if let (Format::Json, Some(max)) = (request.format, request.max_points) {
        for one in &mut series {
            consolidate(one, max);
        }
    }
    let points: usize = series.iter().map(|one| one.values.len()).sum();
    if points > MAX_POINTS {
        return refuse(format!(
            "the answer would have {points} points, more than {MAX_POINTS}: ask for a shorter time, fewer series or a smaller maxDataPoints"
        ));
    }
    let json = |body: String| match &request.jsonp {
        Some(function) => ("text/javascript", format!("{function}({body})").into_bytes()),
        None => ("application/json", body.into_bytes()),
    };
    Ok(match request.format {
        Format::Json => json(points_json(&series, request.skips_null)),
        Format::Dygraph => json(dygraph(&series)),
        Format::Rickshaw => json(rickshaw(&series)),
        Format::Csv => ("text/csv", csv(&series, zone).into_bytes()),
        Format::Raw => ("text/plain", raw(&series).into_bytes()),
        Format::Msgpack => ("application/x-msgpack", msgpack(&series)),
    })
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
    out.push_str(&serde_json::to_string(text).expect("a text always serialises"));
}

/// As JSON has it: whole numbers without a point, and null.
#[inline(never)]
fn push_number(out: &mut String, value: f64) {
    const WHOLE_BELOW: f64 = 1e15;
    if !value.is_finite() {
        out.push_str("null");
    } else if value.trunc() == value && value.abs() < WHOLE_BELOW {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 10^15")]
        out.push_str(&(value as i64).to_string());
    } else {
        out.push_str(&serde_json::to_string(&value).expect("a number always serialises"));
    }
}

/// Comma between, nothing before the first.
fn separate(out: &mut String, opened_with: char) {
    if !out.ends_with(opened_with) {
        out.push(',');
    }
}

fn points_json(series: &[Series], skips_null: bool) -> String {
    let mut out = String::from("[");
    // Without any value there is no answer, as in graphite-web.
    let is_empty = series.iter().all(|one| one.values.is_empty());
    for one in series.iter().filter(|_| !is_empty) {
        if skips_null && one.points().all(|(_, value)| value.is_nan()) {
            continue;
        }
        separate(&mut out, '[');
        out.push_str("{\"target\":");
        push_text(&mut out, &one.name);
        out.push_str(",\"tags\":{");
        for (tag, value) in &one.tags {
            separate(&mut out, '{');
            push_text(&mut out, tag);
            out.push(':');
            push_text(&mut out, value);
        }
        out.push_str("},\"datapoints\":[");
        let mut is_first = true;
        for (at_s, value) in one.points().filter(|(_, value)| !skips_null || !value.is_nan()) {
            out.push_str(if is_first { "[" } else { ",[" });
            is_first = false;
            push_number(&mut out, value);
            out.push(',');
            out.push_str(&at_s.to_string());
            out.push(']');
        }
        out.push_str("]}");
    }
    out.push(']');
    out
}

fn dygraph(series: &[Series]) -> String {
    let Some(first) = series.first() else { return "{}".to_owned() };
    let mut out = String::from("{\"labels\":[\"Time\"");
    for one in series {
        out.push(',');
        push_text(&mut out, &one.name);
    }
    out.push_str("],\"data\":[");
    for (at, (at_s, _)) in first.points().enumerate().take_while(|(_, (at_s, _))| *at_s < first.end_s) {
        out.push_str(if at == 0 { "[" } else { ",[" });
        out.push_str(&at_s.to_string());
        out.push_str("000");
        for one in series {
            out.push(',');
            push_number(&mut out, one.values.get(at).copied().unwrap_or(f64::NAN));
        }
        out.push(']');
    }
    out.push_str("]}");
    out
}

fn rickshaw(series: &[Series]) -> String {
    let mut out = String::from("[");
    for one in series {
        separate(&mut out, '[');
        out.push_str("{\"target\":");
        push_text(&mut out, &one.name);
        out.push_str(",\"datapoints\":[");
        for (at_s, value) in one.points().take_while(|(at_s, _)| *at_s < one.end_s) {
            separate(&mut out, '[');
            out.push_str("{\"x\":");
            out.push_str(&at_s.to_string());
            out.push_str(",\"y\":");
            push_number(&mut out, value);
            out.push('}');
        }
        out.push_str("]}");
    }
    out.push(']');
    out
}

fn csv(series: &[Series], zone: Zone<'_>) -> String {
    let mut out = String::new();
    for one in series {
        let name = neutral(&one.name);
        let is_quoted = name.contains([',', '"', '\r', '\n']);
        let name = if is_quoted { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.into_owned() };
        let times = std::iter::successors(Some(one.start_s), |at_s| Some(at_s + one.step_s));
        for (at_s, value) in times.zip(&one.values) {
            out.extend([name.as_str(), ",", &csv_text(at_s, zone), ","]);
            if value.is_finite() {
                out.push_str(&repr(*value));
            }
            out.push_str("\r\n");
        }
    }
    out
}

fn raw(series: &[Series]) -> String {
    let mut out = String::new();
    for one in series {
        let (start_s, end_s, step_s) = one.time();
        let (start, end, step) = (start_s.to_string(), end_s.to_string(), step_s.to_string());
        out.extend([one.name.as_str(), ",", &start, ",", &end, ",", &step, "|"]);
        for value in &one.values {
            separate(&mut out, '|');
            out.push_str(&if value.is_finite() { repr(*value) } else { "None".to_owned() });
        }
        out.push('\n');
    }
    out
}

fn msgpack(series: &[Series]) -> Vec<u8> {
    const MAP_OF_9: u8 = 0x89;
    let mut out = Vec::new();
    put_len(&mut out, 0xdd, series.len());
    for one in series {
        out.push(MAP_OF_9);
        put_text(&mut out, "name", &one.name);
        put_text(&mut out, "pathExpression", &one.path);
        put_text(&mut out, "consolidationFunc", &one.consolidate);
        for (name, number) in [("start", one.start_s), ("end", one.end_s), ("step", one.step_s), ("valuesPerPoint", 1)]
        {
            put_short(&mut out, name);
            out.push(0xd3);
            out.extend(number.to_be_bytes());
        }
        put_short(&mut out, "xFilesFactor");
        put_float(&mut out, one.x_files_factor);
        put_short(&mut out, "values");
        put_len(&mut out, 0xdd, one.values.len());
        one.values.iter().for_each(|value| put_float(&mut out, *value));
    }
    out
}

/// A marker and a length of four bytes.
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
    use crate::graphite::request::Pair;

    fn rendered(query: &str) -> String {
        let pairs: Vec<Pair> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let request = Request::parse(&pairs, 1_792_540_800, &|_| 0).expect("valid");
        let series = Series::new("a;b=\"c\"", (20, 50, 10), vec![1.5, f64::NAN, 2.0], 0.0);
        String::from_utf8_lossy(&render(&request, vec![series], &|_| 0).expect("small").1).into_owned()
    }

    #[test]
    fn each_format_is_what_its_readers_expect() {
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
