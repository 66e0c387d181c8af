//! Queries in turns: a long one is answered in slices, between which every other request of the isolate has its
//! turn.
//!
//! An isolate runs one long query at a time, as each holds a grid. Others wait, and are refused if that takes too
//! long or too many wait. The owner and holders of the key go before strangers. Sealing waits for a long query and
//! vice versa, as each would make the other restart.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use worker::Delay;

use crate::clock::now_ms;
use memory::{Reservation, Share};
use model::grid::Row;
use protocol::command::{Credential, Read, put_shards};
use protocol::live_part;
use protocol::live_part::LivePart;
use protocol::params::QueryText;
use protocol::partial;
use protocol::refusal::Refusal;

use super::line::{Crowded, Line, Rank, Ticket};
use super::storage::ObjectSql;
use super::stream::{Answer, Shared, internal, other_version};
use engine::reads::{ReadError, authorize, check_kept, is_stranger, look, query, read};
use engine::{Engine, Progress, SLICE_UNITS};

/// A holder without a turn for this long is gone: no turn takes that long.
const LEASE_MS: i64 = 3_000;
/// How soon a query that waits for its turns polls again...
const LOOK: Duration = Duration::from_millis(10);
/// ...and how often, which takes 10 s in all. Then the query is refused.
const QUERY_LOOKS: usize = 1_000;
/// How much a query may do without waiting while others wait; then it waits as well, and what it has found is
/// discarded.
const TRIAL_UNITS: usize = SLICE_UNITS / 8;
/// Sealing waits for 2 s. Then it goes on, and the query restarts.
const SEAL_LOOKS: usize = 200;
/// After this many restarts, a query is answered in one turn.
const ATTEMPTS: usize = 4;

thread_local! {
    /// Until when a long query of this isolate has its turns.
    static QUERYING_MS: Cell<i64> = const { Cell::new(0) };
    /// The memory of that query. If its request was lost, the next long query frees it.
    static ROOM: RefCell<Reservation> = const { RefCell::new(Reservation::none(Share::Reads)) };
    /// The queue for the turns of a long query.
    static LINE: RefCell<Line> = const { RefCell::new(Line::new(LEASE_MS)) };
}

/// A place in the queue, until it is dropped.
struct Waiting(Ticket);

/// The one long query of an isolate, until it is dropped.
struct Long<'a> {
    shared: &'a Shared,
    rank: Rank,
}

/// A shard's data for a live reader, or why there is none.
pub(super) type Part = Result<LivePart<Vec<u8>>, Refusal>;

/// An operation that changes a stream's chunks, until it is dropped.
pub(super) struct Changing<'a>(&'a Shared);

/// A query of a reader.
#[derive(Clone, Copy)]
struct Question<'a> {
    text: &'a QueryText,
    rank: Rank,
}

/// What a query found.
struct Found {
    rows: Vec<Row>,
    /// The ids of the labels whose values it counts.
    labels: Vec<u8>,
    position: i64,
}

/// The outcome of a query.
enum QueryOutcome {
    Found(Found),
    /// It takes longer than a slice, and does not have the turns for that.
    TooLong,
    /// Chunks have changed.
    Stale,
}

/// What readers are told; the rest goes to the log.
fn refusal(error: impl Into<ReadError>) -> Refusal {
    match error.into() {
        ReadError::Refused(refusal) => refusal,
        ReadError::Store(error) => internal(&error),
        ReadError::OtherVersion(error) => other_version(&error),
    }
}

impl Shared {
    /// Answers a reader.
    pub(super) async fn read(&self, credential: &Credential, what: &Read) -> Answer {
        let record = self.record()?;
        authorize(&record, credential, what)?;
        let rank = if is_stranger(&record, credential) { Rank::Stranger } else { Rank::Holder };
        let answer = match (what, self.read_writers(&record, what)) {
            (_, Some(answer)) => answer,
            (Read::Rollup(text), None) => {
                let found = self.find(Question { text, rank }).await?;
                partial::encode(&found.rows, &found.labels)
            }
            (Read::Live(asks), None) => live_part::encode(&self.look(asks, rank).await?),
            (what, None) => self.try_with_engine(|engine| read(engine, what).map_err(refusal))?,
        };
        Ok(put_shards(answer, record.config.layout.shards()))
    }

    /// The data of this shard for live readers: the whole in turns, changes in one.
    pub(super) async fn look(&self, asks: &[QueryText], rank: Rank) -> Result<Vec<Part>, Refusal> {
        let ((_, shard), mut parts) = (self.place()?, Vec::new());
        for text in asks {
            if text.after(shard).is_some() {
                self.settled().await;
                parts.push(self.try_with_engine(|engine| Ok(look(engine, text, shard, now_ms()).map_err(refusal)))?);
                continue;
            }
            let found = self.find(Question { text, rank }).await;
            parts.push(found.map(|Found { rows, labels, position }| LivePart {
                shard,
                position,
                cells: Some(partial::encode(&rows, &labels)),
            }));
        }
        Ok(parts)
    }

