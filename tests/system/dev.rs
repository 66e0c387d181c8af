//! `make dev` for a first visitor: the commands it prints work as pasted, and so does everything in the documents.

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::documents::{blocks, document, names};
use crate::http::call;
use crate::ports;
use crate::server::State;
use crate::stream::{Stream, added};

/// wrangler checks whether there is something to build, and starts workerd.
const START: Duration = Duration::from_mins(10);

/// A running `make dev`.
struct Dev {
    child: Child,
    lines: Receiver<String>,
    /// Waits until it has printed its commands.
    starting: RefCell<Option<MutexGuard<'static, ()>>>,
}

/// One starts at a time: wrangler looks for a free port and takes it a moment later, so two could find the same one.
static STARTING: Mutex<()> = Mutex::new(());

/// What it prints.
struct Printed {
    exports: Vec<String>,
    commands: Vec<String>,
}

impl Dev {
    fn start(state: &State) -> Self {
        let starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut child = Command::new("node_modules/.bin/node")
            .args(["tools/dev.mjs", "--port", &ports::unused().to_string(), "--state"])
            .arg(state.path())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            // The Worker that is there already.
            .env("PROFILE", "release")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A process group, so that a failed test leaves nothing running.
            .process_group(0)
            .spawn()
            .expect("node is installed by `make setup`");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = channel();
        // Reads to the end, as a program stops if nobody reads its output.
        std::thread::spawn(move || output.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        Self { child, lines, starting: RefCell::new(Some(starting)) }
    }

    fn printed(&self) -> Printed {
        let mut printed = Printed { exports: Vec::new(), commands: Vec::new() };
        let deadline = Instant::now() + START;
        while printed.commands.len() < 2 {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).expect("it prints two commands").trim().to_owned();
            match line.split(' ').next() {
                Some("export") => printed.exports.push(line),
                Some("curl") => printed.commands.push(line),
                _ => {}
            }
        }
        self.starting.take();
        printed
    }

    /// Asks it to stop, and returns its exit code.
    fn stop(mut self) -> Option<i32> {
        Command::new("kill").arg(self.child.id().to_string()).status().expect("kill is installed");
        self.child.wait().expect("the process is our child").code()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let group = format!("-{}", self.child.id());
            Command::new("kill").args(["-s", "KILL", "--", &group]).status().ok();
            self.child.wait().ok();
        }
    }
}

impl Printed {
    /// The value that a shell gets for one of the exported names.
    fn value(&self, name: &str) -> String {
        let script = format!("{}\nprintf %s \"${name}\"", self.exports.join("\n"));
        let run = Command::new("sh").args(["-euc", &script]).output().expect("sh is installed");
        assert!(run.status.success(), "{run:?}");
        String::from_utf8(run.stdout).expect("UTF-8")
    }

    fn stream(&self) -> Stream {
        Stream { id: self.value("ID"), read_key: self.value("KEY"), url: self.value("URL") }
    }

    /// A call of the owner to the stream.
    fn owned(&self, method: &'static str, path: &str) -> crate::http::Call {
        self.stream().call(method, path).bearer(&self.value("OWNER_TOKEN"))
    }
}

fn pasted(command: &str) -> Value {
    let run = Command::new("sh").args(["-c", command]).output().expect("sh is installed");
    serde_json::from_slice(&run.stdout).unwrap_or_else(|error| panic!("{error}: {command}: {run:?}"))
}

#[test]
fn the_commands_that_make_dev_prints_work_as_pasted() {
    let state = State::new();
    let dev = Dev::start(&state);
    let commands = dev.printed().commands;

    let written = pasted(&commands[0]);
    let read = pasted(&commands[1]);

    assert_eq!(written["accepted"], 1);
    let series = &read["series"][0];
    assert_eq!(series["labels"]["country"], "US");
    assert!((added(&series["sum"]) - 1234.0).abs() < 1e-6, "{series}");
    assert!((added(&series["count"]) - 1.0).abs() < 1e-6, "{series}");
    assert_eq!(dev.stop(), Some(0), "stops cleanly");
}

