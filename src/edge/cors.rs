//! Which origins may read an answer, and preflights.

use std::borrow::Cow;
use std::rc::Rc;

use crate::wire::stream::StreamConfig;

use super::face;
use super::problem::Problem;
use super::reply::Reply;
use super::route::Route;
use super::{Exchange, StreamId};

/// Chromium's upper bound: two hours.
const MAX_AGE_S: &str = "7200";
const REQUEST_HEADERS: &str =
    "Authorization, Content-Type, Content-Encoding, Idempotency-Key, If-None-Match, Last-Event-ID";
const RESPONSE_HEADERS: &str = "ETag, Location, Retry-After";

/// Who may read the answer, as far as browsers care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cors {
    /// Every page.
    Any,
    /// Every page, with the headers of the app.net face.
    Face,
    /// Pages of this origin, as the stream has an allow-list and it is on it.
    Only(String),
    /// No page: the stream has an allow-list and the origin is not on it.
    Nobody,
}

/// A writer that its origin does not keep out.
pub(super) struct Admitted {
    pub(super) config: Rc<StreamConfig>,
    pub(super) origin: Option<String>,
}

impl Cors {
    /// The headers that tell it.
    pub(super) fn headers(self) -> Vec<(&'static str, Cow<'static, str>)> {
        let vary = ("Vary", "Origin".into());
        let allow = |origin| ("Access-Control-Allow-Origin", origin);
        let expose = ("Access-Control-Expose-Headers", RESPONSE_HEADERS.into());
        match self {
            Self::Any => vec![allow("*".into()), expose],
            Self::Face => {
                vec![allow("*".into()), ("Access-Control-Expose-Headers", face::RESPONSE_HEADERS.into())]
            }
            Self::Only(origin) => vec![vary, allow(origin.into()), expose],
            Self::Nobody => vec![vary],
        }
    }
}

impl Exchange {
    pub(super) async fn preflight(&self, route: &Route<'_>, cors: &mut Cors) -> Result<Reply, Problem> {
        if let Route::Points(id) | Route::Statsd(id) | Route::Otlp(id) = route {
            self.admit(&self.stream(id)?, cors).await?;
        }
        let request_headers = if matches!(route, Route::Face(_)) { face::REQUEST_HEADERS } else { REQUEST_HEADERS };
        Ok(Reply::empty(204)
            .with("Access-Control-Allow-Methods", route.methods())
            .with("Access-Control-Allow-Headers", request_headers)
            .with("Access-Control-Max-Age", MAX_AGE_S))
    }

    /// The configuration of a stream and the request's origin, if it may write there; also decides who may read the answer.
    /// What has no origin comes from no page: it may write, and no header of ours matters to it.
    pub(super) async fn admit(&self, id: &StreamId, cors: &mut Cors) -> Result<Admitted, Problem> {
        let (mut config, origin) = (self.config(id).await?, self.header("Origin"));
        if !config.admits(origin.as_deref()) {
            config = self.newer_config(id, config).await?;
        }
        if !config.admits(origin.as_deref()) {
            return Err(Problem::OriginNotAllowed);
        }
        if let Some(origin) = &origin
            && !config.origins.is_empty()
        {
            *cors = Cors::Only(origin.clone());
        }
        Ok(Admitted { config, origin })
    }
}
