//! Bounds that a stream is close to: their names, how much is used, and what to do.

use serde_json::{Value, json};

use config::limits::Limit;
use store::chunks::MAX_PARTS;
use store::sql::Sql;

use super::Engine;

/// The percentage from which on a bound is shown.
const SHOWN_PERCENT: u64 = 70;

impl<S: Sql> Engine<S> {
    /// The bounds with the highest usage, fullest first.
    pub(super) fn bounds_json(&self) -> Value {
        let count = |count: usize| count as u64;
        let log_bytes = count(2 * self.limits.unsealed_bytes + super::MAX_ROW_BYTES);
        let config = &self.record.config;
        let storage_bytes = config.limits.get(Limit::StorageBytes) / u64::from(config.layout.shards().max(1));
        let mut bounds: Vec<(&str, u64, u64)> =
            self.dictionary.bounds().map(|(name, used, limit)| (name, count(used), count(limit))).to_vec();
        let (keys, most_keys) = self.answers.keys();
        bounds.push(("keys_held", count(keys), count(most_keys)));
        bounds.push(("log_bytes", count(self.unsealed_bytes), log_bytes));
        bounds.push(("parts", count(self.fullest_place().unwrap_or_default()), count(MAX_PARTS)));
        bounds.push(("storage_bytes", self.sql.size_bytes(), storage_bytes));
        // In hundredths: bounds are far below 2^53, and a share needs no more precision.
        let share = |(_, used, limit): &(&str, u64, u64)| used * 10_000 / (*limit).max(1);
        let mut near: Vec<(&str, u64, u64)> = Vec::new();
        for bound in bounds.into_iter().filter(|bound| share(bound) >= SHOWN_PERCENT * 100) {
            let at = near.iter().position(|there| share(there) < share(&bound));
            near.insert(at.unwrap_or(near.len()), bound);
        }
        let shown = near
            .into_iter()
            .map(|(name, used, limit)| json!({ "name": name, "used": used, "limit": limit, "advice": advice(name) }));
        Value::Array(shown.collect())
    }
}

fn advice(name: &str) -> &'static str {
    match name {
        "series" => {
            "Inactive series are folded automatically; let `accept` drop labels that have many values, list such labels in \
             `distinct`, or remove points that are no longer needed."
        }
        "names" => "Let `accept` list the allowed labels, and remove points with others.",
        "series_text_bytes" => "Let `accept` drop labels that have long values, or remove points that have them.",
        "keys_held" => {
            "Keys are held for ten minutes: send larger batches more rarely, or give the stream more shards."
        }
        "parts" => "Parts of chunks are merged automatically, step by step; if this lasts for hours, report it.",
        "log_bytes" => "Points are not being sealed; if this lasts for minutes, report it.",
        _ => {
            "Keep less: shorten `retention`, remove points that are no longer needed, or lower `limits.disk_bytes_per_day`."
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::engine::{Limits, MAX_ROW_BYTES};
    use crate::engine_model::record;
    use crate::randomness::Randomness;
    use store::testing::TestSql;

    #[test]
    fn a_log_is_shown_from_70_percent_of_its_bound_on() {
        let limits = Limits { unsealed_bytes: 1_000_000, ..Limits::DEFAULT };
        let sql = Rc::new(TestSql::new());
        let mut engine = Engine::create(sql, limits, Randomness::FIXED, &record(&[])).expect("creates");
        assert_eq!(engine.bounds_json(), json!([]));
        let bound = 2_000_000 + MAX_ROW_BYTES;
        engine.unsealed_bytes = bound / 100 * 69;
        assert_eq!(engine.bounds_json(), json!([]));
        engine.unsealed_bytes = bound / 100 * 70;
        let shown = engine.bounds_json();
        assert_eq!((&shown[0]["name"], &shown[0]["limit"]), (&json!("log_bytes"), &json!(bound)), "{shown}");
        assert_eq!((&shown[0]["used"], &shown[1]), (&json!(engine.unsealed_bytes), &Value::Null), "{shown}");
    }
}
