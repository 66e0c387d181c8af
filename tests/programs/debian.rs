//! Programs of Debian's packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs::installed;

/// A program of one of Debian's packages that prints its version when asked; see [`installed`].
pub(crate) fn program(package: &str, program: &str, version: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    installed(package, Command::new(root.join("tests/programs/debian.sh")).args([package, program, version]))
        .then(|| root.join(".tools").join(package).join(program))
}
