//! Points that touch as much stored data as possible: long ones, late ones, and both.

use serde_json::json;

use crate::attacker::{Attacker, Random, array};
use crate::clock::now_whole_s;
use crate::frame::Attack;

const DAY_S: u64 = 86_400;
/// How late these points are at most, slightly less than a stream accepts.
const LATE_S: u64 = DAY_S - 60;

/// Points per body: as many as possible while each body alone stays cheap.
const SIZES: [u64; 4] = [10_000, 1_000, 1_000, 100];

/// A point that covers about a day and ended at a random time within the last day.
fn long(random: &mut Random, series: u64) -> String {
    let (t, p) = (now_whole_s() - random.below(LATE_S), 86_000 + random.below(391));
    format!(r#"{{"n":1,"p":{p},"t":{t},"v":{{"a":"{series}"}}}}"#)
}

#[test]
fn long_late_points_in_every_series_fill_no_place() {
    let strike = |attacker: &mut Attacker<'_>| {
        let points = *attacker.random.one_of(&SIZES);
        let points: Vec<String> = (0..points).map(|point| long(&mut attacker.random, point % 4_000)).collect();
        attacker.post(&array(points.into_iter()));
    };
    let attack = Attack { name: "part_filling", config: json!({}), connections: 4, strike: &strike, undo: "a!=" };
    attack.run().report.finish();
}

#[test]
fn bodies_of_60_000_long_series_cost_others_nothing() {
    let strike = |attacker: &mut Attacker<'_>| {
        let first = attacker.next() % 6 * 10_000;
        let point =
            |number: u64| format!(r#"{{"n":1,"p":{},"v":{{"a":"{}"}}}}"#, 86_000 + number % 391, first + number);
        let points = *attacker.random.one_of(&SIZES);
        attacker.post(&array((0..points).map(point)));
    };
    let attack = Attack { name: "long_series", config: json!({}), connections: 4, strike: &strike, undo: "a!=" };
    attack.run().report.finish();
}

#[test]
fn every_kind_of_long_and_late_point_costs_others_nothing() {
    let strike = |attacker: &mut Attacker<'_>| {
        let kinds =
            ["0.001", "0.5", "9.999", "10", "59", "600", "601.5", "3599.25", "7200", "40000", "86399.5", "86400"];
        let points: Vec<String> = (0..2_000)
            .map(|_| {
                let (p, late) = (*attacker.random.one_of(&kinds), *attacker.random.one_of(&[1, 60, 3_600, LATE_S]));
                #[expect(clippy::cast_precision_loss, reason = "seconds")]
                let t = (now_whole_s() + 50 - attacker.random.below(late)) as f64 + 0.37;
                let (n, d) = (attacker.random.below(1 << 20), 1 + attacker.random.below(1 << 20));
                format!(r#"{{"n":{n},"d":{d},"p":{p},"t":{t},"v":{{"a":"{}"}}}}"#, n % 200)
            })
            .collect();
        attacker.post(&array(points.into_iter()));
    };
    let attack = Attack { name: "long_and_late", config: json!({}), connections: 4, strike: &strike, undo: "a!=" };
    attack.run().report.finish();
}
