//! The window of a rollup: its ends, its steps, and what falls into them.

use serde_json::{Value, json};

use crate::clock::{now_s, now_whole_s, past_hour};
use crate::http::encoded;
use crate::stream::Stream;

const MAX_STEPS: u64 = 11_000;
const DEFAULT_STEPS: usize = 360;

/// 2026-11-23 03:00:00 UTC in seconds since 1970; it is used only for times in the form of strings.
const THREE_O_CLOCK: u64 = 1_795_402_800;

fn steps(rollup: &Value) -> usize {
    rollup["times"].as_array().map_or(0, Vec::len)
}

/// From, to and step.
fn grid(rollup: &Value) -> [u64; 3] {
    ["from", "to", "step"].map(|name| rollup[name].as_u64().expect("whole seconds"))
}

#[test]
fn a_window_is_widened_to_whole_steps_since_the_epoch() {
    let (stream, hour) = (Stream::new(), past_hour());
    for (from, to, step, wanted) in [
        (hour, hour + 20, "10s", [hour, hour + 20, 10]),
        (hour + 3, hour + 17, "10s", [hour, hour + 20, 10]),
        (hour + 9, hour + 11, "10s", [hour, hour + 20, 10]),
        (hour + 59, hour + 61, "1m", [hour, hour + 120, 60]),
        (hour + 1, hour + 2, "1h", [hour, hour + 3600, 3600]),
        (hour, hour + 3600, "1d", [hour / 86_400 * 86_400, (hour + 3600).div_ceil(86_400) * 86_400, 86_400]),
        (hour, hour + 3600, "90s", [hour / 90 * 90, (hour + 3600).div_ceil(90) * 90, 90]),
        (hour, hour + 3600, "5m", [hour, hour + 3600, 300]),
        (hour, hour + 3600, "600", [hour, hour + 3600, 600]),
    ] {
        let rollup = stream.rollup(&format!("from={from}&to={to}&step={step}"));
        assert_eq!(grid(&rollup), wanted, "{step}");
        let times: Vec<u64> = (wanted[0]..wanted[1]).step_by(usize::try_from(wanted[2]).expect("small")).collect();
        assert_eq!(rollup["times"], json!(times), "{step}");
    }
}

#[test]
fn the_end_is_not_in_the_window() {
    let (stream, hour) = (Stream::new(), past_hour());
    let points: Vec<Value> = (0..4).map(|index| json!({"n": 1 << index, "t": hour + 10 * index})).collect();
    stream.write(Value::from(points).to_string());
    let rollup = stream.rollup(&format!("from={}&to={}&step=10s", hour + 10, hour + 30));
    assert_eq!(rollup["series"][0]["sum"], json!([2, 4]));
}

#[test]
fn all_forms_of_a_time_mean_the_same() {
    let stream = Stream::new();
    let three = THREE_O_CLOCK;
    for text in [
        three.to_string(),
        format!("{three}.0"),
        "2026-11-23T03:00:00Z".into(),
        "2026-11-23T03:00:00.000Z".into(),
        "2026-11-23T04:00:00+01:00".into(),
        "2026-11-22T22:30:00-04:30".into(),
    ] {
        let rollup = stream.rollup(&format!("from={}&to={}&step=1h", encoded(&text), three + 3600));
        assert_eq!(rollup["from"], three, "{text}");
        let rollup = stream.rollup(&format!("from={}&to={}&step=1h", three - 3600, encoded(&text)));
        assert_eq!(rollup["to"], three, "{text}");
    }
}

#[test]
fn a_fraction_of_a_second_belongs_to_the_window() {
    let (stream, hour) = (Stream::new(), past_hour());
    stream.write(json!({"n": 1, "t": f64::from(u32::try_from(hour).expect("before 2106")) + 0.25}).to_string());
    for (from, to, wanted) in [
        (format!("{hour}.25"), format!("{hour}.5"), [hour, hour + 10]),
        (format!("{}.5", hour - 1), format!("{hour}.5"), [hour - 10, hour + 10]),
    ] {
        let rollup = stream.rollup(&format!("from={from}&to={to}&step=10s&agg=count"));
        assert_eq!(grid(&rollup)[..2], wanted, "{from} {to}");
        assert!(
            rollup["series"].to_string().contains("[1]") || rollup["series"].to_string().contains(",1]"),
            "{rollup}"
        );
    }
}

