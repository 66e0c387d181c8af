//! The app.net API: clients from 2013 read and write here as they did there, with only the host changed. See
//! docs/appnet.md.

pub(super) mod account;
pub(super) mod channels;
mod errors;
pub(super) mod listing;
pub(super) mod messages;

use appnet::paging::param;

use super::Exchange;
use super::problem::Problem;
use super::reply::Reply;
use super::route::query_string;

pub(super) use errors::reply as error_reply;

/// The headers that pages of other origins may send, and those that they may read.
pub(super) const REQUEST_HEADERS: &str = "Authorization, Content-Type, X-ADN-Migration-Overrides, X-ADN-Pretty-JSON";
pub(super) const RESPONSE_HEADERS: &str =
    "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After, Heartbeat-Limits";

pub(super) const NO_TOKEN: &str = "Call requires authentication: this request requires the deployment's OWNER_TOKEN as a bearer token or as access_token";

impl Exchange {
    /// A token from the header or, for clients that cannot set it, from the query string, as in app.net's API.
    pub(super) fn access_token(&self) -> Option<String> {
        self.bearer().or_else(|| param(query_string(&self.url), "access_token"))
    }
}

fn answer(envelope: &str) -> Reply {
    Reply::json(200, envelope).with("Cache-Control", "no-store")
}

fn invalid(error: &dyn std::fmt::Display) -> Problem {
    Problem::InvalidRequest(error.to_string())
}
