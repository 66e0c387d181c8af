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

/// The value of a query at its times, or at its only time.
#[must_use]
pub fn value(value: Value, times: &Times, is_range: bool) -> String {
    let series = match value {
        Value::Scalar(values) if !is_range => return result("scalar", &sample(times.start_ms, values[0])),
        Value::Scalar(values) => vec![Series { name: None, labels: Labels::default(), values }],
        Value::Vector(series) => series,
    };
    let [kind, open, close] = if is_range { ["matrix", ",\"values\":[", "]}"] } else { ["vector", ",\"value\":", "}"] };
    let mut out = String::from("[");
    for one in series {
        let mut separator = "";
        for (at_ms, value) in times.iter().zip(&one.values).filter(|(_, value)| !is_absent(**value)) {
            if separator.is_empty() {
                let behind = if out.len() > 1 { "," } else { "" };
                push_all(&mut out, &[behind, "{\"metric\":", &object(&mut one.pairs()), open]);
            }
            push_all(&mut out, &[separator, &sample(at_ms, *value)]);
            separator = ",";
        }
        if !separator.is_empty() {
            out.push_str(close);
        }
    }
    out.push(']');
    result(kind, &out)
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

fn sample(at_ms: i64, value: f64) -> String {
    let (seconds, ms) = (at_ms.div_euclid(1000), at_ms.rem_euclid(1000));
    let fraction = if ms == 0 { String::new() } else { format!(".{ms:03}") };
    format!("[{seconds}{fraction},\"{}\"]", number(value))
}
