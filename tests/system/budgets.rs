//! Budgets: a refusal names the budget and the time to retry, and no other writer is affected.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::channel;
use crate::gzip::gzip;
use crate::http::{Answer, Call, call};
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;
use crate::write_keys::new_key;

const POINT: &str = r#"{"n":1}"#;

/// Sends something from a network.
type Send<'a> = &'a dyn Fn(&str) -> Answer;

/// A server behind a proxy that names its clients.
fn proxied() -> Server {
    let environment = [("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "k"), ("TRUSTED_PROXIES", "1")];
    Server::start_with(State::new(), &environment)
}

fn limited(server: &Server, limits: &Value) -> Stream {
    Stream::create(server, json!({ "name": "test", "limits": limits }))
}

fn from(network: &str, call: Call) -> Call {
    call.header("X-Forwarded-For", network)
}

fn post(stream: &Stream, network: &str, body: &str) -> Answer {
    from(network, stream.call("POST", "/points")).body(body).send()
}

/// `count` points of a day each, some 40 units apiece.
fn long_points(count: usize) -> String {
    format!("[{}]", vec![r#"{"n":1,"p":86390}"#; count].join(","))
}

/// Repeats a refused write until it is admitted, as a try is that begins this long after the refusal.
fn until_admitted(refused_at: Instant, wait: Duration, send: impl Fn() -> Answer) {
    loop {
        let begun = refused_at.elapsed();
        let answer = send();
        if answer.status == 202 {
            return;
        }
        assert!(begun < wait, "not admitted after {begun:?} instead of {wait:?}: {}", answer.text());
    }
}

#[test]
fn a_refusal_names_the_budget_and_when_to_retry() {
    let stream = limited(Server::shared(), &json!({ "open_units_per_s": 1 }));
    let answer = (0..20).map(|_| stream.post(POINT)).find(|answer| answer.status != 202).expect("30 units at once");
    assert_eq!(answer.problem(429), "rate-limited");
    let wait_s: u32 = answer.header("Retry-After").parse().expect("seconds");
    assert!((1..=12).contains(&wait_s), "{wait_s}");
    assert_eq!(answer.header("Heartbeat-Limits"), format!("{wait_s}:units:open"));
    assert!(answer.header("Access-Control-Expose-Headers").contains("Heartbeat-Limits"));
    let body = answer.json();
    assert_eq!(body["limits"], json!([{ "scope": "open", "of": "open", "retry_after": wait_s }]));
    let detail = body["detail"].as_str().expect("a string");
    assert!(
        detail.contains("all writers without a key together, which is 1 units per second and 30 at once"),
        "{detail}"
    );
}

#[test]
fn each_face_reports_a_spent_budget_in_its_own_format() {
    let stream = limited(Server::shared(), &json!({ "open_units_per_s": 0 }));
    let assert_refused = |answer: &Answer| {
        assert_eq!(answer.status, 429, "{}", answer.text());
        assert!(answer.header("Heartbeat-Limits").ends_with(":units:open"), "{}", answer.text());
        answer.header("Retry-After").parse::<u32>().expect("seconds");
        assert!(answer.text().contains("0 units per second"), "{}", answer.text());
    };
    assert_refused(&stream.post(POINT));
    assert_refused(&stream.call("POST", "/statsd").body("a:1|c").send());
    assert_refused(&stream.call("GET", "/pixel.gif?n=1").send());
    let form = stream.call("POST", "/points").header("Content-Type", "application/x-www-form-urlencoded");
    assert_refused(&form.body("n=1").send());
    let metrics = json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": [
        { "name": "a", "gauge": { "dataPoints": [{ "asDouble": 1.0, "timeUnixNano": "0" }] } }] }] }] });
    let metrics = metrics.to_string().replace("\"0\"", &format!("\"{}000000000\"", crate::clock::now_whole_s()));
    let otlp = stream.call("POST", "/otlp/v1/metrics").header("Content-Type", "application/json").body(metrics).send();
    assert_refused(&otlp);
    assert_eq!(otlp.json()["code"], 8, "RESOURCE_EXHAUSTED");
    let face = channel::post(&stream, &[channel::point(json!({ "n": 1 }))]);
    assert_refused(&face);
    assert_eq!(face.json()["meta"]["code"], 429);
}

