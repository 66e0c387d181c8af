//! Floods of new series and names.

use serde_json::json;

use crate::attacker::{Attacker, array};
use crate::clock::now_whole_s;
use crate::frame::Attack;

/// The most points that a body may have.
const MAX_POINTS: u64 = 10_000;

/// Numbers that no other strike uses: the number of this strike times the most points of one.
fn new_numbers(attacker: &Attacker<'_>) -> std::ops::Range<u64> {
    let first = attacker.next() * MAX_POINTS;
    first..first + MAX_POINTS
}

#[test]
fn endless_new_series_displace_no_other_series() {
    let strike = |attacker: &mut Attacker<'_>| {
        let points = *attacker.random.one_of(&[1, 1, 1, 100, 2_000]);
        let numbers = new_numbers(attacker).take(points);
        attacker.post(&array(numbers.map(|number| format!(r#"{{"n":1,"v":{{"a":"{number}"}}}}"#))));
    };
    let attack = Attack { name: "unending_series", config: json!({}), connections: 4, strike: &strike, undo: "a!=" };
    attack.run().report.finish();
}

#[test]
fn ten_thousand_new_label_sets_displace_no_other_series() {
    let strike = |attacker: &mut Attacker<'_>| {
        let point = |number: u64| format!(r#"{{"n":1,"v":{{"a":"{number:0200}"}}}}"#);
        attacker.post(&array(new_numbers(attacker).take(4_000).map(point)));
        attacker.post(&array(new_numbers(attacker).map(|number| format!(r#"{{"n":1,"v":{{"a":"{number}"}}}}"#))));
    };
    let attack = Attack { name: "new_label_sets", config: json!({}), connections: 4, strike: &strike, undo: "a!=" };
    attack.run().report.finish();
}

#[test]
fn a_request_of_1000_new_names_leaves_names_for_others() {
    let strike = |attacker: &mut Attacker<'_>| {
        let strike = attacker.next();
        let names = |point: u64| {
            let pairs: Vec<String> = (0..15).map(|name| format!(r#""a{strike}_{point}_{name}":"1""#)).collect();
            pairs.join(",")
        };
        attacker.post(&array((0..62).map(|point| format!(r#"{{"n":1,"v":{{"a":"1",{}}}}}"#, names(point)))));
    };
    let attack = Attack { name: "new_names", config: json!({}), connections: 2, strike: &strike, undo: "a!=" };
    attack.run().report.finish();
}

#[test]
fn new_series_in_later_buckets_do_not_displace_old_series() {
    let strike = |attacker: &mut Attacker<'_>| {
        let (now, ahead) = (now_whole_s(), attacker.random.below(6) * 10);
        let point = |number: u64| format!(r#"{{"n":1,"t":{},"v":{{"a":"{number}"}}}}"#, now + ahead);
        attacker.post(&array(new_numbers(attacker).map(point)));
    };
    let attack = Attack { name: "next_buckets", config: json!({}), connections: 4, strike: &strike, undo: "a!=" };
    attack.run().report.finish();
}

#[test]
fn random_values_of_known_names_displace_no_series() {
    let strike = |attacker: &mut Attacker<'_>| {
        let points: Vec<String> = (0..*attacker.random.one_of(&[1, 50, 1_000]))
            .map(|_| {
                let (page, visitor, a) = (attacker.random.below(1 << 40), attacker.random.below(1 << 40), 1);
                format!(r#"{{"n":1,"v":{{"writer":"x{visitor}","page":"/{page}","a":"{a}"}}}}"#)
            })
            .collect();
        attacker.post(&array(points.into_iter()));
    };
    let attack = Attack { name: "random_labels", config: json!({}), connections: 4, strike: &strike, undo: "a!=" };
    attack.run().report.finish();
}

#[test]
fn concurrent_networks_leave_room_for_established_ones() {
    let strike = |attacker: &mut Attacker<'_>| {
        let (high, low) = (attacker.random.below(1 << 16), attacker.random.below(1 << 16));
        let network = if attacker.random.below(2) == 0 {
            format!("100.{}.{}.{}", 64 + high % 64, low >> 8, low & 255)
        } else {
            format!("2001:db8:{high:x}:{low:x}::{low:x}")
        };
        let day = *attacker.random.one_of(&["", r#","p":86000"#]);
        let point = |number: u64| format!(r#"{{"n":1{day},"v":{{"a":"{number}"}}}}"#);
        attacker.post_from(&network, &array(new_numbers(attacker).take(300).map(point)));
    };
    let attack = Attack { name: "many_networks", config: json!({}), connections: 8, strike: &strike, undo: "a!=" };
    attack.run().report.finish();
}
