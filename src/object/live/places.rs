//! The places of live readers: who may take another one.
//!
//! Strangers leave a quarter of both kinds to the owner and to holders of the key. One network of strangers can
//! take three quarters of what other networks leave of the rest: so there is room for the next network, however
//! many places one takes.

use std::hash::Hash;

use rustc_hash::FxHashSet;

use crate::object::line::Rank;

/// The most readers of a stream, with some 300 bytes each here...
const MAX_READERS: usize = 10_000;
/// ...and the most different queries: each is computed separately once a second.
const MAX_QUERIES: usize = 64;

/// Who takes a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The owner, or a holder of the key.
    Holder,
    /// Anybody else, on a public stream. The pseudonym of the network; empty if unknown.
    Stranger(String),
}

impl Whose {
    pub(super) const fn rank(&self) -> Rank {
        match self {
            Self::Holder => Rank::Holder,
            Self::Stranger(_) => Rank::Stranger,
        }
    }

    pub(super) fn network(&self) -> &str {
        match self {
            Self::Holder => "",
            Self::Stranger(network) => network,
        }
    }
}

/// The number of readers, and of different queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Places {
    readers: usize,
    queries: usize,
}

impl Places {
    const ALL: Self = Self { readers: MAX_READERS, queries: MAX_QUERIES };

    fn taken<Query: Eq + Hash>(readers: impl Iterator<Item = Query>) -> Self {
        let (mut count, mut queries) = (0, FxHashSet::default());
        readers.for_each(|query| {
            count += 1;
            queries.insert(query);
        });
        Self { readers: count, queries: queries.len() }
    }

    fn without(self, taken: Self) -> Self {
        Self {
            readers: self.readers.saturating_sub(taken.readers),
            queries: self.queries.saturating_sub(taken.queries),
        }
    }

    const fn three_quarters(self) -> Self {
        Self { readers: self.readers / 4 * 3, queries: (self.queries * 3).div_ceil(4) }
    }
}

/// Whether there is room for one more reader of this kind with this query, besides the present ones with theirs.
pub(super) fn has_room<'a, Query: Copy + Eq + Hash>(
    readers: &(impl Iterator<Item = (&'a Whose, Query)> + Clone),
    whose: &Whose,
    query: Query,
) -> bool {
    let of = |counts: &dyn Fn(&Whose) -> bool| {
        Places::taken(readers.clone().filter(|(whose, _)| counts(whose)).map(|(_, query)| query))
    };
    let is_shared = readers.clone().any(|(_, asked)| asked == query);
    let has_more = |left: Places| left.readers > 0 && (is_shared || left.queries > 0);
    let Whose::Stranger(network) = whose else { return has_more(Places::ALL.without(of(&|_| true))) };
    let is_own = |other: &Whose| !network.is_empty() && other.network() == network;
    let of_strangers = Places::ALL.three_quarters();
    let strangers = of(&|other| matches!(other, Whose::Stranger(_)));
    let others = of(&|other| matches!(other, Whose::Stranger(_)) && !is_own(other));
    has_more(of_strangers.without(strangers))
        && (network.is_empty() || has_more(of_strangers.without(others).three_quarters().without(of(&is_own))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readers with their queries.
    #[derive(Default)]
    struct Stream {
        readers: Vec<(Whose, usize)>,
        last_query: usize,
    }

    impl Stream {
        fn has_room(&self, whose: &Whose, query: usize) -> bool {
            has_room(&self.readers.iter().map(|(whose, query)| (whose, *query)), whose, query)
        }

        /// The number of readers that get in, each with a new query.
        fn fill(&mut self, whose: &Whose) -> usize {
            let before = self.readers.len();
            while self.has_room(whose, self.last_query + 1) {
                self.last_query += 1;
                self.readers.push((whose.clone(), self.last_query));
            }
            self.readers.len() - before
        }
    }

    fn stranger(network: &str) -> Whose {
        Whose::Stranger(network.to_owned())
    }

    #[test]
    fn a_network_has_three_quarters_of_what_other_networks_leave() {
        let mut stream = Stream::default();
        let taken = ["a", "b", "c", "d"].map(|network| stream.fill(&stranger(network)));
        assert_eq!(taken, [36, 9, 3, 0]);
        // A reader with another's query takes no place of a query.
        assert!(stream.has_room(&stranger("d"), 7) && stream.has_room(&stranger("a"), 40));
        stream.readers.retain(|(whose, _)| *whose != stranger("b"));
        assert_eq!(["a", "d"].map(|network| stream.fill(&stranger(network))), [0, 7]);
    }

    #[test]
    fn readers_are_shared_out_like_queries() {
        let mut stream = Stream { readers: vec![(stranger("a"), 1); 5_624], last_query: 1 };
        assert!(stream.has_room(&stranger("a"), 1));
        stream.readers.push((stranger("a"), 1));
        assert!(!stream.has_room(&stranger("a"), 1) && stream.has_room(&stranger("b"), 1));
    }

    #[test]
    fn strangers_of_unknown_networks_share_the_part_of_strangers() {
        let mut stream = Stream::default();
        assert_eq!([stream.fill(&stranger("")), stream.fill(&stranger("a"))], [48, 0]);
        assert_eq!(stream.fill(&Whose::Holder), 16);
        assert!(!stream.has_room(&Whose::Holder, 65));
    }

    #[test]
    fn holders_may_take_every_place() {
        let mut stream = Stream::default();
        assert_eq!(stream.fill(&Whose::Holder), 64);
        assert!(stream.has_room(&stranger("a"), 0), "strangers have places of their own");
    }
}
