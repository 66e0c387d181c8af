//! Turns: long computations are done in slices of some 30 ms, and between two of them every other request of the
//! isolate has its turn.
//!
//! A lease ensures that one task per stream does so at a time. It only affects how long others wait: the engine
//! itself finishes a half consumed row before anything else sees it, and drops what it has prepared if something
//! changes in the meantime. So a holder that is gone delays the others for no longer than its lease.

use std::time::Duration;

use worker::Delay;

use crate::clock::now_ms;
use protocol::refusal::Refusal;
use store::frames;
use store::sql::StoreError;

use super::querying::Changing;
use super::stream::{Results, Shared};
use engine::{Ack, Incoming, MAX_ROW_BYTES, SLICE_CELLS, SLICE_PIECES};

/// A holder without a turn for this long is gone: no turn takes that long.
const LEASE_MS: i64 = 3_000;
/// How soon whoever waits for the lease polls again.
const LOOK: Duration = Duration::from_millis(5);
/// How often whoever waits polls, for a few seconds in all, before going on and finishing a half consumed row.
const LOOKS: usize = 1_000;
/// How long ago a request that waits for the end of a row may have started to wait.
const WAITED_MS: i64 = 50;
/// The most slices of a seal while nothing is written: those of 200,000 cells in all layers, and as many that they
/// are merged with. The rest is sealed in one go.
const SEAL_SLICES: usize = 200;

impl Shared {
    /// Lets everything else have its turn.
    async fn next_turn(&self) {
        self.lease_ms.set(now_ms() + LEASE_MS);
        Delay::from(Duration::ZERO).await;
    }

    /// Waits until no other task works in slices.
    async fn take_lease(&self) {
        for _ in 0..LOOKS {
            if now_ms() >= self.lease_ms.get() {
                break;
            }
            Delay::from(LOOK).await;
        }
        self.lease_ms.set(now_ms() + LEASE_MS);
    }

    fn end_lease(&self) {
        self.lease_ms.set(0);
    }

    /// Waits while a row is half consumed, so that a request that reads or changes something need not finish it
    /// itself.
    pub(super) async fn settled(&self) {
        for _ in 0..LOOKS {
            if !self.is_amid() {
                break;
            }
            self.waited_ms.set(now_ms());
            Delay::from(LOOK).await;
        }
    }

    /// Before a row: those that have waited for the end of the one before have a turn.
    async fn let_others_look(&self) {
        if now_ms() - self.waited_ms.get() <= WAITED_MS {
            Delay::from(2 * LOOK).await;
        }
    }

    /// Commits batches in slices, in as many rows as they need. Returns the outcome of each.
    pub(super) async fn commit_in_turns(&self, batches: &[Incoming]) -> Results {
        self.take_lease().await;
        let mut results = Vec::with_capacity(batches.len());
        let mut rest = batches;
        while !rest.is_empty() {
            self.let_others_look().await;
            let sizes = rest.iter().map(|batch| batch.frame.len());
            let (row, behind) = rest.split_at(frames::fitting(sizes, MAX_ROW_BYTES));
            match self.commit_row(row).await {
                Ok(Ok(told)) => results.extend(told.into_iter().map(Ok)),
                Ok(Err(error)) => results.extend(row.iter().map(|_| Err(error.clone()))),
                Err(refusal) => {
                    self.end_lease();
                    return Err(refusal);
                }
            }
            rest = behind;
        }
        self.end_lease();
        Ok(results)
    }

    async fn commit_row(&self, row: &[Incoming]) -> Result<Result<Vec<Ack>, StoreError>, Refusal> {
        let now = now_ms();
        if let Err(error) = self.with_engine(|engine| Ok(engine.begin(row, now)))? {
            return Ok(Err(error));
        }
        let mut changing: Option<Changing<'_>> = None;
        loop {
            let told = self.amid_engine(|engine| Ok(engine.go_on(SLICE_PIECES, SLICE_CELLS)))?;
            if let Some(told) = told {
                return Ok(told);
            }
            // Up to the end of the row: otherwise it would wait again for each of its seals.
            match &changing {
                Some(changing) => changing.go_on(),
                None if self.amid_engine(|engine| Ok(engine.is_to_seal()))? => {
                    changing = Some(self.begin_changing().await);
                }
                None => (),
            }
            self.next_turn().await;
        }
    }

    /// Seals everything in slices, as far as possible; what follows does the rest in one go.
    pub(super) async fn seal_in_turns(&self) {
        self.take_lease().await;
        self.seal_slices(&self.begin_changing().await).await;
        self.end_lease();
    }

    /// Tidies if it is time, and merges some of what is crowded, unless a row is being consumed or chunks are being
    /// read.
    pub(super) async fn tidy_in_turns(&self) -> Result<(), Refusal> {
        let [is_due, is_crowded] =
            self.amid_engine(|engine| Ok([engine.is_tidy_due(now_ms()), engine.is_crowded()]))?;
        if !is_due && !is_crowded {
            return Ok(());
        }
        self.take_lease().await;
        let changing = self.begin_changing().await;
        if is_due {
            self.seal_slices(&changing).await;
        }
        let tidied = self.with_engine(|engine| engine.tidy_if_due(now_ms()));
        self.end_lease();
        tidied
    }

    async fn seal_slices(&self, changing: &Changing<'_>) {
        for _ in 0..SEAL_SLICES {
            changing.go_on();
            if self.with_engine(|engine| engine.seal_some(now_ms(), SLICE_CELLS)) != Ok(false) {
                break;
            }
            self.next_turn().await;
        }
    }
}
