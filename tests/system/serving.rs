//! `make serve`, as somebody who hosts Heartbeat runs it: real processes with real ends.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::call;
use crate::ports;
use crate::server::{OWNER_TOKEN, State};
use crate::stream::Stream;

/// How long processes may take to end once the kernel signals them, on a busy machine.
const SOON: Duration = Duration::from_mins(2);
const EVERY: Duration = Duration::from_millis(20);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A serving process, with all processes that it started.
struct Serving {
    child: Child,
    url: String,
}

impl Serving {
    /// Panics with its output if it does not serve.
    fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::inherit()).process_group(0).spawn().expect("it is there");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let ready = lines.find_map(|line| line.strip_prefix("heartbeat ready on ").map(str::to_owned));
        Self { child, url: ready.expect("it is ready before it ends") }
    }

    fn port(&self) -> u16 {
        self.url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
    }

    /// The ids of this process, its children and their children.
    fn family(&self) -> Vec<u32> {
        let listed = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output().expect("ps is installed").stdout;
        let listed = String::from_utf8(listed).expect("numbers");
        let pairs: Vec<Vec<u32>> =
            listed.lines().map(|line| line.split_whitespace().filter_map(|word| word.parse().ok()).collect()).collect();
        let mut family = vec![self.child.id()];
        let mut at = 0;
        while let Some(parent) = family.get(at).copied() {
            family.extend(pairs.iter().filter(|pair| pair[1] == parent).map(|pair| pair[0]));
            at += 1;
        }
        family
    }

    /// Kills one process without warning any other, and waits until all are gone.
    fn kill_9(mut self, victim: u32) {
        let family = self.family();
        assert!(family.len() >= 2, "workerd is a process of its own: {family:?}");
        assert!(Command::new("kill").args(["-s", "KILL", &victim.to_string()]).status().expect("kill").success());
        let deadline = Instant::now() + SOON;
        while family.iter().any(|process| is_running(*process)) {
            self.child.try_wait().expect("the process is our child");
            assert!(Instant::now() < deadline, "of {family:?} some outlive {victim}");
            thread::park_timeout(EVERY);
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            Command::new("kill").args(["-s", "KILL", "--", &format!("-{}", self.child.id())]).status().ok();
            self.child.wait().ok();
        }
    }
}

/// Whether it is neither gone nor a zombie.
fn is_running(process: u32) -> bool {
    let state =
        Command::new("ps").args(["-o", "stat=", "-p", &process.to_string()]).output().expect("ps is installed").stdout;
    !state.is_empty() && !state.starts_with(b"Z")
}

fn served(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).env("OWNER_TOKEN", OWNER_TOKEN).env("SIGNING_KEY", "test-signing-key");
    // This test may itself run under a `make`.
    for name in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "HOST", "PORT", "STATE"] {
        command.env_remove(name);
    }
    command
}

fn make_serve(port: u16, state: &Path) -> Command {
    let mut make = served("make");
    make.args(["serve", &format!("PORT={port}"), &format!("STATE={}", state.display())]);
    make
}

fn node_serve(port: u16, state: &Path) -> Command {
    let mut node = served(root().join("node_modules/.bin/node"));
    node.args(["tools/serve.mjs", "--port", &port.to_string(), "--state"]).arg(state);
    node
}

/// The output and the exit code of a server that must not start.
fn refused(command: &mut Command) -> (Option<i32>, String) {
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn().expect("it is there");
    // The output ends with the server; a ready server reports that first.
    let ready = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok).next();
    if ready.is_some() {
        drop(Serving { child, url: String::new() });
        panic!("it serves: {command:?}");
    }
    let done = child.wait_with_output().expect("it ends");
    (done.status.code(), String::from_utf8(done.stderr).expect("text"))
}

