//! The places of chunks whose parts need merging, and merging them: one bounded step at a time, by the alarm or, if
//! many parts arrive between two alarms, by the seal that brings them.

use std::collections::BTreeMap;

use store::chunk_merge;
use store::chunk_merge::FRESH_PARTS;
use store::chunks;
use store::chunks::Place;
use store::sql::{Sql, StoreError};

use super::Engine;

/// The most places that are listed; others are found again when something is sealed there.
const MAX_PLACES: usize = 1_000;
/// Places with this many parts are merged by the seal...
const SEAL_PARTS: usize = 128;
/// ...with this many steps. Each handles 40,000 of the cells' weight, and a seal brings up to 134,000.
const SEAL_STEPS: usize = 4;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Crowded {
    /// Crowded places, with the number of their parts when they were last checked.
    places: BTreeMap<Place, usize>,
    /// Whether the database was searched for places that were already crowded when this object started.
    is_searched: bool,
}

impl Crowded {
    fn fullest(&self) -> Option<(Place, usize)> {
        self.places.iter().max_by_key(|(_, parts)| **parts).map(|(place, parts)| (*place, *parts))
    }

    fn extend(&mut self, places: impl IntoIterator<Item = (Place, usize)>) {
        self.places.extend(places);
        while self.places.len() > MAX_PLACES {
            self.places.pop_first();
        }
    }
}

impl<S: Sql> Engine<S> {
    /// The number of parts of the most crowded place, of at most [`chunks::MAX_PARTS`].
    pub fn fullest_place(&self) -> Result<usize, StoreError> {
        Ok(chunks::fullest(&self.sql, 0, 1)?.first().map_or(0, |(parts, _)| *parts))
    }

    /// Whether [`Self::compact`] has something to do.
    pub fn is_crowded(&self) -> bool {
        !self.crowded.places.is_empty()
    }

    /// Merges one step in the place with the most parts. A place that cannot be merged is left alone until something is
    /// sealed there again. During a removal, parts stay where the removal looks for them.
    pub fn compact(&mut self) {
        let Some((place, _)) = self.crowded.fullest().filter(|_| !self.is_removing()) else { return };
        self.change_chunks();
        match chunk_merge::step(&self.sql, place) {
            Ok(Some(parts)) => self.crowded.extend([(place, parts)]),
            Ok(None) | Err(_) => {
                self.crowded.places.remove(&place);
            }
        }
    }

    /// Adds the places that a seal reports as crowded, and merges those that cannot wait for the alarm.
    pub(super) fn relieve(&mut self, crowded: Vec<(Place, usize)>) {
        self.crowded.extend(crowded);
        for _ in 0..SEAL_STEPS {
            if self.crowded.fullest().is_none_or(|(_, parts)| parts < SEAL_PARTS) {
                break;
            }
            self.compact();
        }
    }

    /// Looks, once, for places that were already crowded when this object started; an earlier version may have left
    /// them so.
    pub(super) fn search_crowded(&mut self) -> Result<(), StoreError> {
        if !self.crowded.is_searched {
            let places = chunks::fullest(&self.sql, FRESH_PARTS, MAX_PLACES)?;
            self.crowded.extend(places.into_iter().map(|(parts, place)| (place, parts)));
            self.crowded.is_searched = true;
        }
        Ok(())
    }
}
