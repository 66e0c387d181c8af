//! `make bench`: the built Worker and three baselines on workerd, under the same load in the same run.
//!
//! A loaded server shares the machine with idle ones only. The servers take turns, so that other load on the machine
//! affects all of them equally.

mod count;
mod events;
mod http;
mod live;
mod load;
mod monitoring;
mod points;
mod prices;
mod proc;
mod report;
mod server;
mod storage;
mod stream;
mod turns;
mod victoria;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use flate2::{Compression, write::GzEncoder};
use load::{BATCH, Kind, SINGLE};
use prices::Billed;
use report::Report;
use server::Server;

const ROUNDS: usize = 3;
const WARM_UP: Duration = Duration::from_secs(1);
const RUN: Duration = Duration::from_secs(4);
const QUERIES: usize = 60;
/// The streams, and how many series those have that queries read.
const NAMES: [&str; 4] = ["single", "batch", "day", "wide day"];
const DAYS: [usize; 2] = [100, 1_000];

/// One kind of load on one server.
struct Load<'a> {
    name: &'static str,
    server: &'a Server,
    kind: Kind,
    requests: Vec<Vec<u8>>,
}

fn main() {
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("build/index.js").exists(), "run `make build` first");
    let folder = std::env::temp_dir().join(format!("heartbeat-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("the temporary folder is writable");
    let mut report = Report::default();
    // `cargo bench --bench system -- live`, or another of these, measures nothing else.
    let parts = ["live", "events", "turns", "monitoring"];
    let only = std::env::args().find(|argument| parts.contains(&argument.as_str()));
    let wants = |what: &str| only.as_ref().is_none_or(|only| only == what);
    if wants("live") {
        live::measure(&Server::heartbeat(&folder.join("live")), &mut report);
    }
    if wants("events") {
        events::measure(&folder, &mut report);
    }
    if wants("turns") {
        turns::measure(&Server::heartbeat(&folder.join("turns")), &mut report);
    }
    if wants("monitoring") {
        monitoring::measure(&folder, &mut report);
    }
    if only.is_none() {
        measure(&folder, &mut report);
        report.conclude();
    }
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
    let copy = folder.join("counted");
    copy_folder(&state, &copy);
    storage::start_counting(&state).expect("a database");

    let heartbeat = Server::heartbeat(&state);
    let [noop, json_parse, row_per_point] =
        ["noop", "json-parse", "row-per-point"].map(|name| Server::baseline(name, &folder.join(name)));
    report.set("start_ms", heartbeat.start_ms);
    report.set("start_noop_ms", noop.start_ms);
    report.set("peak_mb_heartbeat_before_load", mb(heartbeat.peak_bytes()));
    report.set("peak_mb_noop_before_load", mb(noop.peak_bytes()));
    queries(&heartbeat, &ids, &days, report);

    let at = |name, kind: Kind, server, id| Load { name, server, kind, requests: stream::writes(id, &kind.bodies()) };
    let loads = [
        at("single noop", SINGLE, &noop, "none"),
        at("single row-per-point", SINGLE, &row_per_point, "none"),
        at("single heartbeat", SINGLE, &heartbeat, &ids[0]),
        at("batch json-parse", BATCH, &json_parse, "none"),
        at("batch row-per-point", BATCH, &row_per_point, "none"),
        at("batch heartbeat", BATCH, &heartbeat, &ids[1]),
    ];
    // Points that warm up Heartbeat count too when rows are divided by points.
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
    let [accepted_single, accepted_batch] = [&ids[0], &ids[1]].map(|id| stream::status(&heartbeat, id)).map(|status| {
        report.set("memory_mb_isolate", status["memory_bytes"].as_f64().expect("a number") / 1e6);
        status["accepted"].as_f64().expect("a number")
    });
    drop((heartbeat, noop, json_parse, row_per_point));

    seal(&state, &ids);
    for (Kind { name, points_a_request, .. }, accepted) in [(SINGLE, accepted_single), (BATCH, accepted_batch)] {
        let load = format!("{name} heartbeat");
        let points = (report.requests(&load) + warm_up.requests(&load)) * load::to_f64(points_a_request);
        assert_eq!(points + load::to_f64(points::SERIES), accepted, "every point answered with 202 is stored");
        let written = storage::written(&state, name).expect("a database");
        let rows = written.log_inserted + written.log_deleted + written.sealing;
        report.set(&format!("rows_written_per_million_{name}"), rows / points * 1e6);
        report.set(&format!("rows_written_{name}_log_inserted"), written.log_inserted);
        report.set(&format!("rows_written_{name}_log_deleted"), written.log_deleted);
        report.set(&format!("rows_written_{name}_sealing"), written.sealing);
        report.set(&format!("rows_written_{name}_points"), points);
    }
    count::heartbeat(&copy, &ids, report);
    count::row_per_point(&folder.join("row-per-point counted"), report);
    dollars(report);
    wasm_size(report);
}

/// What a million points cost with each kind of load.
fn dollars(report: &mut Report) {
    for (server, suffix, rows_written) in [
        ("heartbeat", "", "rows_written_per_million"),
        ("row-per-point", "_row_per_point", "counted_rows_written_per_million"),
    ] {
        for Kind { name, points_a_request, .. } in [SINGLE, BATCH] {
            let of = |measure: &str| report.get(&format!("{measure}_{name}{suffix}"));
            let billed = Billed {
                worker_requests: 1e6 / load::to_f64(points_a_request),
                cpu_s: report.median(&format!("{name} {server}"), |run| run.cpu_s_per_million_points),
                object_requests: of("object_requests_per_million"),
                rows_read: of("rows_read_per_million"),
                rows_written: of(rows_written),
            };
            report.set(&format!("dollars_per_million_{name}{suffix}"), billed.dollars());
        }
    }
}

impl Load<'_> {
    fn run(&self, time: Duration) -> load::Run {
        load::run(self.server, self.kind, &self.requests, time)
    }
}

/// Creates streams whose series are known and whose points are sealed, like those of streams older than a bench.
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

fn copy_folder(from: &Path, to: &Path) {
    let is_copied = Command::new("cp").arg("-r").args([from, to]).status().is_ok_and(|status| status.success());
    assert!(is_copied, "the temporary folder is writable");
}

/// Seals all streams, as their alarm does ten minutes after a write.
fn seal(state: &Path, ids: &[String; NAMES.len()]) {
    let server = Server::heartbeat(state);
    for (id, name) in ids.iter().zip(NAMES) {
        stream::seal(&server, id, name);
    }
}

fn queries(server: &Server, ids: &[String; NAMES.len()], days: &[points::Day; 2], report: &mut Report) {
    for (name, id, day) in
        [("query_grouped_24h_ms_p50", &ids[2], &days[0]), ("query_grouped_24h_10x_series_ms_p50", &ids[3], &days[1])]
    {
        let (answer, median_ms) = stream::get(server, id, stream::GROUPED, QUERIES);
        let (groups, sum) = stream::groups_and_sum(&answer);
        assert_eq!((groups, sum), (20, load::to_f64(day.sum())), "queries return what was written");
        report.set(name, median_ms);
    }
    let (answer, median_ms) = stream::get(server, &ids[2], &stream::one_series(), QUERIES);
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
