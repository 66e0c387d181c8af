//! Regular expressions over their budget are refused, and delay nobody.

use std::time::Instant;

use crate::clock::past_hour;
use crate::http::encoded;
use crate::server::{Server, State};
use crate::stream::{Stream, added};

/// The most series that a stream may have.
const SERIES: usize = 100_000;
const BATCH: usize = 8_000;

fn point(series: usize, t: u64, bytes: usize) -> String {
    format!("{{\"n\":1,\"t\":{t},\"v\":{{\"a\":\"{}-{series:06}\"}}}}", "a".repeat(bytes - 7))
}

fn fill(stream: &Stream, t: u64, bytes: usize, batch: usize) {
    for first in (0..SERIES).step_by(batch) {
        let points: Vec<String> = (first..SERIES.min(first + batch)).map(|series| point(series, t, bytes)).collect();
        stream.write_as_owner(format!("[{}]", points.join(",")));
    }
}

#[test]
fn only_expressions_over_their_budget_are_refused() {
    let server = Server::start(State::new());
    let (stream, other) = (Stream::on(&server), Stream::on(&server));
    let t = past_hour();
    fill(&stream, t, 85, BATCH);
    let read =
        |path: &str, expression: &str| stream.read(&format!("{path}&where={}", encoded(&format!("a=~{expression}"))));
    for expression in ["(?:a?){200}b", "(?:.{0,30}){6}b", "(?:[a-y]?){100}z", "(?i)(?:(?:a|b|ab)?){60}q"] {
        for path in ["/rollup?from=-3h&step=1h&agg=sum", "/deltas?window=1h&agg=sum", "/metrics?by=a"] {
            std::thread::scope(|scope| {
                let (start, other) = (Instant::now(), &other);
                let written = scope.spawn(move || {
                    let status = other.post(r#"{"n":1}"#).status;
                    (status, start.elapsed())
                });
                let refused = read(path, expression);
                eprintln!("{path} {expression}: {:?}, a write {:?}", start.elapsed(), written.join().expect("ends").1);
                assert_eq!(refused.problem(422), "query-too-large", "{path} {expression}");
                assert!(refused.json()["detail"].as_str().expect("a string").contains("use a simpler expression"));
            });
        }
    }
    let refused = stream.owned("DELETE", "/points?where=a%3D~(%3F%3Aa%3F)%7B200%7Db").send();
    assert_eq!(refused.problem(400), "invalid-request", "nothing is removed by a part of an expression");
    for (expression, wanted) in [(".*-0.*", 100_000.0), (".*-00001.+", 10.0), ("b.*|.*-099999", 1.0)] {
        let answer = read("/rollup?from=-3h&step=1h&agg=sum", expression).expect(200).json();
        let sum: f64 = answer["series"].as_array().expect("a list").iter().map(|one| added(&one["sum"])).sum();
        assert_eq!(sum, wanted, "{expression}");
    }
}

/// Nested repetitions, classes and alternatives, the same each time.
fn generated(count: usize) -> Vec<String> {
    const ATOMS: [&str; 10] = ["a", ".", "[a-y]", "[^b]", r"\w", r"\b", "", "(?i:a)", r"[\w\s-]", "(?:a|ab)"];
    const COUNTS: [&str; 8] = ["*", "+", "?", "??", "{0,30}", "{60}", "{0,9}", "{200}"];
    let mut seed = 0x9e37_79b9_u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).expect("31 bits") % below
    };
    let one = |_| {
        let mut one = ATOMS[next(ATOMS.len())].to_owned();
        for _ in 0..=next(4) {
            let other = ATOMS[next(ATOMS.len())];
            one = match next(3) {
                0 => format!("(?:{one}|{other})"),
                1 => format!("{one}{other}"),
                _ => format!("(?:{one}){}", COUNTS[next(COUNTS.len())]),
            };
        }
        one
    };
    (0..count).map(one).collect()
}

#[test]
fn expressions_over_the_longest_values_keep_to_the_budget() {
    let server = Server::start(State::new());
    let (stream, other) = (Stream::on(&server), Stream::on(&server));
    fill(&stream, past_hour(), 256, 3_000);
    let known =
        ["(?:a?){200}b", "(?:.{0,30}){6}b", ".*a.*a.*a.*a.*a.*a.*a.*b", ".+b", "x{200}|[^z]*"].map(str::to_owned);
    let mut times = Vec::new();
    for expression in known.into_iter().chain(generated(24)) {
        let matcher = encoded(&format!("a=~{expression}"));
        // As many matchers as allowed, all of which match everything.
        let many = format!("&where={}", encoded("a=~(?:a?){20}[^z]*")).repeat(31);
        for more in ["", &many] {
            std::thread::scope(|scope| {
                let (start, other) = (Instant::now(), &other);
                let written = scope.spawn(move || (other.post(r#"{"n":1}"#).status, start.elapsed()));
                let path = format!("/rollup?from=-3h&step=1h&agg=sum&where={matcher}{more}");
                let answer = stream.read(&path);
                let took = start.elapsed();
                assert!(matches!(answer.status, 200 | 400 | 422), "{expression}: {}", answer.status);
                let (status, waited) = written.join().expect("ends");
                assert!((200..300).contains(&status), "{status}");
                times.push((took, waited, answer.status, more.len(), expression.clone()));
            });
        }
    }
    times.sort();
    for (took, waited, status, more, expression) in times.iter().rev().take(8) {
        eprintln!("{took:?}, a write {waited:?}: {status} {expression} +{more}");
    }
}
