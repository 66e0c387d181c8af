//! Live readers who are connected while points are removed.

use serde_json::json;

use super::socket::Reader;
use crate::stream::Stream;

#[test]
fn a_socket_gets_a_new_snapshot_when_points_are_removed() {
    let stream = Stream::new();
    stream.write(r#"[{"n":3,"v":{"user":"42"}},{"n":5,"v":{"user":"7"}}]"#);
    let mut reader = Reader::of(&stream, "agg=sum,count&by=*");
    reader.until_count(2);
    stream.owned("DELETE", "/points?where=user%3D42").send().expect(200);
    let message = reader.next_message();
    assert_eq!(
        (&message["type"], message["series"].as_array().map(Vec::len)),
        (&json!("snapshot"), Some(1)),
        "{message}"
    );
    stream.write(r#"{"n":1,"v":{"user":"42"}}"#);
    reader.until_count(2);
    assert_eq!((reader.view.snapshots, reader.view.count()), (2, 2.0));
}
