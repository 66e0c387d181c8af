//! `.ci/fresh`, in which a CI checks a change: it hides what a machine has by chance, but not the registries.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of a test's own, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("heartbeat-fresh-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("writable");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// With private mounts, which not every machine allows, and without.
const BOTH: [&str; 2] = ["yes", "no"];

fn fresh(mounts: &str, script: &str, environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(root().join(".ci/fresh"));
    command.args(["sh", "-c", script]).env("FRESH_MOUNTS", mounts).envs(environment.iter().copied());
    command.output().expect("it is there")
}

/// The output of the script, without the lines that `fresh` adds.
fn printed(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout.clone()).expect("text");
    lines.lines().filter(|line| !line.starts_with("fresh: ")).map(str::to_owned).collect()
}

#[test]
fn temporary_folders_are_empty_and_home_is_replaced() {
    let left = Folder::new("left");
    fs::write(left.0.join("fonts"), "of an earlier run").expect("writable");
    // The checkout itself may be in the temporary folder.
    let checkout = root().strip_prefix("/tmp").ok().and_then(|path| path.iter().next()).unwrap_or_default().display();
    for mounts in BOTH {
        let script = format!(
            r#"ls -A "${{TMPDIR:-/tmp}}" | grep -cvxF '{checkout}' || :; ls -A "$HOME" | tr '\n' ' '; echo; test -n "$TMPDIR" || test ! -e '{}'; touch "${{TMPDIR:-/tmp}}/a" "$HOME/a""#,
            left.0.display()
        );
        let lines = printed(&fresh(mounts, &script, &[]));
        assert_eq!(lines[0].trim(), "0", "{lines:?}");
        assert_eq!(lines[1].trim(), ".config .npmrc", "{lines:?}");
    }
}

#[test]
fn hand_installed_programs_are_not_visible() {
    let installed = Folder::new("installed");
    let program = installed.0.join("chromium");
    fs::write(&program, "#!/bin/sh\necho installed by hand\n").expect("writable");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("ours");
    let path = format!("{}:{}", installed.0.display(), std::env::var("PATH").expect("set"));
    for mounts in BOTH {
        let script = "for name in cargo rustc rustfmt node npm python3 make; do command -v $name; done | wc -l; cargo --version; python3 -c 'import sys, venv; print(sys.prefix)'; \
                      node -p '1'; echo $PATH; chromium --version 2>/dev/null || echo none";
        let lines = printed(&fresh(mounts, script, &[("PATH", &path)]));
        assert_eq!(lines[0].trim(), "7", "{lines:?}");
        assert!(lines[1].starts_with("cargo 1.") && lines[3] == "1", "{lines:?}");
        assert!(!lines[4].contains(&*installed.0.to_string_lossy()) && !lines[4].contains("/usr/local"), "{lines:?}");
        assert_ne!(lines[5], "installed by hand");
    }
}

#[test]
fn only_registry_settings_of_the_environment_pass_through() {
    let set = [
        ("OWNER_TOKEN", "1"),
        ("SIGNING_KEY", "1"),
        ("CHROMIUM", "/bin/true"),
        ("NODE_OPTIONS", "--no-warnings"),
        ("NODE_PATH", "1"),
        ("PYTHONPATH", "1"),
        ("PIP_FIND_LINKS", "/opt/wheels"),
        ("CARGO_TARGET_DIR", "/nowhere"),
        ("RUSTFLAGS", "--cfg a"),
        ("LANG", "de_DE.UTF-8"),
        ("TZ", "Asia/Tokyo"),
        ("HEARTBEAT_DEV", "1"),
        ("npm_config_prefix", "/nowhere"),
        ("npm_config_registry", "https://registry.example/"),
        ("PIP_INDEX_URL", "https://index.example/a b"),
        ("CARGO_REGISTRIES_OURS_INDEX", "sparse+https://crates.example/"),
        ("https_proxy", "http://proxy.example:3128"),
        ("NO_PROXY", "localhost"),
    ];
    let (others, kept) = set.split_at(13);
    for mounts in BOTH {
        let lines = printed(&fresh(mounts, "env", &set));
        for (name, _) in others {
            assert!(!lines.iter().any(|line| line.starts_with(&format!("{name}="))), "{name} is seen");
        }
        for (name, value) in kept {
            assert!(lines.contains(&format!("{name}={value}")), "{name} is not seen: {lines:?}");
        }
        assert!(lines.contains(&"CI=true".to_owned()));
    }
}

#[test]
fn stdin_is_closed_and_the_exit_status_is_passed_on() {
    for mounts in BOTH {
        let output = fresh(mounts, "cat; exit 7", &[]);
        assert_eq!(output.status.code(), Some(7), "{output:?}");
    }
    let output = fresh("yes", "ls -d [p]ackage.json && ps -A -o pid= | wc -l", &[]);
    let lines = printed(&output);
    assert_eq!(lines[0], "package.json");
    let has_mounts = String::from_utf8_lossy(&output.stdout).contains("fresh: mounts");
    assert!(!has_mounts || lines[1].trim().parse::<u32>().is_ok_and(|count| count < 10), "{lines:?}");
}
