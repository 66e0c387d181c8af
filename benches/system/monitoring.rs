//! What agents and scrapers write: each series has one point every ten seconds, so nearly every point is a cell of its
//! own. `VictoriaMetrics` gets the same points in the same run.

use std::fmt::Write;
use std::path::Path;
use std::time::{Instant, SystemTime};

use crate::http::{Connection, request};
use crate::load::{self, to_f64};
use crate::report::Report;
use crate::server::{OWNER_TOKEN, Server};
use crate::victoria::Victoria;
use crate::{storage, stream};

const SERIES: usize = 5_000;
const POINTS_A_REQUEST: usize = 1_000;
const STEP_S: u64 = 10;
/// The steps of all series that a round writes; each round continues where the last one ended.
const STEPS: u64 = 80;
/// One that is not reported, and three.
const ROUNDS: u64 = 4;
/// A writer's points begin this long ago, so none is ahead of its time.
const BEGIN_S: u64 = 3 * 3_600;

/// Measures both, each with its connections.
pub(crate) fn measure(folder: &Path, report: &mut Report) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970").as_secs();
    let begin_s = (now - BEGIN_S) / STEP_S * STEP_S;
    for connections in [4, 16] {
        let state = folder.join(format!("monitoring-{connections}"));
        let heartbeat = Server::heartbeat(&state);
        let victoria = Victoria::start(&folder.join(format!("victoria-{connections}")));
        if victoria.is_none() {
            eprintln!("Debian's package victoria-metrics can't be had here: nothing is compared with it");
        }
        let id = stream::create(&heartbeat, "monitoring");
        let mut rates = Vec::new();
        for round in 0..ROUNDS {
            let steps = begin_s + round * STEPS * STEP_S..begin_s + (round + 1) * STEPS * STEP_S;
            let name = |server| format!("monitoring {connections} {server}");
            let ours = write(
                &heartbeat.address,
                connections,
                &bodies(steps.clone(), json),
                &|body| request("POST", &format!("/v1/streams/{id}/points"), Some(OWNER_TOKEN), body),
                &|| heartbeat.cpu_s(),
            );
            let theirs = victoria.as_ref().map(|victoria| {
                write(
                    &victoria.address,
                    connections,
                    &bodies(steps, text),
                    &|body| request("POST", "/api/v1/import/prometheus", None, body),
                    &|| victoria.cpu_s(),
                )
            });
            if round > 0 {
                rates.extend(theirs.as_ref().map(|theirs| ours.points_per_s / theirs.points_per_s));
                report.add_run(&name("heartbeat"), ours);
                if let Some(theirs) = theirs {
                    report.add_run(&name("victoria"), theirs);
                }
            }
        }
        rates.sort_by(f64::total_cmp);
        if let Some(ratio) = rates.get(rates.len() / 2) {
            report.set(&format!("monitoring_{connections}_vs_victoria"), *ratio);
        }
        check(&heartbeat, &id, begin_s);
        if let Some(victoria) = &victoria {
            victoria.wait_for(points(), begin_s + ROUNDS * STEPS * STEP_S);
            report.set(&format!("monitoring_{connections}_bytes_per_point_victoria"), victoria.bytes() / points());
        }
        stream::seal(&heartbeat, &id, "monitoring");
        drop(heartbeat);
        let bytes = storage::used_bytes(&state, "monitoring").expect("a database");
        report.set(&format!("monitoring_{connections}_bytes_per_point"), bytes / points());
    }
}

/// How many points all rounds write.
fn points() -> f64 {
    to_f64(SERIES) * to_f64(usize::try_from(ROUNDS * STEPS).expect("few"))
}

fn check(server: &Server, id: &str, begin_s: u64) {
    let end_s = begin_s + ROUNDS * STEPS * STEP_S;
    let (answer, _) = stream::get(server, id, &format!("rollup?from={begin_s}&to={end_s}&step=10m&agg=sum"), 1);
    let wanted: usize =
        (begin_s / STEP_S..end_s / STEP_S).flat_map(|step| (0..SERIES).map(move |series| value(step, series))).sum();
    assert_eq!(stream::groups_and_sum(&answer).1, to_f64(wanted), "every acknowledged point is there");
}

/// A count of 20 to 79, without a pattern that compresses.
fn value(step: u64, series: usize) -> usize {
    20 + ((usize::try_from(step).expect("few") * SERIES + series).wrapping_mul(2_654_435_761) >> 16) % 60
}

fn bodies(times: std::ops::Range<u64>, form: fn(&[(usize, u64)]) -> String) -> Vec<String> {
    let points: Vec<(usize, u64)> = times
        .step_by(usize::try_from(STEP_S).expect("few"))
        .flat_map(|t| (0..SERIES).map(move |series| (series, t)))
        .collect();
    points.chunks(POINTS_A_REQUEST).map(form).collect()
}

fn json(points: &[(usize, u64)]) -> String {
    let mut body = String::from("[");
    for (index, (series, t)) in points.iter().enumerate() {
        let (joint, n) = (if index > 0 { "," } else { "" }, value(t / STEP_S, *series));
        let [country, path, host] = [series % 20, series / 20, series % 7];
        write!(body, "{joint}{{\"n\":{n},\"v\":{{\"country\":\"c{country:02}\",\"path\":\"/page/{path}\",\"host\":\"h{host}\"}},\"t\":{t}}}").expect("a String takes all");
    }
    body + "]"
}

/// In Prometheus' text format, which `VictoriaMetrics` imports.
fn text(points: &[(usize, u64)]) -> String {
    let mut body = String::new();
    for (series, t) in points {
        let [country, path, host] = [series % 20, series / 20, series % 7];
        let n = value(t / STEP_S, *series);
        writeln!(body, "n{{country=\"c{country:02}\",path=\"/page/{path}\",host=\"h{host}\"}} {n} {t}000")
            .expect("a String takes all");
    }
    body
}

/// Sends each body once, over connections that take turns.
fn write(
    address: &str,
    connections: usize,
    bodies: &[String],
    request: &(dyn Fn(&str) -> Vec<u8> + Sync),
    cpu_s: &dyn Fn() -> f64,
) -> load::Run {
    let requests: Vec<Vec<u8>> = bodies.iter().map(|body| request(body)).collect();
    load::together(connections, POINTS_A_REQUEST, cpu_s, &|number, begin| {
        let (mut connection, mut body) = (Connection::open(address), Vec::new());
        begin.wait();
        let mine = requests.iter().skip(number).step_by(connections);
        mine.map(|request| {
            let sent = Instant::now();
            let status = connection.send(request, &mut body);
            assert!([202, 204].contains(&status), "{status} {}", String::from_utf8_lossy(&body));
            sent.elapsed()
        })
        .collect()
    })
}
