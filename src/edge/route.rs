//! Which endpoints a path leads to, and the parts of a URL.

use worker::Method;

use super::endpoint::{Access, Dialect, Endpoint, Methods};
use super::endpoints::ENDPOINTS;

/// The endpoints of a path.
pub(super) struct Route<'a> {
    endpoints: &'static [Endpoint],
    /// The path segments that the pattern names.
    names: [&'a str; 2],
}

impl<'a> Route<'a> {
    /// The endpoints of a path; `None` if the path does not belong to the API, but may be a static asset's.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        ENDPOINTS.chunk_by(|one, other| one.path == other.path).find_map(|endpoints| {
            let names = matched(endpoints[0].path, endpoints[0].dialect.trimmed(path))?;
            Some(Self { endpoints, names })
        })
    }

    /// The endpoint for a method, or all methods of the path if there is none.
    pub(super) fn endpoint(&self, method: &Method) -> Result<&'static Endpoint, Methods> {
        let wanted = Methods::of(method);
        self.endpoints.iter().find(|endpoint| endpoint.methods.has(wanted)).ok_or_else(|| self.methods())
    }

    /// All methods of the path.
    pub(super) fn methods(&self) -> Methods {
        self.endpoints.iter().fold(Methods::NONE, |all, endpoint| all.with(endpoint.methods))
    }

    /// The dialect of the path.
    pub(super) fn dialect(&self) -> Dialect {
        self.endpoints[0].dialect
    }

    /// The path segments that the pattern names; a stream's id comes first.
    pub(super) fn names(&self) -> [&'a str; 2] {
        self.names
    }

    /// The id of the stream that a page's script writes to at this path, whose preflight respects the stream's list of
    /// origins. app.net's API lets every page ask, and refuses the write itself.
    pub(super) fn written_by_pages(&self) -> Option<&'a str> {
        let is_written = |endpoint: &Endpoint| endpoint.access == Access::Writer && endpoint.methods.has(Methods::POST);
        let is_ours = self.dialect() != Dialect::AppNet;
        (is_ours && self.endpoints.iter().any(is_written)).then_some(self.names[0])
    }
}

/// The path segments that a pattern names; `None` if the path does not match.
fn matched<'a>(pattern: &str, path: &'a str) -> Option<[&'a str; 2]> {
    let (mut names, mut count) = ([""; 2], 0);
    let mut parts = path.split('/');
    for wanted in pattern.split('/') {
        if wanted == "{*}" {
            return Some(names);
        }
        let part = parts.next()?;
        if wanted.starts_with('{') {
            *names.get_mut(count)? = part;
            count += 1;
        } else if wanted != part {
            return None;
        }
    }
    parts.next().is_none().then_some(names)
}

/// The path of a URL, as the runtime writes it.
pub(super) fn path(url: &str) -> &str {
    let behind_origin = &url[origin(url).len()..];
    behind_origin.split(['?', '#']).next().unwrap_or("/")
}

/// The query string, without the question mark.
pub(super) fn query_string(url: &str) -> &str {
    let without_fragment = url.split('#').next().unwrap_or(url);
    without_fragment.split_once('?').map_or("", |(_, query_string)| query_string)
}

