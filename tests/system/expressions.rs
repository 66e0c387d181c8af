//! Regular expressions that cost more than they may are refused, and hold up nobody.

use std::time::Instant;

use crate::clock::past_hour;
use crate::http::encoded;
use crate::server::{Server, State};
use crate::stream::{Stream, added};

/// All that a stream may have.
const SERIES: usize = 100_000;
const BATCH: usize = 8_000;

fn point(series: usize, t: u64) -> String {
    format!("{{\"n\":1,\"t\":{t},\"v\":{{\"a\":\"{}-{series:06}\"}}}}", "a".repeat(78))
}

#[test]
fn an_expression_that_costs_too_much_is_refused_and_a_plain_one_is_not() {
    let server = Server::start(State::new());
    let (stream, other) = (Stream::on(&server), Stream::on(&server));
    let t = past_hour();
    for first in (0..SERIES).step_by(BATCH) {
        let points: Vec<String> = (first..SERIES.min(first + BATCH)).map(|series| point(series, t)).collect();
        stream.write_as_owner(format!("[{}]", points.join(",")));
    }
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
                assert!(refused.json()["detail"].as_str().expect("a text").contains("use a simpler expression"));
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
