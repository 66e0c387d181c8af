//! `make bench`: the built Worker and three baselines on workerd, under the same load in the same run.
//!
//! A loaded server shares the machine with idle ones only, and the servers take turns, so that what else goes on
//! on the machine meets all alike.

mod http;
mod load;
mod points;
mod proc;
mod report;
mod server;
mod storage;
mod stream;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use flate2::{Compression, write::GzEncoder};
use report::Report;
use server::Server;

const ROUNDS: usize = 3;
const WARM_UP: Duration = Duration::from_secs(1);
const RUN: Duration = Duration::from_secs(4);
/// Connections with one point a request, and with many.
const SINGLE: usize = 64;
const BATCH: usize = 16;
const QUERIES: usize = 60;
/// The streams, and how many series those have that queries read.
const NAMES: [&str; 4] = ["single", "batch", "day", "wide day"];
const DAYS: [usize; 2] = [100, 1_000];

/// One kind of load on one server.
struct Load<'a> {
    name: &'static str,
    server: &'a Server,
    connections: usize,
    requests: Vec<Vec<u8>>,
    points_a_request: usize,
}

fn main() {
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("build/index.js").exists(), "run `make build` first");
    let folder = std::env::temp_dir().join(format!("heartbeat-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("the temporary folder is writable");
    let mut report = Report::default();
    measure(&folder, &mut report);
    report.conclude();
    report.print();
    report.save();
    fs::remove_dir_all(&folder).ok();
}

fn measure(folder: &Path, report: &mut Report) {
    let state = folder.join("heartbeat");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
    let days = DAYS.map(|series| points::Day { series, now_s: now.as_secs() });
    let ids = prepare(&state, &days);
    let day_bytes = storage::used_bytes(&state, "day").expect("a database");
    report.set("bytes_per_sealed_point", day_bytes / load::to_f64(days[0].points()));
    storage::start_counting(&state).expect("a database");

    let heartbeat = Server::heartbeat(&state);
    let [noop, json_parse, row_per_point] =
        ["noop", "json-parse", "row-per-point"].map(|name| Server::baseline(name, &folder.join(name)));
    report.set("start_ms", heartbeat.start_ms);
    report.set("start_noop_ms", noop.start_ms);
    report.set("peak_mb_heartbeat_before_load", mb(heartbeat.peak_bytes()));
    report.set("peak_mb_noop_before_load", mb(noop.peak_bytes()));
    queries(&heartbeat, &ids, &days, report);

    let (singles, batches) = (points::singles(), points::batches());
    let at = |name, server, id: &str| {
        let bodies = if name_is_single(name) { &singles } else { &batches };
        let (connections, points_a_request) = if name_is_single(name) { (SINGLE, 1) } else { (BATCH, points::BATCH) };
        Load { name, server, connections, requests: stream::writes(id, bodies), points_a_request }
    };
    let loads = [
        at("single noop", &noop, "none"),
        at("single row-per-point", &row_per_point, "none"),
        at("single heartbeat", &heartbeat, &ids[0]),
        at("batch json-parse", &json_parse, "none"),
        at("batch row-per-point", &row_per_point, "none"),
        at("batch heartbeat", &heartbeat, &ids[1]),
    ];
    // Points that were written to Heartbeat while warming up count as well when rows are divided by points.
    eprintln!("warming up");
    let mut warm_up = Report::default();
    for load in &loads {
        warm_up.add_run(load.name, load.run(WARM_UP));
    }
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        for load in &loads {
            report.add_run(load.name, load.run(RUN));
        }
    }
    report.set("peak_mb_heartbeat", mb(heartbeat.peak_bytes()));
    report.set("peak_mb_row_per_point", mb(row_per_point.peak_bytes()));
    report.set("peak_mb_noop", mb(noop.peak_bytes()));
    let accepted = [&ids[0], &ids[1]].map(|id| stream::status(&heartbeat, id)["accepted"].as_f64().expect("a number"));
    drop((heartbeat, noop, json_parse, row_per_point));

    seal(&state, &ids);
    let points_a_request = [1.0, load::to_f64(points::BATCH)];
    for ((name, points_a_request), accepted) in NAMES.into_iter().zip(points_a_request).zip(accepted) {
        let load = format!("{name} heartbeat");
        let points = (report.requests(&load) + warm_up.requests(&load)) * points_a_request;
        assert_eq!(points + load::to_f64(points::SERIES), accepted, "what was answered 202 is what is there");
        let written = storage::written(&state, name).expect("a database");
        let rows = written.log_inserted + written.log_deleted + written.sealing;
        report.set(&format!("rows_written_per_million_{name}"), rows / points * 1e6);
        report.set(&format!("rows_written_{name}_log_inserted"), written.log_inserted);
        report.set(&format!("rows_written_{name}_log_deleted"), written.log_deleted);
        report.set(&format!("rows_written_{name}_sealing"), written.sealing);
        report.set(&format!("rows_written_{name}_points"), points);
    }
    wasm_size(report);
}