/// A stream on the serving process.
fn stream(serving: &Serving) -> Stream {
    let created =
        call("POST", format!("{}/v1/streams", serving.url)).bearer(OWNER_TOKEN).body(r#"{"name":"test"}"#).send();
    let created = created.expect(201).json();
    let text = |field: &str| created[field].as_str().expect("a string").to_owned();
    Stream { id: text("id"), read_key: text("read_key"), url: serving.url.clone() }
}

#[test]
fn make_serve_needs_no_rust() {
    let (state, programs) = (State::new(), State::new());
    let wants_rust = programs.path().join("wants-rust");
    for name in ["cargo", "rustc", "rustup"] {
        let path = programs.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\ntouch '{}'\nexit 1\n", wants_rust.display())).expect("writable");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("ours");
    }
    let path = format!("{}:{}", programs.path().display(), std::env::var("PATH").expect("set"));
    let serving = Serving::start(make_serve(0, state.path()).env("PATH", path));
    call("GET", format!("{}/", serving.url)).send().expect(200);
    stream(&serving).write(r#"{"n":1}"#);
    assert!(!wants_rust.exists());
}

#[test]
fn without_a_build_make_serve_says_what_to_run() {
    let copy = State::new();
    for name in ["tools", "node_modules", "wrangler.toml", "public"] {
        symlink(root().join(name), copy.path().join(name)).expect("writable");
    }
    // Node follows links, and the program looks around at its real location.
    std::fs::remove_file(copy.path().join("tools")).expect("ours");
    let copied = Command::new("cp").arg("-R").arg(root().join("tools")).arg(copy.path()).status();
    assert!(copied.expect("cp is installed").success());
    let (code, said) = refused(node_serve(0, copy.path()).current_dir(copy.path()));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no build in build/") && said.contains("`make build`"), "{said}");
}

#[test]
fn make_or_the_environment_sets_the_address_and_the_data() {
    let state = State::new();
    let of_make = state.path().join("of make");
    let of_environment = state.path().join("of the environment");
    let serving = Serving::start(make_serve(0, &of_make).arg("HOST=localhost"));
    assert!(
        serving.url.starts_with("http://localhost:") || serving.url.starts_with("http://127.0.0.1:"),
        "{}",
        serving.url
    );
    let settings: [(&str, &std::ffi::OsStr); 3] =
        [("HOST", "0.0.0.0".as_ref()), ("PORT", "0".as_ref()), ("STATE", of_environment.as_ref())];
    let by_make = Serving::start(served("make").arg("serve").envs(settings));
    assert_ne!(by_make.port(), 8787);
    drop(by_make);
    let by_node = Serving::start(served(root().join("node_modules/.bin/node")).arg("tools/serve.mjs").envs(settings));
    assert_ne!(by_node.port(), 8787);
    assert!(of_make.join("do").is_dir() && of_environment.join("do").is_dir());
}

#[test]
fn an_empty_setting_counts_as_unset() {
    let state = State::new();
    let empty = [("HOST", ""), ("TRUSTED_PROXIES", "")];
    for serving in [
        Serving::start(make_serve(0, &state.path().join("by make")).envs(empty)),
        Serving::start(make_serve(0, &state.path().join("of make")).arg("HOST=")),
        Serving::start(node_serve(0, &state.path().join("of node")).envs(empty)),
    ] {
        assert!(serving.url.starts_with("http://127.0.0.1:"), "{}", serving.url);
    }
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let state = State::new();
    let first = Serving::start(&mut make_serve(0, state.path()));
    let stream = stream(&first);
    stream.write(r#"{"n":1}"#);
    let link = State::new();
    let linked = link.path().join("link");
    symlink(state.path(), &linked).expect("writable");
    let by_other_ways: [PathBuf; 2] = [state.path().join("..").join(state.path().file_name().expect("a name")), linked];
    for path in [state.path()].into_iter().chain(by_other_ways.iter().map(PathBuf::as_path)) {
        for command in [&mut node_serve(0, path), &mut make_serve(0, path)] {
            let (code, said) = refused(command);
            assert_ne!(code, Some(0), "{said}");
            assert!(said.contains("another server uses the data in ") && said.contains("STATE="), "{said}");
        }
    }
    stream.write(r#"{"n":1}"#);
    assert_eq!(stream.read("/status").json()["accepted"], 2);
    let elsewhere = State::new();
    Serving::start(&mut node_serve(0, elsewhere.path()));
}

#[test]
fn kill_9_of_any_process_frees_the_port_and_the_data() {
    // make, node, and the process through which node guards workerd.
    for which in [0, 1] {
        let state = State::new();
        let port = ports::unused();
        let first = Serving::start(&mut make_serve(port, state.path()));
        let stream = stream(&first);
        for _ in 0..3 {
            stream.write(r#"{"n":1}"#);
        }
        let victim = first.family()[which];
        first.kill_9(victim);
        let next = Serving::start(&mut make_serve(port, state.path()));
        assert_eq!(next.port(), port);
        assert_eq!(stream.read("/status").json()["accepted"], 3, "all that was acknowledged");
        stream.write(r#"{"n":1}"#);
    }
}

#[test]
fn a_signal_ends_every_process_and_keeps_the_data() {
    let state = State::new();
    let mut stream_before: Option<Stream> = None;
    for (round, signal) in ["TERM", "INT", "HUP"].into_iter().enumerate() {
        let mut serving = Serving::start(&mut node_serve(0, state.path()));
        let stream = Stream { url: serving.url.clone(), ..stream_before.take().unwrap_or_else(|| stream(&serving)) };
        assert_eq!(stream.read("/status").json()["accepted"], round);
        stream.write(r#"{"n":1}"#);
        let family = serving.family();
        Command::new("kill").args(["-s", signal, &serving.child.id().to_string()]).status().expect("kill is installed");
        assert_eq!(serving.child.wait().expect("the process is our child").code(), Some(0), "{signal}");
        let deadline = Instant::now() + SOON;
        while family.iter().any(|process| is_running(*process)) {
            assert!(Instant::now() < deadline, "some of {family:?} outlive {signal}");
            thread::park_timeout(EVERY);
        }
        stream_before = Some(stream);
    }
}

#[test]
fn a_folder_that_cannot_be_locked_is_reported() {
    let state = State::new();
    std::fs::write(state.path().join("lock.sqlite"), "not a database".repeat(100)).expect("writable");
    let (code, said) = refused(&mut node_serve(0, state.path()));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("can't be locked"), "{said}");
    let (code, said) = refused(&mut node_serve(0, &state.path().join("lock.sqlite")));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.starts_with("serve: "), "{said}");
}
