//! Which messages a client of the app.net face asks for, and how much of them.

use crate::wire::command::Page;

/// A page has this many messages when nobody says otherwise.
const DEFAULT_COUNT: i16 = 20;
/// A page has at most this many.
const MAX_COUNT: i16 = 200;
/// Ids are numbers that every JSON parser holds exactly.
const MAX_ID: u64 = 1 << 53;

/// What of messages is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Machine-only messages at all.
    pub machine: bool,
    /// Their annotations.
    pub annotations: bool,
}

/// Why parameters are refused. Those that this server does not know are ignored, as clients send many.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PagingError {
    /// Not an id; app.net had markers such as `last_read`, which are not kept here.
    #[error("{0} must be the id of a message, a whole number; markers are not kept here")]
    Id(&'static str),
    /// Not a number of messages.
    #[error("count must be a whole number from 1 to {MAX_COUNT}, or from -{MAX_COUNT} to -1 for the oldest first")]
    Count,
}

impl Shown {
    /// What a query string asks for.
    #[must_use]
    pub fn of(query_string: &str) -> Self {
        let is_set = |name: &str| matches!(param(query_string, name).as_deref(), Some("1" | "true"));
        Self { machine: is_set("include_machine"), annotations: is_set("include_annotations") }
    }
}

/// The page that a query string asks for.
///
/// # Errors
/// [`PagingError`]
pub fn page(query_string: &str) -> Result<Page, PagingError> {
    let id = |name| match param(query_string, name) {
        None => Ok(None),
        Some(text) => message_id(&text).map(Some).ok_or(PagingError::Id(name)),
    };
    let count = match param(query_string, "count") {
        None => DEFAULT_COUNT,
        Some(text) => {
            let count: Option<i16> = text.parse().ok();
            count
                .filter(|count| (1..=MAX_COUNT.unsigned_abs()).contains(&count.unsigned_abs()))
                .ok_or(PagingError::Count)?
        }
    };
    Ok(Page { since: id("since_id")?, before: id("before_id")?, count })
}

/// The page that has one message only, if it is there.
#[must_use]
pub fn page_of(id: u64) -> Page {
    Page { since: Some(id.saturating_sub(1)), before: Some(id + 1), count: 1 }
}

/// The number of a message.
#[must_use]
pub fn message_id(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|id| is_number && *id <= MAX_ID)
}

/// A parameter that is there and not empty: clients of 2013 send `since_id=` before they have seen a message.
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
        Page { since, before, count }
    }

    #[test]
    fn a_page_is_as_app_net_had_it() {
        assert_eq!(page(""), Ok(messages(None, None, 20)));
        assert_eq!(page("since_id=&include_machine=1&callback=x"), Ok(messages(None, None, 20)));
        assert_eq!(page("since_id=2&before_id=9&count=-200"), Ok(messages(Some(2), Some(9), -200)));
        assert_eq!(page("since_id=0&count=200"), Ok(messages(Some(0), None, 200)));
        assert_eq!(page("before_id=9007199254740992&count=1"), Ok(messages(None, Some(1 << 53), 1)));
    }

    #[test]
    fn what_is_no_id_or_count_is_refused() {
        for id in ["last_read", "marker_inclusive", "-1", "+1", "1.5", "9007199254740993", "99999999999999999999"] {
            assert_eq!(page(&format!("since_id={id}")), Err(PagingError::Id("since_id")), "{id}");
            assert_eq!(page(&format!("before_id={id}")), Err(PagingError::Id("before_id")), "{id}");
        }
        for count in ["0", "201", "-201", "x", "1.5", "-32768", "99999"] {
            assert_eq!(page(&format!("count={count}")), Err(PagingError::Count), "{count}");
        }
    }

    #[test]
    fn nothing_is_shown_that_is_not_asked_for() {
        assert_eq!(Shown::of("include_machine=0&include_annotations="), Shown::default());
        let all = Shown { machine: true, annotations: true };
        assert_eq!(Shown::of("include_machine=1&include_annotations=true"), all);
    }
}
