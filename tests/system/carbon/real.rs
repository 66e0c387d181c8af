//! A real carbon-cache, which is stopped and started while a stream pushes to it.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::double::config;
use super::{SOON, is_done, pushing, shared, until};
use crate::clock::now_whole_s;
use crate::server::State;
use crate::stream::{Stream, assert_close};
use crate::{ports, programs};

/// How long the test writes, and when the carbon is down.
const WRITES: Duration = Duration::from_mins(2);
const STOPS_AFTER: Duration = Duration::from_secs(40);
const STARTS_AFTER: Duration = Duration::from_secs(70);
const EVERY: Duration = Duration::from_millis(500);

/// The contents of the whisper files of these names from a time on: for each, by time.
const READER: &str = "
import json, os, sys, whisper
from carbon.util import TaggedSeries
folder, since, until, names = json.load(sys.stdin)
kept = {}
for name in names:
    path = os.path.join(folder, TaggedSeries.encode(name, sep='/', hash_only=True) + '.wsp')
    if os.path.exists(path):
        (start, end, step), values = whisper.fetch(path, since, until)
        kept[name] = {at: value for at, value in zip(range(start, end, step), values) if value is not None}
count = sum(len([name for name in found if name.endswith('.wsp')]) for _, _, found in os.walk(folder))
print(json.dumps({'kept': kept, 'files': count}))
";

/// A carbon-cache in a process of its own.
struct RealCarbon {
    folder: State,
    port: u16,
    child: Option<Child>,
}

impl RealCarbon {
    /// `None` if carbon is not available, with the reason on standard error.
    fn new() -> Option<Self> {
        programs::python("graphite")?;
        let mut tried = python();
        if !programs::installed("carbon", tried.args(["-c", "import carbon.routers, carbon.service, whisper"])) {
            return None;
        }
        let (folder, port) = (State::new(), ports::unused());
        let path = folder.path();
        let write = |name: &str, text: String| std::fs::write(path.join(name), text).expect("writable");
        let shown = path.display();
        write(
            "carbon.conf",
            format!(
                "[cache]\nSTORAGE_DIR = {shown}\nCONF_DIR = {shown}\nLOG_DIR = {shown}\nPID_DIR = {shown}\n\
                 LOCAL_DATA_DIR = {shown}/whisper/\nLINE_RECEIVER_INTERFACE = 127.0.0.1\nLINE_RECEIVER_PORT = {port}\n\
                 PICKLE_RECEIVER_PORT = 0\nCACHE_QUERY_PORT = 0\nENABLE_TAGS = False\nCARBON_METRIC_INTERVAL = 0\n\
                 MAX_CREATES_PER_MINUTE = inf\nMAX_UPDATES_PER_SECOND = inf\n"
            ),
        );
        write("storage-schemas.conf", "[all]\npattern = .*\nretentions = 10s:1h\n".to_owned());
        Some(Self { folder, port, child: None })
    }

