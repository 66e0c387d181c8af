//! What an object knows about the last removal: what it hides from readers, and its progress.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use model::labels::Labels;
use model::matcher::Matcher;
use model::open::SeriesId;
use model::point::Point;
use model::removal::{Numbers, Span};
use model::tier::Layer;
use protocol::removal::Removed;
use store::removal;
use store::removal::{Row, Scope, places_of};
use store::sql::{Sql, StoreError};

/// The removal as stored in its row. Persisted as JSON, so fields are only added, with defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// Its number, from home.
    pub(super) call: u64,
    /// What its series had to match; forgotten when it is done, as it may identify a person.
    pub(super) matchers: Vec<String>,
    pub(super) from_s: i64,
    pub(super) to_s: i64,
    /// Whether the series are removed completely, and not only a part of their time.
    pub(super) is_whole: bool,
    /// The next row of the log to remove points from...
    pub(super) log_next: i64,
    /// ...up to the last one that existed when the removal began.
    pub(super) log_last: i64,
    pub(super) points: u64,
    pub(super) series: u64,
    pub(super) bytes: i64,
    pub(super) is_done: bool,
    /// At home: whether another shard may not be done.
    pub(super) is_untold: bool,
    /// What earlier removals have removed.
    pub(super) points_before: u64,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Removal {
    /// The number of removals.
    pub(super) id: i64,
    pub(super) state: State,
    pub(super) scope: Scope,
    matchers: Vec<Matcher>,
    /// The places that are still to be rewritten.
    pub(super) pending: BTreeSet<i64>,
    /// The next part of the place that is being rewritten.
    pub(super) next_part: Option<(i64, i64)>,
    /// When home asks the other shards again.
    pub(super) tell_ms: i64,
}

impl Removal {
    /// The last removal; for an object without one, a removal that is done.
    pub(super) fn load(sql: &impl Sql) -> Result<Self, StoreError> {
        let row = removal::last(sql)?;
        let (id, state, series) = match &row {
            Some(Row { id, state, series }) => {
                let state: State = serde_json::from_str(state).map_err(|_| StoreError::Column("removal"))?;
                (*id, state, Numbers::parse(series)?)
            }
            None => (0, State { is_done: true, ..State::default() }, Numbers::default()),
        };
        let matchers = state.matchers.iter().map(|text| Matcher::parse(text).map(Matcher::unlimited));
        let matchers = matchers.collect::<Result<_, _>>().map_err(|_| StoreError::Column("removal"))?;
        let scope = Scope { series, span: Span { from_s: state.from_s, to_s: state.to_s } };
        let pending = if state.is_done { BTreeSet::new() } else { removal::pending(sql)? };
        Ok(Self { id, state, scope, matchers, pending, next_part: None, tell_ms: 0 })
    }

    /// Whether a sealed cell is removed, but still in the database.
    pub(super) fn hides(&self, layer: Layer, start_s: i64, series: SeriesId) -> bool {
        !self.pending.is_empty()
            && self.scope.covers(layer, start_s, series)
            && places_of(layer, start_s, series).iter().any(|place| self.pending.contains(place))
    }

    /// Whether a row of the log may still contain removed points.
    pub(super) fn has_in_row(&self, seq: i64) -> bool {
        !self.state.is_done && (self.state.log_next..=self.state.log_last).contains(&seq)
    }

    /// Whether a point in such a row is removed, given its series' number...
    pub(super) fn takes_of(&self, series: SeriesId, point: &Point) -> bool {
        self.scope.span.holds(point.t) && self.scope.series.has(series)
    }

    /// ...or its labels.
    pub(super) fn takes(&self, labels: &Labels, point: &Point) -> bool {
        self.scope.span.holds(point.t) && self.matchers.iter().all(|matcher| matcher.accepts(labels))
    }

    /// The total number of removed points.
    pub(super) fn points(&self) -> u64 {
        self.state.points_before + self.state.points
    }

    /// Its progress.
    pub(super) fn removed(&self) -> Removed {
        let State { call, points, series, bytes, is_done, .. } = self.state;
        Removed { call, points, series, bytes: bytes.max(0).unsigned_abs(), is_done, shards: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_removal_is_pinned() {
        let state =
            State { call: 7, matchers: vec!["a=b".into()], to_s: 10, log_last: 3, points: 2, ..State::default() };
        let json = r#"{"call":7,"matchers":["a=b"],"from_s":0,"to_s":10,"is_whole":false,"log_next":0,"log_last":3,"points":2,"series":0,"bytes":0,"is_done":false,"is_untold":false,"points_before":0}"#;
        assert_eq!(serde_json::to_string(&state).expect("serialises"), json);
        assert_eq!(serde_json::from_str::<State>(json).expect("reads"), state);
    }
}
