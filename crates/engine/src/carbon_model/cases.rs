//! Cases that proptest would find too rarely.

use super::*;

#[test]
fn an_idle_stream_sets_no_alarm_and_resends_nothing() {
    let mut model = Model::new();
    assert_eq!(model.engine.carbon_due(), None);
    model.write(&[(0, 7, None, 0), (1, 8, Some(10), 0)]);
    assert_eq!(model.engine.carbon_due(), Some(START_MS + INTERVAL_MS + 15_000), "a while after its end");
    model.drain();
    model.check();
    let carbon = std::mem::take(&mut model.carbon);
    for _ in 0..2 {
        model.crash();
        assert_eq!(model.engine.carbon_due(), None, "the log has it, and it is marked as sent");
        model.engine.seal(model.now_ms).expect("seals");
    }
    assert!(!carbon.is_empty() && model.carbon.is_empty());
}

#[test]
fn a_result_from_the_former_carbon_does_not_affect_the_new_one() {
    let mut model = Model::new();
    model.write(&[(0, 7, None, 0)]);
    model.now_ms += 2 * INTERVAL_MS;
    let lines = model.next_lines().expect("a bucket is closed");
    let mut record = model.engine.record().clone();
    record.config.carbon.as_mut().expect("is there").host = "other.example".into();
    model.engine.set_record(record, model.now_ms).expect("sets");
    let of_other = model.engine.status_json();
    for failure in [None, Some("nobody knows")] {
        model.engine.settle_lines(&lines, failure, 0.5, model.now_ms).expect("settles");
        assert_eq!(model.engine.status_json(), of_other);
    }
    assert_eq!(model.engine.carbon_due(), None, "what was before is nobody's");
}

#[test]
fn after_an_outage_buckets_follow_in_order_and_lost_ones_count() {
    let mut model = Model::new();
    let hours = |hours: i64| hours * 3_600_000;
    for _ in 0..24 * 16 {
        model.write(&[(0, 1, None, 0)]);
        model.now_ms += hours(1);
        model.push(Answer::Fails, &[], None);
    }
    // Most of it has expired by now.
    model.waiting.clear();
    model.drain();
    let status: serde_json::Value = serde_json::from_str(&model.engine.status_json()).expect("JSON");
    // Steps of 30 s are built from those of 10 s, which are kept for two days.
    let lines = status["carbon"]["lines"].as_u64().expect("a number");
    assert!((2 * 47..=2 * 49).contains(&lines), "{status}");
    let skipped = status["carbon"]["skipped"].as_u64().expect("a number");
    assert!(skipped >= 24 * 14 - 1, "{status}");
    assert!(status["carbon"]["pending_since"].is_null());
}

#[test]
fn repeated_writes_to_the_oldest_bucket_block_no_other() {
    let mut model = Model::new();
    model.write(&[(0, 1, None, 0)]);
    model.now_ms += 1_800_000;
    model.write(&[(0, 1, None, 0)]);
    model.drain();
    let honest_s = model.now_ms / 1000 - 600;
    model.write(&[(2, 1, None, 600)]);
    for _ in 0..40 {
        let oldest = u16::try_from((model.now_ms - START_MS) / 1000).expect("an hour");
        model.write(&[(1, 1, None, oldest)]);
        model.push(Answer::Takes, &[], None);
        model.now_ms += 5_000;
    }
    let place = ("model.count;series=2".to_owned(), honest_s / INTERVAL_S * INTERVAL_S);
    assert!(model.carbon.contains_key(&place), "not sent after 200 s");
    model.drain();
    model.check();
}

#[test]
fn repeated_failures_resend_only_the_last_minutes() {
    let mut model = Model::new();
    for _ in 0..240 {
        model.write(&[(0, 1, None, 0)]);
        model.now_ms += INTERVAL_MS;
        model.push(Answer::Takes, &[], None);
    }
    model.drain();
    let oldest_s = model.now_ms / 1000 - 900;
    model.write(&[(0, 1, None, 0)]);
    model.now_ms += 2 * INTERVAL_MS;
    model.carbon.clear();
    // The new bucket first, and then those that are sent again.
    for _ in 0..10 {
        model.push(Answer::Fails, &[], None);
        model.now_ms += 10_000;
        model.push(Answer::Takes, &[], None);
        model.now_ms += 10_000;
    }
    assert!(model.carbon.len() > 10);
    assert!(model.carbon.keys().all(|(_, at_s)| *at_s >= oldest_s), "far back");
}

