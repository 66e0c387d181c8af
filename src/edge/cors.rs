//! Which origins may read an answer, and preflights.

use std::rc::Rc;

use worker::{Headers, Result};

use crate::wire::stream::StreamConfig;

use super::problem::Problem;
use super::reply::Reply;
use super::route::Route;
use super::{Exchange, StreamId};

/// Chromium's upper bound: two hours.
const MAX_AGE_S: &str = "7200";
const REQUEST_HEADERS: &str = "Authorization, Content-Type, Content-Encoding, Idempotency-Key, If-None-Match";
const RESPONSE_HEADERS: &str = "ETag, Location, Retry-After";

/// Who may read the answer, as far as browsers care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cors {
    /// Every page.
    Any,
    /// Pages of this origin, as the stream has an allow-list and it is on it.
    Only(String),
    /// No page: the stream has an allow-list and the origin is not on it.
    Nobody,
}

impl Cors {
    pub(super) fn set(&self, headers: &Headers) -> Result<()> {
        let allowed = match self {
            Self::Any => "*",
            Self::Only(origin) => origin,
            Self::Nobody => return headers.append("Vary", "Origin"),
        };
        if *self != Self::Any {
            headers.append("Vary", "Origin")?;
        }
        headers.set("Access-Control-Allow-Origin", allowed)?;
        headers.set("Access-Control-Expose-Headers", RESPONSE_HEADERS)
    }
}

impl Exchange {
    pub(super) async fn preflight(&self, route: &Route<'_>, cors: &mut Cors) -> std::result::Result<Reply, Problem> {
        if let Route::Points(id) = route {
            self.admit(&self.stream(id)?, cors).await?;
        }
        Ok(Reply::empty(204)
            .with("Access-Control-Allow-Methods", route.methods())
            .with("Access-Control-Allow-Headers", REQUEST_HEADERS)
            .with("Access-Control-Max-Age", MAX_AGE_S))
    }

    /// The configuration of a stream, if this request's origin may write to it; also decides who may read the answer.
    /// What has no origin comes from no page: it may write, and no header of ours matters to it.
    pub(super) async fn admit(&self, id: &StreamId, cors: &mut Cors) -> std::result::Result<Rc<StreamConfig>, Problem> {
        let mut config = self.config(id).await?;
        let Some(origin) = self.header("Origin") else { return Ok(config) };
        if !config.admits(Some(&origin)) {
            config = self.newer_config(id, config).await?;
        }
        if !config.admits(Some(&origin)) {
            return Err(Problem::OriginNotAllowed);
        }
        if !config.origins.is_empty() {
            *cors = Cors::Only(origin);
        }
        Ok(config)
    }
}
