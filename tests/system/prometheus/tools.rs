//! Debian's Prometheus, if it is available.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::{debian, programs};

/// The folder of the programs; `None`, with a message, if they are not available.
pub(super) fn programs() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let set_up = || debian::program("prometheus", "usr/bin/prometheus", "--version")?.parent().map(Path::to_owned);
    FOLDER.get_or_init(set_up).as_deref()
}

/// What promtool reports about an exposition; empty if it finds no problem. `None` if it is not available.
pub(super) fn lint(exposition: &str) -> Option<String> {
    promtool(&["check", "metrics"], exposition)
}

/// What promtool reports about a configuration. `None` if it is not available.
pub(crate) fn check_config(config: &str) -> Option<String> {
    promtool(&["check", "config", "/dev/stdin"], config)
}

fn promtool(arguments: &[&str], input: &str) -> Option<String> {
    let mut child = Command::new(programs()?.join("promtool"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    let done = child.wait_with_output().expect("it ends");
    let said = [done.stdout, done.stderr].concat();
    Some(format!("{}{}", String::from_utf8_lossy(&said), if done.status.success() { "" } else { "failed" }))
}

/// The type of the family, and the name, labels and value of the sample.
pub(super) type Sample = (String, String, Value, f64);

/// What a strict parser of `OpenMetrics` or of text 0.0.4 reads in an exposition, or why it refuses it.
/// `None`, with a message, if it is not available.
pub(super) fn parsed(format: &str, exposition: &str) -> Option<Result<Vec<Sample>, String>> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut child = Command::new(PYTHON.get_or_init(|| programs::python("openmetrics")).as_deref()?)
        .arg(root.join("tests/prometheus/strict.py"))
        .arg(format)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    child.stdin.take().expect("piped").write_all(exposition.as_bytes()).expect("it reads");
    let done = child.wait_with_output().expect("it ends");
    if !done.status.success() {
        return Some(Err(String::from_utf8_lossy(&done.stderr).into_owned()));
    }
    let samples: Vec<(String, String, Value, String)> = serde_json::from_slice(&done.stdout).expect("JSON");
    let number = |(kind, name, labels, value): (String, String, Value, String)| {
        (kind, name, labels, value.parse::<f64>().expect("a number"))
    };
    Some(Ok(samples.into_iter().map(number).collect()))
}
