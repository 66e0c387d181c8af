//! Pages of unlisted origins that try to write while the owner lists origins.

use serde_json::json;

use crate::attacker::{Attacker, FORWARDED_FOR, NETWORK};
use crate::frame::{Attack, total};
use crate::http::Call;

const OURS: &str = "https://shop.example";

/// What a browser sends for an image or a form on a page of another origin.
const FOREIGN: [&[(&str, &str)]; 7] = [
    &[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image")],
    &[("Sec-Fetch-Site", "same-site")],
    &[("Referer", "https://evil.example/page")],
    &[("Referer", "https://evil.example/https://shop.example/")],
    &[("Referer", "https://shop.example.evil.example/")],
    &[("Origin", "https://evil.example")],
    &[("Origin", "null")],
];
/// What one of the owner's pages sends.
const OWN: [&[(&str, &str)]; 3] = [
    &[("Origin", OURS)],
    &[("Sec-Fetch-Site", "cross-site"), ("Referer", "https://shop.example/cart?a=b")],
    &[("Referer", "https://shop.example/")],
];

fn with(call: Call, headers: &[(&str, &str)]) -> Call {
    headers.iter().fold(call, |call, (name, value)| call.header(name, *value))
}

fn pixel(attacker: &Attacker<'_>, page: &str) -> Call {
    attacker.stream.call("GET", &format!("/pixel.gif?n=1000&v.a={page}")).header(FORWARDED_FOR, NETWORK)
}

fn form(attacker: &Attacker<'_>, page: &str) -> Call {
    let call = attacker.stream.call("POST", "/points").header("Content-Type", "application/x-www-form-urlencoded");
    call.header(FORWARDED_FOR, NETWORK).body(format!("n=1000&v.a={page}"))
}

#[test]
fn unlisted_origins_cannot_write_by_image_or_form() {
    let strike = |attacker: &mut Attacker<'_>| {
        let headers = *attacker.random.one_of(&FOREIGN);
        for call in [pixel(attacker, "foreign"), form(attacker, "foreign")] {
            attacker.send(with(call, headers), 0);
        }
        if attacker.next().is_multiple_of(100) {
            let headers = *attacker.random.one_of(&OWN);
            for call in [pixel(attacker, "own"), form(attacker, "own")] {
                attacker.send(with(call, headers), 0);
            }
        }
    };
    let config = json!({"origins": [OURS]});
    let attack = Attack { name: "other_origins", config, connections: 2, strike: &strike, undo: "a=foreign" };
    let mut scene = attack.run();
    let of_page = |page: &str| {
        let rollup = scene.stream.rollup(&format!("from=-1h&step=1h&agg=count&where=a%3D{page}"));
        total(&rollup, "count")
    };
    let own = of_page("own");
    let removed = scene.report.value("removed")["points"].as_u64();
    scene.report.check(removed == Some(0), || format!("{removed:?} points of foreign pages were counted"));
    scene.report.check(own > 0.0, || "no point of the owner's own pages was counted".to_owned());
    scene.report.finish();
}
