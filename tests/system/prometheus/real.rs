//! The real Prometheus scrapes the real Worker, and both answer the same queries.

use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::tools::programs;
use super::{form, get, vector};
use crate::http::{Answer, call};
use crate::ports;
use crate::server::{Server, State};
use crate::stream::Stream;

const DEADLINE: Duration = Duration::from_mins(4);

/// A running Prometheus, which scrapes a stream, if given, every two seconds.
pub(super) struct Prometheus {
    child: Child,
    url: String,
    state: State,
}

impl Prometheus {
    /// `None` if Prometheus is not available.
    fn start(stream: &Stream) -> Option<Self> {
        let prometheus = Self::with(&json!({
            "global": {"scrape_interval": "2s", "scrape_timeout": "2s"},
            "scrape_configs": [{
                "job_name": "heartbeat",
                "metrics_path": format!("/v1/streams/{}/metrics", stream.id),
                "basic_auth": {"username": "any", "password": stream.read_key},
                "file_sd_configs": [{"files": ["targets.json"], "refresh_interval": "1s"}],
            }],
        }))?;
        prometheus.scrape(stream);
        Some(prometheus)
    }

    /// One that scrapes nothing and is ready for queries. `None` if it is not available.
    pub(super) fn idle() -> Option<Self> {
        let prometheus = Self::with(&json!({}))?;
        let (_sender, never) = channel::<()>();
        let start = Instant::now();
        while prometheus.ask("1").is_none() {
            assert!(start.elapsed() < DEADLINE, "it does not answer");
            never.recv_timeout(Duration::from_millis(100)).ok();
        }
        Some(prometheus)
    }

    /// Its verdict on a query: `ok`, or the type of the error.
    pub(super) fn verdict(&self, query: &str) -> String {
        let url = format!("{}/api/v1/query?{}", self.url, form(&[("query", query)]));
        let answer = call("GET", url).send().json();
        answer["errorType"].as_str().unwrap_or("ok").to_owned()
    }

    fn with(config: &Value) -> Option<Self> {
        let program = programs()?.join("prometheus");
        let state = State::new();
        let port = ports::unused();
        // JSON is YAML.
        let file = state.path().join("prometheus.yml");
        std::fs::write(&file, config.to_string()).expect("writable");
        let address = format!("127.0.0.1:{port}");
        let child = Command::new(program)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", state.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        Some(Self { child, url: format!("http://{address}"), state })
    }

    /// Scrapes the Worker at this address from now on.
    fn scrape(&self, stream: &Stream) {
        let address = stream.url.strip_prefix("http://").expect("plain HTTP");
        let targets = json!([{"targets": [address], "labels": {"instance": "worker"}}]);
        std::fs::write(self.state.path().join("new.json"), targets.to_string()).expect("writable");
        std::fs::rename(self.state.path().join("new.json"), self.state.path().join("targets.json")).expect("writable");
    }

    fn ask(&self, query: &str) -> Option<Answer> {
        let url = format!("{}/api/v1/query?{}", self.url, form(&[("query", query)]));
        call("GET", url).send_over(&crate::http::agent()).ok().filter(|answer| answer.status == 200)
    }

    fn vector(&self, query: &str) -> Vec<(Value, f64)> {
        sorted(vector(self.ask(query).unwrap_or_else(|| panic!("it refuses {query}"))))
    }

