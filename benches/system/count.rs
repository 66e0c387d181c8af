//! What workerd itself counts per object: rows read and written, requests and alarms. See `benches/baselines/count.js`.
//!
//! Counting costs speed, so it has its own runs, with a copy of the streams.

use std::ops::{Add, Sub};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::NAMES;
use crate::http::{Connection, request};
use crate::load;
use crate::load::{BATCH, Kind, SINGLE, to_f64};
use crate::report::Report;
use crate::server::Server;
use crate::stream;

const RUN: Duration = Duration::from_secs(4);

/// Sums since the start of a server.
#[derive(Clone, Copy)]
struct Counts {
    /// Includes alarms.
    requests: f64,
    rows_read: f64,
    rows_written: f64,
}

/// Counts on the streams in a folder: queries, both kinds of load, a restart with all of it in the log, and the seal.
pub(crate) fn heartbeat(state: &Path, ids: &[String; NAMES.len()], report: &mut Report) {
    eprintln!("counting");
    let server = Server::counted("heartbeat", state);
    let status = |server: &Server, id: &str| drop(stream::status(server, id));
    for id in ids {
        status(&server, id);
    }
    let one_series = stream::one_series();
    for (name, id, what) in [
        ("query_grouped_24h", &ids[2], stream::GROUPED),
        ("query_grouped_24h_10x_series", &ids[3], stream::GROUPED),
        ("query_one_series", &ids[2], &one_series),
    ] {
        let asked = counted(&server, || drop(stream::get(&server, id, what, 1)));
        report.set(&format!("rows_read_{name}"), asked.rows_read);
    }
    let loads = [(SINGLE, &ids[0]), (BATCH, &ids[1])].map(|(kind, id)| {
        let (points, counts) = load_of(&server, kind, id);
        (kind, id, points, counts)
    });
    drop(server);

    let server = Server::counted("heartbeat", state);
    for (kind, id, points, written) in loads {
        let started = counted(&server, || status(&server, id));
        report.set(&format!("rows_read_start_{}", kind.name), started.rows_read);
        let sealed = counted(&server, || stream::seal(&server, id, kind.name));
        // Of the requests meanwhile, all but the alarm are the bench asking whether it has finished.
        let counts = written + Counts { requests: 1.0, ..sealed };
        counts.per_million(points).report(kind.name, report);
    }
}

/// Counts of the object that upserts a row per point.
pub(crate) fn row_per_point(state: &Path, report: &mut Report) {
    let server = Server::counted("row-per-point", state);
    for kind in [SINGLE, BATCH] {
        let (points, counts) = load_of(&server, kind, "none");
        assert!(counts.rows_written >= points, "the upserting object counts its rows");
        counts.per_million(points).report(&format!("{}_row_per_point", kind.name), report);
    }
}

/// How many points were written, and what that cost.
fn load_of(server: &Server, kind: Kind, id: &str) -> (f64, Counts) {
    let requests = stream::writes(id, &kind.bodies());
    let mut points = 0.0;
    let counts = counted(server, || {
        points = to_f64(load::run(server, kind, &requests, RUN).requests * kind.points_a_request);
    });
    (points, counts)
}

fn counted(server: &Server, work: impl FnOnce()) -> Counts {
    let before = counts(server);
    work();
    counts(server) - before
}

fn counts(server: &Server) -> Counts {
    let mut body = Vec::new();
    let status = Connection::open(&server.address).send(&request("GET", "/bench/counts", None, ""), &mut body);
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    let counts: Value = serde_json::from_slice(&body).expect("JSON");
    let of = |name: &str| counts[name].as_f64().expect("a number");
    Counts { requests: of("requests") + of("alarms"), rows_read: of("rows_read"), rows_written: of("rows_written") }
}

impl Counts {
    fn per_million(self, points: f64) -> Self {
        let per_million = |count: f64| count / points * 1e6;
        Self {
            requests: per_million(self.requests),
            rows_read: per_million(self.rows_read),
            rows_written: per_million(self.rows_written),
        }
    }

    fn report(self, name: &str, report: &mut Report) {
        report.set(&format!("object_requests_per_million_{name}"), self.requests);
        report.set(&format!("rows_read_per_million_{name}"), self.rows_read);
        report.set(&format!("counted_rows_written_per_million_{name}"), self.rows_written);
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            rows_read: self.rows_read + other.rows_read,
            rows_written: self.rows_written + other.rows_written,
        }
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            requests: self.requests - other.requests,
            rows_read: self.rows_read - other.rows_read,
            rows_written: self.rows_written - other.rows_written,
        }
    }
}
