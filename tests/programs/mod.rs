//! Real programs that tests compare with or talk to. The scripts beside this file install them into `.tools`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The interpreter of a virtual environment with the packages of `{name}.txt`; see [`installed`].
pub(crate) fn python(name: &str) -> Option<PathBuf> {
    installed(name, Command::new(root().join("tests/programs/python.sh")).arg(name))
        .then(|| root().join(".tools").join(name).join("bin/python"))
}

/// Whether the program is available; a message says if not. In a CI its absence is a failure that somebody notices.
pub(crate) fn installed(name: &str, set_up: &mut Command) -> bool {
    let done = set_up.output();
    if done.as_ref().is_ok_and(|done| done.status.success()) {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "{name} is not available, and a CI must test with it: {done:?}");
    // Bypasses the capture of test output, so that the log of a run shows it.
    writeln!(std::io::stderr(), "SKIPPED: {name} is not available: {done:?}").ok();
    false
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