    /// Waits until a scraped query has this value.
    fn wait_for(&self, query: &str, wanted: f64) {
        let (_sender, never) = channel::<()>();
        let start = Instant::now();
        let mut seen = Vec::new();
        while start.elapsed() < DEADLINE {
            seen = self.ask(query).map(vector).unwrap_or_default();
            if seen.first().is_some_and(|(_, value)| (value - wanted).abs() < 1e-9) {
                return;
            }
            never.recv_timeout(Duration::from_millis(100)).ok();
        }
        panic!("{query} is {seen:?} and not {wanted}");
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Labels without those that a scrape adds, in the order of the others.
fn sorted(mut vector: Vec<(Value, f64)>) -> Vec<(Value, f64)> {
    for (metric, _) in &mut vector {
        let labels = metric.as_object_mut().expect("an object");
        labels.remove("job");
        labels.remove("instance");
    }
    vector.sort_by_key(|(metric, _)| metric.to_string());
    vector
}

/// Whether two vectors have the same labels and, except for rounding, values.
fn are_same(here: &[(Value, f64)], there: &[(Value, f64)]) -> bool {
    let is_same = |(here, there): (&(Value, f64), &(Value, f64))| {
        let is_close = here.1 == there.1 || (here.1 - there.1).abs() <= 1e-9 * there.1.abs();
        here.0 == there.0 && (is_close || (here.1.is_nan() && there.1.is_nan()))
    };
    here.len() == there.len() && here.iter().zip(there).all(is_same)
}

/// Queries that mean the same in both.
const SAME: [&str; 45] = [
    "heartbeat_n_total",
    "heartbeat_d_total{country=\"US\"}",
    "heartbeat_n_total{country!=\"US\"}",
    "heartbeat_n_total{country=~\"U.|F.+\"}",
    "heartbeat_n_total{country=~\"U\"}",
    "heartbeat_n_total{country!~\"U.*\",status=\"200\"}",
    "heartbeat_n_total{country=\"\"}",
    "heartbeat_n_total{U__page_20_path=\"/a\\\"b\"}",
    "{__name__=~\"heartbeat_(n|d)_total\",country=\"DE\"}",
    "{__name__=\"heartbeat_points_total\",status=\"500\"}",
    "sum(heartbeat_n_total)",
    "sum by (country) (heartbeat_n_total)",
    "sum(heartbeat_n_total) by (country, status)",
    "sum without (status, job, instance) (heartbeat_n_total)",
    "avg by (country) (heartbeat_n_total)",
    "min by (status) (heartbeat_d_total)",
    "max(heartbeat_n_total)",
    "count by (country) (heartbeat_points_total)",
    "topk(2, heartbeat_n_total)",
    "topk by (country) (1, heartbeat_n_total)",
    "bottomk(1, heartbeat_n_total)",
    "sum by (country) (heartbeat_n_total) / sum by (country) (heartbeat_d_total)",
    "heartbeat_n_total / heartbeat_d_total",
    "heartbeat_n_total * 2 + 1",
    "100 - heartbeat_n_total",
    "-heartbeat_n_total",
    "sum(heartbeat_n_total) % 7 ^ 2",
    "heartbeat_n_total > 10",
    "heartbeat_n_total >= bool 10",
    "10 < heartbeat_n_total",
    "sum by (country) (heartbeat_n_total) / on (country) sum by (country, status) (heartbeat_d_total{status=\"200\"})",
    "sum by (country) (heartbeat_n_total) - ignoring (status) sum by (country, status) (heartbeat_d_total{status=\"500\"})",
    "heartbeat_n_total{country=\"US\"} / 0",
    "sum(nothing)",
    "{__name__=~\"heartbeat_(n|d)_total\"} > 10",
    "heartbeat_n_total > on (country, status, U__page_20_path) heartbeat_d_total",
    "heartbeat_n_total > ignoring (nothing) heartbeat_d_total",
    "heartbeat_n_total > bool heartbeat_d_total",
    "(sum by (country, status) (heartbeat_n_total) > 10) / on (country) sum by (country) (heartbeat_d_total)",
    "sum by (country) (heartbeat_n_total{country=\"FR\"}) / on (country) sum by (country, status) (heartbeat_d_total)",
    "heartbeat_n_total{country=\"\\x55S\"}",
    "heartbeat_n_total{country=~`U\\w`}",
    "heartbeat_n_total * 0x10 + 010",
    "topk(-1, heartbeat_n_total)",
    "sum without () (heartbeat_n_total{country=\"US\"}) + on () 3",
];

/// Queries that neither can answer.
const NEITHER: [&str; 6] = [
    "{__name__=~\"heartbeat_(n|d)_total\"} * 2",
    "-{__name__=~\"heartbeat_(n|d)_total\"}",
    "heartbeat_n_total / on (country) heartbeat_d_total",
    "sum by (country) (heartbeat_n_total{country=\"US\"}) / on (country) sum by (country, status) (heartbeat_d_total)",
    "sum by (country, status) (heartbeat_n_total) / on (country) sum by (country) (heartbeat_d_total)",
    "increase({__name__=~\"heartbeat_(n|d)_total\"}[5m])",
];

#[test]
fn prometheus_agrees_with_the_rollup_across_a_restart() {
    let server = Server::start(State::new());
    let mut stream = Stream::on(&server);
    let Some(prometheus) = Prometheus::start(&stream) else { return };
    let mut server = Some(server);
    let write = |stream: &Stream, round: u32| {
        stream.write(format!(
            r#"[{{"n":{round},"v":{{"country":"US","status":"200"}}}},{{"n":2.5,"d":2,"v":{{"country":"DE","status":"200"}}}},{{"n":1,"v":{{"country":"DE","status":"500"}}}},{{"n":7,"v":{{"page path":"/a\"b"}}}}]"#
        ));
    };
    let wanted = |rounds: u32| f64::from(rounds * (rounds + 1) / 2) + f64::from(rounds) * 10.5;
    write(&stream, 1);
    prometheus.wait_for("sum(heartbeat_n_total)", wanted(1));
    for round in 2..=8 {
        if round == 5 {
            let restarted = Server::start(server.take().expect("it runs").kill_9());
            stream = stream.moved_to(&restarted);
            server = Some(restarted);
            prometheus.scrape(&stream);
        }
        write(&stream, round);
        prometheus.wait_for("sum(heartbeat_n_total)", wanted(round));
    }
    assert_eq!(prometheus.vector("sum(resets(heartbeat_n_total[1h]))")[0].1, 0.0, "no counter ever fell");
    // Exact: its first sample and everything since. Its increase() extrapolates by a scrape or two.
    let all = stream.total("sum");
    assert!((all - wanted(8)).abs() < 1e-9);
    let difference = prometheus
        .vector("sum(last_over_time(heartbeat_n_total[1h])) - sum(min_over_time(heartbeat_n_total[1h]))")[0]
        .1;
    assert!((difference - (wanted(8) - wanted(1))).abs() < 1e-9, "{difference}");
    let increase = prometheus.vector("sum(increase(heartbeat_n_total[1h]))")[0].1;
    assert!((increase / difference - 1.0).abs() < 0.25, "{increase} of {difference}");
    for query in SAME {
        let here = sorted(vector(get(&stream, "query", &[("query", query)])));
        // A scrape that comes too late leaves nothing until the next one.
        let start = Instant::now();
        let mut there = prometheus.vector(query);
        while !are_same(&here, &there) {
            assert!(start.elapsed() < DEADLINE, "{query}: {here:?} is not {there:?}");
            there = prometheus.vector(query);
        }
    }
    for query in NEITHER {
        let start = Instant::now();
        while prometheus.verdict(query) != "execution" {
            assert!(start.elapsed() < DEADLINE, "{query}: {}", prometheus.verdict(query));
        }
        assert_eq!(get(&stream, "query", &[("query", query)]).expect(400).json()["errorType"], "bad_data", "{query}");
    }
    drop(server);
}
