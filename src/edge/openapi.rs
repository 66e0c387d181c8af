//! The description of the API in `OpenAPI` 3.1, generated from the [table of endpoints](super::endpoints).

use super::endpoint::{Access, Dialect, Endpoint, Handler};
use super::endpoints::ENDPOINTS;
use super::reply::Reply;

const HEAD: &str = concat!(
    r#"{"openapi":"3.1.0","info":{"title":"Heartbeat","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#"","description":"A time-series monitoring API: everyone can write labelled datapoints; only the owner and holders "#,
    r#"of the read key may read them. docs/api.md has parameters and fields."},"#,
    r#""components":{"securitySchemes":{"#,
    r#""bearer":{"type":"http","scheme":"bearer","description":"OWNER_TOKEN, a read key or a write key"},"#,
    r#""password":{"type":"http","scheme":"basic","description":"a read key or a write key as the password"},"#,
    r#""key":{"type":"apiKey","in":"query","name":"key","description":"a read key or a write key"},"#,
    r#""access_token":{"type":"apiKey","in":"query","name":"access_token"}}},"paths":{"#
);

/// Answers with the description.
pub(super) fn describe() -> Reply {
    Reply::json(200, description()).with("Cache-Control", "public, max-age=300")
}

fn description() -> String {
    let mut text = HEAD.to_owned();
    for endpoints in ENDPOINTS.chunk_by(|one, other| one.path == other.path) {
        if endpoints[0].is_listed() {
            describe_path(endpoints, &mut text);
            text.push(',');
        }
    }
    text.pop();
    text.push_str("}}");
    text
}

fn describe_path(endpoints: &[Endpoint], text: &mut String) {
    let path = endpoints[0].path;
    text.extend(["\"", path, "\":{\"parameters\":["]);
    let names = path.split(['{', '}']).skip(1).step_by(2);
    let parameter = r#"","in":"path","required":true,"schema":{"type":"string"}}"#;
    push_list(text, names.map(|name| format!("{{\"name\":\"{name}{parameter}")));
    text.push(']');
    for endpoint in endpoints {
        for method in endpoint.methods.names().filter(|method| *method != "HEAD") {
            text.extend([",\"", &method.to_ascii_lowercase(), "\":{\"summary\":\"", endpoint.summary, "\""]);
            text.extend([",\"security\":[", security(endpoint), "]"]);
            if method == "POST" || method == "PATCH" {
                push_content(",\"requestBody\":{", endpoint.takes, text);
                if !endpoint.takes.is_empty() {
                    text.push('}');
                }
            }
            text.push_str(",\"responses\":{");
            push_list(text, endpoint.answers.iter().map(|(status, types)| response(*status, types)));
            for status in refusals(endpoint, method) {
                text.extend([",", &response(status, errors(endpoint.dialect))]);
            }
            text.push_str("}}");
        }
    }
    text.push('}');
}

fn push_list(text: &mut String, items: impl Iterator<Item = String>) {
    text.push_str(&items.collect::<Vec<_>>().join(","));
}

/// Writes `before` and the media types of a body, or nothing if there are none.
fn push_content(before: &str, types: &str, text: &mut String) {
    if !types.is_empty() {
        text.extend([before, "\"content\":{"]);
        push_list(text, types.split(' ').map(|media_type| format!("\"{media_type}\":{{}}")));
        text.push('}');
    }
}

fn response(status: u16, types: &str) -> String {
    let mut text = format!("\"{status}\":{{\"description\":\"{}\"", if status < 400 { "Done" } else { "Refused" });
    push_content(",", types, &mut text);
    text.push('}');
    text
}

/// The media type of errors.
fn errors(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Own | Dialect::Graphite | Dialect::Scrape => "application/problem+json",
        Dialect::AppNet | Dialect::Prometheus => "application/json",
        Dialect::Otlp => "application/x-protobuf application/json",
    }
}

/// The statuses of errors.
fn refusals(endpoint: &Endpoint, method: &str) -> Vec<u16> {
    if (endpoint.dialect, endpoint.access) == (Dialect::Own, Access::Open) {
        return Vec::new();
    }
    let is_of_a_stream = matches!(endpoint.handler, Handler::Stream(_) | Handler::Part(_));
    let is_owner = matches!(endpoint.access, Access::Owner | Access::OwnerInBody);
    let (is_reader, is_writer) = (endpoint.access == Access::Reader, endpoint.access == Access::Writer);
    let has_body = !endpoint.takes.is_empty() && method != "GET";
    let all = [
        (400, true),
        (401, true),
        (403, is_owner || is_writer),
        (404, is_of_a_stream || matches!(endpoint.handler, Handler::Name(_))),
        (408, has_body),
        (409, is_owner && is_of_a_stream),
        (413, has_body || is_writer),
        (415, has_body),
        (422, (is_reader || method == "DELETE") && endpoint.dialect != Dialect::Prometheus),
        (429, is_writer || has_body),
        (500, true),
        (503, true),
    ];
    all.into_iter().filter(|(_, may_be)| *may_be).map(|(status, _)| status).collect()
}

/// Where credentials may be. `{}` means that none is required.
fn security(endpoint: &Endpoint) -> &'static str {
    match (endpoint.dialect, endpoint.access) {
        (Dialect::AppNet, Access::Owner | Access::OwnerInBody) => r#"{"bearer":[]},{"access_token":[]}"#,
        (Dialect::AppNet, _) => r#"{},{"bearer":[]},{"access_token":[]}"#,
        (_, Access::Owner | Access::OwnerInBody) => r#"{"bearer":[]}"#,
        (_, Access::Writer) => r#"{},{"bearer":[]},{"password":[]},{"key":[]}"#,
        (dialect, Access::Reader) if dialect.takes_password() => r#"{},{"bearer":[]},{"password":[]},{"key":[]}"#,
        (_, Access::Reader) => r#"{},{"bearer":[]},{"key":[]}"#,
        (_, Access::Open) => "{}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_has_exactly_the_rows_of_the_table() {
        let description: serde_json::Value = serde_json::from_str(&description()).expect("JSON");
        let paths = description["paths"].as_object().expect("an object");
        let mut listed = 0;
        for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.is_listed()) {
            for method in endpoint.methods.names().filter(|method| *method != "HEAD") {
                let operation = &paths[endpoint.path][method.to_ascii_lowercase()];
                assert_eq!(operation["summary"], endpoint.summary, "{method} {}", endpoint.path);
                listed += 1;
            }
        }
        let operations = paths.values().map(|path| path.as_object().expect("an object").len() - 1);
        assert_eq!(operations.sum::<usize>(), listed);
    }

    #[test]
    fn the_document_lists_exactly_the_rows_of_the_table() {
        let who = |access| match access {
            Access::Open => "everyone",
            Access::Writer => "writers",
            Access::Reader => "readers",
            Access::Owner | Access::OwnerInBody => "the owner",
        };
        let line = |endpoint: &Endpoint| {
            let methods: Vec<&str> = endpoint.methods.names().filter(|method| *method != "HEAD").collect();
            let (path, summary) = (endpoint.path, endpoint.summary);
            format!("| `{} {path}` | {} | {summary} |\n", methods.join(", "), who(endpoint.access))
        };
        let listed: String = ENDPOINTS.iter().filter(|endpoint| endpoint.is_listed()).map(line).collect();
        let document = include_str!("../../docs/api.md");
        assert!(document.contains(&listed), "docs/api.md must list exactly these:\n{listed}");
        assert!(listed.lines().all(|line| line.len() <= 120), "a summary is too long");
    }
}
