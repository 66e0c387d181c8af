//! Hostile strings, wherever they are shown.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::attacker::Attacker;
use crate::frame::{Attack, Scene};
use crate::scrape;
use crate::stream::Stream;

/// Names and values with a meaning for whatever reads them.
const HOSTILE: [&str; 30] = [
    "__proto__",
    "constructor",
    "overflow",
    "true",
    "time",
    "sum",
    "other",
    "total",
    "labels",
    "le",
    "quantile",
    "__name__",
    "heartbeat_folded",
    "epoch",
    "=HYPERLINK(\"https://evil.example\",\"x\")",
    "@SUM(1)",
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    " =1+1",
    "\u{ff1d}1+1",
    "a\"b\\c'd",
    "a,b;c=d{e}[f](g)*",
    "<script>alert(1)</script>",
    "' OR 1=1; DROP TABLE log --",
    "../../../etc/passwd",
    "\u{202e}\u{200b}\u{feff}\u{2028}",
    "\u{1f600}\u{10ffff}",
    "~^$.*",
    "%00%0a",
    "NaN",
];
/// The first characters of a cell that a spreadsheet takes for a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

fn point(name: &str, value: &str) -> String {
    let mut labels = json!({"a": "1"});
    labels[name] = json!(value);
    json!({"n": 1, "v": labels}).to_string()
}

#[test]
fn hostile_strings_are_escaped_wherever_they_are_shown() {
    let strike = |attacker: &mut Attacker<'_>| {
        let (name, value) = (*attacker.random.one_of(&HOSTILE), *attacker.random.one_of(&HOSTILE));
        attacker.post(&point(name, value));
        let long = attacker.random.one_of(&HOSTILE).repeat(40);
        let short: String = long.chars().take(60).collect();
        attacker.post(&point(name, &short));
        let raw = [
            r#"{"n":1,"v":{"a":"\ud800"}}"#,
            r#"{"n":1,"v":{"a\u0000":"b"}}"#,
            r#"{"n":1,"v":{"a":"b\r\nc"}}"#,
            "[[[[[[",
            "{\"n\":1,\"n\":2}",
        ];
        let raw = *attacker.random.one_of(&raw);
        attacker.post(raw);
    };
    let attack = Attack { name: "hostile_strings", config: json!({}), connections: 2, strike: &strike, undo: "a!=" };
    let mut scene = attack.run();
    shown(&mut scene);
    scene.report.finish();
}

#[test]
fn csv_labels_never_become_our_columns_or_formulas() {
    let strike = |attacker: &mut Attacker<'_>| {
        let value = *attacker.random.one_of(&["=HYPERLINK(\"https://evil.example\")", "@SUM(1)", "+1", "-1", "1"]);
        attacker.post(&json!({"n": 1, "v": {"a": "1", "time": value, "sum": value, "other": "true"}}).to_string());
    };
    let attack = Attack { name: "csv", config: json!({}), connections: 2, strike: &strike, undo: "a!=" };
    let mut scene = attack.run();
    for value in ["=HYPERLINK(\"https://evil.example\")", "@SUM(1)", "1"] {
        scene.stream.write(json!({"n": 7, "v": {"time": value, "sum": "999", "count": "5", "=1+1": "b"}}).to_string());
    }
    let answer = scene.stream.read("/rollup?from=-1h&step=1h&by=*&agg=sum,count&format=csv").expect(200);
    let csv = csv_faults(answer.text(), &["sum", "count"]);
    scene.report.check_step("CSV", csv);
    scene.report.finish();
}

/// The same hostile strings, read back in every way.
fn shown(scene: &mut Scene) {
    for (name, value) in HOSTILE.iter().zip(HOSTILE.iter().rev()) {
        scene.stream.post(point(name, value));
        scene.stream.post(point(value, name));
    }
    let stream = &scene.stream;
    for path in [
        "/rollup?from=-1h&step=1h&by=*&agg=sum,count,p50&top=10000",
        "/rollup?from=-1h&step=1h&by=*&format=ndjson&top=10000",
        "/labels",
        "/labels/__proto__",
        "/graphite/metrics/find?query=*",
        "/graphite/render?target=attacked.sum&format=json",
        "/prometheus/api/v1/labels",
        "/prometheus/api/v1/series?match[]=heartbeat_n_total",
        "/prometheus/api/v1/query?query=heartbeat_n_total",
    ] {
        let answer = stream.read(path);
        let is_json = answer.text().lines().all(|line| serde_json::from_str::<Value>(line).is_ok());
        scene.report.check(answer.status == 200 && is_json, || format!("{path}: {} {}", answer.status, answer.text()));
    }
    let text = stream.read("/metrics");
    scene.report.check_step("/metrics", scrape::check(text.text()));
    let csv = stream.read("/rollup?from=-1h&step=1h&by=*&agg=sum&format=csv&top=10000");
    scene.report.check_step("CSV", csv_faults(csv.text(), &["sum"]));
    let pairs = every_pair(stream);
    scene.report.check_step("labels", pairs);
}

/// Checks that labels are read back as they were written.
fn every_pair(stream: &Stream) -> Result<(), String> {
    let rollup = stream.rollup("from=-1h&step=1h&by=*&top=10000");
    let all: BTreeSet<&str> = rollup["series"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|series| series["labels"].as_object())
        .flat_map(|labels| labels.values().filter_map(Value::as_str))
        .collect();
    let lost: Vec<&&str> = HOSTILE.iter().filter(|value| !all.contains(*value)).collect();
    if lost.is_empty() { Ok(()) } else { Err(format!("{lost:?} are not among the values of labels")) }
}

/// Cells that a spreadsheet would misread.
fn csv_faults(text: &str, aggregates: &[&str]) -> Result<(), String> {
    let mut rows = rows(text).into_iter();
    let header = rows.next().ok_or("no header")?;
    let different: BTreeSet<&String> = header.iter().collect();
    if different.len() < header.len() || header[0] != "time" || !header.ends_with(&aggregates.map_strings()) {
        return Err(format!("the header is {header:?}"));
    }
    let labels = 1..header.len() - aggregates.len();
    for row in std::iter::once(header.clone()).chain(rows) {
        if row.len() != header.len() {
            return Err(format!("{row:?} has not the columns of {header:?}"));
        }
        if let Some(cell) = row[labels.clone()].iter().find(|cell| cell.starts_with(FORMULA)) {
            return Err(format!("{cell} is a formula"));
        }
    }
    Ok(())
}

trait Strings {
    fn map_strings(&self) -> Vec<String>;
}

impl Strings for [&str] {
    fn map_strings(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

/// The rows of a CSV document, parsed by RFC 4180.
fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut is_quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if is_quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !is_quoted => (),
            '\n' if !is_quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            char => cell.push(char),
        }
    }
    rows
}
