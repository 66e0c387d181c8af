//! Which path of Prometheus' HTTP API is what, behind `prometheus/api/v1/`.

/// What a path names; GET and POST do the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::edge) enum Route<'a> {
    Query,
    QueryRange,
    Series,
    Labels,
    LabelValues(&'a str),
    Metadata,
    BuildInfo,
    /// Of rules and alerts, of which a stream has none.
    NoRules(&'static str),
    NoExemplars,
    Unknown,
}

impl<'a> Route<'a> {
    /// What the parts of a path behind `prometheus` name.
    pub(in crate::edge) fn of(mut parts: impl Iterator<Item = &'a str>) -> Self {
        if (parts.next(), parts.next()) != (Some("api"), Some("v1")) {
            return Self::Unknown;
        }
        match [parts.next(), parts.next(), parts.next(), parts.next()] {
            [Some("query"), None, ..] => Self::Query,
            [Some("query_range"), None, ..] => Self::QueryRange,
            [Some("series"), None, ..] => Self::Series,
            [Some("labels"), None, ..] => Self::Labels,
            [Some("label"), Some(name), Some("values"), None] => Self::LabelValues(name),
            [Some("metadata"), None, ..] => Self::Metadata,
            [Some("status"), Some("buildinfo"), None, _] => Self::BuildInfo,
            [Some("rules"), None, ..] => Self::NoRules(r#"{"groups":[]}"#),
            [Some("alerts"), None, ..] => Self::NoRules(r#"{"alerts":[]}"#),
            [Some("query_exemplars"), None, ..] => Self::NoExemplars,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_prometheus() {
        let of = |path: &'static str| Route::of(path.split('/'));
        assert_eq!(of("api/v1/query"), Route::Query);
        assert_eq!(of("api/v1/query_range"), Route::QueryRange);
        assert_eq!(of("api/v1/label/a%2Fb/values"), Route::LabelValues("a%2Fb"));
        assert_eq!(of("api/v1/status/buildinfo"), Route::BuildInfo);
        for unknown in
            ["", "api", "api/v1", "api/v2/query", "api/v1/query/x", "api/v1/label/a", "api/v1/label/a/values/x"]
        {
            assert_eq!(of(unknown), Route::Unknown, "{unknown}");
        }
    }
}
