//! Which path of the Graphite API is what. Each may end with a slash.

/// What a path names; GET and POST do the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::edge) enum Route<'a> {
    Render,
    Find,
    Expand,
    Functions,
    Function(&'a str),
    Version,
    Events,
    Tags,
    Tag(&'a str),
    CompleteTags,
    CompleteValues,
    FindSeries,
    Unknown,
}

impl<'a> Route<'a> {
    /// What the parts of a path behind `graphite` name.
    pub(in crate::edge) fn of(
        first: Option<&'a str>,
        second: Option<&'a str>,
        third: Option<&'a str>,
        fourth: Option<&'a str>,
    ) -> Self {
        let parts = [first, second, third, fourth];
        let len = parts.iter().flatten().count();
        let mut names = parts.map(Option::unwrap_or_default);
        // A slash at the end.
        if let Some(last) = len.checked_sub(1).filter(|last| *last > 0 && names[*last].is_empty()) {
            names[last] = "";
        } else if fourth.is_some() {
            return Self::Unknown;
        }
        match [names[0], names[1], names[2]] {
            ["render", "", ""] => Self::Render,
            ["metrics", "find", ""] => Self::Find,
            ["metrics", "expand", ""] => Self::Expand,
            ["functions", "", ""] => Self::Functions,
            ["functions", name, ""] => Self::Function(name),
            ["version", "", ""] => Self::Version,
            ["events", "get_data", ""] => Self::Events,
            ["tags", "", ""] => Self::Tags,
            ["tags", "findSeries", ""] => Self::FindSeries,
            ["tags", "autoComplete", "tags"] => Self::CompleteTags,
            ["tags", "autoComplete", "values"] => Self::CompleteValues,
            ["tags", tag, ""] => Self::Tag(tag),
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_graphites_with_a_slash_or_without() {
        let of = |path: &'static str| {
            let mut parts = path.split('/');
            Route::of(parts.next(), parts.next(), parts.next(), parts.next())
        };
        for (path, route) in [
            ("render", Route::Render),
            ("metrics/find", Route::Find),
            ("metrics/expand", Route::Expand),
            ("functions", Route::Functions),
            ("functions/sumSeries", Route::Function("sumSeries")),
            ("version", Route::Version),
            ("events/get_data", Route::Events),
            ("tags", Route::Tags),
            ("tags/country", Route::Tag("country")),
            ("tags/autoComplete/tags", Route::CompleteTags),
            ("tags/autoComplete/values", Route::CompleteValues),
            ("tags/findSeries", Route::FindSeries),
        ] {
            assert_eq!(of(path), route);
            assert_eq!(of(Box::leak(format!("{path}/").into_boxed_str())), route, "{path}/");
        }
        for path in ["", "/", "rendering", "render/x", "metrics", "tags/a/b", "tags/autoComplete/tags/x"] {
            assert_eq!(of(path), Route::Unknown, "{path}");
        }
    }
}
