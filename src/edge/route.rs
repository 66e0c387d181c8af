//! Which path and method is which action.

use worker::Method;

use super::{face, graphite, prometheus};

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    Streams,
    Stream(&'a str),
    ReadKey(&'a str),
    WriteKeys(&'a str),
    WriteKey(&'a str, &'a str),
    Writers(&'a str),
    RetryForward(&'a str),
    Points(&'a str),
    Statsd(&'a str),
    Otlp(&'a str),
    Pixel(&'a str),
    Rollup(&'a str),
    Labels(&'a str),
    LabelValues(&'a str, &'a str),
    Status(&'a str),
    Live(&'a str),
    Deltas(&'a str),
    Metrics(&'a str),
    /// Of the app.net face.
    Face(face::Route<'a>),
    /// Of a stream's Graphite API.
    Graphite(&'a str, graphite::Route<'a>),
    /// Of a stream as Prometheus.
    Prometheus(&'a str, prometheus::Route<'a>),
    /// Under the API's paths, but nothing.
    Unknown,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action<'a> {
    Preflight(Route<'a>),
    CreateStream,
    ListStreams,
    DescribeStream(&'a str),
    PatchStream(&'a str),
    DeleteStream(&'a str),
    NewReadKey(&'a str),
    NewWriteKey(&'a str),
    ListWriteKeys(&'a str),
    EndWriteKey(&'a str, &'a str),
    ReadWriters(&'a str),
    RetryForward(&'a str),
    WritePoints(&'a str),
    RemovePoints(&'a str),
    WriteStatsd(&'a str),
    WriteOtlp(&'a str),
    WritePixel(&'a str),
    ReadRollup(&'a str),
    ReadLabels(&'a str),
    ReadLabelValues(&'a str, &'a str),
    ReadStatus(&'a str),
    ReadLive(&'a str),
    ReadDeltas(&'a str),
    Face(face::Action<'a>),
    Graphite(&'a str, graphite::Route<'a>),
    Prometheus(&'a str, prometheus::Route<'a>),
    NotFound,
}

impl<'a> Route<'a> {
    /// What a path names; `None` when it is not the API's but may be a static asset's.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let mut parts = path.strip_prefix('/')?.split('/');
        match parts.next()? {
            "v1" => Some(Self::under_v1(path, parts)),
            "stream" => Some(Self::Face(face::Route::of(parts))),
            _ => None,
        }
    }

    fn under_v1(path: &'a str, mut parts: std::str::Split<'a, char>) -> Self {
        if parts.next() != Some("streams") {
            return Self::Unknown;
        }
        let rest = [parts.next(), parts.next(), parts.next(), parts.next()];
        match rest {
            [None, ..] => Self::Streams,
            [Some(id), None, ..] => Self::Stream(id),
            [Some(id), Some("labels"), Some(name), None] => Self::LabelValues(id, name),
            [Some(id), Some("write-keys"), Some(key), None] => Self::WriteKey(id, key),
            [Some(id), Some("forward"), Some("retry"), None] => Self::RetryForward(id),
            [Some(id), Some("otlp"), Some("v1"), Some("metrics")] if parts.next().is_none() => Self::Otlp(id),
            [Some(id), Some("graphite"), first, second] => {
                Self::Graphite(id, graphite::Route::of(first, second, parts.next(), parts.next()))
            }
            [Some(id), Some("prometheus"), ..] => {
                let (_, rest) = path.split_once("/prometheus/api/v1/").unwrap_or_default();
                Self::Prometheus(id, prometheus::Route::of(rest))
            }
            [Some(id), Some(leaf), None, _] => Self::leaf(id, leaf),
            _ => Self::Unknown,
        }
    }

    fn leaf(id: &'a str, leaf: &str) -> Self {
        match leaf {
            "read-key" => Self::ReadKey(id),
            "write-keys" => Self::WriteKeys(id),
            "writers" => Self::Writers(id),
            "points" => Self::Points(id),
            "statsd" => Self::Statsd(id),
            "pixel.gif" => Self::Pixel(id),
            "rollup" => Self::Rollup(id),
            "labels" => Self::Labels(id),
            "status" => Self::Status(id),
            "live" => Self::Live(id),
            "deltas" => Self::Deltas(id),
            "metrics" => Self::Metrics(id),
            _ => Self::Unknown,
        }
    }

    /// The methods of the path, as `Allow` lists them.
    pub(super) fn methods(self) -> &'static str {
        match self {
            Self::Face(route) => route.methods(),
            Self::Streams | Self::WriteKeys(_) | Self::Graphite(..) | Self::Prometheus(..) => {
                "GET, HEAD, POST, OPTIONS"
            }
            Self::WriteKey(..) => "DELETE, OPTIONS",
            Self::Stream(_) => "GET, HEAD, PATCH, DELETE, OPTIONS",
            Self::Points(_) => "POST, DELETE, OPTIONS",
            Self::ReadKey(_) | Self::RetryForward(_) | Self::Statsd(_) | Self::Otlp(_) => "POST, OPTIONS",
            Self::Unknown => "GET, HEAD, POST, PATCH, DELETE, OPTIONS",
            Self::Pixel(_) | Self::Live(_) => "GET, OPTIONS",
            Self::Rollup(_)
            | Self::Labels(_)
            | Self::LabelValues(..)
            | Self::Status(_)
            | Self::Writers(_)
            | Self::Deltas(_)
            | Self::Metrics(_) => "GET, HEAD, OPTIONS",
        }
    }

    /// What a method does here, or the methods that do something.
    pub(super) fn action(self, method: &Method) -> Result<Action<'a>, &'static str> {
        // HEAD is safe, so it writes no point; and it does not wait for what comes.
        let is_read = *method == Method::Head && !matches!(self, Self::Pixel(_) | Self::Live(_));
        let method = if is_read { &Method::Get } else { method };
        Ok(match (self, method) {
            (_, Method::Options) => Action::Preflight(self),
            (Self::Face(route), method) => Action::Face(route.action(method)?),
            (Self::Graphite(id, route), Method::Get | Method::Post) => Action::Graphite(id, route),
            (Self::Prometheus(id, route), Method::Get | Method::Post) => Action::Prometheus(id, route),
            (Self::Unknown, _) => Action::NotFound,
            (Self::Streams, Method::Post) => Action::CreateStream,
            (Self::Streams, Method::Get) => Action::ListStreams,
            (Self::Stream(id), Method::Get) => Action::DescribeStream(id),
            (Self::Stream(id), Method::Patch) => Action::PatchStream(id),
            (Self::Stream(id), Method::Delete) => Action::DeleteStream(id),
            (Self::ReadKey(id), Method::Post) => Action::NewReadKey(id),
            (Self::WriteKeys(id), Method::Post) => Action::NewWriteKey(id),
            (Self::WriteKeys(id), Method::Get) => Action::ListWriteKeys(id),
            (Self::WriteKey(id, key), Method::Delete) => Action::EndWriteKey(id, key),
            (Self::Writers(id), Method::Get) => Action::ReadWriters(id),
            (Self::RetryForward(id), Method::Post) => Action::RetryForward(id),
            (Self::Points(id), Method::Post) => Action::WritePoints(id),
            (Self::Points(id), Method::Delete) => Action::RemovePoints(id),
            (Self::Statsd(id), Method::Post) => Action::WriteStatsd(id),
            (Self::Otlp(id), Method::Post) => Action::WriteOtlp(id),
            (Self::Pixel(id), Method::Get) => Action::WritePixel(id),
            (Self::Rollup(id), Method::Get) => Action::ReadRollup(id),
            (Self::Labels(id), Method::Get) => Action::ReadLabels(id),
            (Self::LabelValues(id, name), Method::Get) => Action::ReadLabelValues(id, name),
            (Self::Status(id), Method::Get) => Action::ReadStatus(id),
            (Self::Live(id), Method::Get) => Action::ReadLive(id),
            (Self::Metrics(id), Method::Get) => Action::Prometheus(id, prometheus::Route::Metrics),
            (Self::Deltas(id), Method::Get) => Action::ReadDeltas(id),
            _ => return Err(self.methods()),
        })
    }
}

/// The path of a URL as the runtime writes it.
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

    #[test]
    fn a_url_is_taken_apart() {
        let url = "http://127.0.0.1:8787/v1/streams/abc/rollup?by=a&key=b#c?d";
        assert_eq!(origin(url), "http://127.0.0.1:8787");
        assert_eq!(path(url), "/v1/streams/abc/rollup");
        assert_eq!(query_string(url), "by=a&key=b");
        assert_eq!((path("https://a.example"), query_string("https://a.example/")), ("", ""));
    }

    #[test]
    fn paths_name_what_the_contract_says() {
        assert_eq!(Route::of("/"), None);
        assert_eq!(Route::of("/v2/streams"), None);
        assert_eq!(Route::of("/v1/streams"), Some(Route::Streams));
        assert_eq!(Route::of("/v1/streams/a"), Some(Route::Stream("a")));
        assert_eq!(Route::of("/v1/streams/a/labels"), Some(Route::Labels("a")));
        assert_eq!(Route::of("/v1/streams/a/write-keys"), Some(Route::WriteKeys("a")));
        assert_eq!(Route::of("/v1/streams/a/write-keys/b"), Some(Route::WriteKey("a", "b")));
        assert_eq!(Route::of("/v1/streams/a/writers"), Some(Route::Writers("a")));
        assert_eq!(Route::of("/v1/streams/a/otlp/v1/metrics"), Some(Route::Otlp("a")));
        assert_eq!(Route::of("/v1/streams/a/labels/b%2Fc"), Some(Route::LabelValues("a", "b%2Fc")));
        for unknown in [
            "/v1",
            "/v1/",
            "/v1/stream",
            "/v1/streams/a/b",
            "/v1/streams/a/points/x",
            "/v1/streams/a/labels/b/c",
            "/v1/streams/a/write-keys/b/c",
            "/v1/streams/a/writers/b",
            "/v1/streams/a/otlp/v1/traces",
            "/v1/streams/a/otlp/v1/metrics/",
        ] {
            assert_eq!(Route::of(unknown), Some(Route::Unknown), "{unknown}");
        }
    }
}