#[test]
fn a_batch_is_bounded_and_ends_after_a_whole_bucket() {
    let mut model = Model::new();
    let labels = "x".repeat(250);
    for bucket in 0..40 {
        let mut frame = FrameBuilder::new(u64::try_from(model.now_ms).expect("after 1970"), [0; 16], |_| None);
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
        let t = (model.now_ms / 1000) as f64;
        for series in 0..60 {
            let text = format!("a\u{1f}{labels}\u{1e}series\u{1f}{series}\u{1e}");
            frame.push(0, Ok((Point { n: 1.0, d: 1.0, p: None, t }, &text)));
        }
        assert!(
            model.engine.commit(&[Incoming::of_owner(frame.finish(None).frame)], model.now_ms)[0].is_ok(),
            "{bucket}"
        );
        model.now_ms += INTERVAL_MS;
    }
    model.now_ms += 60_000;
    let mut sent = Vec::new();
    while let Some(mut lines) = model.next_lines() {
        let mut text = String::new();
        while let Some(piece) = lines.next_piece() {
            assert!(piece.ends_with('\n') && piece.len() < 66_000);
            text.push_str(&piece);
        }
        let bucket_bytes = 120 * (250 + 60);
        assert!(text.len() < (256 << 10) + bucket_bytes, "{}", text.len());
        assert_eq!(text.lines().count() % 120, 0, "whole buckets");
        sent.push(text);
        model.engine.settle_lines(&lines, None, 0.0, model.now_ms).expect("settles");
        assert_eq!(model.next_lines().map(|_| ()), None, "the next one has its time");
        model.now_ms += 1_000;
    }
    assert!(sent.len() >= 4, "{}", sent.len());
    assert_eq!(sent.concat().lines().count(), 40 * 120);
}

#[test]
fn a_new_interval_continues_with_its_own_buckets() {
    let mut model = Model::with(&serde_json::json!({ "interval_s": 10 }));
    model.write(&[(0, 1, None, 0)]);
    model.now_ms += 10_000;
    model.write(&[(0, 2, None, 0)]);
    model.now_ms += 16_000;
    let first = model.next_lines().expect("one is closed");
    model.engine.settle_lines(&first, None, 0.5, model.now_ms).expect("settles");
    let mut record = model.engine.record().clone();
    record.config.carbon.as_mut().expect("is there").interval_s = 60;
    model.engine.set_record(record, model.now_ms).expect("sets");
    assert_eq!(model.engine.carbon_due(), Some(START_MS + 75_000));
    model.waiting.clear();
    model.drain();
    let minute = START_MS / 1000;
    let kept: Vec<(&str, i64, f64)> =
        model.carbon.iter().map(|((name, at_s), value)| (name.as_str(), *at_s, *value)).collect();
    assert_eq!(kept, [("model.count;series=0", minute, 2.0), ("model.sum;series=0", minute, 3.0)]);
}

#[test]
fn quantiles_and_distinct_counts_are_sent_while_they_exist() {
    let more = serde_json::json!({ "aggregates": ["distinct:client", "p50", "max"], "prefix": "a" });
    let mut model = Model::with(&more);
    let write = |model: &mut Model| {
        let mut frame = FrameBuilder::new(u64::try_from(model.now_ms).expect("after 1970"), [0; 16], |_| None);
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
        let t = (model.now_ms / 1000) as f64;
        for client in 0..3 {
            let point = Point { n: 8.0, d: 2.0, p: None, t };
            frame.push(0, Ok((point, &format!("client\u{1f}{client}\u{1e}"))));
        }
        assert!(model.engine.commit(&[Incoming::of_owner(frame.finish(None).frame)], model.now_ms)[0].is_ok());
    };
    write(&mut model);
    model.drain();
    let value = |model: &Model, name: &str, at_s: i64| model.carbon.get(&(name.to_owned(), at_s)).copied();
    let first_s = START_MS / 1000;
    let values = ["a.model.distinct:client", "a.model.p50", "a.model.max"].map(|name| value(&model, name, first_s));
    assert_eq!(values, [Some(3.0), Some(4.0), Some(4.0)]);
    let mut record = model.engine.record().clone();
    record.config.distinct.clear();
    model.engine.set_record(record, model.now_ms).expect("sets");
    write(&mut model);
    model.drain();
    let next_s = model.carbon.keys().map(|(_, at_s)| *at_s).max().expect("some");
    assert!(next_s > first_s && value(&model, "a.model.max;client=1", next_s) == Some(4.0));
    assert_eq!(value(&model, "a.model.distinct:client;client=1", next_s), None);
}

#[test]
fn after_a_failure_the_preceding_minutes_are_sent_again() {
    let mut model = Model::new();
    model.write(&[(0, 1, None, 0)]);
    model.drain();
    // Killed, and with it everything that it had not written.
    model.carbon.clear();
    model.write(&[(0, 2, None, 0)]);
    model.now_ms += 2 * INTERVAL_MS;
    model.push(Answer::Fails, &[], None);
    model.take(&Step::Change);
    assert_eq!(
        model.engine.carbon_due().map(|due_ms| due_ms.max(model.now_ms)),
        Some(model.now_ms),
        "a change tries again"
    );
    model.drain();
    model.check();
    let status: serde_json::Value = serde_json::from_str(&model.engine.status_json()).expect("JSON");
    assert_eq!(status["carbon"]["corrected"], 1);
}
