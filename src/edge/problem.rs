//! Errors as `application/problem+json` (RFC 9457): the one place that maps them to HTTP.

use serde::Serialize;

use config::stream::ConfigError;
use ingest::outcome::ErrorEntry;
use protocol::limited::{Hit, Limited};
use protocol::params::ParamError;
use protocol::refusal::Refusal;

use super::endpoint::Methods;
use super::reply::Reply;

/// The budgets that are exceeded, for programs.
pub(super) const LIMITS_HEADER: &str = "Heartbeat-Limits";

/// Why a request fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    InvalidRequest(String),
    InvalidPoints(String, Vec<ErrorEntry>),
    Unauthorized(&'static str),
    OriginNotAllowed,
    /// The owner has blocked the origin or the network of the write.
    Blocked,
    CreatingDisabled,
    NotFound(&'static str),
    MethodNotAllowed(Methods),
    TooLarge(String),
    UnsupportedMediaType(String),
    Conflict(String),
    QueryTooLarge(String),
    RateLimited,
    /// The request exceeds a budget of the stream.
    Limited(Box<Limited>),
    Overloaded,
    /// Bodies occupy all the memory that they may, or too many of them are unfinished.
    NoRoomForBody,
    /// Too many bodies from one network are unfinished.
    TooManyUploads,
    /// The body arrived too slowly.
    RequestTimeout,
    Unavailable,
    /// One shard failed, and its data is needed.
    Shard(String),
    /// The number of shards was raised during the write.
    Moved,
    /// A change was made at home, but has not reached every shard.
    NotEverywhere,
    /// The other side of a call runs another version, as during the seconds of a deployment.
    OtherVersion,
    /// KV does not answer, or accepts no write now.
    NoDirectory,
    NotConfigured(&'static str),
    Internal,
}

/// The body of a problem.
#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ErrorEntry],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    limits: Vec<LimitBody>,
}

/// A budget that is exceeded.
#[derive(Serialize)]
struct LimitBody {
    scope: &'static str,
    of: &'static str,
    retry_after: u32,
}

impl Problem {
    /// For a forged id, for a deleted stream, and for one that never existed: the answer does not reveal which.
    pub(super) const NO_SUCH_STREAM: Self = Self::NotFound("there is no such stream");

    /// For a write without a key to a stream that requires one.
    pub(super) const WRITE_KEY_NEEDED: Self = Self::Unauthorized(
        "this stream only accepts writes with a write key: as a bearer token, as the password of basic auth, or as ?key=",
    );
    /// For a write with a key that never belonged to the stream, or was revoked: the answer does not reveal which.
    pub(super) const WRONG_WRITE_KEY: Self =
        Self::Unauthorized("this is not a write key of this stream, or no longer one");

    /// Status, last part of the type, and title. Types are stable.
    fn kind(&self) -> (u16, &'static str, &'static str) {
        match self {
            Self::InvalidRequest(_) => (400, "invalid-request", "The request is not valid"),
            Self::InvalidPoints(..) => (400, "invalid-points", "No point was accepted"),
            Self::Unauthorized(_) => (401, "unauthorized", "A valid credential is required"),
            Self::OriginNotAllowed => (403, "origin-not-allowed", "This origin may not write"),
            Self::Blocked => (403, "blocked", "Writes from here are blocked"),
            Self::CreatingDisabled => (403, "creating-disabled", "This deployment has no owner"),
            Self::NotFound(_) => (404, "not-found", "Not found"),
            Self::MethodNotAllowed(_) => (405, "method-not-allowed", "This method is not allowed here"),
            Self::RequestTimeout => (408, "request-timeout", "The body arrived too slowly"),
            Self::Conflict(_) => (409, "conflict", "The stream's state does not allow this"),
            Self::TooLarge(_) => (413, "too-large", "The request is too large"),
            Self::UnsupportedMediaType(_) => (415, "unsupported-media-type", "This kind of body is not supported"),
            Self::QueryTooLarge(_) => (422, "query-too-large", "The query is too large"),
            Self::RateLimited | Self::TooManyUploads => (429, "rate-limited", "Too many requests"),
            Self::Limited(_) => (429, "rate-limited", "The stream's budget is used up"),
            Self::Internal => (500, "internal", "Something went wrong here"),
            Self::Overloaded => (503, "overloaded", "The stream is overloaded"),
            Self::NoRoomForBody => (503, "overloaded", "Too many bodies are in progress"),
            Self::Unavailable | Self::Moved => (503, "unavailable", "The stream could not be reached"),
            Self::OtherVersion => (503, "unavailable", "The deployment is being updated"),
            Self::NoDirectory => (503, "unavailable", "The list of streams could not be reached"),
            Self::Shard(_) | Self::NotEverywhere => (503, "unavailable", "Part of the stream could not be reached"),
            Self::NotConfigured(_) => (503, "not-configured", "This deployment is not configured"),
        }
    }

    /// The HTTP status.
    pub(super) fn status(&self) -> u16 {
        self.kind().0
    }

    /// What is wrong, for people.
    pub(super) fn detail(&self) -> &str {
        match self {
            Self::InvalidRequest(detail)
            | Self::InvalidPoints(detail, _)
            | Self::TooLarge(detail)
            | Self::UnsupportedMediaType(detail)
            | Self::Conflict(detail)
            | Self::Shard(detail)
            | Self::QueryTooLarge(detail) => detail,
            Self::Unauthorized(detail) | Self::NotFound(detail) | Self::NotConfigured(detail) => detail,
            Self::Limited(limited) => &limited.detail,
            Self::OriginNotAllowed => "the stream has an allow-list of origins, and this origin is not on it",
            Self::Blocked => {
                "the stream's owner has blocked this network or origin: writes from it require a write key"
            }
            Self::CreatingDisabled => "the secret OWNER_TOKEN is not set, so nobody can create or change streams",
            Self::MethodNotAllowed(_) => "the Allow header lists the methods of this path",
            Self::RateLimited => "too many writes from this address; send it again after the time in Retry-After",
            Self::Overloaded => "nothing from this request was stored; send it again after the time in Retry-After",
            Self::NoRoomForBody => {
                "the bodies that this server is reading fill the memory that is reserved for them; nothing from this request was stored; send it again after the time in Retry-After"
            }
            Self::TooManyUploads => {
                "this network has too many requests with incomplete bodies; nothing from this request was stored; send it again after the time in Retry-After"
            }
            Self::RequestTimeout => {
                "the body arrived too slowly: at least 8 KiB, or the rest of it, must arrive in every 10 s, and all of it within 60 s; nothing from this request was stored"
            }
            Self::Unavailable => "it is unknown whether the write was stored; send it again with its idempotency key",
            Self::Moved => {
                "nothing from this request was stored: the number of shards was raised in the meantime; send it again"
            }
            Self::NotEverywhere => {
                "the change is made but has not reached every shard; repeat the request to finish it"
            }
            Self::OtherVersion => {
                "the deployment is being updated, and its parts briefly run different versions; send the request again, a write with its idempotency key"
            }
            Self::NoDirectory => {
                "the list of streams can't be read or written at the moment, but the streams themselves work; send the request again"
            }
            Self::Internal => {
                "the cause is in the deployment's log; a write can be sent again with its idempotency key"
            }
        }
    }

    /// Whether the rest of the body is left unread, as it may never arrive.
    pub(super) fn leaves_body(&self) -> bool {
        matches!(self, Self::TooManyUploads | Self::RequestTimeout)
    }

    /// Whether a home that does not know [`protocol::command::Command::Announce`] may have said this: earlier versions
    /// answered an unknown command with an internal error.
    pub(super) fn is_of_earlier_home(&self) -> bool {
        matches!(self, Self::OtherVersion | Self::Internal)
    }

    /// The answer with the headers that help the client.
    pub(super) fn with_headers(&self, reply: Reply) -> Reply {
        let reply = match self.header() {
            Some((name, value)) => reply.with(name, value),
            None => reply,
        };
        if let Self::MethodNotAllowed(methods) = self {
            return reply.with("Allow", methods.listed());
        }
        let Self::Limited(limited) = self else { return reply };
        reply.with("Retry-After", limited.retry_after_s().to_string()).with(LIMITS_HEADER, limited.header())
    }

    /// The header that is the same every time.
    pub(super) fn header(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Unauthorized(_) => Some(("WWW-Authenticate", "Bearer realm=\"heartbeat\"")),
            // An upload that idles is ended after the same time.
            Self::RateLimited | Self::TooManyUploads => Some(("Retry-After", "10")),
            Self::Overloaded
            | Self::NoRoomForBody
            | Self::Unavailable
            | Self::Shard(_)
            | Self::Moved
            | Self::NotEverywhere
            | Self::NoDirectory => Some(("Retry-After", "1")),
            // A deployment takes a few seconds.
            Self::OtherVersion => Some(("Retry-After", "5")),
            Self::NotConfigured(_) => Some(("Retry-After", "60")),
            _ => None,
        }
    }

    /// The answer to a request, from a deployment at this origin.
    pub(super) fn reply(&self, origin: &str) -> Reply {
        let (status, kind, title) = self.kind();
        let errors = if let Self::InvalidPoints(_, errors) = self { errors.as_slice() } else { &[] };
        let hits = if let Self::Limited(limited) = self { limited.hits.as_slice() } else { &[] };
        let limit = |hit: &Hit| LimitBody { scope: hit.scope(), of: hit.of.name(), retry_after: hit.retry_after_s };
        let limits = hits.iter().map(limit).collect();
        let r#type = format!("{origin}/problems#{kind}");
        let body = Body { r#type, title, status, detail: self.detail(), errors, limits };
        let body = serde_json::to_vec(&body).expect("strings and numbers always serialise");
        self.with_headers(Reply::new(status, "application/problem+json", body).with("Cache-Control", "no-store"))
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoSuchStream => Self::NO_SUCH_STREAM,
            Refusal::Unauthorized => {
                Self::Unauthorized("this request requires the stream's read key, as a bearer token or as ?key=")
            }
            Refusal::OriginNotAllowed => Self::OriginNotAllowed,
            Refusal::WrongWriteKey => Self::WRONG_WRITE_KEY,
            Refusal::WriteKeyNeeded => Self::WRITE_KEY_NEEDED,
            Refusal::Blocked => Self::Blocked,
            Refusal::NoSuchWriteKey => Self::NotFound("the stream has no write key with this id"),
            Refusal::Moved => Self::Moved,
            Refusal::Conflict(detail) => Self::Conflict(detail),
            Refusal::Overloaded => Self::Overloaded,
            Refusal::Limited(limited) => Self::Limited(Box::new(limited)),
            Refusal::TooLarge(detail) => Self::TooLarge(detail),
            Refusal::QueryTooLarge(detail) => Self::QueryTooLarge(detail),
            Refusal::InvalidRequest(detail) => Self::InvalidRequest(detail),
            Refusal::OtherVersion => Self::OtherVersion,
            Refusal::Internal => Self::Internal,
        }
    }
}

impl From<ParamError> for Problem {
    fn from(error: ParamError) -> Self {
        use model::window::WindowError;
        match error {
            ParamError::Window(WindowError::TooManySteps(_)) => Self::QueryTooLarge(error.to_string()),
            ParamError::Window(window) if window.is_of_retention() => Self::QueryTooLarge(error.to_string()),
            _ => Self::InvalidRequest(error.to_string()),
        }
    }
}

impl From<ConfigError> for Problem {
    fn from(error: ConfigError) -> Self {
        Self::InvalidRequest(error.to_string())
    }
}
