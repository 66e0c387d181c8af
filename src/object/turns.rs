//! Turns: what computes for long is done in slices of some 30 ms, and between two of them every other request of the isolate has its turn.
//!
//! One task of a stream does so at a time, by a lease. Nothing depends on it but who waits for how long: the engine itself finishes half a
//! row before anything else sees it, and drops what it has prepared where something changes meanwhile. So a holder that is gone holds up the
//! others for as long as its lease.

use std::time::Duration;

use worker::Delay;

use crate::clock::now_ms;
use crate::store::frames;
use crate::store::sql::StoreError;
use crate::wire::command::Refusal;

use super::engine::{Incoming, MAX_ROW_BYTES, SLICE_CELLS, SLICE_PIECES, Told};
use super::stream::{Results, Shared};

/// A holder that has not had a turn for so long is gone: no turn is that long.
const LEASE_MS: i64 = 3_000;
/// Who waits for the lease looks again so soon.
const LOOK: Duration = Duration::from_millis(5);
/// Who waits looks at most so often, which is some seconds; then it goes on, and does the rest of half a row itself.
const LOOKS: usize = 1_000;
/// A seal has at most so many slices, where nothing is written meanwhile: those of 200,000 cells in all layers, and as many that they
/// are merged with. What is left is sealed at once.
const SEAL_SLICES: usize = 200;

impl Shared {
    /// Lets everything else have its turn.
    async fn next_turn(&self) {
        self.lease_ms.set(now_ms() + LEASE_MS);
        Delay::from(Duration::ZERO).await;
    }

    /// Waits until nobody else works in slices.
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

    /// Waits while a row is taken in half, so that whoever reads or changes something then need not do the rest at once.
    pub(super) async fn settled(&self) {
        for _ in 0..LOOKS {
            if !self.is_amid() {
                break;
            }
            Delay::from(LOOK).await;
        }
    }

    /// Commits batches in slices: as many rows as they need. What is told of each.
    pub(super) async fn commit_in_turns(&self, batches: &[Incoming]) -> Results {
        self.take_lease().await;
        let mut results = Vec::with_capacity(batches.len());
        let mut rest = batches;
        while !rest.is_empty() {
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

    async fn commit_row(&self, row: &[Incoming]) -> Result<Result<Vec<Told>, StoreError>, Refusal> {
        let now = now_ms();
        if let Err(error) = self.with_engine(|engine| Ok(engine.begin(row, now)))? {
            return Ok(Err(error));
        }
        let mut changing = None;
        loop {
            let told = self.amid_engine(|engine| Ok(engine.go_on(SLICE_PIECES, SLICE_CELLS)))?;
            if let Some(told) = told {
                return Ok(told);
            }
            match (self.amid_engine(|engine| Ok(engine.is_to_seal()))?, &changing) {
                (true, None) => changing = Some(self.begin_changing().await),
                (true, Some(changing)) => changing.go_on(),
                (false, _) => changing = None,
            }
            self.next_turn().await;
        }
    }

    /// Seals all that there is, in slices, as far as that can be done; what follows does the rest at once.
    pub(super) async fn seal_in_turns(&self) {
        self.take_lease().await;
        let changing = self.begin_changing().await;
        for _ in 0..SEAL_SLICES {
            changing.go_on();
            if self.with_engine(|engine| engine.seal_some(now_ms(), SLICE_CELLS)) != Ok(false) {
                break;
            }
            self.next_turn().await;
        }
        self.end_lease();
    }
}
