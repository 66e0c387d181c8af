//! Channels: a stream is a channel, and creating a channel creates a stream.

use serde_json::json;

use crate::edge::problem::Problem;
use crate::edge::reply::Reply;
use crate::edge::{Exchange, StreamId, internal};
use appnet::channel_in::ChannelIn;
use appnet::channel_view::{ChannelView, Content};
use appnet::message_view::content;
use appnet::paging::{MessageParts, is_set};
use appnet::{TIMESERIES, envelope};
use config::stream::MAX_OWNER_BODY_BYTES;
use config::stream_patch::StreamPatch;
use protocol::command::{Credential, Page};

use super::{answer, invalid};

/// The type of the annotation with a new stream's key, which only this one answer contains.
const NEW_STREAM: &str = "net.app.contrib.timeseries.stream";

/// What a channel shows of its stream to everyone.
pub(super) struct Public {
    pub(super) is_public: bool,
    pub(super) created_ms: u64,
}

pub(in crate::edge) async fn create_channel(exchange: &mut Exchange) -> Result<Reply, Problem> {
    let body = exchange.body(MAX_OWNER_BODY_BYTES).await?;
    let wish = ChannelIn::parse(&body);
    // A caller that is not the owner only learns that, and nothing about the body.
    let token = exchange.access_token().or_else(|| wish.as_ref().ok()?.access_token.clone());
    exchange.check_owner_token(token.as_deref())?;
    let is_public = wish.map_err(|error| invalid(&error))?.is_public;
    let patch = json!({ "name": TIMESERIES, "public_read": is_public }).to_string();
    let (id, config, read_key) = exchange.new_stream(StreamPatch::parse(patch.as_bytes())?).await?;
    let links = exchange.links(&id, Some(&read_key));
    let told = json!([{ "type": NEW_STREAM, "value": { "read_key": read_key, "links": links } }]);
    let view = ChannelView {
        id: id.as_str(),
        origin: exchange.origin(),
        created_ms: config.created_ms,
        is_public: config.public_read,
        you_read: true,
        you_own: true,
        content: Content::default(),
        annotations: Some(told),
    };
    Ok(answer(&envelope::data(&view.to_json().to_string(), "")))
}

pub(in crate::edge) async fn describe_channel(exchange: &Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let config = exchange.config(id).await?;
    let public = Public { is_public: config.public_read, created_ms: config.created_ms };
    let view = exchange.channel_view(id, &public, exchange.face_credential()).await?;
    Ok(answer(&envelope::data(&view.to_json().to_string(), "")))
}

impl Exchange {
    /// The channel as the caller may see it.
    pub(super) async fn channel_view<'a>(
        &'a self,
        id: &'a StreamId,
        &Public { is_public, created_ms }: &Public,
        credential: Credential,
    ) -> Result<ChannelView<'a>, Problem> {
        let content = self.content(id, is_public, credential).await?;
        Ok(ChannelView {
            id: id.as_str(),
            origin: self.origin(),
            created_ms,
            is_public,
            you_read: content.is_some(),
            you_own: credential == Credential::Owner,
            content: content.unwrap_or_default(),
            annotations: self.is_set("include_annotations").then(|| json!([])),
        })
    }

    /// The content of a channel, if the caller may read it.
    async fn content(
        &self,
        id: &StreamId,
        is_public: bool,
        credential: Credential,
    ) -> Result<Option<Content>, Problem> {
        if credential == Credential::Nobody && !is_public {
            return Ok(None);
        }
        let newest = Page { since: None, before: None, count: 1, machine: true };
        let shown = self.is_set("include_recent_message").then(|| MessageParts {
            machine: true,
            annotations: self.is_set("include_message_annotations"),
            ..MessageParts::of(self.query_string())
        });
        match self.messages(id, newest).await {
            Ok(answer) => {
                let content = content(&answer, &self.message_view(id), shown);
                Ok(Some(content.map_err(|error| internal(&error))?))
            }
            // Messages of a stream with several shards cannot be read.
            Err(Problem::InvalidRequest(_)) => Ok(Some(Content::default())),
            Err(Problem::Unauthorized(_)) => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// The caller's credential, from a token in the header or the query string.
    pub(super) fn face_credential(&self) -> Credential {
        self.access_token().map_or(Credential::Nobody, |token| self.credential_of(&token))
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        is_set(self.query_string(), name)
    }
}
