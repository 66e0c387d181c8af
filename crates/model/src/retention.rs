//! The retention of each tier.

use super::tier::{DAY, HOUR, Tier};

/// The shortest retention of a tier, so that the default window, the last hour, is always available.
pub const MIN_KEPT_S: i64 = HOUR;
/// The longest retention of a tier that is not kept for ever: a hundred years.
pub const MAX_KEPT_S: i64 = 36_500 * DAY;
/// How much longer than promised buckets are kept, for windows that are widened to whole steps.
pub const RETENTION_MARGIN_S: i64 = DAY;

/// The retention of one tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierRetention {
    /// Seconds after a bucket's end; `None` means for ever.
    pub for_s: Option<i64>,
    /// Buckets before this Unix second may be gone, because the retention was shorter until the owner raised it.
    pub from_s: Option<i64>,
}

/// The retention of all tiers: a coarser one is kept at least as long as a finer one, as steps of the finer one
/// include the coarser one's long periods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention([TierRetention; Tier::ALL.len()]);

/// Why a retention is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RetentionError {
    /// Shorter than [`MIN_KEPT_S`] or longer than [`MAX_KEPT_S`].
    #[error("`{name}` must be kept for 1h to 36500d, or null for ever", name = .0.name())]
    Range(Tier),
    /// A coarser tier that would expire before a finer one.
    #[error(
        "`{coarser}` must be kept at least as long as `{finer}`; tiers that are not named keep their retention",
        coarser = .coarser.name(), finer = .finer.name()
    )]
    Order {
        /// The tier that would be kept longer.
        finer: Tier,
        /// The next coarser one.
        coarser: Tier,
    },
}

impl Default for Retention {
    fn default() -> Self {
        let days = [Some(2), Some(14), Some(60), Some(730), None];
        Self(days.map(|days: Option<i64>| TierRetention { for_s: days.map(|days| days * DAY), from_s: None }))
    }
}

impl Retention {
    /// The retention of a new stream: the defaults with these changes.
    ///
    /// # Errors
    /// See [`RetentionError`].
    pub fn new(changes: &[(Tier, Option<i64>)]) -> Result<Self, RetentionError> {
        let changed = Self::default().changed(changes, 0)?;
        Ok(Self(changed.0.map(|kept| TierRetention { from_s: None, ..kept })))
    }

    /// Restores what [`Self::tiers`] returned.
    #[must_use]
    pub fn from_tiers(tiers: [TierRetention; Tier::ALL.len()]) -> Self {
        Self(tiers)
    }

    /// In the order of [`Tier::ALL`].
    #[must_use]
    pub fn tiers(&self) -> &[TierRetention; Tier::ALL.len()] {
        &self.0
    }

    /// The retention of a tier, in seconds; `None` means for ever.
    #[must_use]
    pub fn kept_s(&self, tier: Tier) -> Option<i64> {
        self.0[tier as usize].for_s
    }

    /// The Unix second from which on a tier is complete; `None` means from the beginning.
    #[must_use]
    pub fn start_s(&self, tier: Tier, now_s: i64) -> Option<i64> {
        let TierRetention { for_s, from_s } = self.0[tier as usize];
        from_s.max(for_s.map(|for_s| now_s - for_s))
    }

    /// The retention with other times for some tiers, from now on.
    ///
    /// # Errors
    /// See [`RetentionError`].
    pub fn changed(mut self, changes: &[(Tier, Option<i64>)], now_s: i64) -> Result<Self, RetentionError> {
        for (tier, for_s) in changes.iter().copied() {
            if for_s.is_some_and(|for_s| !(MIN_KEPT_S..=MAX_KEPT_S).contains(&for_s)) {
                return Err(RetentionError::Range(tier));
            }
            let is_more = is_longer(for_s, self.kept_s(tier));
            let from_s = if is_more { self.start_s(tier, now_s) } else { self.0[tier as usize].from_s };
            self.0[tier as usize] = TierRetention { for_s, from_s };
        }
        let mut pairs = Tier::ALL.into_iter().zip(Tier::ALL.into_iter().skip(1));
        match pairs.find(|(finer, coarser)| is_longer(self.kept_s(*finer), self.kept_s(*coarser))) {
            Some((finer, coarser)) => Err(RetentionError::Order { finer, coarser }),
            None => Ok(self),
        }
    }
}

fn is_longer(one_s: Option<i64>, other_s: Option<i64>) -> bool {
    one_s.unwrap_or(i64::MAX) > other_s.unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_792_540_800;

    fn changed(changes: &[(Tier, Option<i64>)]) -> Result<Retention, RetentionError> {
        Retention::default().changed(changes, NOW)
    }

    #[test]
    fn a_change_leaves_unnamed_tiers_as_they_are() {
        let retention = changed(&[(Tier::S10, Some(7 * DAY)), (Tier::D1, Some(1000 * DAY))]).expect("valid");
        let kept: Vec<Option<i64>> = Tier::ALL.iter().map(|tier| retention.kept_s(*tier)).collect();
        assert_eq!(
            kept,
            [Some(7), Some(14), Some(60), Some(730), Some(1000)].map(|days| days.map(|days: i64| days * DAY))
        );
    }

    #[test]
    fn a_coarser_tier_is_kept_at_least_as_long_as_a_finer_one() {
        let order = |finer, coarser| Err(RetentionError::Order { finer, coarser });
        assert_eq!(changed(&[(Tier::S10, Some(15 * DAY))]), order(Tier::S10, Tier::M1));
        assert_eq!(changed(&[(Tier::D1, Some(729 * DAY))]), order(Tier::H1, Tier::D1));
        assert_eq!(changed(&[(Tier::M10, None)]), order(Tier::M10, Tier::H1));
        assert!(changed(&[(Tier::S10, Some(14 * DAY))]).is_ok());
        assert!(changed(&[(Tier::H1, None)]).is_ok());
    }

    #[test]
    fn retention_limits_are_inclusive() {
        assert!(changed(&[(Tier::S10, Some(MIN_KEPT_S))]).is_ok());
        assert_eq!(changed(&[(Tier::S10, Some(MIN_KEPT_S - 1))]), Err(RetentionError::Range(Tier::S10)));
        assert!(changed(&[(Tier::D1, Some(MAX_KEPT_S))]).is_ok());
        assert_eq!(changed(&[(Tier::D1, Some(MAX_KEPT_S + 1))]), Err(RetentionError::Range(Tier::D1)));
    }

    #[test]
    fn a_longer_retention_restores_nothing() {
        let week = changed(&[(Tier::S10, Some(7 * DAY))]).expect("valid");
        let start_s = |retention: &Retention, now_s: i64| retention.start_s(Tier::S10, now_s);
        assert_eq!(start_s(&week, NOW), Some(NOW - 2 * DAY));
        assert_eq!(start_s(&week, NOW + DAY), Some(NOW - 2 * DAY));
        assert_eq!(start_s(&week, NOW + 5 * DAY), Some(NOW - 2 * DAY));
        assert_eq!(start_s(&week, NOW + 6 * DAY), Some(NOW - DAY));
        let less = week.changed(&[(Tier::S10, Some(DAY))], NOW + DAY).expect("valid");
        assert_eq!(start_s(&less, NOW + DAY), Some(NOW));
        let again = less.changed(&[(Tier::S10, Some(7 * DAY))], NOW + DAY).expect("valid");
        assert_eq!(start_s(&again, NOW + 2 * DAY), Some(NOW));
    }
}
