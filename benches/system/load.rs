//! Load: a number of connections, each of which sends its next request as soon as the last one is answered.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::http::Connection;
use crate::server::Server;
use crate::{points, proc};

/// How points are written.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) connections: usize,
    pub(crate) points_a_request: usize,
}

pub(crate) const SINGLE: Kind = Kind { name: "single", connections: 64, points_a_request: 1 };
pub(crate) const BATCH: Kind = Kind { name: "batch", connections: 16, points_a_request: points::BATCH };

impl Kind {
    /// One point of each series.
    pub(crate) fn bodies(self) -> Vec<String> {
        if self.points_a_request == 1 { points::singles() } else { points::batches() }
    }
}

/// The results of one run.
pub(crate) struct Run {
    pub(crate) requests: usize,
    pub(crate) requests_per_s: f64,
    pub(crate) points_per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// CPU seconds of workerd.
    pub(crate) cpu_s_per_million_points: f64,
    /// How many processors each kept busy: workerd, the generator, and everything else on the machine.
    pub(crate) cores: [f64; 3],
}

/// Sends the requests in turn for the given time. Each must be answered with 202.
pub(crate) fn run(server: &Server, kind: Kind, requests: &[Vec<u8>], time: Duration) -> Run {
    let Kind { connections, points_a_request, .. } = kind;
    together(connections, points_a_request, &|| server.cpu_s(), &|number, begin| {
        let mut connection = Connection::open(&server.address);
        begin.wait();
        one_after_another(&mut connection, requests.iter().cycle().skip(number * 79), time)
    })
}

/// Runs clients at the same time. Each gets its number, waits at the barrier once it is connected, and returns how long
/// each of its requests took; `cpu_s` is what the server has used.
pub(crate) fn together(
    clients: usize,
    points_a_request: usize,
    cpu_s: &dyn Fn() -> f64,
    client: &(dyn Fn(usize, &Barrier) -> Vec<Duration> + Sync),
) -> Run {
    let cpu = || [cpu_s(), proc::cpu_s("self"), proc::machine_cpu_s()];
    let begin = Barrier::new(clients + 1);
    let (before, begun, mut latencies) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|number| {
                let begin = &begin;
                scope.spawn(move || client(number, begin))
            })
            .collect();
        let before = cpu();
        begin.wait();
        let begun = Instant::now();
        let latencies: Vec<Duration> =
            threads.into_iter().flat_map(|thread| thread.join().expect("every request is answered")).collect();
        (before, begun, latencies)
    });
    let (elapsed_s, after) = (begun.elapsed().as_secs_f64(), cpu());
    latencies.sort_unstable();
    let used = [after[0] - before[0], after[1] - before[1], after[2] - before[2]];
    let points = to_f64(latencies.len() * points_a_request);
    Run {
        requests: latencies.len(),
        requests_per_s: to_f64(latencies.len()) / elapsed_s,
        points_per_s: points / elapsed_s,
        p50_ms: percentile_ms(&latencies, 50),
        p99_ms: percentile_ms(&latencies, 99),
        cpu_s_per_million_points: used[0] / points * 1e6,
        cores: [used[0], used[1], (used[2] - used[0] - used[1]).max(0.0)].map(|cpu_s| cpu_s / elapsed_s),
    }
}

fn one_after_another<'a>(
    connection: &mut Connection,
    mut requests: impl Iterator<Item = &'a Vec<u8>>,
    time: Duration,
) -> Vec<Duration> {
    let (mut latencies, mut body) = (Vec::with_capacity(1 << 12), Vec::new());
    let begun = Instant::now();
    while begun.elapsed() < time {
        let sent = Instant::now();
        let status = connection.send(requests.next().expect("they cycle"), &mut body);
        latencies.push(sent.elapsed());
        assert_eq!(status, 202, "{}", String::from_utf8_lossy(&body));
    }
    latencies
}

/// A quantile of durations in ascending order.
pub(crate) fn percentile_ms(sorted: &[Duration], percent: usize) -> f64 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)].as_secs_f64() * 1e3
}

#[expect(clippy::cast_precision_loss, reason = "no run has 2^53 points")]
pub(crate) fn to_f64(count: usize) -> f64 {
    count as f64
}
