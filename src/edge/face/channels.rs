//! Channels: a stream is one, and making one makes a stream.

use serde_json::json;

use crate::edge::problem::Problem;
use crate::edge::reply::Reply;
use crate::edge::{Exchange, StreamId};
use crate::wire::appnet::channel_in::ChannelIn;
use crate::wire::appnet::channel_view::ChannelView;
use crate::wire::appnet::{TIMESERIES, envelope};
use crate::wire::command::{Command, Credential, Read};
use crate::wire::stream::MAX_OWNER_BODY_BYTES;
use crate::wire::stream_patch::StreamPatch;

use super::{answer, invalid};

/// The type of the annotation that tells a new stream's key, in the one answer that does.
const NEW_STREAM: &str = "net.app.contrib.timeseries.stream";

impl Exchange {
    pub(super) async fn create_channel(&mut self) -> Result<Reply, Problem> {
        let body = self.body(MAX_OWNER_BODY_BYTES).await?;
        let wish = ChannelIn::parse(&body);
        // Whoever is not the owner is told that, and nothing of the body.
        let token = self.access_token().or_else(|| wish.as_ref().ok()?.access_token.clone());
        self.check_owner_token(token.as_deref())?;
        let is_public = wish.map_err(|error| invalid(&error))?.is_public;
        let patch = json!({ "name": TIMESERIES, "public_read": is_public }).to_string();
        let (id, config, read_key) = self.new_stream(StreamPatch::parse(patch.as_bytes())?).await?;
        let links = self.links(&id, Some(&read_key));
        let told = json!([{ "type": NEW_STREAM, "value": { "read_key": read_key, "links": links } }]);
        let view = ChannelView { id: id.as_str(), is_public: config.public_read, you_read: true, you_own: true };
        Ok(answer(&envelope::data(&view.to_json(Some(&told.to_string())), "")))
    }

    pub(super) async fn describe_channel(&self, id: &StreamId) -> Result<Reply, Problem> {
        let is_public = self.config(id).await?.public_read;
        let credential = self.face_credential();
        let you_own = credential == Credential::Owner;
        let you_read = you_own || is_public || self.is_read_key(id, credential).await?;
        let view = ChannelView { id: id.as_str(), is_public, you_read, you_own };
        Ok(answer(&envelope::data(&view.to_json(None), "")))
    }

    /// Who asks, by a token in the header or the query string.
    pub(super) fn face_credential(&self) -> Credential {
        self.access_token().map_or(Credential::Nobody, |token| self.credential_of(&token))
    }

    async fn is_read_key(&self, id: &StreamId, credential: Credential) -> Result<bool, Problem> {
        if credential == Credential::Nobody {
            return Ok(false);
        }
        // What only who has the key may read.
        match self.command(id, &Command::Read { credential, what: Read::Status }).await {
            Ok(_) => Ok(true),
            Err(Problem::Unauthorized(_)) => Ok(false),
            Err(problem) => Err(problem),
        }
    }
}
