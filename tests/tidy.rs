//! The rules of the house that a program can check: layers, the one clock, sizes, and documents that are true.

use std::fs;
use std::path::{Path, PathBuf};

/// What each layer may use of the crate, besides itself.
const ROOMS: [(&str, &[&str]); 7] = [
    ("domain", &[]),
    ("graphite", &["domain"]),
    ("prometheus", &["domain"]),
    ("wire", &["domain"]),
    ("store", &["domain"]),
    ("object", &["domain", "graphite", "wire", "store", "clock", "memory", "random"]),
    ("edge", &["domain", "graphite", "prometheus", "wire", "clock", "memory", "random"]),
];
/// Where the Workers API may be named.
const PLATFORM: [&str; 4] = ["src/lib.rs", "src/clock.rs", "src/object/", "src/edge/"];
/// A longer file has more than one idea.
const MAX_FILE_LINES: usize = 400;
/// A longer document is not read.
const MAX_DOCUMENT_LINES: usize = 150;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The paths, relative to the root, and the contents of all Rust files below a folder.
fn rust_files(folder: &str) -> Vec<(String, String)> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    collect(&root().join(folder), &mut found);
    found.sort();
    let relative = |path: &PathBuf| path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
    found.iter().map(|path| (relative(path), read(path))).collect()
}

/// The lines of code, with their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")).map(|(at, line)| (at + 1, line))
}

#[test]
fn each_layer_uses_only_its_allowed_layers() {
    for (room, allowed) in ROOMS {
        for (path, text) in rust_files(&format!("src/{room}")) {
            for (number, line) in code(&text) {
                for used in line.split("crate::").skip(1) {
                    let used =
                        used.split(|char: char| !char.is_alphanumeric() && char != '_').next().unwrap_or_default();
                    assert!(used == room || allowed.contains(&used), "{path}:{number}: {room} must not use {used}");
                }
            }
        }
    }
}

#[test]
fn only_the_thin_shell_names_the_platform() {
    let names = |line: &str| ["worker::", "wasm_bindgen", "js_sys"].iter().any(|name| line.contains(name));
    for (path, text) in rust_files("src") {
        let is_shell = PLATFORM.iter().any(|allowed| path.starts_with(allowed));
        let named = code(&text).find(|(_, line)| names(line));
        assert!(is_shell || named.is_none(), "{path}:{named:?} names the platform");
    }
}

#[test]
fn the_domain_contains_no_json_and_no_sql() {
    for (path, text) in rust_files("src/domain") {
        let foreign =
            code(&text).find(|(_, line)| ["serde", "rusqlite", "SELECT "].iter().any(|name| line.contains(name)));
        assert!(foreign.is_none(), "{path}:{foreign:?}");
    }
}

#[test]
fn the_clock_is_read_in_one_place() {
    for (path, text) in rust_files("src") {
        let reads = |line: &str| ["Date::now", "SystemTime::", "Instant::"].iter().any(|name| line.contains(name));
        let read = code(&text).find(|(_, line)| reads(line));
        assert!(path == "src/clock.rs" || read.is_none(), "{path}:{read:?} reads the clock");
    }
}

#[test]
fn every_module_has_a_doc_comment_and_a_limited_length() {
    for (path, text) in ["src", "tests", "benches"].into_iter().flat_map(rust_files) {
        assert!(text.starts_with("//! "), "{path} must open with a doc comment");
        let lines = text.lines().count();
        assert!(lines <= MAX_FILE_LINES, "{path} has {lines} lines, more than {MAX_FILE_LINES}");
    }
}

#[test]
fn no_test_sleeps() {
    // Split, so that this line does not match itself.
    let sleep = ["thread::", "sleep"].concat();
    for (path, text) in rust_files("src").into_iter().chain(rust_files("tests")) {
        let sleeps = code(&text).find(|(_, line)| line.contains(&sleep));
        assert!(sleeps.is_none(), "{path}:{sleeps:?}");
    }
}

#[test]
fn every_dependency_has_a_reason_beside_it() {
    let manifest = read(&root().join("Cargo.toml"));
    let (mut in_dependencies, mut last) = (false, "");
    for line in manifest.lines() {
        if line.starts_with('[') {
            in_dependencies = line.ends_with("dependencies]");
        } else if in_dependencies && line.contains(" = ") {
            assert!(last.starts_with("# "), "no reason above: {line}");
        }
        last = line;
    }
}

#[test]
fn every_invariant_names_a_test_that_exists() {
    let invariants = read(&root().join("docs/invariants.md"));
    let sources: String = rust_files("src").into_iter().chain(rust_files("tests")).map(|(_, text)| text).collect();
    let mut count = 0;
    for row in invariants.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Guarantee |")) {
        // A guarantee may contain code too; tests are in the last column only.
        let (guarantee, tests) = row.trim_end_matches(" |").rsplit_once('|').expect("a row has two columns");
        let tests: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "the row names no test: {row}");
        for test in tests {
            assert!(sources.contains(&format!("fn {test}(")), "docs/invariants.md names a missing test: `{test}`");
        }
        count += usize::from(!guarantee.trim_matches(['|', ' ']).is_empty());
    }
    assert!(count >= 100, "docs/invariants.md has only {count} guarantees: a table is missing");
}

#[test]
fn documents_are_short() {
    for name in ["README.md", "ARCHITECTURE.md"] {
        let lines = read(&root().join(name)).lines().count();
        assert!(lines <= MAX_DOCUMENT_LINES, "{name} has {lines} lines");
    }
}

#[test]
fn writer_examples_of_the_readme_are_in_tested_manuals() {
    let readme = read(&root().join("README.md"));
    for (opening, manual) in [("```html\n", "docs/browser.md"), ("```python\n", "docs/python.md")] {
        let manual = read(&root().join(manual));
        let shown: Vec<&str> = readme.split(opening).skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(!shown.is_empty() && shown.iter().all(|block| manual.contains(block)), "{opening}");
    }
}

#[test]
fn the_memory_shares_match_the_document() {
    let (design, memory) = (read(&root().join("DESIGN.md")), read(&root().join("src/memory.rs")));
    let (_, section) = design.split_once("## What bounds memory?").expect("DESIGN.md has the section");
    let documented: Vec<(&str, &str)> = section
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| share"))
        .map_while(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            Some((cells.next()?, cells.next()?))
        })
        .take_while(|(_, mib)| mib.parse::<u32>().is_ok())
        .collect();
    let shares = memory.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split_once(" => "));
    let in_code: Vec<(String, &str)> =
        shares.filter_map(|(name, value)| Some((name.to_lowercase(), value.strip_suffix(" * MIB,")?))).collect();
    let documented: Vec<(String, &str)> = documented.into_iter().map(|(name, mib)| (name.to_owned(), mib)).collect();
    assert_eq!(documented, in_code, "the table in DESIGN.md, and src/memory.rs");
    assert_eq!(documented.len(), 5);
}
