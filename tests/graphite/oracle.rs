//! graphite-web in a process of its own, if it can be installed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// A request: its path and parameters.
pub(crate) type Request<'a> = (&'a str, &'a [(String, String)]);

/// What graphite-web answers to requests over the data that end at `end_s`; `None` where it can't be had, with
/// the reason on standard error.
pub(crate) fn answers(order: &Value, now_s: i64, requests: &[Request<'_>]) -> Option<Vec<Value>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let setup = Command::new(root.join("tests/graphite/setup.sh")).status();
    if !setup.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "graphite-web can't be installed, and a CI compares with it");
        // Past the capture of tests: who reads the log of a run has to see it.
        writeln!(std::io::stderr(), "SKIPPED: graphite-web can't be installed here, so nothing is compared with it")
            .ok();
        return None;
    }
    let mut child = Command::new(root.join(".tools/graphite/bin/python"))
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
    child.wait().expect("it is our child");
    Some(answers)
}
