//! Queries over made-up cells: what they read, their results, and which are rejected.

use super::answer;
use super::ast::Expr;
use super::error::Result;
use super::evaluate::Evaluator;
use super::leaf::{StreamData, StreamRead};
use super::parser::{parse, parse_selector};
use super::plan::{RetentionNow, Times};
use super::select::Selected;
use model::cell::Cell;
use model::grid::{Grid, Row};
use model::labels::Labels;
use model::matcher::Matcher;
use model::point::Point;
use model::query::{By, Query};
use model::retention::Retention;
use model::sketches::Wanted;
use model::total::{ShownTotals, Total};
use model::window::Window;

const NOW: i64 = 1_792_540_800;

/// Labels `country` and `page path`, seconds before now, n and d.
const POINTS: [(&str, &str, i64, f64, f64); 6] = [
    ("US", "/a", 5, 1.0, 1.0),
    ("US", "/a", 25, 2.0, 1.0),
    ("US", "/b", 25, 4.0, 4.0),
    ("DE", "/a", 35, 8.0, 1.0),
    ("DE", "/a", 65, 16.0, 1.0),
    ("", "", 55, 32.0, 2.0),
];

fn points() -> impl Iterator<Item = (Labels, i64, Point)> {
    POINTS.iter().map(|(country, path, ago_s, n, d)| {
        let pair = |name: &str, value: &str| {
            if value.is_empty() { String::new() } else { format!("{name}\u{1f}{value}\u{1e}") }
        };
        let labels = Labels::from_canonical(&(pair("country", country) + &pair("page path", path)));
        (labels, NOW - ago_s, Point { n: *n, d: *d, p: None, t: 0.0 })
    })
}

fn query_of(want: &StreamRead, window: Window) -> Query {
    let matchers = want.matchers.iter().map(|text| Matcher::parse(text).expect("valid")).collect();
    Query { window, matchers, by: want.by.clone().map_or(By::All, By::Names), sketches: Wanted::default() }
}

/// Answers as shards do.
fn rows(want: &StreamRead, window: &Window) -> Vec<Row> {
    let query = query_of(want, *window);
    let mut grid = Grid::new(Wanted::default());
    for (labels, at_s, point) in points().filter(|(_, at_s, _)| (window.from_s()..window.to_s()).contains(at_s)) {
        let Some(group) = query.group_of(&labels) else { continue };
        let group = grid.group(group);
        let step = u32::try_from((at_s - window.from_s()) / window.step_s()).expect("inside");
        grid.add(group, step, &Cell::of(&point)).expect("fits");
    }
    grid.into_rows()
}

fn found(want: &StreamRead) -> StreamData {
    let mut found = StreamData::default();
    if want.has_totals {
        let totals: Vec<(Labels, Total)> = points().map(|(labels, _, point)| (labels, Total::of(&point))).collect();
        let query = query_of(want, Window::aligned(0, 10, 10).expect("valid"));
        let shown =
            ShownTotals::collect(totals.iter().map(|(labels, total)| (labels, *total)), &query, 100, usize::MAX);
        found.add_totals(&shown).expect("few");
    }
    for window in &want.windows {
        found.add_cells(&rows(want, window), window);
    }
    found
}

fn evaluated(query: &str, times: Times) -> Result<super::value::Value> {
    let expr = parse(query)?;
    let retention = Retention::default();
    let mut evaluator = Evaluator::new(times, RetentionNow { retention: &retention, now_ms: NOW * 1000 });
    let found = evaluator.wants(&expr)?.iter().map(found).collect();
    evaluator.give(found);
    evaluator.value(&expr)
}

fn at(query: &str, at_s: i64) -> String {
    let times = Times { start_ms: at_s * 1000, step_ms: 1000, count: 1 };
    let answer = answer::value(evaluated(query, times).expect("valid"), &times, false).expect("not too large");
    let (_, result) = answer.split_once("\"result\":").expect("a result");
    result.trim_end_matches('}').replace(&format!("{at_s},"), "")
}

/// The values of the only series at three times, 20 s apart.
fn three(query: &str) -> String {
    let times = Times { start_ms: (NOW - 40) * 1000, step_ms: 20_000, count: 3 };
    let answer = answer::value(evaluated(query, times).expect("valid"), &times, true).expect("not too large");
    let (_, result) = answer.split_once("\"values\":").unwrap_or_default();
    result.replace(['[', ']', '}'], "").replace("17925", "")
}

