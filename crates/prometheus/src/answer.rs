//! Responses in Prometheus' JSON.

use model::labels::Labels;

use super::error::{Result, refuse};
use super::plan::Times;
use super::text::{number, push_all};
use super::value::{Series, Value, is_absent};

/// The most bytes in a response, whose strings come from strangers: it is in memory two or three times on its way
/// out.
pub const MAX_ANSWER_BYTES: usize = 16 << 20;

/// A successful response with this JSON as its data.
#[must_use]
pub fn success(data: &str) -> String {
    format!("{{\"status\":\"success\",\"data\":{data}}}")
}

/// The response to a rejected request.
#[must_use]
pub fn failure(kind: &str, text: &str) -> String {
    format!("{{\"status\":\"error\",\"errorType\":{},\"error\":{}}}", quoted(kind), quoted(text))
}

/// The value of a query at its times, or at its only time.
///
/// # Errors
/// If it would have more than [`MAX_ANSWER_BYTES`].
pub fn value(value: Value, times: &Times, is_range: bool) -> Result<String> {
    let series = match value {
        Value::Scalar(values) if !is_range => {
            let sample = sample(times.start_ms, values[0]);
            return Ok([&head("scalar"), sample.as_str(), TAIL].concat());
        }
        Value::Scalar(values) => vec![Series { name: None, labels: Labels::default(), values }],
        Value::Vector(series) => series,
    };
    let [kind, open, close] = if is_range { ["matrix", ",\"values\":[", "]}"] } else { ["vector", ",\"value\":", "}"] };
    let mut out = head(kind) + "[";
    let start = out.len();
    for one in series {
        if out.len() > MAX_ANSWER_BYTES {
            return refuse(format!(
                "the response would have more than {} MiB: use fewer series or a shorter time range",
                MAX_ANSWER_BYTES >> 20
            ));
        }
        let mut separator = "";
        for (at_ms, value) in times.iter().zip(&one.values).filter(|(_, value)| !is_absent(**value)) {
            if separator.is_empty() {
                let behind = if out.len() > start { "," } else { "" };
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
    out.push_str(TAIL);
    Ok(out)
}

/// A JSON string.
#[must_use]
pub fn quoted(text: &str) -> String {
    json::value::quoted(text)
}

/// A JSON object of strings.
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

/// What precedes a result; [`TAIL`] follows it.
fn head(kind: &str) -> String {
    ["{\"status\":\"success\",\"data\":{\"resultType\":\"", kind, "\",\"result\":"].concat()
}

const TAIL: &str = "}}";

fn sample(at_ms: i64, value: f64) -> String {
    let (seconds, ms) = (at_ms.div_euclid(1000), at_ms.rem_euclid(1000));
    let fraction = if ms == 0 { String::new() } else { format!(".{ms:03}") };
    format!("[{seconds}{fraction},\"{}\"]", number(value))
}
