//! The bucket widths of the rollups.

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

    /// Its name in an owner's configuration: the width in the syntax of `step`.
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

    /// The time span of one stored chunk, in seconds: a few hundred buckets, so that a query for a screenful reads
    /// one to three chunks.
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

    /// The start of the bucket that contains a second.
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

/// What a chunk or an open bucket contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Everything in the buckets of a tier and of the finer ones, except the tier's own [`Self::Spread`].
    Total(Tier),
    /// The shares of long periods that cover whole buckets of a tier and are in no finer one. A query at the tier's
    /// steps adds them to the total; one at finer steps divides them evenly. It never carries a count.
    Spread(Tier),
    /// Spreads as versions before 2026-12 sealed them: they are also in the total of their own tier.
    EarlierSpread(Tier),
}

impl Layer {
    /// The tier of the layer's buckets.
    #[must_use]
    pub fn tier(self) -> Tier {
        match self {
            Self::Total(tier) | Self::Spread(tier) | Self::EarlierSpread(tier) => tier,
        }
    }

    /// All layers with the buckets of a tier, including those that only earlier versions sealed.
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
