//! The envelope of every answer of the app.net face: `data`, and `meta` that says how it went.

use json::write::{push_formatted, push_text};

/// The answer to a request that was done. Both are JSON; `meta` is what follows the code, from its comma on.
#[must_use]
pub fn data(data: &str, meta: &str) -> String {
    format!(r#"{{"data":{data},"meta":{{"code":200{meta}}}}}"#)
}

/// The answer to a request that was not done: it has no `data`.
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
    fn what_was_done_has_data_and_what_was_not_has_none() {
        assert_eq!(data("[]", ""), r#"{"data":[],"meta":{"code":200}}"#);
        assert_eq!(data("{}", r#","more":false"#), r#"{"data":{},"meta":{"code":200,"more":false}}"#);
        assert_eq!(error(400, "not \"so\"", None), r#"{"meta":{"code":400,"error_message":"not \"so\""}}"#);
        assert_eq!(
            error(401, "no", Some("invalid-token")),
            r#"{"meta":{"code":401,"error_message":"no","error_slug":"invalid-token"}}"#
        );
    }
}
