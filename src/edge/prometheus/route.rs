//! Which path of Prometheus' HTTP API is what, behind `prometheus/api/v1/`.

use super::list::What;

/// What clients ask to know which parts of the API there are.
const BUILD_INFO: &str =
    r#"{"version":"2.42.0","revision":"heartbeat","branch":"","buildUser":"","buildDate":"","goVersion":""}"#;

/// What the metrics are.
const METADATA: &str = r#"{"heartbeat_d_total":[{"type":"counter","help":"Sum of d of all points since the stream began.","unit":""}],"heartbeat_n_total":[{"type":"counter","help":"Sum of n of all points since the stream began.","unit":""}],"heartbeat_points_total":[{"type":"counter","help":"Number of points since the stream began.","unit":""}]}"#;

/// What a path names; GET and POST do the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::edge) enum Route<'a> {
    Query {
        is_range: bool,
    },
    /// What is scraped; this one is not behind the others' path.
    Metrics,
    List(What<'a>),
    /// What is the same for all streams: what metrics are, and rules, alerts and exemplars, of which there are none.
    Fixed(&'static str),
    Unknown,
}

impl<'a> Route<'a> {
    /// What a path behind `prometheus/api/v1/` names.
    pub(in crate::edge) fn of(path: &'a str) -> Self {
        match path {
            "query" => Self::Query { is_range: false },
            "query_range" => Self::Query { is_range: true },
            "series" => Self::List(What::Series),
            "labels" => Self::List(What::Labels),
            "metadata" => Self::Fixed(METADATA),
            "status/buildinfo" => Self::Fixed(BUILD_INFO),
            "rules" => Self::Fixed(r#"{"groups":[]}"#),
            "alerts" => Self::Fixed(r#"{"alerts":[]}"#),
            "query_exemplars" => Self::Fixed("[]"),
            _ => {
                let name = path.strip_prefix("label/").and_then(|rest| rest.strip_suffix("/values"));
                name.filter(|name| !name.contains('/')).map_or(Self::Unknown, |name| Self::List(What::Values(name)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::metric::Metric;

    #[test]
    fn paths_are_those_of_prometheus() {
        assert_eq!(Route::of("query"), Route::Query { is_range: false });
        assert_eq!(Route::of("query_range"), Route::Query { is_range: true });
        assert_eq!(Route::of("label/a%2Fb/values"), Route::List(What::Values("a%2Fb")));
        assert_eq!(Route::of("status/buildinfo"), Route::Fixed(BUILD_INFO));
        for unknown in ["", "query/", "query/x", "label/a", "label/a/b/values", "label/a/values/x"] {
            assert_eq!(Route::of(unknown), Route::Unknown, "{unknown}");
        }
    }

    #[test]
    fn metadata_are_those_of_the_metrics() {
        let entry = |metric: &Metric| serde_json::json!([{"type": "counter", "help": metric.help(), "unit": ""}]);
        let metadata = Metric::ALL.iter().map(|metric| (metric.name().to_owned(), entry(metric)));
        let metadata: serde_json::Map<String, serde_json::Value> = metadata.collect();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(METADATA).expect("JSON"),
            serde_json::Value::from(metadata)
        );
    }
}
