//! A server under measurement: started, watched in /proc, stopped.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::proc;

/// The owner's token on the measured server.
pub(crate) const OWNER_TOKEN: &str = "bench-owner-token";

/// A running server, which stops when dropped.
pub(crate) struct Server {
    child: Child,
    workerd: u32,
    /// For example `127.0.0.1:40123`.
    pub(crate) address: String,
    /// From the start of the process until it prints that it accepts requests.
    pub(crate) start_ms: f64,
}

impl Server {
    /// Heartbeat's release build.
    pub(crate) fn heartbeat(state: &Path) -> Self {
        Self::start(&["tools/serve.mjs", "--control"], state)
    }

    /// One of benches/baselines.
    pub(crate) fn baseline(name: &str, state: &Path) -> Self {
        Self::start(&["benches/baselines/serve.mjs", name], state)
    }

    /// Heartbeat or one of benches/baselines, with the billed operations of its objects counted.
    pub(crate) fn counted(name: &str, state: &Path) -> Self {
        Self::start(&["benches/baselines/serve.mjs", name, "--count"], state)
    }

    fn start(arguments: &[&str], state: &Path) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let begun = Instant::now();
        let mut child = Command::new(root.join("node_modules/.bin/node"))
            .args(arguments)
            .args(["--port", "0", "--state"])
            .arg(state)
            .current_dir(root)
            .env("OWNER_TOKEN", OWNER_TOKEN)
            .env("SIGNING_KEY", "bench-signing-key")
            .env_remove("HEARTBEAT_WRITE_LIMIT")
            // The server stops when this pipe closes, which also happens if this process is killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("node is installed by `make setup`");
        let mut line = String::new();
        let output = child.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut line).expect("the server reports that it is ready");
        let start_ms = begun.elapsed().as_secs_f64() * 1e3;
        let (_, address) = line.trim().split_once(" ready on http://").expect("the server reports that it is ready");
        let workerd = proc::child_named(child.id(), "workerd").expect("Miniflare runs workerd");
        Self { child, workerd, address: address.to_owned(), start_ms }
    }

    /// CPU seconds that workerd has used.
    pub(crate) fn cpu_s(&self) -> f64 {
        proc::cpu_s(&self.workerd.to_string())
    }

    /// The peak resident memory of workerd, in bytes.
    pub(crate) fn peak_bytes(&self) -> u64 {
        proc::peak_bytes(self.workerd)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A signal rather than a kill: Miniflare removes its temporary folder.
        Command::new("kill").arg(self.child.id().to_string()).status().ok();
        self.child.wait().ok();
    }
}
