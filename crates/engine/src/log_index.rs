//! What memory knows about the log's rows: which ones the rollups have not sealed yet, which contain a point, and which
//! can be deleted.

use std::collections::VecDeque;

use store::log;
use store::log::LogRow;
use store::sql::{Sql, StoreError};

/// Sealed rows stay in the log for readers of messages, up to this many bytes...
const MAX_KEPT_BYTES: usize = 8 << 20;
/// ...and rows, each of which takes 32 bytes of memory.
const MAX_KEPT_ROWS: usize = 20_000;

/// The rows of the log, oldest first.
#[derive(Default)]
pub(super) struct LogIndex {
    rows: VecDeque<LogRow>,
}

impl LogIndex {
    pub(super) fn load(sql: &impl Sql) -> Result<Self, StoreError> {
        let mut rows = VecDeque::new();
        log::each(sql, |row| rows.push_back(row))?;
        Ok(Self { rows })
    }

    /// The number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn push(&mut self, row: LogRow) {
        self.rows.push_back(row);
    }

    /// The rows after a number.
    pub(super) fn behind(&self, seq: i64) -> impl DoubleEndedIterator<Item = &LogRow> {
        self.rows.range(self.rows.partition_point(|row| row.seq <= seq)..)
    }

    /// The rows from the one that contains a point, or would if it existed.
    pub(super) fn rows_from(&self, number: u64) -> impl DoubleEndedIterator<Item = &LogRow> {
        self.rows.range(self.rows.partition_point(|row| row.first <= Some(number)).saturating_sub(1)..)
    }

    /// The rows before the one that begins with this point or a later one.
    pub(super) fn rows_before(&self, number: u64) -> impl DoubleEndedIterator<Item = &LogRow> {
        self.rows.range(..self.rows.partition_point(|row| row.first < Some(number)))
    }

    /// The last row that can be deleted, if any: it is sealed, it is before the row with the next point to forward, and
    /// messages are only kept if they were committed after `kept_from_ms`.
    pub(super) fn removable(&self, sealed_seq: i64, next_forwarded: Option<u64>, kept_from_ms: i64) -> Option<i64> {
        let sealed = self.rows.partition_point(|row| row.seq <= sealed_seq);
        let holds = |number| self.rows.partition_point(|row| row.first <= Some(number)).saturating_sub(1);
        let taken = sealed.min(next_forwarded.map_or(sealed, holds));
        let mut bytes = 0;
        let kept = self.rows.iter().take(taken).rev().take(MAX_KEPT_ROWS).take_while(|row| {
            bytes += row.bytes;
            row.at_ms > kept_from_ms && bytes <= MAX_KEPT_BYTES
        });
        let kept = kept.count();
        (taken - kept).checked_sub(1).map(|last| self.rows[last].seq)
    }

    /// Records a row's new size.
    pub(super) fn resize(&mut self, seq: i64, bytes: usize) {
        let at = self.rows.partition_point(|row| row.seq < seq);
        if let Some(row) = self.rows.get_mut(at).filter(|row| row.seq == seq) {
            row.bytes = bytes;
        }
    }

    /// Forgets the rows up to a number.
    pub(super) fn forget_up_to(&mut self, seq: i64) {
        self.rows.drain(..self.rows.partition_point(|row| row.seq <= seq));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows 1 to `count`, each of ten points and committed a second after the one before.
    fn index(count: i64, bytes: usize) -> LogIndex {
        let row = |seq: i64| LogRow { seq, at_ms: seq * 1000, first: Some(seq.unsigned_abs() * 10 - 9), bytes };
        LogIndex { rows: (1..=count).map(row).collect() }
    }

    #[test]
    fn a_row_is_deleted_once_no_consumer_or_message_needs_it() {
        let index = index(5, 1);
        assert_eq!(index.removable(5, None, i64::MAX), Some(5));
        assert_eq!(index.removable(3, None, i64::MAX), Some(3));
        assert_eq!(index.removable(5, Some(21), i64::MAX), Some(2), "the third begins with the point");
        assert_eq!(index.removable(5, Some(20), i64::MAX), Some(1), "the second ends with it");
        assert_eq!(index.removable(5, None, 3000), Some(3), "the third was committed then");
        assert_eq!(index.removable(5, None, 0), None);
        assert_eq!(index.removable(0, None, i64::MAX), None);
        assert_eq!(index.removable(5, Some(1), i64::MAX), None);
    }

    #[test]
    fn the_rows_kept_for_messages_are_limited() {
        assert_eq!(index(10, MAX_KEPT_BYTES / 4).removable(10, None, 0), Some(6));
        let many = i64::try_from(MAX_KEPT_ROWS).expect("fits");
        assert_eq!(index(many + 7, 1).removable(many + 7, None, 0), Some(7));
    }

    #[test]
    fn rows_are_found_by_their_points() {
        let mut index = index(5, 1);
        let seqs = |rows: &mut dyn Iterator<Item = &LogRow>| rows.map(|row| row.seq).collect::<Vec<_>>();
        assert_eq!(seqs(&mut index.rows_from(11)), [2, 3, 4, 5]);
        assert_eq!(seqs(&mut index.rows_from(30)), [3, 4, 5]);
        assert_eq!(seqs(&mut index.rows_before(21)), [1, 2]);
        assert_eq!(seqs(&mut index.rows_before(22)), [1, 2, 3]);
        assert_eq!(seqs(&mut index.behind(3)), [4, 5]);
        index.forget_up_to(4);
        assert_eq!((seqs(&mut index.rows_from(0)), index.rows.len()), (vec![5], 1));
    }
}
