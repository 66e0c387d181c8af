//! A stranger with an id that this deployment did not issue reaches no storage.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::http::call;
use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

/// All files of a folder.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("readable");
    entries
        .flat_map(|entry| {
            let path = entry.expect("readable").path();
            if path.is_dir() { files(&path) } else { BTreeSet::from([path]) }
        })
        .collect()
}

/// How many objects have a database.
fn objects(server: &Server) -> usize {
    let is_database = |file: &&PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        file.components().any(|part| part.as_os_str() == "heartbeat-Stream")
            && name.ends_with(".sqlite")
            && name != "metadata.sqlite"
    };
    files(server.state()).iter().filter(is_database).count()
}

#[test]
fn forged_truncated_and_foreign_ids_get_404_and_leave_no_trace() {
    let environment = [("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "another deployment's key")];
    let foreign = Stream::on(&Server::start_with(State::new(), &environment)).id;
    let server = Server::start(State::new());
    let stream = Stream::on(&server);
    stream.post(r#"{"n":1}"#).expect(202);
    let own = &stream.id;
    let swapped = format!("{}{}", &own[1..], &own[..1]);
    let ids = [&own[1..], &own[..31], &own.to_uppercase(), &swapped, &foreign, "x", "%00", "..", &"0".repeat(32)];
    let before = (files(server.state()), objects(&server));
    assert_eq!(before.1, 1, "the stream's own object: {:?}", before.0);
    for id in ids {
        for (method, path) in [
            ("POST", "/points"),
            ("GET", "/pixel.gif?n=1"),
            ("OPTIONS", "/points"),
            ("GET", "/rollup"),
            ("GET", "/labels"),
            ("GET", "/labels/a"),
            ("GET", "/status"),
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("POST", "/read-key"),
        ] {
            let url = format!("{}/v1/streams/{id}{path}", server.url);
            let answer = call(method, url)
                .bearer(OWNER_TOKEN)
                .body(if method == "POST" || method == "PATCH" { r#"{"n":1}"# } else { "" })
                .send();
            assert_eq!(answer.problem(404), "not-found", "{method} {id}{path}");
        }
    }
    assert_eq!((files(server.state()), objects(&server)), before);
    let listed = call("GET", format!("{}/v1/streams", server.url)).bearer(OWNER_TOKEN).send().expect(200).json();
    assert_eq!(listed["streams"].as_array().map(Vec::len), Some(1));
}
