//! graphite-web in its own process, if it can be installed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::programs;

/// A request: its path and parameters.
pub(crate) type Request<'a> = (&'a str, &'a [(String, String)]);

/// What graphite-web answers to requests over the data that end at `end_s`; `None` if it is not available, with
/// the reason on standard error.
pub(crate) fn answers(order: &Value, now_s: i64, requests: &[Request<'_>]) -> Option<Vec<Value>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut child = Command::new(programs::python("graphite")?)
        .arg(root.join("tests/graphite/oracle.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("python was installed");
    let mut input = child.stdin.take().expect("piped");
    let mut output = BufReader::new(child.stdout.take().expect("piped")).lines();
    writeln!(input, "{order}").expect("it reads");
    let mut answers = Vec::new();
    for (path, query) in requests {
        let mut query = query.to_vec();
        query.push(("now".to_owned(), now_s.to_string()));
        writeln!(input, "{}", json!({"path": path, "query": query})).expect("it reads");
        let line = output.next().expect("an answer").expect("a line");
        answers.push(serde_json::from_str(&line).expect("JSON"));
    }
    drop(input);
    child.wait().expect("the process is our child");
    Some(answers)
}
