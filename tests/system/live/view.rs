//! The view that a live reader builds from messages, as docs/live.md says, and its comparison with the rollup.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::clock::now_whole_s;
use crate::stream::Stream;

/// Fields that replace earlier values.
const WHOLE: [&str; 5] = ["min", "max", "p50", "p99", "distinct:who"];

/// Buckets by labels, as JSON, and time.
#[derive(Default)]
pub(super) struct View {
    buckets: BTreeMap<(String, i64), Bucket>,
    pub(super) cursor: String,
    pub(super) snapshots: usize,
    pub(super) deltas: usize,
}

#[derive(Clone, Debug, Default)]
struct Bucket {
    /// The fields that add up: n, d and count.
    sums: [Option<f64>; 3],
    whole: BTreeMap<&'static str, Value>,
}

impl View {
    /// Takes a message; checks its form.
    pub(super) fn take(&mut self, message: &Value) {
        match message["type"].as_str() {
            Some("snapshot") => {
                self.buckets.clear();
                self.snapshots += 1;
                let (from, to) = (message["from"].as_i64().expect("seconds"), message["to"].as_i64().expect("seconds"));
                assert!(from < to && message["step"].as_i64().expect("seconds") > 0 && message["agg"].is_array());
            }
            Some("delta") => self.deltas += 1,
            _ => panic!("neither snapshot nor delta: {message}"),
        }
        message["cursor"].as_str().expect("a string").clone_into(&mut self.cursor);
        let times: Vec<i64> = times_of(message);
        assert!(times.is_sorted(), "{message}");
        for series in message["series"].as_array().expect("a list") {
            for (at, time) in times.iter().enumerate() {
                let sums = ["n", "d", "count"].map(|field| series[field][at].as_f64());
                if sums[2].is_none() {
                    continue;
                }
                let bucket = self.buckets.entry((series["labels"].to_string(), *time)).or_default();
                for (sum, more) in bucket.sums.iter_mut().zip(sums) {
                    *sum = more.map(|more| sum.unwrap_or_default() + more).or(*sum);
                }
                for field in WHOLE.into_iter().filter(|field| !series[field].is_null()) {
                    bucket.whole.insert(field, series[field][at].clone());
                }
            }
        }
    }

    /// How many points it has seen.
    pub(super) fn count(&self) -> f64 {
        self.buckets.values().filter_map(|bucket| bucket.sums[2]).sum()
    }

    /// Compares all buckets with a rollup of the same parameters.
    #[track_caller]
    pub(super) fn assert_rollup(&self, stream: &Stream, parameters: &str) {
        let (from, to) = (now_whole_s() - 3 * 3600, now_whole_s() + 120);
        let rollup = stream.rollup(&format!("from={from}&to={to}&step=10s&top=1000&{parameters}"));
        let times = times_of(&rollup);
        let mut wanted = 0;
        for series in rollup["series"].as_array().expect("a list") {
            for (at, time) in times.iter().enumerate().filter(|(at, _)| !series["count"][*at].is_null()) {
                wanted += 1;
                let key = (series["labels"].to_string(), *time);
                let bucket = self.buckets.get(&key).unwrap_or_else(|| panic!("nothing at {key:?}"));
                for (sum, field) in bucket.sums.iter().zip(["sum", "", "count"]).filter(|(_, field)| !field.is_empty())
                {
                    let (mine, theirs) = (sum.unwrap_or_default(), series[field][at].as_f64().unwrap_or_default());
                    assert!((mine - theirs).abs() <= 1e-9 * theirs.abs(), "{field} {mine} is not {theirs} at {key:?}");
                }
                for (field, value) in &bucket.whole {
                    assert_eq!(value, &series[field][at], "{field} at {key:?}");
                }
                for field in WHOLE.iter().filter(|field| !series[**field].is_null()) {
                    assert!(bucket.whole.contains_key(field), "{field} at {key:?}");
                }
            }
        }
        assert_eq!(self.buckets.len(), wanted, "buckets that the rollup does not have");
    }
}

fn times_of(message: &Value) -> Vec<i64> {
    message["times"].as_array().expect("a list").iter().map(|time| time.as_i64().expect("seconds")).collect()
}
