//! Which path of Prometheus' HTTP API is what, behind `prometheus/api/v1/`.

/// What clients ask to know which parts of the API there are.
const BUILD_INFO: &str =
    r#"{"version":"2.42.0","revision":"heartbeat","branch":"","buildUser":"","buildDate":"","goVersion":""}"#;

/// What a path names; GET and POST do the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::edge) enum Route<'a> {
    Query {
        is_range: bool,
    },
    Series,
    Labels,
    LabelValues(&'a str),
    Metadata,
    /// What is the same for all streams: rules, alerts and exemplars, of which there are none.
    Fixed(&'static str),
    Unknown,
}

impl<'a> Route<'a> {
    /// What the parts of a path behind `prometheus` name.
    pub(in crate::edge) fn of(mut parts: impl Iterator<Item = &'a str>) -> Self {
        if (parts.next(), parts.next()) != (Some("api"), Some("v1")) {
            return Self::Unknown;
        }
        match [parts.next(), parts.next(), parts.next(), parts.next()] {
            [Some("query"), None, ..] => Self::Query { is_range: false },
            [Some("query_range"), None, ..] => Self::Query { is_range: true },
            [Some("series"), None, ..] => Self::Series,
            [Some("labels"), None, ..] => Self::Labels,
            [Some("label"), Some(name), Some("values"), None] => Self::LabelValues(name),
            [Some("metadata"), None, ..] => Self::Metadata,
            [Some("status"), Some("buildinfo"), None, _] => Self::Fixed(BUILD_INFO),
            [Some("rules"), None, ..] => Self::Fixed(r#"{"groups":[]}"#),
            [Some("alerts"), None, ..] => Self::Fixed(r#"{"alerts":[]}"#),
            [Some("query_exemplars"), None, ..] => Self::Fixed("[]"),
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
        assert_eq!(of("api/v1/query"), Route::Query { is_range: false });
        assert_eq!(of("api/v1/query_range"), Route::Query { is_range: true });
        assert_eq!(of("api/v1/label/a%2Fb/values"), Route::LabelValues("a%2Fb"));
        assert_eq!(of("api/v1/status/buildinfo"), Route::Fixed(BUILD_INFO));
        for unknown in
            ["", "api", "api/v1", "api/v2/query", "api/v1/query/x", "api/v1/label/a", "api/v1/label/a/values/x"]
        {
            assert_eq!(of(unknown), Route::Unknown, "{unknown}");
        }
    }
}