    fn start(&mut self) {
        let mut command = python();
        command.arg(root().join(".tools/graphite/bin/carbon-cache.py"));
        command.arg(format!("--config={}", self.folder.path().join("carbon.conf").display()));
        // In the foreground, so that the process to stop is our child.
        command.args(["--debug", "start"]).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("it was installed"));
        let deadline = Instant::now() + SOON;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "carbon does not listen");
            thread::park_timeout(EVERY);
        }
    }

    fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        Command::new("kill").arg(child.id().to_string()).status().expect("kill is installed");
        child.wait().expect("the process is our child");
    }

    fn read(&self, since_s: i64, until_s: i64, names: &[String]) -> Value {
        let folder = self.folder.path().join("whisper");
        let mut child = python()
            .args(["-c", READER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python was installed");
        let order = json!([folder.to_str(), since_s, until_s, names]).to_string();
        child.stdin.take().expect("piped").write_all(order.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("the process is our child");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

impl Drop for RealCarbon {
    fn drop(&mut self) {
        self.stop();
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn python() -> Command {
    Command::new(root().join(".tools/graphite/bin/python"))
}

/// One write: instants and periods, of three label sets and of none.
fn points(number: u32) -> Value {
    let country = ["US", "FR", "Côte d'Ivoire"][number as usize % 3];
    json!([
        { "n": number, "d": 2, "v": { "country": country, "path": "/a/b" } },
        { "n": 0.1, "p": 10, "v": { "country": country, "path": "/a/b" } },
        { "n": 1 },
    ])
}

pub(crate) fn a_restarted_real_carbon_has_every_closed_bucket_once() {
    let Some(mut carbon) = RealCarbon::new() else { return };
    carbon.start();
    let stream = pushing(shared(), &config(carbon.port));
    let (begun, begun_s) = (Instant::now(), i64::try_from(now_whole_s()).expect("this century"));
    let mut stops = Some(STOPS_AFTER);
    let mut starts = Some(STARTS_AFTER);
    let mut number = 0;
    while begun.elapsed() < WRITES {
        stream.write(points(number).to_string());
        number += 1;
        if stops.take_if(|after| begun.elapsed() > *after).is_some() {
            carbon.stop();
        }
        if starts.take_if(|after| begun.elapsed() > *after).is_some() {
            // It was missed.
            until(&stream, SOON, |status| status["state"] == "waiting");
            carbon.start();
        }
        thread::park_timeout(EVERY);
    }
    let status = until(&stream, SOON, is_done);
    assert!(status["corrected"].as_u64() > Some(0) && status["last_error"].is_null(), "{status}");
    let (wanted, names) = wanted(&stream, begun_s);
    // Carbon writes to its files once a second.
    let deadline = Instant::now() + SOON;
    loop {
        let read = carbon.read(begun_s - 20, begun_s + 600, &names);
        if !is_same(&wanted, &read["kept"]) && Instant::now() < deadline {
            thread::park_timeout(EVERY);
            continue;
        }
        assert_eq!(read["files"], names.len(), "there are names that nobody wrote");
        for name in &names {
            let (wanted, kept) = (wanted[name].as_object().expect("values"), read["kept"][name].as_object());
            let kept = kept.unwrap_or_else(|| panic!("{name} has no file"));
            assert_eq!(kept.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>(), "{name}");
            for (at, value) in wanted {
                assert_close(number_of(&kept[at]), number_of(value), &format!("{name} at {at}"));
            }
        }
        break;
    }
    let sum: f64 = names.iter().filter(|name| name.contains(".count")).flat_map(|name| values(&wanted[name])).sum();
    assert_close(sum, f64::from(number * 3), "all points are counted");
    let buckets: usize = names.iter().map(|name| wanted[name].as_object().expect("values").len()).sum();
    eprintln!("{number} writes, {buckets} values in {} whisper files are those of the rollup; {status}", names.len());
}

fn is_same(wanted: &Value, kept: &Value) -> bool {
    let all = |value: &Value| {
        value.as_object().map(|names| names.iter().map(|(k, v)| (k.clone(), values(v).len())).collect::<Vec<_>>())
    };
    all(wanted) == all(kept)
}

fn values(of: &Value) -> Vec<f64> {
    of.as_object().expect("values").values().map(number_of).collect()
}

fn number_of(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

/// The rollup in the form that carbon should have: by name and time; and the names.
fn wanted(stream: &Stream, begun_s: i64) -> (Value, Vec<String>) {
    let rollup = stream.rollup(&format!("from={}&step=10&by=*&agg=sum,count", begun_s / 10 * 10));
    let mut wanted = json!({});
    for series in rollup["series"].as_array().expect("a list") {
        let labels = series["labels"].as_object().expect("labels");
        let tag = |(name, value): (&String, &Value)| {
            format!(";{name}={}", value.as_str().expect("a string").replace(' ', "_"))
        };
        let tags: String = labels.iter().map(tag).collect();
        for aggregate in ["sum", "count"] {
            let times = rollup["times"].as_array().expect("times").iter();
            let values = times.zip(series[aggregate].as_array().expect("values")).filter(|(_, value)| !value.is_null());
            let values: serde_json::Map<String, Value> =
                values.map(|(at, value)| (at.to_string(), value.clone())).collect();
            wanted[format!("visits.{aggregate}{tags}")] = values.into();
        }
    }
    let names = wanted.as_object().expect("names").keys().cloned().collect();
    (wanted, names)
}
