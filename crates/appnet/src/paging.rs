//! Which messages an app.net client requests, and which of their parts.

use std::ops::Range;

use protocol::command::Page;

/// The default number of messages in a page.
const DEFAULT_COUNT: i16 = 20;
/// The most messages in a page.
pub const MAX_COUNT: i16 = 200;
/// The highest id that every JSON parser represents exactly.
const MAX_ID: u64 = 1 << 53;

/// Which parts of messages to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageParts {
    /// Whether to show machine-only messages at all.
    pub machine: bool,
    /// Whether to show the annotations of messages.
    pub annotations: bool,
    /// Whether to leave out the HTML of messages' texts.
    pub no_html: bool,
}

/// Why parameters are rejected. Unknown ones are ignored, as clients send many.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PagingError {
    /// Not an id, for example one of app.net's markers.
    #[error("{0} must be a message's id (a whole number); markers such as last_read are not supported")]
    Id(&'static str),
    /// Not an id in a list of channels.
    #[error("{0} must be the id of one of the channels")]
    Channel(&'static str),
    /// Not a number of messages.
    #[error("count must be a whole number from 1 to {MAX_COUNT}, or from -{MAX_COUNT} to -1 for the oldest first")]
    Count,
}

impl MessageParts {
    /// What a query string asks for.
    #[must_use]
    pub fn of(query_string: &str) -> Self {
        let has_annotations = ["include_annotations", "include_message_annotations"];
        let no_html = matches!(param(query_string, "include_html").as_deref(), Some("0" | "false"));
        Self {
            machine: is_set(query_string, "include_machine"),
            annotations: has_annotations.into_iter().any(|name| is_set(query_string, name)),
            no_html,
        }
    }
}

/// Whether a parameter requests what it names.
#[must_use]
pub fn is_set(query_string: &str, name: &str) -> bool {
    matches!(param(query_string, name).as_deref(), Some("1" | "true"))
}

/// Parses the page in a query string.
///
/// # Errors
/// [`PagingError`]
pub fn page(query_string: &str) -> Result<Page, PagingError> {
    let id = |name| match param(query_string, name) {
        None => Ok(None),
        Some(text) => message_id(&text).map(Some).ok_or(PagingError::Id(name)),
    };
    let count = count(query_string)?;
    let machine = MessageParts::of(query_string).machine;
    Ok(Page { since: id("since_id")?, before: id("before_id")?, count, machine })
}

fn count(query_string: &str) -> Result<i16, PagingError> {
    let Some(text) = param(query_string, "count") else { return Ok(DEFAULT_COUNT) };
    let count: Option<i16> = text.parse().ok();
    let is_allowed = |count: &i16| (1..=MAX_COUNT.unsigned_abs()).contains(&count.unsigned_abs());
    count.filter(is_allowed).ok_or(PagingError::Count)
}

/// Selects a page of a list with the newest item first, and says whether there are more.
///
/// # Errors
/// [`PagingError`]
pub fn part(query_string: &str, ids: &[&str]) -> Result<(Range<usize>, bool), PagingError> {
    let place = |name| match param(query_string, name) {
        None => Ok(None),
        Some(id) => ids.iter().position(|other| *other == id).map(Some).ok_or(PagingError::Channel(name)),
    };
    let (start, end) = (place("before_id")?.map_or(0, |at| at + 1), place("since_id")?.unwrap_or(ids.len()));
    let (range, count) = (start..end.max(start), count(query_string)?);
    let most = usize::from(count.unsigned_abs()).min(range.len());
    let part = if count < 0 { range.end - most..range.end } else { range.start..range.start + most };
    Ok((part, most < range.len()))
}

/// The page that contains only one message.
#[must_use]
pub fn page_of(id: u64) -> Page {
    Page { since: Some(id.saturating_sub(1)), before: Some(id + 1), count: 1, machine: true }
}

/// The number of a message.
#[must_use]
pub fn message_id(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|id| is_number && *id <= MAX_ID)
}

/// A parameter that is present and not empty: clients of 2013 send `since_id=` before they have seen a message.
#[must_use]
pub fn param(query_string: &str, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query_string.as_bytes());
    pairs
        .find(|(candidate, _)| candidate == name)
        .map(|(_, value)| value.into_owned())
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(since: Option<u64>, before: Option<u64>, count: i16) -> Page {
        Page { since, before, count, machine: false }
    }

    #[test]
    fn a_page_works_as_on_app_net() {
        assert_eq!(page(""), Ok(messages(None, None, 20)));
        let machine = Page { machine: true, ..messages(None, None, 20) };
        assert_eq!(page("since_id=&include_machine=1&callback=x"), Ok(machine));
        assert_eq!(page("since_id=2&before_id=9&count=-200"), Ok(messages(Some(2), Some(9), -200)));
        assert_eq!(page("since_id=0&count=200"), Ok(messages(Some(0), None, 200)));
        assert_eq!(page("before_id=9007199254740992&count=1"), Ok(messages(None, Some(1 << 53), 1)));
    }

    #[test]
    fn invalid_ids_and_counts_are_rejected() {
        for id in ["last_read", "marker_inclusive", "-1", "+1", "1.5", "9007199254740993", "99999999999999999999"] {
            assert_eq!(page(&format!("since_id={id}")), Err(PagingError::Id("since_id")), "{id}");
            assert_eq!(page(&format!("before_id={id}")), Err(PagingError::Id("before_id")), "{id}");
        }
        for count in ["0", "201", "-201", "x", "1.5", "-32768", "99999"] {
            assert_eq!(page(&format!("count={count}")), Err(PagingError::Count), "{count}");
        }
    }

    #[test]
    fn a_page_of_a_list_is_between_its_ids() {
        let ids = ["j", "i", "h", "g", "f", "e", "d", "c", "b", "a"];
        let of = |query: &str| part(query, &ids).map(|(range, more)| (ids[range].concat(), more));
        let is = |text: &str, more| Ok((text.to_owned(), more));
        assert_eq!(of(""), is("jihgfedcba", false));
        assert_eq!(of("before_id=i&since_id=b&count=2"), is("hg", true));
        assert_eq!(of("before_id=i&since_id=b&count=-2"), is("dc", true));
        assert_eq!(of("before_id=c&since_id="), is("ba", false));
        assert_eq!(
            (of("since_id=j"), of("before_id=a"), of("before_id=a&since_id=j")),
            (is("", false), is("", false), is("", false))
        );
        assert_eq!(of("before_id=x"), Err(PagingError::Channel("before_id")));
        assert_eq!(of("count=0"), Err(PagingError::Count));
        assert_eq!(part("count=-200", &[]), Ok((0..0, false)));
    }

    #[test]
    fn only_requested_parts_are_shown() {
        assert_eq!(MessageParts::of("include_machine=0&include_annotations="), MessageParts::default());
        let all = MessageParts { machine: true, annotations: true, no_html: false };
        assert_eq!(MessageParts::of("include_machine=1&include_annotations=true"), all);
        assert_eq!(
            MessageParts::of("include_annotations=0&include_message_annotations=1&include_machine=1&include_html=1"),
            all
        );
        assert!(MessageParts::of("include_html=0").no_html);
    }
}
