//! The points that a bench writes, the same for Heartbeat and the baselines.

use std::fmt::Write;

/// The series of the load: 20 countries with 250 paths each.
pub(crate) const SERIES: usize = 5_000;
/// Points per large request.
pub(crate) const BATCH: usize = 1_000;
/// One point of each series, in an order that jumps between them.
pub(crate) fn singles() -> Vec<String> {
    // A prime that doesn't divide the number of series, so each comes once.
    (0..SERIES).map(|at| at * 1_999 % SERIES).map(|series| point(series, series % 97, None)).collect()
}

/// The same points, a thousand per body.
pub(crate) fn batches() -> Vec<String> {
    singles().chunks(BATCH).map(array).collect()
}

/// A day of counters that ends now: one point per series every 10 s.
pub(crate) struct Day {
    pub(crate) series: usize,
    pub(crate) now_s: u64,
}

impl Day {
    const STEP_S: usize = 10;

    /// All points in order of time, several thousand per body.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = String> {
        let steps: Vec<(usize, u64)> = self.times().enumerate().collect();
        let steps_a_body = 8 * BATCH / self.series;
        (0..steps.len().div_ceil(steps_a_body)).map(move |body| {
            let steps = steps.iter().skip(body * steps_a_body).take(steps_a_body);
            let all = steps.flat_map(|(step, t)| {
                (0..self.series).map(|series| point(series, self.count(*step, series), Some(*t)))
            });
            array(&all.collect::<Vec<_>>())
        })
    }

    /// How many points.
    pub(crate) fn points(&self) -> usize {
        self.times().count() * self.series
    }

    /// The sum of all points.
    pub(crate) fn sum(&self) -> usize {
        (0..self.times().count()).flat_map(|step| (0..self.series).map(move |series| self.count(step, series))).sum()
    }

    fn times(&self) -> impl Iterator<Item = u64> + use<> {
        // Two minutes less than the limit, because writing takes time.
        ((self.now_s - 86_400).next_multiple_of(10) + 120..self.now_s).step_by(Self::STEP_S)
    }

    /// The value of a counter that counts 20 to 79 per step, without a pattern that compresses.
    fn count(&self, step: usize, series: usize) -> usize {
        20 + (((step * self.series + series) * 2_654_435_761) >> 16) % 60
    }
}

/// The labels of one series of a [`Day`], as matchers.
pub(crate) const ONE_SERIES: &str = "where=country%3Dc07&where=path%3D%2Fpage%2F2";

fn point(series: usize, n: usize, t: Option<u64>) -> String {
    let t = t.map(|t| format!(",\"t\":{t}")).unwrap_or_default();
    format!("{{\"n\":{n},\"v\":{{\"country\":\"c{:02}\",\"path\":\"/page/{}\"}}{t}}}", series % 20, series / 20)
}

fn array(points: &[String]) -> String {
    let mut body = String::from("[");
    for (index, point) in points.iter().enumerate() {
        write!(body, "{}{point}", if index > 0 { "," } else { "" }).expect("a String takes all");
    }
    body + "]"
}
