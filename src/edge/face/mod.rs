//! The app.net face: clients of 2013 write and read here as they did there, with only the host changed. See docs/appnet.md.

mod channels;
mod errors;
mod messages;
mod route;

use crate::wire::appnet::paging::param;
use crate::wire::appnet::{MAX_ANNOTATIONS_BYTES, MAX_TEXT_CHARS, envelope};

use super::Exchange;
use super::problem::Problem;
use super::reply::Reply;
use super::route::query_string;

pub(super) use errors::reply as error_reply;
pub(super) use route::{Action, Route};

/// What pages of other origins may send, and may see of an answer.
pub(super) const REQUEST_HEADERS: &str = "Authorization, Content-Type, X-ADN-Migration-Overrides, X-ADN-Pretty-JSON";
pub(super) const RESPONSE_HEADERS: &str = "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After";

const NO_TOKEN: &str =
    "Call requires authentication: this needs the deployment's OWNER_TOKEN as a bearer token or as access_token";

impl Exchange {
    pub(super) async fn act_on_face(&mut self, action: Action<'_>) -> Result<Reply, Problem> {
        match action {
            Action::CreateChannel => self.create_channel().await,
            Action::DescribeChannel(id) => self.describe_channel(&self.stream(id)?).await,
            Action::PostMessage(id) => self.post_message(&self.stream(id)?).await,
            Action::ListMessages(id) => self.list_messages(&self.stream(id)?).await,
            Action::ReadMessage(id, message) => self.read_message(&self.stream(id)?, message).await,
            Action::TellConfig => Ok(tell_config()),
            Action::TellToken => self.tell_token(),
            Action::NotFound => Err(Problem::NotFound("there is nothing at this path")),
        }
    }

    /// Whose token it is: always the owner's, as others are of one channel only.
    fn tell_token(&self) -> Result<Reply, Problem> {
        // Where no owner's token is configured, none is right.
        self.check_owner_token(self.access_token().as_deref()).map_err(|_| Problem::Unauthorized(NO_TOKEN))?;
        let link = serde_json::Value::from(self.origin());
        Ok(answer(&envelope::data(
            &format!(
                r#"{{"app":{{"client_id":"heartbeat","link":{link},"name":"Heartbeat"}},"scopes":["basic","messages","public_messages"],"user":{{"id":"1","name":"owner","username":"owner"}},"limits":{{"following":0,"max_file_size":0}}}}"#
            ),
            "",
        )))
    }

    /// A token from the header or, for clients that can't set it, from the query string, as app.net had it.
    pub(super) fn access_token(&self) -> Option<String> {
        self.bearer().or_else(|| param(query_string(&self.url), "access_token"))
    }
}

/// The limits of messages, as `GET config` told them.
fn tell_config() -> Reply {
    answer(&envelope::data(
        &format!(
            r#"{{"message":{{"annotation_max_bytes":{MAX_ANNOTATIONS_BYTES},"text_max_length":{MAX_TEXT_CHARS}}}}}"#
        ),
        "",
    ))
}

fn answer(envelope: &str) -> Reply {
    Reply::json(200, envelope).with("Cache-Control", "no-store")
}

fn invalid(error: &dyn std::fmt::Display) -> Problem {
    Problem::InvalidRequest(error.to_string())
}
