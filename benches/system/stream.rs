//! The streams of a bench, used through the public API.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::{Connection, request};
use crate::load::percentile_ms;
use crate::points::ONE_SERIES;
use crate::server::{OWNER_TOKEN, Server};

/// How long sealing may take after its alarm is due.
const SEALING: Duration = Duration::from_secs(20);

/// The id of a new stream with this name. It keeps no sealed messages, which would take up to 8 MiB more.
pub(crate) fn create(server: &Server, name: &str) -> String {
    let mut body = Vec::new();
    let config = json!({ "name": name, "retention": { "messages": "0s" }, "limits": unlimited() });
    let create = request("POST", "/v1/streams", Some(OWNER_TOKEN), &config.to_string());
    let status = Connection::open(&server.address).send(&create, &mut body);
    assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
    let created: Value = serde_json::from_slice(&body).expect("JSON");
    created["id"].as_str().expect("an id").to_owned()
}

/// Budgets that no load here exceeds: a bench measures work, not how it is shared out.
fn unlimited() -> Value {
    const MOST: u64 = 1_000_000;
    json!({
        "open_units_per_s": MOST, "network_units_per_s": MOST,
        "open_late_places_per_hour": MOST, "network_late_places_per_hour": MOST,
        "new_series_per_hour": MOST, "network_new_series_per_hour": MOST, "new_names_per_hour": 1_000,
        "disk_bytes_per_day": 1_000_000_000_000_u64,
    })
}

/// The requests that write these bodies.
pub(crate) fn writes(id: &str, bodies: &[String]) -> Vec<Vec<u8>> {
    let path = format!("/v1/streams/{id}/points");
    bodies.iter().map(|body| request("POST", &path, None, body)).collect()
}

/// Sends each body once over one connection, as the owner, whose series are established at once.
pub(crate) fn write_all(server: &Server, id: &str, bodies: impl Iterator<Item = String>) {
    let (mut connection, mut body) = (Connection::open(&server.address), Vec::new());
    for points in bodies {
        let write = request("POST", &format!("/v1/streams/{id}/points"), Some(OWNER_TOKEN), &points);
        let status = connection.send(&write, &mut body);
        let text = String::from_utf8_lossy(&body);
        assert!(status == 202 && text.contains("\"rejected\":0"), "{text}");
    }
}

/// A day of all series by country.
pub(crate) const GROUPED: &str = "rollup?from=-24h&step=5m&by=country&agg=sum";

/// An hour of one series at full resolution.
pub(crate) fn one_series() -> String {
    format!("rollup?from=-1h&step=10s&{ONE_SERIES}")
}

/// Seals the stream with this name: a change of its configuration makes its alarm due.
pub(crate) fn seal(server: &Server, id: &str, name: &str) {
    let mut body = Vec::new();
    let patch = request("PATCH", &format!("/v1/streams/{id}"), Some(OWNER_TOKEN), &json!({ "name": name }).to_string());
    let status = Connection::open(&server.address).send(&patch, &mut body);
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    wait_until_sealed(server, id);
}

/// Waits until the log is empty.
fn wait_until_sealed(server: &Server, id: &str) {
    let begun = Instant::now();
    while status(server, id)["log"]["rows"] != 0 {
        assert!(begun.elapsed() < SEALING, "an alarm that is due seals the log");
        sleep(Duration::from_millis(100));
    }
}

/// The answer of `status`.
pub(crate) fn status(server: &Server, id: &str) -> Value {
    serde_json::from_slice(&get(server, id, "status", 1).0).expect("JSON")
}

/// Asks `times` times in sequence, after half as many to warm up; returns the last answer and the median.
pub(crate) fn get(server: &Server, id: &str, what: &str, times: usize) -> (Vec<u8>, f64) {
    let (mut connection, mut body) = (Connection::open(&server.address), Vec::new());
    let request = request("GET", &format!("/v1/streams/{id}/{what}"), Some(OWNER_TOKEN), "");
    let mut took: Vec<Duration> = (0..times + times / 2)
        .map(|_| {
            let sent = Instant::now();
            let status = connection.send(&request, &mut body);
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
            sent.elapsed()
        })
        .skip(times / 2)
        .collect();
    took.sort_unstable();
    (body, percentile_ms(&took, 50))
}

/// The number of groups in a rollup, and the sum over all of them and all steps.
pub(crate) fn groups_and_sum(rollup: &[u8]) -> (usize, f64) {
    let rollup: Value = serde_json::from_slice(rollup).expect("JSON");
    let groups = rollup["series"].as_array().expect("a list");
    let sums = groups.iter().flat_map(|group| group["sum"].as_array().expect("a list"));
    (groups.len(), sums.filter_map(Value::as_f64).sum())
}