#[test]
fn a_flood_from_one_network_locks_out_no_other() {
    let server = proxied();
    let stream = limited(&server, &json!({ "network_units_per_s": 50 }));
    let (_, key) = new_key(&stream, "agent");
    let flood = long_points(500);
    let first = post(&stream, "192.0.2.1", &flood);
    assert_eq!(first.status, 202, "it passes when idle: {}", first.text());
    let refused = (0..10).map(|_| post(&stream, "192.0.2.1", &flood)).find(|answer| answer.status != 202);
    let refused = refused.expect("each is some 16,000 units");
    assert_eq!(refused.problem(429), "rate-limited");
    assert!(refused.json()["detail"].as_str().expect("a string").contains("a network, which is 50 units per second"));
    assert_eq!(refused.json()["limits"][0]["scope"], "network");
    for number in 0..30 {
        assert_eq!(post(&stream, "192.0.2.1", &flood).status, 429);
        assert_eq!(post(&stream, &format!("198.51.100.{number}"), POINT).status, 202);
        let keyed = from("192.0.2.1", stream.call("POST", "/points").bearer(&key)).body(POINT).send();
        assert_eq!(keyed.status, 202, "a key of the same network: {}", keyed.text());
    }
    let owned = from("192.0.2.1", stream.owned("POST", "/points")).body(POINT).send();
    assert_eq!(owned.status, 202, "the owner");
}

