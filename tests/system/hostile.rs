//! Bodies made to do harm: each gets a clear answer, and good points around the bad ones are kept.

use serde_json::{Value, json};

use crate::gzip::gzip;
use crate::http::Answer;
use crate::server::{Server, State};
use crate::stream::{Stream, assert_close};

const DEEP: usize = 100_000;

fn post_json(stream: &Stream, body: impl Into<Vec<u8>>) -> Answer {
    stream.call("POST", "/points").header("Content-Type", "application/json").body(body).send()
}

/// Checks that a body is accepted in part, with errors at these indices.
#[track_caller]
fn assert_partly_accepted(stream: &Stream, body: impl Into<Vec<u8>>, accepted: u64, bad: &[u64]) {
    let answer = post_json(stream, body).expect(202).json();
    let indices: Vec<_> =
        answer["errors"].as_array().expect("a list").iter().filter_map(|error| error["index"].as_u64()).collect();
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(accepted), &json!(bad.len())), "{answer}");
    assert_eq!(indices, bad, "{answer}");
}

#[test]
fn numbers_that_f64_cannot_hold_are_rejected_alone() {
    let stream = Stream::new();
    assert_partly_accepted(&stream, r#"[{"n":1},{"n":NaN},{"n":Infinity},{"n":-1e999},{"n":2}]"#, 2, &[1, 2, 3]);
    assert_partly_accepted(
        &stream,
        r#"[{"n":1,"d":NaN},{"n":1,"p":1e999},{"n":1,"t":-Infinity},{"n":3}]"#,
        1,
        &[0, 1, 2],
    );
    assert_close(stream.total("sum"), 6.0, "the good ones");
}

#[test]
fn lone_surrogates_are_rejected() {
    let stream = Stream::new();
    for text in [r"\ud800", r"\udc00", r"\ud800x", r"\ud800\ud800", r"\udc00\ud800", r"\ud800\u0041", r"a\ud83e"] {
        let errors = stream.refused(format!(r#"{{"n":1,"v":{{"a":"{text}"}}}}"#));
        assert_eq!(errors[0]["field"], "v", "{text}");
        stream.refused(format!(r#"{{"n":1,"v":{{"{text}":"a"}}}}"#));
        stream.refused(format!(r#"{{"n":1,"{text}":1}}"#));
        assert_partly_accepted(&stream, format!(r#"[{{"n":1,"v":{{"a":"{text}"}}}},{{"n":1}}]"#), 1, &[0]);
    }
}

#[test]
fn bad_escapes_are_rejected() {
    let stream = Stream::new();
    for text in [r"\x41", r"\u12", r"\u12g4", r"\U0041", r"\'", r"\"] {
        stream.refused(format!(r#"{{"n":1,"v":{{"a":"{text}"}}}}"#));
    }
}

#[test]
fn invalid_utf_8_is_rejected_alone() {
    let stream = Stream::new();
    for bytes in [&b"\xff"[..], b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80"] {
        let bad = [&br#"{"n":1,"v":{"a":""#[..], bytes, br#""}}"#].concat();
        let errors = stream.refused(bad.clone());
        assert_eq!((&errors[0]["index"], &errors[0]["field"]), (&json!(0), &json!("v")), "{bytes:?}");
        assert_partly_accepted(&stream, [&br#"[{"n":1},"#[..], &bad, br#",{"n":2}]"#].concat(), 2, &[1]);
        stream.refused([&br#"{"n":1,""#[..], bytes, br#"":1}"#].concat());
    }
    post_json(&stream, b"\xff\xfe{\"n\":1}").problem(400);
}

#[test]
fn a_byte_order_mark_gets_a_clear_answer() {
    let stream = Stream::new();
    let errors = post_json(&stream, "\u{feff}{\"n\":1}");
    assert_eq!(errors.problem(400), "invalid-points");
    let utf_16: Vec<u8> = "{\"n\":1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(post_json(&stream, utf_16).problem(400), "invalid-points");
}

#[test]
fn deep_nesting_is_rejected() {
    let stream = Stream::new();
    let (open, close) = ("[".repeat(DEEP), "]".repeat(DEEP));
    let objects = format!("{}1{}", r#"{"n":"#.repeat(DEEP), "}".repeat(DEEP));
    for body in [
        open.clone(),
        format!("{open}{close}"),
        format!(r#"{{"n":{open}{close}}}"#),
        format!(r#"{{"n":1,"v":{{"a":{open}{close}}}}}"#),
        format!(r#"{{"n":1,"x":{open}"#),
        objects,
        format!("{}{}", "[{\"v\":".repeat(DEEP), "}]".repeat(DEEP)),
    ] {
        let start = &body[..20];
        let errors = stream.refused(body.as_str());
        assert_eq!(errors[0]["index"], 0, "{start}");
    }
    assert_partly_accepted(
        &stream,
        format!(r#"[{{"n":1}},{open}{close},{{"n":{open}{close}}},{{"n":2}}]"#),
        2,
        &[1, 2],
    );
}

#[test]
fn trailing_garbage_is_rejected() {
    let stream = Stream::new();
    for body in [r#"{"n":1}x"#, r#"{"n":1}}"#, r#"{"n":1},"#, r#"{"n":1}]"#, "{\"n\":1} {\"n\":2}", "{\"n\":1}\0"] {
        assert_eq!(post_json(&stream, body).problem(400), "invalid-points", "{body}");
    }
    assert_partly_accepted(&stream, r#"[{"n":1}]x"#, 1, &[1]);
    assert_partly_accepted(&stream, r#"[{"n":1}]]"#, 1, &[1]);
    assert_partly_accepted(&stream, r#"[{"n":1}][{"n":2}]"#, 1, &[1]);
    assert_partly_accepted(&stream, r#"[{"n":1},]"#, 1, &[1]);
}

#[test]
fn a_truncated_array_keeps_the_points_before_the_end() {
    let stream = Stream::new();
    for broken in ["", ",", ",{", r#",{"n""#, r#",{"n":"#, r#",{"n":1"#, r#",{"n":1,"v":{"a":"b"#, r#",{"n":1},"#] {
        let answer = post_json(&stream, format!(r#"[{{"n":1}},{{"n":2}}{broken}"#)).expect(202).json();
        assert!(answer["accepted"].as_u64() >= Some(2), "{broken}: {answer}");
        assert_eq!(answer["rejected"], 1, "{broken}: {answer}");
    }
}

#[test]
fn bad_items_of_an_array_are_rejected_alone() {
    let stream = Stream::new();
    for bad in [
        "7",
        "null",
        "\"text\"",
        "[]",
        "[{\"n\":1}]",
        "{}",
        "{\"n\":\"]\"}",
        "{\"n\":1,\"v\":{\"a\":[\"}\",{\"b\":\"]\"}]}}",
        "{\"n\":1,}",
        "{n:1}",
        "{'n':1}",
        "{\"n\":1 \"d\":2}",
        "{\"n\":1,\"v\":{\"a\":\"\\\"\",\"b\":1}}",
        "nope",
    ] {
        assert_partly_accepted(&stream, format!(r#"[{{"n":1}},{bad},{{"n":1}}]"#), 2, &[1]);
    }
}

#[test]
fn a_stranger_cannot_reflect_much_into_an_error() {
    let stream = Stream::new();
    let errors = stream.refused(format!(r#"{{"n":1,"{}":1}}"#, "<script>".repeat(100)));
    assert!(errors[0]["message"].as_str().is_some_and(|message| message.len() < 300), "{errors:?}");
}

#[test]
fn many_bad_points_cost_little_and_are_counted() {
    let stream = Stream::new();
    let body = format!("[{},{{\"n\":1}}]", vec![r#"{"n":1,"kv":{"a":{"b":[1,2,3]}}}"#; 9_999].join(","));
    let answer = stream.write(body);
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(1), &json!(9_999)));
    assert_eq!(answer["errors"].as_array().map(Vec::len), Some(20));
    let commas = post_json(&stream, ",".repeat(1 << 20));
    assert!(matches!(commas.status, 400 | 413), "{}", commas.status);
    commas.problem(commas.status);
}

#[test]
fn a_gzip_bomb_is_too_large() {
    let stream = Stream::new();
    let bomb = gzip(&vec![b' '; 256 << 20]);
    let send = |body| stream.call("POST", "/points").header("Content-Encoding", "gzip").body(body).send();
    assert_eq!(send(bomb[..bomb.len().min(1 << 20)].to_vec()).problem(413), "too-large");
    assert_eq!(send(gzip(&vec![b'['; (1 << 20) + 1])).problem(413), "too-large");
}

#[test]
fn a_gzip_bomb_is_not_unpacked_completely() {
    let server = Server::start(State::new());
    let stream = Stream::on(&server);
    let bomb = gzip(&vec![b' '; 400 << 20]);
    assert!(bomb.len() < 1 << 20, "else it is refused unopened");
    let send = |body| stream.call("POST", "/points").header("Content-Encoding", "gzip").body(body).send();
    send(gzip(br#"{"n":1}"#)).expect(202);
    let Some(before) = server.peak_bytes() else { return };
    assert_eq!(send(bomb).problem(413), "too-large");
    let grown = server.peak_bytes().expect("as before") - before;
    eprintln!("{grown} bytes more for one request");
    assert!(grown < 128 << 20, "{grown} bytes for one request");
}

#[test]
fn a_body_that_is_not_gzip_is_refused() {
    let stream = Stream::new();
    let good = gzip(br#"{"n":1}"#);
    let mut wrong_checksum = good.clone();
    let at = wrong_checksum.len() - 8;
    wrong_checksum[at] ^= 1;
    let cut = good[..good.len() - 4].to_vec();
    let trailing = [&good[..], b"garbage"].concat();
    for body in [br#"{"n":1}"#.to_vec(), Vec::new(), vec![0x1f, 0x8b], vec![0xff; 1000], wrong_checksum, cut, trailing]
    {
        let call = stream.call("POST", "/points").header("Content-Encoding", "gzip").body(body.clone());
        let answer = call.send();
        assert_eq!(answer.problem(400), "invalid-request", "{body:?}");
    }
    assert_eq!(stream.read("/status").json()["accepted"], 0);
}

#[test]
fn no_strangers_point_swallows_a_sum() {
    let stream = Stream::new();
    stream.write(
        r#"[{"n":1},{"n":1e300},{"n":1e308},{"n":-1.7e308},{"n":1,"d":1e308},{"n":1e17},{"n":900719925474099}]"#,
    );
    let rollup = stream.rollup("from=-1h&step=1h&agg=sum,count");
    let added = |name: &str| -> f64 {
        rollup["series"][0][name].as_array().expect("a list").iter().filter_map(Value::as_f64).sum()
    };
    assert_close(added("count"), 2.0, "count");
    assert_eq!(added("sum"), 900_719_925_474_100.0, "to the last digit");
}

#[test]
fn a_hostile_owner_body_is_refused() {
    let server = crate::server::Server::shared();
    for body in [
        "[".repeat(16_000).into_bytes(),
        r#"{"name":"#.repeat(2000).into_bytes(),
        b"{\"name\":\"\xff\"}".to_vec(),
        br#"{"name":"\ud800"}"#.to_vec(),
        br#"{"name":"a"}x"#.to_vec(),
        b"{\"name\":\"a\0b\"}".to_vec(),
    ] {
        let call = crate::http::call("POST", format!("{}/v1/streams", server.url)).bearer(crate::server::OWNER_TOKEN);
        assert_eq!(call.body(body).send().problem(400), "invalid-request");
    }
}
