//! Tests of statsd lines.

use super::*;
use model::labels::Labels;
use proptest::prelude::*;

const NOW: f64 = 1_792_540_800.0;
const ARRIVAL: Arrival = Arrival { at: NOW, lateness_s: 86_400 };

/// Each point as `line n/d/t-NOW labels`, each rejection as `line field: message`.
fn read(body: impl AsRef<[u8]>) -> Vec<String> {
    read_with(body, SignedGauges::Change)
}

fn read_with(body: impl AsRef<[u8]>, signed_gauges: SignedGauges) -> Vec<String> {
    let mut read = Vec::new();
    let mut take = |line: usize, point: Read<'_>| {
        read.push(match point {
            Ok((Point { n, d, p, t }, labels)) => {
                assert_eq!(p, None);
                format!("{line} {n}/{d}/{} {}", t - NOW, labels.replace('\u{1f}', "=").replace('\u{1e}', ";"))
            }
            Err(rejection) => format!("{line} {}: {rejection}", rejection.field().unwrap_or("-")),
        });
    };
    each_point(body.as_ref(), signed_gauges, ARRIVAL, [0; 16], &mut take).expect("few points");
    read
}

/// The only rejection of a line.
fn error(line: &str) -> String {
    let seen = read(line);
    assert_eq!(seen.len(), 1, "{seen:?}");
    seen[0].strip_prefix("0 ").expect("must be of the first line").to_owned()
}

#[test]
fn each_type_becomes_what_the_table_says() {
    assert_eq!(read("hits:3|c"), ["0 3/1/0 metric=hits;type=counter;"]);
    assert_eq!(read("hits:3|c|@0.1"), ["0 30/10/0 metric=hits;type=counter;"]);
    assert_eq!(read("hits:-3|c"), ["0 -3/1/0 metric=hits;type=counter;"]);
    assert_eq!(read("took:320|ms"), ["0 320/1/0 metric=took;type=timer;"]);
    assert_eq!(read("took:320.5|ms|@0.5"), ["0 641/2/0 metric=took;type=timer;"]);
    assert_eq!(read("size:1e3|h"), ["0 1000/1/0 metric=size;type=histogram;"]);
    assert_eq!(read("size:.5|d"), ["0 0.5/1/0 metric=size;type=distribution;"]);
    assert_eq!(read("depth:333|g|@0.5"), ["0 333/1/0 metric=depth;type=gauge;"]);
    assert_eq!(read("users:a:b c|s|@0.5"), ["0 1/1/0 member=a:b c;metric=users;type=set;"]);
}

#[test]
fn changes_of_a_gauge_add_to_its_value_in_the_same_body() {
    let body = "a:5|g\na:+3|g\na:-10|g\na:-1|g|#k:v\na:7|g|#k:v\na:-1|g|#k:v\nb:+1|g";
    assert_eq!(
        read(body),
        [
            "0 5/1/0 metric=a;type=gauge;",
            "1 8/1/0 metric=a;type=gauge;",
            "2 -2/1/0 metric=a;type=gauge;",
            "3 -1/1/0 k=v;metric=a;type=gauge_delta;",
            "4 7/1/0 k=v;metric=a;type=gauge;",
            "5 6/1/0 k=v;metric=a;type=gauge;",
            "6 1/1/0 metric=b;type=gauge_delta;",
        ]
    );
    assert_eq!(
        read("g:+1:5:-2|g"),
        ["0 1/1/0 metric=g;type=gauge_delta;", "0 5/1/0 metric=g;type=gauge;", "0 3/1/0 metric=g;type=gauge;"]
    );
    assert_eq!(read("g:+1|g|#type:x"), ["0 1/1/0 metric=g;tag_type=x;type=gauge_delta;"]);
}

#[test]
fn packed_values_are_stored_all_or_none() {
    assert_eq!(
        read("\r\ntook:1:2|h|@0.5|#a:b\r\n"),
        ["1 2/2/0 a=b;metric=took;type=histogram;", "1 4/2/0 a=b;metric=took;type=histogram;"]
    );
    for (line, bad) in [("took:1:x:2|h", "x"), ("jobs.A::Mail.perform:23|ms", ""), ("web:8080:up|c", "up")] {
        assert_eq!(
            error(line),
            format!("n: a value must be a number, not \"{bad}\", and a name can't contain a colon")
        );
    }
    assert_eq!(
        read("g:1:2:x|g\ng:+1|g"),
        [
            "0 n: a value must be a number, not \"x\", and a name can't contain a colon",
            "1 1/1/0 metric=g;type=gauge_delta;"
        ]
    );
}