#[test]
fn a_refused_write_counts_once_when_retried_in_time() {
    let server = proxied();
    let stream = limited(&server, &json!({ "network_units_per_s": 20 }));
    // A burst of 2,400 units, and each write takes some 300: at 20 per second the next one is due in a few seconds.
    // The time is given, as the units of a period depend on where it begins and ends.
    let t = crate::clock::now_whole_s() / 3_600 * 3_600;
    let body = format!("[{}]", vec![format!(r#"{{"n":1,"p":80000,"t":{t}}}"#); 8].join(","));
    let send = |key: &str| {
        from("192.0.2.1", stream.call("POST", "/points")).header("Idempotency-Key", key).body(&*body).send()
    };
    let mut number = 0;
    let refused = loop {
        let answer = send(&format!("key-{number}"));
        if answer.status != 202 {
            break answer;
        }
        number += 1;
        assert!(number < 100, "never refused");
    };
    assert_eq!(refused.problem(429), "rate-limited");
    let repeated = send("key-0");
    assert!(repeated.status == 202 || repeated.status == 429, "{}", repeated.text());
    let wait_s: u64 = refused.header("Retry-After").parse().expect("seconds");
    assert!(wait_s <= 30, "{wait_s}");
    // The repeated write may have taken a moment's worth of the budget.
    let key = format!("key-{number}");
    until_admitted(Instant::now(), Duration::from_secs(wait_s + 5), || send(&key));
    assert_eq!(send(&key).expect(202).json()["accepted"], 8);
    let points = stream.read("/status").json()["accepted"].as_u64().expect("a number");
    assert_eq!(points, (number + 1) * 8);
}

#[test]
fn late_points_have_a_budget_of_their_own() {
    let server = proxied();
    let stream = limited(&server, &json!({ "network_late_places_per_hour": 10 }));
    let now_s = crate::clock::now_whole_s();
    let late = |hours: u64| format!("[{{\"n\":1,\"t\":{}}}]", now_s - hours * 3_600);
    let answers: Vec<Answer> = (4..20).map(|hours| post(&stream, "192.0.2.1", &late(hours))).collect();
    let refused = answers.iter().find(|answer| answer.status != 202).expect("5 places at once");
    assert!(refused.header("Heartbeat-Limits").ends_with(":late:network"), "{}", refused.header("Heartbeat-Limits"));
    assert_eq!(post(&stream, "192.0.2.1", POINT).status, 202, "points that are not late are accepted");
    assert_eq!(post(&stream, "198.51.100.1", &late(5)).status, 202, "late points of other networks are accepted");
}

#[test]
fn when_the_disk_is_nearly_full_only_the_owner_writes() {
    let stream = limited(Server::shared(), &json!({ "storage_bytes": 1_000_000 }));
    let body: Vec<String> =
        (0..10_000).map(|index| format!("{{\"n\":{index}.5,\"v\":{{\"a\":\"{index}\"}}}}")).collect();
    let owned = |body: &str| stream.owned("POST", "/points").body(body).send();
    for round in 0..12 {
        let body = format!("[{}]", body.join(",")).replace("\"a\":\"", &format!("\"a\":\"{round}-"));
        assert_eq!(owned(&body).status, 202);
    }
    // Between seals and refusals a stream does not check its size, so a new list of distinct labels seals it.
    stream.owned("PATCH", "").body(r#"{"distinct":["b"]}"#).send().expect(200);
    let used = stream.read("/status").json()["storage_bytes"].as_u64().expect("a number");
    assert!(used > 950_000, "{used}");
    let answer = stream.post(POINT);
    assert_eq!(answer.problem(429), "rate-limited");
    assert_eq!(answer.header("Heartbeat-Limits"), "600:disk:open");
    assert_eq!(answer.json()["limits"][0]["scope"], "disk");
    assert_eq!(owned(POINT).status, 202);
    stream.owned("PATCH", "").body(r#"{"limits":{"storage_bytes":null}}"#).send().expect(200);
}

#[test]
fn limits_are_shown_changed_and_checked() {
    let stream = limited(Server::shared(), &json!({ "network_units_per_s": 7 }));
    let limits = |answer: Answer| answer.expect(200).json()["limits"].clone();
    let shown = limits(stream.owned("GET", "").send());
    assert_eq!((&shown["network_units_per_s"], &shown["open_units_per_s"]), (&json!(7), &json!(10_000)));
    let shown = limits(stream.owned("PATCH", "").body(r#"{"limits":{"key_units_per_s":9}}"#).send());
    assert_eq!((&shown["network_units_per_s"], &shown["key_units_per_s"]), (&json!(7), &json!(9)));
    let shown = limits(stream.owned("PATCH", "").body(r#"{"limits":{"network_units_per_s":null}}"#).send());
    assert_eq!(shown["network_units_per_s"], 500);
    for (limits, said) in [
        (r#"{"units":1}"#, "unknown field \"units\" in `limits`"),
        (r#"{"open_units_per_s":-1}"#, "`limits.open_units_per_s` must be a whole number from 0 to 1000000, not -1"),
        ("[]", "`limits` must be an object"),
    ] {
        let refused = stream.owned("PATCH", "").body(format!(r#"{{"limits":{limits}}}"#)).send();
        assert_eq!(refused.problem(400), "invalid-request");
        assert!(refused.text().replace("\\\"", "\"").contains(said), "{}", refused.text());
        let body = format!(r#"{{"name":"a","limits":{limits}}}"#);
        let created = call("POST", format!("{}/v1/streams", stream.url)).bearer(OWNER_TOKEN).body(body).send();
        assert_eq!(created.problem(400), "invalid-request");
    }
}

#[test]
fn a_flood_with_one_key_locks_out_no_other_key() {
    let server = proxied();
    let stream = limited(&server, &json!({ "network_units_per_s": 1 }));
    let send = |network: &str, key: String| {
        from(network, stream.call("POST", "/points")).header("Idempotency-Key", key).body(POINT).send().status
    };
    // A burst of 120 units allows 10 of these, and then one every 11 s.
    let send_one = |number: u32| u32::from(send("192.0.2.1", format!("flood-{number}")) == 429);
    let refused: u32 = (0..150).map(send_one).sum();
    assert!(refused > 50, "{refused}");
    assert_eq!(send("198.51.100.1", "mine".into()), 202);
    assert_eq!(stream.total("count"), f64::from(151 - refused));
}

#[test]
fn each_shard_enforces_a_networks_budget() {
    let server = proxied();
    let config = json!({ "name": "test", "shards": 2, "limits": { "network_units_per_s": 20 } });
    let stream = Stream::create(&server, config);
    let flood = long_points(200);
    let accepted: u64 = (0..30).map(|_| u64::from(post(&stream, "192.0.2.1", &flood).status == 202)).sum();
    // A burst of 1,200 units in each shard, of which each write takes some 6,500: an idle budget admits it once.
    assert_eq!(accepted, 2);
    assert_eq!(post(&stream, "198.51.100.1", POINT).status, 202);
    assert_eq!(stream.read("/status").json()["accepted"], accepted * 200 + 1);
}

#[test]
fn a_request_that_would_block_others_needs_a_key() {
    let stream = Stream::new();
    let answer = stream.post(long_points(9_000));
    assert_eq!(answer.problem(413), "too-large");
    let detail = answer.json()["detail"].as_str().expect("a string").to_owned();
    assert!(detail.contains("can cost at most 100000 units, not"), "{detail}");
    let (_, key) = new_key(&stream, "agent");
    stream.call("POST", "/points").bearer(&key).body(long_points(9_000)).send().expect(202);
}

#[test]
fn bodies_that_store_nothing_have_their_own_budget() {
    let server = proxied();
    let stream = limited(&server, &json!({}));
    let spaces = " ".repeat((1 << 20) - 2);
    let (none, bad) = (format!("[{spaces}]"), format!("[7{}]", &spaces[1..]));
    let large = vec![b'['; (1 << 20) + 1];
    let (wrong, key) = (gzip(&large[..1 << 20]), new_key(&stream, "agent").1);
    let points = |network: &str| from(network, stream.call("POST", "/points"));
    let packed = |network: &str| points(network).header("Content-Encoding", "gzip");
    let kinds: [(u16, Send<'_>); 6] = [
        (400, &|network| post(&stream, network, &none)),
        (400, &|network| post(&stream, network, &bad)),
        (400, &|network| packed(network).body(wrong[..wrong.len() - 4].to_vec()).send()),
        (413, &|network| packed(network).body(gzip(&large)).send()),
        (415, &|network| points(network).header("Content-Type", "image/png").body(spaces.clone()).send()),
        (400, &|network| from(network, stream.call("POST", "/statsd")).body(spaces.clone()).send()),
    ];
    for (index, (status, send)) in kinds.into_iter().enumerate() {
        let network = format!("192.0.{index}.1");
        let (begun, mut others, mut refused) = (Instant::now(), Vec::new(), 0);
        while refused < 2 {
            match send(&network).status {
                429 => refused += 1,
                other => others.push(other),
            }
            assert!(others.len() < 60, "never refused");
        }
        // Four at once, one that goes beyond that, and one more every four seconds.
        let most = 5 + usize::try_from(begun.elapsed().as_secs() / 4).expect("minutes") + 1;
        assert!((4..=most).contains(&others.len()) && others.iter().all(|other| *other == status), "{others:?}");
        // A small valid one waits too, exactly as long as `Retry-After` says.
        let answer = post(&stream, &network, POINT);
        let refused_at = Instant::now();
        if answer.status == 429 {
            assert!(answer.header("Heartbeat-Limits").ends_with(":units:network"));
            assert!(answer.json()["detail"].as_str().is_some_and(|detail| detail.contains("nothing was stored")));
            let wait_s: u64 = answer.header("Retry-After").parse().expect("seconds");
            assert!(wait_s <= 20, "{wait_s}");
            let mine = post(&stream, "198.51.100.1", POINT);
            assert_eq!(mine.status, 202, "of another network: {}", mine.text());
            points(&network).bearer(&key).body(POINT).send().expect(202);
            until_admitted(refused_at, Duration::from_secs(wait_s), || post(&stream, &network, POINT));
        }
    }
}

#[test]
fn a_large_body_with_one_point_is_charged_for_its_bytes() {
    let server = proxied();
    let stream = limited(&server, &json!({}));
    let body = format!("[{POINT}{}]", " ".repeat((1 << 20) - 20));
    let (begun, mut accepted) = (Instant::now(), 0);
    while post(&stream, "192.0.2.1", &body).status == 202 {
        accepted += 1;
        assert!(accepted < 200, "never refused");
    }
    // 4,106 units each; the burst is 60,000, and 500 come back per second.
    let most = 15 + begun.elapsed().as_secs() * 500 / 4_106 + 1;
    assert!((14..=most).contains(&accepted), "{accepted}, at most {most}");
    assert_eq!(post(&stream, "198.51.100.1", POINT).status, 202);
}