#[test]
fn a_new_point_is_in_the_window_that_ends_now() {
    let stream = Stream::new();
    // The first second of a step is the one that matters.
    while !now_whole_s().is_multiple_of(10) {
        stream.read("/status").expect(200);
    }
    stream.write(r#"{"n":1}"#);
    let rollup = stream.rollup("from=-30s&step=10s&agg=count");
    assert_ne!(rollup["series"], json!([]), "{rollup}");
}

#[test]
fn times_may_be_relative_to_now() {
    let stream = Stream::new();
    for (text, ago) in [("-90s", 90), ("-5m", 300), ("-1h", 3600), ("-7d", 604_800), ("-1w", 604_800), ("now", 0)] {
        let before = now_whole_s() - ago;
        let rollup = stream.rollup(&format!("from=-400d&to={text}&step=1d"));
        let to = grid(&rollup)[1];
        assert!(to >= before && to < now_whole_s() - ago + 86_400 + 1, "{text}: {to}");
        if ago > 0 {
            let from = grid(&stream.rollup(&format!("from={text}&step=1h")))[0];
            assert!(from <= now_whole_s() - ago && from + 3600 > before, "{text}: {from}");
        }
    }
}

#[test]
fn the_window_is_the_last_hour_by_default() {
    let stream = Stream::new();
    let before = now_s();
    let [from, to, step] = grid(&stream.rollup("")).map(|number| f64::from(u32::try_from(number).expect("small")));
    let after = now_s();
    assert!(from <= after - 3600.0 && from + step > before - 3601.0, "{from} {before}");
    assert!(to >= before.floor() && to < after + step, "{to} {after}");
}

#[test]
fn the_default_step_is_the_smallest_for_360_steps() {
    let (stream, hour) = (Stream::new(), past_hour());
    for (from, to, step) in [
        (hour, hour + 10, 10),
        (hour, hour + 3600, 10),
        (hour, hour + 3610, 20),
        (hour, hour + 7200, 20),
        (hour - 3600, hour + 7200, 30),
        (hour - 86_400, hour, 240),
        (hour - 20 * 3600, hour, 200),
    ] {
        let rollup = stream.rollup(&format!("from={from}&to={to}"));
        assert_eq!(rollup["step"], step, "{} s", to - from);
        assert!(steps(&rollup) <= DEFAULT_STEPS, "{} steps of {step}", steps(&rollup));
    }
}

#[test]
fn a_widened_window_still_gets_at_most_360_steps() {
    let (stream, hour) = (Stream::new(), past_hour());
    for (from, to) in [(hour + 5, hour + 3605), (hour + 1, hour + 7201), (hour - 86_399, hour + 1)] {
        let rollup = stream.rollup(&format!("from={from}&to={to}"));
        assert!(steps(&rollup) <= DEFAULT_STEPS, "{} steps of {} s", steps(&rollup), rollup["step"]);
    }
    for from in ["-1h", "-2h", "-1d", "-30d", "-365d"] {
        let rollup = stream.rollup(&format!("from={from}"));
        assert!(steps(&rollup) <= DEFAULT_STEPS, "{from}: {} steps", steps(&rollup));
    }
}

#[test]
fn a_window_has_at_most_11_000_steps() {
    let stream = Stream::new();
    let end = now_whole_s() / 10 * 10;
    let read = |steps: u64| stream.read(&format!("/rollup?from={}&to={end}&step=10s", end - 10 * steps));
    assert_eq!(steps(&read(MAX_STEPS).expect(200).json()), 11_000);
    assert_eq!(read(MAX_STEPS + 1).problem(422), "query-too-large");
    assert_eq!(stream.read("/rollup?from=0&step=10s").problem(422), "query-too-large");
    assert_eq!(stream.read("/rollup?from=0&step=1h").problem(422), "query-too-large");
}

#[test]
fn a_window_may_begin_with_the_epoch() {
    assert_eq!(Stream::new().rollup("from=0&step=2d")["from"], 0);
}

#[test]
fn a_step_is_a_multiple_of_10_seconds() {
    let stream = Stream::new();
    for (step, wanted) in [("10s", 10), ("10", 10), ("30s", 30), ("1m", 60), ("5m", 300), ("1h", 3600), ("1d", 86_400)]
    {
        assert_eq!(stream.rollup(&format!("from=-10m&step={step}"))["step"], wanted, "{step}");
    }
    for step in
        ["0", "0s", "1s", "5s", "15s", "61s", "-10s", "1.5m", "m", "10 s", "", "x", "1e1", "99999999999999999999s"]
    {
        let answer = stream.read(&format!("/rollup?step={}", encoded(step)));
        assert_eq!(answer.problem(400), "invalid-request", "{step}");
    }
}

#[test]
fn an_invalid_window_is_refused() {
    let stream = Stream::new();
    let hour = past_hour();
    for query in [
        format!("from={hour}&to={hour}"),
        format!("from={}&to={hour}", hour + 10),
        "from=now".into(),
        "from=-1h&to=-2h".into(),
        "from=yesterday".into(),
        "from=".into(),
        "to=".into(),
        "from=1h".into(),
        "from=-1y".into(),
        "from=-h".into(),
        "from=NaN".into(),
        "from=-Infinity".into(),
        "from=1e999".into(),
        "from=2026-13-01T00:00:00Z".into(),
        "from=2026-11-23".into(),
        "from=-1h&from=-2h".into(),
        "start=-1h".into(),
        "From=-1h".into(),
    ] {
        assert_eq!(stream.read(&format!("/rollup?{query}")).problem(400), "invalid-request", "{query}");
    }
}
