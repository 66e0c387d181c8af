//! The search for the owner's channels, as on app.net.

use super::TIMESERIES;
use super::paging::param;
use super::user::User;

/// A search; a parameter that is absent matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// Whether nothing can match: another type, another creator, or tags, which no channel has.
    is_hopeless: bool,
    is_public: Option<bool>,
    /// Words that a name must contain, in lower case.
    words: Vec<String>,
}

impl Search {
    /// Parses the search in a query string. `order` is ignored: the newest come first.
    #[must_use]
    pub fn of(query_string: &str) -> Self {
        let is_other = |name: &str, is_ours: &dyn Fn(&str) -> bool| {
            param(query_string, name).is_some_and(|value| !value.split(',').any(|value| is_ours(value.trim())))
        };
        let is_owner = |id: &str| id == "me" || User::named(id) == Some(User::Owner);
        let is_type = |kind: &str| kind == TIMESERIES;
        let flag = |name: &str| param(query_string, name).map(|value| matches!(value.as_str(), "1" | "true"));
        let words = param(query_string, "q").unwrap_or_default().to_lowercase();
        let (public, private) = (flag("is_public"), flag("is_private").map(|is_private| !is_private));
        Self {
            is_hopeless: is_other("type", &is_type)
                || is_other("channel_types", &is_type)
                || is_other("creator_id", &is_owner)
                || param(query_string, "tags").is_some()
                || public.zip(private).is_some_and(|(one, other)| one != other),
            is_public: public.or(private),
            words: words.split_whitespace().map(str::to_owned).collect(),
        }
    }

    /// Whether it matches a stream with this name.
    #[must_use]
    pub fn finds(&self, name: &str, is_public: bool) -> bool {
        let name = name.to_lowercase();
        !self.is_hopeless
            && self.is_public.is_none_or(|wanted| wanted == is_public)
            && self.words.iter().all(|word| name.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_finds_what_matches_all_parameters() {
        let finds = |query: &str| {
            let search = Search::of(query);
            (search.finds("Visits of a blog", true), search.finds("net.app.contrib.timeseries", false))
        };
        assert_eq!(finds(""), (true, true));
        assert_eq!(finds("type=net.app.contrib.timeseries&creator_id=1&order=id&q="), (true, true));
        assert_eq!((finds("creator_id=me"), finds("creator_id=@owner")), ((true, true), (true, true)));
        for hopeless in ["type=x", "creator_id=2", "tags=a", "is_public=1&is_private=1", "channel_types=a,b"] {
            assert_eq!(finds(hopeless), (false, false), "{hopeless}");
        }
        assert_eq!((finds("is_public=1"), finds("is_public=0")), ((true, false), (false, true)));
        assert_eq!((finds("is_private=true"), finds("is_private=false")), ((false, true), (true, false)));
        assert_eq!(finds("is_public=1&is_private=0"), (true, false));
        assert_eq!((finds("q=VISITS+blog"), finds("q=visits+shop")), ((true, false), (false, false)));
    }
}
