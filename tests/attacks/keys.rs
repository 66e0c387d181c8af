//! Idempotency keys: a great many of them, and those of other writers.

use std::sync::Barrier;

use serde_json::json;

use crate::attacker::{Attacker, FORWARDED_FOR, NETWORK};
use crate::frame::{Attack, Scene, attack_time, total};
use crate::http::{Answer, Call};
use crate::stream::Stream;

/// The number of keys that an attacker wants an object to remember.
const KEYS: u64 = 100_000;

/// Average bytes per key that an object keeps for ten minutes for retries: one in eight has 2 KiB of errors.
const KEY_BYTES: u64 = 1_000;

fn keyed(stream: &Stream, key: &str, network: &str, body: &str) -> Call {
    stream.call("POST", "/points").header("Idempotency-Key", key).header(FORWARDED_FOR, network).body(body)
}

fn send(call: Call) -> Answer {
    call.send().expect(202)
}

#[test]
fn a_hundred_thousand_keys_leave_room_for_other_writers() {
    // The object keeps this list of errors as long as the key.
    let errors = format!("[{{\"n\":1,\"v\":{{\"a\":\"1\"}}}}{}]", format!(",{{\"{}\":1}}", "x".repeat(40)).repeat(20));
    let strike = |attacker: &mut Attacker<'_>| {
        let number = attacker.next();
        if number >= KEYS {
            return;
        }
        let body = if number.is_multiple_of(8) { &errors } else { r#"{"n":1,"v":{"a":"1"}}"# };
        let call = keyed(attacker.stream, &format!("{number:0190}"), NETWORK, body);
        let answer = attacker.send(call, body.len());
        attacker.count_kept(answer, KEY_BYTES);
    };
    let attack = Attack { name: "many_keys", config: json!({}), connections: 8, strike: &strike, undo: "a!=" };
    attack.run().report.finish();
}

#[test]
fn using_someone_elses_key_first_costs_them_no_point() {
    // An honest writer's key is its name and the number of the point.
    let most = 20 * attack_time().as_secs() * 2;
    let strike = |attacker: &mut Attacker<'_>| {
        let (writer, number) = (*attacker.random.one_of(&["open", "keyed"]), attacker.random.below(most));
        let body = r#"{"n":0,"v":{"a":"thief"}}"#;
        let call = keyed(attacker.stream, &format!("{writer}-{number}"), NETWORK, body);
        attacker.send(call, body.len());
    };
    let attack = Attack { name: "anothers_keys", config: json!({}), connections: 2, strike: &strike, undo: "a!=" };
    let mut scene = attack.run();
    readme_key(&mut scene);
    nothing_is_revealed(&mut scene);
    same_keys_different_points(&mut scene);
    scene.report.finish();
}

#[test]
fn forged_write_keys_are_refused_and_cost_others_nothing() {
    let strike = |attacker: &mut Attacker<'_>| {
        let key = format!("wk_{:032x}", attacker.next());
        let body = r#"{"n":1,"v":{"a":"1"}}"#;
        let call = attacker.stream.call("POST", "/points").header(FORWARDED_FOR, NETWORK).body(body);
        attacker.send(call.bearer(&key), body.len());
        let path = format!("/pixel.gif?n=1&v.a=1&key={key}");
        attacker.send(attacker.stream.call("GET", &path).header(FORWARDED_FOR, NETWORK), path.len());
    };
    let attack = Attack { name: "invented_keys", config: json!({}), connections: 4, strike: &strike, undo: "a!=" };
    let mut scene = attack.run();
    let (statuses, taken) = (scene.tally.statuses(), scene.tally.accepted_bytes());
    scene.report.check(taken == 0, || format!("{statuses:?}: forged keys were accepted"));
    scene.report.finish();
}

/// A stranger uses the key of the README first, with another point.
fn readme_key(scene: &mut Scene) {
    send(keyed(&scene.stream, "7f3a", NETWORK, r#"{"n":0,"v":{"who":"stranger"}}"#));
    for _ in 0..2 {
        let body = r#"[{"n":100,"v":{"who":"owner"}},{"n":200,"v":{"who":"owner"}}]"#;
        let answer = send(keyed(&scene.stream, "7f3a", "192.0.2.1", body)).json();
        scene.report.check(answer["accepted"] == 2, || format!("README's key: {answer}"));
    }
    let sum = total(&scene.stream.rollup("from=-1h&step=1h&where=who%3Downer"), "sum");
    scene.report.check(sum == 300.0, || format!("README's key: sum {sum} instead of 300"));
}

/// A key reveals nothing to a client that does not know the bytes.
fn nothing_is_revealed(scene: &mut Scene) {
    let first = send(keyed(&scene.stream, "mine", "192.0.2.1", r#"[{"n":1},{"n":"secret"},{"mySecretField":1}]"#));
    let guessed = send(keyed(&scene.stream, "mine", NETWORK, r#"{"n":1}"#));
    scene.report.check(guessed.json()["rejected"] == 0, || format!("a key reveals {}", guessed.text()));
    scene.report.check(first.json()["rejected"] == 2, || format!("the owner of a key gets {}", first.text()));
}

/// Two writers use the same keys for different points at the same moments, and each sends every write twice.
fn same_keys_different_points(scene: &mut Scene) {
    const POINTS: u32 = 100;
    let barrier = Barrier::new(2);
    let stream = &scene.stream;
    std::thread::scope(|scope| {
        for (writer, n) in [("one", 1), ("two", 2)] {
            let barrier = &barrier;
            scope.spawn(move || {
                for number in 0..POINTS {
                    barrier.wait();
                    let body = format!(r#"{{"n":{n},"v":{{"twin":"{writer}"}}}}"#);
                    for _ in 0..2 {
                        send(keyed(stream, &format!("twin-{number}"), &format!("192.0.2.{n}"), &body));
                    }
                }
            });
        }
    });
    for (writer, n) in [("one", 1.0), ("two", 2.0)] {
        let twin = stream.rollup(&format!("from=-1h&step=1h&agg=sum,count&where=twin%3D{writer}"));
        let found = ["count", "sum"].map(|aggregate| total(&twin, aggregate));
        let wanted = [f64::from(POINTS), f64::from(POINTS) * n];
        scene.report.check(found == wanted, || format!("{writer} has {found:?} instead of {wanted:?}"));
    }
}
