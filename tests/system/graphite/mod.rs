//! The Graphite API on the real Worker: compared with graphite-web, as Grafana uses it, and at its limits.

#[path = "../../graphite/compare.rs"]
mod compare;
#[path = "../../graphite/dataset.rs"]
mod dataset;
#[path = "../../graphite/oracle.rs"]
mod oracle;

mod differential;
pub(crate) mod grafana;
mod limits;
mod listing;
mod reading;
mod speed;
mod steps;

use serde_json::{Value, json};

use crate::clock::now_whole_s;
use crate::http::{Answer, encoded};
use crate::server::Server;
use crate::stream::Stream;

/// A stream called `visits` with the data of the differential tests up to this Unix second.
fn visits() -> (Stream, i64) {
    let stream = Stream::create(Server::shared(), json!({"name": "visits"}));
    let now_s = i64::try_from(now_whole_s()).expect("this century");
    let end_s = now_s / dataset::STEP_S * dataset::STEP_S - 120;
    let point = |point: &dataset::Point| {
        let labels: serde_json::Map<String, Value> =
            point.labels.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        json!({"n": point.n, "d": point.d, "v": labels, "t": point.at_s + dataset::STEP_S / 2}).to_string()
    };
    let points: Vec<String> = dataset::points(end_s).iter().map(point).collect();
    assert_eq!(stream.write(points.join("\n"))["rejected"], 0);
    (stream, end_s)
}

/// Parameters in the form of a query string or form.
fn form(pairs: &[(&str, &str)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

/// A GET with the read key.
fn get(stream: &Stream, path: &str, pairs: &[(&str, &str)]) -> Answer {
    stream.read(&format!("/graphite/{path}?{}", form(pairs)))
}

/// A POST as Grafana sends it, with the read key.
fn post(stream: &Stream, path: &str, body: &str) -> Answer {
    stream
        .call("POST", &format!("/graphite/{path}"))
        .bearer(&stream.read_key)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(body)
        .send()
}