/// The Python client, installed as its document says; returns the folder of its programs.
fn python_programs() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let set_up = Command::new("sh").arg(root.join("tools/python.sh")).output().expect("sh is installed");
    assert!(set_up.status.success(), "{set_up:?}");
    root.join(".tools/python/bin").to_string_lossy().into_owned()
}

/// Runs all blocks in one shell in the project's folder, as a person does who goes down the pages.
#[track_caller]
fn assert_all_succeed(printed: &Printed, blocks: &[(String, String)]) {
    // With --fail, an error of the API is an error of the command.
    let prelude = "curl() { command curl --silent --show-error --fail-with-body \"$@\"; }".to_owned();
    let shown = blocks.iter().map(|(document, block)| format!("echo '==== {document}'\n{block}"));
    let lines: Vec<String> = printed.exports.iter().cloned().chain([prelude]).chain(shown).collect();
    let script = lines.join("\n");
    let path = format!("{}:{}", python_programs(), std::env::var("PATH").expect("there is one"));
    let run = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("PATH", path)
        .output()
        .expect("bash is installed");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(run.status.success(), "{}\n{}", text(&run.stdout), text(&run.stderr));
    for (document, _) in blocks {
        assert!(text(&run.stdout).contains(&format!("==== {document}\n")), "{document} was not reached");
    }
}

#[test]
fn all_documented_commands_work_on_the_stream_of_make_dev() {
    let state = State::new();
    let dev = Dev::start(&state);
    let printed = dev.printed();
    let shown: Vec<(String, String)> = names()
        .into_iter()
        .flat_map(|name| {
            blocks(&document(&name), "sh").into_iter().map(|block| (name.clone(), block.to_owned())).collect::<Vec<_>>()
        })
        .collect();
    let documents: Vec<&str> = shown.iter().map(|(name, _)| name.as_str()).collect();
    assert!(documents.starts_with(&["README.md"]) && shown.len() >= 20, "{documents:?}");
    for document in ["docs/appnet.md", "docs/carbon.md", "docs/python.md", "docs/statsd.md"] {
        assert!(documents.contains(&document), "{document} shows something");
    }
    assert_all_succeed(&printed, &shown);
    // Everything again: no command may work only once.
    assert_all_succeed(&printed, &shown);
    // The stream still belongs to the visitor, and the next start says so.
    printed.stream().read("/status").expect(200);
    assert_eq!(dev.stop(), Some(0));
    let again = Dev::start(&state);
    let printed_again = again.printed();
    assert_eq!((printed_again.value("ID"), printed_again.value("KEY")), (printed.value("ID"), printed.value("KEY")));
    printed_again.stream().read("/status").expect(200);
}

#[test]
fn make_dev_replaces_saved_credentials_that_no_longer_work() {
    let state = State::new();
    let dev = Dev::start(&state);
    let first = dev.printed();
    // The stream is made public, so that even a dead key can read a rollup.
    first.owned("PATCH", "").body(r#"{"public_read":true}"#).send().expect(200);
    first.owned("POST", "/read-key").send().expect(200);
    first.stream().read("/status").problem(401);
    assert_eq!(dev.stop(), Some(0));

    let dev = Dev::start(&state);
    let second = dev.printed();
    assert_eq!(second.value("ID"), first.value("ID"));
    second.stream().read("/status").expect(200);
    assert_eq!(pasted(&second.commands[0])["accepted"], 1);
    assert_eq!(pasted(&second.commands[1])["series"][0]["labels"]["country"], "US");
    second.owned("DELETE", "").send().expect(204);
    assert_eq!(dev.stop(), Some(0));

    let dev = Dev::start(&state);
    let third = dev.printed();
    assert_ne!(third.value("ID"), first.value("ID"));
    third.stream().read("/status").expect(200);
    assert_eq!(dev.stop(), Some(0));

    // A file that a crash left incomplete.
    std::fs::write(state.path().join("dev-stream.json"), "{\"id\":").expect("writable");
    let dev = Dev::start(&state);
    let fourth = dev.printed();
    fourth.stream().read("/status").expect(200);
    let listed = call("GET", format!("{}/v1/streams", fourth.value("URL"))).bearer(&fourth.value("OWNER_TOKEN")).send();
    assert!(listed.expect(200).text().contains(&fourth.value("ID")));
}
