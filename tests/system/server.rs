//! A server with its own port and state, started as `make serve` starts one.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// The owner's token on every test server.
pub(crate) const OWNER_TOKEN: &str = "test-owner-token";
/// How long a start or a command may take.
const DEADLINE: Duration = Duration::from_mins(5);

/// A running server. Stops when dropped or when the test process ends.
pub(crate) struct Server {
    /// Unset once the process was waited for, as its id may then be reused.
    child: Option<Child>,
    control: Mutex<Control>,
    /// For example `http://127.0.0.1:40123`.
    pub(crate) url: String,
    state: State,
    /// Standard error so far.
    log: Arc<Mutex<String>>,
}

/// Standard input and the lines of standard output.
struct Control {
    input: ChildStdin,
    lines: Receiver<String>,
}

/// A folder of storage that outlives the server and is removed when dropped.
pub(crate) struct State(PathBuf);

impl State {
    pub(crate) fn new() -> Self {
        static NEXT: Mutex<u32> = Mutex::new(0);
        let mut next = NEXT.lock().expect("no test panics here");
        *next += 1;
        let folder = std::env::temp_dir().join(format!("heartbeat-test-{}-{next}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The contents of KV, while no server runs.
    pub(crate) fn copy_of_directory(&self) -> Self {
        let copy = Self::new();
        copy_folder(&self.0.join("kv"), &copy.0.join("kv"));
        copy
    }

    /// Restores the contents of KV.
    pub(crate) fn restore_directory(&self, copy: &Self) {
        std::fs::remove_dir_all(self.0.join("kv")).expect("is there");
        copy_folder(&copy.0.join("kv"), &self.0.join("kv"));
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("writable");
    for entry in std::fs::read_dir(from).expect("readable") {
        let (path, to) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).expect("readable");
        if path.is_dir() {
            copy_folder(&path, &to);
        } else {
            std::fs::copy(&path, &to).expect("writable");
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

impl Server {
    /// The server that most tests share.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(State::new()))
    }

    /// A server with the usual secrets.
    pub(crate) fn start(state: State) -> Self {
        Self::start_with(state, &[("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "test-signing-key")])
    }

    /// A server with this environment.
    pub(crate) fn start_with(state: State, environment: &[(&str, &str)]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(root.join("build/index.js").exists(), "there is no build yet; run `make build` first");
        let mut child = Command::new(root.join("node_modules/.bin/node"))
            .args(["tools/serve.mjs", "--port", "0", "--control", "--state"])
            .arg(state.path())
            .current_dir(root)
            .env_remove("OWNER_TOKEN")
            .env_remove("SIGNING_KEY")
            // All tests have the platform's limit on KV: one write per second per key.
            .env("HEARTBEAT_AROUND", "tests/doubles/kv.js")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A process group, so that node and workerd die together.
            .process_group(0)
            .spawn()
            .expect("node is installed by `make setup`");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let log = Arc::default();
        let (errors, kept) = (BufReader::new(child.stderr.take().expect("piped")), Arc::clone(&log));
        std::thread::spawn(move || errors.lines().map_while(Result::ok).for_each(|line| keep_and_show(&kept, &line)));
        let ready = lines.recv_timeout(DEADLINE).expect("the server reports that it is ready");
        let url = ready.strip_prefix("heartbeat ready on ").expect("the first line says so").to_owned();
        Self { child: Some(child), control: Mutex::new(Control { input, lines }), url, state, log }
    }

    /// Its standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("no test panics here").clone()
    }

    /// Makes an object lose its memory, like an idle one.
    pub(crate) fn evict(&self, object: &str) {
        let mut control = self.control.lock().expect("no test panics here");
        writeln!(control.input, "evict {object}").expect("the server listens");
        let answer = control.lines.recv_timeout(DEADLINE).expect("the server answers");
        assert_eq!(answer, format!("evicted {object}"));
    }

    /// Kills node and workerd together, like a crash; only what was stored remains.
    pub(crate) fn kill_9(mut self) -> State {
        self.kill();
        std::mem::replace(&mut self.state, State(PathBuf::new()))
    }

    /// The folder of its storage.
    pub(crate) fn state(&self) -> &Path {
        self.state.path()
    }

    /// The peak memory of node and workerd, if the system reports it.
    pub(crate) fn peak_bytes(&self) -> Option<u64> {
        self.process_bytes("VmHWM:")
    }

    /// The current memory of the larger one of node and workerd, if the system reports it.
    #[allow(dead_code, reason = "of the attacks")]
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        self.process_bytes("VmRSS:")
    }

    /// The CPU time that node and workerd have taken, in hundredths of a second, if the system reports it.
    #[allow(dead_code, reason = "of the system tests")]
    pub(crate) fn cpu_ticks(&self) -> Option<u64> {
        let group = self.child.as_ref().expect("the server still runs").id().to_string();
        let of_process = |folder: PathBuf| {
            let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
            // The fields after the name: state, parent, group; those of CPU time are user and system.
            let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
            (*fields.get(2)? == group).then_some(ticks(11)? + ticks(12)?)
        };
        let all = std::fs::read_dir("/proc").ok()?.flatten();
        all.filter_map(|entry| of_process(entry.path())).reduce(|one, other| one + other)
    }

    fn process_bytes(&self, field: &str) -> Option<u64> {
        let group = self.child.as_ref().expect("the server still runs").id().to_string();
        let of_process = |folder: PathBuf| {
            let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
            // The fields after the name: state, parent, group.
            (stat.rsplit_once(')')?.1.split_whitespace().nth(2)? == group).then_some(())?;
            let status = std::fs::read_to_string(folder.join("status")).ok()?;
            let peak = status.lines().find_map(|line| line.strip_prefix(field))?;
            peak.trim().strip_suffix(" kB")?.parse().ok().map(|kib: u64| kib << 10)
        };
        std::fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| of_process(entry.path())).max()
    }

    /// Asks it to stop, and returns its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let mut child = self.child.take().expect("the server still runs");
        Command::new("kill").arg(child.id().to_string()).status().expect("kill is installed");
        child.wait().expect("the process is our child").code()
    }

    fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let group = format!("-{}", child.id());
        Command::new("kill").args(["-s", "KILL", "--", &group]).status().expect("kill is installed");
        child.wait().expect("the process is our child");
    }
}

fn keep_and_show(log: &Mutex<String>, line: &str) {
    eprintln!("{line}");
    log.lock().expect("no test panics here").extend([line, "\n"]);
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
