//! adnpy, the Python client by app.net's own developers, works here if only its root is changed.

use std::path::Path;
use std::process::Command;

use crate::programs;
use crate::server::{OWNER_TOKEN, Server, State};

#[test]
fn an_adnpy_program_works_with_only_its_root_changed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some(python) = programs::python("appnet") else { return };
    let server = Server::start(State::new());
    let run = Command::new(python)
        .arg(root.join("tests/appnet/client.py"))
        .args([&format!("{}/stream/0", server.url), OWNER_TOKEN])
        .output()
        .expect("python was installed");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
