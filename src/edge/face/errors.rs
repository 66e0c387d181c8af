//! Errors in app.net's envelope: the same problems as everywhere, in its form.

use crate::edge::problem::Problem;
use crate::edge::reply::Reply;
use appnet::envelope;
use ingest::outcome::ErrorEntry;

/// The answer to a request with or without a token.
pub(in crate::edge) fn reply(problem: &Problem, has_token: bool) -> Reply {
    let status = problem.status();
    let message = match problem {
        Problem::InvalidPoints(_, errors) if !errors.is_empty() => {
            errors.iter().map(place).collect::<Vec<_>>().join("; ")
        }
        problem => problem.detail().to_owned(),
    };
    let slug = match status {
        401 if has_token => Some("invalid-token"),
        401 | 403 => Some("not-authorized"),
        _ => None,
    };
    let reply = Reply::json(status, envelope::error(status, &message, slug)).with("Cache-Control", "no-store");
    problem.with_headers(reply)
}

/// What is wrong with a point, and where it is: `annotations[3].value.n is required`.
fn place(ErrorEntry { index, field, message }: &ErrorEntry) -> String {
    let begins_with = |field: &String| message.strip_prefix(field.as_str()).is_some_and(|rest| rest.starts_with(' '));
    let joint = if field.as_ref().is_some_and(begins_with) { "." } else { ": " };
    format!("annotations[{index}].value{joint}{message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_place_of_the_rejected_point() {
        let entry = |field: Option<&str>, message: &str| ErrorEntry {
            index: 3,
            field: field.map(str::to_owned),
            message: message.to_owned(),
        };
        assert_eq!(place(&entry(Some("n"), "n is required")), "annotations[3].value.n is required");
        assert_eq!(place(&entry(Some("v"), "label \"a\" is")), "annotations[3].value: label \"a\" is");
        assert_eq!(place(&entry(None, "a point must")), "annotations[3].value: a point must");
    }
}
