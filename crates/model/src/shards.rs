//! Assigns the batches of a stream to its shards, so that no idempotency key counts in two of them.
//!
//! For each number of shards, a key belongs to one shard. A writer that uses a new number first asks the shards to
//! which the key belonged before, and tells them the new number. From then on they reject keys from writers that
//! use a smaller number. So a key that an earlier shard has counted is found, and one that it has not counted by
//! then is never counted there. When all shards know the number and the earlier keys have expired, nobody needs to
//! ask.

use super::batch_key::IdempotencyKey;

/// The most shards of a stream.
pub const MAX_SHARDS: u16 = 64;
/// How long a repeated key is counted only once.
pub const KEY_WINDOW_MS: i64 = 600_000;
/// How far the clocks of the edge and an object may differ, plus the time that a batch waits for its commit.
const SLACK_MS: i64 = 60_000;
/// The most earlier numbers that a writer may have to ask for: each costs a batch with a key one more call.
pub const MAX_RAISES: usize = 6;

/// The number of shards, and the earlier numbers whose keys may not have expired yet. It only ever grows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    shards: u16,
    /// Oldest first; each starts from a larger number than the one before.
    raises: Vec<Raise>,
}

/// A raise of the number of shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raise {
    /// The number before; 0 when the stream was created.
    pub from_shards: u16,
    /// When every shard knew of it, Unix milliseconds.
    pub settled_ms: Option<i64>,
}

/// Why the number of shards can't change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A lower number: each shard has points of its own.
    #[error("`shards` is {from} and can't be lowered to {to}, only raised")]
    Lowered {
        /// The current number.
        from: u16,
        /// The requested number.
        to: u16,
    },
    /// [`MAX_RAISES`] have not expired yet.
    #[error("`shards` was raised {MAX_RAISES} times within ten minutes; wait ten minutes before you raise it again")]
    TooManyRaises,
}

/// Where to send a batch with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Shards that may have counted the key under an earlier number: each must be asked before the batch is
    /// written.
    pub ask: Vec<u16>,
    /// The shard that the key belongs to now.
    pub write: u16,
}

impl Default for Layout {
    fn default() -> Self {
        Self { shards: 1, raises: Vec::new() }
    }
}

impl Layout {
    /// The layout of a new stream, whose shards except the first are still to be created.
    #[must_use]
    pub fn new(shards: u16) -> Self {
        let raises = if shards > 1 { vec![Raise { from_shards: 0, settled_ms: None }] } else { Vec::new() };
        Self { shards, raises }
    }

    /// Restores a layout from [`Self::shards`] and [`Self::raises`].
    #[must_use]
    pub fn restored(shards: u16, raises: Vec<Raise>) -> Self {
        Self { shards: shards.clamp(1, MAX_SHARDS), raises }
    }

    /// The number of shards, 1 to [`MAX_SHARDS`].
    #[must_use]
    pub fn shards(&self) -> u16 {
        self.shards
    }

    /// Earlier numbers, oldest first.
    #[must_use]
    pub fn raises(&self) -> &[Raise] {
        &self.raises
    }

    /// Gives the stream more shards.
    ///
    /// # Errors
    /// See [`LayoutError`]. Setting the same number is not an error.
    pub fn raise(&mut self, shards: u16, now_ms: i64) -> Result<(), LayoutError> {
        if shards < self.shards {
            return Err(LayoutError::Lowered { from: self.shards, to: shards });
        }
        if shards == self.shards {
            return Ok(());
        }
        self.raises.retain(|raise| raise.may_have_keys(now_ms));
        if self.raises.len() >= MAX_RAISES {
            return Err(LayoutError::TooManyRaises);
        }
        self.raises.push(Raise { from_shards: self.shards, settled_ms: None });
        self.shards = shards;
        Ok(())
    }

    /// Notes that every shard knows this number.
    pub fn settle(&mut self, told_shards: u16, now_ms: i64) {
        // Each raise led to the number that the next one started from.
        let ends: Vec<u16> = self.raises.iter().skip(1).map(|next| next.from_shards).chain([self.shards]).collect();
        for (raise, end) in self.raises.iter_mut().zip(ends) {
            if end <= told_shards {
                raise.settled_ms.get_or_insert(now_ms);
            }
        }
        self.raises.retain(|raise| raise.from_shards > 0 || raise.settled_ms.is_none());
    }

    /// Whether some shard may not know of a raise yet.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        self.raises.iter().any(|raise| raise.settled_ms.is_none())
    }

    /// Whether a shard may not have been created yet. One that was created and is missing has lost points.
    #[must_use]
    pub fn may_be_new(&self, shard: u16) -> bool {
        let is_of = |raise: &Raise| raise.settled_ms.is_none() && raise.from_shards <= shard;
        shard > 0 && shard < self.shards && self.raises.iter().any(is_of)
    }

    /// Where a batch with this key goes.
    #[must_use]
    pub fn plan(&self, key: &IdempotencyKey, now_ms: i64) -> Plan {
        let write = owner(key, self.shards);
        let mut ask = Vec::new();
        for raise in self.raises.iter().filter(|raise| raise.from_shards > 0 && raise.may_have_keys(now_ms)) {
            let shard = owner(key, raise.from_shards);
            if shard != write && !ask.contains(&shard) {
                ask.push(shard);
            }
        }
        Plan { ask, write }
    }
}