/// Scheme and host.
pub(super) fn origin(url: &str) -> &str {
    let host_at = url.find("://").map_or(0, |at| at + "://".len());
    let end = url[host_at..].find(['/', '?', '#']).map_or(url.len(), |at| host_at + at);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::endpoint::Handler;

    #[test]
    fn a_url_is_split_into_its_parts() {
        let url = "http://127.0.0.1:8787/v1/streams/abc/rollup?by=a&key=b#c?d";
        assert_eq!(origin(url), "http://127.0.0.1:8787");
        assert_eq!(path(url), "/v1/streams/abc/rollup");
        assert_eq!(query_string(url), "by=a&key=b");
        assert_eq!((path("https://a.example"), query_string("https://a.example/")), ("", ""));
    }

    /// The pattern and the named segments of a path.
    fn of(path: &str) -> (&'static str, [&str; 2]) {
        Route::of(path).map_or(("", [""; 2]), |route| (route.endpoints[0].path, route.names))
    }

    #[test]
    fn every_row_is_reached_by_its_path() {
        assert_eq!([of("/").0, of("/v2/streams").0, of("/openapi.json/").0], ["", "", ""]);
        for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.is_listed()) {
            let mut parts: Vec<&str> = endpoint.path.split('/').collect();
            let mut names = ["b%2Fc", "a"].into_iter();
            for part in parts.iter_mut().rev().filter(|part| part.starts_with('{')) {
                *part = names.next().expect("at most two names");
            }
            let path = parts.join("/");
            assert_eq!(of(&path).0, endpoint.path);
            let with_slash = format!("{path}/");
            let takes_slash = matches!(endpoint.dialect, Dialect::AppNet | Dialect::Graphite);
            assert_eq!(of(&with_slash).0 == endpoint.path, takes_slash, "{with_slash}");
        }
        assert_eq!(of("/v1/streams/a/labels/b%2Fc"), ("/v1/streams/{stream}/labels/{label}", ["a", "b%2Fc"]));
        assert_eq!(of("/v1/streams/a/graphite/functions/sumSeries/").1, ["a", "sumSeries"]);
        assert_eq!(of("/v1/streams/a/prometheus/api/v1/label/a%2Fb/values").1, ["a", "a%2Fb"]);
        assert_eq!(of("/stream/0/users/me/"), ("/stream/0/users/{user}", ["me", ""]));
        assert_eq!(of("/stream/0/channels/a/messages/7").1, ["a", "7"]);
    }

    #[test]
    fn an_unknown_path_is_refused_in_the_dialect_around_it() {
        let own = "/v1 /v1/ /v1/stream /v1/streams/a/b /v1/streams/a/points/x /v1/streams/a/labels/b/c \
            /v1/streams/a/write-keys/b/c /v1/streams/a/writers/b /v1/streams/a/otlp/v1/traces \
            /v1/streams/a/otlp/v1/metrics/";
        let graphite = " / /rendering /render/x /metrics /tags/a/b /tags/autoComplete/tags/x";
        let prometheus = " / /api/v1/ /api/v1/query/ /api/v1/query/x /api/v1/label/a /api/v1/label/a/b/values";
        let app_net = " / /0 /0/ /1/channels /0/posts /0/channels/a/b /0/channels/a/messages/7/8 /0/token/x \
            /0/channels/pm /0/channels/messages/x /0/users/search /0/streams /0/streams/1/x";
        for (start, ends, pattern) in [
            ("", own, "/v1/{*}"),
            ("/v1/streams/a/graphite", graphite, "/v1/streams/{stream}/graphite/{*}"),
            ("/v1/streams/a/prometheus", prometheus, "/v1/streams/{stream}/prometheus/{*}"),
            ("/stream", app_net, "/stream/{*}"),
        ] {
            for end in ends.split(' ') {
                let path = format!("{start}{end}");
                let route = Route::of(&path).expect("under the API's paths");
                let endpoint = route.endpoint(&Method::Get).expect("GET is everywhere");
                let has_dialect_of = ENDPOINTS.iter().find(|other| other.path == pattern).expect("a row");
                assert!(!endpoint.is_listed(), "{path}");
                assert_eq!(endpoint.dialect, has_dialect_of.dialect, "{path}");
            }
        }
        let why = |path: &str| match Route::of(path).expect("a path").endpoint(&Method::Put).expect("PUT too").handler {
            Handler::Nothing(why) => why,
            _ => "",
        };
        assert!(why("/stream/0/filters/7").contains("streams are not supported"));
        assert!(why("/stream/0/posts").contains("channels and their messages"));
    }

    #[test]
    fn rows_of_one_path_are_adjacent_and_handlers_get_its_names() {
        let mut before: Vec<&str> = Vec::new();
        for endpoints in ENDPOINTS.chunk_by(|one, other| one.path == other.path) {
            let path = endpoints[0].path;
            assert!(!before.contains(&path), "{path} is in two places");
            before.push(path);
            let names: Vec<&str> = path.split('/').filter(|part| part.starts_with('{') && *part != "{*}").collect();
            let mut all = Methods::NONE;
            for endpoint in endpoints {
                assert_eq!(endpoint.dialect, endpoints[0].dialect, "{path}");
                assert!(endpoint.methods.names().all(|name| !all.names().any(|other| other == name)), "{path}");
                all = all.with(endpoint.methods);
                let is_right = match endpoint.handler {
                    Handler::Plain(_) => names.is_empty(),
                    Handler::Name(_) => names == ["{user}"],
                    Handler::Stream(_) => matches!(names[..], ["{stream}" | "{channel}"]),
                    Handler::Part(_) => matches!(names[..], ["{stream}" | "{channel}", _]),
                    Handler::Nothing(_) => path.ends_with("{*}"),
                };
                assert!(is_right, "{path}");
            }
        }
    }
}
