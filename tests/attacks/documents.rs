//! `docs/security.md` makes no claim that has no test.

use std::fs;
use std::path::{Path, PathBuf};

const MAX_LINES: usize = 150;
const MAX_LINE_CHARS: usize = 120;
/// The folders that contain tests.
const FOLDERS: [&str; 4] = ["src", "tests", "clients", "benches"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The source of all tests below a folder.
fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).expect("readable") {
        let path: PathBuf = entry.expect("readable").path();
        let is_source = path.extension().is_some_and(|it| ["rs", "py", "mjs"].iter().any(|known| it == *known));
        if path.is_dir() && !path.ends_with("node_modules") {
            all.push_str(&sources(&path));
        } else if is_source {
            all.push_str(&read(&path));
        }
    }
    all
}

#[test]
fn every_security_claim_names_a_test_that_exists() {
    let text = read(&root().join("docs/security.md"));
    let sources: String = FOLDERS.map(|folder| sources(&root().join(folder))).concat();
    let (mut count, mut is_of_claims) = (0, false);
    for row in text.lines() {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let last = cells.last().copied().unwrap_or_default();
        is_of_claims =
            row.starts_with("| ") && (is_of_claims || last == "test") || row.starts_with("|---") && is_of_claims;
        if !is_of_claims || last == "test" || row.starts_with("|---") {
            continue;
        }
        let tests: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test is named: {row}");
        for test in tests {
            assert!(sources.contains(&format!("fn {test}(")), "docs/security.md names a missing test: `{test}`");
        }
        count += 1;
    }
    assert!(count >= 20, "{count} claims: the table is gone");
}

#[test]
fn security_documents_are_short() {
    for name in ["docs/security.md", "SECURITY.md"] {
        let text = read(&root().join(name));
        let lines = text.lines().count();
        assert!(lines <= MAX_LINES, "{name} has {lines} lines");
        // A table row cannot be wrapped.
        let long = text.lines().find(|line| line.chars().count() > MAX_LINE_CHARS && !line.starts_with('|'));
        assert!(long.is_none(), "{name}: {long:?}");
    }
}
