//! What the documents show works as written.

use std::path::Path;
use std::process::Command;

use crate::server::{OWNER_TOKEN, Server, State};
use crate::stream::Stream;

/// All documents, in page order.
pub(crate) fn names() -> Vec<String> {
    let folder = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")).expect("there are documents");
    let files = folder.map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8"));
    let mut names: Vec<String> = files
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "md"))
        .map(|name| format!("docs/{name}"))
        .collect();
    names.sort();
    names.insert(0, "README.md".to_owned());
    names
}

pub(crate) fn document(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("the document is there")
}

#[test]
fn every_command_on_rules_succeeds_and_leaves_no_rule() {
    let stream = Stream::new();
    for command in blocks(&document("docs/accept.md"), "sh") {
        assert!(run(command, &stream).ends_with('}'), "{command}");
    }
    assert!(stream.owned("GET", "").send().expect(200).json()["accept"].is_null());
}

/// The contents of the code blocks of a language.
pub(crate) fn blocks<'a>(document: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    document.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// Runs what a document shows, as pasted, and returns its output.
fn run(command: &str, stream: &Stream) -> String {
    // With --fail, an error of the API is an error of the command.
    let script = command.replace("curl ", "curl --silent --show-error --fail-with-body ");
    let run = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .envs([("URL", &stream.url), ("ID", &stream.id), ("KEY", &stream.read_key)])
        .env("OWNER_TOKEN", OWNER_TOKEN)
        .output()
        .expect("bash is installed");
    assert!(run.status.success(), "{command}: {run:?}");
    String::from_utf8(run.stdout).expect("answers are UTF-8")
}

#[test]
fn every_readme_command_succeeds_as_pasted() {
    let stream = Stream::new();
    let readme = document("README.md");
    let commands = blocks(&readme, "sh");
    assert!(commands.len() >= 8, "the README has its examples");
    for command in commands {
        run(command, &stream);
        if command.contains("/read-key") {
            return;
        }
    }
    panic!("the last example ends the read key");
}

