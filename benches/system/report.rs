//! The table and `target/bench.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::load::{Run, to_f64};
use crate::prices::DOLLARS_ARE;

/// All measurements, by name.
#[derive(Default)]
pub(crate) struct Report {
    measures: BTreeMap<String, f64>,
    runs: Vec<(String, Run)>,
}

impl Report {
    pub(crate) fn add_run(&mut self, name: &str, run: Run) {
        eprintln!("{name}: {:.0} requests/s, p99 {:.1} ms", run.requests_per_s, run.p99_ms);
        self.runs.push((name.to_owned(), run));
    }

    pub(crate) fn set(&mut self, name: &str, value: f64) {
        self.measures.insert(name.to_owned(), value);
    }

    pub(crate) fn get(&self, name: &str) -> f64 {
        self.measures[name]
    }

    fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Run> {
        self.runs.iter().filter(move |(of, _)| of == name).map(|(_, run)| run)
    }

    /// The median over the runs with that name.
    pub(crate) fn median(&self, name: &str, value: impl Fn(&Run) -> f64) -> f64 {
        let mut values: Vec<f64> = self.of(name).map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }

    /// How many requests the runs with that name made.
    pub(crate) fn requests(&self, name: &str) -> f64 {
        self.of(name).map(|run| to_f64(run.requests)).sum()
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in &self.runs {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    /// Measurements derived from the runs.
    pub(crate) fn conclude(&mut self) {
        let names: Vec<String> = self.names().into_iter().map(str::to_owned).collect();
        for name in names {
            let key = name.replace([' ', '-'], "_");
            let values = [
                ("requests_per_s", self.median(&name, |run| run.requests_per_s)),
                ("points_per_s", self.median(&name, |run| run.points_per_s)),
                ("p50_ms", self.median(&name, |run| run.p50_ms)),
                ("p99_ms", self.median(&name, |run| run.p99_ms)),
                ("cpu_s_per_million_points", self.median(&name, |run| run.cpu_s_per_million_points)),
            ];
            for (value_name, value) in values {
                self.set(&format!("{key}_{value_name}"), value);
            }
        }
        let rate = |name: &str| self.median(name, |run| run.points_per_s);
        let ratios = [
            ("single_vs_row_per_point", rate("single heartbeat") / rate("single row-per-point")),
            ("single_vs_noop", rate("single heartbeat") / rate("single noop")),
            ("batch_vs_row_per_point", rate("batch heartbeat") / rate("batch row-per-point")),
            ("batch_vs_json_parse", rate("batch heartbeat") / rate("batch json-parse")),
        ];
        let growth = self.get("query_grouped_24h_10x_series_ms_p50") / self.get("query_grouped_24h_ms_p50");
        self.set("query_growth_10x_series", growth);
        for (name, ratio) in ratios {
            self.set(name, ratio);
        }
    }

    /// Writes the table to standard output.
    pub(crate) fn print(&self) {
        println!("\nmedians of the runs; cores: processors kept busy by workerd, the generator, all others\n");
        println!(
            "{:<22}{:>11}{:>12}{:>9}{:>9}{:>13}  cores",
            "load", "requests/s", "points/s", "p50 ms", "p99 ms", "CPU s/M pts"
        );
        for name in self.names() {
            let median = |value: fn(&Run) -> f64| self.median(name, value);
            println!(
                "{name:<22}{:>11.0}{:>12.0}{:>9.1}{:>9.1}{:>13.1}  {:.2} {:.2} {:.2}",
                median(|run| run.requests_per_s),
                median(|run| run.points_per_s),
                median(|run| run.p50_ms),
                median(|run| run.p99_ms),
                median(|run| run.cpu_s_per_million_points),
                median(|run| run.cores[0]),
                median(|run| run.cores[1]),
                median(|run| run.cores[2]),
            );
        }
        println!("\n{:<56}{:>14}", "measure", "value");
        let in_table = |name: &str| self.names().iter().any(|run| name.starts_with(&run.replace([' ', '-'], "_")));
        for (name, value) in self.measures.iter().filter(|(name, _)| !in_table(name)) {
            let decimals = if *value < 1.0 { 5 } else { 2 };
            println!("{name:<56}{value:>14.decimals$}");
        }
        println!("\n{DOLLARS_ARE}");
        if self.is_disturbed() {
            println!(
                "DISTURBED: other processes took up to {:.2} processors during a run; ratios too are wrong",
                self.others()
            );
        }
    }

    /// The most processors that other processes took during a run.
    fn others(&self) -> f64 {
        self.runs.iter().map(|(_, run)| run.cores[2]).fold(0.0, f64::max)
    }

    /// Whether other processes took so much that servers waiting for the disk look slower than those that compute.
    fn is_disturbed(&self) -> bool {
        self.others() > 0.2
    }

    /// Writes `target/bench.json`.
    pub(crate) fn save(&self) {
        let runs: Vec<Value> = self
            .runs
            .iter()
            .map(|(name, run)| {
                json!({
                    "load": name,
                    "requests": run.requests,
                    "requests_per_s": run.requests_per_s,
                    "points_per_s": run.points_per_s,
                    "p50_ms": run.p50_ms,
                    "p99_ms": run.p99_ms,
                    "cpu_s_per_million_points": run.cpu_s_per_million_points,
                    "cores": { "workerd": run.cores[0], "generator": run.cores[1], "others": run.cores[2] },
                })
            })
            .collect();
        let report = json!({
            "measures": self.measures,
            "runs": runs,
            "dollars": DOLLARS_ARE,
            "disturbed": self.is_disturbed(),
        });
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
        fs::create_dir_all(&folder).expect("the target folder is writable");
        fs::write(folder.join("bench.json"), format!("{report:#}\n")).expect("likewise");
    }
}