    /// Boxed, so that it is compiled once and not wherever it is awaited.
    fn find<'a>(&'a self, question: Question<'a>) -> LocalBoxFuture<'a, Result<Found, Refusal>> {
        let find = async move {
            let mut long = None;
            for attempt in 0..=ATTEMPTS {
                let units = match &long {
                    None if LINE.with_borrow_mut(|line| line.is_busy(now_ms())) => TRIAL_UNITS,
                    _ if attempt < ATTEMPTS => SLICE_UNITS,
                    _ => usize::MAX,
                };
                match self.attempt(question, units, long.as_ref()).await? {
                    QueryOutcome::Found(found) => return Ok(found),
                    // Drops what it has found: one that waits holds no memory.
                    QueryOutcome::TooLong => long = Some(Long::wait(self, question.rank).await?),
                    QueryOutcome::Stale => self.wait_for_change().await,
                }
            }
            Err(Refusal::Overloaded)
        };
        find.boxed_local()
    }

    async fn attempt(
        &self,
        Question { text, .. }: Question<'_>,
        units: usize,
        long: Option<&Long<'_>>,
    ) -> Result<QueryOutcome, Refusal> {
        let (query, labels, mut asking) = self.amid_engine(|engine| {
            let (query, labels) = query(engine, text).map_err(refusal)?;
            if text.only().is_empty() {
                check_kept(engine, &query, now_ms()).map_err(refusal)?;
            }
            let asking = engine.ask(&query, text.only());
            Ok((query, labels, asking))
        })?;
        loop {
            let has_read_open = asking.has_read_open();
            if !has_read_open {
                self.settled().await;
            }
            let mut go_on = |engine: &mut Engine<ObjectSql>| {
                engine.go_on_looking(&query, &mut asking, units, now_ms()).map_err(refusal)
            };
            // Chunks have not changed, even if a row is half consumed.
            let progress = if has_read_open { self.amid_engine(go_on) } else { self.try_with_engine(&mut go_on) };
            match (progress?, long) {
                (Progress::All, _) => break,
                (Progress::Stale, _) => return Ok(QueryOutcome::Stale),
                (Progress::More, None) => return Ok(QueryOutcome::TooLong),
                (Progress::More, Some(long)) => {
                    long.keep(asking.bytes())?;
                    long.next_turn().await;
                }
            }
        }
        if let Some(long) = long {
            long.next_turn().await;
        }
        let position = asking.position().unwrap_or_default();
        Ok(QueryOutcome::Found(Found { rows: asking.finish().map_err(refusal)?, labels, position }))
    }

    /// Waits until no long query reads the chunks of this stream, and keeps others from starting.
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
    async fn wait(shared: &'a Shared, rank: Rank) -> Result<Self, Refusal> {
        let waiting = Waiting::begin(rank)?;
        for _ in 0..QUERY_LOOKS {
            if waiting.is_first() && now_ms() >= QUERYING_MS.get().max(shared.changing_ms.get()) {
                ROOM.set(Reservation::none(Share::Reads));
                let long = Self { shared, rank };
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
        self.shared.querying_ms.set(until_ms);
    }

    /// Counts what it holds between its turns: at most one reservation, as there is one such query.
    fn keep(&self, bytes: usize) -> Result<(), Refusal> {
        let within = |share: Share| bytes.min(share.bytes() / 4 * 3);
        ROOM.with_borrow_mut(|room| {
            if room.resize(within(room.share())).is_ok() {
                return Ok(());
            }
            if self.rank == Rank::Stranger {
                return Err(Refusal::Overloaded);
            }
            *room = Reservation::none(Share::Owner);
            room.resize(within(Share::Owner)).map_err(|_| Refusal::Overloaded)
        })
    }

    /// Lets everything else have its turn.
    async fn next_turn(&self) {
        self.go_on();
        Delay::from(Duration::ZERO).await;
    }
}

impl Waiting {
    fn begin(rank: Rank) -> Result<Self, Refusal> {
        let ticket = LINE.with_borrow_mut(|line| line.enter(rank, now_ms()));
        ticket.map(Self).map_err(|Crowded| Refusal::Overloaded)
    }

    fn is_first(&self) -> bool {
        LINE.with_borrow_mut(|line| line.is_first(self.0, now_ms()))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        LINE.with_borrow_mut(|line| line.leave(self.0));
    }
}

impl Drop for Long<'_> {
    fn drop(&mut self) {
        QUERYING_MS.set(0);
        self.shared.querying_ms.set(0);
        ROOM.set(Reservation::none(Share::Reads));
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
