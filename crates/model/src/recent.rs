//! The heaviest writers of the last hours: a [`Top`] of each kind for this hour, the last, and some longer periods
//! before.

use std::collections::VecDeque;

use super::top::{Tally, Top};

/// Seconds of an hour.
pub const HOUR_S: i64 = 3_600;
/// How many past hours are merged into a block.
pub const BLOCK_S: i64 = 6 * HOUR_S;
/// How far back the lists reach; with whole blocks, up to a block more.
pub const DAY_S: i64 = 24 * HOUR_S;
/// Hours, the block that receives the hour before the last, and those of a day: 7 periods of at most 70 KiB, mostly
/// 25.
pub const MAX_BLOCKS: usize = 5;

/// How writers are distinguished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By network.
    Network,
    /// By the page they write from.
    Origin,
    /// By their write key.
    Key,
}

/// One list for each [`Kind`], in its order.
pub type Tops = [Top; 3];

/// The lists of a period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// Its start, Unix seconds.
    pub start_s: i64,
    /// Its lists.
    pub tops: Tops,
}

/// The periods up to now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    /// This hour and the last, if anybody wrote.
    pub hours: VecDeque<Period>,
    /// The blocks before, oldest first.
    pub blocks: VecDeque<Period>,
}

/// How far back a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Back {
    /// This hour and the last.
    Hour,
    /// Some 24 hours.
    Day,
}

impl Back {
    /// The start of the requested time.
    #[must_use]
    pub fn since_s(self, now_s: i64) -> i64 {
        match self {
            Self::Hour => floor(now_s, HOUR_S) - HOUR_S,
            Self::Day => floor(now_s - DAY_S, BLOCK_S),
        }
    }
}

impl Recent {
    /// Counts what a writer did.
    pub fn add(&mut self, now_s: i64, kind: Kind, (key, label): (u64, &str), cost: u64, tally: Tally) {
        self.advance(now_s);
        if let Some(hour) = self.hours.back_mut() {
            hour.tops[kind as usize].add(key, label, cost, tally);
        }
    }

    /// The heaviest writers.
    #[must_use]
    pub fn tops(&self, back: Back, now_s: i64) -> Tops {
        let since_s = back.since_s(now_s);
        let mut tops = Tops::default();
        for period in self.blocks.iter().chain(&self.hours).filter(|period| period.start_s >= since_s) {
            merge(&mut tops, &period.tops);
        }
        tops
    }

    /// Advances to the current hour, unless the clock went back.
    fn advance(&mut self, now_s: i64) {
        let start_s = floor(now_s, HOUR_S);
        if self.hours.back().is_some_and(|hour| hour.start_s >= start_s) {
            return;
        }
        while let Some(hour) = self.hours.pop_front_if(|hour| hour.start_s < start_s - HOUR_S) {
            self.end(hour);
        }
        self.hours.push_back(Period { start_s, ..Period::default() });
        while self.blocks.len() > MAX_BLOCKS
            || self.blocks.front().is_some_and(|block| block.start_s < Back::Day.since_s(now_s))
        {
            self.blocks.pop_front();
        }
    }

    fn end(&mut self, hour: Period) {
        let start_s = floor(hour.start_s, BLOCK_S);
        match self.blocks.back_mut().filter(|block| block.start_s >= start_s) {
            Some(block) => merge(&mut block.tops, &hour.tops),
            None => self.blocks.push_back(Period { start_s, ..hour }),
        }
    }
}

/// Merges lists into others of the same kinds.
pub fn merge(tops: &mut Tops, others: &Tops) {
    tops.iter_mut().zip(others).for_each(|(top, other)| top.merge(other));
}

fn floor(at_s: i64, width_s: i64) -> i64 {
    at_s.div_euclid(width_s) * width_s
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_792_540_800;

    fn cost(recent: &Recent, back: Back, now_s: i64) -> u64 {
        let counters = recent.tops(back, now_s)[Kind::Network as usize].clone().into_sorted();
        counters.iter().map(|counter| counter.cost).sum()
    }

    #[test]
    fn an_hour_covers_1_to_2_hours_and_a_day_24_to_30() {
        let mut recent = Recent::default();
        for hour in 0..60 {
            let now = NOW + hour * HOUR_S + 5;
            recent.add(now, Kind::Network, (1, ""), 1, Tally::default());
            let hours = u64::try_from(hour).expect("is") + 1;
            assert_eq!(cost(&recent, Back::Hour, now), hours.min(2), "{hour}");
            let day = cost(&recent, Back::Day, now);
            assert!(day == hours || (25..=31).contains(&day), "{day} of {hours}");
            assert!(recent.blocks.len() <= MAX_BLOCKS && recent.hours.len() <= 2);
        }
    }

    #[test]
    fn expired_counts_go_and_a_clock_set_back_loses_none() {
        let mut recent = Recent::default();
        recent.add(NOW, Kind::Network, (1, ""), 1, Tally::default());
        recent.add(NOW - 7_200, Kind::Network, (1, ""), 1, Tally::default());
        assert_eq!(cost(&recent, Back::Hour, NOW), 2);
        let later = NOW + 40 * HOUR_S;
        assert_eq!(
            (cost(&recent, Back::Hour, later), cost(&recent, Back::Day, later)),
            (0, 0),
            "also when nobody writes"
        );
        recent.add(later, Kind::Network, (1, ""), 1, Tally::default());
        assert_eq!((cost(&recent, Back::Day, later), recent.blocks.len()), (1, 0));
    }

    #[test]
    fn kinds_are_counted_apart() {
        let mut recent = Recent::default();
        recent.add(NOW, Kind::Origin, (1, "https://a.example"), 1, Tally::default());
        let tops = recent.tops(Back::Hour, NOW);
        assert_eq!(tops.map(|top| top.counters().len()), [0, 1, 0]);
    }
}
