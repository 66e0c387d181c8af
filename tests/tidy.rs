//! The rules of the house that a program can check: layers, the one clock, sizes, and documents that are true.

use std::fs;
use std::path::{Path, PathBuf};

/// The folders of the project's Rust code.
const CODE: [&str; 4] = ["src", "crates", "tests", "benches"];
/// What only the Worker itself may depend on: the platform, its clock and its randomness.
const PLATFORM: [&str; 5] = ["worker", "wasm-bindgen", "js-sys", "getrandom", "console_error_panic_hook"];
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

/// The manifests of the crates below the Worker: each names the layers that it may use, and the compiler holds it to them.
fn manifests() -> Vec<(PathBuf, String)> {
    let crates = fs::read_dir(root().join("crates")).expect("readable");
    crates
        .map(|entry| entry.expect("readable").path().join("Cargo.toml"))
        .map(|path| (path.clone(), read(&path)))
        .collect()
}

#[test]
fn no_crate_below_the_worker_names_the_platform() {
    for (path, manifest) in manifests() {
        for name in PLATFORM {
            let is_named =
                manifest.lines().any(|line| line.starts_with(name) && line[name.len()..].starts_with([' ', '.']));
            assert!(!is_named, "{} must not depend on {name}", path.display());
        }
    }
}

#[test]
fn every_crate_takes_versions_and_lints_from_the_workspace() {
    for (path, manifest) in manifests() {
        let (_, dependencies) = manifest.split_once("[dependencies]").expect("a list of dependencies, or an empty one");
        let (dependencies, _) = dependencies.split_once("[lints]\nworkspace = true").expect("the workspace's lints");
        for line in dependencies.lines().filter(|line| line.contains(" = ") && !line.starts_with("testing = ")) {
            assert!(line.contains("workspace = true"), "{}: {line}", path.display());
        }
    }
}

#[test]
fn the_clock_is_read_in_one_place() {
    for (path, text) in ["src", "crates"].into_iter().flat_map(rust_files) {
        let reads = |line: &str| ["Date::now", "SystemTime::", "Instant::"].iter().any(|name| line.contains(name));
        let read = code(&text).find(|(_, line)| reads(line));
        assert!(path == "src/clock.rs" || read.is_none(), "{path}:{read:?} reads the clock");
    }
}

#[test]
fn every_module_has_a_doc_comment_and_a_limited_length() {
    for (path, text) in CODE.into_iter().flat_map(rust_files) {
        assert!(text.starts_with("//! "), "{path} must open with what it is");
        let lines = text.lines().count();
        assert!(lines <= MAX_FILE_LINES, "{path} has {lines} lines, more than {MAX_FILE_LINES}");
    }
}

#[test]
fn no_test_sleeps() {
    // Split, so that this line does not match itself.
    let sleep = ["thread::", "sleep"].concat();
    for (path, text) in ["src", "crates", "tests"].into_iter().flat_map(rust_files) {
        let sleeps = code(&text).find(|(_, line)| line.contains(&sleep));
        assert!(sleeps.is_none(), "{path}:{sleeps:?}");
    }
}

#[test]
fn every_dependency_has_a_reason_beside_it() {
    let manifest = read(&root().join("Cargo.toml"));
    let (_, manifest) = manifest.split_once("[workspace.dependencies]").expect("all versions are in one place");
    let (mut in_dependencies, mut last) = (true, "");
    for line in manifest.lines() {
        if line.starts_with('[') {
            in_dependencies = line.ends_with("dependencies]");
        } else if in_dependencies && line.contains(" = ") && !line.contains("path = ") {
            assert!(last.starts_with("# "), "no reason above: {line}");
        }
        last = line;
    }
}

#[test]
fn every_invariant_names_a_test_that_exists() {
    let invariants = read(&root().join("docs/invariants.md"));
    let sources: String = CODE.into_iter().flat_map(rust_files).map(|(_, text)| text).collect();
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
    let (design, memory) =
        (read(&root().join("docs/design/memory.md")), read(&root().join("crates/memory/src/lib.rs")));
    let (_, section) = design.split_once("## What bounds memory?").expect("the document answers it");
    let told: Vec<(&str, &str)> = section
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| share"))
        .map_while(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            Some((cells.next()?, cells.next()?))
        })
        .take_while(|(_, mib)| mib.parse::<u32>().is_ok())
        .collect();
    let shares = memory.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split_once(" => "));
    let kept: Vec<(String, &str)> =
        shares.filter_map(|(name, value)| Some((name.to_lowercase(), value.strip_suffix(" * MIB,")?))).collect();
    let told: Vec<(String, &str)> = told.into_iter().map(|(name, mib)| (name.to_owned(), mib)).collect();
    assert_eq!(told, kept, "the table in docs/design/memory.md, and crates/memory/src/lib.rs");
    assert_eq!(told.len(), 5);
}

#[test]
fn the_index_of_decisions_names_each_with_its_date() {
    let design = read(&root().join("DESIGN.md"));
    let areas: Vec<&str> = design.lines().filter_map(|line| line.strip_prefix("## [")?.strip_suffix(')')).collect();
    let files = fs::read_dir(root().join("docs/design")).expect("readable").count();
    assert_eq!(areas.len(), files, "an area is a file of docs/design");
    for area in areas {
        let (_, path) = area.split_once("](").expect("a link");
        let (_, indexed) = design.split_once(&format!("]({path})")).expect("is there");
        let indexed: Vec<&str> = indexed
            .lines()
            .skip(1)
            .take_while(|line| !line.starts_with("## "))
            .filter_map(|line| line.strip_prefix("- "))
            .collect();
        let document = read(&root().join(path));
        let decisions: Vec<String> = document
            .split("\n## ")
            .skip(1)
            .map(|decision| {
                let (question, answer) = decision.split_once("\n\n*").expect("an answer after each question");
                let date = answer.get(.."2026-11-23".len()).expect("a date before each answer");
                format!("{date} {question}")
            })
            .collect();
        assert_eq!(indexed, decisions, "DESIGN.md, and the decisions of {path}");
    }
}
