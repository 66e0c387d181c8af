//! The series numbers that an edge remembers: an object that has lost one asks for its strings again.

use rusqlite::Connection;

use crate::server::{Server, State};
use crate::stream::Stream;

#[test]
fn an_object_rolled_back_in_time_gets_its_strings_again() {
    let server = Server::start(State::new());
    let stream = Stream::on(&server);
    let of = |path: &str| format!("{{\"n\":1,\"v\":{{\"path\":\"{path}\"}}}}");
    stream.write(of("/a"));
    stream.write(of("/b"));
    stream.write(of("/b"));
    server.evict(&stream.object());
    let objects = std::fs::read_dir(server.state().join("do/heartbeat-Stream")).expect("is there");
    let mut paths = objects.map(|entry| entry.expect("readable").path());
    let database =
        paths.find(|path| path.extension().is_some_and(|it| it == "sqlite") && !path.ends_with("metadata.sqlite"));
    let removed = Connection::open(database.expect("one object"))
        .and_then(|database| database.execute("DELETE FROM log WHERE seq > (SELECT MIN(seq) FROM log)", []));
    assert_eq!(removed, Ok(2), "each write is a row");
    // The edge sends the number that it remembers.
    stream.write(of("/b"));
    stream.write(of("/c"));
    stream.write(of("/b"));
    let by_path = stream.rollup("from=-1h&step=1h&by=path&agg=count");
    let counts: Vec<_> =
        by_path["series"].as_array().expect("a list").iter().map(|it| it["labels"]["path"].clone()).collect();
    assert_eq!(counts.len(), 3, "{by_path}");
    assert_eq!(stream.total("count"), 4.0);
}