#[test]
fn every_app_net_command_succeeds_as_pasted() {
    let stream = Stream::new();
    let document = document("docs/appnet.md");
    let commands = blocks(&document, "sh");
    assert!(commands.len() >= 5, "the document has its examples");
    let printed: Vec<String> = commands.into_iter().map(|command| run(command, &stream)).collect();
    assert!(printed[0].contains("\"read_key\":\"rk_"), "{printed:?}");
    assert!(printed[1].contains(r#""join":1"#) && printed[2].contains(r#""join":"1""#), "{printed:?}");
    assert!(printed[3].contains(r#""accepted":1,"rejected":1"#), "{printed:?}");
    assert!(printed[2].contains(r#""kv":{"join":1,"c":"rando1"}"#), "as it was posted: {printed:?}");
    for lists in &printed[4..] {
        assert_eq!(lists.matches(r#""code":200"#).count(), 3, "{lists}");
    }
    assert_eq!(printed.len(), 6, "{printed:?}");
}

#[test]
fn every_statsd_command_succeeds_as_pasted() {
    let stream = Stream::new();
    let document = document("docs/statsd.md");
    let commands = blocks(&document, "sh");
    assert_eq!(commands.len(), 4, "the document has its examples");
    let printed: Vec<String> = commands.into_iter().map(|command| run(command, &stream)).collect();
    assert_eq!(printed[0], r#"{"accepted":5,"rejected":0,"errors":[]}"#);
    assert_eq!(printed[1].trim(), blocks(&document, "json")[0].trim());
    assert!(printed[2].contains(r#""distinct":["member"]"#), "{printed:?}");
    let answer = &printed[3];
    assert!(["\"plan\":\"pro\"", "1200]", "320]"].iter().all(|part| answer.contains(part)), "{answer}");
}

#[test]
fn every_writers_command_succeeds_as_pasted() {
    let stream = Stream::new();
    let document = document("docs/writers.md");
    let commands = blocks(&document, "sh");
    let printed: Vec<String> = commands.into_iter().map(|command| run(command, &stream)).collect();
    assert!(printed[0].contains(r#"{"accepted":1,"rejected":0,"errors":[]}"#), "{printed:?}");
    assert!(printed[0].contains(r#""last_used":1"#) && printed[1].contains(r#""name":"ci""#), "{printed:?}");
    for block in blocks(&document, "json") {
        stream.owned("PATCH", "").body(block.trim()).send().expect(200);
    }
}

#[test]
fn every_opentelemetry_command_succeeds_as_pasted() {
    let stream = Stream::new();
    let document = document("docs/otlp.md");
    let commands = blocks(&document, "sh");
    assert_eq!(commands.len(), 2, "the document has its examples");
    let printed: Vec<String> = commands.into_iter().map(|command| run(command, &stream)).collect();
    assert_eq!(printed[0].trim(), blocks(&document, "json")[0].trim());
    assert!(
        printed[1].contains(r#""labels":{"service.name":"shop"},"sum":["#) && printed[1].contains("3]"),
        "{printed:?}"
    );
}

#[test]
fn every_live_command_succeeds_as_pasted() {
    let stream = Stream::new();
    let document = document("docs/live.md");
    let printed = run(blocks(&document, "sh")[0], &stream);
    let delta: serde_json::Value = serde_json::from_str(
        printed.lines().last().and_then(|line| Some(&line[line.rfind(r#"{"type""#)?..])).expect("a message"),
    )
    .expect("JSON");
    let shown: serde_json::Value = serde_json::from_str(blocks(&document, "json")[0]).expect("JSON");
    assert_eq!((&delta["series"], &delta["cursor"]), (&shown["series"], &shown["cursor"]));
}

#[test]
fn every_graphite_command_succeeds_as_pasted() {
    let stream = Stream::new();
    let document = document("docs/graphite.md");
    let commands = blocks(&document, "sh");
    let printed: Vec<String> = commands.into_iter().map(|command| run(command, &stream)).collect();
    let printed = printed.join("\n");
    assert!(printed.contains(r#""target":"US""#) && printed.contains("100.0,"), "{printed}");
    assert!(printed.contains(r#"["country","name"]"#) && printed.contains(r#""text":"test""#), "{printed}");
    assert!(printed.contains("windowSize"), "{printed}");
}

#[test]
fn every_carbon_command_succeeds_as_pasted() {
    let environment = [("OWNER_TOKEN", OWNER_TOKEN), ("SIGNING_KEY", "k"), ("CARBON_HOSTS", "carbon.example.com:2003")];
    let server = Server::start_with(State::new(), &environment);
    let stream = Stream::on(&server);
    let document = document("docs/carbon.md");
    let printed: Vec<String> = blocks(&document, "sh").into_iter().map(|command| run(command, &stream)).collect();
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    let shown = &read(&printed[0])["carbon"];
    assert_eq!((&shown["interval_s"], &shown["prefix"]), (&10.into(), &"stats.web".into()), "{printed:?}");
    let (mut status, shown) = (read(&printed[1])["carbon"].take(), read(blocks(&document, "json")[0]));
    assert!(status["sent_until"].is_number(), "{status}");
    status["sent_until"] = shown["sent_until"].clone();
    assert_eq!(status, shown);
    assert!(document.contains("are refused with `400`"));
    stream.owned("PATCH", "").body(r#"{"shards":2}"#).send().expect(400);
}

#[test]
fn every_prometheus_command_succeeds_as_pasted() {
    let stream = Stream::new();
    let document = document("docs/prometheus.md");
    let commands = blocks(&document, "sh");
    let printed: Vec<String> = commands.into_iter().map(|command| run(command, &stream)).collect();
    assert!(printed[0].contains("\nheartbeat_n_total{country=\"US\"} 3\n"), "{printed:?}");
    assert!(
        printed[1].contains(r#"{"metric":{"country":"US"},"value":["#) && printed[1].contains(r#","1.5"]"#),
        "{printed:?}"
    );
    let said = crate::prometheus::tools::check_config(blocks(&document, "yaml")[0]);
    assert!(said.is_none_or(|said| said.contains("SUCCESS")), "promtool does not take the configuration");
}

#[test]
fn every_command_block_is_run_by_a_test() {
    for name in names() {
        let document = document(&name);
        for language in ["bash", "shell", "text"] {
            for block in blocks(&document, language) {
                assert!(!block.lines().any(|line| line.starts_with("curl ")), "{name}: {block}");
            }
        }
        // Those belong elsewhere: they install, set up or serve.
        for block in blocks(&document, "console") {
            assert!(!block.contains("curl "), "{name}: {block}");
        }
    }
}

#[test]
fn every_problem_is_on_the_page_and_in_the_table() {
    let (page, table) = (document("public/problems.html"), document("docs/api.md"));
    let source = document("src/edge/problem.rs");
    let slugs: Vec<&str> = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Self::")?.split_once("=> (")?.1.split('"').nth(1))
        .collect();
    assert!(slugs.len() >= 15, "{slugs:?}");
    for slug in slugs {
        assert!(page.contains(&format!("id=\"{slug}\"")), "problems.html lacks {slug}");
        assert!(table.contains(&format!("| `{slug}` |")), "docs/api.md lacks {slug}");
    }
}