#[test]
fn values_with_their_own_types_are_separate_points() {
    assert_eq!(
        read("a:5664|ms:6176|ms|@0.5:1|c:x|h:7|g|#k:v:w\nb:1|c"),
        [
            "0 5664/1/0 k=v:w;metric=a;type=timer;",
            "0 12352/2/0 k=v:w;metric=a;type=timer;",
            "0 1/1/0 k=v:w;metric=a;type=counter;",
            "0 n: a value must be a number, not \"x\"",
            "0 7/1/0 k=v:w;metric=a;type=gauge;",
            "1 1/1/0 metric=b;type=counter;",
        ]
    );
    let mixed = "-: a line can have several values before one type, or a type after each value, not both; write a line such as page.views:1|c";
    for line in ["a:1:2|ms:3|c", "a:1|ms:2:3|c", "A::B:1|c:2|c"] {
        assert_eq!(error(line), mixed, "{line}");
    }
}

#[test]
fn signed_gauges_can_set_values() {
    let body = "temp:-3|g|#room:a\ntemp:-3|g|#room:a\ntemp:+2|g\ntemp:1:-4|g";
    assert_eq!(
        read_with(body, SignedGauges::Set),
        [
            "0 -3/1/0 metric=temp;room=a;type=gauge;",
            "1 -3/1/0 metric=temp;room=a;type=gauge;",
            "2 2/1/0 metric=temp;type=gauge;",
            "3 1/1/0 metric=temp;type=gauge;",
            "3 -4/1/0 metric=temp;type=gauge;",
        ]
    );
    let of = SignedGauges::of_query;
    assert_eq!((of(""), of("batch=7")), (Ok(SignedGauges::Change), Ok(SignedGauges::Change)));
    assert_eq!(
        (of("signed_gauges=change"), of("batch=7&signed_gauges=set")),
        (Ok(SignedGauges::Change), Ok(SignedGauges::Set))
    );
    for bad in ["signed_gauges", "signed_gauges=Set", "signed_gauges=set&signed_gauges=set"] {
        assert!(
            of(bad).is_err_and(|error| error.to_string().starts_with("`signed_gauges` must be `change` or `set`")),
            "{bad}"
        );
    }
}

#[test]
fn tags_of_every_dialect_are_labels() {
    let labels = |line: &str| read(line)[0].split_once("/0 ").map(|(_, labels)| labels.to_owned()).unwrap_or_default();
    assert_eq!(labels("a:1|c|#k:v:w,x=y;z,,flag,none:"), "flag=true;k=v:w;metric=a;type=counter;x=y;z=true;");
    assert_eq!(labels("a;k=v,w;l=m=n;:1|c"), "k=v,w;l=m=n;metric=a;type=counter;");
    assert_eq!(labels("a,k=v;w,l=m:1|c"), "k=v;w;l=m;metric=a;type=counter;");
    assert_eq!(labels("a;k=v:1|c|#l:m"), "k=v;l=m;metric=a;type=counter;");
    assert_eq!(labels("a:1|c|#"), "metric=a;type=counter;");
    assert_eq!(labels("a:1|c|#k:v,k:v"), "k=v;metric=a;type=counter;");
    assert_eq!(
        labels("a:1|c|#type:x,metric:y,member:z"),
        "metric=a;tag_member=z;tag_metric=y;tag_type=x;type=counter;"
    );
}

#[test]
fn other_parts_of_dogstatsd_are_times_or_ignored() {
    let line = format!("a:1|c|@1|#k:v|c:ci-7|T{}|e:it-0,cn-x|card:low", NOW - 60.0);
    assert_eq!(read(line), ["0 1/1/-60 k=v;metric=a;type=counter;"]);
    assert!(error("a:1|c|T1").starts_with("t: t is 1792540799 seconds ago"));
    assert_eq!(error("a:1|c|Tnow"), "t: the time must be in seconds since 1970, such as T1656581400, not \"now\"");
}

