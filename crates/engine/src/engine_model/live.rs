//! Live readers of the engine: whatever is written, sealed, tidied, forgotten or lost in a crash between their looks,
//! the snapshot plus all deltas is what a new reader sees.

use serde_json::Value;

use super::*;
use crate::reads;
use answers::look::Look;
use model::increments::IncrementLimits;
use protocol::live_params::{LiveCursor, LiveQuery};
use protocol::live_part::{encode, split};

/// Of a bucket: n, d and count, which add up, and the rest, which is replaced.
type Place = (Option<f64>, Option<f64>, Option<f64>, Vec<Value>);

/// A reader that applies what it receives, as docs/live.md specifies.
struct Reader {
    query: LiveQuery,
    cursor: LiveCursor,
    places: BTreeMap<(String, i64), Place>,
    /// The start of the last snapshot.
    from_s: i64,
    snapshots: usize,
}

const WHOLE: [&str; 4] = ["p50", "min", "max", "distinct:client"];

impl Reader {
    fn new(query: &str) -> Self {
        let (query, _) = LiveQuery::parse(query, START_MS, &Retention::default()).expect("valid");
        Self { query, cursor: LiveCursor::default(), places: BTreeMap::new(), from_s: 0, snapshots: 0 }
    }

    /// Looks at shards, one from each model.
    fn look(&mut self, shards: &mut [Model]) {
        let now_ms = shards.iter().map(|model| model.now_ms).max().expect("some");
        let mut look = Look::new(&self.query, self.cursor.clone(), now_ms).expect("is a window");
        while let Some(ask) = look.ask() {
            // Home answers last.
            for (shard, model) in [0u16, 1].into_iter().zip(&mut *shards).rev() {
                let seen = reads::look(&mut model.engine, &ask, shard, now_ms).expect("the store is well");
                let parts = encode(&[Ok(seen)]);
                look.take(split(&parts).expect("is whole")[0]).expect("is answered");
            }
            look.end_round().expect("is small");
        }
        let message = look.message().expect("there is one");
        self.cursor = message.cursor.clone();
        self.take(&serde_json::from_str(&message.json).expect("is JSON"));
        assert_eq!(message.is_snapshot, message.json.starts_with(r#"{"type":"snapshot""#));
    }

    fn take(&mut self, message: &Value) {
        if message["type"] == "snapshot" {
            self.places.clear();
            self.from_s = message["from"].as_i64().expect("seconds");
            self.snapshots += 1;
        }
        for series in message["series"].as_array().expect("a list") {
            for (at, time) in message["times"].as_array().expect("a list").iter().enumerate() {
                let number = |field: &str| series[field][at].as_f64();
                if number("count").is_none() {
                    continue;
                }
                let key = (series["labels"].to_string(), time.as_i64().expect("seconds"));
                let (n, d, count, whole) = self.places.entry(key).or_default();
                for (place, field) in [(n, "n"), (d, "d"), (count, "count")] {
                    *place = number(field).map_or(*place, |more| Some(place.unwrap_or_default() + more));
                }
                *whole = WHOLE.iter().map(|field| series[*field][at].clone()).collect();
            }
        }
    }

    /// Compares with a reader that looks for the first time now.
    fn check(&mut self, shards: &mut [Model]) {
        self.look(shards);
        let mut other =
            Self { places: BTreeMap::new(), cursor: LiveCursor::default(), query: self.query.clone(), ..Self::new("") };
        other.look(shards);
        // The window has moved, and deltas may contain earlier steps.
        let mine: BTreeMap<_, _> = self.places.iter().filter(|((_, at_s), _)| *at_s >= other.from_s).collect();
        assert_eq!(mine.keys().copied().collect::<Vec<_>>(), other.places.keys().collect::<Vec<_>>());
        for ((_, mine), (key, theirs)) in mine.into_iter().zip(&other.places) {
            for (mine, theirs) in [(mine.0, theirs.0), (mine.1, theirs.1), (mine.2, theirs.2)] {
                let (mine, theirs) = (mine.unwrap_or(f64::MAX), theirs.unwrap_or(f64::MAX));
                assert!((mine - theirs).abs() <= 1e-6, "{mine} is not {theirs} at {key:?}");
            }
            assert_eq!(mine.3, theirs.3, "{key:?}");
        }
    }
}

fn readers(step: &str, is_counted: bool) -> Vec<Reader> {
    let window = if step == "10s" { "3h" } else { "40h" };
    let distinct = if is_counted { ",distinct:client" } else { "" };
    vec![
        Reader::new(&format!("by=series&agg=sum,p50,max{distinct}&step={step}&window={window}")),
        Reader::new(&format!("step={step}&window={window}")),
        Reader::new(&format!("by=*&where=series!%3D1&agg=min&step={step}&window={window}")),
    ]
}

fn any_limits() -> impl Strategy<Value = Limits> {
    let cells = prop::sample::select(vec![3usize, 40, 100_000]);
    let increments = (prop::sample::select(vec![5usize, 200, 20_000]), prop::sample::select(vec![1usize, 3, 850]));
    let bucket_series = prop::sample::select(vec![1usize, 2, 100]);
    (cells, increments, bucket_series).prop_map(|(open_cells, (cells, positions), bucket_series)| Limits {
        open_cells,
        bucket_series,
        increments: IncrementLimits { cells, positions },
        ..Limits::DEFAULT
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_snapshot_plus_its_deltas_always_equals_the_rollup(
        steps in proptest::collection::vec((any_step(), 0usize..2, 0u8..8), 1..14),
        limits in any_limits(),
        shards in 1usize..3,
        step in prop::sample::select(vec!["10s", "90s", "1h"]),
    ) {
        let mut shards: Vec<Model> = (0..shards).map(|_| Model::new(limits)).collect();
        let is_listed = |(step, ..): &(Step, usize, u8)| !matches!(step, Step::List { is_counted: false, .. });
        // A label that is no longer listed is refused.
        let mut readers = readers(step, steps.iter().all(is_listed));
        for (step, shard, who_looks) in &steps {
            let shard = shard % shards.len();
            shards[shard].take(step);
            let now_ms = shards[shard].now_ms;
            for model in &mut shards {
                model.now_ms = now_ms.max(model.now_ms);
            }
            for (at, reader) in readers.iter_mut().enumerate() {
                if who_looks & (1 << at) != 0 {
                    reader.look(&mut shards);
                }
            }
        }
        for reader in &mut readers {
            reader.check(&mut shards);
        }
    }
}

#[test]
fn a_reader_gets_deltas_and_a_snapshot_only_when_needed() {
    let mut shards = [Model::new(Limits::DEFAULT), Model::new(Limits::DEFAULT)];
    let mut readers = readers("10s", true);
    let point = |series, client, n, p, age| ((series, client), n, p, age);
    for reader in &mut readers {
        reader.look(&mut shards);
    }
    for round in 0..10u16 {
        let shard = &mut shards[usize::from(round % 2)];
        shard.take(&Step::Write(vec![vec![point(2, 1, 5, None, 0), point(3, 2, 7, Some(30_000), 10 * round)]]));
        // Its memory is lost, but not what it has reported.
        shard.take(if round == 5 { &Step::Seal } else { &Step::Tidy { after_s: 5 } });
        let now_ms = shard.now_ms;
        for model in &mut shards {
            model.now_ms = now_ms;
        }
        readers[usize::from(round % 3)].look(&mut shards);
    }
    for reader in &mut readers {
        reader.check(&mut shards);
        assert_eq!(reader.snapshots, 1, "all the rest were deltas");
    }
    // A crash that loses nothing that a reader has not seen.
    shards.iter_mut().for_each(Model::crash);
    readers[0].check(&mut shards);
    assert_eq!(readers[0].snapshots, 1);
    shards[1].take(&Step::Write(vec![vec![point(1, 1, 5, None, 0)]]));
    shards[1].crash();
    readers[0].check(&mut shards);
    assert_eq!(readers[0].snapshots, 2, "what came before the crash is in the log only");
    // Nobody looked for more than a minute.
    for model in &mut shards {
        model.now_ms += 61_000;
    }
    shards[0].take(&Step::Write(vec![vec![point(1, 1, 5, None, 0)]]));
    readers[0].check(&mut shards);
    assert_eq!(readers[0].snapshots, 3);
}

#[test]
fn a_reader_gets_a_snapshot_after_a_removal() {
    let mut shards = [Model::new(Limits::DEFAULT), Model::new(Limits::DEFAULT)];
    let mut readers = readers("10s", true);
    let reader = &mut readers[0];
    for _ in 0..2 {
        shards[0].take(&Step::Write(vec![vec![((2, 1), 5, None, 0)]]));
        reader.look(&mut shards);
    }
    assert_eq!(reader.snapshots, 1, "the second look is a delta");
    let ask = protocol::removal::Remove { matchers: vec!["series=2".into()], ..Default::default() };
    let now_ms = shards[0].now_ms;
    shards[0].engine.remove(&ask, now_ms).expect("the store is well");
    reader.look(&mut shards);
    assert_eq!(reader.snapshots, 2, "a delta could not take back what the reader has");
}
