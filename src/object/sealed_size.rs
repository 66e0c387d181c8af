//! What sealed points take on disk, over all tiers and with all sketches.

use std::rc::Rc;

use crate::domain::point::Point;
use crate::store::testing::TestSql;
use crate::wire::frame::FrameBuilder;

use super::engine::{Engine, Incoming, Limits};
use super::engine_model::record;

/// A day of counters that are flushed every 10 s and count 20 to 79, without a pattern that compresses: the data of `make bench`.
#[test]
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn a_10_s_point_of_a_counter_takes_less_than_3_bytes_over_all_tiers() {
    const SERIES: usize = 20;
    const START_S: usize = 1_792_540_800;
    const STEPS: usize = 8_640;
    const STEPS_A_BATCH: usize = 80;
    let sql = Rc::new(TestSql::new());
    // As often as with a hundred series.
    let limits = Limits { open_cells: Limits::DEFAULT.open_cells * SERIES / 100, ..Limits::DEFAULT };
    let mut engine = Engine::create(Rc::clone(&sql), limits, [0; 16], &record(&[])).expect("creates");
    let now_ms = i64::try_from((START_S + 86_400) * 1000).expect("after 1970");
    for batch in 0..STEPS / STEPS_A_BATCH {
        let mut frame = FrameBuilder::new(u64::try_from(now_ms).expect("after 1970"), [0; 16], |_| None);
        for step in batch * STEPS_A_BATCH..(batch + 1) * STEPS_A_BATCH {
            for series in 0..SERIES {
                let n = 20 + (((step * 100 + series) * 2_654_435_761) >> 16) % 60;
                let point = Point { n: n as f64, d: 1.0, p: None, t: (START_S + step * 10) as f64 };
                frame.push(0, Ok((point, &format!("series\u{1f}{series}\u{1e}"))));
            }
        }
        assert!(engine.commit(&[Incoming::of_owner(frame.finish(None).frame)], now_ms).iter().all(Result::is_ok));
    }
    engine.seal(now_ms).expect("seals");
    let by_layer = sql.chunk_bytes();
    let bytes: i64 = by_layer.iter().map(|(_, bytes)| bytes).sum();
    let per_point = |bytes: i64| bytes as f64 / (SERIES * STEPS) as f64;
    let shown: Vec<(i64, f64)> = by_layer.iter().map(|(layer, bytes)| (*layer, per_point(*bytes))).collect();
    println!("{shown:?} {}", per_point(bytes));
    assert!(per_point(bytes) < 2.8, "{} bytes a point: {shown:?}", per_point(bytes));
}