#[test]
fn every_bad_line_has_a_message_of_its_own() {
    assert_eq!(error("hello"), "-: `:` and a value are missing; write a line such as page.views:1|c");
    assert_eq!(error("a:1"), "-: `|` and a type are missing; write a line such as page.views:1|c");
    assert_eq!(error(":1|c"), "-: the name is missing; write a line such as page.views:1|c");
    assert_eq!(error(";k=v:1|c"), "-: the name is missing; write a line such as page.views:1|c");
    assert_eq!(error("a:1|kv"), "-: the type must be c, ms, h, d, g or s, not \"kv\"");
    assert_eq!(
        error("a:1|c|x"),
        "-: unknown or repeated part \"x\"; the type can be followed by @rate, #tags and Ttime, each once"
    );
    assert!(error("a:1|c|@1|@1").starts_with("-: unknown or repeated part \"@1\""));
    assert!(error("a:1|c|#a|#b").starts_with("-: unknown or repeated part \"#b\""));
    for bad in ["", "one", "NaN", "inf", "-infinity", "0x10", "1 2", "1,5", "1e999", "--1"] {
        assert_eq!(error(&format!("a:{bad}|c")), format!("n: a value must be a number, not \"{bad}\""));
    }
    for bad in ["", "0", "-0.5", "1.01", "x", "1e-999"] {
        assert!(error(&format!("a:1|c|@{bad}")).starts_with("d: the sample rate must be greater than 0"), "{bad}");
    }
    assert_eq!(error("a:1e308|c|@0.1"), "n: n must be a finite number");
    assert_eq!(error("a:|s"), "v: the member of a set must not be empty");
    assert_eq!(error("a:1|c|#k:v,k:w"), "v: label \"k\" is given twice");
    assert!(error(&format!("{}:1:2:3|c", "a".repeat(257))).starts_with("v: label \"metric\" has a value of 257 bytes"));
    assert!(
        error(&format!("a:1|c|#{}", "k:v,".repeat(65)))
            .starts_with("v: a point can have at most 16 labels, this one has 65")
    );
    assert_eq!(read(format!("a:1|c|#{}", "k:v,".repeat(64))), ["0 1/1/0 k=v;metric=a;type=counter;"]);
    assert_eq!(error("a\tb:1|c"), "v: label \"metric\" contains a control character");
    assert_eq!(error("_e{5,4}:title|text|#a:b"), format!("-: events {NO_NUMBER}"));
    assert_eq!(error("_sc|db|0|#a:b"), format!("-: service checks {NO_NUMBER}"));
    assert_eq!(read(b"a:1|c\nb\xff:1|c\n\nc:1|c").len(), 3);
    assert_eq!(read(b"b\xff:1|c"), ["0 -: the line is not UTF-8; write a line such as page.views:1|c"]);
}

const NO_NUMBER: &str = "have no number to store; send counters, timers, gauges and sets";

#[test]
fn at_most_ten_thousand_values_are_accepted() {
    let read = |body: String| each_point(body.as_bytes(), SignedGauges::Change, ARRIVAL, [0; 16], &mut |_, _| ());
    let packed = |points: usize| format!("a:1{}|h", ":1".repeat(points - 1));
    let typed = |points: usize| format!("a:1|h{}", ":1|h".repeat(points - 1));
    for body in [|points: usize| "a:1|c\n".repeat(points), packed, typed, |points: usize| "bad\n".repeat(points)] {
        assert_eq!((read(body(MAX_POINTS)), read(body(MAX_POINTS + 1))), (Ok(()), Err(TooManyPoints)));
    }
    assert_eq!(read("\n".repeat(1 << 20)), Ok(()));
}

