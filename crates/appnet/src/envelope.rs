//! The envelope of every response of the app.net API: `data`, and `meta` with the status.

use json::write::{push_formatted, push_text};

/// The response to a successful request. Both arguments are JSON; `meta` is what follows the code, including its
/// comma.
#[must_use]
pub fn data(data: &str, meta: &str) -> String {
    format!(r#"{{"data":{data},"meta":{{"code":200{meta}}}}}"#)
}

/// The response to a failed request: it has no `data`.
#[must_use]
pub fn error(code: u16, message: &str, slug: Option<&str>) -> String {
    let mut out = String::new();
    push_formatted(&mut out, format_args!(r#"{{"meta":{{"code":{code},"error_message":"#));
    push_text(&mut out, message);
    if let Some(slug) = slug {
        out.extend([",\"error_slug\":\"", slug, "\""]);
    }
    out.push_str("}}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_successful_response_has_data() {
        assert_eq!(data("[]", ""), r#"{"data":[],"meta":{"code":200}}"#);
        assert_eq!(data("{}", r#","more":false"#), r#"{"data":{},"meta":{"code":200,"more":false}}"#);
        assert_eq!(error(400, "not \"so\"", None), r#"{"meta":{"code":400,"error_message":"not \"so\""}}"#);
        assert_eq!(
            error(401, "no", Some("invalid-token")),
            r#"{"meta":{"code":401,"error_message":"no","error_slug":"invalid-token"}}"#
        );
    }
}
