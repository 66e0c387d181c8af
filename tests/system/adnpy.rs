//! adnpy, the client that app.net's own people wrote for Python, works here with only the root changed.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::server::{OWNER_TOKEN, Server, State};

#[test]
fn a_program_of_adnpy_works_with_only_the_root_changed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let setup = Command::new(root.join("tests/appnet/setup.sh")).status();
    if !setup.is_ok_and(|status| status.success()) {
        // Past the capture of tests: who reads the log of a run has to see it.
        writeln!(std::io::stderr(), "SKIPPED: adnpy can't be installed here, so it is not tried").ok();
        return;
    }
    let server = Server::start(State::new());
    let run = Command::new(root.join(".tools/appnet/bin/python"))
        .arg(root.join("tests/appnet/client.py"))
        .args([&format!("{}/stream/0", server.url), OWNER_TOKEN])
        .output()
        .expect("python was installed");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
