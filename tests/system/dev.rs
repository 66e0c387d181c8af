//! `make dev` for a first visitor: what it prints works as pasted.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::server::State;
use crate::stream::added;

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("some port is free");
    listener.local_addr().expect("it is bound").port()
}

fn pasted(command: &str) -> Value {
    let run = Command::new("sh").args(["-c", command]).output().expect("sh is there");
    serde_json::from_slice(&run.stdout).unwrap_or_else(|error| panic!("{error}: {command}: {run:?}"))
}

#[test]
fn the_commands_that_make_dev_prints_work_as_pasted() {
    let state = State::new();
    let mut dev = Command::new("node_modules/.bin/node")
        .args(["tools/dev.mjs", "--port", &free_port().to_string(), "--state"])
        .arg(state.path())
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("node is installed by `make setup`");
    let output = BufReader::new(dev.stdout.take().expect("piped"));
    let printed = output.lines().map_while(Result::ok).map(|line| line.trim().to_owned());
    let commands: Vec<String> = printed.filter(|line| line.starts_with("curl ")).take(2).collect();

    let written = pasted(&commands[0]);
    let read = pasted(&commands[1]);
    Command::new("kill").arg(dev.id().to_string()).status().expect("kill is there");

    assert_eq!(written["accepted"], 1);
    let series = &read["series"][0];
    assert_eq!(series["labels"]["country"], "US");
    assert!((added(&series["sum"]) - 1234.0).abs() < 1e-6, "{series}");
    assert!((added(&series["count"]) - 1.0).abs() < 1e-6, "{series}");
    assert_eq!(dev.wait().expect("it is our child").code(), Some(0), "stops cleanly");
}