impl Raise {
    /// Whether keys that were counted before it may not have expired.
    fn may_have_keys(&self, now_ms: i64) -> bool {
        self.settled_ms.is_none_or(|settled_ms| now_ms < settled_ms + KEY_WINDOW_MS + SLACK_MS)
    }
}

/// The number of shards that a shard knows. It is made durable before any answer that depends on it is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fence(u16);

impl Fence {
    /// The fence of a shard that knows this number.
    #[must_use]
    pub fn at(shards: u16) -> Self {
        Self(shards)
    }

    /// The largest number that the shard knows.
    #[must_use]
    pub fn shards(self) -> u16 {
        self.0
    }

    /// The fence after this number is received, if that changes it.
    #[must_use]
    pub fn raised(self, shards: u16) -> Option<Self> {
        (shards > self.0).then_some(Self(shards))
    }

    /// Whether a new key may be counted for a writer that uses this number of shards.
    #[must_use]
    pub fn admits(self, believed_shards: u16) -> bool {
        believed_shards >= self.0
    }
}

/// The shard of a key: jump consistent hashing (Lamping and Veach, 2014), so that a raise moves as few keys as
/// possible.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "as published"
)]
fn owner(key: &IdempotencyKey, shards: u16) -> u16 {
    let mut seed = key.as_bytes().iter().take(8).rev().fold(0, |seed: u64, byte| seed << 8 | u64::from(*byte));
    let (mut shard, mut next) = (0, 0);
    while next < u64::from(shards) {
        shard = next;
        seed = seed.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        next = ((shard + 1) as f64 * ((1_u64 << 31) as f64 / ((seed >> 33) + 1) as f64)) as u64;
    }
    shard as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(index: u64) -> IdempotencyKey {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&index.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        IdempotencyKey::from_bytes(key)
    }

    #[test]
    fn the_shard_of_a_key_is_pinned() {
        let shards: Vec<u16> = (0..8).map(|index| owner(&key(index), 64)).collect();
        assert_eq!(shards, [0, 3, 58, 15, 60, 41, 10, 46], "edges of two versions must agree");
    }

    #[test]
    fn keys_are_spread_evenly_and_move_only_to_new_shards() {
        let mut counts = [0; 64];
        for index in 0..6_400 {
            let shards = [1, 4, 7, 64].map(|shards| owner(&key(index), shards));
            assert_eq!(shards[0], 0);
            for (pair, limit) in shards.windows(2).zip([1, 4, 7]) {
                assert!(pair[1] == pair[0] || pair[1] >= limit, "{shards:?}");
            }
            counts[usize::from(shards[3])] += 1;
        }
        assert!(counts.iter().all(|count| (50..=160).contains(count)), "{counts:?}");
    }

    #[test]
    fn shards_are_only_raised_and_not_too_often() {
        let mut layout = Layout::default();
        assert_eq!(layout.raise(1, 0), Ok(()));
        assert_eq!(layout, Layout::new(1));
        for shards in 2..8 {
            assert_eq!(layout.raise(shards, 0), Ok(()));
        }
        assert_eq!(layout.raise(8, 0), Err(LayoutError::TooManyRaises));
        assert_eq!(layout.raise(3, 0), Err(LayoutError::Lowered { from: 7, to: 3 }));
        layout.settle(7, 1_000);
        let over_ms = 1_000 + KEY_WINDOW_MS + SLACK_MS;
        assert_eq!(layout.raise(8, over_ms - 1), Err(LayoutError::TooManyRaises));
        assert_eq!(layout.raise(8, over_ms), Ok(()));
        assert_eq!(layout.raises(), [Raise { from_shards: 7, settled_ms: None }]);
    }

    #[test]
    fn an_announced_number_settles_only_the_raises_before_it() {
        let mut layout = Layout::new(2);
        assert!(layout.is_unsettled() && layout.may_be_new(1) && !layout.may_be_new(0) && !layout.may_be_new(2));
        layout.raise(4, 0).expect("more");
        layout.settle(2, 10);
        assert_eq!(
            layout.raises(),
            [Raise { from_shards: 2, settled_ms: None }],
            "there were no keys before the first"
        );
        assert!(layout.is_unsettled() && !layout.may_be_new(1) && layout.may_be_new(2));
        layout.settle(4, 20);
        layout.settle(4, 30);
        assert_eq!(layout.raises(), [Raise { from_shards: 2, settled_ms: Some(20) }]);
        assert!(!layout.is_unsettled() && !layout.may_be_new(3));
    }

    #[test]
    fn earlier_shards_are_asked_until_their_keys_have_expired() {
        let moved = (0..99).map(key).find(|key| owner(key, 4) != 0).expect("most move");
        let stayed = (0..99).map(key).find(|key| owner(key, 4) == 0).expect("some stay");
        let mut layout = Layout::default();
        layout.raise(4, 0).expect("more");
        assert_eq!(layout.plan(&stayed, 0), Plan { ask: vec![], write: 0 });
        let plan = Plan { ask: vec![0], write: owner(&moved, 4) };
        assert_eq!(layout.plan(&moved, i64::MAX), plan, "not settled");
        layout.settle(4, 1_000);
        let over_ms = 1_000 + KEY_WINDOW_MS + SLACK_MS;
        assert_eq!(layout.plan(&moved, over_ms - 1), plan);
        assert!(layout.plan(&moved, over_ms).ask.is_empty());
    }
}
