//! The functions compared with graphite-web, whose answers are recorded in `answers.jsonl`, so no Python is needed.
//! `HEARTBEAT_RECORD=1 cargo test --test graphite` records them again.

mod compare;
mod dataset;
mod oracle;
#[path = "../programs/mod.rs"]
mod programs;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use graphite::error::Result;
use graphite::evaluate::{Evaluator, Leaf, Scope, Source};
use graphite::format::render;
use graphite::glob::Node;
use graphite::request::{Pair, Request};
use graphite::series::Series;
use graphite::tags::parse_all;
use serde_json::{Value, json};

/// The recorded data end here: 20 October 2026, 20:00 UTC.
const END_S: i64 = 1_792_526_400;

/// The data, as whisper files would return them.
struct Files(BTreeMap<String, BTreeMap<i64, f64>>);

impl Source for Files {
    fn fetch(&mut self, leaf: &Leaf<'_>, scope: Scope) -> Result<Vec<Series>> {
        let wanted: Vec<&String> = match leaf {
            Leaf::Path(path) if path.contains(';') => self.0.keys().filter(|known| known == path).collect(),
            Leaf::Path(path) => {
                let nodes = Node::all(path)?;
                let fits = |known: &str| {
                    known.split('.').count() == nodes.len()
                        && known.split('.').zip(&nodes).all(|(name, node)| node.accepts(name))
                };
                self.0.keys().filter(|known| !known.contains(';') && fits(known)).collect()
            }
            Leaf::Tags(expressions) | Leaf::Grouped(expressions, ..) => {
                let expressions = parse_all(expressions, &model::budget::Budget::new(1_000_000_000))?;
                let tagged = |known: &str| Series::of_path(known, (0, 0, 10), Vec::new());
                self.0
                    .keys()
                    .filter(|known| {
                        known.contains(';') && expressions.iter().all(|one| one.accepts(&tagged(known).tags))
                    })
                    .collect()
            }
        };
        let next = |at_s: i64| at_s - at_s % dataset::STEP_S + dataset::STEP_S;
        let (start_s, end_s) = (next(scope.from_s), next(scope.until_s.min(END_S)));
        let series = |path: &String| {
            let at = |step: i64| self.0[path].get(&(start_s + step * dataset::STEP_S)).copied().unwrap_or(f64::NAN);
            let values = (0..(end_s - start_s) / dataset::STEP_S).map(at).collect();
            Series::of_path(path, (start_s, end_s, dataset::STEP_S), values)
        };
        Ok(wanted.into_iter().map(series).collect())
    }

    fn is_waiting(&self) -> bool {
        false
    }
}

/// Our answer; `None` if the request is refused.
fn ours(pairs: &[Pair], files: &BTreeMap<String, BTreeMap<i64, f64>>) -> std::result::Result<Value, String> {
    let utc = |_| 0;
    let answer = || {
        let request = Request::parse(pairs, END_S, &utc)?;
        let mut files = Files(files.clone());
        let mut evaluator = Evaluator::new(&mut files, END_S, &utc).with(request.x_files_factor, &request.template);
        let series = evaluator.targets(&request.targets, request.scope)?;
        render(&request, series, std::rc::Rc::new(utc))
    };
    let (_, pieces) = answer().map_err(|refusal| refusal.0)?;
    let body = pieces.whole();
    Ok(compare::body(std::str::from_utf8(&body).expect("a string")))
}

fn recorded() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/graphite/answers.jsonl");
    if std::env::var_os("HEARTBEAT_RECORD").is_some() {
        let requests = dataset::requests(END_S);
        let asked: Vec<oracle::Request<'_>> = requests.iter().map(|query| ("/render", query.as_slice())).collect();
        let answers = oracle::answers(&dataset::order(END_S), END_S, &asked).expect("graphite-web is needed to record");
        let mut text = String::new();
        for (request, answer) in requests.iter().zip(answers) {
            let body = answer["body"].as_str().expect("a string");
            let body = if answer["status"] == 200 { compare::body(body) } else { Value::Null };
            writeln!(text, "{}", json!({"query": request, "status": answer["status"], "answer": body}))
                .expect("a string");
        }
        std::fs::write(&path, text).expect("writable");
    }
    let text = std::fs::read_to_string(path).expect("recorded");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn answers_match_those_recorded_from_graphite_web() {
    let (mut same, mut wrong) = (0, Vec::new());
    let files = dataset::series(END_S);
    for record in recorded() {
        let pairs: Vec<Pair> = serde_json::from_value(record["query"].clone()).expect("pairs");
        let difference = match (ours(&pairs, &files), record["status"] == 200) {
            (Ok(ours), true) => compare::difference(&ours, &record["answer"]),
            (Err(_), false) => None,
            (Ok(_), false) => Some(format!("answered, but graphite-web says {}", record["status"])),
            (Err(refusal), true) => Some(format!("refused: {refusal}")),
        };
        match difference {
            None => same += 1,
            Some(difference) => wrong.push(format!("{} {}..{}: {difference}", pairs[0].1, pairs[1].1, pairs[2].1)),
        }
    }
    assert!(wrong.is_empty(), "{same} answers are the same, {} are not:\n{}", wrong.len(), wrong.join("\n"));
    assert!(same >= 500, "{same}");
}
