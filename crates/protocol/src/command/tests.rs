//! The forms of what the edge and objects send each other.

use super::*;

#[test]
fn a_write_request_survives_a_round_trip() {
    for who in [Who::Open, Who::Keyed(KeyHash::from_bytes([7; 32])), Who::Owner] {
        for origin in [Some("https://a.example"), None] {
            let writer = Writer { who, network: "2001:db8:1:2::/64", place: "US 1", origin };
            for earlier_key in [None, Some(BatchKey::from_bytes([9; 16]))] {
                let request =
                    WriteRequest { shards: 64, writer: writer.clone(), earlier_key, body_bytes: 300, frame: b"frame" };
                assert_eq!(WriteRequest::parse(&request.encode()), Ok(request));
            }
        }
    }
    assert!(WriteRequest::parse(&[1, 5, 1]).is_err() && WriteRequest::parse(&[0, 1, 9, 0, 0]).is_err());
}

#[test]
fn the_form_of_a_write_is_pinned_and_the_first_is_still_read() {
    let writer = Writer { who: Who::Open, network: "192.0.2.1", place: "US 1", origin: Some("o") };
    let request = WriteRequest { shards: 2, writer, earlier_key: None, body_bytes: 300, frame: b"f" };
    assert_eq!(request.encode(), b"\x00\x02\x00\x09192.0.2.1\x04US 1\x01o\x00\xac\x02f");
    let first =
        WriteRequest { writer: Writer { network: "", place: "", ..request.writer.clone() }, body_bytes: 0, ..request };
    assert_eq!(WriteRequest::parse(b"\x02\x01of"), Ok(first));
}

#[test]
fn objects_send_each_other_valid_commands() {
    for (body, command) in [(SEND_RECORD, Command::SendRecord), (ADOPT, Command::Adopt), (FORGET, Command::Forget)] {
        assert_eq!(Command::parse(body), Ok(command));
    }
}

#[test]
fn a_command_of_another_version_is_rejected_as_a_whole() {
    let config = r#"{"name":"x","public_read":false,"origins":[],"created_ms":1"#;
    let create = |more: &str| format!(r#"{{"create":{{"config":{config}{more}}},"read_key_hash":{:?}}}}}"#, [0; 32]);
    Command::parse(create("").as_bytes()).expect("what an earlier version sent");
    Command::parse(br#"{"patch":{"name":"x","carbon":""}}"#).expect("of this version");
    Command::parse(br#"{"announce":{}}"#).expect("fields have defaults");
    for newer in [
        "\"from_the_future\"",
        r#"{"from_the_future":{"x":1}}"#,
        r#"{"patch":{"name":"x","colour":"red"}}"#,
        r#"{"read":{"credential":"owner","what":"from_the_future"}}"#,
        r#"{"read":{"credential":{"passkey":[1]},"what":"status"}}"#,
        r#"{"read":{"credential":"owner","what":{"rollup":{"from_s":0,"to_s":10,"step_s":10,"matchers":[],"by":null,"having":"x"}}}}"#,
        r#"{"read":{"credential":"owner","what":{"label_values":{"name":"a","params":{"prefix":"","limit":1,"after":"b"}}}}}"#,
        &create(r#","colour":"red""#),
        &create(r#","forward":{"colour":"red"}"#),
        "",
        "null",
    ] {
        assert_eq!(Command::parse(newer.as_bytes()), Err(Refusal::OtherVersion), "{newer}");
    }
}

#[test]
fn the_number_of_shards_is_read_after_an_answer() {
    let mut answer = put_shards(b"answer".to_vec(), 64);
    assert_eq!((take_shards(&mut answer), &answer[..]), (Ok(64), &b"answer"[..]));
    assert!(take_shards(&mut vec![1]).is_err());
}

#[test]
fn answers_of_an_earlier_version_are_still_read() {
    let stored = |numbers| Ok(WriteAnswer::Stored { numbers, first: 0, overflow: 0 });
    assert_eq!(WriteAnswer::parse(&[0, 8, 9]), stored(vec![Some(7), Some(8)]));
    assert_eq!(WriteAnswer::parse(&[]), stored(Vec::new()));
    let bytes = |overflow| WriteAnswer::Stored { numbers: vec![Some(7)], first: 41, overflow }.to_bytes();
    assert_eq!((bytes(0), bytes(5)), (vec![3, 41, 8], vec![4, 5, 41, 8]));
}

#[test]
fn a_write_answer_survives_a_round_trip() {
    for answer in [
        WriteAnswer::Stored { numbers: Vec::new(), first: 1, overflow: 0 },
        WriteAnswer::Stored { numbers: vec![Some(0), None, Some(SeriesId::MAX)], first: 1 << 53, overflow: 300 },
        WriteAnswer::Earlier(b"{}".to_vec()),
        WriteAnswer::UnknownSeries,
    ] {
        assert_eq!(WriteAnswer::parse(&answer.to_bytes()), Ok(answer));
    }
    assert!(WriteAnswer::parse(&[7]).is_err() && WriteAnswer::parse(&[STORED, 0x80]).is_err());
}
