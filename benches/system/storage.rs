//! The `SQLite` files of a stopped server: what was written to them, and how large they are.
//!
//! Rows are counted by triggers on every table except the log, whose rows are numbered without gaps. So the cost of
//! counting affects sealing only, a few dozen rows at a time. The streams of a bench have one shard, so one file each.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Result};
use serde_json::Value;

const FOLDER: &str = "do/heartbeat-Stream";

/// What was written since [`start_counting`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    pub(crate) log_inserted: f64,
    pub(crate) log_deleted: f64,
    /// Rows inserted, updated or deleted in other tables.
    pub(crate) sealing: f64,
}

/// Sets the counters of every stream to 0.
pub(crate) fn start_counting(state: &Path) -> Result<()> {
    for (_, database) in streams(state)? {
        let mut tables =
            database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB '*_cf_*'")?;
        let tables: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_>>()?;
        let seq = last_seq(&database)?;
        database.execute_batch("CREATE TABLE bench (first_seq, sealing)")?;
        database.execute("INSERT INTO bench VALUES (?, 0)", [seq])?;
        for table in tables.iter().filter(|table| !["log", "sqlite_sequence"].contains(&table.as_str())) {
            for event in ["INSERT", "UPDATE", "DELETE"] {
                database.execute_batch(&format!(
                    "CREATE TRIGGER bench_{table}_{event} AFTER {event} ON {table} \
                     BEGIN UPDATE bench SET sealing = sealing + 1; END"
                ))?;
            }
        }
    }
    Ok(())
}

/// What was written to the stream with that name.
pub(crate) fn written(state: &Path, stream: &str) -> Result<Written> {
    let database = named(state, stream)?;
    let (first_seq, sealing): (f64, f64) =
        database
            .query_row("SELECT first_seq + 0.0, sealing + 0.0 FROM bench", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let left: f64 = database.query_row("SELECT COUNT(*) + 0.0 FROM log", [], |row| row.get(0))?;
    let log_inserted = last_seq(&database)? - first_seq;
    Ok(Written { log_inserted, log_deleted: log_inserted - left, sealing })
}

/// The bytes of the stream's used pages: all tiers, the dictionary and the database's own.
pub(crate) fn used_bytes(state: &Path, stream: &str) -> Result<f64> {
    let database = named(state, stream)?;
    let pragma = |name: &str| {
        database.pragma_query_value(None, name, |row| row.get::<_, f64>(0).or(row.get::<_, i32>(0).map(f64::from)))
    };
    Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?)
}

fn last_seq(database: &Connection) -> Result<f64> {
    let last = "SELECT MAX(IFNULL((SELECT MAX(seq) FROM log), 0), IFNULL((SELECT MAX(seq) FROM cursors), 0)) + 0.0";
    database.query_row(last, [], |row| row.get(0))
}

fn named(state: &Path, stream: &str) -> Result<Connection> {
    let found = streams(state)?.into_iter().find(|(name, _)| name == stream);
    Ok(found.unwrap_or_else(|| panic!("stream {stream} is missing")).1)
}

/// The name and the database of each stream.
fn streams(state: &Path) -> Result<Vec<(String, Connection)>> {
    let files = fs::read_dir(state.join(FOLDER)).expect("the server made it");
    let is_stream = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "sqlite") && !path.ends_with("metadata.sqlite")
    };
    files
        .map(|entry| entry.expect("readable").path())
        .filter(is_stream)
        .map(|path| {
            let database = Connection::open(path)?;
            let record: String =
                database.query_row("SELECT value FROM meta WHERE key = 'stream'", [], |row| row.get(0))?;
            let record: Value = serde_json::from_str(&record).expect("JSON");
            Ok((record["config"]["name"].as_str().expect("a stream has a name").to_owned(), database))
        })
        .collect()
}
