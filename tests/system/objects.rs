//! The databases of objects on disk while no server runs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value;

use crate::server::State;

/// How long a killed server may take to die.
const DEADLINE: Duration = Duration::from_secs(20);

/// An object's database. The server must be stopped before anybody opens it.
pub(crate) struct Object(PathBuf);

impl Object {
    /// All objects that have a file.
    pub(crate) fn all(state: &State) -> Vec<Self> {
        let Ok(entries) = std::fs::read_dir(state.path().join("do/heartbeat-Stream")) else { return Vec::new() };
        let is_database = |path: &PathBuf| {
            path.extension().is_some_and(|extension| extension == "sqlite") && !path.ends_with("metadata.sqlite")
        };
        let mut paths: Vec<PathBuf> =
            entries.map(|entry| entry.expect("readable").path()).filter(is_database).collect();
        paths.sort();
        let deadline = Instant::now() + DEADLINE;
        for path in &paths {
            // Moves the log that the crash left into the file, so that the file is complete. A killed workerd holds
            // its locks for a moment more.
            while let Err(error) = open(path).pragma_update(None, "journal_mode", "DELETE") {
                assert!(Instant::now() < deadline, "{error}");
            }
        }
        paths.into_iter().map(Self).collect()
    }

    /// The first column of the first row.
    pub(crate) fn number(&self, query: &str) -> i64 {
        open(&self.0).query_row(query, [], |row| row.get(0)).expect("a number")
    }

    /// Runs a statement.
    pub(crate) fn run(&self, statement: &str) {
        assert_eq!(open(&self.0).execute(statement, []).expect("runs"), 1, "{statement}");
    }

    /// Whether its newest record says that it is a stream's first shard.
    pub(crate) fn is_home(&self) -> bool {
        self.record()["version"].as_i64() > Some(1)
    }

    /// The number of shards that it knows of.
    pub(crate) fn layout(&self) -> String {
        self.record()["config"]["layout"].as_str().expect("a string").to_owned()
    }

    /// The name of its stream in its records.
    pub(crate) fn name(&self) -> String {
        self.record()["config"]["name"].as_str().expect("a string").to_owned()
    }

    fn record(&self) -> Value {
        let text: String = open(&self.0)
            .query_row("SELECT value FROM meta WHERE key = 'stream'", [], |row| row.get(0))
            .expect("there is a stream");
        serde_json::from_str(&text).expect("JSON")
    }

    /// A copy of its file, to be restored.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.0).expect("readable")
    }

    pub(crate) fn restore(&self, bytes: &[u8]) {
        self.remove();
        std::fs::write(&self.0, bytes).expect("writable");
    }

    /// Makes it unreadable.
    pub(crate) fn corrupt(&self) {
        let mut bytes = self.bytes();
        bytes.reverse();
        std::fs::write(&self.0, bytes).expect("writable");
    }

    /// Removes its file and the files that belong to it.
    pub(crate) fn remove(&self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = self.0.clone().into_os_string();
            path.push(suffix);
            std::fs::remove_file(Path::new(&path)).ok();
        }
    }
}

fn open(path: &Path) -> Connection {
    Connection::open(path).expect("a database")
}
