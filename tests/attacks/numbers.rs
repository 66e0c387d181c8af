//! Numbers that would ruin sums.

use serde_json::{Value, json};

use crate::attacker::Attacker;
use crate::frame::{Attack, Scene};

/// Numbers that would ruin every sum of a stream; two points `{"n":1e308}` add up to infinity.
const RUINOUS: [&str; 6] =
    [r#""n":1e308"#, r#""n":-1e308"#, r#""n":1e300"#, r#""n":1e200"#, r#""n":1,"d":1e-308"#, r#""n":1,"d":1e308"#];
/// Numbers that the server may accept, but that must not make anything infinite.
const EXTREME: [&str; 8] = [
    r#""n":1e100,"d":1e-100"#,
    r#""n":-1e100"#,
    r#""n":9007199254740992"#,
    r#""n":-9007199254740992,"d":0"#,
    r#""n":5e-324"#,
    r#""n":1,"p":5e-324"#,
    r#""n":9e15,"p":0.001"#,
    r#""n":9e15,"d":1e-300,"p":86400"#,
];

#[test]
fn no_number_from_a_stranger_ruins_a_sum() {
    let strike = |attacker: &mut Attacker<'_>| {
        // Refused numbers go into the honest writers' series, acceptable ones into a series of their own.
        let (writer, page) = (*attacker.random.one_of(&["open", "keyed"]), attacker.random.below(50));
        let ruinous = *attacker.random.one_of(&RUINOUS);
        attacker.post(&format!(r#"{{{ruinous},"v":{{"writer":"{writer}","page":"/{page}"}}}}"#));
        let extreme = *attacker.random.one_of(&EXTREME);
        attacker.post(&format!(r#"[{{{extreme},"v":{{"a":"1"}}}},{{"n":-3,"v":{{"a":"2"}}}}]"#));
    };
    let attack = Attack { name: "numbers", config: json!({}), connections: 2, strike: &strike, undo: "a!=" };
    let mut scene = attack.run();
    everything_is_finite(&mut scene);
    scene.report.finish();
}

/// The same extreme numbers, read back in every way.
fn everything_is_finite(scene: &mut Scene) {
    for extreme in EXTREME.iter().chain(&RUINOUS) {
        for _ in 0..2 {
            scene.stream.post(format!(r#"{{{extreme},"v":{{"a":"1"}}}}"#));
        }
    }
    for step in ["1m", "10m", "1h", "1d"] {
        for by in ["", "&by=a"] {
            let rollup = scene.stream.rollup(&format!("from=-1d&step={step}&agg=count,sum,rate,min,max{by}"));
            for series in rollup["series"].as_array().expect("a list") {
                let counts = series["count"].as_array().expect("a list");
                let is_finite = |name: &str| {
                    let values = series[name].as_array().expect("a list");
                    // Every counted point has a sum.
                    counts
                        .iter()
                        .zip(values)
                        .all(|(count, value)| count.as_f64().unwrap_or(0.0) == 0.0 || is_number(value))
                };
                let is_sound = ["sum", "rate"].into_iter().all(is_finite);
                scene.report.check(is_sound, || format!("step {step}{by}: {series}"));
            }
        }
    }
}

fn is_number(value: &Value) -> bool {
    value.as_f64().is_some_and(f64::is_finite)
}
