//! `VictoriaMetrics` from Debian's package, as a peer.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::Value;

use crate::http::{Connection, request};
use crate::proc;

const PROGRAM: &str = "usr/bin/victoria-metrics";

/// A running server, which stops when dropped.
pub(crate) struct Victoria {
    child: Child,
    data: PathBuf,
    pub(crate) address: String,
}

impl Victoria {
    /// `None` where the package can't be had.
    pub(crate) fn start(data: &Path) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let install = root.join("tests/programs/debian.sh");
        let is_there = Command::new(install).args(["victoria-metrics", PROGRAM, "-version"]).status();
        if !is_there.is_ok_and(|status| status.success()) {
            return None;
        }
        let free = TcpListener::bind("127.0.0.1:0").expect("a port is free").local_addr().expect("bound");
        let child = Command::new(root.join(".tools/victoria-metrics").join(PROGRAM))
            .arg(format!("-httpListenAddr={free}"))
            .arg(format!("-storageDataPath={}", data.display()))
            .args(["-retentionPeriod=1y", "-loggerLevel=ERROR"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let started = Self { child, data: data.to_owned(), address: free.to_string() };
        let begun = Instant::now();
        while TcpStream::connect(&started.address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "VictoriaMetrics starts");
            thread::sleep(Duration::from_millis(50));
        }
        Some(started)
    }

    pub(crate) fn cpu_s(&self) -> f64 {
        proc::cpu_s(&self.child.id().to_string())
    }

    /// Waits until it shows this many points of the hours before a time: it answers a write before they can be read.
    pub(crate) fn wait_for(&self, points: f64, until_s: u64) {
        let begun = Instant::now();
        loop {
            self.get("/internal/force_flush");
            let shown = self.points(until_s);
            if shown == Some(points) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "VictoriaMetrics shows {shown:?} of {points} points");
            thread::sleep(Duration::from_millis(200));
        }
    }

    fn points(&self, until_s: u64) -> Option<f64> {
        let answer = self.get(&format!("/api/v1/query?query=sum(count_over_time(n%5B4h%5D))&time={until_s}&nocache=1"));
        let answer: Value = serde_json::from_slice(&answer).ok()?;
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }

    /// The bytes of its files.
    pub(crate) fn bytes(&self) -> f64 {
        fn of(path: &Path) -> u64 {
            let Ok(files) = fs::read_dir(path) else { return path.metadata().map_or(0, |file| file.len()) };
            files.flatten().map(|file| of(&file.path())).sum()
        }
        #[expect(clippy::cast_precision_loss, reason = "no folder has 2^53 bytes")]
        let bytes = of(&self.data) as f64;
        bytes
    }

    fn get(&self, path: &str) -> Vec<u8> {
        let mut body = Vec::new();
        Connection::open(&self.address).send(&request("GET", path, None, ""), &mut body);
        body
    }
}

impl Drop for Victoria {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