impl Load<'_> {
    fn run(&self, time: Duration) -> load::Run {
        load::run(self.server, self.connections, &self.requests, self.points_a_request, time)
    }
}

fn name_is_single(name: &str) -> bool {
    name.starts_with("single")
}

/// Streams whose series are known and whose points are sealed, as those of streams that run for longer than a bench.
fn prepare(state: &Path, days: &[points::Day]) -> [String; NAMES.len()] {
    let server = Server::heartbeat(state);
    let ids = NAMES.map(|name| stream::create(&server, name));
    for id in &ids[..2] {
        stream::write_all(&server, id, points::batches().into_iter());
    }
    for (id, day) in ids[2..].iter().zip(days) {
        let begun = Instant::now();
        stream::write_all(&server, id, day.bodies());
        eprintln!("wrote a day of {} series, {} points, in {:.1?}", day.series, day.points(), begun.elapsed());
    }
    drop(server);
    seal(state, &ids);
    ids
}

/// Seals all streams, as their alarm does every ten minutes.
fn seal(state: &Path, ids: &[String]) {
    storage::make_alarms_due(state).expect("a database");
    let server = Server::heartbeat(state);
    for id in ids {
        stream::wait_until_sealed(&server, id);
    }
}

fn queries(server: &Server, ids: &[String; NAMES.len()], days: &[points::Day; 2], report: &mut Report) {
    let grouped = "rollup?from=-24h&step=5m&by=country&agg=sum";
    for (name, id, day) in
        [("query_grouped_24h_ms_p50", &ids[2], &days[0]), ("query_grouped_24h_10x_series_ms_p50", &ids[3], &days[1])]
    {
        let (answer, median_ms) = stream::get(server, id, grouped, QUERIES);
        let (groups, sum) = stream::groups_and_sum(&answer);
        assert_eq!((groups, sum), (20, load::to_f64(day.sum())), "what was written is what is read");
        report.set(name, median_ms);
    }
    let one = format!("rollup?from=-1h&step=10s&{}", points::ONE_SERIES);
    let (answer, median_ms) = stream::get(server, &ids[2], &one, QUERIES);
    assert_eq!(stream::groups_and_sum(&answer).0, 1);
    report.set("query_one_series_ms_p50", median_ms);
}

fn wasm_size(report: &mut Report) {
    let wasm = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/index_bg.wasm");
    let wasm = fs::read(wasm).expect("it is built");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&wasm).expect("a Vec takes all");
    report.set("wasm_bytes", load::to_f64(wasm.len()));
    report.set("wasm_gzipped_bytes", load::to_f64(gzip.finish().expect("a Vec takes all").len()));
}

#[expect(clippy::cast_precision_loss, reason = "no machine has 2^53 bytes")]
fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
