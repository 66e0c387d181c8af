//! The widths of buckets that rollups are kept in.

/// One resolution of the rollups. Each width divides the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// 10 seconds, the finest.
    S10,
    /// 1 minute.
    M1,
    /// 10 minutes.
    M10,
    /// 1 hour.
    H1,
    /// 1 day.
    D1,
}

const MINUTE: i64 = 60;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

impl Tier {
    /// All tiers, finest first.
    pub const ALL: [Self; 5] = [Self::S10, Self::M1, Self::M10, Self::H1, Self::D1];
    /// The finest tier: every step is a multiple of its width.
    pub const FINEST: Self = Self::S10;

    /// Width of a bucket in seconds.
    #[must_use]
    pub fn width_s(self) -> i64 {
        match self {
            Self::S10 => 10,
            Self::M1 => MINUTE,
            Self::M10 => 10 * MINUTE,
            Self::H1 => HOUR,
            Self::D1 => DAY,
        }
    }

    /// Its name in an owner's configuration: the width as `step` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::S10 => "10s",
            Self::M1 => "1m",
            Self::M10 => "10m",
            Self::H1 => "1h",
            Self::D1 => "1d",
        }
    }

    /// The time that one chunk of storage holds, in seconds: a few hundred buckets, so that a query for a
    /// screenful reads one to three chunks.
    #[must_use]
    pub fn span_s(self) -> i64 {
        match self {
            Self::S10 => HOUR,
            Self::M1 => 6 * HOUR,
            Self::M10 => DAY,
            Self::H1 => 4 * DAY,
            Self::D1 => 32 * DAY,
        }
    }

    /// The start of the bucket that holds a second.
    #[must_use]
    pub fn bucket_of(self, at_s: i64) -> i64 {
        floor_to(at_s, self.width_s())
    }

    /// The coarsest tier whose buckets add up to steps of this width.
    #[must_use]
    pub fn for_step(step_s: i64) -> Self {
        Self::ALL.into_iter().rev().find(|tier| step_s % tier.width_s() == 0).unwrap_or(Self::FINEST)
    }
}

/// What a chunk or an open bucket holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// What falls into the buckets of a tier and of the finer ones, but for the tier's own [`Self::Spread`].
    Total(Tier),
    /// The shares of long periods that cover whole buckets of a tier and are kept in no finer one; a query for its own
    /// steps adds them to the total, one for finer steps divides them evenly. Never carries a count.
    Spread(Tier),
    /// Spreads as versions before 2026-12 sealed them: they are in the total of their own tier too.
    EarlierSpread(Tier),
}

impl Layer {
    /// The tier whose buckets the layer has.
    #[must_use]
    pub fn tier(self) -> Tier {
        match self {
            Self::Total(tier) | Self::Spread(tier) | Self::EarlierSpread(tier) => tier,
        }
    }

    /// All that have the buckets of a tier, also those that only earlier versions sealed.
    #[must_use]
    pub fn all_of(tier: Tier) -> [Self; 3] {
        [Self::Total(tier), Self::Spread(tier), Self::EarlierSpread(tier)]
    }
}

/// The largest multiple of `width_s` that is at most `at_s`.
#[must_use]
pub fn floor_to(at_s: i64, width_s: i64) -> i64 {
    at_s.div_euclid(width_s) * width_s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_width_divides_the_next_and_the_span() {
        for pair in Tier::ALL.windows(2) {
            assert_eq!(pair[1].width_s() % pair[0].width_s(), 0);
        }
        for tier in Tier::ALL {
            assert_eq!(tier.span_s() % tier.width_s(), 0);
        }
    }

    #[test]
    fn the_coarsest_exact_tier_serves_a_step() {
        assert_eq!(Tier::for_step(10), Tier::S10);
        assert_eq!(Tier::for_step(90), Tier::S10);
        assert_eq!(Tier::for_step(120), Tier::M1);
        assert_eq!(Tier::for_step(5400), Tier::M10);
        assert_eq!(Tier::for_step(7 * DAY), Tier::D1);
    }
}
