//! The other faces of a stream: what holds for points holds for each of them.

use serde_json::json;

use crate::attacker::{Attacker, FORWARDED_FOR, NETWORK};
use crate::frame::Attack;
use crate::http::Call;

/// The most points that a strike sends.
const MAX_BYTES: usize = 20_000;
const TIMESERIES: &str = "net.app.contrib.timeseries";

/// Lines of statsd, each with a new series, and numbers that would ruin every sum.
fn statsd(attacker: &Attacker<'_>, number: u64) -> Call {
    let lines: Vec<String> = (0..200)
        .map(|line| match line % 4 {
            0 => format!("a{number}_{line}:1|c|#a:{number}"),
            1 => format!("m:1e308|g|#a:{number}_{line}"),
            2 => format!("m:{line}|s|#a:1\nm:1|c|@1e-300|#a:2\nm:1e308|c|@0.1|#a:3"),
            _ => format!("m:320|ms|@0.000001|#a:{line}"),
        })
        .collect();
    attacker.stream.call("POST", "/statsd").body(lines.join("\n"))
}

/// An app.net message with as many points as it may have.
fn message(attacker: &Attacker<'_>, number: u64) -> Call {
    let value = |point| json!({"n": 1, "kv": {"a": format!("{number}_{point}")}});
    let points: Vec<_> = (0..50).map(|point| json!({"type": TIMESERIES, "value": value(point)})).collect();
    let text = format!("{number} {}", "x".repeat(500));
    let body = json!({"text": text, "annotations": points});
    let url = format!("/stream/0/channels/{}/messages", attacker.stream.id);
    crate::http::call("POST", format!("{}{url}", attacker.stream.url))
        .header("Content-Type", "application/json")
        .body(body.to_string())
}

/// OpenTelemetry metrics, each with a new series.
fn otlp(attacker: &Attacker<'_>, number: u64) -> Call {
    let now = format!("{}000000000", crate::clock::now_whole_s());
    let points: Vec<_> = (0..100)
        .map(|point| {
            let label = json!({"key": "a", "value": {"stringValue": format!("{number}_{point}")}});
            json!({"attributes": [label], "timeUnixNano": now, "asDouble": if point % 2 == 0 { 1e308 } else { 1.0 }})
        })
        .collect();
    let metrics = json!([{"name": format!("m{number}"), "gauge": {"dataPoints": points}}]);
    let body = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]});
    attacker.stream.call("POST", "/otlp/v1/metrics").header("Content-Type", "application/json").body(body.to_string())
}

fn form(attacker: &Attacker<'_>, number: u64) -> Call {
    let call = attacker.stream.call("POST", "/points").header("Content-Type", "application/x-www-form-urlencoded");
    call.body(format!("n=1&p=86000&v.a={number}&then=https://evil.example/&batch=keyed-{number}"))
}

fn pixel(attacker: &Attacker<'_>, number: u64) -> Call {
    attacker.stream.call("GET", &format!("/pixel.gif?n=1e300&p=86000&v.a={number}&batch=open-{number}"))
}

#[test]
fn honest_points_survive_attacks_on_every_face() {
    let strike = |attacker: &mut Attacker<'_>| {
        let number = attacker.next();
        let make = *attacker.random.one_of(&[statsd, message, otlp, form, pixel]);
        let call = make(attacker, number).header(FORWARDED_FOR, NETWORK);
        // The largest of them.
        attacker.send(call, MAX_BYTES);
    };
    let attack = Attack { name: "other_faces", config: json!({}), connections: 4, strike: &strike, undo: "a!=" };
    attack.run().report.finish();
}