#[test]
fn each_line_of_the_list_is_parsed_as_by_the_relay() {
    let list: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../../../tests/statsd-lines.json")).expect("a list");
    assert!(list.len() > 50);
    for case in list {
        let line = case["line"].as_str().expect("a text");
        let signed_gauges = if case["signed_gauges"] == "set" { SignedGauges::Set } else { SignedGauges::Change };
        let (mut points, mut rejected) = (Vec::new(), 0);
        each_point(line.as_bytes(), signed_gauges, ARRIVAL, [0; 16], &mut |_, read| {
            let Ok((Point { n, d, .. }, labels)) = read else {
                rejected += 1;
                return;
            };
            let labels = Labels::from_canonical(labels);
            let labels: std::collections::BTreeMap<_, _> = labels.iter().collect();
            points.push(serde_json::json!({"n": n, "d": d, "v": labels}).to_string());
        })
        .expect("few");
        let as_numbers = |point: &serde_json::Value| {
            let number = |field: &str| point[field].as_f64();
            serde_json::json!({"n": number("n"), "d": number("d"), "v": point["v"]}).to_string()
        };
        let wanted: Vec<String> = case["points"].as_array().expect("a list").iter().map(as_numbers).collect();
        assert_eq!(points, wanted, "{line}");
        // A bad line is rejected once, whatever else it contains, unless the list says otherwise.
        assert_eq!(rejected, case["rejected"].as_u64().unwrap_or(u64::from(wanted.is_empty())), "{line}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_answered_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        each_point(&bytes, SignedGauges::Change, ARRIVAL, [0; 16], &mut |_, _| ()).expect("few");
    }

    #[test]
    fn any_string_of_statsd_characters_is_answered_without_panic(text in "[a:;,=|@#T.+\\-0-9cgsmh\n_{]{0,60}") {
        each_point(text.as_bytes(), SignedGauges::Change, ARRIVAL, [0; 16], &mut |_, _| ()).expect("few");
    }

    #[test]
    fn good_lines_are_kept_whatever_is_between_them(junk in "[^\n]{1,40}", before in 0usize..5, after in 0usize..5) {
        let mut lines = vec!["good:1|c"; before];
        lines.push(&junk);
        lines.extend(vec!["good:1|c"; after]);
        let good = read(lines.join("\n")).iter().filter(|point| point.contains("metric=good;")).count();
        prop_assert!(good >= before + after);
    }

    #[test]
    fn values_rates_and_tags_are_parsed_as_formatted(
        name in "[a-zA-Z0-9_./ -]{1,30}[a-z]",
        values in proptest::collection::vec(-1e12f64..1e12, 1..5),
        rate in 0.001f64..=1.0,
        kind in prop::sample::select(vec![("c", "counter"), ("ms", "timer"), ("h", "histogram"), ("d", "distribution")]),
        tags in proptest::collection::btree_map("[a-zé_]{1,10}", "[a-z0-9/.:é]{1,20}", 0..5),
    ) {
        prop_assume!(!name.starts_with(' ') && ![METRIC, TYPE, MEMBER].iter().any(|ours| tags.contains_key(*ours)));
        let packed: Vec<String> = values.iter().map(f64::to_string).collect();
        let tag_texts: Vec<String> = tags.iter().map(|(name, value)| format!("{name}:{value}")).collect();
        let line = format!("{name}:{}|{}|@{rate}|#{}", packed.join(":"), kind.0, tag_texts.join(","));
        let mut wanted = tags.clone();
        wanted.extend([(METRIC.to_owned(), name), (TYPE.to_owned(), kind.1.to_owned())]);
        let mut seen = Vec::new();
        each_point(line.as_bytes(), SignedGauges::Change, ARRIVAL, [0; 16], &mut |number, read| {
            let (point, labels) = read.expect("good");
            assert_eq!((number, point.d), (0, 1.0 / rate));
            let labels = Labels::from_canonical(labels);
            let labels: std::collections::BTreeMap<_, _> =
                labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            assert_eq!(labels, wanted);
            seen.push(point.n);
        }).expect("few");
        prop_assert_eq!(seen, values.iter().map(|value| value / rate).collect::<Vec<_>>());
    }

    #[test]
    fn a_gauge_is_its_last_value_plus_later_changes(
        writes in proptest::collection::vec((0usize..3, prop::option::of(any::<bool>()), 0i32..100), 0..40),
    ) {
        let (mut gauges, mut body, mut wanted) = ([None; 3], String::new(), Vec::new());
        for (gauge, is_up, value) in writes {
            let sign = match is_up { None => "", Some(true) => "+", Some(false) => "-" };
            body.extend(["g:", sign, &value.to_string(), "|g|#k:", &gauge.to_string(), "\n"]);
            let change = if is_up == Some(false) { -f64::from(value) } else { f64::from(value) };
            let now = match (is_up, gauges[gauge]) {
                (None, _) => Some(change),
                (Some(_), before) => before.map(|before: f64| before + change),
            };
            gauges[gauge] = now;
            wanted.push((now.unwrap_or(change) + 0.0, now.is_some()));
        }
        let mut seen = Vec::new();
        each_point(body.as_bytes(), SignedGauges::Change, ARRIVAL, [0; 16], &mut |_, read| {
            let (point, labels) = read.expect("good");
            seen.push((point.n + 0.0, labels.contains("\u{1f}gauge\u{1e}")));
        }).expect("few");
        prop_assert_eq!(seen, wanted);
    }
}
