//! Answers in Prometheus' JSON.

use crate::domain::labels::Labels;

use super::plan::Times;
use super::text::{number, push_all};
use super::value::{Series, Value, is_absent};

/// An answer with these data, which are JSON.
#[must_use]
pub fn success(data: &str) -> String {
    format!("{{\"status\":\"success\",\"data\":{data}}}")
}

/// The answer to a request that is refused.
#[must_use]
pub fn failure(kind: &str, text: &str) -> String {
    format!("{{\"status\":\"error\",\"errorType\":{},\"error\":{}}}", quoted(kind), quoted(text))
}

/// The value of a query at its only time.
#[must_use]
pub fn instant(value: &Value, times: &Times) -> String {
    match value {
        Value::Scalar(values) => result("scalar", &sample(times.start_ms, values.first().copied().unwrap_or(f64::NAN))),
        Value::Vector(series) => {
            let mut out = String::from("[");
            for one in series.iter().filter(|one| !is_absent(one.values[0])) {
                push_metric(&mut out, one);
                push_all(&mut out, &[",\"value\":", &sample(times.start_ms, one.values[0]), "}"]);
            }
            out.push(']');
            result("vector", &out)
        }
    }
}

/// The value of a query at its times.
#[must_use]
pub fn range(value: Value, times: &Times) -> String {
    let series = match value {
        Value::Scalar(values) => vec![Series { name: None, labels: Labels::default(), values }],
        Value::Vector(series) => series,
    };
    let mut out = String::from("[");
    for one in series.iter().filter(|one| one.values.iter().any(|value| !is_absent(*value))) {
        push_metric(&mut out, one);
        out.push_str(",\"values\":[");
        let mut separator = "";
        for (at_ms, value) in times.iter().zip(&one.values).filter(|(_, value)| !is_absent(**value)) {
            push_all(&mut out, &[separator, &sample(at_ms, *value)]);
            separator = ",";
        }
        out.push_str("]}");
    }
    out.push(']');
    result("matrix", &out)
}

/// A text in quotes.
#[must_use]
pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text always serialises")
}

/// An object of texts.
#[must_use]
pub fn object<'a>(pairs: &mut dyn Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::from("{");
    for (name, value) in pairs {
        if out.len() > 1 {
            out.push(',');
        }
        push_all(&mut out, &[&quoted(name), ":", &quoted(value)]);
    }
    out.push('}');
    out
}

fn result(kind: &str, result: &str) -> String {
    success(&format!("{{\"resultType\":\"{kind}\",\"result\":{result}}}"))
}

/// The beginning of a series, behind the one before.
fn push_metric(out: &mut String, series: &Series) {
    if out.len() > 1 {
        out.push(',');
    }
    push_all(out, &["{\"metric\":", &object(&mut series.pairs())]);
}

fn sample(at_ms: i64, value: f64) -> String {
    let (seconds, ms) = (at_ms.div_euclid(1000), at_ms.rem_euclid(1000));
    let fraction = if ms == 0 { String::new() } else { format!(".{ms:03}") };
    format!("[{seconds}{fraction},\"{}\"]", number(value))
}
