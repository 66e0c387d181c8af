//! How established a series is: one that has been written for some time keeps its place when others come.

use super::class::Class;

/// The number of different hours with points that makes a series established.
pub const ESTABLISHED_HOURS: u8 = 3;
const HOUR_MS: i64 = 3_600_000;

/// How well one series is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The number of different hours with points, at most [`ESTABLISHED_HOURS`].
    pub hours: u8,
    /// The last hour with points, counted from 1970.
    pub last_hour: u32,
}

impl Standing {
    /// The standing of a series from before standings were counted.
    #[must_use]
    pub fn established(last_hour: u32) -> Self {
        Self { hours: ESTABLISHED_HOURS, last_hour }
    }

    /// Notes a point of a writer in this hour.
    pub fn see(&mut self, class: Class, hour: u32) {
        if class > Class::Open {
            self.hours = ESTABLISHED_HOURS;
        } else if self.hours < ESTABLISHED_HOURS && (hour > self.last_hour || self.hours == 0) {
            self.hours += 1;
        }
        // A clock that goes back does not count as another hour.
        self.last_hour = self.last_hour.max(hour);
    }

    /// Whether the series keeps its place when others come.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.hours >= ESTABLISHED_HOURS
    }

    /// The number of hours without points.
    #[must_use]
    pub fn idle_hours(&self, hour: u32) -> u32 {
        hour.saturating_sub(self.last_hour)
    }
}

/// The hour that contains a time.
#[must_use]
pub fn hour_of(at_ms: i64) -> u32 {
    u32::try_from(at_ms / HOUR_MS).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_different_hours_or_a_credential_establish_a_series() {
        let mut standing = Standing::default();
        for (hour, is_established) in [(100, false), (100, false), (101, false), (99, false), (101, false), (140, true)]
        {
            standing.see(Class::Open, hour);
            assert_eq!(standing.is_established(), is_established, "at hour {hour}");
        }
        assert_eq!((standing.idle_hours(150), standing.idle_hours(1)), (10, 0));
        for class in [Class::Keyed, Class::Owner] {
            let mut standing = Standing::default();
            standing.see(class, 7);
            assert_eq!(standing, Standing::established(7));
        }
    }
}
