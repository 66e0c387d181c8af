//! The type of a row in the [table of endpoints](super::endpoints): a path with methods, who may call it, its dialect,
//! and the function that handles it.

use futures_util::future::LocalBoxFuture;
use worker::Method;

use super::problem::Problem;
use super::reply::Reply;
use super::{Exchange, StreamId};

/// The media type of most answers.
pub(super) const JSON: &str = "application/json";

/// A row of the table.
pub(super) struct Endpoint {
    pub(super) methods: Methods,
    /// A pattern. A name in braces stands for one path segment, which may be empty; `{*}` at the end stands for any
    /// number of segments.
    pub(super) path: &'static str,
    pub(super) access: Access,
    pub(super) dialect: Dialect,
    /// Status codes of success, each with its media types, separated by spaces.
    pub(super) answers: &'static [(u16, &'static str)],
    /// The media types of request bodies, separated by spaces.
    pub(super) takes: &'static str,
    /// A few words for the documents; empty if they do not list the endpoint.
    pub(super) summary: &'static str,
    pub(super) handler: Handler,
}

/// Who may call an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Everyone. A credential may determine how much is shown.
    Open,
    /// Everyone, or holders of a write key if the stream requires one.
    Writer,
    /// The owner, holders of the read key, and everyone if the stream is public. The stream's object checks it.
    Reader,
    /// The owner. The token is checked before the handler runs.
    Owner,
    /// The owner. The token may be in the body, so the handler checks it.
    OwnerInBody,
}

/// The API that an endpoint belongs to. It determines the form of errors, where credentials may be, and the CORS
/// headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Our own: errors are `application/problem+json`.
    Own,
    /// app.net's: errors in its envelope, tokens also in `access_token`, and a slash allowed at the end of a path.
    AppNet,
    /// OpenTelemetry's: errors are `google.rpc.Status`.
    Otlp,
    /// Graphite's: our own errors, the read key also as a password, and slashes allowed at the end of a path.
    Graphite,
    /// Scrapes: our own errors, the read key also as a password.
    Scrape,
    /// Prometheus' HTTP API: its own errors, the read key also as a password.
    Prometheus,
}

/// A set of methods. It does not contain `OPTIONS`, which every path supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Methods(u8);

/// What a handler returns.
pub(super) type Answering<'a> = LocalBoxFuture<'a, Result<Reply, Problem>>;

/// The function that handles an endpoint, by the names in its path.
#[derive(Clone, Copy)]
pub(super) enum Handler {
    Plain(for<'a> fn(&'a mut Exchange) -> Answering<'a>),
    /// The path names something that does not belong to a stream.
    Name(for<'a> fn(&'a mut Exchange, &'a str) -> Answering<'a>),
    Stream(for<'a> fn(&'a mut Exchange, &'a StreamId) -> Answering<'a>),
    /// The path names a stream and something within it.
    Part(for<'a> fn(&'a mut Exchange, &'a StreamId, &'a str) -> Answering<'a>),
    /// The path is not found, for this reason.
    Nothing(&'static str),
}

impl Endpoint {
    /// An endpoint of our own dialect that answers `200` with JSON.
    pub(super) const fn new(methods: Methods, path: &'static str, access: Access, handler: Handler) -> Self {
        let (dialect, answers) = (Dialect::Own, &[(200, JSON)]);
        Self { methods, path, access, dialect, answers, takes: "", summary: "", handler }
    }

    /// The same with a summary, so the documents list it.
    pub(super) const fn says(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    /// The same in another dialect.
    pub(super) const fn of(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }

    /// The same with other answers.
    pub(super) const fn answers(self, answers: &'static [(u16, &'static str)]) -> Self {
        Self { answers, ..self }
    }

    /// The same with a body of one of these media types.
    pub(super) const fn takes(self, takes: &'static str) -> Self {
        Self { takes, ..self }
    }

    /// Whether the documents list it.
    pub(super) const fn is_listed(&self) -> bool {
        !self.summary.is_empty()
    }
}

impl Dialect {
    /// Whether the password of basic auth may be a read key.
    pub(super) const fn takes_password(self) -> bool {
        matches!(self, Self::Graphite | Self::Scrape | Self::Prometheus)
    }

    /// A path without the slashes at its end that the dialect ignores.
    pub(super) fn trimmed(self, path: &str) -> &str {
        match self {
            Self::AppNet => path.strip_suffix('/').unwrap_or(path),
            Self::Graphite => path.trim_end_matches('/'),
            Self::Own | Self::Otlp | Self::Scrape | Self::Prometheus => path,
        }
    }
}

impl Methods {
    pub(super) const NONE: Self = Self(0);
    /// For a GET that writes or waits for events; HEAD must do neither.
    pub(super) const GET_WITHOUT_HEAD: Self = Self(1);
    pub(super) const GET: Self = Self(1 | 2);
    pub(super) const POST: Self = Self(4);
    pub(super) const GET_OR_POST: Self = Self(1 | 2 | 4);
    pub(super) const PATCH: Self = Self(8);
    pub(super) const DELETE: Self = Self(16);
    /// All methods, including unknown ones.
    pub(super) const ANY: Self = Self(!0);

    /// The names in the order in which `Allow` lists them.
    const NAMES: [(Self, &'static str); 5] =
        [(Self(1), "GET"), (Self(2), "HEAD"), (Self(4), "POST"), (Self(8), "PATCH"), (Self(16), "DELETE")];

    /// The set of this one method. Methods that no endpoint supports are only in [`Methods::ANY`].
    pub(super) const fn of(method: &Method) -> Self {
        match method {
            Method::Get => Self(1),
            Method::Head => Self(2),
            Method::Post => Self(4),
            Method::Patch => Self(8),
            Method::Delete => Self(16),
            _ => Self(32),
        }
    }

    /// Whether all of these methods are in the set.
    pub(super) const fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// The methods of both sets.
    pub(super) const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// The names, without `OPTIONS`.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(one, _)| self.has(*one)).map(|(_, name)| name)
    }

    /// The names with `OPTIONS`, as `Allow` lists them.
    pub(super) fn listed(self) -> String {
        self.names().chain(["OPTIONS"]).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allow_lists_methods_in_their_order() {
        assert_eq!(
            Methods::DELETE.with(Methods::GET).with(Methods::PATCH).listed(),
            "GET, HEAD, PATCH, DELETE, OPTIONS"
        );
        assert_eq!(Methods::GET_WITHOUT_HEAD.listed(), "GET, OPTIONS");
        assert_eq!(Methods::ANY.listed(), "GET, HEAD, POST, PATCH, DELETE, OPTIONS");
    }
}
