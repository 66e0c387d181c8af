//! Prometheus and a stream: the real one scrapes it, and its queries work on it.

mod grafana;
mod querying;
mod real;
mod scraping;
mod strict;
pub(crate) mod tools;
mod verdicts;

use serde_json::Value;

use crate::http::{Answer, encoded};
use crate::stream::Stream;

/// Parameters in the form of a query string or form.
fn form(pairs: &[(&str, &str)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

/// A GET with the read key.
fn get(stream: &Stream, path: &str, pairs: &[(&str, &str)]) -> Answer {
    stream.read(&format!("/prometheus/api/v1/{path}?{}", form(pairs)))
}

/// The data of an answer.
#[track_caller]
fn data(answer: Answer) -> Value {
    let mut answer = answer.expect(200).json();
    assert_eq!(answer["status"], "success", "{answer}");
    answer["data"].take()
}

/// The vector of an instant query: labels as a string, and values.
#[track_caller]
fn vector(answer: Answer) -> Vec<(Value, f64)> {
    let data = data(answer);
    assert_eq!(data["resultType"], "vector");
    let sample = |sample: &Value| {
        assert!(sample["value"][0].is_number(), "{sample}");
        (sample["metric"].clone(), number(&sample["value"][1]))
    };
    data["result"].as_array().expect("a list").iter().map(sample).collect()
}

/// A number as Prometheus quotes it.
fn number(text: &Value) -> f64 {
    text.as_str().expect("quoted").parse().expect("a number")
}
