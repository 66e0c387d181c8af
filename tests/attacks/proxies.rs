//! Addresses that a stranger forges.

use std::time::Instant;

use serde_json::json;

use crate::attacker::{Attacker, FORWARDED_FOR, NETWORK, array};
use crate::frame::{Attack, attack_time};
use crate::http::call;
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

/// New series of one network: its burst, and per hour.
const NEW_SERIES_BURST: u64 = 1_000;
const NEW_SERIES_HOUR: u64 = 600;
/// Series before and after the attack, and the time allowed for it all.
const SLACK_SERIES: u64 = 50;

#[test]
fn a_forged_address_is_not_another_network() {
    let strike = |attacker: &mut Attacker<'_>| {
        let number = attacker.next();
        let invented = format!("198.18.{}.{}", number >> 8 & 255, number & 255);
        let body = array((0..10).map(|point| format!(r#"{{"n":1,"v":{{"a":"{number}_{point}"}}}}"#)));
        let call = attacker.stream.call("POST", "/points").header(FORWARDED_FOR, format!("{invented}, {NETWORK}"));
        let call = ["CF-Connecting-IP", "X-Real-IP", "True-Client-IP", "CF-Connecting-IPv6", "CF-Pseudo-IPv4"]
            .into_iter()
            .fold(call, |call, header| call.header(header, &*invented));
        attacker.send(call.header("Forwarded", format!("for={invented}")).body(&*body), body.len());
    };
    let attack = Attack { name: "invented_addresses", config: json!({}), connections: 4, strike: &strike, undo: "a!=" };
    let mut scene = attack.run();
    // What was removed is what had its own series.
    let series = scene.report.value("removed")["series"].as_u64();
    let most = NEW_SERIES_BURST + NEW_SERIES_HOUR * attack_time().as_secs() / 3_600 + SLACK_SERIES;
    scene.report.check(series <= Some(most), || format!("{series:?} new series, though one network gets {most}"));
    scene.report.finish();
}

#[test]
fn without_a_trusted_proxy_a_forged_address_is_ignored() {
    let limited = [("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "test-signing-key"), ("HEARTBEAT_WRITE_LIMIT", "5")];
    let server = Server::start_with(State::new(), &[&limited[..], &[("TRUSTED_PROXIES", "0")]].concat());
    let stream = Stream::on(&server);
    let begun = Instant::now();
    let taken = (0..60)
        .filter(|number| {
            let write = call("POST", format!("{}/v1/streams/{}/points", server.url, stream.id));
            let write = write.header("CF-Connecting-IP", format!("198.18.0.{number}"));
            write.header(FORWARDED_FOR, format!("198.18.1.{number}")).body(r#"{"n":1}"#).send().status == 202
        })
        .count();
    let periods = usize::try_from(begun.elapsed().as_secs() / 10).expect("minutes") + 2;
    assert!((1..=5 * periods).contains(&taken), "{taken} writes in at most {periods} periods of 10 s");
    assert!(taken < 60, "nothing is limited");
}
