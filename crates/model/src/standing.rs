//! How well a series is known: what has been written for some time keeps its place when others come.

use super::class::Class;

/// A series that has had points in so many different hours is established.
pub const ESTABLISHED_HOURS: u8 = 3;
const HOUR_MS: i64 = 3_600_000;

/// How well one series is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// In how many different hours it has had points, at most [`ESTABLISHED_HOURS`].
    pub hours: u8,
    /// The last hour in which it has, since 1970.
    pub last_hour: u32,
}

impl Standing {
    /// Of a series that was there before anybody counted.
    #[must_use]
    pub fn established(last_hour: u32) -> Self {
        Self { hours: ESTABLISHED_HOURS, last_hour }
    }

    /// It has a point of a writer in this hour.
    pub fn see(&mut self, class: Class, hour: u32) {
        if class > Class::Open {
            self.hours = ESTABLISHED_HOURS;
        } else if self.hours < ESTABLISHED_HOURS && (hour > self.last_hour || self.hours == 0) {
            self.hours += 1;
        }
        // A clock that goes back is no other hour.
        self.last_hour = self.last_hour.max(hour);
    }

    /// Whether it keeps its place when others come.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.hours >= ESTABLISHED_HOURS
    }

    /// For how many hours it has had nothing.
    #[must_use]
    pub fn idle_hours(&self, hour: u32) -> u32 {
        hour.saturating_sub(self.last_hour)
    }
}

/// The hour of a time.
#[must_use]
pub fn hour_of(at_ms: i64) -> u32 {
    u32::try_from(at_ms / HOUR_MS).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_established_by_three_different_hours_or_by_a_credential() {
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