fn refused(query: &str) -> String {
    let times = Times { start_ms: NOW * 1000, step_ms: 1000, count: 1 };
    evaluated(query, times).expect_err("refused").to_string()
}

#[test]
fn ranges_are_sums_of_cells_without_extrapolation() {
    assert_eq!(at("sum(increase(heartbeat_n_total[1m]))", NOW), r#"[{"metric":{},"value":["47"]}]"#);
    assert_eq!(at("sum(sum_over_time(heartbeat_n_total[1m]))", NOW), r#"[{"metric":{},"value":["47"]}]"#);
    assert_eq!(at("sum(rate(heartbeat_points_total[50s]))", NOW), r#"[{"metric":{},"value":["0.08"]}]"#);
    assert_eq!(at("sum(increase(heartbeat_n_total[1m] offset 40s))", NOW), r#"[{"metric":{},"value":["48"]}]"#);
    assert_eq!(
        at(
            "sum by (country) (increase(heartbeat_n_total[1h])) / sum by (country) (increase(heartbeat_d_total[1h]))",
            NOW
        ),
        r#"[{"metric":{},"value":["16"]},{"metric":{"country":"DE"},"value":["12"]},{"metric":{"country":"US"},"value":["1.1666666666666667"]}]"#
    );
    assert_eq!(three("sum(increase(heartbeat_n_total[20s]))"), r#"40760,"32",40780,"14",40800,"1""#);
    assert_eq!(three("sum(increase(heartbeat_n_total[15s]))"), r#"40760,"24",40780,"10.5",40800,"0.75""#, "of 20 s");
}

#[test]
fn counters_are_totals_of_series_up_to_a_time() {
    assert_eq!(at("sum(heartbeat_n_total)", NOW), r#"[{"metric":{},"value":["63"]}]"#);
    assert_eq!(at("sum(heartbeat_n_total)", NOW - 20), r#"[{"metric":{},"value":["62"]}]"#);
    assert_eq!(at("sum(heartbeat_n_total offset 30s)", NOW), r#"[{"metric":{},"value":["56"]}]"#);
    assert_eq!(three("sum(heartbeat_n_total)"), r#"40760,"48",40780,"62",40800,"63""#);
    assert_eq!(
        at("heartbeat_n_total{country!=\"US\"}", NOW - 55),
        r#"[{"metric":{"__name__":"heartbeat_n_total","U__page_20_path":"/a","country":"DE"},"value":["16"]}]"#,
        "a series exists from its first point on"
    );
    assert_eq!(at("count({__name__=~\"heartbeat_[nd]_total\"})", NOW), r#"[{"metric":{},"value":["8"]}]"#);
    assert_eq!(at("up", NOW), "[]");
}

#[test]
fn matchers_select_by_whole_values_and_either_name() {
    let n = |matchers: &str| at(&format!("sum(increase(heartbeat_n_total{{{matchers}}}[2m]))"), NOW);
    let is = |n: &str| format!(r#"[{{"metric":{{}},"value":["{n}"]}}]"#);
    assert_eq!(n("country=\"US\""), is("7"));
    assert_eq!(n("country=~\"U|D\""), "[]", "fully anchored");
    assert_eq!(n("country=~\"U.|D.\",U__page_20_path!~\"/b\""), is("27"));
    assert_eq!(n("\"page path\"='/b'"), is("4"));
    assert_eq!(n("country=\"\""), is("32"));
    let one = Selected::of(&parse_selector("{a=\"~b.c\",d!=\"~e\"}").expect("valid")).expect("valid").matchers;
    let accepts = |text: &str| {
        one.iter().all(|matcher| Matcher::parse(matcher).expect("valid").accepts(&Labels::from_canonical(text)))
    };
    assert!(accepts("a\u{1f}~b.c\u{1e}") && accepts("a\u{1f}~b.c\u{1e}d\u{1f}e\u{1e}"), "{one:?}");
    assert!(
        !accepts("a\u{1f}b.c\u{1e}") && !accepts("a\u{1f}~bxc\u{1e}") && !accepts("a\u{1f}~b.c\u{1e}d\u{1f}~e\u{1e}")
    );
    assert_eq!(at("sum(increase({\"heartbeat_n_total\", country=`US`}[2m]))", NOW), is("7"));
}

#[test]
fn aggregations_and_arithmetic_work_as_in_prometheus() {
    let n = "increase(heartbeat_n_total[2m])";
    let all = |query: &str| at(&query.replace('$', n), NOW);
    assert_eq!(all("sum without (U__page_20_path) ($)"), all("sum by (country) ($)"));
    assert_eq!(all("sum by (country) ($)"), all("sum($) by (country)"));
    assert_eq!(all("max($) - min($) + count($) * 2"), r#"[{"metric":{},"value":["37"]}]"#);
    assert_eq!(all("avg($)"), r#"[{"metric":{},"value":["15.75"]}]"#);
    assert_eq!(
        all("topk(2, $)"),
        r#"[{"metric":{},"value":["32"]},{"metric":{"U__page_20_path":"/a","country":"DE"},"value":["24"]}]"#
    );
    assert_eq!(all("sum(bottomk by (country) (1, $)) % 10"), r#"[{"metric":{},"value":["9"]}]"#);
    assert_eq!(all("sum by (\"page path\") ($) > 27"), r#"[{"metric":{},"value":["32"]}]"#);
    for (comparison, holds) in [("==", 1), ("!=", 3), ("<", 1), ("<=", 2), (">", 2), (">=", 3)] {
        let wanted = format!(r#"[{{"metric":{{}},"value":["{holds}"]}}]"#);
        assert_eq!(all(&format!("sum($ {comparison} bool 4)")), wanted, "{comparison}");
    }
    assert_eq!(all("count($ >= bool 4)"), r#"[{"metric":{},"value":["4"]}]"#);
    assert_eq!(all("-sum($)^2"), r#"[{"metric":{},"value":["-3969"]}]"#);
    assert_eq!(all("2^3^2 - -1 + 10/4"), r#"["515.5"]"#);
    assert_eq!(all("1/0"), r#"["+Inf"]"#);
    assert_eq!(
        all(
            "sum by (country) ($) / on (country) sum by (country, U__page_20_path) (increase(heartbeat_n_total{U__page_20_path=\"/a\"}[2m]))"
        ),
        r#"[{"metric":{"country":"DE"},"value":["1"]},{"metric":{"country":"US"},"value":["2.3333333333333335"]}]"#
    );
    assert!(refused(&format!("sum by (country) ({n}) / on (country) {n}")).starts_with("found duplicate series"));
}

#[test]
fn a_set_of_labels_has_one_value_at_a_time() {
    let both = "{__name__=~\"heartbeat_[nd]_total\"}";
    let alike = "vector cannot contain metrics with the same labelset";
    for query in [format!("{both} * 2"), format!("-{both}"), format!("2 - {both}"), format!("{both} >= bool 2")] {
        assert!(refused(&query).starts_with(alike), "{query}: {}", refused(&query));
    }
    assert_eq!(at(&format!("count({both} > 0)"), NOW), r#"[{"metric":{},"value":["8"]}]"#, "their names are kept");
    let n = "sum by (country, U__page_20_path) (heartbeat_n_total)";
    let by_country = "sum by (country) (heartbeat_n_total)";
    assert!(refused(&format!("{n} / on (country) {by_country}")).starts_with("several series on the left"));
    // Values that a comparison removes don't count.
    assert_eq!(at(&format!("({n} > 3) / on (country) {by_country}"), NOW).matches("\"metric\"").count(), 3);
    // There are two, although none on the left matches them.
    let left = "sum by (country) (heartbeat_n_total{country=\"DE\"})";
    assert!(refused(&format!("{left} / on (country) {n}")).starts_with("found duplicate series"));
    let none = "sum by (country) (heartbeat_n_total{country=\"FR\"})";
    assert_eq!(at(&format!("{none} / on (country) {n}"), NOW), "[]");
    let named = |matching: &str| {
        at(&format!("heartbeat_n_total{{country=\"DE\"}} > {matching} heartbeat_d_total"), NOW).contains("__name__")
    };
    assert!(
        named("") && named("ignoring (x)") && !named("on (country, U__page_20_path)") && !named("ignoring (__name__)")
    );
}

#[test]
fn errors_quote_the_unsupported_part_of_the_query() {
    for (query, part) in [
        ("histogram_quantile(0.9, heartbeat_n_total)", "not supported here: this function, in: histogram_quantile(0.9"),
        ("sum(irate(heartbeat_n_total[1m]))", "this function, in: irate(heartbeat_n_total[1m]))"),
        ("rate(heartbeat_n_total[5m:1m])", "a subquery, in: rate("),
        ("rate(sum(heartbeat_n_total)[5m])", "parse error: a range is allowed only after a selector, in: [5m])"),
        ("rate(heartbeat_n_total offset 1m [5m])", "offset and @ must come after a range, not before it, in: [5m])"),
        ("rate(sum(heartbeat_n_total)[5m:])", "a subquery, in: rate("),
        ("heartbeat_n_total[5m]", "a range outside rate, increase and sum_over_time"),
        ("heartbeat_n_total @ 5", "the modifier @, in: @ 5"),
        ("heartbeat_n_total / on (a) group_left heartbeat_d_total", "group_left, in: group_left heart"),
        ("heartbeat_n_total or heartbeat_d_total", "or, in: or heartbeat_d_total"),
        ("stddev by (c) (heartbeat_n_total)", "not supported here: this aggregation, in: stddev by (c) (heart"),
        ("1 + Quantile(0.9, heartbeat_n_total)", "not supported here: this aggregation, in: Quantile(0.9, heart"),
        ("count_values(\"a\", heartbeat_n_total)", "not supported here: this aggregation, in: count_values("),
        ("heartbeat_n_total atan2 2", "not supported here: atan2, in: atan2 2"),
        ("heartbeat_n_total{a=~`\\pL`}", "not supported here: this regular expression: \"\\\\pL\""),
        ("topk(scalar(heartbeat_n_total), heartbeat_n_total)", "not supported here: anything but a number"),
        ("heartbeat_n_total offset 200y", "not supported here: ranges and offsets of more than 100 years"),
        ("\"text\"", "a string as an expression"),
        ("sum(heartbeat_n_total", "expected ) before: the end of the query"),
        ("sum(heartbeat_n_total))", "expected the end before: )"),
        ("rate(heartbeat_n_total)", "parse error: expected type range vector, got instant vector, in: heart"),
        ("rate(heartbeat_n_total[5])", "expected a duration before: 5])"),
        ("{country=\"\"}", "that does not match the empty string: {country"),
        ("heartbeat_n_total{country=~\"(\"}", "is not a regular expression"),
        ("rate({__name__=~\"heartbeat.*\"}[1m])", "name one metric"),
        ("1 > 2", "comparisons between scalars must use bool"),
        ("x == on(bar) 10", "parse error: on and ignoring are allowed only between instant vectors, in: == on"),
        ("{x!=\"a\"}", "that does not match the empty string: {x"),
        ("{path=~\"foo\\.bar\"}", "parse error: unknown escape: write a backslash twice"),
        ("topk(501, heartbeat_n_total)", "at most 500"),
        ("sum(1)", "series, not a number, to aggregate"),
        ("", "expected an expression before: the end of the query"),
        ("heartbeat_n_total{a\"b\"}", "expected =, !=, =~ or !~ before: \"b\"}"),
    ] {
        let seen = refused(query);
        assert!(seen.contains(part), "{query}: {seen}");
    }
    assert!(refused(&"(".repeat(100)).contains("more than 32 deep"));
    assert!(refused(&"1+".repeat(5_000)).contains("at most 8192 bytes"));
    assert!(refused(&"1+".repeat(4_000)).contains("at most 200 operators"));
    let selectors: Vec<String> = (0..60).map(|i| format!("heartbeat_n_total{{a=\"{i}\"}}")).collect();
    assert!(refused(&selectors.join("+")).contains("more than 48"));
    assert!(parse_selector("rate(heartbeat_n_total[1m])").is_err());
    assert!(matches!(parse("{__name__=\"x\",}").expect("valid"), Expr::Instant(_)));
}

#[test]
fn no_string_makes_the_parser_panic() {
    use proptest::prelude::*;
    let words = prop::sample::select(vec![
        "sum", "by", "(", ")", "rate", "{", "}", "[", "]", "1m", "5", "a", "=", "\"x\"", ",", "offset", "-", "^", "ü",
        "'", "topk", "on", ">", "bool",
    ]);
    proptest!(|(words in proptest::collection::vec(words, 0..20))| {
        let text = words.join(" ");
        if let Ok(expr) = parse(&text) {
            let times = Times { start_ms: NOW * 1000, step_ms: 1000, count: 1 };
            let retention = Retention::default();
            let _refused = Evaluator::new(times, RetentionNow { retention: &retention, now_ms: NOW * 1000 }).wants(&expr).is_err();
        }
    });
}
