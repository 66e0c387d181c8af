//! Queries in turns: one that takes long is answered in slices, between which every other request of the isolate has its turn.
//!
//! One long query of an isolate goes on at a time, as each holds a grid; others wait, and are refused when that takes too long. Sealing
//! waits for it and it for sealing, as each would make the other begin anew.

use std::cell::Cell;
use std::time::Duration;

use worker::Delay;

use crate::clock::now_ms;
use crate::domain::grid::Row;
use crate::wire::command::{Credential, Read, Refusal, put_shards};
use crate::wire::params::QueryText;
use crate::wire::partial;

use super::engine::{Engine, Progress, SLICE_UNITS};
use super::reads::{authorize, check_kept, query, read, refusal};
use super::storage::ObjectSql;
use super::stream::{Answer, Shared};

/// A holder that has had no turn for so long is gone: no turn is that long.
const LEASE_MS: i64 = 3_000;
/// Who waits looks again so soon...
const LOOK: Duration = Duration::from_millis(10);
/// ...so often, which is 10 s. Then the query is refused.
const QUERY_LOOKS: usize = 1_000;
/// Sealing waits for 2 s. Then it goes on, and the query begins anew.
const SEAL_LOOKS: usize = 200;
/// After so many times, a query is answered in one turn.
const ATTEMPTS: usize = 4;

thread_local! {
    /// Until when a long query of this isolate has its turns.
    static QUERYING_MS: Cell<i64> = const { Cell::new(0) };
}

/// The one long query of an isolate, until it is dropped.
struct Long<'a>(&'a Shared);

/// Something of a stream that changes chunks, until it is dropped.
pub(super) struct Changing<'a>(&'a Shared);

/// What became of a query that was begun.
enum Outcome {
    Found(Vec<Row>, Vec<u8>),
    /// It takes longer than a slice, and does not have the turns for that.
    TooLong,
    /// Chunks have changed.
    Stale,
}

impl Shared {
    /// What a reader asks for.
    pub(super) async fn read(&self, credential: &Credential, what: &Read) -> Answer {
        let record = self.record()?;
        authorize(&record, credential, what)?;
        let answer = match (what, self.read_writers(&record, what)) {
            (_, Some(answer)) => answer,
            (Read::Rollup(text), None) => {
                let (rows, labels) = self.rows(text).await?;
                partial::encode(&rows, &labels)
            }
            (what, None) => {
                let (_, shard) = self.place()?;
                self.try_with_engine(|engine| read(engine, what, shard))?
            }
        };
        Ok(put_shards(answer, record.config.layout.shards()))
    }

    /// The cells that a query asks for, and the numbers of the labels whose values it counts.
    async fn rows(&self, text: &QueryText) -> Result<(Vec<Row>, Vec<u8>), Refusal> {
        let mut long = None;
        for attempt in 0..=ATTEMPTS {
            let units = if attempt < ATTEMPTS { SLICE_UNITS } else { usize::MAX };
            match self.attempt(text, units, long.as_ref()).await? {
                Outcome::Found(rows, labels) => return Ok((rows, labels)),
                // Not with what it has found: whoever waits holds no memory.
                Outcome::TooLong => long = Some(Long::wait(self).await?),
                Outcome::Stale => self.wait_for_change().await,
            }
        }
        Err(Refusal::Overloaded)
    }

    async fn attempt(&self, text: &QueryText, units: usize, long: Option<&Long<'_>>) -> Result<Outcome, Refusal> {
        let (query, labels, mut asking) = self.amid_engine(|engine| {
            let (query, labels) = query(engine, text)?;
            check_kept(engine, &query, now_ms())?;
            let asking = engine.ask(&query, &[]);
            Ok((query, labels, asking))
        })?;
        loop {
            let has_read_open = asking.has_read_open();
            if !has_read_open {
                self.settled().await;
            }
            let mut go_on =
                |engine: &mut Engine<ObjectSql>| engine.go_on_asking(&query, &mut asking, units).map_err(refusal);
            // Chunks are as they were also while a row is taken in half.
            let progress = if has_read_open { self.amid_engine(go_on) } else { self.try_with_engine(&mut go_on) };
            match (progress?, long) {
                (Progress::All, _) => break,
                (Progress::Stale, _) => return Ok(Outcome::Stale),
                (Progress::More, None) => return Ok(Outcome::TooLong),
                (Progress::More, Some(long)) => long.next_turn().await,
            }
        }
        if let Some(long) = long {
            long.next_turn().await;
        }
        Ok(Outcome::Found(asking.finish().map_err(refusal)?, labels))
    }

    /// Waits until no long query reads the chunks of this stream, and keeps others from beginning.
    pub(super) async fn begin_changing(&self) -> Changing<'_> {
        let changing = Changing(self);
        for _ in 0..SEAL_LOOKS {
            changing.go_on();
            if now_ms() >= self.querying_ms.get() {
                break;
            }
            Delay::from(LOOK).await;
        }
        changing
    }

    /// Waits while chunks are changed.
    async fn wait_for_change(&self) {
        for _ in 0..SEAL_LOOKS {
            if now_ms() >= self.changing_ms.get() {
                break;
            }
            Delay::from(LOOK).await;
        }
    }
}

impl<'a> Long<'a> {
    /// Waits for the turns of a long query.
    async fn wait(shared: &'a Shared) -> Result<Self, Refusal> {
        for _ in 0..QUERY_LOOKS {
            if now_ms() >= QUERYING_MS.get().max(shared.changing_ms.get()) {
                let long = Self(shared);
                long.go_on();
                return Ok(long);
            }
            Delay::from(LOOK).await;
        }
        Err(Refusal::Overloaded)
    }

    fn go_on(&self) {
        let until_ms = now_ms() + LEASE_MS;
        QUERYING_MS.set(until_ms);
        self.0.querying_ms.set(until_ms);
    }

    /// Lets everything else have its turn.
    async fn next_turn(&self) {
        self.go_on();
        Delay::from(Duration::ZERO).await;
    }
}

impl Drop for Long<'_> {
    fn drop(&mut self) {
        QUERYING_MS.set(0);
        self.0.querying_ms.set(0);
    }
}

impl Changing<'_> {
    /// Keeps it for a while.
    pub(super) fn go_on(&self) {
        self.0.changing_ms.set(now_ms() + LEASE_MS);
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.changing_ms.set(0);
    }
}
